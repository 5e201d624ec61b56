"""eGeMAPS, by openSMILE where the extra ``rivals`` is installed: the field's classic features.

In:  a waveform.
Out: ``egemaps``: the 88 functionals of the whole utterance, as one frame; ``egemaps_lld``: the 25
     low-level descriptors, 100 frames a second.

openSMILE is licensed for research and personal use, **not for commercial products**; nothing of it
is part of this package, and that is said whenever it is used. Eyben et al. (2016), The Geneva
Minimalistic Acoustic Parameter Set, IEEE Transactions on Affective Computing 7(2); version 02.
"""

import functools
from typing import Any

import numpy as np

from undertone.audio import FRAMES_PER_SECOND, SAMPLE_RATE
from undertone.errors import UndertoneError, needs, tell
from undertone.features.extractor import Extractor

LEVELS = {"egemaps": "Functionals", "egemaps_lld": "LowLevelDescriptors"}  # openSMILE's words
FRAME_CENTRE = 160  # samples: the middle of openSMILE's first window of 20 ms
LICENCE = (
    "eGeMAPS is computed by openSMILE, which is licensed for research and personal use, not for "
    "commercial products"
)


def extractor(name: str) -> Extractor:
    """The extractor of a level; that it is not for commercial use is said once a process.

    Raises:
        UndertoneError: openSMILE is not installed.
    """
    smile = _smile(name)
    import opensmile

    _say_licence()
    whole = name == "egemaps"
    return Extractor(
        functools.partial(compute, name=name),
        tuple(smile.feature_names),
        version=1,
        frames_per_second=1.0 if whole else FRAMES_PER_SECOND,
        settings={"feature_set": "eGeMAPSv02", "opensmile": opensmile.__version__},
        first_centre=0.0 if whole else FRAME_CENTRE,
    )


def compute(waveform: np.ndarray, *, name: str) -> np.ndarray:
    """(n_frames, n_features) of a waveform; one frame of functionals.

    Raises:
        UndertoneError: the waveform is too short for it.
    """
    frames = _smile(name).process_signal(waveform, SAMPLE_RATE).to_numpy(np.float32)
    if not len(frames) or not np.isfinite(frames).all():
        raise UndertoneError("openSMILE finds no eGeMAPS in it: is it too short?")
    return frames


@functools.cache
def _smile(name: str) -> Any:
    needs("opensmile", extra="rivals", what="eGeMAPS features")
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=getattr(opensmile.FeatureLevel, LEVELS[name]),
    )


@functools.cache
def _say_licence() -> None:
    tell(LICENCE)
