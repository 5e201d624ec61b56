"""Encoders whose weights of products are rounded to 8 bits when they are loaded.

In:  a loaded encoder in single precision.
Out: the same with its linear layers quantised: weights once, with a scale a layer; what enters a
     layer anew each time, with the scale of that very input.

WavLM hands the weights of its attention to torch as they are, so that they stay in single
precision; its other linear layers are rounded. All use of ``torch.ao.quantization``, which torch
calls deprecated, is here.
"""

import warnings
from typing import Any

import torch
from torch import nn

from undertone.errors import UndertoneError

PASSED_ON = {"wavlm": ("q_proj", "k_proj", "v_proj", "out_proj")}  # weights, rather than called


def quantise(module: Any) -> Any:
    """The module with its linear layers rounded to 8 bits; it is changed in place.

    Raises:
        UndertoneError: this build of torch cannot compute with 8 bits.
    """
    if torch.backends.quantized.engine == "none":
        raise UndertoneError(
            "this build of torch has no kernels for 8 bits: use the encoder that was shrunk "
            "without --int8"
        )
    with warnings.catch_warnings():
        for of_torch in ("torch.ao.quantization is deprecated", "torch.quantize_per_tensor"):
            warnings.filterwarnings("ignore", of_torch)
        from torch.ao.quantization import quantize_dynamic

        return quantize_dynamic(module, _names(module), dtype=torch.qint8, inplace=True)


def _names(module: Any) -> set[str]:
    """Of the linear layers that are called."""
    passed_on = PASSED_ON.get(module.config.model_type, ())
    return {
        name
        for name, part in module.named_modules()
        if type(part) is nn.Linear and name.rpartition(".")[2] not in passed_on
    }
