"""A smaller encoder out of a pre-trained one: its first layers, or weights for 8 bits, or both.

In:  the name of an encoder, how many transformer layers are kept, whether products are in 8 bits.
Out: a folder of the same layout that every door takes as an encoder: ``config.json``,
     ``preprocessor_config.json``, ``model.safetensors`` and a card. It is whole or absent.

Nothing is trained. States 0 to K are those of the whole encoder; ``cut`` says how the last of them
is kept so. Floats are stored in the precision of the source, int8 or not: they are rounded when the
encoder is loaded (``int8``).
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

import undertone
from undertone import atomic, seals
from undertone.config import expanded
from undertone.errors import UndertoneError
from undertone.features.hub import CONFIG, weights_in
from undertone.features.name import EVERY, PREFIX, parse_encoder
from undertone.features.upstream.batches import read_module
from undertone.features.upstream.cut import SECTION, Chosen, Cut, Distilled
from undertone.features.upstream.source import LAYERS_KEY, PREPROCESSOR, Upstream, find

WEIGHTS, CARD = "model.safetensors", "README.md"
FLOATS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


def find_whole(name: str) -> Upstream:
    """The encoder that is to be shrunk, all its layers.

    Raises:
        UndertoneError: there is none, or a layer or an option was asked for.
    """
    parsed = parse_encoder(name, layers=EVERY)
    if parsed.layers != EVERY or parsed.options:
        raise UndertoneError(
            f"an encoder is shrunk as a whole: expected {PREFIX}{parsed.model}, found {name}"
        )
    return find(parsed)


def shrink(
    name: str,
    out: Path | str,
    *,
    layers: int | None = None,
    int8: bool = False,
    chosen: Chosen | None = None,
) -> Upstream:
    """Write a smaller encoder.

    Args:
        name: of the encoder: ``upstream:MODEL``, or a folder.
        out: a folder that is not there yet.
        layers: transformer layers that are kept; all by default.
        int8: round the weights of products to 8 bits when it is loaded.
        chosen: where ``layers`` was chosen on labels.

    Returns:
        The encoder in ``out``.

    Raises:
        UndertoneError: there is no such encoder, or so many layers cannot be kept of it, or
            ``out`` is there already.
    """
    source, out = find_whole(name), expanded(out)
    n_kept = check_layers(source, layers, int8=int8)
    cut = _cut(source, _name_of(name), n_kept, int8=int8)
    cut = replace(cut, chosen=chosen or cut.chosen)
    with atomic.new_folder(out) as folder:
        module: Any = read_module(source)
        n_before = _count(module)
        stack = module.layers if source.family == "whisper" else module.encoder.layers
        del stack[n_kept:]
        _write(folder, module, source, cut, n_before=n_before)
    return find(f"{PREFIX}{os.path.abspath(out)}@{EVERY}")


def write_trained(module: Any, source: Upstream, distilled: Distilled, out: Path) -> Upstream:
    """Write an encoder that was trained after it was cut, as ``shrink`` writes a cut one.

    Args:
        module: with its weights.
        source: the cut encoder that it started from.
        distilled: what it was trained on.
        out: a folder that is not there yet.
    """
    assert source.cut is not None, "it starts from a cut encoder"
    whole: Any = read_module(source)  # with the normalisation that a raw last state passes over
    whole.load_state_dict(module.state_dict(), strict=False)
    with atomic.new_folder(out) as folder:
        cut = replace(source.cut, distilled=distilled)
        _write(folder, whole, source, cut, n_before=_count(whole))
    return find(f"{PREFIX}{os.path.abspath(out)}@{EVERY}")


def _write(folder: Path, module: Any, source: Upstream, cut: Cut, *, n_before: int) -> None:
    n_kept = len(module.layers if source.family == "whisper" else module.encoder.layers)
    (folder / WEIGHTS).write_bytes(_weights(module, source))
    (folder / CONFIG).write_text(_config(module, source, n_kept, cut), encoding="utf-8")
    (folder / PREPROCESSOR).write_bytes((source.folder / PREPROCESSOR).read_bytes())
    (folder / CARD).write_text(_card(cut, n_kept, _count(module), n_before), encoding="utf-8")
    seals.write_sums([folder / name for name in (WEIGHTS, CONFIG, PREPROCESSOR)])


def check_layers(source: Upstream, layers: int | None, *, int8: bool) -> int:
    """How many transformer layers are kept.

    Raises:
        UndertoneError: it would be no smaller encoder, or none at all.
    """
    there = source.n_layers - 1
    kept = there if layers is None else layers
    smaller = kept < there or (int8 and not source.int8)
    if 1 <= kept <= there and smaller:
        return kept
    if kept == there:
        what = "has int8 weights already" if int8 else f"has {there} layers already"
        raise UndertoneError(
            f"the encoder in {source.folder} {what}: nothing would be smaller; "
            f"{_advice(there, int8=source.int8)}"
        )
    raise UndertoneError(
        f"the encoder in {source.folder} has {there} transformer layers, found --layers {kept}; "
        f"{_advice(there, int8=source.int8)}"
    )


def _advice(there: int, *, int8: bool) -> str:
    few = f"take --layers 1 to {there - 1}" if there > 2 else "take --layers 1"
    ways = ([few] if there > 1 else []) + ([] if int8 else ["--int8"])
    return ", or ".join(ways) or "it cannot be made smaller"


def _name_of(text: str) -> str:
    """What people call it: a name on the hub, or the last part of a folder's path."""
    model = parse_encoder(text, layers=EVERY).model
    folder = expanded(model)
    return folder.resolve().name if folder.is_dir() else model


