"""How many parameters an encoder has, whole and cut to its first layers.

In:  an encoder.
Out: a number for each number of transformer layers that may be kept of it.

Whisper's positions are a fixed table that is never trained: they are not counted.
"""

from collections.abc import Sequence
from typing import Any

from undertone.features.upstream.batches import read_module
from undertone.features.upstream.source import Upstream


def parameters_by_layers(source: Upstream) -> tuple[int, ...]:
    """(n_layers,) of the encoder cut to 0, 1, … of its transformer layers; the last is the whole.

    Raises:
        UndertoneError: its weights cannot be read.
    """
    module: Any = read_module(source)
    fixed = module.embed_positions if source.family == "whisper" else None
    stack = module.layers if source.family == "whisper" else module.encoder.layers
    whole = _count(module) - (_count(fixed) if fixed is not None else 0)
    each = [_count(layer) for layer in stack]
    return tuple(whole - sum(each[kept:]) for kept in range(len(each) + 1))


def nearest(parameters: Sequence[int], share: float) -> int:
    """The number of layers, one at least and not all, whose share of the whole is nearest.

    >>> nearest([10, 20, 30, 40], 0.7)
    2
    """
    whole = parameters[-1]
    kept = range(1, len(parameters) - 1)
    return min(kept, key=lambda layers: abs(parameters[layers] / whole - share))


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
