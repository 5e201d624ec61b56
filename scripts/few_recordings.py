"""What are a few recordings of the tested voice worth, and what if they are lopsided?

    python scripts/few_recordings.py --corpus emodb=PATH --system descriptors

In:  a labelled corpus, a system that can be adapted, its features.
Out: UAR by number of labels and its paired difference to the same system that knows nothing of
     speakers: with the training speakers centred alone, and with some recordings of each tested
     voice, drawn at random or on purpose.

Recordings drawn on purpose (all neutral; all of one other emotion, drawn anew for each voice) are
chosen by their truth, which no user has: they show what befalls who has them by accident. They are
fewer where a voice has not so many. A second row of each compares the recordings with all
utterances of the training speakers even where the model hears one emotion in most of them. Every
recording of a voice is predicted, those listened to among them, and none by a fit that knew its
truth.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from described import materials_at_once

from undertone import config
from undertone.evaluation.curves import Curves, Key, trace
from undertone.experiment import CurveSettings, Run, open_run
from undertone.models.voices import Expected, is_lopsided
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.systems.adapted import predict_adapted
from undertone.systems.fitted import OnVectors
from undertone.systems.plan import Cell, Plan
from undertone.systems.problem import Material
from undertone.systems.table import systems_of
from undertone.training.seeds import generator

CALM = ("neutral", "calm")
BY_MEAN = ", compared with all utterances"
OFF, INDUCTIVE, NEUTRAL, OTHER = "off", "training speakers", "neutral", "one other emotion"
ALL, TEN = 10_000, 10
NUMBERS = (1, 2, 3, 5, TEN)


@dataclass(frozen=True)
class Voice:
    """The recordings of one tested speaker, in an order drawn for one fit, and what is true."""

    recordings: Sequence[str]
    emotion: Mapping[str, str]
    other: str  # the emotion that was drawn

    def only(self, *emotions: str) -> list[str]:
        """Ten, or as many as there are; of all emotions where there is none of these."""
        found = [name for name in self.recordings if self.emotion[name] in emotions]
        return (found or list(self.recordings))[:TEN]


Choice = Callable[[Voice], Sequence[str]]
Warned = dict[str, list[bool]]  # by row, for each fit and voice


def choices() -> dict[str, Choice]:
    """By the name of a row, which recordings are listened to."""
    random: dict[str, Choice] = {
        name: lambda voice, n=n: voice.recordings[:n]  # type: ignore[misc]
        for name, n in {**{str(n): n for n in NUMBERS}, "all": ALL}.items()
    }
    on_purpose: dict[str, Choice] = {
        f"{TEN} {NEUTRAL}": lambda voice: voice.only(NEUTRAL),
        f"{TEN} {' or '.join(CALM)}": lambda voice: voice.only(*CALM),
        f"{TEN} of {OTHER}": lambda voice: voice.only(voice.other),
    }
    return random | on_purpose


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", required=True, help="NAME=PATH")
    parser.add_argument("--system", required=True, help="descriptors or layers")
    parser.add_argument("--features", default="log_mel")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--budgets", default="20,50,100,200")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    values = {
        "corpus": given.corpus,
        "features": given.features,
        "systems": [given.system, "constant"],
        "budgets": list(map(int, given.budgets.split(","))),
        "draws": given.draws,
        "seed": given.seed,
    }
    run = open_run(config.load(CurveSettings, values), given.out, Resources(given.cache))
    warned: Warned = {}
    rows = table(study(run, given.system, warned))
    rows += [("share of voices that are warned of",)]
    rows += [(name, f"{np.mean(found):.3f}") for name, found in warned.items()]
    for row in rows:
        print("| " + " | ".join(row) + " |")
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "few_recordings.json").write_text(json.dumps(rows, indent=1) + "\n")


def study(run: Run, system: str, warned: Warned) -> Curves:
    """Every row at every budget, on the same labels and speakers; and who would be warned."""
    plan, tested = run.plan(), run.tested(run.plan())
    found: dict[Key, dict[int, dict[str, np.ndarray]]] = {}
    with Progress(shown=True) as progress:
        progress.add("cells", len(plan.cells))
        for cell, material in _materials(plan):
            for name, values in Fits(run, plan, cell, material, system, warned).rows():
                of_draw = found.setdefault((name, cell.budget), {}).setdefault(cell.draw, {})
                of_draw |= dict(zip(plan.folds[cell.fold].test, values, strict=True))
            progress.advance("cells")
    predictions = {
        key: np.stack([np.stack([by[n] for n in tested.utterances]) for by in of_key.values()])
        for key, of_key in found.items()
    }
    return trace(predictions, task=run.task, truth=tested.truth, speakers=tested.speakers)


def _materials(plan: Plan) -> Iterator[tuple[Cell, Material]]:
    """The cells with the material of their fold."""
    materials = materials_at_once(plan)
    for fold in plan.folds:
        yield from ((cell, materials[fold]) for cell in plan.cells if cell.fold == fold)


@dataclass(frozen=True)
class Fits:
    """One cell: its fits, what they predict, and of which voices a user would be warned."""

    run: Run
    plan: Plan
    cell: Cell
    material: Material
    system: str
    warned: Warned

    def rows(self) -> Iterator[tuple[str, np.ndarray]]:
        """(n_test, n_outputs) predictions by the name of a row."""
        plan, problem = self.plan, self.plan.problem(self.cell, self.material)
        row = systems_of(self.run.task)[self.system]
        settings = row.own(self.run.settings.bag(self.run.task, (self.system,)))
        without = row.fit(problem, replace(settings, centring=0.0))
        yield OFF, without.predict(self.material, problem.test)
        fitted = row.fit(problem, settings)
        assert isinstance(fitted, OnVectors), f"{self.system} cannot be adapted"
        unknown = fitted.predict(self.material, problem.test)
        yield INDUCTIVE, unknown
        heard = dict(zip(problem.test, plan.task.decide(unknown), strict=True))
        by_mean = replace(fitted, expected=_without_emotions(fitted.expected))
        speaker = {name: plan.speaker[name] for name in problem.test}
        voices = _voices(plan, problem.test, seed=problem.seed)
        for name, choose in choices().items():
            recordings = {who: choose(voice) for who, voice in voices.items()}
            self.warned.setdefault(name, []).extend(
                is_lopsided(np.sum([heard[one] for one in of_voice], axis=0))
                for of_voice in recordings.values()
            )
            yield (
                name,
                predict_adapted(
                    fitted, self.material, problem.test, speaker=speaker, recordings=recordings
                ),
            )
            yield (
                f"{name}{BY_MEAN}",
                predict_adapted(
                    by_mean, self.material, problem.test, speaker=speaker, recordings=recordings
                ),
            )


def _without_emotions(expected: Expected | None) -> Expected:
    """The same, whatever emotions are heard."""
    assert expected is not None, "the fit can be adapted"
    return replace(expected, by_emotion=expected.by_emotion[:0], share=expected.share[:0])


def _voices(plan: Plan, test: Sequence[str], *, seed: int) -> dict[str, Voice]:
    outputs, voices = plan.task.outputs, {}
    emotion = {name: outputs[int(plan.truth[name].argmax())] for name in test}
    for who in sorted({plan.speaker[name] for name in test}):
        rng = generator(seed, "recordings", who)
        names = [str(name) for name in rng.permutation([n for n in test if plan.speaker[n] == who])]
        others = sorted({emotion[name] for name in names} - set(CALM))
        voices[who] = Voice(names, emotion, str(rng.choice(others)))
    return voices


def table(curves: Curves) -> list[tuple[str, ...]]:
    """Scores, then differences to the row that centres nothing."""
    names = list(dict.fromkeys(name for name, _ in curves.scored))
    rows = [("UAR with … labels", *map(str, curves.budgets))]
    rows += [(name, *(str(curves.estimate(name, b)) for b in curves.budgets)) for name in names]
    for reference in (OFF, INDUCTIVE):
        rows.append((f"over {reference}", *("" for _ in curves.budgets)))
        rows += [
            (name, *(curves.gain(name, reference, budget=b).signed() for b in curves.budgets))
            for name in names
            if name not in (OFF, reference)
        ]
    return rows


if __name__ == "__main__":
    main()
