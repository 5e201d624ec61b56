"""What pre-trained encoders carry and cost, one function each."""

from pathlib import Path
from typing import Annotated

import typer

from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import (
    Cache,
    Config,
    Corpora,
    Device,
    OneOut,
    Proxy,
    Quiet,
    SameSpeakers,
    Seed,
    Set,
    Task,
    TestCorpus,
    Workers,
)
from undertone.config import load
from undertone.errors import UndertoneError


@app.command()
def layers(
    *,
    corpus: Corpora = None,
    test_corpus: TestCorpus = None,
    one_out: OneOut = False,
    same_speakers: SameSpeakers = False,
    upstream: Annotated[
        str | None, typer.Option(help="Encoder: a folder, or a name on the hub.")
    ] = None,
    budgets: Annotated[str | None, typer.Option(help="Numbers of labels, as 20,50,all.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Repetitions of each budget.")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Groups of speakers.")] = None,
    fold_files: Annotated[
        Path | None, typer.Option(help="Folder of EmoBox's folds of this corpus.")
    ] = None,
    task: Task = None,
    proxy: Proxy = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/layers"),
    config: Config = None,
    assignments: Set = None,
    seed: Seed = None,
    workers: Workers = None,
    device: Device = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """What does each layer of a pre-trained encoder carry, and where may it be cut?"""
    from undertone.experiment.probing import PAGE, LayersSettings, run_layers
    from undertone.pipeline import Resources

    if config is None and not (corpus and upstream):
        raise UndertoneError(
            "layers needs a labelled corpus and an encoder: --corpus NAME=PATH --upstream MODEL, "
            "or --config FILE"
        )
    given = {
        "corpus": corpus[0] if corpus else None,
        "across": options.across_of(corpus, test_corpus, each=one_out, one_person=same_speakers),
        "upstream": upstream,
        "budgets": options.budgets_of(budgets),
        "draws": draws,
        "folds": folds,
        "fold_files": None if fold_files is None else str(fold_files),
        "task": task,
        "proxy": proxy,
        "seed": seed,
    }
    settings = load(LayersSettings, options.settings_of(config, given, assignments))
    printing.print_layers(
        run_layers(settings, out, Resources(cache, workers, not quiet, device=device or ""))
    )
    printing.show_report(out / PAGE)
