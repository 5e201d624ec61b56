"""Who said what: corpora, speaker-disjoint folds, what may be pre-trained on.

In:  folders of audio and tables, or nothing (the synthetic corpus).
Out: ``Corpus`` tables of utterances, and who is tested and learned from.
"""

from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.corpora.readers import READERS, open, with_absolute_path

__all__ = ["COLUMNS", "READERS", "Corpus", "open", "with_absolute_path"]
