"""The command line: parse, settings, one stage function, print.

What the caller can fix is printed without a traceback and ends with exit status 2.
"""

import csv
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from undertone.config import load, override, read_toml
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.evaluation.score import Score
    from undertone.serving.predict import Prediction

WIDE = 90  # columns that hold a table of scores with their intervals
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Speech emotion recognition when labels are scarce.",
    epilog="A corpus is NAME=PATH: emodb, ravdess, shemo, mosei, synthetic, csv, any folder.",
)

Corpus = Annotated[str, typer.Option(help="Labelled corpus, NAME=PATH, or synthetic.")]
Unlabelled = Annotated[list[str] | None, typer.Option(help="Corpus without labels; repeatable.")]
Features = Annotated[str, typer.Option(help="Name of the frame extractor.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
Cache = Annotated[Path | None, typer.Option(help="Folder of the frame store.")]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="A setting, section.name=value; repeatable.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Names all randomness.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


def main() -> None:
    """Run the command line; turn what the caller can fix into a message and exit status 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes share the cores, threads fight
    try:
        app(standalone_mode=True)
    except UndertoneError as error:
        print(f"undertone: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("undertone: stopped; what is finished is kept", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from undertone import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def demo(
    *,
    corpora: Annotated[Path | None, typer.Option(help="Folder that may hold emodb/.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """A small learning curve on synthetic voices, or on EmoDB if it is found."""
    from undertone.learning_curve import curve, demo_settings
    from undertone.pipeline import Resources

    _show_report(curve(demo_settings(corpora), out, Resources(cache, workers, not quiet)))


@app.command()
def curve(
    *,
    corpus: Annotated[str | None, typer.Option(help="Labelled corpus, NAME=PATH.")] = None,
    unlabelled: Unlabelled = None,
    features: Annotated[str | None, typer.Option(help="Name of the frame extractor.")] = None,
    budgets: Annotated[str | None, typer.Option(help="Numbers of labels, as 20,50,all.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Repetitions of each budget.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Groups of speakers.")] = None,
    fold_files: Annotated[
        Path | None, typer.Option(help="Folder of EmoBox's folds of this corpus.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/curve"),
    quick: Annotated[bool, typer.Option("--quick", help="A first look, in minutes.")] = False,
    transductive: Annotated[
        bool, typer.Option("--transductive", help="Pre-train on test speakers too.")
    ] = False,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """How good with 20, 50, 100, 200 labels, and what is pre-training worth?"""
    from undertone.learning_curve import CurveSettings, quick_values
    from undertone.learning_curve import curve as run
    from undertone.pipeline import Resources

    if corpus is None and config is None:
        raise UndertoneError("curve needs a labelled corpus: --corpus NAME=PATH, or --config FILE")
    given = {
        "corpus": corpus,
        "unlabelled": unlabelled,
        "features": features,
        "budgets": _budgets(budgets),
        "draws": draws,
        "folds": folds,
        "fold_files": None if fold_files is None else str(fold_files),
        "seed": seed,
        "transductive": transductive or None,
    }
    values = _settings(config, given, assignments, beneath=quick_values() if quick else {})
    _show_report(run(load(CurveSettings, values), out, Resources(cache, workers, not quiet)))


@app.command()
def reproduce(
    recipe: Annotated[str, typer.Argument(help="masked-gru or wav2vec-cnn.")],
    *,
    corpus: Annotated[str | None, typer.Option(help="mosei=DIR, shemo=DIR, or NAME=PATH.")] = None,
    unlabelled: Unlabelled = None,
    upstream: Annotated[
        str | None, typer.Option(help="Encoder of wav2vec-cnn: a folder, or a name on the hub.")
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Numbers of labels, as 20,50,all.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Repetitions of each budget.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look.")] = False,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """A published system on its own data: its numbers beside ours and the floors."""
    from undertone.pipeline import Resources
    from undertone.recipes import RECIPES

    if recipe not in RECIPES:
        raise UndertoneError(f"there is no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    given = {
        "corpus": corpus,
        "unlabelled": unlabelled,
        "upstream": upstream,
        "budgets": _budgets(budgets),
        "draws": draws,
        "seed": seed,
    }
    values = _settings(config, given, assignments)
    resources = Resources(cache, workers, not quiet)
    RECIPES[recipe](values, out or Path("runs") / recipe, resources, quick=quick).show()


@app.command()
def extract(
    *,
    audio: Annotated[list[Path] | None, typer.Argument(help="Recordings.")] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="Corpus, NAME=PATH.")] = None,
    features: Features = "log_mel",
    as_csv: Annotated[bool, typer.Option("--csv", help="Frames to standard output.")] = False,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Waveforms to frames: a corpus into the frame store, or one recording as CSV."""
    from undertone.pipeline import Resources, extract_corpora

    if bool(audio) == bool(corpus):
        raise UndertoneError("extract takes either a recording with --csv or --corpus NAME=PATH")
    if audio:
        if not as_csv or len(audio) > 1:
            raise UndertoneError(
                "extract prints the frames of one recording with --csv; for many give --corpus"
            )
        _print_frames(audio[0], features)
        return
    for line in extract_corpora(corpus or [], features, Resources(cache, workers, not quiet)):
        print(line)


@app.command()
def pretrain(
    *,
    unlabelled: Annotated[list[str], typer.Option(help="Corpus without labels; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the encoder.")],
    features: Annotated[str | None, typer.Option(help="Name of the frame extractor.")] = None,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Unlabelled speech to a pre-trained encoder; a stopped run goes on where it was."""
    from undertone.pipeline import PretrainSettings, Resources
    from undertone.pipeline import pretrain as run

    values = _settings(config, {"features": features, "seed": seed}, assignments)
    settings = load(PretrainSettings, values)
    best = run(unlabelled, out, settings, Resources(cache, workers, not quiet)).notes
    print(f"encoder in {out}: held-out loss {best['held_out_loss']:.4f}, epoch {best['epoch']}")


@app.command()
def finetune(
    *,
    corpus: Corpus,
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    encoder: Annotated[Path | None, typer.Option(help="Folder that pretrain wrote.")] = None,
    labels: Annotated[int | None, typer.Option(min=2, help="Use only this many labels.")] = None,
    mode: Annotated[
        Literal["combined", "frozen", "full"] | None,
        typer.Option(help="Descriptors beside the encoder; the encoder kept; all of it trained."),
    ] = None,
    features: Annotated[str | None, typer.Option(help="Extractor, without an encoder.")] = None,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Labelled speech to a model folder, with its score on speakers it did not know."""
    from undertone.pipeline import FinetuneSettings, Resources
    from undertone.pipeline import finetune as run

    given = {"labels": labels, "mode": mode, "features": features, "seed": seed}
    settings = load(FinetuneSettings, _settings(config, given, assignments))
    resources = Resources(cache, workers, not quiet)
    _, found = run(corpus, out, encoder=encoder, settings=settings, resources=resources)
    if found is not None:
        _print_score(found)
    print(f"model in {out}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Folder that finetune wrote.")],
    audio: Annotated[list[Path], typer.Argument(help="Recordings.")],
    form: Annotated[
        Literal["table", "csv", "jsonl"], typer.Option("--format", help="How to print.")
    ] = "table",
) -> None:
    """Recordings to emotions with probabilities; exit status 1 if any file failed."""
    from undertone.serving.predict import predict as run

    printers = {"table": _print_table, "csv": _print_csv, "jsonl": _print_jsonl}
    if not printers[form](run(model, audio)):
        sys.exit(1)


@app.command()
def score(
    *,
    truth: Annotated[Path, typer.Option(help="Table of utterance, speaker and labels.")],
    prediction: Annotated[Path, typer.Option(help="Table of utterance and predictions.")],
    task: Annotated[
        str, typer.Option(help="What is predicted: classes or intensities.")
    ] = "classes",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out utterances without a partner.")
    ] = False,
) -> None:
    """Anybody's predictions, with the same metrics, intervals and floors."""
    from undertone.evaluation.score import score as run

    found = run(
        truth=truth,
        prediction=prediction,
        task=task,
        missing="drop" if drop_missing else "error",
    )
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        _print_score(found)


