"""Settings of systems, in one bag: a mapping from the name of a section to its values.

In:  what a settings file or a command gave, by section; what a task presets.
Out: plain values, checked; instances of each section's own class.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from undertone import config
from undertone.errors import UndertoneError
from undertone.features.name import FeatureName, parse
from undertone.models.discriminant import DiscriminantConfig
from undertone.systems.system import DISCRIMINANT, TAUGHT, System
from undertone.systems.table import sections, systems_of
from undertone.systems.taught import TaughtConfig
from undertone.tasks import Task

Bag = Mapping[str, Mapping[str, Any]]


def plain_bag(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings of systems as plain values, checked against the classes of their sections.

    Raises:
        UndertoneError: there is no such section, or it has no such setting.
    """
    known = sections()
    if odd := [name for name, values in given.items() if not _are_settings(values)]:
        raise UndertoneError(f"the settings {', '.join(odd)} must be a section of names and values")
    if unknown := set(given) - set(known):
        raise UndertoneError(
            f"there are no settings {', '.join(sorted(unknown))}; systems have "
            f"{', '.join(sorted(known))}, beside encoder and, in a curve, pretrain"
        )
    bag = {
        name: asdict(values) if dataclasses.is_dataclass(values) else dict(values)  # type: ignore[arg-type]
        for name, values in given.items()
    }
    for name, values in bag.items():
        config.load(known[name].kind, values)
    return bag


def _are_settings(values: Any) -> bool:
    return isinstance(values, Mapping) or dataclasses.is_dataclass(values)


def teacher_in(bag: Bag) -> FeatureName | None:
    """The features of the teacher that is named among settings of systems, if one is."""
    text = bag.get(TAUGHT.name, {}).get("teacher", "")
    return parse(config.load(TaughtConfig, {"teacher": text}).teacher) if text else None


def learn_from_copies(rows: Iterable[System], bag: Mapping[str, Any]) -> bool:
    """Whether any of these rows does; a row that brings its own frames has none of a copy."""
    used = {row.settings.name for row in rows if row.settings and not row.stands_alone}
    return makes_copies({name: values for name, values in bag.items() if name in used})


def makes_copies(bag: Mapping[str, Any]) -> bool:
    """Whether a system with these settings learns what recordings do to a voice."""
    if DISCRIMINANT.name not in bag:
        return False
    given = bag[DISCRIMINANT.name]
    own = given if isinstance(given, DiscriminantConfig) else config.load(DiscriminantConfig, given)
    return own.nuisance_weight > 0


def bag_of(task: Task, systems: tuple[str, ...], given: Bag) -> dict[str, Any]:
    """Settings of these systems by section: what is given, over what the task presets."""
    rows = systems_of(task)
    return bag_of_rows(task, [rows[name] for name in systems], given)


def bag_of_rows(task: Task, rows: Sequence[System], given: Bag) -> dict[str, Any]:
    """The same for rows that need not be in the table."""
    used = {row.settings.name: row.settings.kind for row in rows if row.settings is not None}
    return {
        name: config.load(kind, config.merge(task.presets.get(name, {}), given.get(name, {})))
        for name, kind in used.items()
    }
