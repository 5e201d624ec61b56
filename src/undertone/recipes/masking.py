"""Other maskings, the next experiment that the paper of system A names: how much, and in what form.

In:  the values of the recipe ``masked-gru``.
Out: 10, 20 and 30 % of the steps hidden, in stretches of 30 steps or in random single steps, on one
     set of draws: one table with paired intervals, a verdict.

Of 300 steps 10 % are one stretch of 30, as published; 20 and 30 % are two and three such stretches.
Only the frozen pre-trained network differs between the runs; the networks without pre-training and
the floors are fitted once, on the same labels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import Contestant, compare
from undertone.evaluation.curves import Curves
from undertone.evaluation.report.paper import NO, YES, Answer, series
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.side_by_side import all_in_one, is_better, leads, scores
from undertone.evaluation.report.study import Study
from undertone.experiment import run_curve
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.recipes import masked_gru
from undertone.recipes.command import command_of
from undertone.recipes.reproduction import Reproduction, publish

SHARES = (0.1, 0.2, 0.3)
STRETCH_STEPS = 30
STRETCHES, SINGLE = "stretches of 30 steps", "single steps"
SYSTEM, CONTROL, SCRATCH = "pretrained_frozen", "random_frozen", "scratch"
CONTROLS = {"random, frozen": CONTROL, "from scratch": SCRATCH}
SET_HERE = ("mask_share", "mask_spans")


@dataclass(frozen=True)
class Masking:
    """How much is hidden, and in what form."""

    share: float
    form: str

    @property
    def label(self) -> str:
        return f"{self.share:.0%} in {self.form}"

    @property
    def folder(self) -> str:
        """Of its run."""
        return f"{100 * self.share:.0f}-{self.form.split()[0]}"

    def values(self, crop_steps: int) -> dict[str, Any]:
        """Settings of pre-training; as many stretches as steps hide single ones."""
        stretches = max(1, round(self.share * crop_steps / STRETCH_STEPS))
        spans = stretches if self.form == STRETCHES else crop_steps
        return {"mask_share": self.share, "mask_spans": spans}


MASKINGS = tuple(Masking(share, form) for form in (STRETCHES, SINGLE) for share in SHARES)
PUBLISHED = MASKINGS[0]


def reproduce(
    values: Mapping[str, Any], out: Path, resources: Resources, *, quick: bool = False
) -> Reproduction:
    """Every masking on the same draws; arguments as of ``masked_gru.reproduce``."""
    if given := set(SET_HERE) & set(values.get("pretrain", {})):
        names = series([f"pretrain.{name}" for name in sorted(given)])
        raise UndertoneError(
            f"--study masking compares several of {names}: leave it out, or leave --study out"
        )
    if values.get("systems"):
        raise UndertoneError("--study masking sets the systems itself; leave systems out")
    settings = {m: _settings(m, values, quick=quick) for m in MASKINGS}
    results = {m: run_curve(of_one, out / m.folder, resources) for m, of_one in settings.items()}
    contestants = [
        *(Contestant(m.label, out / m.folder, SYSTEM) for m in MASKINGS),
        *_others(results[PUBLISHED], out / PUBLISHED.folder),
    ]
    workers = how_many(resources.workers)
    curves = compare(contestants, PUBLISHED.label, workers=workers).curves
    labels = [contestant.label for contestant in contestants]
    result = results[PUBLISHED]
    study = Study(
        title=f"Other maskings on {result.sources[0].name}",
        verdict=verdict(curves),
        citation=masked_gru.PAPER.citation,
        tables=(
            all_in_one(
                curves,
                labels,
                over=(PUBLISHED.label, *CONTROLS),
                title="What is hidden in pre-training; the encoder is kept as it is",
            ),
            *(scores(curves, labels, m) for m in curves.task.metrics if m != curves.task.headline),
        ),
        answers=tuple(_answers(curves)),
        runs=tuple((m.label, out / m.folder / "report.html") for m in MASKINGS),
        sources=result.sources,
        command=command_of("masked-gru", {**values, "study": "masking"}, quick=quick),
        notes=(result.summary, NOTE),
    )
    return publish(study, out / "report.html", summary=result.summary)


NOTE = (
    "All maskings have the same folds, draws, seeds and schedule. Held-out losses of different "
    "maskings cannot be compared, and are not: what counts is what the labels then reach."
)


def verdict(curves: Curves) -> str:
    """Which maskings differ from the published one, of five that might by chance."""
    others = [m.label for m in MASKINGS if m != PUBLISHED]
    told = {label: is_better(curves, label, PUBLISHED.label).verdict for label in others}
    better = [label for label, word in told.items() if word == YES]
    worse = [label for label, word in told.items() if word == NO]
    if not better and not worse:
        return f"No other masking can be told apart from the published one, {PUBLISHED.label}."
    parts = [
        f"{series(labels)} {'is' if len(labels) == 1 else 'are'} measurably {word}"
        for labels, word in ((better, "better"), (worse, "worse"))
        if labels
    ]
    return f"Than the published masking, {PUBLISHED.label}, {'; '.join(parts)}."


def _settings(masking: Masking, values: Mapping[str, Any], *, quick: bool) -> Any:
    """The recipe's, with one system; with those that need no masking beside the published one."""
    task = masked_gru.task_for(values)
    systems = [SYSTEM, *(CONTROLS.values() if masking == PUBLISHED else ()), *task.floors]
    usual: Any = masked_gru.PRETRAIN["crop_steps"]
    crop_steps = int(values.get("pretrain", {}).get("crop_steps", usual))
    of_masking = {"systems": systems, "pretrain": masking.values(crop_steps)}
    return masked_gru.settings_of(config.merge(values, of_masking), quick=quick)


def _others(result: CurveResult, folder: Path) -> Iterator[Contestant]:
    for label, system in CONTROLS.items():
        yield Contestant(label, folder, system)
    for floor, of_floor in result.task.floors.items():
        yield Contestant(of_floor.label, folder, floor)


def _answers(curves: Curves) -> Iterator[Answer]:
    """Each masking against the published one, then by form and by share, then the control."""
    for masking in MASKINGS:
        if masking != PUBLISHED:
            yield is_better(
                curves,
                masking.label,
                PUBLISHED.label,
                claim=f"hiding {masking.label} is better than the published masking",
            )
    of_form = {form: [m.label for m in MASKINGS if m.form == form] for form in (STRETCHES, SINGLE)}
    of_share = {share: [m.label for m in MASKINGS if m.share == share] for share in SHARES}
    yield leads(
        curves,
        of_form[SINGLE],
        of_form[STRETCHES],
        question="Is it better to hide single steps than stretches, whatever the share?",
        claim="single steps are better than stretches",
    )
    yield leads(
        curves,
        of_share[SHARES[-1]],
        of_share[SHARES[0]],
        question=f"Is it better to hide {SHARES[-1]:.0%} than {SHARES[0]:.0%}, whatever the form?",
        claim="hiding more is better",
    )
    yield leads(
        curves,
        [m.label for m in MASKINGS],
        ["random, frozen"],
        question="Do all maskings together beat a random network that is kept as it is?",
        claim="masked pre-training beats a random network",
    )
