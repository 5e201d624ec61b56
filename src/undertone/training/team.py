"""Processes that train one network together, each on its own sequences of every batch.

In:  tensors and numbers of one process.
Out: those of all. A process alone is a team, too, of which nothing is asked.

Every process draws the same random numbers and sees every ``size``-th sequence of a batch. What a
loss is a mean of is counted over the whole batch, so that gradients of the processes add up to that
of the batch, and losses to its loss: equal to those of one process but for the order of sums.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from undertone.errors import UndertoneError


class LostError(UndertoneError):
    """Another process of the team is not there any more."""


@dataclass(frozen=True)
class Team:
    """A process among others; the process group of torch stands behind it.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes and tells."""
        return self.rank == 0

    def own(self, n_sequences: int) -> slice:
        """Which of a batch's sequences are this process's; a tiny batch is the leader's alone."""
        if n_sequences >= self.size:
            return slice(self.rank, None, self.size)
        return slice(0, n_sequences if self.leads else 1)

    def works_on(self, n_sequences: int) -> bool:
        """Whether it has any: of a tiny batch the others see one that counts for nothing."""
        return self.leads or n_sequences >= self.size

    def of_all(self, rows: torch.Tensor, n_sequences: int) -> torch.Tensor:
        """(n_sequences, width) in their order; gradients reach only the rows of this process.

        Args:
            rows: (n_own, width) of this process's sequences.
            n_sequences: of all.
        """
        from torch import distributed

        most = -(-n_sequences // self.size)
        mine = nn.functional.pad(rows.detach(), (0, 0, 0, most - len(rows))).contiguous()
        others = [torch.empty_like(mine) for _ in range(self.size)]
        with _lost_is_told():
            distributed.all_gather(others, mine)
        together = rows.new_empty(n_sequences, rows.shape[1])
        for rank, part in enumerate(others):
            place = slice(rank, None, self.size)
            n_of_rank = len(range(n_sequences)[place])
            together[place] = rows if rank == self.rank else part[:n_of_rank]
        return together

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the sum of all gradients."""
        if self.size == 1:
            return
        from torch import distributed

        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
        )
        with _lost_is_told():
            distributed.all_reduce(flat)
        parts = flat.split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def total(self, value: float) -> float:
        """The sum over the processes, the same to the bit in each."""
        if self.size == 1:
            return value
        from torch import distributed

        where = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        together = torch.tensor([value], dtype=torch.float64, device=where)
        with _lost_is_told():
            distributed.all_reduce(together)
        return float(together)

    def hand_out(self, value: Any) -> Any:
        """What the leader has."""
        if self.size == 1:
            return value
        from torch import distributed

        held = [value]
        with _lost_is_told():
            distributed.broadcast_object_list(held, src=0)
        return held[0]


ALONE = Team()


@contextlib.contextmanager
def _lost_is_told() -> Iterator[None]:
    """A failure of what processes exchange: of all its kinds the cause is one that has ended."""
    try:
        yield
    except RuntimeError as error:
        raise LostError(str(error).splitlines()[0]) from error
