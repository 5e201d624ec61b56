"""The GRU layer: ``torch.nn.GRU`` with its parameters, its maths and, where possible, a kernel.

In:  x (batch, n_frames, n_features) float32, padded at the end; lengths (batch,).
Out: output (batch, n_frames, n_hidden), 0 beyond each length; last hidden (n_layers, batch,
     n_hidden), each sequence's own state at its own last frame.

A sequence's result does not depend on the other sequences of the batch nor on padding.
``precision="bfloat16"``, the default, rounds the operands of the products (weights, inputs, state,
gradients of gates) to bfloat16 while gradients are recorded, on processors that multiply it. Sums,
gates, state and parameters stay float32, and so does everything under ``torch.no_grad``. With
``precision="float32"`` training equals ``torch.nn.GRU`` too (docs/decisions/0006). On a GPU it is
the GRU of cuDNN, whose products PyTorch lets round to TF32.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from undertone.errors import UndertoneError
from undertone.models.gru import library
from undertone.models.gru.packed import Call, Layer, Layout

PRECISIONS = ("float32", "bfloat16")


class GRU(nn.GRU):
    """A drop-in for ``torch.nn.GRU(..., batch_first=True)``: same state dict, same maths."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 2, *, precision: str = "bfloat16"
    ) -> None:
        if precision not in PRECISIONS:
            raise UndertoneError(
                f"GRU precision is one of {', '.join(PRECISIONS)}, not {precision}"
            )
        super().__init__(input_size, hidden_size, num_layers, batch_first=True)
        self.precision = precision

    def forward(  # type: ignore[override]
        self, x: Tensor, lengths: Tensor | None = None, *, hidden: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run all layers.

        Args:
            x: (batch, n_frames, n_features) frames, padded at the end.
            lengths: (batch,) frames of each sequence, 1 to n_frames; None where all are whole.
            hidden: (n_layers, batch, n_hidden) starting state, zeros by default.

        Returns:
            (batch, n_frames, n_hidden) output of the last layer, and (n_layers, batch, n_hidden)
            the last state of each layer.
        """
        if lengths is not None:
            lengths = _checked(lengths, x)
        weight = self.all_weights[0][0]
        kernel = library.load() if _suits_kernel(x, weight) else None
        if kernel is not None:
            return self._forward_compiled(x, lengths, hidden, kernel)
        if lengths is None:
            return super().forward(x, hidden)
        if x.is_cuda:
            return self._forward_packed(x, lengths, hidden)
        return self._forward_eager(x, lengths, hidden)

    def _forward_compiled(
        self, x: Tensor, lengths: Tensor | None, hidden: Tensor | None, kernel: library.Kernel
    ) -> tuple[Tensor, Tensor]:
        batch, n_frames, _ = x.shape
        layout = Layout.of(lengths, batch, n_frames)
        rows = layout.pack(x)
        learning = torch.is_grad_enabled()
        precision = library.permitted(self.precision if learning else "float32", kernel)
        call = Call(kernel, precision, layout.batch_sizes, keep=learning)
        last = []
        for layer in range(self.num_layers):
            start = None if hidden is None else hidden[layer].index_select(0, layout.order)
            rows = Layer.apply(rows, start, *self.all_weights[layer], call)
            last.append(rows.index_select(0, layout.last_rows))
        return layout.unpack(rows), torch.stack(last)

    def _forward_packed(
        self, x: Tensor, lengths: Tensor, hidden: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """All layers of cuDNN's own GRU, which skips padding and knows each sequence's end."""
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, last = super().forward(packed, hidden)
        padded, _ = pad_packed_sequence(output, batch_first=True, total_length=x.shape[1])
        return padded, last

    def _forward_eager(
        self, x: Tensor, lengths: Tensor, hidden: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Layer by layer, so that each layer's state can be read where a sequence ends."""
        lengths = lengths.to(x.device)
        if hidden is None:
            hidden = x.new_zeros(self.num_layers, x.shape[0], self.hidden_size)
        here = torch.arange(x.shape[0], device=x.device)
        last = []
        for layer in range(self.num_layers):
            start: Tensor = hidden[layer : layer + 1].contiguous()
            weights: list[Tensor] = [*self.all_weights[layer]]
            x, _ = torch.gru(x, start, weights, True, 1, 0.0, self.training, False, True)
            last.append(x[here, lengths - 1])
        running = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return x.masked_fill(~running[:, :, None], 0.0), torch.stack(last)


def _checked(lengths: Tensor, x: Tensor) -> Tensor:
    lengths = lengths.to("cpu", torch.int64)
    if len(lengths) != len(x) or int(lengths.min()) < 1 or int(lengths.max()) > x.shape[1]:
        raise UndertoneError(
            f"lengths are one number from 1 to {x.shape[1]} for each of {len(x)} sequences, "
            f"not {lengths.tolist()}"
        )
    return lengths


def _suits_kernel(x: Tensor, weight: Tensor) -> bool:
    """Not while a graph is traced for export, nor for half-precision autocast."""
    if torch.jit.is_tracing() or torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():
        return False
    if torch.is_autocast_enabled("cpu") or x.dim() != 3 or x.numel() == 0:
        return False
    return all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (x, weight))
