"""Smaller encoders, one function each: settings from the options, one stage, what it made."""

from pathlib import Path
from typing import Annotated

import typer

from undertone.cli.app import app
from undertone.errors import UndertoneError

AUTO = "auto"


@app.command()
def shrink(
    encoder: Annotated[str, typer.Argument(help="upstream:MODEL, or a folder.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the smaller encoder.")],
    layers: Annotated[str | None, typer.Option(help="Transformer layers that are kept.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Weights of products in 8 bits.")] = False,
) -> None:
    """The first layers of a pre-trained encoder as a smaller one, in 8 bits if asked."""
    from undertone.features.upstream.shrink import shrink as run

    made = run(encoder, out, layers=None if layers is None else _number(layers), int8=int8)
    assert made.cut is not None
    print(
        f"{made.folder}: layers 0 to {made.n_layers - 1} of 0 to {made.cut.original_layers} of "
        f"{made.cut.original_name}{', int8' * made.int8}"
    )
    print(f"use it as --features upstream:{made.folder}@all")


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UndertoneError(f"--layers takes a whole number, found {text!r}")
    return int(text)
