"""Corpora whose file names tell everything.

In:  a folder and a function that tells what a file's name says.
Out: ``Found``: a table of utterances, named by the stems of their files, and what was left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from undertone.corpora.corpus import COLUMNS, left_out
from undertone.corpora.folder import find_audio, relative_names
from undertone.errors import UndertoneError


@dataclass(frozen=True)
class Found:
    """Utterances read off file names, and the files that are none."""

    table: pd.DataFrame  # COLUMNS and label columns
    left_out: pd.DataFrame  # utterance, file, reason


def read(
    root: Path,
    describe: Callable[[str], Mapping[str, str | None] | None],
    *,
    corpus: str,
    example: str,
    refuse: Callable[[str], str | None] = lambda stem: None,
) -> Found:
    """Read what the names of a folder's audio files tell.

    Args:
        root: the folder.
        describe: columns by name from a stem; None where the corpus has no such name.
        corpus: how the corpus is called, for messages.
        example: a file name of the corpus, for messages.
        refuse: why an utterance of the corpus is left out; None where it stays.

    Raises:
        UndertoneError: no file below the folder is an utterance to be used.
    """
    rows: dict[str, Mapping[str, object]] = {}
    excluded = []
    for file, path in zip(relative_names(paths := find_audio(root), root), paths, strict=True):
        described = describe(path.stem)
        reason = _reason(corpus, known=described is not None, first=rows.get(path.stem))
        if reason := reason or refuse(path.stem):
            excluded.append({"utterance": path.stem, "file": file, "reason": reason})
        else:
            rows[path.stem] = {"utterance": path.stem, "file": file, **(described or {})}
    if not rows:
        raise UndertoneError(
            f"none of the {len(excluded)} audio files in {root} is one of {corpus} to be used; "
            f"expected names such as {example}; {excluded[0]['file']}: {excluded[0]['reason']}. "
            f"Is {root} the {corpus} folder?"
        )
    table = pd.DataFrame(list(rows.values()))
    labels = [column for column in table if column not in COLUMNS]
    return Found(table.reindex(columns=[*COLUMNS, *labels]), left_out(excluded))


def _reason(corpus: str, *, known: bool, first: Mapping[str, object] | None) -> str | None:
    if not known:
        return f"not a file name of {corpus}"
    return None if first is None else f"the same utterance as {first['file']}"
