"""Which encoder a name means: its folder, its shape, and a digest of its weights.

In:  a name of features, ``upstream:MODEL@LAYER``; its grammar is that of ``features.name``.
Out: ``Upstream``, read off the folder's two JSON files; nothing is loaded.
"""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from undertone import audio, seals
from undertone.errors import UndertoneError, needs
from undertone.features.hub import (
    AGAIN,
    CONFIG,
    digest_of,
    locate,
    read_json,
    weights_in,
    whole_number,
    whole_numbers,
)
from undertone.features.name import CHOSEN, EVERY, PREFIX, FeatureName, Options, parse
from undertone.features.upstream import cut
from undertone.features.upstream.cut import Cut

PREPROCESSOR = "preprocessor_config.json"
LAYOUT = f"{CONFIG}, {PREPROCESSOR} and weights"
WAVEFORM_FAMILIES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")  # DistilHuBERT is a hubert
FAMILIES = (*WAVEFORM_FAMILIES, "whisper")
LAYERS_KEY = dict.fromkeys(WAVEFORM_FAMILIES, "num_hidden_layers") | {"whisper": "encoder_layers"}
MOST_LAYERS, MOST_UNITS = 1000, 65_536  # of any encoder that there is, by far
WHISPER_HOP = 160  # samples a frame of its log-mel input
COLUMN = re.compile(r"[0-9a-f]{8}_(\d\d)_\d{4}")  # weights, layer, unit


@dataclass(frozen=True)
class Upstream:
    """An encoder, and which of its layers are meant.

    Attributes:
        folder: where its files are.
        family: the ``model_type`` of its config.
        layers: the extractor's, side by side.
        digest: of the weights and the two JSON files; names the model wherever it lies.
        n_layers: transformer layers and what enters them.
        width: features a layer.
        hop_length: samples a frame.
        first_centre: the sample in the middle of the first frame's field.
        normalise: whether an utterance is brought to mean 0 and variance 1.
        options: how it is run.
        cut: of an encoder that ``shrink`` made.
    """

    folder: Path
    family: str
    layers: range
    digest: str
    n_layers: int
    width: int
    hop_length: int
    first_centre: float
    normalise: bool
    options: Options = field(default_factory=Options)
    cut: Cut | None = None

    @property
    def n_layers_of_whole(self) -> int:
        """Transformer layers and what enters them, of the encoder that this one was cut from."""
        return self.n_layers if self.cut is None else self.cut.original_layers + 1

    @property
    def int8(self) -> bool:
        """Whether the weights of its products are rounded to 8 bits."""
        return self.cut is not None and self.cut.int8

    @property
    def raw_last_state(self) -> bool:
        """Whether the last state is not normalised."""
        return self.cut is not None and self.cut.raw_last_state

    @property
    def frames_per_second(self) -> float:
        """Of the frames; 50 for all that are published so far."""
        rate = audio.SAMPLE_RATE / self.hop_length
        return int(rate) if rate.is_integer() else rate

    def columns(self) -> tuple[str, ...]:
        """Names of the features: the weights, the layer, the unit."""
        return tuple(
            f"{self.digest[:8]}_{layer:02d}_{unit:04d}"
            for layer in self.layers
            for unit in range(self.width)
        )

    def settings(self) -> dict[str, Any]:
        """What the frames of all layers depend on; the folder's place is no part of it."""
        return {"weights": self.digest, **vars(self.options)}


def find(name: str | FeatureName) -> Upstream:
    """The encoder that a name of features means.

    Raises:
        UndertoneError: the extra is not installed, there is no such encoder, it is of a family that
            is not known, or has no such layer or option.
    """
    name = parse(name)
    if not name.is_upstream:
        raise UndertoneError(f"expected {PREFIX}MODEL@LAYER, found {str(name)!r}")
    needs("transformers", extra="upstream", what=f"features that begin with {PREFIX}")
    folder = locate(name.model, files=(PREPROCESSOR,), example="facebook/hubert-base-ls960")
    _check_whole(folder)
    config = read_json(folder / CONFIG, LAYOUT)
    shape = _shape(folder, config)
    made = cut.read(config, n_layers=shape["n_layers"] - 1, where=folder / CONFIG)
    if {"padded", "bare"} & set(name.options) and shape["family"] != "whisper":
        raise UndertoneError(
            f"+padded and +bare are for whisper encoders; this one is {shape['family']}"
        )
    if made is not None and made.int8 and "bfloat16" in name.options:
        raise UndertoneError(f"+bfloat16 is not for the encoder in {folder}: its weights are int8")
    return Upstream(
        folder=folder,
        layers=_layers(name.layers, int(shape["n_layers"]), folder),
        digest=digest_of(_files(folder)),
        options=Options(**dict.fromkeys(name.options, True)),
        cut=made,
        **shape,
    )


