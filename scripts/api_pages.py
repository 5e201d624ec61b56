"""Pages on the Python interface, made from signatures and docstrings while the site is built.

In:  the names that ``undertone`` gives away, and the modules listed here.
Out: Markdown, a page for the verbs and a page for the modules.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import undertone

MODULES = (  # what somebody calls who builds on a part, in the order of the pipeline
    "undertone.audio",
    "undertone.synthesis",
    "undertone.corpora",
    "undertone.corpora.corpus",
    "undertone.corpora.folds",
    "undertone.corpora.pool",
    "undertone.corpora.audit",
    "undertone.features.extractors",
    "undertone.features.store",
    "undertone.features.covarep",
    "undertone.features.csd_writer",
    "undertone.tasks.classes",
    "undertone.tasks.intensities",
    "undertone.tasks.dimensions",
    "undertone.evaluation.estimate",
    "undertone.evaluation.score",
    "undertone.evaluation.curves",
    "undertone.evaluation.worth",
    "undertone.evaluation.compare",
    "undertone.recogniser.folder",
    "undertone.serving.predict",
    "undertone.serving.timeline",
    "undertone.annotation.picking.pick",
)
PACKAGES = re.compile(r"(?:undertone|collections|pathlib|numpy|typing)(?:\.[a-z_]+)*\.(?=[A-Za-z])")
WIDTH = 88  # of a signature in one line
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")


def verbs() -> str:
    """The page of what ``import undertone`` gives."""
    entries = [entry(name, getattr(undertone, name)) for name in undertone.__all__]
    return "\n\n".join([f"# Python\n\n{rendered(undertone.__doc__)}", *entries])


def modules() -> str:
    """The page of the modules."""
    parts = [
        "# Python, part by part\n\nThe modules behind the verbs, in the order of the pipeline."
    ]
    for name in MODULES:
        module = importlib.import_module(name)
        parts.append(f"## {name}\n\n{rendered(module.__doc__ or '')}")
        parts += [entry(given, value, level=3) for given, value in public(module)]
    return "\n\n".join(parts)


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """Functions and classes of a module, or of its package, in the order in which they stand."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", "") == module.__name__
        own |= name in getattr(module, "__all__", ())
        callable_ = inspect.isfunction(value) or inspect.isclass(value)
        if own and callable_ and not name.startswith("_"):
            yield name, value


def entry(name: str, value: Any, level: int = 2) -> str:
    """One function or class: its signature and what its docstring says."""
    parts = [f"{'#' * level} {name}", f"```python\n{signature(name, value)}\n```"]
    parts.append(rendered(inspect.getdoc(value) or ""))
    if inspect.isclass(value):
        for own, method in vars(value).items():
            if not own.startswith("_") and inspect.isfunction(method) and method.__doc__:
                parts.append(
                    f"**`.{signature(own, method)}`**\n\n{rendered(inspect.getdoc(method))}"
                )
            elif not own.startswith("_") and isinstance(method, property) and method.__doc__:
                parts.append(f"**`.{own}`**\n\n{rendered(inspect.cleandoc(method.__doc__))}")
    return "\n\n".join(part for part in parts if part.strip())


def signature(name: str, value: Any) -> str:
    """As it is called; defaults that are objects by their names."""
    try:
        called = str(inspect.signature(value))
    except (TypeError, ValueError):
        return name
    called = re.sub(r"<[^<>]+>", "…", called)
    whole = name + PACKAGES.sub("", called)
    if len(whole) <= WIDTH:
        return whole
    return re.sub(r"(?<=[(,]) ?(?=(?:\*{0,2}\w+: |\*, ))", "\n    ", whole)


def rendered(text: str | None) -> str:
    """A docstring as Markdown: sections as lists, doctests and literal blocks as code."""
    out: list[str] = []
    lines, i = inspect.cleandoc(text or "").split("\n"), 0
    while i < len(lines):
        line = lines[i]
        if line.removesuffix(":") in SECTIONS:
            block, i = _indented(lines, i + 1)
            out += ["", f"**{line.removesuffix(':')}**", "", *_items(block), ""]
            continue
        if line.startswith(">>>"):
            block = [line]
            while i + 1 < len(lines) and lines[i + 1].strip():
                i += 1
                block.append(lines[i])
            out += ["", "```pycon", *block, "```", ""]
        elif line.endswith("::"):
            block, i = _indented(lines, i + 1)
            out += [f"{line[:-1]}", "", "```python", *block, "```", ""]
            continue
        else:
            out.append(line)
        i += 1
    text = re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", "\n".join(out))
    text = re.sub(r"^(In|Out): +", r"\n**\1:** ", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _items(block: list[str]) -> Iterator[str]:
    """``name: meaning`` a line, with lines that go on further in."""
    for line in block:
        if line.strip() and not line.startswith(" "):
            name, colon, meaning = line.partition(": ")
            named = colon and re.fullmatch(r"\*{0,2}[\w.]+", name)
            yield f"- `{name}`: {meaning}" if named else f"- {line}"
        elif line.strip():
            yield f"  {line.strip()}"


def _indented(lines: list[str], start: int) -> tuple[list[str], int]:
    end = start
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
        end += 1
    block = inspect.cleandoc("\n" + "\n".join(lines[start:end])).split("\n")
    return block, end
