"""The application that every file of commands adds its own to."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Speech emotion recognition when labels are scarce.",
    epilog="A corpus is NAME=PATH: emodb, ravdess, shemo, mosei, synthetic, csv, any folder.",
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from undertone import __version__

        print(__version__)
        raise typer.Exit
