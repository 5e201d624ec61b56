"""Settings: frozen dataclasses, read from TOML, overridden by name; what is not known is refused.

In:  a dataclass type, nested mappings of plain values (TOML), ``section.name=value`` overrides.
Out: an instance of the dataclass, or TOML text that reads back to an equal instance.
"""

import contextlib
import copy
import dataclasses
import json
import math
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from undertone.errors import UndertoneError, printable

Settings = TypeVar("Settings")
REST = {"rest": True}  # metadata of a field that takes the sections no other field is named after
BARE_FRACTION = re.compile(r"[+-]?\.\d+")


def load(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Build settings from plain values.

    Args:
        kind: a dataclass; a field may be a dataclass itself.
        values: by field name; nested for a nested dataclass; what is absent keeps its default.

    Raises:
        UndertoneError: an unknown name, a missing one without default, or a value of another type.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    names = {name for name, field in fields.items() if field.metadata != REST}
    sections = {name for name, value in values.items() if isinstance(value, Mapping)}
    if unknown := values.keys() - names - (sections if names < set(fields) else set()):
        raise UndertoneError(
            f"{kind.__name__} has no setting {', '.join(sorted(unknown))}; "
            f"it has {', '.join(sorted(names))}"
        )
    values = _with_rest(values, fields)
    types_by_name = typing.get_type_hints(kind)
    taken = {
        name: _convert(f"{kind.__name__}.{name}", types_by_name[name], value)
        for name, value in values.items()
    }
    required = (
        name
        for name, field in fields.items()
        if field.default is field.default_factory is dataclasses.MISSING
    )
    if missing := [name for name in required if name not in taken]:
        raise UndertoneError(f"{kind.__name__} needs a value for {', '.join(missing)}")
    return kind(**taken)


def read_toml(path: Path) -> dict[str, Any]:
    """The nested values of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UndertoneError(f"there is no settings file {path}") from None
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read as settings: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UndertoneError(f"{path} is not valid TOML: {error}") from None
    except RecursionError:
        raise UndertoneError(
            f"{path} is nested too deep for settings, which are sections of names and values"
        ) from None


def parse_json(text: str) -> Any:
    """What a JSON text holds.

    Raises:
        ValueError: it is none, or nested deeper than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def expanded(path: Path | str) -> Path:
    """The path with ``~`` at its start as the home folder; as it is where nobody has one."""
    return Path(os.path.expanduser(path))


def cache_folder() -> Path:
    """``$UNDERTONE_CACHE``, or ``undertone`` in the user's folder of caches.

    Raises:
        UndertoneError: neither is there.
    """
    if named := os.environ.get("UNDERTONE_CACHE"):
        return expanded(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "undertone")
    except RuntimeError:  # a user without a home
        raise UndertoneError(
            "there is no home folder to keep frames in; name a folder in the environment variable "
            "UNDERTONE_CACHE"
        ) from None


def check_types(settings: object) -> None:
    """Refuse values of another type than their field's, as ``load`` does.

    Raises:
        UndertoneError: names the first one.
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        name, value = f"{type(settings).__name__}.{field.name}", getattr(settings, field.name)
        if dataclasses.is_dataclass(hints[field.name]) and isinstance(value, Mapping):
            raise UndertoneError(f"{name} must be {hints[field.name].__name__}, found {value!r}")
        _convert(name, hints[field.name], value)


def check_ranges(settings: object, **ranges: tuple[float, float]) -> None:
    """Refuse numbers out of their range, both ends included.

    Raises:
        UndertoneError: names the first setting that is out of its range.
    """
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            end = f"to {high:g}" if high < math.inf else "on"
            raise UndertoneError(
                f"{type(settings).__name__}.{name} must lie from {low:g} {end}, found {value}"
            )


def to_toml(settings: object) -> str:
    """TOML text of a settings dataclass; ``load`` of what it parses to equals the settings."""
    values = dataclasses.asdict(settings)  # type: ignore[call-overload]
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        if field.metadata == REST:
            values |= values.pop(field.name)
    return "\n".join(_toml_lines(values, ())) + "\n"


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values of several sources; a later one wins, name by name.

    >>> merge({"encoder": {"stride": 1, "layers": 2}}, {"encoder": {"stride": 4}})
    {'encoder': {'stride': 4, 'layers': 2}}
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            before = merged.get(name)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                value = merge(before, value)
            merged[name] = value
    return merged


def override(values: Mapping[str, Any], assignments: list[str]) -> dict[str, Any]:
    """A copy of ``values`` with ``section.name=value`` assignments laid over it."""
    result: dict[str, Any] = copy.deepcopy(dict(values))
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise UndertoneError(f"--set takes section.name=value, found {assignment!r}")
        *sections, last = name.strip().split(".")
        place = result
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise UndertoneError(f"--set {assignment}: {section} is a value, not a section")
        place[last] = _parse(text.strip())
    return result


def _with_rest(
    values: Mapping[str, Any], fields: Mapping[str, dataclasses.Field[Any]]
) -> Mapping[str, Any]:
    """Sections that no field is named after, in the field marked ``REST``, if there is one."""
    takes = next((name for name, field in fields.items() if field.metadata == REST), None)
    others = {n: v for n, v in values.items() if n not in fields and isinstance(v, Mapping)}
    if takes is None or not others:
        return values
    kept = {name: value for name, value in values.items() if name not in others}
    return kept | {takes: {**kept.get(takes, {}), **others}}


def _convert(name: str, kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return load(kind, value)  # type: ignore[arg-type]
    if typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
        return tuple(_convert(name, typing.get_args(kind)[0], item) for item in value)
    if typing.get_origin(kind) is Mapping and isinstance(value, Mapping):
        return value
    if isinstance(kind, types.UnionType):
        for one in typing.get_args(kind):
            with contextlib.suppress(UndertoneError):
                return _convert(name, one, value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise UndertoneError(f"{name} must be {_spell(kind)}, found {value!r}")


def _spell(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        return " or ".join(map(_spell, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return f"a list, each {_spell(typing.get_args(kind)[0])}"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(
        kind, getattr(kind, "__name__", str(kind))
    )


def _parse(text: str) -> Any:
    """A TOML value, or the text itself where it is none: ``--set features=log_mel`` works.

    >>> _parse(".3"), _parse("[20, 50]"), _parse("log_mel")
    (0.3, [20, 50], 'log_mel')
    """
    if BARE_FRACTION.fullmatch(text):  # which TOML does not take as a number
        return float(text)
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except RecursionError:
        raise UndertoneError("--set takes a value, found one that is nested too deep") from None


def _toml_lines(values: Mapping[str, Any], section: tuple[str, ...]) -> list[str]:
    plain = {k: v for k, v in values.items() if not isinstance(v, Mapping) and v is not None}
    lines = [f"\n[{'.'.join(section)}]"] if section and plain else []
    lines += [f"{name} = {_toml_value(value)}" for name, value in plain.items()]
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += _toml_lines(value, (*section, name))
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    return _toml_text(value) if isinstance(value, str) else repr(value)


def _toml_text(text: str) -> str:
    """A basic string; unlike JSON, TOML knows no bare DEL, and no text that is not Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UndertoneError(
            f"{printable(text)} is not written in UTF-8, as settings are; rename it, or make a "
            "link to it with a plain name (ln -s)"
        ) from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
