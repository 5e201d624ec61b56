import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from undertone import config
from undertone.errors import UndertoneError
from undertone.recogniser.settings import FinetuneSettings


@dataclass(frozen=True)
class Inner:
    rate: float = 1e-3
    name: str = 'a "quoted" é'


@dataclass(frozen=True)
class Outer:
    corpus: str
    budgets: tuple[int, ...] = (20, 50)
    quick: bool = False
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)


def test_settings_survive_the_way_through_toml():
    settings = Outer("emodb=/data", budgets=(5,), quick=True, limit=3, inner=Inner(0.5))
    assert config.load(Outer, tomllib.loads(config.to_toml(settings))) == settings
    assert config.load(Outer, tomllib.loads(config.to_toml(Outer("x")))) == Outer("x")


def test_sections_that_no_field_is_named_after_go_into_the_field_for_the_rest():
    @dataclass(frozen=True)
    class Open:
        inner: Inner = field(default_factory=Inner)
        others: Mapping[str, Any] = field(default_factory=dict, metadata=config.REST)

    values = {"inner": {"rate": 0.5}, "cnn": {"blocks": 2}, "finetune": {"patience": 7}}
    settings = config.load(Open, values)
    assert settings.others == {"cnn": {"blocks": 2}, "finetune": {"patience": 7}}
    assert config.load(Open, tomllib.loads(config.to_toml(settings))) == settings
    with pytest.raises(UndertoneError, match="Open has no setting cnn"):
        config.load(Open, {"cnn": 3})  # a value is no section


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"corpus": "x", "bugdets": [1]}, "has no setting bugdets; it has budgets"),
        ({}, "needs a value for corpus"),
        ({"corpus": 3}, "corpus must be a text, found 3"),
        ({"corpus": "x", "budgets": ["many"]}, "budgets must be a whole number"),
        ({"corpus": "x", "quick": 1}, "quick must be true or false"),
        ({"corpus": "x", "limit": "none"}, "limit must be a whole number or NoneType"),
        ({"corpus": "x", "inner": {"rat": 1}}, "Inner has no setting rat"),
    ],
)
def test_what_is_wrong_is_named(values, message):
    with pytest.raises(UndertoneError, match=message):
        config.load(Outer, values)


def test_overrides_reach_nested_settings_and_leave_the_original_alone():
    values = {"corpus": "x", "inner": {"rate": 0.1}}
    changed = config.override(values, ["inner.rate=2", "budgets=[1, 2]", "corpus=emodb=/data"])
    assert config.load(Outer, changed) == Outer("emodb=/data", (1, 2), inner=Inner(2.0))
    assert values["inner"]["rate"] == 0.1


def test_an_override_without_a_value_is_refused():
    with pytest.raises(UndertoneError, match=r"takes section\.name=value, found 'quick'"):
        config.override({}, ["quick"])


def test_a_settings_file_that_is_no_toml_is_refused(tmp_path):
    (tmp_path / "c.toml").write_text("budgets = [")
    with pytest.raises(UndertoneError, match="is not valid TOML"):
        config.read_toml(tmp_path / "c.toml")
    with pytest.raises(UndertoneError, match="there is no settings file"):
        config.read_toml(tmp_path / "absent.toml")


def test_values_of_another_type_are_refused_in_python_too():
    for change in ({"seed": "1"}, {"encoder": {"stride": 4}}, {"labels": 2.5}):
        with pytest.raises(UndertoneError, match=f"FinetuneSettings.{next(iter(change))}"):
            FinetuneSettings(**change)
    with pytest.raises(UndertoneError, match="discriminant must be a section of names and values"):
        FinetuneSettings(of_systems={"discriminant": 3})
    with pytest.raises(UndertoneError, match="labels must lie from 2 on"):
        FinetuneSettings(labels=1)
