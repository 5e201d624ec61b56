"""An encoder that a model carries in itself: what is told of it, and a network to be filled.

In:  a loaded encoder and its ``Upstream``; or what was told of one, as JSON gives it.
Out: what JSON can hold; an encoder of the same kind, whose weights are not there yet.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.config import load
from undertone.features.upstream import whisper_layers
from undertone.features.upstream.batches import Encoder, dressed, keep_last_state_raw
from undertone.features.upstream.cut import Cut
from undertone.features.upstream.source import FAMILIES, Options, Upstream

SHAPE = ("family", "n_layers", "width", "hop_length", "first_centre", "normalise")


def describe(source: Upstream, encoder: Encoder) -> dict[str, Any]:
    """What ``empty`` needs to make the network again."""
    config = encoder.module.config
    told = vars(config) if source.family == "whisper" else config.to_diff_dict()
    return {
        **{name: getattr(source, name) for name in SHAPE},
        "raw_last_state": source.raw_last_state,
        "options": vars(source.options),
        "config": {name: value for name, value in told.items() if not name.startswith("_")},
    }


def empty(told: Mapping[str, Any]) -> Encoder:
    """The encoder, its weights as they were drawn: they are to be replaced.

    Raises:
        ValueError: it is of no family that is known.
    """
    source = _source(told)
    if source.family not in FAMILIES:
        raise ValueError(f"it carries an encoder of family {source.family!r:.60}")
    module = _module(source.family, told["config"])
    if source.raw_last_state:
        keep_last_state_raw(module, source)
    return dressed(source, module)


def _source(told: Mapping[str, Any]) -> Upstream:
    n_layers = int(told["n_layers"])
    return Upstream(
        folder=Path(),
        layers=range(n_layers),
        digest="",
        options=load(Options, told["options"]),
        cut=Cut(n_layers - 1, "", "", raw_last_state=True) if told["raw_last_state"] else None,
        **{name: told[name] for name in SHAPE},
    )


def _module(family: str, config: Mapping[str, Any]) -> Any:
    if family == "whisper":
        return whisper_layers.WhisperLayers(whisper_layers.config_of(config, Path("its config")))
    import transformers

    values = {name: value for name, value in config.items() if name != "model_type"}
    of_family = transformers.AutoConfig.for_model(family, **values)
    of_family._attn_implementation = None  # as ``hub.read_config`` has it
    return transformers.AutoModel.from_config(of_family)
