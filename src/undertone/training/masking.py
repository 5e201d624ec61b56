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
    """Hide ``spans`` stretches of each sequence, together about ``share`` of its steps.

    Args:
        lengths: (batch,) steps of each sequence, at least 1.
        share: of the steps, in (0, 1).
        spans: stretches a sequence; they may overlap.
        rng: where the stretches lie.
    """
    hidden = np.zeros((len(lengths), max(lengths)), dtype=np.float32)
    for row, length in enumerate(lengths):
        span = min(length, max(1, round(share * length / spans)))
        for start in rng.integers(0, length - span + 1, size=spans):
            hidden[row, start : start + span] = 1
    return hidden
