"""What is worth what, one function each: settings from the options, one stage, what it found."""

import functools
import json
from pathlib import Path
from typing import Annotated

import typer

from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import (
    Allow,
    Cache,
    Cluster,
    Config,
    Corpora,
    Device,
    Disjoint,
    OneOut,
    Proxy,
    Quiet,
    RunFolder,
    SameSpeakers,
    Seed,
    Set,
    Task,
    TestCorpus,
    Text,
    TextPrior,
    Transcripts,
    Unlabelled,
    Vault,
    Workers,
)
from undertone.config import load, merge
from undertone.errors import UndertoneError


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
    from undertone.experiment import curve, demo_settings
    from undertone.pipeline import Resources

    found = curve(demo_settings(corpora), out, Resources(cache, workers, not quiet))
    printing.show_curve(found.report)


@app.command()
def curve(
    *,
    corpus: Corpora = None,
    test_corpus: TestCorpus = None,
    one_out: OneOut = False,
    same_speakers: SameSpeakers = False,
    unlabelled: Unlabelled = None,
    features: Annotated[
        str | None, typer.Option(help="Name of the frame extractor.", show_default="log_mel")
    ] = None,
    budgets: Annotated[
        str | None,
        typer.Option(help="Numbers of labels, as 20,50,all.", show_default="20,50,100,200"),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="Repetitions of each budget.", show_default="10")
    ] = None,
    draw: Annotated[
        str | None,
        typer.Option(
            help="Labels: balanced over the emotions, or random.", show_default="balanced"
        ),
    ] = None,
    picks: Annotated[
        str | None, typer.Option(help="Strategies that pick labels, as typical,unsure+spread.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Labels between two picks.", show_default="10")
    ] = None,
    eyes: Annotated[
        str | None, typer.Option(help="Features that strategies hear, if not the system's.")
    ] = None,
    skew: Annotated[
        str | None, typer.Option(help="For studies: a lopsided pool, as neutral=.8.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Groups of speakers.", show_default="5")
    ] = None,
    fold_files: Annotated[
        Path | None, typer.Option(help="Folder of EmoBox's folds of this corpus.")
    ] = None,
    task: Task = None,
    proxy: Proxy = None,
    systems: Annotated[
        str | None,
        typer.Option(
            help="Systems to compare, as descriptors,linear,constant.",
            show_default="those that fit the features",
        ),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Encoder that teaches, upstream:MODEL@all.")
    ] = None,
    out: RunFolder = Path("runs/curve"),
    quick: Annotated[bool, typer.Option("--quick", help="A first look, in minutes.")] = False,
    transductive: Annotated[
        bool, typer.Option("--transductive", help="Pre-train on test speakers too.")
    ] = False,
    adapt: Annotated[
        str | None,
        typer.Option(help="Rows that hear unlabelled recordings of the tested voice, as 3,10,all."),
    ] = None,
    text: Text = None,
    transcripts: Transcripts = None,
    text_prior: TextPrior = None,
    sounds: Annotated[
        bool, typer.Option("--sounds/--no-sounds", help="The worst utterances in the report.")
    ] = True,
    disjoint: Disjoint = None,
    vault: Vault = None,
    allow: Allow = None,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    device: Device = None,
    cluster: Cluster = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """How good with 20, 50, 100, 200 labels, and what is pre-training worth?"""
    from undertone.experiment import CurveSettings, quick_values
    from undertone.experiment import curve as run
    from undertone.pipeline import Resources

    if not corpus and config is None:
        raise UndertoneError("curve needs a labelled corpus: --corpus NAME=PATH, or --config FILE")
    given = {
        "corpus": corpus[0] if corpus else None,
        "across": options.across_of(corpus, test_corpus, each=one_out, one_person=same_speakers),
        "unlabelled": unlabelled,
        "features": features,
        "text": options.text_of(text, transcripts=transcripts, prior=text_prior),
        "budgets": options.budgets_of(budgets),
        "draws": draws,
        "draw": draw,
        "picks": options.picks_of(picks, batch=batch, eyes=eyes),
        "skew": skew,
        "folds": folds,
        "fold_files": None if fold_files is None else str(fold_files),
        "task": task,
        "proxy": proxy,
        "systems": options.names_of(systems),
        "seed": seed,
        "transductive": transductive or None,
        "adapt": options.numbers_or_all("adapt", adapt),
        "disjoint": options.names_of(disjoint),
        "vault": None if vault is None else str(vault),
        "allow": allow,
    }
    told = options.settings_of(config, given, options.with_teacher(teacher, assignments))
    values = merge(quick_values() if quick else options.beneath_picks(picks), told)
    if "budgets" not in told and picks is None:  # nobody asked for these very numbers
        values["fit_budgets"] = True
    settings = load(CurveSettings, values)
    resources = Resources(cache, workers, not quiet, device=device or "")
    printing.show_curve(run(settings, out, resources, sounds=sounds).report)


