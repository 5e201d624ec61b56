"""Who is tested, which labels are given, what may be pre-trained on: the three in one import.

In and out: see ``corpora.folds``, ``corpora.draws`` and ``corpora.pool``.
"""

from undertone.corpora.draws import LabelDraw, draw_anyhow, draw_labels, largest_budget
from undertone.corpora.folds import Fold, known_speakers, speaker_folds
from undertone.corpora.pool import Pool, PoolPart, pool

__all__ = [
    "Fold",
    "LabelDraw",
    "Pool",
    "PoolPart",
    "draw_anyhow",
    "draw_labels",
    "known_speakers",
    "largest_budget",
    "pool",
    "speaker_folds",
]
