"""What a large curve would take, before anybody buys a machine for it."""

import json
from typing import Annotated

import typer

from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import Config, Quiet, Set, Task


@app.command()
def plan(
    *,
    hours: Annotated[float, typer.Option(help="Of speech in the corpus.")],
    speakers: Annotated[int, typer.Option(min=1, help="That say it.")],
    labelled: Annotated[
        int, typer.Option(min=0, help="Utterances with a label; 0: five times the largest budget.")
    ] = 0,
    pool_hours: Annotated[
        float, typer.Option(help="Of other speech, for pre-training alone.")
    ] = 0.0,
    clip_seconds: Annotated[
        float, typer.Option(help="Of an utterance; 0: as those of --corpus, or 5.")
    ] = 0.0,
    corpus: Annotated[
        str, typer.Option(help="Corpus to measure on, NAME=PATH; synthetic voices by default.")
    ] = "synthetic",
    cores: Annotated[
        int, typer.Option(min=0, help="That work on it; 0: those of this machine.")
    ] = 0,
    features: Annotated[str | None, typer.Option(help="Name of the frame extractor.")] = None,
    budgets: Annotated[str | None, typer.Option(help="Numbers of labels, as 20,50,all.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Repetitions of each budget.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Groups of speakers.")] = None,
    systems: Annotated[str | None, typer.Option(help="Systems to compare.")] = None,
    task: Task = None,
    config: Config = None,
    assignments: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Cores, hours, memory and disk of a curve, from two small ones that are made here."""
    from undertone.config import load
    from undertone.experiment import CurveSettings
    from undertone.experiment.planning import Wanted
    from undertone.experiment.planning import plan as run

    given = {
        "corpus": corpus,
        "features": features,
        "budgets": options.budgets_of(budgets),
        "draws": draws,
        "folds": folds,
        "systems": options.names_of(systems),
        "task": task,
    }
    wanted = Wanted(hours, speakers, labelled, pool_hours, clip_seconds, cores)
    settings = load(CurveSettings, options.settings_of(config, given, assignments))
    outlook = run(wanted, settings, progress=not quiet)
    if as_json:
        print(json.dumps(outlook.to_dict(), indent=2, ensure_ascii=False))
        return
    printing.print_rows(list(outlook.headings), outlook.rows())
    for sentence in outlook.sentences():
        printing.say(sentence)
