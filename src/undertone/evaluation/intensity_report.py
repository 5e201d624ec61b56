"""What a run on intensities found: published, ours and floors side by side, and what follows.

In:  ``IntensityResult``.
Out: tables of ``Estimate``s for any medium; one HTML file that opens anywhere, offline, with the
     curves; one table with a row a fit, metric and emotion.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from undertone.evaluation import plots
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.intensities import LABELS
from undertone.evaluation.intensity_claims import (
    LOWER_IS_BETTER,
    Answer,
    Claims,
    Published,
    answers,
    gain,
    meet,
    say_meet,
    say_range,
)
from undertone.evaluation.intensity_curves import MEAN, IntensityCurves
from undertone.evaluation.results import Source, System

Cell = Estimate | str
BY_EMOTION = ("mae", "accuracy")  # of the first table, as the field reports them
NO_CONSTANT_WINS = ("balanced_accuracy", "presence_auc", "spearman", "ccc")
COMPARED = ("mae", "presence_auc", "ccc")  # in the paired differences


@dataclass(frozen=True)
class Table:
    """Cells under headings; the first of each row names it."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    hint: str = ""
    signed: bool = False


@dataclass(frozen=True)
class IntensityResult:
    """A finished run."""

    title: str
    sources: tuple[Source, ...]
    curves: IntensityCurves
    systems: tuple[System, ...]
    claims: Claims
    citation: str  # of what was published
    n_draws: int
    counts: pd.DataFrame  # any columns; what was read, pooled, drawn from, tested
    pretraining: pd.DataFrame  # any columns
    settings: str  # TOML
    versions: dict[str, str]
    command: str
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()

    @cached_property
    def answers(self) -> list[Answer]:
        return answers(self.curves, self.claims, {s.name: s.label for s in self.systems})

    @property
    def summary(self) -> str:
        """What was tested, in a line."""
        curves = self.curves
        names = ", ".join(source.name for source in self.sources)
        return (
            f"{names} · {len(curves.emotions)} intensities · {curves.n_utterances} test segments "
            f"of {curves.n_speakers} videos · {self.n_draws} draws of the labels"
        )

    @property
    def budget(self) -> int:
        """The one that is set beside the published numbers."""
        return self.claims.budget_among(self.curves.budgets)

    @property
    def paired(self) -> tuple[str, ...]:
        """The pre-trained systems that stand beside the one from scratch."""
        scratch = self.claims.scratch
        return tuple(s for s in self.claims.pretrained if self.curves.budgets_of(s, scratch))

    def of_kind(self, *kinds: str) -> tuple[str, ...]:
        """Names of the systems of these kinds, in order."""
        return tuple(system.name for system in self.systems if system.kind in kinds)

    def label(self, system: str) -> str:
        return next(s.label for s in self.systems if s.name == system)


def beside_published(result: IntensityResult) -> Table:
    """Published, ours, floors: as the field reports, then what no constant wins."""
    shown = [s for s in result.systems if s.kind not in {"control"}]
    rows: list[tuple[Cell, ...]] = []
    for metric in (*BY_EMOTION, *NO_CONSTANT_WINS):
        emotions = result.curves.emotions if metric in BY_EMOTION else ()
        for emotion in (MEAN, *emotions):
            name = LABELS[metric] if emotion == MEAN else f"  {emotion}"
            ours = (
                result.curves.estimate(s.name, result.budget, metric, emotion=emotion)
                for s in shown
            )
            rows.append((name, *_published(result.claims.published, metric, emotion), *ours))
    return Table(
        title=f"Published, ours and floors, with {result.budget} labels",
        headings=("", "published: pre-trained", "published: scratch", *(s.label for s in shown)),
        rows=tuple(rows),
        hint="Means of the six emotions, then by emotion; the published MAE is a range over the "
        "emotions. A constant wins MAE and accuracy; its AUC of presence is .5, its CCC and "
        "Spearman's correlation are 0.",
    )


def along_budgets(result: IntensityResult, metric: str) -> Table:
    """One metric, the mean of the emotions, of every system at every budget."""
    curves = result.curves
    return Table(
        title=f"{LABELS[metric]}, mean of the emotions",
        headings=("labels", *map(str, curves.budgets)),
        rows=tuple(
            (s.label, *(curves.estimate(s.name, budget, metric) for budget in curves.budgets))
            for s in result.systems
        ),
    )


def by_emotion(result: IntensityResult, metric: str) -> Table:
    """One metric of every system by emotion, at the published budget."""
    curves = result.curves
    return Table(
        title=f"{LABELS[metric]} by emotion, with {result.budget} labels",
        headings=("", *curves.emotions),
        rows=tuple(
            (
                s.label,
                *(
                    curves.estimate(s.name, result.budget, metric, emotion=emotion)
                    for emotion in curves.emotions
                ),
            )
            for s in result.systems
        ),
    )


