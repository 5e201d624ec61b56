"""Frames of a user's own function: an encoder, or anything else that hears a waveform.

In:  a function from (n_samples,) at 16 kHz to (n_frames, n_features), a name, a version, a rate.
Out: the name under which every verb of this process takes it, ``own:NAME``, and its extractor.

Frames are kept in the store under name and version, not under what the function does: who changes
it raises the version. Functions are known to the process that added them, and run in it alone.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from undertone.audio import SAMPLE_RATE
from undertone.errors import UndertoneError
from undertone.features.extractor import Extractor, as_frames
from undertone.features.name import OWN_PREFIX

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
HIGHEST_RATE = float(SAMPLE_RATE)  # frames a second
_ADDED: dict[str, Extractor] = {}
Function = Callable[[np.ndarray], np.ndarray]


def add_features(
    name: str,
    compute: Function,
    *,
    version: int,
    frames_per_second: float,
    columns: Sequence[str] = (),
) -> str:
    """Make a function known under a name, for this process.

    It is heard at once on a second of faint noise, so that a function that returns something else
    is refused here and not in the middle of a corpus.

    Args:
        name: letters, digits, ``_``, ``.`` and ``-``.
        compute: (n_samples,) float32 at 16 kHz to (n_frames, n_features); the first frame stands at
            the start of the recording.
        version: enters the key of the store: raise it whenever the function gives other frames.
        frames_per_second: of the frames.
        columns: (n_features,) names; ``NAME_0``, ``NAME_1``, … by default.

    Returns:
        ``own:NAME``, for ``features=`` anywhere.

    Raises:
        UndertoneError: a name, version or rate that is none, or a function that gives no frames.
    """
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise UndertoneError(f"features are named with letters, digits, _ . and -, found {name!r}")
    if type(version) is not int or version < 1:
        raise UndertoneError(
            f"the version of {name} must be a whole number from 1 on, found {version!r}: it is "
            "what the stored frames are known by"
        )
    is_number = isinstance(frames_per_second, int | float | np.number)
    if not is_number or not 0 < frames_per_second <= HIGHEST_RATE:
        raise UndertoneError(
            f"{name} must have frames_per_second above 0 and up to {HIGHEST_RATE:g}, found "
            f"{frames_per_second!r}"
        )
    _check_columns(name, columns)
    if not callable(compute):
        raise UndertoneError(f"{name} takes a function of a waveform, found {compute!r}")
    noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
    width = _checked(noise, compute=compute, name=name, width=len(columns) or None).shape[1]
    _ADDED[name] = Extractor(
        partial(_checked, compute=compute, name=name, width=width),
        tuple(columns) or tuple(f"{name}_{i}" for i in range(width)),
        version,
        float(frames_per_second),
        first_centre=0.0,
        in_this_process=True,
    )
    return f"{OWN_PREFIX}{name}"


def add_given_frames(name: str, width: int, *, frames_per_second: float) -> None:
    """Make frames known that the caller brings with every utterance; no recording gives them.

    Args:
        name: of them.
        width: columns.
        frames_per_second: of the frames.
    """
    _ADDED[name] = Extractor(
        partial(_refuse, width=width),
        tuple(f"{name}_{i}" for i in range(width)),
        version=1,
        frames_per_second=frames_per_second,
        first_centre=0.0,
        in_this_process=True,
    )


def known() -> tuple[str, ...]:
    """Names that this process has added."""
    return tuple(_ADDED)


def find(name: str) -> Extractor:
    """The extractor of a function that was added.

    Raises:
        UndertoneError: this process knows none of that name.
    """
    if name not in _ADDED:
        added = ", ".join(f"{OWN_PREFIX}{of_one}" for of_one in _ADDED) or "none"
        raise UndertoneError(
            f"there are no own features {name!r} in this process, which knows {added}: add them "
            f"first, from Python, with undertone.add_features({name!r}, FUNCTION, version=1, "
            "frames_per_second=RATE)"
        )
    return _ADDED[name]


def _checked(
    waveform: np.ndarray, *, compute: Function, name: str, width: int | None
) -> np.ndarray:
    """(n_frames, n_features) float32 of a function, if that is what it gives."""
    return as_frames(compute(waveform), f"what the function of {name} gives", width=width)


def _check_columns(name: str, columns: Sequence[str]) -> None:
    """Refuse names of columns that are no texts, or the same."""
    if isinstance(columns, str) or not all(isinstance(one, str) for one in columns):
        raise UndertoneError(f"columns of {name} are a list of texts, found {columns!r}")
    if len(set(columns)) < len(columns):
        raise UndertoneError(f"two columns of {name} have one name: {', '.join(columns)}")


def _refuse(waveform: np.ndarray, *, width: int) -> np.ndarray:
    raise UndertoneError(
        f"this model reads frames of {width} columns that its user brings, and computes none of a "
        "recording: give it frames"
    )