def _cut(source: Upstream, name: str, n_kept: int, *, int8: bool) -> Cut:
    """Of a cut encoder, the numbers of the first original."""
    original = source.cut or Cut(source.n_layers - 1, name, source.digest)
    return replace(
        original,
        raw_last_state=source.raw_last_state or n_kept < source.n_layers - 1,
        int8=source.int8 or int8,
    )


def _weights(module: Any, source: Upstream) -> bytes:
    """The content of a file of weights, with the names that transformers gives them."""
    prefix = "encoder." if source.family == "whisper" else ""
    precisions = _precisions(source)
    tensors = {
        f"{prefix}{name}": _in_precision_of_source(tensor, precisions)
        for name, tensor in module.state_dict().items()
    }
    return save(tensors, metadata={"format": "pt"})


def _precisions(source: Upstream) -> list[torch.dtype]:
    """Of the floats in the source's files, the narrowest first."""
    found: set[torch.dtype] = set()
    for path in weights_in(source.folder):
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                names = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            found |= {FLOATS[name] for name in names if name in FLOATS}
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True).values()
            found |= {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return sorted(found, key=lambda precision: (precision.itemsize, str(precision)))


def _in_precision_of_source(tensor: torch.Tensor, precisions: list[torch.dtype]) -> torch.Tensor:
    """In the narrowest precision of the source that loses nothing, contiguous."""
    if tensor.is_floating_point():
        exact = (p for p in precisions if torch.equal(tensor.to(p).to(tensor.dtype), tensor))
        tensor = tensor.to(next(exact, tensor.dtype))
    return tensor.contiguous().clone()


def _config(module: Any, source: Upstream, n_kept: int, cut: Cut) -> str:
    values: dict[str, Any] = json.loads((source.folder / CONFIG).read_text(encoding="utf-8"))
    values[LAYERS_KEY[source.family]] = n_kept
    if "num_hidden_layers" in values:  # older configs of Whisper tell it twice
        values["num_hidden_layers"] = n_kept
    if source.family != "whisper":
        values |= {"architectures": [type(module).__name__], "add_adapter": False}
    values[SECTION] = cut.section()
    return _json(values)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _card(cut: Cut, n_kept: int, n_parameters: int, n_before: int) -> str:
    """Markdown: what was cut from what, and what that means for who uses it."""
    whole = f"`{cut.original_name}` (digest `{cut.original_digest}`)"
    parts = [
        f"# {cut.original_name}: {n_kept} of {cut.original_layers} layers"
        f"{', int8' if cut.int8 else ''}\n",
        f"An encoder of speech: what enters the first and what leaves each of the first {n_kept} "
        f"of {cut.original_layers} transformer layers of {whole}. {_origin(cut)}\n",
        f"* Parameters: {n_parameters:,}; the folder that it was cut from has {n_before:,}.",
        *_told(cut, n_kept),
        f"\nUse it as `upstream:FOLDER@all`. Made with Undertone {undertone.__version__}.",
    ]
    return "\n".join(parts) + "\n"


def _origin(cut: Cut) -> str:
    if cut.distilled is None:
        return "Nothing was trained: the weights are the original's, and so is their licence."
    made = cut.distilled
    return (
        "Its weights were the original's and were then trained to say what layers "
        f"{', '.join(map(str, made.targets))} of it say, without labels, in {made.passes} passes "
        f"over {len(made.audio)} recordings of {', '.join(made.pools)}. Speakers: "
        f"{', '.join(made.speakers) or 'not known by name'}. Digests of the recordings are in "
        "`config.json`. It must not be evaluated on these speakers. The original's licence holds."
    )


def _told(cut: Cut, n_kept: int) -> list[str]:
    """A line for each thing that is not as in the original."""
    lines = []
    if cut.raw_last_state:
        lines.append(
            f"* State {n_kept} is that of the whole encoder, without the normalisation that some "
            "families have behind their last layer; the section `undertone` of `config.json` says "
            "so. Other programs may normalise it."
        )
    if cut.int8:
        lines.append(
            "* The weights of the linear layers are rounded to 8 bits when Undertone loads it; the "
            "file holds them unrounded. Other programs do not round them."
        )
    if cut.chosen is not None:
        chosen = cut.chosen
        lines.append(
            f"* The number of layers was chosen on labels of {chosen.corpus} (budgets "
            f"{', '.join(map(str, chosen.budgets))}; at most {chosen.margin:g} of the headline "
            "metric lost, by the interval of the paired difference), of the speakers "
            f"{', '.join(chosen.speakers)}: scores on these speakers are optimistic."
        )
    return lines
