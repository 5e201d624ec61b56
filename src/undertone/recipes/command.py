"""The command that repeats a recipe, from the values that it was given.

In:  the recipe's name and its values, by section.
Out: a line for a shell.
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

OPTIONS = (
    *("corpus", "unlabelled", "upstream", "layers", "proxy", "task", "study", "against"),
    *("budgets", "draws", "seed"),
)
REPEATED = ("corpus", "unlabelled")


def command_of(recipe: str, values: Mapping[str, Any], *, quick: bool = False) -> str:
    """The command line without ``--out``.

    >>> command_of("masked-gru", {"corpus": ["a=/x", "b=/y z"], "cnn": {"channels": 8}})
    "undertone reproduce masked-gru --corpus a=/x --corpus 'b=/y z' --set cnn.channels=8"
    """
    words = ["undertone", "reproduce", recipe, *_words(values)]
    return shlex.join([*words, "--quick"] if quick else words)


def _words(values: Mapping[str, Any]) -> Iterator[str]:
    for name in OPTIONS:
        value = values.get(name)
        if value is None or value == "":
            continue
        several = name in REPEATED and not isinstance(value, str)
        for one in value if several else [value]:
            text = ",".join(map(str, one)) if isinstance(one, list | tuple) else str(one)
            yield from (f"--{name}", text)
    for name, value in values.items():
        if name not in OPTIONS:
            yield from _assignments(name, value)


def _assignments(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner, of_inner in value.items():
            yield from _assignments(f"{name}.{inner}", of_inner)
        return
    text = value if isinstance(value, str) else json.dumps(value)
    yield from ("--set", f"{name}={text}")
