"""Does pre-training that takes the speaker out leave anything for speaker centring to do?

    python scripts/voices_in_encoders.py --run runs/contrast

In:  the folder of a finished run of ``undertone curve`` with the system ``combined``, whose
     encoders were pre-trained by the objective in question.
Out: UAR by number of labels and its paired difference to no centring, in one discriminant
     analysis: of the encoder's outputs alone (frozen), of descriptors alone, and of both; each with
     an encoder of random weights, too; without centring, with the training speakers centred, and
     adapted to each tested voice by all of its recordings, without their truth.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from described import describe
from few_recordings import INDUCTIVE, OFF

from undertone import config
from undertone.evaluation.curves import Curves, Key, trace
from undertone.experiment import CurveSettings, Run, open_run
from undertone.models.discriminant import DiscriminantConfig
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.systems.adapted import EVERY, predict_adapted, recordings_of
from undertone.systems.fits import POOLING, fit_combined
from undertone.systems.fitted import OnVectors
from undertone.systems.plan import Cell, Plan
from undertone.systems.problem import PRETRAINED, RANDOM, Material
from undertone.systems.system import DISCRIMINANT
from undertone.training.normalise import fit_normaliser

ADAPTED = "all recordings of the voice"
ALONE, BESIDE, FROZEN = "descriptors alone", "descriptors + {}", "{}, frozen"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished curve")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    settings = config.load(CurveSettings, config.read_toml(given.run / "config.toml"))
    run = open_run(settings, given.run, Resources(given.cache))
    for row in table(study(run)):
        print("| " + " | ".join(row) + " |")


def study(run: Run) -> Curves:
    """Every row at every budget, on the same labels and speakers."""
    plan, tested = run.plan(), run.tested(run.plan())
    found: dict[Key, dict[int, dict[str, np.ndarray]]] = {}
    with Progress(shown=True) as progress:
        progress.add("cells", len(plan.cells))
        for fold in plan.folds:
            materials = materials_of(run, plan, fold)
            for cell in (cell for cell in plan.cells if cell.fold == fold):
                for name, values in of_cell(run, plan, cell, materials):
                    of_draw = found.setdefault((name, cell.budget), {}).setdefault(cell.draw, {})
                    of_draw |= dict(zip(plan.folds[fold].test, values, strict=True))
                progress.advance("cells")
    predictions = {
        key: np.stack([np.stack([by[n] for n in tested.utterances]) for by in of_key.values()])
        for key, of_key in found.items()
    }
    return trace(predictions, task=run.task, truth=tested.truth, speakers=tested.speakers)


def materials_of(run: Run, plan: Plan, fold: int) -> dict[str, tuple[Material, str]]:
    """By the name of a row what it is fitted on, and the start of the encoder beside it."""
    found = run.sweep(plan).read_pretraining(fold)
    assert found is not None, f"{run.out} has no encoder of fold {fold}: is the run finished?"
    frames = plan.folds[fold].frames()
    material = plan.material(fold, fit_normaliser(frames, stride=plan.shape.stride), found.encoder)
    names = list(plan.truth)
    rows = {ALONE: (material, "")}
    for start in (PRETRAINED, RANDOM):
        outputs = material.pooled(start, names, POOLING)
        vectors = dict(zip(names, outputs, strict=True))
        frozen = describe(plan, fold, vectors, np.ones(outputs.shape[1]))
        rows[FROZEN.format(start)] = (frozen, "")
        rows[BESIDE.format(start)] = (material, start)
    return rows


def of_cell(
    run: Run, plan: Plan, cell: Cell, materials: Mapping[str, tuple[Material, str]]
) -> Iterator[tuple[str, np.ndarray]]:
    """(n_test, n_outputs) predictions by the name of a row."""
    settings: DiscriminantConfig = run.settings.bag(run.task, ("combined",))[DISCRIMINANT.name]
    for name, (material, start) in materials.items():
        problem = plan.problem(cell, material)
        fit = partial(fit_combined, problem, start=start)
        without = fit(replace(settings, centring=0.0))
        yield f"{name}: {OFF}", without.predict(material, problem.test)
        fitted = fit(settings)
        assert isinstance(fitted, OnVectors), "it is a discriminant analysis on a vector"
        yield f"{name}: {INDUCTIVE}", fitted.predict(material, problem.test)
        yield (
            f"{name}: {ADAPTED}",
            predict_adapted(
                fitted,
                material,
                problem.test,
                speaker={one: plan.speaker[one] for one in problem.test},
                recordings=recordings_of(plan, cell, EVERY),
            ),
        )


def table(curves: Curves) -> list[tuple[str, ...]]:
    """Scores; what centring gains in each row; what the encoder gains over descriptors alone."""
    names = list(dict.fromkeys(name for name, _ in curves.scored))
    rows = [("UAR with … labels", *map(str, curves.budgets))]
    rows += [(name, *(str(curves.estimate(name, b)) for b in curves.budgets)) for name in names]
    for name in names:
        what, how = name.split(": ")
        for reference in (f"{what}: {OFF}", f"{ALONE}: {how}"):
            if reference != name:
                gains = (curves.gain(name, reference, budget=b).signed() for b in curves.budgets)
                rows.append((f"{name} over {reference}", *gains))
    return rows


if __name__ == "__main__":
    main()
