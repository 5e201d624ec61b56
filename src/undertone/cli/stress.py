"""What a model's predictions cost where recordings are not as those it was trained on."""

import json
from pathlib import Path
from typing import Annotated

import typer

from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import Cache, Quiet, Workers


@app.command()
def stress(
    model: Annotated[Path, typer.Argument(help="Folder that finetune wrote.")],
    *,
    corpus: Annotated[str, typer.Option(help="Labelled corpus with recordings, NAME=PATH.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; runs/stress-MODEL by default.")
    ] = None,
    labels: Annotated[
        int | None, typer.Option(min=2, help="Fit the recipe again, with so many labels.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=2, help="Groups of speakers, where it is fitted again.")
    ] = 5,
    conditions: Annotated[
        str | None, typer.Option(help="Some of them by name or group, with commas between.")
    ] = None,
    card: Annotated[
        bool, typer.Option("--write-card/--no-card", help="Add a section to the model's card.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Names all randomness.")] = 0,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """The same speech as recorded, and with silence, noise, rooms, lines, cuts: what it costs."""
    from undertone.experiment.stress import PAGE, StressSettings
    from undertone.experiment.stress import stress as run
    from undertone.pipeline import Resources

    names = tuple(options.names_of(conditions) or ())
    folder = out or Path("runs") / f"stress-{model.resolve().name}"
    result = run(
        *(model, corpus, folder),
        settings=StressSettings(names, labels, folds, seed, card),
        resources=Resources(cache, workers, not quiet),
    )
    if as_json:
        print(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
        return
    printing.print_rows(list(result.headings), result.cells)
    for note in result.notes:
        printing.say(note)
    printing.say(f"report in {folder / PAGE}")
