"""The one exception for what the caller can fix; everything else is a bug and shows a traceback."""

import importlib.util
from collections.abc import Iterable

DISTRIBUTION = "undertone-ser"  # on the package index, where undertone is another program


class UndertoneError(Exception):
    """What was expected, what was found, where, and the next step, in one message."""


def needs(package: str, *, extra: str, what: str) -> None:
    """Refuse to go on without a package that only an extra brings.

    Args:
        package: to be imported.
        extra: of ``pyproject.toml``.
        what: needs it, in the plural.

    Raises:
        UndertoneError: the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise UndertoneError(
            f"{what} need the package {package}; install it with "
            f"`pip install '{DISTRIBUTION}[{extra}]'` (in a checkout `pip install -e '.[{extra}]'`)"
        )


def describe_some(names: Iterable[object], limit: int = 3) -> str:
    """The first few names and how many more there are.

    >>> describe_some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    words = [str(name) for name in names]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more
