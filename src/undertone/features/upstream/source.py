"""Which encoder a text names: its folder, its shape, and a digest of its weights.

In:  ``FOLDER@LAYER`` or ``HUB_NAME@LAYER``; LAYER a number, several as ``2-4``, or ``all``;
     ``+padded``, ``+bare`` and ``+bfloat16`` may follow. ``auto`` stands for a layer that a
     learning curve chooses on labels.
Out: ``Upstream``, read off the folder's two JSON files; nothing is loaded.
"""

import functools
import hashlib
import importlib.util
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from undertone import audio
from undertone.errors import UndertoneError

PREFIX = "upstream:"
INSTALL = "pip install 'undertone[upstream]'"
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the first that is there counts
WAVEFORM_FAMILIES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")  # DistilHuBERT is a hubert
FAMILIES = (*WAVEFORM_FAMILIES, "whisper")
WHISPER_HOP = 160  # samples a frame of its log-mel input
EVERY, CHOSEN = "all", "auto"
COLUMN = re.compile(r"[0-9a-f]{8}_(\d\d)_\d{4}")  # weights, layer, unit


@dataclass(frozen=True)
class Options:
    """How an encoder is run; each is ``+name`` behind the layer."""

    padded: bool = False  # Whisper: on 30 seconds, all the silence behind the speech computed
    bare: bool = False  # Whisper: on the speech alone, without silence
    bfloat16: bool = False  # weights and products in bfloat16: quicker where the processor has them


