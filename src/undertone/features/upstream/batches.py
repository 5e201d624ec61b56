"""Recordings of any length and number through one encoder, in bounded memory.

In:  waveforms, each (n_samples,), at ``audio.SAMPLE_RATE``.
Out: (n_layers, n_frames, width) float16 of each, whatever else is in the batch.

A recording longer than ``PIECE_FRAMES`` is cut into pieces that overlap by ``MARGIN_FRAMES`` on
either side; the margins see the neighbourhood and are dropped. Utterance-wide normalisation comes
before the cut. Pieces of like length share a batch; of an int8 encoder each piece is alone, because
the scale of its values is that of the whole batch: frames would depend on who came with them.
"""

import contextlib
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from undertone import device
from undertone.errors import UndertoneError
from undertone.features.hub import check_size, damage_told, read_config
from undertone.features.upstream import int8, whisper_layers
from undertone.features.upstream.source import Upstream
from undertone.features.upstream.waveform import WaveformEncoder
from undertone.features.upstream.whisper import WhisperEncoder

PIECE_FRAMES = 1000  # 20 seconds
MARGIN_FRAMES = 100  # 2 seconds; the convolution over positions sees 1.3
BATCH_FRAMES = 1000  # padding included
ON_GPU = 16  # times as many there
WASTE = 1.15  # longest over shortest in a batch
HALF_MAX = float(np.finfo(np.float16).max)
MAY_BE_MISSING = {"masked_spec_embed"}  # of the pre-training


class Encoder(Protocol):
    """What the two kinds of encoders have in common."""

    equal_lengths_only: bool
    hop_length: int
    module: Any

    def prepare(self, waveform: np.ndarray) -> np.ndarray: ...
    def n_frames(self, waveform: np.ndarray) -> int: ...
    def cut(self, prepared: np.ndarray, first: int, last: int) -> np.ndarray: ...
    def run(self, pieces: Sequence[np.ndarray]) -> list[torch.Tensor]: ...


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording.

    Attributes:
        recording: its position.
        kept: (first, last) frames that are kept of it.
        seen: (first, last) frames that are computed.
    """

    recording: int
    kept: tuple[int, int]
    seen: tuple[int, int]

    @property
    def size(self) -> int:
        """Frames computed."""
        return self.seen[1] - self.seen[0]


def compute_layers(waveforms: Sequence[np.ndarray], source: Upstream) -> list[np.ndarray]:
    """All layers of every waveform.

    Raises:
        UndertoneError: the weights cannot be loaded, or a waveform is too short for them.
    """
    if not waveforms:
        return []
    encoder = load(source)
    prepared = [encoder.prepare(waveform) for waveform in waveforms]
    sizes = [encoder.n_frames(waveform) for waveform in waveforms]
    if min(sizes) < 1:
        raise UndertoneError("a recording is shorter than one frame of the encoder")
    results = [np.empty((source.n_layers, n, source.width), np.float16) for n in sizes]
    pieces = [piece for i, size in enumerate(sizes) for piece in plan_pieces(i, size)]
    with torch.inference_mode(), one_thread():
        batches = [[piece] for piece in pieces]
        if not source.int8:
            batches = list(plan_batches(pieces, equal_only=encoder.equal_lengths_only))
        for batch in batches:
            outputs = encoder.run([encoder.cut(prepared[p.recording], *p.seen) for p in batch])
            for piece, layers in zip(batch, outputs, strict=True):
                first, last = (frame - piece.seen[0] for frame in piece.kept)
                kept = layers[:, first:last].clamp(-HALF_MAX, HALF_MAX).cpu()
                results[piece.recording][:, slice(*piece.kept)] = kept.numpy()
    return results


def plan_pieces(recording: int, n_frames: int) -> Iterator[Piece]:
    """Cut a recording into pieces of about one size that overlap.

    >>> [p.kept for p in plan_pieces(0, 1000)], [p.seen for p in plan_pieces(0, 1500)]
    ([(0, 1000)], [(0, 850), (650, 1500)])
    """
    most = PIECE_FRAMES - 2 * MARGIN_FRAMES
    n_pieces = 1 if n_frames <= PIECE_FRAMES else -(-n_frames // most)
    bounds = [n_frames * i // n_pieces for i in range(n_pieces + 1)]
    for first, last in itertools.pairwise(bounds):
        seen = (max(first - MARGIN_FRAMES, 0), min(last + MARGIN_FRAMES, n_frames))
        yield Piece(recording, (first, last), seen)


def plan_batches(pieces: Sequence[Piece], *, equal_only: bool) -> Iterator[list[Piece]]:
    """Pieces of like length, or of equal length only, as many as a batch holds frames."""
    most = BATCH_FRAMES * (1 if device.current() == device.CPU else ON_GPU)
    batch: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: -piece.size):
        if batch:
            longest = batch[0].size
            fits = (len(batch) + 1) * longest <= most
            alike = longest == piece.size if equal_only else longest <= WASTE * piece.size
            if not (fits and alike):
                yield batch
                batch = []
        batch.append(piece)
    if batch:
        yield batch


def load(source: Upstream) -> Encoder:
    """The encoder, loaded once a process, device and set of options."""
    return _loaded(source, device.current())


@functools.lru_cache(maxsize=2)
def _loaded(source: Upstream, where: str) -> Encoder:
    return build(source)


def build(source: Upstream) -> Encoder:
    """The encoder, whose module nobody else has."""
    module = read_module(source).eval()
    if source.raw_last_state:
        keep_last_state_raw(module, source)
    if source.int8:  # whose products no GPU of torch has
        return dressed(source, int8.quantise(module))
    device.place(module)
    if source.options.bfloat16:
        module = module.to(torch.bfloat16)
    return dressed(source, module)


def dressed(source: Upstream, module: Any) -> Encoder:
    """The network with what prepares its inputs and runs it."""
    kind = WhisperEncoder if source.family == "whisper" else WaveformEncoder
    return kind(source, module)


def read_module(source: Upstream) -> torch.nn.Module:
    """The encoder in single precision.

    Raises:
        UndertoneError: the weights cannot be read, or lack some.
    """
    if source.family == "whisper":
        return whisper_layers.read(source.folder)
    import transformers

    with quiet(transformers), damage_told(source.folder, "encoder"):
        config = read_config(source.folder)
        if getattr(config, "add_adapter", False):
            config.add_adapter = False  # it halves the rate behind the last layer
        with torch.device("meta"):
            check_size(source.folder, transformers.AutoModel.from_config(config))
        model, info = transformers.AutoModel.from_pretrained(
            source.folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    if missing := {key for key in info["missing_keys"] if key not in MAY_BE_MISSING}:
        raise UndertoneError(
            f"the weights in {source.folder} lack {', '.join(sorted(missing)[:3])}"
            f"{', …' if len(missing) > 3 else ''}: they are not of the model that its config tells"
        )
    return model


def keep_last_state_raw(module: Any, source: Upstream) -> None:
    """Take away the normalisation behind the last layer, where the family has one there."""
    if source.family == "whisper":
        module.layer_norm = torch.nn.Identity()
    elif getattr(module.config, "do_stable_layer_norm", False):
        module.encoder.layer_norm = torch.nn.Identity()


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Without its progress bars and its report of heads that are not used."""
    log = transformers.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: processes share the cores, and every process rounds alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
