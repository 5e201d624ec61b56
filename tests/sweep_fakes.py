"""A sweep in this process: starting others takes seconds."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch


@contextlib.contextmanager
def in_this_process(workers: int, begin: Callable, *given: object) -> Iterator[ThreadPoolExecutor]:
    """What ``process_pool`` is to ``sweep``, with one thread."""
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=begin, initargs=given) as pool:
        yield pool
    torch.set_num_threads(threads)
