"""What it costs to keep and to run a recogniser.

In:  a recogniser, waveforms (n_samples,) at ``audio.SAMPLE_RATE``.
Out: ``Cost``: numbers that are stored, bytes on disk, processor seconds a second of audio.

An encoder that the features come from is counted in: its parameters, its files, its time. Time is
that of one recording after the other on one thread, waveform to prediction, without reading files.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import audio
from undertone.features import extractors
from undertone.features.hub import weights_in
from undertone.features.name import parse
from undertone.features.upstream.batches import load, one_thread
from undertone.features.upstream.source import find
from undertone.recogniser.folder import Recogniser

MEGABYTE = 10**6


@dataclass(frozen=True)
class Cost:
    """What a recogniser costs.

    Attributes:
        parameters: numbers that were learned, in the model and in the encoder that it reads.
        size_bytes: of the model's folder, and of that encoder's files.
        seconds: of one processor core, a second of audio.
    """

    parameters: int
    size_bytes: int
    seconds: float

    def cells(self) -> tuple[str, str, str]:
        """For a table: thousands of parameters, megabytes, seconds.

        >>> Cost(650_400, 2_604_000, 0.0412).cells(), Cost(4_400, 38_200, 1.2).cells()
        (('650 k', '2.60 MB', '.0412'), ('4 k', '.04 MB', '1.2000'))
        """
        size = f"{self.size_bytes / MEGABYTE:.2f} MB".removeprefix("0")
        return f"{self.parameters / 1000:,.0f} k", size, f"{self.seconds:.4f}".removeprefix("0")


def cost_of(recogniser: Recogniser, waveforms: Sequence[np.ndarray]) -> Cost:
    """What it costs on these recordings; the first is heard twice, to load what is to be loaded."""
    extractor = extractors.get(recogniser.inputs.features)

    def hear(waveform: np.ndarray) -> None:
        recogniser.predict(extractor.compute(waveform))

    with one_thread():
        hear(waveforms[0])
        begin = time.process_time()
        for waveform in waveforms:
            hear(waveform)
        seconds = time.process_time() - begin
    n_samples = sum(map(len, waveforms))
    return Cost(
        _parameters(recogniser), _size_bytes(recogniser), seconds * audio.SAMPLE_RATE / n_samples
    )


def _parameters(recogniser: Recogniser) -> int:
    own = sum(array.size for array in recogniser.fitted.tensors().values())
    kept = sum(p.numel() for e in recogniser.encoders.values() for p in e.parameters())
    features = parse(recogniser.inputs.features)
    if not features.is_upstream:
        return own + kept
    module = load(find(features)).module
    return own + kept + sum(p.numel() for p in module.parameters())


def _size_bytes(recogniser: Recogniser) -> int:
    with tempfile.TemporaryDirectory() as folder:
        recogniser.save(Path(folder), card="")
        own = sum(path.stat().st_size for path in Path(folder).iterdir())
    features = parse(recogniser.inputs.features)
    if not features.is_upstream:
        return own
    return own + sum(path.stat().st_size for path in weights_in(find(features).folder))
