"""Who said what: corpora, speaker-disjoint folds, what may be pre-trained on.

In:  folders of audio and tables, or nothing (the synthetic corpus).
Out: ``Corpus`` tables of utterances, and who is tested and learned from.

Names are imported when they are first used: what only looks for sound in a folder reads no table.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undertone.corpora.corpus import COLUMNS, Corpus
    from undertone.corpora.readers import READERS, check_is_not_read, open, with_absolute_path

__all__ = ["COLUMNS", "READERS", "Corpus", "check_is_not_read", "open", "with_absolute_path"]
_OF_CORPUS = ("COLUMNS", "Corpus")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"undertone.corpora has no {name}")
    home = "corpus" if name in _OF_CORPUS else "readers"
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
