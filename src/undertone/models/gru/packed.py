"""Ragged sequences as packed rows, and one GRU layer over them with its gradients.

Packed rows (n_rows, n_features) are time-major: step t holds the ``batch_sizes[t]`` sequences
that still run, longest sequence first. No row is padding, so nothing is computed on padding.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from undertone.models.gru.library import Kernel


@dataclass(frozen=True)
class Layout:
    """Where the frames of a padded batch lie among packed rows."""

    shape: tuple[int, int]  # batch, n_frames
    order: Tensor  # (batch,) sequences by falling length
    batch_sizes: Tensor  # (n_steps,) running sequences at each step
    last_rows: Tensor  # (batch,) packed row of each sequence's last frame
    positions: Tensor | None  # (n_rows,) of each packed row in the padded batch; None: all whole

    @classmethod
    def of(cls, lengths: Tensor | None, batch: int, n_frames: int) -> "Layout":
        if lengths is None or int(lengths.min()) == n_frames:
            whole = torch.arange(batch)
            last = whole + (n_frames - 1) * batch
            return cls((batch, n_frames), whole, torch.full((n_frames,), batch), last, None)
        lengths, order = lengths.sort(descending=True, stable=True)
        steps = torch.arange(int(lengths[0]))[:, None]
        running = steps < lengths
        batch_sizes = running.sum(1)
        before = batch_sizes.cumsum(0) - batch_sizes
        last_rows = torch.empty_like(order)
        last_rows[order] = before[lengths - 1] + torch.arange(batch)
        positions = (order * n_frames + steps)[running]
        return cls((batch, n_frames), order, batch_sizes, last_rows, positions)

    def pack(self, x: Tensor) -> Tensor:
        """(batch, n_frames, n) to (n_rows, n)."""
        if self.positions is None:
            return x.transpose(0, 1).reshape(-1, x.shape[2])
        return x.reshape(-1, x.shape[2]).index_select(0, self.positions)

    def unpack(self, rows: Tensor) -> Tensor:
        """(n_rows, n) to (batch, n_frames, n), 0 on padding."""
        batch, n_frames = self.shape
        if self.positions is None:
            return rows.view(n_frames, batch, -1).transpose(0, 1)
        padded = rows.new_zeros(batch * n_frames, rows.shape[1])
        return padded.index_copy(0, self.positions, rows).view(batch, n_frames, -1)


@dataclass(frozen=True)
class Call:
    """What every layer of one pass shares."""

    kernel: Kernel
    precision: str
    batch_sizes: Tensor
    keep: bool  # what the gradients need


class Layer(torch.autograd.Function):
    """One layer: packed rows (n_rows, n_features) to packed rows (n_rows, n_hidden)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, start: Tensor | None, *others: Any) -> Tensor:
        """Others: the four parameters in PyTorch's order, and the ``Call``."""
        *weights, call = others
        weights = [weight.detach().contiguous() for weight in weights]
        n_hidden = weights[1].shape[1]
        x, sizes = x.contiguous(), _sizes(call, x.shape[1], n_hidden)
        width = -(-n_hidden // call.kernel.lanes) * call.kernel.lanes
        if start is None:
            start = x.new_zeros(int(call.batch_sizes[0]), n_hidden)
        start = _widened(start, width)
        out = x.new_empty(len(x), width)
        saved = x.new_empty(len(x), 4 * width) if call.keep else None
        _run(call.kernel.forward[call.precision], sizes, x, start, *weights, out, saved)
        output = out if width == n_hidden else out[:, :n_hidden].contiguous()
        if call.keep:
            ctx.call = call
            ctx.save_for_backward(x, start, *weights[:2], out, saved)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        x, start, w_ih, w_hh, out, saved = ctx.saved_tensors
        n_hidden, call = w_hh.shape[1], ctx.call
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_start = torch.empty_like(start)
        of_weights = [torch.empty_like(w) for w in (w_ih, w_hh, w_hh[:, 0], w_hh[:, 0])]
        _run(
            call.kernel.backward[call.precision],
            _sizes(call, x.shape[1], n_hidden),
            *(x, start, w_ih, w_hh, out, saved, _widened(grad_output, out.shape[1])),
            *(grad_x, grad_start, *of_weights),
        )
        of_start = grad_start[:, :n_hidden] if ctx.needs_input_grad[1] else None
        return grad_x, of_start, *of_weights, None


def _sizes(call: Call, n_features: int, n_hidden: int) -> tuple[int, Tensor, int, int]:
    return len(call.batch_sizes), call.batch_sizes, n_features, n_hidden


def _widened(rows: Tensor, width: int) -> Tensor:
    return nn.functional.pad(rows, (0, width - rows.shape[1])).contiguous()


def _run(function: Any, sizes: tuple[int, Tensor, int, int], *arrays: Tensor | None) -> None:
    n_steps, batch_sizes, n_features, n_hidden = sizes
    addresses = [None if array is None else array.data_ptr() for array in arrays]
    if function(n_steps, batch_sizes.data_ptr(), n_features, n_hidden, *addresses):
        raise MemoryError("the GRU kernel could not allocate its working memory")
