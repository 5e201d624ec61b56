"""Which steps are hidden from the encoder in pre-training.

In:  lengths (batch,) of the sequences.
Out: (batch, n_steps) 1 where a step is hidden, 0 elsewhere, never on padding.

Source: 10 % of the steps, as 30 consecutive of 300 (Nimitsurachat & Washington, arXiv 2307.12343);
a shorter sequence hides the same share of itself.
"""

from collections.abc import Sequence

import numpy as np


def draw_hidden(
    lengths: Sequence[int], *, share: float, spans: int, rng: np.random.Generator
) -> np.ndarray:
    """Hide a share of each sequence, in stretches that do not overlap.

    A stretch may touch the next one. With as many stretches as hidden steps, or more, single steps
    are hidden, and every choice of them is equally likely.

    Args:
        lengths: (batch,) steps of each sequence, at least 1.
        share: of the steps, in (0, 1), to rounding; one is hidden in any sequence, and one is left
            in any of two steps or more.
        spans: stretches a sequence.
        rng: where the stretches lie.
    """
    hidden = np.zeros((len(lengths), max(lengths)), dtype=np.float32)
    for row, length in enumerate(lengths):
        n_hidden = max(1, min(length - 1, round(share * length)))
        for start, end in _stretches(length, n_hidden, spans, rng):
            hidden[row, start:end] = 1
    return hidden


def _stretches(
    length: int, n_hidden: int, spans: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Starts and ends of stretches that are as equal as they can be, each place equally likely.

    Each stretch is drawn together with the visible steps as one item among ``length - n_hidden +
    n_spans`` in a row: so stretches cannot overlap, and what is visible lies between them.
    """
    n_spans = min(spans, n_hidden)
    sizes = np.full(n_spans, n_hidden // n_spans)
    sizes[: n_hidden % n_spans] += 1
    items = np.sort(rng.choice(length - n_hidden + n_spans, size=n_spans, replace=False))
    starts = items - np.arange(n_spans) + np.cumsum(sizes) - sizes
    return list(zip(starts.tolist(), (starts + sizes).tolist(), strict=True))
