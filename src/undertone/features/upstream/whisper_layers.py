"""The layers of Whisper's encoder, with the names that their weights have in files.

In:  a folder of the Hugging Face layout.
Out: a network of two convolutions, positions, transformer layers and a normalisation.

transformers has the same network and takes longer to be imported than a recording takes to be
heard; one family that needs no more than this is worth reading by ourselves.
Source: A. Radford et al., "Robust speech recognition via large-scale weak supervision" (2022),
section 2.2: pre-activation residual blocks, GELU, sinusoidal positions. Keys have no bias.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional

from undertone.errors import UndertoneError
from undertone.features.hub import (
    AGAIN,
    CONFIG,
    check_size,
    damage_told,
    read_json,
    weights_in,
    whole_number,
)

SIZES = {  # of a config, and the most that any encoder has, by far
    "d_model": 65_536,
    "encoder_layers": 1_000,
    "encoder_attention_heads": 1_024,
    "encoder_ffn_dim": 2**22,
    "num_mel_bins": 1_024,
    "max_source_positions": 2**31,
}
AHEAD = ("model.encoder.", "encoder.")  # of the names of its weights, in the kinds of models


class Attention(nn.Module):
    """Every position looks at all others."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads, self.scaling = heads, 1 / math.sqrt(width // heads)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, states: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """softmax(Q K^T / sqrt(d) + bias) V of (batch, n_positions, width)."""
        query, key, value = (
            part(states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        found = functional.scaled_dot_product_attention(
            query * self.scaling, key, value, attn_mask=bias, scale=1.0
        )
        projected: torch.Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        return projected


class Layer(nn.Module):
    """A transformer layer, normalised before each of its two halves."""

    def __init__(self, width: int, heads: int, wide: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, wide)
        self.fc2 = nn.Linear(wide, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, states: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, n_positions, width) of the same; ``bias`` is added to the scores."""
        states = states + self.self_attn(self.self_attn_layer_norm(states), bias)
        wide = functional.gelu(self.fc1(self.final_layer_norm(states)))
        states = states + self.fc2(wide)
        return states


class WhisperLayers(nn.Module):
    """What ``features.upstream.whisper`` runs; ``config`` is that of the folder."""

    def __init__(self, config: SimpleNamespace) -> None:
        super().__init__()
        self.config = config
        width, wide = config.d_model, config.encoder_ffn_dim
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        # A table of sines. Drawing random numbers for a device without memory imports torch's
        # compiler, which takes as long as torch itself: so none are drawn.
        table = torch.empty(config.max_source_positions, width)
        self.embed_positions = nn.Embedding(len(table), width, _weight=table)
        self.embed_positions.requires_grad_(False)
        self.layers = nn.ModuleList(
            Layer(width, config.encoder_attention_heads, wide) for _ in range(config.encoder_layers)
        )
        self.layer_norm = nn.LayerNorm(width)

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return self.conv1.weight.dtype


def read(folder: Path) -> WhisperLayers:
    """The network in single precision.

    Raises:
        UndertoneError: the weights cannot be read, lack some, or are not those of the config.
    """
    with damage_told(folder, "encoder"):
        config = config_of(read_json(folder / CONFIG, CONFIG), folder / CONFIG)
        with torch.device("meta"):
            network = WhisperLayers(config)
        check_size(folder, network)
        weights = dict(_weights(folder))
    if missing := sorted(network.state_dict().keys() - weights.keys()):
        raise UndertoneError(
            f"the weights in {folder} lack encoder.{', encoder.'.join(missing[:3])}"
            f"{', …' if len(missing) > 3 else ''}: they are not of the model that its config tells"
        )
    with damage_told(folder, "encoder"):
        known = {name: weights[name] for name in network.state_dict()}
        network.load_state_dict(known, assign=True)
    network.embed_positions.requires_grad_(False)
    return network


def config_of(config: Mapping[str, Any], where: Path) -> SimpleNamespace:
    """What the network is made with, out of a config; ``where`` it stands, for messages.

    Raises:
        UndertoneError: it is not of such a network.
    """
    sizes = {name: whole_number(config, name, where, most=most) for name, most in SIZES.items()}
    if sizes["d_model"] % sizes["encoder_attention_heads"]:
        raise UndertoneError(
            f"{where} tells of {sizes['encoder_attention_heads']} heads, which cannot share "
            f"{sizes['d_model']} units; {AGAIN}"
        )
    if (activation := config.get("activation_function", "gelu")) != "gelu":
        raise UndertoneError(f"{where} tells of {activation!r:.60}: Whisper computes with 'gelu'")
    return SimpleNamespace(model_type="whisper", **sizes)


def _weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Those of the encoder, by their names in it, whatever model they are part of."""
    for path in weights_in(folder):
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118
                    if own := _own_name(name):
                        yield own, file.get_tensor(name).float()
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
            yield from ((own, tensors[n].float()) for n in tensors if (own := _own_name(n)))


def _own_name(name: str) -> str:
    ahead = next((prefix for prefix in AHEAD if name.startswith(prefix)), None)
    return name[len(ahead) :] if ahead else ""