def _check_whole(folder: Path) -> None:
    """See that an encoder of ours is as it was written; other folders tell no digests.

    Raises:
        UndertoneError: one of its files was changed.
    """
    paths = [folder / name for name in (seals.SUMS, CONFIG, PREPROCESSOR)]
    if all(path.is_file() for path in paths):
        stats = [(path, path.stat()) for path in [*paths, *weights_in(folder)]]
        _check_sums(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@functools.lru_cache
def _check_sums(state: tuple[tuple[Path, int, int], ...]) -> None:
    """The digests of files behind that of the sums; again only where one was changed."""
    sums, *paths = (path for path, _, _ in state)
    if CONFIG in sums.read_text("utf-8", "replace"):
        seals.check_sums(list(paths), "make it again with `undertone shrink` or `distill`")


@functools.lru_cache(maxsize=8)
def layers_of(columns: tuple[str, ...]) -> np.ndarray | None:
    """(n_columns,) the layer of each column; None where they are not all an encoder's.

    >>> layers_of(("0123abcd_02_0000", "0123abcd_03_0000")), layers_of(("log_energy",))
    (array([2, 3]), None)
    """
    matches = [COLUMN.fullmatch(name) for name in columns]
    if not matches or None in matches:
        return None
    return np.array([int(match[1]) for match in matches if match])


def n_frames(config: Mapping[str, Any], n_samples: int) -> int:
    """How many frames the convolutions of a waveform encoder make of so many samples."""
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        n_samples = (n_samples - kernel) // stride + 1
    return max(n_samples, 0)


def _shape(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    family = config.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise UndertoneError(
            f"{folder / CONFIG} is of model_type {family!r:.60}; encoders are {', '.join(FAMILIES)}"
        )
    inputs = read_json(folder / PREPROCESSOR, LAYOUT)
    if (rate := inputs.get("sampling_rate", audio.SAMPLE_RATE)) != audio.SAMPLE_RATE:
        raise UndertoneError(
            f"the encoder in {folder} expects {rate!r:.60} Hz; only {audio.SAMPLE_RATE} Hz is "
            "supported"
        )
    where = folder / CONFIG
    n_layers = 1 + whole_number(config, LAYERS_KEY[family], where, most=MOST_LAYERS)
    if family == "whisper":
        if (inputs.get("hop_length", WHISPER_HOP), inputs.get("n_fft", 400)) != (WHISPER_HOP, 400):
            raise UndertoneError(f"{folder / PREPROCESSOR} is not Whisper's: 400 and 160 samples")
        return {
            "family": family,
            "n_layers": n_layers,
            "width": whole_number(config, "d_model", where, most=MOST_UNITS),
            "hop_length": 2 * WHISPER_HOP,
            "first_centre": 0.0,
            "normalise": bool(inputs.get("do_normalize", False)),
        }
    kernels, strides = (
        whole_numbers(config, name, where, most=audio.SAMPLE_RATE)
        for name in ("conv_kernel", "conv_stride")
    )
    if len(kernels) != len(strides):
        raise UndertoneError(
            f"{where} tells of {len(kernels)} kernels and {len(strides)} strides; {AGAIN}"
        )
    field_length = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field_length = (field_length - 1) * stride + kernel
    return {
        "family": family,
        "n_layers": n_layers,
        "width": whole_number(config, "hidden_size", where, most=MOST_UNITS),
        "hop_length": math.prod(strides),
        "first_centre": (field_length - 1) / 2,
        "normalise": bool(inputs.get("do_normalize", True)),  # the default of transformers
    }


def _layers(text: str, n_layers: int, folder: Path) -> range:
    if text == EVERY:
        return range(n_layers)
    first, _, last = text.partition("-")
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < n_layers):
        raise UndertoneError(
            f"the encoder in {folder} has the layers 0 to {n_layers - 1}: ask for one, for several "
            f"as 2-4, or for {EVERY}; found @{text}; @{CHOSEN} is for `undertone curve`, which "
            "chooses a layer on its labels"
        )
    return range(int(first), int(last) + 1)


def _files(folder: Path) -> list[Path]:
    return [folder / CONFIG, folder / PREPROCESSOR, *weights_in(folder)]
