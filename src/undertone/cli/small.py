"""Smaller encoders, one function each: settings from the options, one stage, what it made."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertone.atomic import check_free
from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import (
    Cache,
    Config,
    Device,
    Folds,
    Proxy,
    Quiet,
    Seed,
    Set,
    Task,
    Unlabelled,
    Workers,
)
from undertone.config import load
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.experiment.keep import Kept
    from undertone.pipeline import Resources

AUTO = "auto"


@app.command()
def shrink(
    encoder: Annotated[str, typer.Argument(help="upstream:MODEL, or a folder.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the smaller encoder.")],
    layers: Annotated[
        str | None, typer.Option(help="Transformer layers that are kept, or auto.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Weights of products in 8 bits.")] = False,
    corpus: Annotated[
        str | None, typer.Option(help="Whose training speakers choose with --layers auto.")
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Numbers of labels, as 20,100.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Repetitions of each budget.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Groups of speakers.")] = None,
    speakers: Annotated[str | None, typer.Option(help="Some of the corpus, as 03,08.")] = None,
    margin: Annotated[float | None, typer.Option(help="Of the metric that may be lost.")] = None,
    task: Task = None,
    seed: Seed = None,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """The first layers of a pre-trained encoder as a smaller one, in 8 bits if asked."""
    from undertone.features.upstream.shrink import shrink as run
    from undertone.pipeline import Resources

    given = {
        "budgets": options.budgets_of(budgets),
        "draws": draws,
        "folds": folds,
        "margin": margin,
        "speakers": None if speakers is None else [name.strip() for name in speakers.split(",")],
        "task": task,
        "seed": seed,
    }
    values = {name: value for name, value in given.items() if value is not None}
    kept = None
    if layers == AUTO:
        check_free(out)
        kept = _choose(encoder, corpus, values, Resources(cache, workers, not quiet))
    elif corpus is not None or values:
        raise UndertoneError(
            "--corpus, --budgets, --draws, --folds, --speakers, --margin, --task and --seed are "
            "for --layers auto; leave them out"
        )
    made = run(
        encoder,
        out,
        layers=kept.layers if kept else _number(layers),
        int8=int8,
        chosen=kept.chosen if kept else None,
    )
    assert made.cut is not None
    printing.say(
        f"{made.folder}: layers 0 to {made.n_layers - 1} of 0 to {made.cut.original_layers} of "
        f"{made.cut.original_name}{', int8' * made.int8}"
    )
    printing.say(f"use it as --features upstream:{made.folder}@all")


def _choose(
    encoder: str, corpus: str | None, values: dict[str, Any], resources: "Resources"
) -> "Kept":
    """How many layers are worth keeping, and the table that says so."""
    from undertone.experiment.keep import KeepSettings, choose_layers, table_of

    if corpus is None:
        raise UndertoneError("--layers auto chooses on labels: name them with --corpus NAME=PATH")
    settings = load(KeepSettings, values)
    kept = choose_layers(encoder, corpus, settings, resources)
    headings = [f"layers, {kept.metric} over the whole with … labels", *map(str, settings.budgets)]
    printing.print_rows(headings, list(table_of(kept)))
    printing.say(f"kept: {kept.layers}, chosen on labels of {len(kept.chosen.speakers)} speakers")
    return kept


@app.command()
def teach(
    *,
    corpus: Annotated[str, typer.Option(help="Labelled corpus, NAME=PATH.")],
    teacher: Annotated[str, typer.Option(help="Encoder that teaches, upstream:MODEL@all.")],
    student: Annotated[str, typer.Option(help="Features that learn, upstream:SMALL@all, log_mel.")],
    out: Annotated[Path, typer.Option(help="Folder of the model.")],
    labels: Annotated[
        int | None, typer.Option(min=2, help="Use only this many labels.", show_default="all")
    ] = None,
    folds: Folds = None,
    unlabelled: Unlabelled = None,
    task: Task = None,
    proxy: Proxy = None,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    device: Device = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Few labels and a large encoder to a small model, served without the large one."""
    from undertone.pipeline import FinetuneSettings, Resources, finetune

    given = {
        "system": "taught",
        "features": student,
        "task": task,
        "proxy": proxy,
        "labels": labels,
        "folds": folds,
        "seed": seed,
    }
    values = options.settings_of(config, given, options.with_teacher(teacher, assignments))
    _, measured = finetune(
        corpus,
        out,
        unlabelled=unlabelled or (),
        settings=load(FinetuneSettings, values),
        resources=Resources(cache, workers, not quiet, device=device or ""),
    )
    if measured is not None:
        printing.print_score(measured)
    printing.say(f"model in {out}")


@app.command()
def distill(
    encoder: Annotated[str, typer.Argument(help="upstream:MODEL, or a folder.")],
    *,
    layers: Annotated[int, typer.Option(min=1, help="Transformer layers of the student.")],
    unlabelled: Annotated[list[str], typer.Option(help="Corpus of the pool; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the student.")],
    passes: Annotated[int | None, typer.Option(min=1, help="Over the pool.")] = None,
    corpus: Annotated[
        str | None, typer.Option(help="Labelled corpus that says whether it was worth it.")
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Numbers of labels, as 20,100.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Repetitions of each budget.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Groups of speakers.")] = None,
    task: Task = None,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    device: Device = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """An encoder of fewer layers, trained without labels to say what the whole one says."""
    from undertone.experiment import distilling
    from undertone.experiment.keep import KeepSettings
    from undertone.pipeline import Resources

    given = {"budgets": options.budgets_of(budgets), "draws": draws, "folds": folds, "task": task}
    asked = {name: value for name, value in given.items() if value is not None}
    if corpus is None and asked:
        raise UndertoneError("--budgets, --draws, --folds and --task are for --corpus NAME=PATH")
    if passes is not None:
        assignments = [*(assignments or []), f"distil.passes={passes}"]
    settings = load(
        distilling.DistilSettings, options.settings_of(config, {"seed": seed}, assignments)
    )
    trial = load(KeepSettings, asked | {"seed": settings.seed})
    resources = Resources(cache, workers, not quiet, device=device or "")
    if corpus is not None:
        check_free(out)
        distilling.check_beside(unlabelled, corpus, trial)
    made = distilling.distill(
        encoder, unlabelled, out, layers=layers, settings=settings, resources=resources
    )
    found = made.losses
    printing.say(
        f"held-out loss {found.held_out_loss:.4f}; untrained heads {found.start_loss:.4f}; saying "
        f"the mean {found.mean_loss:.4f}; {len(found.losses)} steps"
    )
    if corpus is None:
        printing.say("whether it is worth it, --corpus NAME=PATH says")
    else:
        rows = distilling.beside_start(made, corpus, trial, resources)
        printing.print_rows(["with … labels", *map(str, trial.budgets)], rows)
    distilling.clear(out)
    printing.say(f"use it as --features upstream:{made.encoder.folder}@all")


def _number(text: str | None) -> int | None:
    if text is not None and not text.isdecimal():
        raise UndertoneError(f"--layers takes a whole number or {AUTO}, found {text!r}")
    return None if text is None else int(text)
