"""The application that every file of commands adds its own to."""

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from undertone.progress import alive

ON_THEIR_OWN = ("label", "listen", "serve")  # commands that say themselves that they are at work


class StoppedError(Exception):
    """Somebody pressed Ctrl-C; Typer would end without a word."""


class EndedEarlyError(Exception):
    """A fault of ours that Typer would take for the end of what is typed in."""


class _App(typer.Typer):
    """Commands whose ends are all told."""

    def command(self, *names: Any, **options: Any) -> Callable[[Any], Any]:
        add = super().command(*names, **options)

        def added(function: Callable[..., None]) -> Callable[..., None]:
            @functools.wraps(function)
            def run(*arguments: Any, **values: Any) -> None:
                try:
                    with _sign_of_life(function.__name__, values), _on(values.get("cluster")):
                        function(*arguments, **values)
                except KeyboardInterrupt:
                    raise StoppedError from None
                except EOFError as error:
                    raise EndedEarlyError from error

            add(run)
            return function

        return added


def _on(cluster: str | None) -> contextlib.AbstractContextManager[None]:
    """Where the jobs of a command are done: by the cluster that its option ``--cluster`` names."""
    if cluster is None:
        return contextlib.nullcontext()
    from undertone.experiment.cluster import on  # which alone knows the engine

    return on(cluster)


def _sign_of_life(name: str, values: dict[str, Any]) -> contextlib.AbstractContextManager[None]:
    """While nothing is said: not with ``--quiet``; of a command that is quick, to a person only."""
    quiet = values.get("quiet")
    is_quiet = not sys.stderr.isatty() if quiet is None else quiet
    is_quiet = is_quiet or name in ON_THEIR_OWN
    return contextlib.nullcontext() if is_quiet else alive(f"undertone {name} is at work")


app = _App(
    no_args_is_help=True,
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
