"""Who said what: corpora, the emotions they name, speaker-disjoint folds, draws of labels.

In:  folders of audio and tables, or nothing (the synthetic corpus).
Out: ``Corpus`` tables of utterances, and which of them train, validate and test.
"""

from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.corpora.readers import READERS, open, with_absolute_path
from undertone.corpora.tasks import (
    EMOTIONS,
    INTENSITIES,
    Task,
    canonical_emotion,
    classes,
    intensities,
)

__all__ = [
    "COLUMNS",
    "EMOTIONS",
    "INTENSITIES",
    "READERS",
    "Corpus",
    "Task",
    "canonical_emotion",
    "classes",
    "intensities",
    "open",
    "with_absolute_path",
]
