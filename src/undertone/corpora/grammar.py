"""Corpora whose file names tell everything.

In:  a folder and a function that tells what a file's name says.
Out: ``Named``: a table of utterances, named by the stems of their files (or as the corpus names
     them, where its folders tell something), and what was left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from undertone.audio import POINTER, is_pointer
from undertone.corpora.corpus import COLUMNS, left_out
from undertone.corpora.folder import find_sound, passed_over, relative_name
from undertone.corpora.media import have_same_bytes
from undertone.corpora.names import fold_file
from undertone.errors import UndertoneError


@dataclass(frozen=True)
class Named:
    """Utterances read off file names, and the files that are none."""

    table: pd.DataFrame  # COLUMNS and label columns
    left_out: pd.DataFrame  # utterance, file, reason


def read(
    root: Path,
    read_name: Callable[[str], Mapping[str, str | None] | None],
    *,
    corpus: str,
    example: str,
    refuse: Callable[[Path], str | None] = lambda path: None,
    name_of: Callable[[Path], str] = lambda path: path.stem,
    apart_by: Sequence[str] = (),
) -> Named:
    """Read what the names of a folder's audio files tell.

    Args:
        root: the folder.
        read_name: columns by name from a name; None where the corpus has no such name.
        corpus: how the corpus is called, for messages.
        example: a file name of the corpus, for messages.
        refuse: why a file of an utterance is left out; None where it stays.
        name_of: what an utterance is called, by its file: the stem, or a name in which folders
            stand, where stems are the same in several.
        apart_by: columns that no two utterances share, where one may be spelt in several ways;
            without them names that differ in case alone are one.

    Raises:
        UndertoneError: no file below the folder is an utterance to be used, or two folders hold
            other sound under the same names.
    """
    found = find_sound(root)
    rows: dict[tuple[object, ...], Mapping[str, object]] = {}
    excluded = passed_over(found, root)
    twins: list[tuple[Path, Path]] = []
    for path in found.audio:
        described = read_name(name := name_of(path))
        place = {"utterance": name, "file": relative_name(path, root)}
        if described is None:
            excluded.append({**place, "reason": f"not a file name of {corpus}"})
        elif is_pointer(path):
            excluded.append({**place, "reason": POINTER})
        elif reason := refuse(path):
            excluded.append({**place, "reason": reason})
        elif first := rows.get(key := _key(name, described, apart_by)):
            excluded.append({**place, "reason": f"the same utterance as {first['file']}"})
            twins.append((root / str(first["file"]), path))
        else:
            rows[key] = {**place, **described}
    _check_twins(twins, root, corpus)
    if not rows:
        raise UndertoneError(
            f"none of the {len(excluded)} audio files in {root} is one of {corpus} to be used; "
            f"expected names such as {example}; {excluded[0]['file']}: {excluded[0]['reason']}. "
            f"Is {root} the {corpus} folder?"
        )
    table = pd.DataFrame(list(rows.values()))
    labels = [column for column in table if column not in COLUMNS]
    return Named(table.reindex(columns=[*COLUMNS, *labels]), left_out(excluded))


def _key(name: str, described: Mapping[str, object], apart_by: Sequence[str]) -> tuple[object, ...]:
    """What two files of one utterance have in common."""
    return tuple(described[column] for column in apart_by) or (fold_file(name),)


def _check_twins(twins: Sequence[tuple[Path, Path]], root: Path, corpus: str) -> None:
    """Refuse two folders that hold other sound under the same names: which one is the corpus?"""
    for one, other in twins:
        if one.parent != other.parent and not have_same_bytes(one, other):
            folders = [str(path.parent) for path in (one, other)]
            n_shared = sum(p.parent == one.parent and q.parent == other.parent for p, q in twins)
            named = "`, or `".join(f"{corpus.lower()}={folder}" for folder in folders)
            raise UndertoneError(
                f"{folders[0]} and {folders[1]} hold {n_shared} recordings under the same names, "
                f"such as {one.name}, and they are not the same: which are {corpus}'s? Write "
                f"`{named}`, or move the other folder out of {root}"
            )


def find_beside(root: Path, name: str) -> Path | None:
    """A table in the folder, or beside it where it is the folder of the audio itself."""
    places = (root / name, root.resolve().parent / name)
    return next((place for place in places if place.is_file()), None)