@app.command()
def reproduce(
    recipe: Annotated[str, typer.Argument(help="masked-gru, wav2vec-cnn or audio-textual.")],
    *,
    corpus: Annotated[
        list[str] | None, typer.Option(help="mosei=DIR, shemo=DIR, or NAME=PATH; repeatable.")
    ] = None,
    unlabelled: Unlabelled = None,
    upstream: Annotated[
        str | None, typer.Option(help="Encoder of voice: a folder, or a name on the hub.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Of small encoders of audio-textual, as 1,2.")
    ] = None,
    text: Text = None,
    transcripts: Transcripts = None,
    text_prior: TextPrior = None,
    task: Task = None,
    proxy: Proxy = None,
    study: Annotated[
        str | None, typer.Option(help="masking of masked-gru, segments of wav2vec-cnn.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Encoder beside masked-gru, as upstream:NAME@all.")
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Numbers of labels, as 20,50,all.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Repetitions of each budget.")] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Groups of speakers.", show_default="5")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run, or an address.",
            show_default="runs/RECIPE",
            parser=options.place,
            metavar="PATH",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look.")] = False,
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    cluster: Cluster = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """A published system on its own data: its numbers beside ours and the floors."""
    from undertone.pipeline import Resources
    from undertone.recipes import RECIPES

    if recipe not in RECIPES:
        raise UndertoneError(f"there is no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    given = {
        "corpus": corpus[0] if corpus and len(corpus) == 1 else corpus,
        "unlabelled": unlabelled,
        "upstream": upstream,
        "layers": options.numbers_of("layers", layers),
        "text": options.text_of(text, transcripts=transcripts, prior=text_prior),
        "task": task,
        "proxy": proxy,
        "study": study,
        "against": against,
        "budgets": options.budgets_of(budgets),
        "draws": draws,
        "folds": folds,
        "seed": seed,
    }
    values = options.settings_of(config, given, assignments)
    resources = Resources(cache, workers, not quiet)
    RECIPES[recipe](values, out or Path("runs") / recipe, resources, quick=quick).show()


@app.command()
def score(
    *,
    truth: Annotated[Path, typer.Option(help="Table of utterance, speaker and labels.")],
    prediction: Annotated[
        Path | None,
        typer.Option(help="Table of utterance and predictions; without, floors and raters."),
    ] = None,
    task: Annotated[
        str, typer.Option(help="classes, intensities or dimensions; read off the truth's columns.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out utterances without a partner.")
    ] = False,
) -> None:
    """Anybody's predictions, with the same metrics, intervals and floors."""
    from undertone.evaluation.score import score as run

    result = run(
        truth=truth, prediction=prediction, task=task, missing="drop" if drop_missing else "error"
    )
    if as_json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        printing.print_score(result)


@app.command()
def compare(
    systems: Annotated[list[str], typer.Argument(help="LABEL=FOLDER:SYSTEM of finished runs.")],
    *,
    against: Annotated[
        str | None, typer.Option(help="Label that the others are held against; the last.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Of the runs' task, as wa or ccc; UAR or MAE.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="One output, as fear or valence; the mean of all.")
    ] = None,
    part: Annotated[
        str, typer.Option(help="Official test part, as test2; the first of several.")
    ] = "",
    workers: Workers = None,
) -> None:
    """Systems of several runs with the same draws, of any task, and paired differences."""
    from undertone.evaluation.compare import compare as run
    from undertone.evaluation.compare import parse
    from undertone.processes import how_many
    from undertone.tasks import MEAN

    comparison = run(
        [parse(text) for text in systems],
        against,
        metric,
        output=output or MEAN,
        part=part,
        workers=how_many(workers),
    )
    budgets = [str(budget) for budget in comparison.budgets]
    lower = ", lower is better" if comparison.lower_is_better else ""
    printing.print_rows(
        [f"{comparison.metric_label} with … labels{lower}", *budgets], comparison.rows()
    )
    printing.print_rows(list(comparison.headings), comparison.differences())
    for sentence in filter(None, (comparison.together, comparison.caveat)):
        printing.say(sentence)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    *,
    table: Annotated[
        str, typer.Option(help="Which one, as uar or differences; without --export they are named.")
    ] = "leading",
    export: Annotated[str | None, typer.Option(help="The table as latex, markdown or csv.")] = None,
    out: Annotated[Path | None, typer.Option(help="File of the table; standard output.")] = None,
) -> None:
    """What a finished run says: its verdict, or any of its tables with intervals."""
    from undertone import atomic
    from undertone.evaluation.report.told import exported, is_export, read_told, table_of

    told = read_told(run)
    chosen = table_of(told, table)
    if export is None and out is not None:
        raise UndertoneError(
            f"--out takes a table in a form: add --export csv, latex or markdown to --out {out}"
        )
    if export is None:
        printing.print_told(chosen)
        printing.say_findings(told)
        printing.say(f"tables: {', '.join(told['tables'])}")
        return
    text = exported(table, chosen, export)
    if out is None:
        print(text, end="")
    else:
        ours = functools.partial(is_export, told=told)
        atomic.check_replaceable(out, ours, "a table that report exported")
        atomic.write_text(out, text)
        printing.say(f"{table} in {out}")
