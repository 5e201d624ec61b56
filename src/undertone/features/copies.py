"""Copies of utterances in which nothing but the recording differs, and their frames.

In:  a corpus, the name of an extractor.
Out: ``Copied``: frames of the copies, from the store or computed into it, and whose they are.

A classifier learns of them where not to look (``models.nuisance``). Of a large corpus some
utterances are copied, of all speakers about as many, always the same ones. Copies are made for
extractors that are quick enough, ``QUICK``; frames that a corpus brings have no audio to alter.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from undertone.corpora.corpus import Corpus
from undertone.features.altered import ALTERED
from undertone.features.name import FeatureName
from undertone.features.store import FrameTable, extract

MOST = 400  # utterances of a corpus that are copied
QUICK = ("log_mel",)  # extractors


@dataclass(frozen=True)
class Copied:
    """Frames of copies.

    Attributes:
        table: frames by name of the copy.
        of: names of the copies by utterance.
    """

    table: FrameTable
    of: Mapping[str, tuple[str, ...]]


def copy(
    corpus: Corpus,
    features: FeatureName,
    *,
    folder: Path | str | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Copied | None:
    """The copies of a corpus, or of ``MOST`` of its utterances; None for extractors that are slow.

    Args:
        corpus: whose recordings are altered.
        features: which frames.
        folder: of the store.
        workers: processes.
        progress: whether to show it on standard error.
    """
    if str(features) not in QUICK:
        return None
    chosen = corpus.with_table(choose(corpus.table))
    source, keys, of = {}, {}, dict[str, tuple[str, ...]]()
    for name in ALTERED:
        table = extract(
            *(chosen, features),
            folder=folder,
            workers=workers,
            progress=progress,
            altered=name,
        )
        for utterance, place in table.source.items():
            own = f"{name} copy of {utterance}"
            source[own], keys[own] = place, table.keys[utterance]
            of[utterance] = (*of.get(utterance, ()), own)
    return Copied(replace(table, source=source, keys=keys, failures={}), of)


def choose(rows: pd.DataFrame) -> pd.DataFrame:
    """At most ``MOST`` rows, as evenly over the speakers as they go; the order does not matter."""
    digest = [hashlib.sha256(str(name).encode()).hexdigest() for name in rows["utterance"]]
    drawn = rows.assign(_digest=digest).sort_values("_digest")
    drawn = drawn.assign(_turn=drawn.groupby("speaker", dropna=False).cumcount())
    first = drawn.sort_values(["_turn", "_digest"])["utterance"].iloc[:MOST]
    return rows[rows["utterance"].isin(first)]
