"""Any folder of audio: utterances without emotions.

In:  a folder; audio anywhere below it. A ``labels.csv`` or ``metadata.csv`` directly in it may tell
     speaker, sex, language and transcript of its files (columns as in ``corpora.csv``).
Out: ``Corpus`` with one utterance a file, in the order of the names; the speaker is None where no
     table names it. Hidden files are passed over, among them the ``._*`` that macOS leaves behind.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from undertone.audio import AUDIO_SUFFIXES, POINTER, is_pointer
from undertone.corpora import columns
from undertone.corpora.corpus import COLUMNS, Corpus, left_out, name_utterances
from undertone.errors import UndertoneError

TABLES = ("labels.csv", "metadata.csv")
KNOWN_OF_A_FILE = ("speaker", "sex", "language", "transcript")


def read(path: Path, *, name: str | None = None) -> Corpus:
    """Every audio file below a folder; its own name is the corpus's where none is given."""
    root = Path(path)
    files = relative_names(paths := find_audio(root), root)
    utterances = pd.Series(name_utterances(files))
    table = pd.DataFrame({"utterance": utterances, "file": files}).reindex(columns=list(COLUMNS))
    table = table.astype({column: object for column in KNOWN_OF_A_FILE})
    if (described := find_table(root)) is not None:
        _describe(table, described)
    reason = pd.Series(None, index=utterances.index, dtype=object)
    reason[utterances.duplicated()] = "the same name with another ending is there"
    reason[[is_pointer(path) for path in paths]] = POINTER
    if reason.eq(POINTER).all():
        raise UndertoneError(f"each of the {len(paths)} audio files in {root} is {POINTER}")
    return Corpus(
        name=name or root.resolve().name,
        root=root,
        table=table[reason.isna()],
        licence="unknown",
        citation="",
        left_out=left_out(table.assign(reason=reason)[reason.notna()].to_dict("records")),
    )


def find_audio(root: Path) -> list[Path]:
    """All audio files below a folder, sorted.

    Raises:
        UndertoneError: there is no such folder, or no audio in it.
    """
    if not root.is_dir():
        what = "a file there" if root.exists() else "no such folder"
        raise UndertoneError(f"expected a folder of audio at {root}; there is {what}")
    paths = sorted(path for path in root.rglob("*") if _is_audio(path, root))
    if not paths:
        raise UndertoneError(
            f"no audio found in {root} or below; expected files ending in "
            f"{', '.join(sorted(AUDIO_SUFFIXES))}"
        )
    return paths


def relative_names(paths: Iterable[Path], root: Path) -> list[str]:
    """The paths below the root as a corpus's column ``file`` writes them."""
    return [path.relative_to(root).as_posix() for path in paths]


def find_table(root: Path) -> Path | None:
    """The table that describes a folder's files, if there is one."""
    return next((root / name for name in TABLES if (root / name).is_file()), None)


def _is_audio(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()


def _describe(table: pd.DataFrame, described: Path) -> None:
    """Fill in what the table beside the audio tells; a file with two speakers keeps none."""
    cells = columns.read_cells(described)
    if "file" not in cells or "speaker" not in cells:
        return
    known = columns.standardise(cells).drop_duplicates(["file", "speaker"])
    known = known[~known["file"].duplicated(keep=False)].set_index("file")
    for column in KNOWN_OF_A_FILE:
        if column in known:
            values = table["file"].map(known[column])
            table[column] = values.astype(object).where(values.notna(), None)
