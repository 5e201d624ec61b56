"""A corpus's recordings to a table of transcripts, written as it goes.

In:  a corpus and a speech recogniser.
Out: a table (CSV, UTF-8) with the columns utterance, file, transcript, language, log_probability,
     audio and model: whole or absent. Until it is whole its rows lie in ``FILE.partial``, and the
     same command goes on there.

A row that is there is kept where its audio (the hash of bytes and segment) and its model (the
digest) are those of now; others are heard again.
"""

import csv
import hashlib
import io
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import atomic, audio
from undertone.corpora.columns import LANGUAGES
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.features.asr import Asr, Heard, check_language
from undertone.features.store import default_folder, keys_of, recordings_of
from undertone.features.workers import Recording
from undertone.progress import Progress

COLUMNS = ("utterance", "file", "transcript", "language", "log_probability", "audio", "model")
TWO_LETTERS = {three: two for two, three in LANGUAGES.items() if len(two) == 2}
FOLDER = "transcripts"  # in the frame store
UNSAFE_IN_A_NAME, LONGEST_NAME = re.compile(r"[^\w.-]|^\.+"), 60  # of a file
Row = dict[str, str]


@dataclass(frozen=True)
class Transcribed:
    """What came of a corpus.

    Attributes:
        path: of the table.
        rows: one an utterance that could be read.
        failures: the reason by utterance that could not.
        n_heard: rows that were not there before.
    """

    path: Path
    rows: list[Row]
    failures: Mapping[str, str]
    n_heard: int

    def lines(self, name: str) -> Iterator[str]:
        """What happened, for people."""
        silent = sum(not row["transcript"] for row in self.rows)
        sure = [float(row["log_probability"]) for row in self.rows if row["log_probability"]]
        mean = f"{np.mean(sure):.2f}" if sure else "none"
        yield (
            f"{name}: {len(self.rows)} transcripts, {self.n_heard} of them heard now; "
            f"{silent} without a word; mean log probability of a token {mean}"
        )
        yield from (f"  left out: {utterance}: {why}" for utterance, why in self.failures.items())
        yield f"transcripts: {self.path}"


def transcribe(
    corpus: Corpus,
    asr: Asr,
    *,
    out: Path | None = None,
    language: str | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> Transcribed:
    """Write the transcripts of a corpus.

    Args:
        corpus: any; its own transcripts are not looked at.
        asr: the speech recogniser.
        out: the table; by default one in the folder of the frame store.
        language: of all utterances, as Whisper names it; by default what the corpus tells of each,
            and what the recogniser hears where it tells nothing.
        folder: of the frame store.
        progress: whether to show it on standard error.

    Raises:
        UndertoneError: no recording could be read, the table cannot be written, or another process
            writes it.
    """
    if language is not None:
        check_language(language, asr)
    path = out or default_path(corpus, asr, folder=folder or default_folder(), language=language)
    _check_own(path)
    with atomic.held_file(path):
        store = Path(folder or default_folder())
        return _transcribe(corpus, asr, path, language, store=store, progress=progress)


def _transcribe(
    corpus: Corpus, asr: Asr, path: Path, language: str | None, *, store: Path, progress: bool
) -> Transcribed:
    """With the table held."""
    partial, recordings = path.with_name(path.name + ".partial"), recordings_of(corpus)
    with Progress(shown=progress) as shown:
        keys, unreadable = keys_of(recordings, shown, folder=store)
        rows = _known([path, partial], keys, model=asr.digest, language=language)
        missing = [utterance for utterance in keys if utterance not in rows]
        failures = {u: unreadable[r.path] for u, r in recordings.items() if u not in keys}
        name = f"transcripts of {corpus.name}"
        shown.add(name, len(keys), len(rows))
        if missing:
            atomic.write_text(partial, _csv(rows.values(), header=True))
        for row in corpus.table[corpus.table["utterance"].isin(missing)].to_dict("records"):
            utterance = str(row["utterance"])
            try:
                heard = _hear(recordings[utterance], asr, language or _spoken(row, asr))
            except UndertoneError as error:
                failures[utterance] = str(error)
            else:
                told = {"utterance": utterance, "file": str(row["file"]), "audio": keys[utterance]}
                rows[utterance] = told | _cells(heard) | {"model": asr.digest}
                _append(partial, rows[utterance])
            shown.advance(name)
    if not rows:
        raise UndertoneError(
            f"none of the {len(failures)} utterances of {corpus.name} in {corpus.root} could be "
            f"used; the first: {next(iter(failures.values()))}"
        )
    ordered = [rows[u] for u in corpus.table["utterance"] if u in rows]
    atomic.write_text(path, _csv(ordered, header=True))
    partial.unlink(missing_ok=True)
    n_heard = sum(utterance in rows for utterance in missing)
    return Transcribed(path, ordered, failures, n_heard)


def default_path(corpus: Corpus, asr: Asr, *, folder: Path, language: str | None) -> Path:
    """The table of a corpus, a recogniser and a language."""
    what = f"{Path(corpus.root).resolve()} {asr.digest} {language}"
    digest = hashlib.sha256(os.fsencode(what)).hexdigest()
    name = UNSAFE_IN_A_NAME.sub("-", corpus.name)[:LONGEST_NAME]  # anybody's: it may hold a path
    return folder / FOLDER / f"{name}-{digest[:12]}.csv"


def _check_own(path: Path) -> None:
    """Never write over a table that was not made here."""
    if path.is_dir():
        raise UndertoneError(f"--out {path} is a folder: name the table, as {path / 'said.csv'}")
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            header = file.readline().strip()
        if header != ",".join(COLUMNS):
            raise UndertoneError(
                f"{path} is there, and no table of `undertone transcribe`: choose another --out"
            )


def _known(
    paths: Sequence[Path], keys: Mapping[str, str], *, model: str, language: str | None
) -> dict[str, Row]:
    """Rows that still hold, by utterance; a line that was cut off is none."""
    known = {}
    for path in (path for path in paths if path.is_file()):
        whole, _, _ = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
        for row in csv.DictReader(io.StringIO(whole)):
            utterance = row.get("utterance") or ""
            same = row.get("model") == model and row.get("audio") == keys.get(utterance, "")
            if same and language in (None, row["language"]):
                known[utterance] = {name: row.get(name) or "" for name in COLUMNS}
    return known


def _hear(recording: Recording, asr: Asr, language: str | None) -> Heard:
    waveform = audio.read(recording.path, start_s=recording.start_s, end_s=recording.end_s)
    return asr.hear(waveform, language)


def _spoken(row: Mapping[Hashable, object], asr: Asr) -> str | None:
    """What a corpus tells of an utterance's language, if the recogniser knows it."""
    spoken = TWO_LETTERS.get(str(row["language"]))
    return spoken if spoken in asr.languages else None


def _cells(heard: Heard) -> Row:
    sure = "" if np.isnan(heard.log_probability) else f"{heard.log_probability:.4f}"
    return {"transcript": heard.text, "language": heard.language, "log_probability": sure}


def _csv(rows: Iterable[Row], *, header: bool = False) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _append(partial: Path, row: Row) -> None:
    try:
        with partial.open("a", encoding="utf-8") as file:
            file.write(_csv([row]))
    except OSError as error:
        raise UndertoneError(
            f"{partial} cannot be written: {error.strerror}; what is there is kept, and the same "
            "command goes on"
        ) from None
