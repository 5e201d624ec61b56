"""The forms, by name: how each is written and read, and which one a path is.

In:  a path, perhaps the name of a form.
Out: ``Form``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from undertone.annotation.exchange import audformat, audiofolder, label_studio, table
from undertone.annotation.exchange.rows import Exported, Row
from undertone.corpora.tables import SUFFIXES
from undertone.errors import UndertoneError


@dataclass(frozen=True)
class Form:
    """One way to write labels down.

    Attributes:
        name: on the command line.
        write: utterances to a path; returns what is to be said.
        read: the labels of a path.
    """

    name: str
    write: Callable[[Sequence[Exported], Path], str]
    read: Callable[[Path], list[Row]]


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form("csv", table.write, table.read),
        Form("audformat", audformat.write, audformat.read),
        Form("audiofolder", audiofolder.write, audiofolder.read),
        Form("label-studio", label_studio.write, label_studio.read),
    )
}


def form_to_write(path: Path, name: str | None) -> Form:
    """By its name, else by what the path ends in.

    Raises:
        UndertoneError: neither tells.
    """
    if name is not None:
        return _named(name)
    by_suffix = {".csv": "csv", ".json": "label-studio"}
    if (suffix := path.suffix.lower()) in by_suffix:
        return FORMS[by_suffix[suffix]]
    raise UndertoneError(
        f"--export {path}: what is it to be? .csv is a table and .json Label Studio's; for a "
        f"folder say --form audformat or --form audiofolder"
    )


def form_to_read(path: Path, name: str | None) -> Form:
    """By its name, else by what lies there.

    Raises:
        UndertoneError: nothing is there, or it is none of the forms.
    """
    if not path.exists():
        raise UndertoneError(f"--import {path}: there is no such file or folder")
    if name is not None:
        return _named(name)
    if path.is_dir():
        is_one = audformat.corpora.is_database(path)
        return FORMS["audformat" if is_one else "audiofolder"]
    if path.suffix.lower() == ".json":
        return FORMS["label-studio"]
    if path.suffix.lower() in SUFFIXES:
        return FORMS["csv"]
    raise UndertoneError(
        f"--import {path}: expected a table, Label Studio's .json, an AudioFolder or an audformat "
        f"database; --form says which it is: {', '.join(FORMS)}"
    )


def _named(name: str) -> Form:
    if name not in FORMS:
        raise UndertoneError(f"--form takes {', '.join(FORMS)}; found {name!r}")
    return FORMS[name]