def differences(result: IntensityResult) -> Table:
    """How much better the pre-trained systems are than the one from scratch, budget by budget."""
    curves, scratch = result.curves, result.claims.scratch
    pairs = [(system, metric) for system in result.paired for metric in COMPARED]
    rows: list[tuple[Cell, ...]] = [
        (
            str(budget),
            *(gain(curves, s, scratch, budget=budget, metric=metric) for s, metric in pairs),
        )
        for budget in curves.budgets
    ]
    ends = [say_meet(meet(curves, s, scratch, m), curves.budgets_of(s, scratch)) for s, m in pairs]
    return Table(
        title="Gain over the same network from scratch, paired (above 0 is better)",
        headings=("labels", *(f"{result.label(s)}: {LABELS[metric]}" for s, metric in pairs)),
        rows=(*rows, ("the curves meet", *ends)),
        hint="Curves meet from the budget on from which no interval excludes 0.",
        signed=True,
    )


def gains_by_emotion(result: IntensityResult, system: str) -> Table:
    """The gain in MAE of a pre-trained system over scratch, by emotion and budget."""
    curves, scratch = result.curves, result.claims.scratch
    return Table(
        title=f"Gain in MAE by emotion: {result.label(system)} over {result.label(scratch)}",
        headings=("labels", *curves.emotions),
        rows=tuple(
            (
                str(budget),
                *(
                    gain(curves, system, scratch, budget=budget, emotions=(emotion,))
                    for emotion in curves.emotions
                ),
            )
            for budget in curves.budgets
        ),
        signed=True,
    )


def results_table(result: IntensityResult) -> pd.DataFrame:
    """One row a fit, metric and emotion, ``mean`` among the emotions.

    Returns:
        Columns system, budget, draw, metric, emotion, value.
    """
    curves, parts = result.curves, []
    names = [(metric, emotion) for metric in LABELS for emotion in (*curves.emotions, MEAN)]
    for system in result.systems:
        for budget in curves.budgets_of(system.name):
            for draw, values in enumerate(curves.by_draw(system.name, budget)):
                part = pd.DataFrame(names, columns=["metric", "emotion"])
                part.insert(0, "draw", draw)
                part.insert(0, "budget", budget)
                part.insert(0, "system", system.name)
                parts.append(part.assign(value=values.ravel()))
    return pd.concat(parts, ignore_index=True)


def write_report(result: IntensityResult, path: Path) -> None:
    """Write the page; it is whole or absent."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(render(result), encoding="utf-8")
    os.replace(partial, path)


def render(result: IntensityResult) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["minus"] = lambda text: str(text).replace("-.", "−.").replace("[-", "[−")
    environment.tests["estimate"] = lambda cell: isinstance(cell, Estimate)
    template = environment.from_string(_package_text("intensity_report.html"))
    return template.render(
        result=result,
        css=Markup(_package_text("report.css")),
        figures=list(_figures(result)),
        published=beside_published(result),
        differences=differences(result),
        along=[along_budgets(result, metric) for metric in (*BY_EMOTION, *NO_CONSTANT_WINS)],
        emotions=[
            *(gains_by_emotion(result, system) for system in result.paired),
            *(by_emotion(result, metric) for metric in NO_CONSTANT_WINS),
        ],
        decimal=decimal,
        plain=[_plain(result.counts), _plain(result.pretraining)],
        minutes=sum(result.seconds.values()) / 60,
    )


def _figures(result: IntensityResult) -> Iterator[tuple[str, Markup, Markup]]:
    """What it shows, for a wide page, for a narrow one."""
    for metric in ("mae", "presence_auc"):
        label = LABELS[metric]
        better = "lower" if metric in LOWER_IS_BETTER else "higher"
        text = f"{label}, mean of six emotions, against the number of labels; {better} is better"
        wide, narrow = (
            Markup(
                plots.svg(plots.lines_figure(result, metric=metric, label=label, narrow=n), text)
            )
            for n in (False, True)
        )
        yield text, wide, narrow


def _published(numbers: tuple[Published, ...], metric: str, emotion: str) -> tuple[str, str]:
    """What the paper gives for its two systems; a range over emotions stands beside each."""
    for published in numbers:
        if published.metric == metric and published.each_emotion == (emotion != MEAN):
            return say_range(published.pretrained), say_range(published.scratch)
    return "–", "–"


def _plain(table: pd.DataFrame) -> tuple[list[str], list[list[Any]]]:
    rows = [
        [f"{cell:.4g}" if isinstance(cell, float | np.floating) else cell for cell in row]
        for row in table.itertuples(index=False)
    ]
    return list(map(str, table.columns)), rows


def _package_text(name: str) -> str:
    return files("undertone.evaluation").joinpath(name).read_text(encoding="utf-8")
