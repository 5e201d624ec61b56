"""Tables and plot of docs/covarep.md: agreement with the reference, and truth on a synthetic voice.

Usage: UNDERTONE_GOLDEN=FOLDER python scripts/covarep_report.py

Prints the agreement of every column over all golden files as a table, then the estimates on the
LF-model voice, and writes docs/covarep_truth.svg.
"""

import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from covarep_golden import NAMES, SILENT, Golden  # noqa: E402

from undertone import synthesis  # noqa: E402
from undertone.features import covarep  # noqa: E402
from undertone.features.covarep import COLUMNS, CovarepConfig  # noqa: E402
from undertone.features.covarep.extraction import analyse  # noqa: E402

TOLERANCE = {"Rd": 5e-3, "creak": 5e-2}
RDS, F0S_HZ = (0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.4), (95, 110, 130, 155, 180, 210, 250)


def main() -> None:
    """Print the tables and draw the plot."""
    folder = Path(os.environ["UNDERTONE_GOLDEN"]) / "covarep"
    print_agreement([Golden(folder, name) for name in NAMES])
    draw_truth()


def print_agreement(files: list[Golden]) -> None:
    ours = [analyse(g.samples, g.sample_rate, CovarepConfig(raw=True)).frames for g in files]
    published = [
        analyse(g.samples, g.sample_rate, CovarepConfig(rd="published", raw=True)).frames
        for g in files
    ]
    for column, name in enumerate(COLUMNS):
        pairs = [pair(g, o[:, column], name) for g, o in zip(files, ours, strict=True)]
        print_row(name, pairs, TOLERANCE.get(name, 1e-6))
        if name in ("Rd", "Rd_conf"):
            fixed = [
                (np.nan_to_num(o[:, column]), np.nan_to_num(g[f"{name}_fixed"]))
                for g, o in zip(files, published, strict=True)
            ]
            print_row(f"{name} (published)", fixed, TOLERANCE.get(name, 1e-6))


def pair(golden: Golden, ours: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a column that the reference can be held to, ours and theirs."""
    ours = np.nan_to_num(ours, nan=0.0, posinf=np.inf, neginf=-np.inf)
    theirs, rows = golden["features"][:, COLUMNS.index(name)], slice(None)
    silent = golden.name in SILENT
    if name == "creak" and (silent or golden.sample_rate != 16_000):
        rows = slice(0, 0)
    if name.startswith("HMPD"):
        if "hmpd_rand0" in golden.keys:
            theirs = golden["hmpd_rand0"][:, COLUMNS.index(name) - 36]
        elif name == "HMPDM_24" or name.startswith("HMPDD") or silent:
            rows = slice(0, 0)
        if name.startswith("HMPDM"):
            turns = np.round((ours - theirs) / (2 * np.pi))
            ours = ours - 2 * np.pi * turns
        elif golden.name == "espeak_m_16k":
            rows = slice(0, 0)
        elif rows == slice(None):
            rows = slice(14, -15)
    ours, theirs = ours[rows], theirs[rows]
    known = np.isfinite(theirs) & np.isfinite(ours)
    assert np.array_equal(np.isinf(theirs), np.isinf(ours)), (golden.name, name)
    return ours[known], theirs[known]


def print_row(name: str, pairs: list[tuple[np.ndarray, np.ndarray]], tolerance: float) -> None:
    ours, theirs = (np.concatenate(values) for values in zip(*pairs, strict=True))
    error = np.abs(ours - theirs)
    constant = ours.std() == 0 or theirs.std() == 0
    correlation = "constant" if constant else f"{np.corrcoef(ours, theirs)[0, 1]:.7f}"
    print(
        f"| {name} | {len(ours)} | {error.max():.1e} | {np.median(error):.1e} | {correlation} | "
        f"{100 * np.mean(error <= tolerance):.2f} % within {tolerance:g} |"
    )


def draw_truth() -> None:
    """Medians over vowels of known F0 and Rd."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "undertone"
    from matplotlib import pyplot

    rows = np.array([estimate(f0_hz, rd) for f0_hz in F0S_HZ for rd in RDS])
    f0_hz, rd, found_f0_hz, published, confidence, compatible, flipped = rows.T
    good = flipped == 0
    off = np.abs(found_f0_hz / f0_hz - 1)
    print(
        f"\nF0: median error {np.median(off):.4f}, within 2 % in {np.sum(off < 0.02)} of {len(off)}"
    )
    for wrong in np.flatnonzero(off >= 0.02):
        print(f"  F0 {f0_hz[wrong]:.0f}, Rd {rd[wrong]}: found {found_f0_hz[wrong]:.1f} Hz")
    print(f"polarity wrong in {int(flipped.sum())} of {len(rows)}")
    for name, values in (("published", published), ("compatible", compatible)):
        error = np.abs(values - rd)
        print(
            f"Rd, {name}: median error {np.median(error):.3f}, 90th percentile "
            f"{np.percentile(error, 90):.3f}, correlation {np.corrcoef(values, rd)[0, 1]:.3f}; "
            f"upright only: {np.median(error[good]):.3f}, {np.percentile(error[good], 90):.3f}, "
            f"{np.corrcoef(values[good], rd[good])[0, 1]:.3f}"
        )
    print(f"confidence of the published form: median {np.median(confidence):.2f}")
    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3.2), constrained_layout=True)
    axes[0].plot(f0_hz, found_f0_hz, "o", markersize=3)
    axes[0].set(title="F0, Hz", xlabel="truth")
    for axis, name, values in (
        (axes[1], "Rd, published", published),
        (axes[2], "Rd, compatible", compatible),
    ):
        axis.plot(rd[good], values[good], "o", markersize=3, label="upright")
        axis.plot(rd[~good], values[~good], "x", markersize=4, label="polarity mistaken")
        axis.set(title=name, xlabel="truth", ylim=(0.2, 2.6))
    axes[1].legend()
    for axis in axes:
        axis.axline((1, 1), slope=1, color="grey", linewidth=0.5)
    figure.savefig(ROOT / "docs" / "covarep_truth.svg", metadata={"Date": None})


def estimate(f0_hz: float, rd: float) -> list[float]:
    """Truth and medians over the frames of one vowel of the LF-model voice."""
    voice = synthesis.vowel(f0_hz=f0_hz, rd=rd, duration_s=0.6, aspiration=0.01, jitter=0.005)
    inner = slice(8, -8)
    found = np.median(covarep.extract(voice.waveform, covarep.PUBLISHED)[inner], axis=0)
    compatible = np.median(covarep.extract(voice.waveform)[inner], axis=0)
    from undertone.features.covarep.polarity import detect_polarity

    sign = detect_polarity(voice.waveform.astype(np.float64), 16_000).sign
    place = {name: COLUMNS.index(name) for name in ("F0", "Rd", "Rd_conf")}
    return [
        *(f0_hz, rd, found[place["F0"]], found[place["Rd"]], found[place["Rd_conf"]]),
        *(compatible[place["Rd"]], float(sign < 0)),
    ]


if __name__ == "__main__":
    main()