@app.command()
def compare(
    systems: Annotated[list[str], typer.Argument(help="LABEL=FOLDER:SYSTEM of finished runs.")],
    against: Annotated[
        str | None, typer.Option(help="Label that the others are held against; the last.")
    ] = None,
) -> None:
    """Systems of several runs with the same draws: UAR, and paired differences."""
    from undertone.evaluation.compare import compare as run
    from undertone.evaluation.compare import parse

    found = run([parse(text) for text in systems], against)
    _print_rows(["UAR with … labels", *map(str, found.budgets)], found.rows())
    _print_rows(["difference", *map(str, found.budgets)], found.differences())


def _budgets(text: str | None) -> list[int | str] | None:
    if text is None:
        return None
    try:
        return [part if part == "all" else int(part) for part in text.split(",")]
    except ValueError:
        raise UndertoneError(
            "--budgets takes whole numbers, or all, with commas between, such as 20,50,all; "
            f"found {text!r}"
        ) from None


def _settings(
    config: Path | None,
    given: dict[str, Any],
    assignments: list[str] | None,
    beneath: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Values of a preset, overlaid by a settings file, by the options given, and by --set."""
    values = {**(beneath or {}), **(read_toml(config) if config else {})}
    values |= {name: value for name, value in given.items() if value is not None}
    return override(values, assignments or [])


def _show_report(report: Path) -> None:
    print(f"report: {report.resolve()}")


def _print_frames(file: Path, features: str) -> None:
    from undertone.features.extractors import get
    from undertone.features.store import extract_file

    frames, times_s = extract_file(file, features)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["time_s", *get(features).columns])
    for time_s, row in zip(times_s, frames, strict=True):
        writer.writerow([f"{time_s:.7g}", *(f"{value:.7g}" for value in row)])


def _print_score(found: "Score") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"{found.n_utterances} utterances, {found.n_speakers} speakers")
    for column in ("", "prediction", *found.floors):
        table.add_column(column, no_wrap=True)
    for row in found.rows():  # an interval stands below its number where the terminal is narrow
        table.add_row(
            *(cell.replace(" [", "\n[") if console.width < WIDE else cell for cell in row)
        )
    console.print(table)
    for note in (*(f"{n} left out: {why}" for why, n in found.left_out.items()), *found.notes):
        console.print(note)


def _print_rows(columns: list[str], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _print_table(predictions: Iterable["Prediction"]) -> bool:
    """Aligned columns, a line as soon as it is known; whether all files could be used."""
    fine = True
    for p in predictions:
        if p.error is not None:
            fine = False
            print(f"undertone: {p.error}", file=sys.stderr)
            continue
        chances = "  ".join(f"{name} {chance:.3f}" for name, chance in p.probabilities.items())
        print(f"{p.file}  {p.emotion}  {chances}", flush=True)
    return fine


def _print_csv(predictions: Iterable["Prediction"]) -> bool:
    rows = [p.to_dict() for p in predictions]
    columns = max(rows, key=len, default={}).keys()
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return all(row["error"] is None for row in rows)


def _print_jsonl(predictions: Iterable["Prediction"]) -> bool:
    fine = True
    for p in predictions:
        fine &= p.error is None
        print(json.dumps(p.to_dict(), ensure_ascii=False), flush=True)
    return fine
