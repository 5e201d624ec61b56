"""The application that every file of commands adds its own to."""

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from undertone.errors import UndertoneError
from undertone.progress import alive

ON_THEIR_OWN = ("label", "listen", "serve")  # commands that say themselves that they are at work
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/+(?P<rest>.*)")  # as a path writes it: with one slash


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
                _check_paths(values)
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


def _check_paths(values: dict[str, Any]) -> None:
    """Refuse an address where a path is asked for; it would become a folder ``s3:`` here.

    Raises:
        UndertoneError: one was given; an option that takes addresses has made a folder of it.
    """
    for path in _paths_in(values):
        if (address := ADDRESS.fullmatch(str(path))) and not path.exists():
            is_file = str(path).startswith("file:") and address["rest"]
            here = f"/{address['rest']}" if is_file else "a file or folder of this machine"
            raise UndertoneError(
                f"expected a path, found the address {_spelled(path)}: give {here}. Addresses are "
                "taken by --cache, by --out of curve, layers, reproduce, pretrain and teach, and "
                "by --encoder of finetune"
            )


def _paths_in(values: dict[str, Any]) -> Iterator[Path]:
    """Paths of all options and arguments."""
    for value in values.values():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, Path):
                yield one


def _spelled(path: Path) -> str:
    """An address as it was typed, with its two slashes, or the three of ``file:///``."""
    protocol, _, rest = str(path).partition(":/")
    return f"{protocol}://{'/' * (protocol == 'file')}{rest}"


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
