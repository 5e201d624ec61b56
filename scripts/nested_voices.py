"""Would the training speakers have their own voices taken off, and by how much?

    python scripts/nested_voices.py --run runs/emodb --system descriptors

In:  the folder of a run of ``undertone curve``, finished or not; a system of it that has the
     setting ``centring`` and needs no pre-training.
Out: for each outer fold, the UAR with each value of the setting on inner folds of its training
     speakers, by budget, where nothing is known of the tested voice; the choice of that fold; and
     the same where all recordings of the tested voice are heard, without their truth.

The test speakers of the outer fold are in nothing: not in the labels, not in the crowd, not among
those who are predicted. So the choice looks at no test.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from described import materials_at_once
from nested_choice import conclude, inner_plan
from nested_systems import check

from undertone import config
from undertone.corpora.folds import Fold
from undertone.experiment import CurveSettings, Run, open_run
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.systems.adapted import predict_adapted
from undertone.systems.fitted import OnVectors
from undertone.systems.table import systems_of
from undertone.tasks.classes import uar_of_counts

COUNTS = (0.0, 2.0, 5.0, 20.0)
Row = tuple[int, str, int, float]  # fold, candidate, budget, UAR


def main() -> None:
    """Print the choice of every fold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a curve")
    parser.add_argument("--system", required=True, help="one of it, as descriptors")
    parser.add_argument("--folds", type=int, help="only the first of the outer folds")
    parser.add_argument("--out", type=Path, help="JSON file of all scores")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    settings = config.load(CurveSettings, config.read_toml(given.run / "config.toml"))
    run = open_run(settings, given.run, Resources(given.cache))
    check(run, [given.system])
    unknown, known = list[Row](), list[Row]()
    with Progress(shown=True) as progress:
        folds = run.folds[: given.folds]
        progress.add("folds", len(folds))
        for fold in folds:
            for row, of_known in score_fold(run, fold, given.system):
                (known if of_known else unknown).append(row)
            progress.advance("folds")
    print("nothing is known of the tested voice")
    conclude(unknown, given.out)
    print("all recordings of the tested voice are heard")
    conclude(known, given.out and given.out.with_suffix(".known.json"))


def score_fold(run: Run, fold: Fold, system: str) -> Iterator[tuple[Row, bool]]:
    """A score of every inner fold, draw and candidate, and whether it heard the tested voices."""
    plan, row = inner_plan(run, fold), systems_of(run.task)[system]
    settings = row.own(run.settings.bag(run.task, (system,)))
    materials = materials_at_once(plan)
    for cell in plan.cells:
        problem = plan.problem(cell, materials[cell.fold])
        truth = np.stack([plan.truth[name] for name in problem.test])
        speaker = {name: plan.speaker[name] for name in problem.test}
        recordings = {
            who: [name for name in problem.test if speaker[name] == who] for who in speaker.values()
        }
        for count in COUNTS:
            fitted = row.fit(problem, replace(settings, centring=count))
            assert isinstance(fitted, OnVectors), f"{system} reads no vectors"
            found = [fitted.predict(problem.material, problem.test)]
            if count:
                found.append(
                    predict_adapted(
                        fitted,
                        problem.material,
                        problem.test,
                        speaker=speaker,
                        recordings=recordings,
                    )
                )
            for known, predicted in enumerate(found):
                uar = float(uar_of_counts(truth.T @ plan.task.decide(predicted)))
                yield (fold.index, f"centring {count:g}", cell.budget, uar), bool(known)


if __name__ == "__main__":
    main()
