"""Write the regression values of the COVAREP columns: made-up voices and what we compute of them.

Usage: python scripts/make_covarep_regression.py [OUT.npz]

These are regression values of this package, not the reference's: they show that a column has
changed, not which of two values is right. Run the script only when a change is meant, raise
``covarep.VERSION`` and say in the commit which columns moved and why.

Stored by voice: ``VOICE`` the waveform in 16 bits, so that the values stand when synthesis changes;
``VOICE default`` (n_frames, 74) float32; ``VOICE published`` (n_frames, 2) the columns of Rd in
that variant, which changes no other. ``numpy`` and the compiled leaves may round differently on
another processor; the tolerances of ``tests/test_covarep_regression.py`` leave room for that.
"""

import argparse
from pathlib import Path

import numpy as np

from undertone.audio import SAMPLE_RATE
from undertone.features import covarep
from undertone.synthesis import vowel

OUT = Path(__file__).parent.parent / "tests" / "regression" / "covarep_voices.npz"
FULL_SCALE = 2**15
RD = [covarep.COLUMNS.index(name) for name in covarep.RD]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=OUT)
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **stored(make_voices()))
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def stored(voices: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By name: waveforms and the columns of each."""
    arrays = dict(voices)
    for name, samples in voices.items():
        waveform = (samples / FULL_SCALE).astype(np.float32)
        arrays[f"{name} default"] = covarep.extract(waveform)
        arrays[f"{name} published"] = covarep.extract(waveform, covarep.PUBLISHED)[:, RD]
    return arrays


def make_voices() -> dict[str, np.ndarray]:
    """By name: (n_samples,) int16."""
    waveforms = {
        "modal": vowel(f0_hz=[105, 135, 120], rd=[0.8, 1.2], duration_s=0.5, aspiration=0.01),
        "breathy": vowel(
            **{"f0_hz": [230, 290], "rd": 2.2, "duration_s": 0.5, "name": "i", "seed": 1},
            **{"tract_scale": 1.17, "jitter": 0.01, "aspiration": 0.08},
        ),
        "creaky": vowel(
            **{"f0_hz": [75, 42], "rd": [0.7, 0.4], "duration_s": 0.5, "name": "ɛ", "seed": 2},
            **{"jitter": 0.06, "shimmer": 0.15, "aspiration": 0.005},
        ),
    }
    sounds = {name: voice.waveform for name, voice in waveforms.items()} | {"paused": _paused()}
    return {name: np.round(FULL_SCALE * sound).astype(np.int16) for name, sound in sounds.items()}


def _paused() -> np.ndarray:
    """Silence, a voice, a pause, a voice, silence: digital silence outside, faint noise inside."""
    first = vowel(f0_hz=[150, 190], rd=1.0, duration_s=0.22, name="ʌ", seed=3).waveform
    second = vowel(f0_hz=[160, 110], rd=1.4, duration_s=0.2, name="u", seed=4).waveform
    spoken = np.concatenate([first, np.zeros(SAMPLE_RATE // 16), 0.4 * second])
    spoken += 1e-3 * np.random.default_rng(5).standard_normal(len(spoken))
    return np.pad(spoken, SAMPLE_RATE // 25)


if __name__ == "__main__":
    main()
