"""One vector an utterance: what a classic classifier sees of its frames.

In:  frames, shape (n_frames, n_features), and the names of their columns where known.
Out: (n_features * len(STATISTICS),) float32, column by column: mean, standard deviation, five
     percentiles and the mean absolute change from one frame to the next.

Values that are not finite are left out; a column without any finite value gives zeros. Where a
column is called ``voiced``, ``log_f0`` and the formants are described over voiced frames alone
(over all frames where none is voiced), so that interpolated gaps carry no weight.
"""

from collections.abc import Sequence

import numpy as np

from undertone.features import formants

PERCENTILES = (5, 25, 50, 75, 95)
STATISTICS = ("mean", "sd", *(f"p{percent:02d}" for percent in PERCENTILES), "change")
OVER_VOICED = ("log_f0", *formants.COLUMNS)
OF_THE_WHOLE = "equivalentSoundLevel_dBp"  # a column of eGeMAPS's functionals, which are described


def functionals(frames: np.ndarray, columns: Sequence[str] = ()) -> np.ndarray:
    """Describe the frames of one utterance; eGeMAPS's one frame describes it already."""
    frames = np.asarray(frames, dtype=np.float64)
    if OF_THE_WHOLE in columns:
        return np.asarray(frames[0], dtype=np.float32)
    if np.isfinite(frames).all():
        described = _describe(frames)
    else:
        described = np.stack([_describe_finite(column) for column in frames.T])
    if "voiced" in columns:
        voiced = frames[:, columns.index("voiced")] > 0.5
        for name in set(OVER_VOICED) & set(columns) if voiced.any() else ():
            index = columns.index(name)
            described[index] = _describe_finite(frames[voiced, index])
    return described.ravel().astype(np.float32)


def _describe(frames: np.ndarray) -> np.ndarray:
    """Statistics of finite frames, shape (n_features, len(STATISTICS))."""
    change = np.abs(np.diff(frames, axis=0)) if len(frames) > 1 else np.zeros_like(frames)
    return np.column_stack(
        [
            frames.mean(axis=0),
            frames.std(axis=0),
            np.percentile(frames, PERCENTILES, axis=0).T,
            change.mean(axis=0),
        ]
    )


def _describe_finite(column: np.ndarray) -> np.ndarray:
    finite = column[np.isfinite(column)]
    return _describe(finite[:, None])[0] if len(finite) else np.zeros(len(STATISTICS))