@dataclass(frozen=True)
class Upstream:
    """An encoder and what is asked of it.

    Attributes:
        folder: where its files are.
        family: the ``model_type`` of its config.
        layers: those asked for, side by side.
        digest: of the weights and the two JSON files; names the model wherever it lies.
        n_layers: transformer layers and what enters them.
        width: features a layer.
        hop_length: samples a frame.
        first_centre: the sample in the middle of the first frame's field.
        normalise: whether an utterance is brought to mean 0 and variance 1.
        options: how it is run.
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


def find(text: str) -> Upstream:
    """The encoder that a text names.

    Args:
        text: as in the module's docstring, with or without ``upstream:`` before it.

    Raises:
        UndertoneError: the extra is not installed, there is no such encoder, it is of a family that
            is not known, or has no such layer.
    """
    model, at, rest = text.removeprefix(PREFIX).rpartition("@")
    if not at or not model:
        raise UndertoneError(
            f"expected {PREFIX}FOLDER@LAYER or {PREFIX}NAME@LAYER, LAYER a number, 2-4 or {EVERY}, "
            f"found {text!r}"
        )
    _check_installed()
    layer, *options = rest.split("+")
    folder = _locate(model)
    config = _read(folder / CONFIG)
    shape = _shape(folder, config)
    return Upstream(
        folder=folder,
        layers=_layers(layer, int(shape["n_layers"]), folder),
        digest=_digest(folder, _state(folder)),
        options=_options(options, str(config["model_type"])),
        **shape,
    )


def with_absolute_path(text: str) -> str:
    """The same name, independent of the current folder."""
    model, _, rest = text.removeprefix(PREFIX).rpartition("@")
    folder = Path(model or ".").expanduser()
    return f"{PREFIX}{os.path.abspath(folder)}@{rest}" if folder.is_dir() else text


def asks_to_choose(text: str) -> bool:
    """Whether the layer is ``auto``."""
    return text.rpartition("@")[2].partition("+")[0] == CHOSEN


def with_every_layer(text: str) -> str:
    """The same encoder and options, all layers.

    >>> with_every_layer("upstream:whisper@auto+padded")
    'upstream:whisper@all+padded'
    """
    model, _, rest = text.rpartition("@")
    return "+".join([f"{model}@{EVERY}", *rest.split("+")[1:]])


@functools.lru_cache(maxsize=8)
def layers_of(columns: tuple[str, ...]) -> np.ndarray | None:
    """(n_columns,) the layer of each column; None where they are not all an encoder's.

    >>> layers_of(("0123abcd_02_0000", "0123abcd_03_0000")), layers_of(("log_energy",))
    (array([2, 3]), None)
    """
    found = [COLUMN.fullmatch(name) for name in columns]
    if not found or None in found:
        return None
    return np.array([int(match[1]) for match in found if match])


def n_frames(config: Mapping[str, Any], n_samples: int) -> int:
    """How many frames the convolutions of a waveform encoder make of so many samples."""
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        n_samples = (n_samples - kernel) // stride + 1
    return max(n_samples, 0)


def _check_installed() -> None:
    if importlib.util.find_spec("transformers") is None:
        raise UndertoneError(
            f"features that begin with {PREFIX} need the package transformers; install it with "
            f"`{INSTALL}`"
        )


def _locate(model: str) -> Path:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if folder.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise UndertoneError(f"there is no folder {folder} of an encoder")
    return _fetch(model)


def _fetch(name: str) -> Path:
    """The folder of a hub's model in its local cache, fetched if it is not there."""
    import huggingface_hub as hub

    patterns = [CONFIG, PREPROCESSOR, *WEIGHTS, "model*.safetensors.index.json", "*.bin.index.json"]
    try:
        return Path(hub.snapshot_download(name, allow_patterns=patterns, local_files_only=True))
    except Exception:  # not in the cache, or only in part
        try:
            files = hub.list_repo_files(name)
            if any(file.startswith("model") and file.endswith(".safetensors") for file in files):
                patterns = [p for p in patterns if ".bin" not in p]
            return Path(hub.snapshot_download(name, allow_patterns=patterns))
        except Exception as error:
            raise UndertoneError(
                f"{name} is no folder here, and could not be fetched from the hub under this name "
                f"({type(error).__name__}: {str(error).splitlines()[0]}); give the folder of a "
                "model, or a name such as facebook/hubert-base-ls960"
            ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UndertoneError(
            f"{path} cannot be read: {error.strerror}; an encoder is a folder with {CONFIG}, "
            f"{PREPROCESSOR} and weights, as `save_pretrained` of transformers writes it"
        ) from None
    except ValueError as error:
        raise UndertoneError(f"{path} is not valid JSON: {error}") from None
    return found


def _shape(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    family = config.get("model_type")
    if family not in FAMILIES:
        raise UndertoneError(
            f"{folder / CONFIG} is of model_type {family!r}; encoders are {', '.join(FAMILIES)}"
        )
    inputs = _read(folder / PREPROCESSOR)
    if (rate := inputs.get("sampling_rate", audio.SAMPLE_RATE)) != audio.SAMPLE_RATE:
        raise UndertoneError(
            f"the encoder in {folder} expects {rate} Hz; only {audio.SAMPLE_RATE} Hz is supported"
        )
    if family == "whisper":
        if (inputs.get("hop_length", WHISPER_HOP), inputs.get("n_fft", 400)) != (WHISPER_HOP, 400):
            raise UndertoneError(f"{folder / PREPROCESSOR} is not Whisper's: 400 and 160 samples")
        return {
            "family": family,
            "n_layers": config["encoder_layers"] + 1,
            "width": config["d_model"],
            "hop_length": 2 * WHISPER_HOP,
            "first_centre": 0.0,
            "normalise": bool(inputs.get("do_normalize", False)),
        }
    field_length = 1
    for kernel, stride in zip(
        reversed(config["conv_kernel"]), reversed(config["conv_stride"]), strict=True
    ):
        field_length = (field_length - 1) * stride + kernel
    return {
        "family": family,
        "n_layers": config["num_hidden_layers"] + 1,
        "width": config["hidden_size"],
        "hop_length": math.prod(config["conv_stride"]),
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


def _options(names: list[str], family: str) -> Options:
    if unknown := set(names) - set(vars(Options())):
        raise UndertoneError(
            f"there is no option +{', +'.join(sorted(unknown))}; there are "
            f"+{', +'.join(vars(Options()))}"
        )
    if {"padded", "bare"} & set(names) and family != "whisper":
        raise UndertoneError(f"+padded and +bare are for whisper encoders; this one is {family}")
    if {"padded", "bare"} <= set(names):
        raise UndertoneError("+padded and +bare exclude each other")
    return Options(**dict.fromkeys(names, True))


def _files(folder: Path) -> list[Path]:
    weights = next((found for p in WEIGHTS if (found := sorted(folder.glob(p)))), None)
    if weights is None:
        raise UndertoneError(f"no weights in {folder}: expected {' or '.join(WEIGHTS)}")
    return [folder / CONFIG, folder / PREPROCESSOR, *weights]


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells that the files have not changed since they were hashed."""
    stats = [(path.name, path.stat()) for path in _files(folder)]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


@functools.lru_cache
def _digest(folder: Path, state: object) -> str:
    found = hashlib.sha256()
    for path in _files(folder):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()
