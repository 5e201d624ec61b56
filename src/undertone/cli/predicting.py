"""What ``undertone predict`` does with its options: which model, which rows, where they go."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.cli import printing
from undertone.errors import UndertoneError, printable, tell

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser
    from undertone.serving.given import Given
    from undertone.serving.predict import Prediction
    from undertone.serving.said import What
    from undertone.serving.sureness import Terms


@dataclass(frozen=True)
class Rows:
    """What is to be predicted, by what, and how.

    Attributes:
        model: as it was named; the starter's name where none was.
        recogniser: that predicts.
        given: the rows.
        said: what is said in them.
        terms: how sure an answer must be.
        workers: processes.
        voices: whose voice each row is, where the model is to be adapted to it; "" of nobody known.
    """

    model: str
    recogniser: "Recogniser"
    given: "Given"
    said: "What"
    terms: "Terms"
    workers: int = 1
    voices: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Of a table of them."""
        from undertone.serving.predict import columns_of

        return columns_of(self.recogniser.task, self.given, self.terms)

    def predictions(self, first: int = 0) -> "Iterator[Prediction]":
        """From one row on."""
        from undertone.serving.predict import stream

        if self.voices:
            return islice(self._by_voice(), first, None)
        given = replace(self.given, items=self.given.items[first:])
        told = replace(self.said, told=self.said.told[first:])
        return stream(
            *(self.recogniser, given, told),
            workers=self.workers,
            name=self.model,
            terms=self.terms,
        )

    def _by_voice(self) -> "Iterator[Prediction]":
        """Each by the model adapted to its voice; what is to be said of that is told."""
        from undertone.serving.voices import predict_by_voice

        voices = [voice or None for voice in self.voices]
        found = predict_by_voice(self.recogniser, self.given.items, voices, self.terms)
        for remark in found.remarks:
            tell(remark)
        yield from found.predictions


def by_voice(rows: Rows, what: str | None, table: Path | None) -> Rows:
    """The same rows, each by the model adapted to its voice.

    Raises:
        UndertoneError: what tells the voices is missing, or other options have no meaning with it.
    """
    from undertone.serving.voices import voices_of

    if what is None:
        raise UndertoneError(
            "--speakers names a table of voices: say with --by-speaker which of its columns"
        )
    if rows.said.is_given:
        raise UndertoneError(
            "--by-speaker is for models of the voice alone: leave --transcript, --transcripts and "
            "--asr out"
        )
    if rows.workers > 1:
        raise UndertoneError("--by-speaker hears all of a voice in one process: no --workers")
    voices = voices_of(what, [Path(item.file) for item in rows.given.items], table)
    return replace(rows, voices=tuple(voice or "" for voice in voices))


def model_and_names(names: Sequence[Path], model: Path | None) -> tuple[Path | None, list[Path]]:
    """The model, None for the starter, and what is to be predicted."""
    from undertone.serving.which import told_apart

    return told_apart(names) if model is None else (model, list(names))


def rows_of(
    model: Path | None, given: "Given", said: "What", *, terms: "Terms", workers: int
) -> Rows:
    """The rows, by a model that was loaded; what must be known of them is told.

    Raises:
        UndertoneError: the model cannot be loaded, or cannot meet the terms.
    """
    from undertone.recogniser.starter import STARTER
    from undertone.serving.predict import loaded

    recogniser = loaded(model)
    terms.check(recogniser)
    for remark in given.remarks:
        tell(remark)
    if model is None:
        tell(about_starter(recogniser))
    return Rows(STARTER if model is None else str(model), recogniser, given, said, terms, workers)


def show(rows: Rows, form: str) -> bool:
    """Print them; whether all could be used."""
    predictions = printing.counted(rows.predictions())
    if form == "csv":
        return printing.print_csv(predictions, rows.columns)
    return {"table": printing.print_table, "jsonl": printing.print_jsonl}[form](predictions)


def write(rows: Rows, out: Path, *, quiet: bool) -> bool:
    """Write them to a file, from where it was stopped; whether all could be used."""
    from undertone.progress import Progress
    from undertone.serving.writing import Table
    from undertone.serving.writing import write as run

    table = Table(out, rows.columns, [printable(i.file) for i in rows.given.items], _identity(rows))

    def from_one_on(first: int) -> Iterator[Mapping[str, Any]]:
        return (p.to_dict() for p in printing.counted(rows.predictions(first)))

    name = f"predictions in {out.name}"
    with Progress(shown=not quiet) as progress:
        progress.add(name, len(rows.given.items))
        written = run(table, from_one_on, lambda count: progress.advance(name, count))
    before = f", {written.n_before} of them before" if written.n_before else ""
    failed = f"; {written.n_failed} could not be used, the column error says why"
    rows_made = f"{written.n_rows} row{'s' * (written.n_rows != 1)}"
    printing.say(f"{rows_made} in {out}{before}{failed if written.n_failed else ''}")
    return written.n_failed == 0


def check_cluster(cluster: str | None, out: Path | None, *, voices: bool) -> None:
    """Refuse a cluster where its work would be that of one process.

    Raises:
        UndertoneError: nothing is written to a table, or all of a voice is heard in one process.
    """
    if cluster is None:
        return
    if out is None:
        raise UndertoneError("--cluster is for many recordings: write them to a table with --out")
    if voices:
        raise UndertoneError("--by-speaker hears all of a voice in one process: no --cluster")


def check_form(form: str | None, out: Path | None) -> str:
    """How to print; refused where it says what a file's name says already."""
    from undertone.serving.writing import check_out

    if out is not None:
        check_out(out)
        if form is not None:
            raise UndertoneError(
                f"--format is for what is printed, and --out {out.name} is written as its name "
                "ends: leave one of them out"
            )
    return form or "table"


def _identity(rows: Rows) -> dict[str, Any]:
    """Of a table: what its rows depend on."""
    from undertone.recogniser.files import digest_of_model

    said = rows.said
    return {
        "model": digest_of_model(Path(rows.model)),
        "list of recordings": rows.given.digest,
        "columns": rows.columns,
        "voices": list(rows.voices),
        "answers": rows.terms.to_dict(),
        "transcripts": [list(said.told), str(said.table or ""), said.asr, said.language],
    }


def about_starter(recogniser: "Recogniser") -> str:
    """What must be known of the starter's answers."""
    notes = recogniser.notes
    return (
        f"no model was named: the starter model answers, which knows {notes['knows']}. On people "
        f"who spoke another language it reached a UAR of {shown(notes['elsewhere'])}, where chance "
        f"is {notes['chance']:.2f}; of recordings like yours nobody knows. `undertone models` "
        "tells more, and how to make a better one"
    )


def shown(estimate: Mapping[str, float]) -> str:
    """A number with its interval.

    >>> shown({"value": 0.4169, "low": 0.385, "high": 0.448})
    '0.42 [0.39, 0.45]'
    """
    return f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
