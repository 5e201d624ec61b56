"""Which of a run's systems would the training speakers have chosen?

    python scripts/nested_systems.py --run runs/taught --systems teacher,taught_by_itself

In:  the folder of a run of ``undertone curve``, finished or not; systems of it that need no
     pre-training.
Out: for each outer fold, the UAR of each on inner folds of its training speakers, by budget; the
     choice of that fold; and how they did over all folds.

The test speakers of the outer fold are in nothing: not in the labels, not in the crowd, not among
those who are predicted. So the choice between two systems looks at no test.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from nested_choice import conclude, inner_plan

from undertone import config
from undertone.corpora.folds import Fold
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, Run, open_run
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.systems.table import systems_of
from undertone.tasks.classes import uar_of_counts
from undertone.training.normalise import unchanged


def main() -> None:
    """Print the choice of every fold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a curve")
    parser.add_argument("--systems", required=True, help="some of it, as teacher,taught_by_itself")
    parser.add_argument("--out", type=Path, help="JSON file of all scores")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    settings = config.load(CurveSettings, config.read_toml(given.run / "config.toml"))
    run = open_run(settings, given.run, Resources(given.cache))
    names, rows = given.systems.split(","), []
    check(run, names)
    with Progress(shown=True) as progress:
        progress.add("folds", len(run.folds))
        for fold in run.folds:
            rows += list(score_fold(run, fold, names))
            progress.advance("folds")
    conclude(rows, given.out)


def check(run: Run, names: Sequence[str]) -> None:
    """Refuse systems that the run has not, or that start from pre-training."""
    rows = systems_of(run.task)
    for name in names:
        if name not in run.settings.systems:
            raise UndertoneError(f"{run.out} has no system {name}; it has {run.settings.systems}")
        if rows[name].pretrains:
            raise UndertoneError(f"the system {name} pre-trains: see scripts/nested_choice.py")


def score_fold(run: Run, fold: Fold, names: Sequence[str]) -> Iterator[tuple[int, str, int, float]]:
    """(fold, system, budget, UAR) of every inner fold and draw."""
    plan, rows = inner_plan(run, fold), systems_of(run.task)
    bag = run.settings.bag(run.task, tuple(names))
    normaliser = unchanged(len(plan.frames.columns), stride=plan.shape.stride)
    for cell in plan.cells:
        problem = plan.problem(cell, plan.material(cell.fold, normaliser))
        truth = np.stack([plan.truth[name] for name in problem.test])
        for name in names:
            fitted = rows[name].fit(problem, rows[name].own(bag))
            chosen = plan.task.decide(fitted.predict(problem.material, problem.test))
            yield fold.index, name, cell.budget, float(uar_of_counts(truth.T @ chosen))


if __name__ == "__main__":
    main()
