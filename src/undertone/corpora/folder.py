"""Any folder of audio: utterances without emotions.

In:  a folder; audio anywhere below it. A table called ``labels`` or ``metadata`` directly in it may
     tell speaker, sex, language and transcript of its files (columns as in ``corpora.csv``).
Out: ``Corpus`` with one utterance a file, in the order of the names; the speaker is None where no
     table names it. Hidden files are passed over, among them the ``._*`` that macOS leaves behind.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from undertone.audio import POINTER, is_pointer
from undertone.audio.kinds import FOREIGN_SUFFIXES, SUFFIXES
from undertone.corpora import columns, media, tables
from undertone.corpora.corpus import COLUMNS, Corpus, left_out, name_utterances
from undertone.corpora.media import Found
from undertone.errors import UndertoneError, as_text

TABLES = ("labels", "metadata")  # without ending, in any case
KNOWN_OF_A_FILE = ("speaker", "sex", "language", "transcript")


def read(path: Path, *, name: str | None = None) -> Corpus:
    """Every audio file below a folder; its own name is the corpus's where none is given."""
    root = Path(path)
    found = find_sound(root)
    paths = _best_first(found.audio)
    files = relative_names(paths, root)
    utterances = pd.Series(name_utterances(files))
    table = pd.DataFrame({"utterance": utterances, "file": files}).reindex(columns=list(COLUMNS))
    table = table.astype({column: object for column in KNOWN_OF_A_FILE})
    notes = [note for described in find_tables(root) for note in _describe(table, described)]
    reason = pd.Series(None, index=utterances.index, dtype=object)
    reason[utterances.duplicated()] = "the same name with another ending is there"
    reason[[is_pointer(path) for path in paths]] = POINTER
    if reason.eq(POINTER).all():
        raise UndertoneError(f"each of the {len(paths)} audio files in {root} is {POINTER}")
    unused = table.assign(reason=reason)[reason.notna()].to_dict("records")
    return Corpus(
        name=name or root.resolve().name,
        root=root,
        table=table[reason.isna()].sort_values("file"),
        licence="unknown",
        citation="",
        left_out=left_out([*passed_over(found, root), *unused]),
        notes=tuple(notes),
    )


def of_files(paths: Sequence[Path], *, name: str = "recordings") -> Corpus:
    """Recordings from anywhere as a corpus without labels, called by their names."""
    files = [as_text(path.absolute().as_posix()) for path in paths]
    table = pd.DataFrame({"utterance": name_utterances(files), "file": files})
    return Corpus(
        name=name,
        root=Path("/"),
        table=table.reindex(columns=list(COLUMNS)),
        licence="unknown",
        citation="",
    )


def find_audio(root: Path) -> list[Path]:
    """All audio files below a folder, sorted; raises as ``find_sound``."""
    return find_sound(root).audio


def find_sound(root: Path) -> Found:
    """All audio files below a folder, sorted, and what was passed over.

    Raises:
        UndertoneError: there is no such folder, or no audio in it.
    """
    if not root.is_dir():
        what = "a file there" if root.exists() else "no such folder"
        raise UndertoneError(f"expected a folder of audio at {root}; there is {what}")
    found = media.find(root)
    if not found.audio:
        reasons = Counter(reason for _, reason in found.passed_over)
        told = "".join(f"; {n} passed over: {reason}" for reason, n in reasons.items())
        raise UndertoneError(
            f"no audio found in {root} or below; expected files ending in "
            f"{', '.join(SUFFIXES)}, or, where ffmpeg is, {', '.join(FOREIGN_SUFFIXES)}{told}"
        )
    return found


def passed_over(found: Found, root: Path) -> list[Mapping[str, object]]:
    """Records of the files that were passed over, as a corpus's ``left_out`` has them."""
    return [
        {"utterance": path.stem, "file": relative_name(path, root), "reason": reason}
        for path, reason in found.passed_over
    ]


def relative_names(paths: Iterable[Path], root: Path) -> list[str]:
    """The paths below the root as a corpus's column ``file`` writes them."""
    return [relative_name(path, root) for path in paths]


def relative_name(path: Path, root: Path) -> str:
    """A path below the root as a corpus's column ``file`` writes it."""
    return as_text(path.relative_to(root).as_posix())


def _best_first(paths: Iterable[Path]) -> list[Path]:
    """By name; of one name what needs no ffmpeg before what does."""
    return sorted(paths, key=lambda p: (p.with_suffix(""), p.suffix.lower() in FOREIGN_SUFFIXES, p))


def find_tables(root: Path) -> list[Path]:
    """The tables that describe a folder's files: those called ``labels``, then ``metadata``."""
    if not root.is_dir():
        return []
    found = [
        path
        for path in root.iterdir()
        if path.stem.lower() in TABLES and path.suffix.lower() in tables.SUFFIXES
    ]
    return sorted(path for path in found if media.is_file(path))


def _describe(table: pd.DataFrame, described: Path) -> tuple[str, ...]:
    """Fill in what a table beside the audio tells; a file with two speakers keeps none."""
    read = columns.read_table(described)
    if "file" not in read.cells or "speaker" not in read.cells:
        return read.notes
    known = columns.standardise(read.cells, described).drop_duplicates(["file", "speaker"])
    known = known[~known["file"].duplicated(keep=False)].set_index("file")
    for column in KNOWN_OF_A_FILE:
        if column in known:
            values = table["file"].map(known[column])
            values = values.where(values.notna(), table[column])
            table[column] = values.astype(object).where(values.notna(), None)
    return read.notes
