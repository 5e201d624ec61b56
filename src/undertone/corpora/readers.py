"""From a word on the command line to a corpus.

In:  ``name=PATH``, ``PATH.csv``, ``PATH`` of a folder, or ``synthetic``.
Out: ``Corpus``.

A name of ``READERS`` chooses that reader. With any other name, or none, a table is read as a table,
a log of ``undertone label`` as such, an audformat database and a Kaldi folder as what they are, a
folder whose table called ``labels`` or ``metadata`` tells labels by that, and any other folder is
unlabelled audio; the name is then the corpus's own.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from undertone.config import expanded
from undertone.corpora import (
    audformat,
    columns,
    crema_d,
    csv,
    emodb,
    emovo,
    enterface,
    folder,
    iemocap,
    kaldi,
    label_log,
    meld,
    mosei,
    msp_podcast,
    nemo,
    ravdess,
    savee,
    shemo,
    tables,
    tess,
)
from undertone.corpora.corpus import Corpus
from undertone.corpora.raters import tells_emotions
from undertone.errors import UndertoneError, as_path, describe_some
from undertone.tasks.names import EMOTIONS, canonical_emotion, names_no_emotion


def _read_synthetic(path: Path | None, *, labelled: bool = True) -> Corpus:
    from undertone.corpora import synthetic  # lazily: it brings the synthesiser

    return synthetic.read(path) if labelled else synthetic.read_unlabelled(path)


READERS: Mapping[str, Callable[..., Corpus]] = {
    "emodb": emodb.read,
    "ravdess": ravdess.read,
    "shemo": shemo.read,
    "shemo5": partial(shemo.read, five=True),
    "crema-d": crema_d.read,
    "crema-d-voice": partial(crema_d.read, heard=True),
    "iemocap": iemocap.read,
    "iemocap4": partial(iemocap.read, four=True),
    "emovo": emovo.read,
    "enterface": enterface.read,
    "meld": meld.read,
    "nemo": nemo.read,
    "savee": savee.read,
    "tess": tess.read,
    "mosei": mosei.read,
    "msp-podcast": msp_podcast.read,
    "folder": folder.read,
    "csv": csv.read,
    "labels": label_log.read,
    "synthetic": _read_synthetic,
    "synthetic-unlabelled": partial(_read_synthetic, labelled=False),
}
GENERATED = ("synthetic", "synthetic-unlabelled")  # their path may be absent: a cache


def open(spec: str) -> Corpus:
    """Read the corpus that a text names.

    Args:
        spec: as in the module's docstring, such as ``emodb=/data/emodb`` or ``my/labels.csv``.

    Raises:
        UndertoneError: nothing is there, or it is not what its name says.
    """
    name, path = _parted(spec)
    if name is not None and name in GENERATED:
        return READERS[name](path)
    if path is None:
        raise UndertoneError(
            f"expected NAME=PATH, a folder, a table or {' or '.join(GENERATED)}, found {spec!r}: "
            f"there is no such file or folder. Names with a reader: {', '.join(READERS)}"
        )
    if not path.exists():
        raise UndertoneError(f"there is no file or folder {path} (from {spec!r})")
    if name is not None and name in READERS:
        return READERS[name](path)
    return _read_by_content(path, name)


def with_absolute_path(spec: str) -> str:
    """The same specification, its path independent of the current folder."""
    name, path = _parted(spec)
    if path is None:
        return spec
    return f"{name}={path.absolute()}" if name else str(path.absolute())


def check_is_not_read(out: Path, corpus: Corpus, spec: str = "") -> None:
    """Refuse to write over what a corpus is read from.

    Args:
        out: where something is to be written.
        corpus: whose recordings stay as they are, and so do the tables beside them.
        spec: that named it, if one did.

    Raises:
        UndertoneError: it is a recording or the table of the corpus.
    """
    if not out.exists():
        return
    tables = [*folder.find_tables(corpus.root), *([path] if (path := _parted(spec)[1]) else [])]
    files = (corpus.root / as_path(str(name)) for name in corpus.table["file"].dropna())
    here = os.path.realpath(out)
    if any(os.path.realpath(one) == here for one in (*tables, *files)):
        raise UndertoneError(
            f"{out} is what {corpus.name} is read from, and stays as it is: choose another --out"
        )


def _parted(spec: str) -> tuple[str | None, Path | None]:
    """Name and path; either may be absent. A path that exists is one even with ``=`` in it."""
    if spec in GENERATED:
        return spec, None
    if (whole := expanded(spec)).exists() and spec:
        return None, whole
    name, equals, path = spec.partition("=")
    if equals and name.strip() and path.strip():
        return name.strip(), expanded(path.strip())
    looks_like_a_path = "/" in spec or whole.suffix.lower() in tables.SUFFIXES
    return None, whole if looks_like_a_path else None


def _read_by_content(path: Path, name: str | None) -> Corpus:
    if path.is_file():
        if path.suffix.lower() not in tables.SUFFIXES:
            raise UndertoneError(
                f"{path} is a file, and no table ({', '.join(tables.SUFFIXES)}); "
                "name the folder of the audio, or a table of it"
            )
        return (
            label_log.read(path, name=name) if label_log.is_log(path) else csv.read(path, name=name)
        )
    for is_one, read in ((audformat.is_database, audformat.read), (kaldi.is_folder, kaldi.read)):
        if is_one(path):
            return read(path, name=name)
    found = folder.find_tables(path)
    telling = [table for table in found if _tells_labels(table)]
    if len(telling) > 1:
        raise UndertoneError(
            f"{path} holds {len(telling)} tables that tell labels, {describe_some(telling, 5)}: "
            f"name the one that counts, as {name + '=' if name else ''}{telling[0]}"
        )
    if telling:
        return csv.read(telling[0], name=name)
    corpus = folder.read(path, name=name)
    return replace(corpus, notes=(*corpus.notes, *_why_no_labels(path, found)))


def _tells_labels(table: Path) -> bool:
    """Whether a table can be read as a labelled corpus."""
    cells = columns.read_cells(table)
    if any(column not in cells for column in csv.NEEDED):
        return False
    if csv.tasks_of_amounts(cells)[1]:
        return True
    return _tells_emotions(cells)


def _tells_emotions(cells: pd.DataFrame) -> bool:
    if "emotion" not in cells:
        return tells_emotions(list(cells))
    return not cells["emotion"].map(names_no_emotion).all()


def _why_no_labels(path: Path, found: list[Path]) -> Iterator[str]:
    """What in a folder looks like labels, and why it was not read as such."""
    for table in found:
        cells = columns.read_cells(table)
        if _tells_emotions(cells):
            missing = [column for column in csv.NEEDED if column not in cells]
            yield (
                f"{table.name} tells emotions and has no column {' and no column '.join(missing)}, "
                "so its labels are not used: add the column; where it is not known, leave its "
                "cells empty."
            )
    inner = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    if emotions := [name for name in inner if canonical_emotion(name) in EMOTIONS and name[1:]]:
        yield (
            f"Its folders {describe_some(emotions, 5)} look like emotions, which are not read off "
            "folders, because nothing tells who speaks: write a labels.csv in it with the columns "
            "file,speaker,emotion."
        )
