"""A corpus of CMU-MOSEI's layout and size with made-up features: a rehearsal, and a leak detector.

    python scripts/made_up_mosei.py --labels LABELS.csv --out made-up-mosei
    undertone reproduce masked-gru --corpus mosei=made-up-mosei --out runs/made-up

In:  labels, a CSV of the columns video, start, end, sentiment, happy, sad, anger, surprise,
     disgust, fear, split; the real ones, where you have them.
Out: a folder as ``corpora.mosei`` reads it: ``labels.csv`` and ``CMU_MOSEI_COVAREP.csd``, 74
     features every 10 ms of every video, of ragged length.

The features know nothing of the labels: each video is noise around a level of its own, and slower
than its frames. No system may therefore beat a constant; one that does has seen what it must not.
What is wrong with the published file is wrong here too: NaN, infinities, rows of one value, a video
of 43 columns, videos without features, a video without labels. ``--share .1`` keeps a tenth of the
videos of each fold. One video is in memory at a time.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from undertone.corpora import csd
from undertone.corpora.mosei import FRAMES_FILE, LABELS, LABELS_TABLE
from undertone.errors import UndertoneError
from undertone.features.covarep import COLUMNS
from undertone.features.csd_writer import metadata_of

HOP_S = 0.01
COLUMNS_NEEDED = ("video", "start", "end", *LABELS, "split")
SHARE_NAN, SHARE_INFINITE, SHARE_ALIKE = 1e-3, 1e-4, 1e-3  # of values, of values, of rows
OTHER_WIDTH = 43  # some releases have videos of so many columns
SMOOTH = 0.9  # of a frame goes on into the next one
DIGITS = 2  # kept of each value, so that the file stays small
STRANGER = "video-without-labels"


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True, help="CSV of the labels")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--share", type=float, default=1.0, help="of the videos of each fold")
    parser.add_argument("--seed", type=int, default=0, help="names all randomness")
    given = parser.parse_args()
    table = some_videos(read_labels(given.labels), given.share)
    n_frames = write(table, given.out, seed=given.seed)
    n_videos = table["video"].nunique()
    print(f"{given.out}: {len(table):,} segments of {n_videos:,} videos, {n_frames:,} frames")


def read_labels(path: Path) -> pd.DataFrame:
    """The table, with every column that the reader needs.

    Raises:
        UndertoneError: a column is missing.
    """
    table = pd.read_csv(path, dtype={"video": str})
    if missing := [name for name in COLUMNS_NEEDED if name not in table]:
        raise UndertoneError(
            f"{path} lacks the columns {', '.join(missing)}; a labels.csv has "
            f"{', '.join(COLUMNS_NEEDED)}"
        )
    return table


def some_videos(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """The first videos of each fold, at least one."""
    if not 0 < share <= 1:
        raise UndertoneError(f"--share must be above 0 and at most 1, found {share}")
    kept = []
    for _, of_fold in table.groupby("split", sort=False):
        videos = of_fold["video"].drop_duplicates()
        kept.append(
            of_fold[of_fold["video"].isin(videos.iloc[: max(1, round(share * len(videos)))])]
        )
    return pd.concat(kept, ignore_index=True)


def write(table: pd.DataFrame, folder: Path, *, seed: int) -> int:
    """Labels and features; how many frames there are."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / LABELS_TABLE, index=False)
    counted = [0]
    csd.write(
        folder / FRAMES_FILE,
        _entries(table, seed, counted),
        root="COVAREP",
        metadata=metadata_of(COLUMNS),
    )
    return counted[0]


def _entries(table: pd.DataFrame, seed: int, counted: list[int]) -> Iterator[tuple[str, csd.Entry]]:
    """A video at a time; a few are left out, cut in width, or nobody's."""
    ends_s = table.groupby("video", sort=False)["end"].max()
    trained = set(table["video"][table["split"] == "train"])
    spoiled = [video for video in ends_s.index if video in trained][1:]
    without, narrow = set(spoiled[:2]), set(spoiled[2:3])
    if len(spoiled) < 20:  # so small that every video counts
        without, narrow = set(), set()
    for number, (video, end_s) in enumerate([*ends_s.items(), (STRANGER, 5.0)]):
        if video in without:
            continue
        rng = np.random.default_rng([seed, number])
        width = OTHER_WIDTH if video in narrow else len(COLUMNS)
        n_rows = int(end_s / HOP_S) + int(rng.integers(1, 200))
        counted[0] += n_rows
        edges_s = np.arange(n_rows + 1) * HOP_S
        yield (
            str(video),
            csd.Entry(features(rng, n_rows, width), np.column_stack([edges_s[:-1], edges_s[1:]])),
        )


def features(rng: np.random.Generator, n_rows: int, width: int) -> np.ndarray:
    """(n_rows, width) float32 around a level of the video's own, with what is wrong in it."""
    from scipy.signal import lfilter

    noise = rng.normal(size=(n_rows, width)).astype(np.float32)
    slow = lfilter([np.sqrt(1 - SMOOTH**2)], [1, -SMOOTH], noise, axis=0)
    values = np.round(slow + rng.normal(3, 0.5, size=width), DIGITS).astype(np.float32)
    values[rng.random(n_rows) < SHARE_ALIKE] = 0
    values[rng.random(values.shape) < SHARE_NAN] = np.nan
    values[rng.random(values.shape) < SHARE_INFINITE] = -np.inf
    return values


if __name__ == "__main__":
    main()
