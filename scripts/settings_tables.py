"""The settings of every stage as tables, made from the dataclasses: ``docs/settings.md``.

    python scripts/settings_tables.py

Name, type and default are the field's; the meaning is the comment beside it, or its line among the
attributes of the class's docstring. The range is asked of the class itself: numbers are those that
its own check refuses beyond, words those that it names when it is given a word that it does not
know. Nothing of a table is kept by hand.
"""

import contextlib
import dataclasses
import inspect
import io
import math
import re
import sys
import tokenize
import typing
from pathlib import Path
from typing import Any
from unittest import mock

import undertone
from undertone import config
from undertone.annotation.picking.of_corpus import PickSettings
from undertone.errors import UndertoneError
from undertone.experiment.distilling import DistilSettings
from undertone.experiment.keep import KeepSettings
from undertone.serving.live import LiveConfig
from undertone.serving.timeline.windows import WindowConfig
from undertone.systems.settings import sections

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Made by `scripts/settings_tables.py` from the dataclasses; a test holds it to them.

A setting stands in a TOML file (`--config FILE`) under its section, or on the command line as
`--set section.name=value`; those without a section stand at the top of the file. Options of a
command win over both. What is not known, of another type or out of its range is refused by name.
"""
STEPS: dict[str, type] = {
    "undertone curve": undertone.CurveSettings,
    "undertone finetune": undertone.FinetuneSettings,
    "undertone pretrain": undertone.PretrainSettings,
    "undertone layers": undertone.LayersSettings,
    "undertone distill": DistilSettings,
    "undertone shrink --layers auto": KeepSettings,
    "undertone pick": PickSettings,
    "undertone timeline": WindowConfig,
    "undertone listen": LiveConfig,
}
REQUIRED = {"corpus": "emodb=PATH", "upstream": "MODEL"}  # of settings that have no default
STRANGE = "?"  # a word that no setting knows
WORDS = re.compile(
    r"(?:must be|there are|takes)(?: one of)? (.+?)(?:,? or several.*|, found.*|: .*)?$"
)


def page() -> str:
    """The whole page."""
    parts, below = [HEAD], dict[str, type]()
    for step, kind in STEPS.items():
        parts += [f"\n## {step}\n\n", table(kind)]
        below |= {name: of for name, of in nested(kind).items() if name not in below}
    parts.append("\n## Sections\n\nEach may stand in the file of a command that knows it.\n")
    parts += [f"\n### {name}\n\n{_doc(kind)}\n\n{table(kind)}" for name, kind in below.items()]
    return "".join(parts)


def nested(kind: type) -> dict[str, type]:
    """The sections of a step: fields that are settings themselves, and those of systems."""
    hints = typing.get_type_hints(kind)
    names = {f.name: hints[f.name] for f in dataclasses.fields(kind) if _is_section(hints[f.name])}
    if any(f.metadata == config.REST for f in dataclasses.fields(kind)):
        names |= {name: section.kind for name, section in sections().items()}
    return names


def table(kind: type) -> str:
    """A row a field that is no section."""
    hints, meanings = typing.get_type_hints(kind), meanings_of(kind)
    ranges = ranges_of(kind)
    rows = ["| setting | type | default | range | meaning |", "|---|---|---|---|---|"]
    for one in dataclasses.fields(kind):
        if not _is_section(hints[one.name]) and one.metadata != config.REST:
            known = ranges.get(one.name) or words_of(kind, one.name, hints[one.name])
            meaning = meanings[one.name].replace("``", "`").rstrip(".")
            cells = (_kind(hints[one.name]), _default(one), known, meaning)
            rows.append(
                f"| `{one.name}` | {' | '.join(cell.replace('|', '/') for cell in cells)} |"
            )
    return "\n".join(rows) + "\n" if len(rows) > 2 else "Only sections, below.\n"


def ranges_of(kind: type) -> dict[str, str]:
    """The ranges that a class checks its numbers against, as its own check is called."""
    asked: dict[str, tuple[float, float]] = {}

    def noted(settings: object, **ranges: tuple[float, float]) -> None:
        if type(settings) is kind:
            asked.update(ranges)

    modules = [m for name, m in sys.modules.items() if name.startswith("undertone.")]
    with contextlib.ExitStack() as stack:
        for module in modules:
            if hasattr(module, "check_ranges"):
                stack.enter_context(mock.patch.object(module, "check_ranges", noted))
        _example(kind)
    return {name: _spell(*ends) for name, ends in asked.items()}


def words_of(kind: type, name: str, hint: Any) -> str:
    """The words that a setting of text may be, as its refusal names them."""
    if hint is bool:
        return "true, false"
    if hint is not str:
        return ""
    try:
        dataclasses.replace(_example(kind), **{name: STRANGE})
    except UndertoneError as error:
        if found := WORDS.search(str(error)):
            return found.group(1).replace("; found '?'", "").replace(" or ", ", ")
    return ""


def meanings_of(kind: type) -> dict[str, str]:
    """The comment beside each field, or its line in the docstring."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        found |= dict(re.findall(r"^ {8}(\w+): (.+)$", one.__doc__ or "", re.M))
        source, name = inspect.getsource(one), ""
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.start[1] == 4 and token.type == tokenize.NAME:
                name = token.string
            if token.type == tokenize.COMMENT and name and token.start[1] > 4:
                found[name] = token.string.removeprefix("# ")
    return found


def _example(kind: type) -> Any:
    required = {
        one.name: REQUIRED[one.name]
        for one in dataclasses.fields(kind)
        if one.default is one.default_factory is dataclasses.MISSING
    }
    return kind(**required)


def _is_section(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint)


def _doc(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").split("\n")[0]


def _kind(hint: Any) -> str:
    return config._spell(hint).replace(" or NoneType", ", or none")


def _default(one: Any) -> str:
    if one.default is dataclasses.MISSING:
        return "*none*"
    if one.default is None or one.default in ("", ()):
        return "not set"
    return f"`{config._toml_value(one.default)}`"


def _spell(low: float, high: float) -> str:
    if high == math.inf:
        return f"{low:g} and more"
    return f"{low:g} to {'2⁶²' if high == 2**62 else format(high, 'g')}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE, file=sys.stderr)
