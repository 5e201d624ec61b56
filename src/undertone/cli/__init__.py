"""The command line: parse, settings, one stage function, print.

What the caller can fix is printed without a traceback and ends with exit status 2.
"""

import contextlib
import errno
import io
import os
import sys
from typing import NoReturn

from undertone.cli import (
    audit,
    encoders,
    evidence,
    export,
    label,
    models,
    picking,
    planning,
    service,
    small,
    steps,
    stress,
    text,
    timeline,
    voices,
)
from undertone.cli.app import StoppedError, app
from undertone.errors import UndertoneError, printable, without_secrets

__all__ = [
    "app",
    "audit",
    "encoders",
    "evidence",
    "export",
    "label",
    "main",
    "models",
    "picking",
    "planning",
    "service",
    "small",
    "steps",
    "stress",
    "text",
    "timeline",
    "voices",
]
KEPT = "what is finished is kept"
NO_MEMORY = (
    f"the memory that this process may use does not suffice (ulimit -v, or the machine's); {KEPT}: "
    "run the same command again with more of it, or with fewer --workers"
)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
OF_A_PLACE = (  # of a path that somebody named: no name of ours is too long or out of reach
    errno.EACCES,
    errno.EIO,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENAMETOOLONG,
    errno.EPERM,
    errno.EROFS,
    errno.ESTALE,
    errno.ETIMEDOUT,
)
WORDS_OF_NO_MEMORY = (  # of the system's loader, of torch, of NumPy's and Numba's libraries
    "failed to map segment",
    "allocate memory",
    "not enough memory",
    "out of memory",
    "can't start new thread",
)


def main() -> None:
    """Run the command line; turn what the caller can fix into a message and exit status 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes share the cores, threads fight
    _print_any_letter()
    try:
        try:
            app(standalone_mode=True)
        finally:
            sys.stdout.flush()  # what is buffered may find the disk full
    except UndertoneError as error:
        _end(2, *error.args)
    except (KeyboardInterrupt, StoppedError):
        _end(130, f"stopped; {KEPT}")
    except BrokenPipeError:
        _let_go_of_output()
        sys.exit(1)
    except Exception as error:
        if (why := _want_of(error)) is None:
            raise
        _let_go_of_output()
        _end(2, why)


def _want_of(error: Exception) -> str | None:
    """What the machine has no more of, or does not give; None of any other error, a bug."""
    if _lacks_memory(error):
        return NO_MEMORY
    if isinstance(error, OSError) and error.errno in NO_SPACE and not error.filename:
        return f"standard output cannot be written: {error.strerror}; {KEPT}"
    if isinstance(error, OSError) and error.errno in OF_A_PLACE and error.filename:
        return f"{os.fsdecode(error.filename)} cannot be used: {error.strerror}"
    return None


def _print_any_letter() -> None:
    """In a locale that lacks it, as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else somebody has put another in its place
            stream.reconfigure(errors="backslashreplace")


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, comes of there being no more memory."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        text = str(error).lower()
        if any(words in text for words in WORDS_OF_NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _end(status: int, *lines: str) -> NoReturn:
    for i, line in enumerate(lines):
        print(
            f"{'' if i else 'undertone: '}{printable(without_secrets(str(line)))}", file=sys.stderr
        )
    sys.exit(status)


def _let_go_of_output() -> None:
    """What is left in the buffer of standard output goes nowhere, without a word at the end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
