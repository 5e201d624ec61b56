"""A model to a folder that runs without Undertone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertone.cli import printing
from undertone.cli.app import app
from undertone.cli.options import Cache, Quiet, Workers
from undertone.errors import UndertoneError, tell

if TYPE_CHECKING:
    from undertone.pipeline import Resources
    from undertone.recogniser.folder import Recogniser

MEGABYTE = 10**6


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Folder that finetune wrote; or starter.")],
    *,
    onnx: Annotated[Path, typer.Option(help="Folder of the exported model.")],
    clips: Annotated[
        list[Path] | None,
        typer.Option(help="Recordings or folders that it is compared by; repeatable."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="The encoder's weights in 8 bits; needs --corpus.")
    ] = False,
    corpus: Annotated[
        str | None, typer.Option(help="Labelled corpus, NAME=PATH: what 8 bits cost; more clips.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=2, help="Groups of speakers, where it knows all of the corpus.")
    ] = 5,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """A model as a graph of ONNX, compared with the package before anything is written."""
    from undertone.pipeline import Resources
    from undertone.serving.onnx import folder, graphs, listening, nodes
    from undertone.serving.predict import loaded

    nodes.check_installed()
    if int8 and corpus is None:
        raise UndertoneError(
            "--int8 rounds weights, and what that costs is measured on labels: name a labelled "
            "corpus with --corpus NAME=PATH"
        )
    recogniser = loaded(model)
    graphs.check(recogniser)
    folder.check_rounding(recogniser, int8=int8)
    folder.check_place(onnx)
    waveforms, remarks = listening.clips_named(clips) if clips else ([], [])
    for remark in remarks:
        tell(remark)
    cost: list[str] = []
    if corpus is not None:
        from undertone import corpora

        waveforms += listening.clips_of(corpora.open(corpus))
    if int8 and corpus is not None:
        resources = Resources(cache, workers, not quiet)
        cost = _cost(recogniser, corpus, folds=folds, resources=resources)
    made = folder.export(model, onnx, clips=waveforms, int8=int8, cost=cost)
    if made.rounded is not None:
        printing.say(
            f"8 bits change an output by {made.rounded.largest:.2g} at most on these recordings, "
            f"and in 8 bits a batch by {made.rounded.in_batches:.2g}"
        )
    if not waveforms:
        tell("no real speech was heard: --clips RECORDINGS compares by it, too")
    printing.say(made.parity.sentence())
    printing.say(f"exported to {made.folder}: {made.size_bytes / MEGABYTE:.2f} MB; run it there:")
    files = "frames.csv" if made.reads == graphs.FRAMES else "one.wav"
    printing.say(f"  python run.py {files}")


def _cost(
    recogniser: "Recogniser", corpus: str, *, folds: int, resources: "Resources"
) -> list[str]:
    """Print what 8 bits cost; return it in sentences."""
    from undertone.experiment.rounding import cost_of_rounding

    cost = cost_of_rounding(recogniser, corpus, folds=folds, resources=resources)
    printing.print_rows(["", "full precision", "8 bits", "difference"], cost.rows)
    for sentence in cost.sentences():
        printing.say(sentence)
    return cost.sentences()
