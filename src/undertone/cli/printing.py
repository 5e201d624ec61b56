"""What the commands print: reports' places, frames, scores, predictions.

Names out of files reach the terminal as ``printable`` text, and never as markup.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.cli.tables import console
from undertone.cli.tables import print_table as print_cells
from undertone.errors import printable, tell

if TYPE_CHECKING:
    from undertone.evaluation.layers.result import LayersResult
    from undertone.evaluation.score import Score
    from undertone.serving.predict import Prediction


def say(line: str) -> None:
    print(printable(line))


SHOWN_OF_SHIFT = 2  # tables; the page shows the others


def show_curve(report: Path) -> None:
    """The verdict of a run and what bears it, as they lie beside its report; and where that is."""
    told = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    print_verdict(told)
    show_report(report, said=told["findings"])


def show_report(report: Path, said: Sequence[str] = ()) -> None:
    """What was lost elsewhere, but for sentences that stand above; and where the page is."""
    if (shift := report.with_name("shift.json")).exists():
        _print_shifts(json.loads(shift.read_text(encoding="utf-8")), said)
    say(f"report: {report.resolve()}")


def print_verdict(told: Mapping[str, Any]) -> None:
    """The table of three systems, the verdict, and what one asks next."""
    print_told(told["tables"]["leading"])
    say_findings(told)


def say_findings(told: Mapping[str, Any]) -> None:
    """The verdict and what one asks next."""
    for sentence in (told["verdict"], *told["findings"]):
        say(sentence)


def print_told(table: Mapping[str, Any]) -> None:
    """A table of a run, as it lies beside the report."""
    from undertone.evaluation.report.told import texts

    print_cells("", table["headings"], list(texts(table)))


def _print_shifts(shifts: Iterable[dict[str, Any]], said: Sequence[str]) -> None:
    """What is lost on each tested corpus, and what wins it back."""
    for shift in shifts:
        for sentence in shift["sentences"]:
            if sentence not in said:
                say(sentence)
        for table in shift["tables"][:SHOWN_OF_SHIFT]:
            print_cells("", table["headings"], table["rows"])


def print_frames(file: Path, features: str) -> None:
    from undertone.features.extractors import get
    from undertone.features.store import extract_file

    frames, times_s = extract_file(file, features)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["time_s", *get(features).columns])
    for time_s, row in zip(times_s, frames, strict=True):
        writer.writerow([f"{time_s:.7g}", *(f"{value:.7g}" for value in row)])


def print_references(notes: Iterable[dict[str, Any]]) -> None:
    """Losses of pre-training beside what takes no training; a warning where they are not lower."""
    from undertone.training.references import Measured, warning

    measured = [Measured(**one) for one in notes]
    for one in measured:
        print(f"  {one.line()}")
    if text := warning(measured):
        print(f"undertone: warning: {text}", file=sys.stderr)


def print_score(score: "Score") -> None:
    print_cells(score.tested, ("", *score.headings), score.rows())
    left_out = (f"{n} left out: {why}" for why, n in score.left_out.items())
    for line in (*score.about_raters, *left_out, *score.notes):
        console().print(printable(line))


def print_layers(result: "LayersResult") -> None:
    """One table, and the sentences."""
    from undertone.evaluation.layers import sentences, tables

    table = tables.scores(result, result.task.headline)
    title = f"{result.curve.title}: {table.headings[0]}"
    print_cells(title, ("", *table.headings[1:]), tables.for_terminal(table))
    say(f"{tables.BEST} the best layer, {tables.NEAR} layers that cannot be told from it")
    said = (sentences.of_encoder(result.encoder), *sentences.everything(result))
    for sentence in (*said, *result.curve.warnings):
        say(sentence)


def print_rows(columns: list[str], rows: list[tuple[str, ...]]) -> None:
    """A table without a title."""
    print_cells("", columns, rows)


def counted(predictions: Iterable["Prediction"]) -> Iterator["Prediction"]:
    """The same predictions; behind the last, how many have no emotion, and no transcript."""
    n, without, instead, doubts = 0, 0, "", Counter[str]()
    for prediction in predictions:
        yield prediction
        n += prediction.error is None
        if prediction.doubt is not None:
            doubts[prediction.doubt] += 1
        if prediction.instead:
            without, instead = without + 1, prediction.instead
    if doubts:
        tell(f"{doubts.total()} of {n} recordings give cause for doubt: {told_of(doubts)}")
    if without:
        print(
            f"undertone: {without} of {n} recordings had no transcript: {instead} answered for "
            "them; --transcript, --transcripts or --asr gives one",
            file=sys.stderr,
        )


def told_of(doubts: Mapping[str, int]) -> str:
    """How many of which.

    >>> told_of({"no speech": 2, "unsure": 1})
    'no speech 2, unsure 1'
    """
    return ", ".join(f"{doubt} {n}" for doubt, n in doubts.items())


def print_table(predictions: Iterable["Prediction"]) -> bool:
    """Aligned columns, a line as soon as it is known; whether all files could be used."""
    fine = True
    for p in predictions:
        if p.error is not None:
            fine = False
            tell(p.error)
            continue
        print(printable("  ".join(filter(None, (_place(p), *_said(p))))), flush=True)
        if p.note is not None:
            tell(f"{p.file}: {p.note}")
    return fine


def _said(p: "Prediction") -> Iterator[str | None]:
    """An emotion, or why there is none; the set that a coverage asks for; the values."""
    from undertone.serving.sureness import UNSURE

    yield p.emotion
    if p.doubt is not None:
        held_back = p.emotion is None and (not p.values or p.doubt == UNSURE)
        yield f"no answer ({p.doubt})" if held_back else f"({p.doubt})"
    if p.within is not None:
        yield f"{{{', '.join(p.within)}}}"
    for name, value in p.values.items():
        low, high = p.intervals.get(name, (None, None))
        ends = "" if low is None else f" [{low:.3f}, {high:.3f}]"
        yield f"{name} {value:.3f}{ends}"


def _place(prediction: "Prediction") -> str:
    """The file, and which part of it.

    >>> from undertone.serving.predict import Prediction
    >>> _place(Prediction("a.wav", start_s=1.5, channel=2)), _place(Prediction("a.wav"))
    ('a.wav from 1.5 s channel 2', 'a.wav')
    """
    p = prediction
    start = f" from {p.start_s:g} s" if p.start_s or p.end_s is not None else ""
    end = "" if p.end_s is None else f" to {p.end_s:g} s"
    return f"{p.file}{start}{end}{'' if p.channel is None else f' channel {p.channel}'}"


def print_csv(predictions: Iterable["Prediction"], columns: Sequence[str]) -> bool:
    """A line as soon as it is known; whether all files could be used."""
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    fine = True
    for p in predictions:
        fine &= p.error is None
        writer.writerow(_named(p))
        sys.stdout.flush()
    return fine


def print_jsonl(predictions: Iterable["Prediction"]) -> bool:
    fine = True
    for p in predictions:
        fine &= p.error is None
        print(json.dumps(_named(p), ensure_ascii=False), flush=True)
    return fine


def _named(prediction: "Prediction") -> dict[str, Any]:
    """Plain values; the name of the file and what is said of it as they can be printed."""
    from undertone.serving.writing import plain

    return plain(prediction.to_dict())
