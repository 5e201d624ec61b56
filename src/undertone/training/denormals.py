"""Numbers too small to matter, taken for 0 while a network is trained.

Weights that decay and moments of unused inputs become denormal: below 1.2e-38 in float32, where a
processor is many times slower. Set for one thread; the state before comes back, because what is
imported or computed elsewhere may ask how small a number can be.
"""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def flushed() -> Iterator[None]:
    """Denormal results are 0 in this thread until the context ends, where the processor can."""
    before = are_flushed()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def are_flushed() -> bool:
    """Whether a denormal number times 1 is 0 in this thread."""
    smallest = torch.tensor([1], dtype=torch.int32).view(torch.float32)
    return not bool((smallest * 1).view(torch.int32).item())
