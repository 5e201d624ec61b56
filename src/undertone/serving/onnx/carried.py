"""The package's own NumPy that a folder carries where its graph does not begin at the waveform.

In:  modules of ``features``.
Out: their text as a package ``features`` of its own: the same lines, but for where they import
     from; in the place of ``scipy.fft`` stands what takes it, or NumPy's transforms without it.

Nothing is written a second time: what serves here is what is copied. A module that would import
anything else is refused by the test that runs a folder without Undertone.
"""

import inspect
import re
from pathlib import Path

from undertone import audio
from undertone.features import f0 as f0_module
from undertone.features import formants, framing, functionals, levels, log_mel
from undertone.features.descriptors import (
    balance,
    blocks,
    melody,
    modulation,
    rhythm,
    speech,
    timbre,
    voice,
)
from undertone.serving.onnx import alone

FOLDER = "features"
MODULES = (
    *(framing, levels, f0_module, formants, log_mel, functionals),
    *(speech, timbre, melody, rhythm, voice, modulation, balance, blocks),
)
PACKAGE = '''"""Features of speech in NumPy: what Undertone computes, copied out of it.

In:  a waveform (n_samples,) at 16,000 Hz.
Out: frames (n_frames, n_features); the vector of an utterance.
"""

import numpy as np

from features import functionals as _functionals
from features import log_mel
from features.blocks import described
from features.speech import speech_in


def frames(waveform):
    """(n_frames, 55) float32."""
    return log_mel.extract(waveform)


def vector(block, frames, columns):
    """(n_values,) float32: descriptors of the speech in the frames, or functionals of them."""
    speech = speech_in(frames, columns) if block == "descriptors" else None
    if speech is None:
        return _functionals.functionals(frames, tuple(columns))
    return described(speech)
'''
TRANSFORMS = '''"""The transforms of SciPy, or NumPy's where it is missing, which are close.

A path through candidates of F0 may turn on the last bit: without SciPy about one recording in a
thousand has another F0 in a frame or two.
"""

try:
    from scipy.fft import dct, irfft, next_fast_len, rfft
except ImportError:
    from features.numpy_fft import dct, irfft, next_fast_len, rfft

__all__ = ["dct", "irfft", "next_fast_len", "rfft"]
'''
IMPORTS = (  # patterns and what stands in their place
    (r"^import scipy\.fft$", "from features import fft"),
    (r"\bscipy\.fft\b", "fft"),
    (r"^from undertone\.features\.descriptors\b", "from features"),
    (r"^from undertone\.features\b", "from features"),
    (r"^from undertone\b", "from features"),
)


def features() -> dict[str, str]:
    """The text of each file of the package, by its path in the folder."""
    grid = {
        name: getattr(audio, name)
        for name in ("SAMPLE_RATE", "HOP_LENGTH", "FRAMES_PER_SECOND", "FIRST_CENTRE")
    }
    constants = "".join(f"{name} = {value}\n" for name, value in grid.items())
    texts = {
        "__init__": PACKAGE,
        "audio": f'"""The grid of frames."""\n\n{constants}\n\n{inspect.getsource(audio.n_frames)}',
        "fft": TRANSFORMS,
        "numpy_fft": _text("numpy_fft"),
    }
    for module in MODULES:
        name = module.__name__.rpartition(".")[2]
        texts[name] = _at_home(inspect.getsource(module))
    return {f"{FOLDER}/{name}.py": text for name, text in texts.items()}


def run() -> str:
    """The text of the program that a folder is run with."""
    return _text("run")


def _text(name: str) -> str:
    return (Path(alone.__file__).parent / f"{name}.py").read_text(encoding="utf-8")


def _at_home(text: str) -> str:
    for pattern, instead in IMPORTS:
        text = re.sub(pattern, instead, text, flags=re.M)
    return text
