"""Whether sets hold the truth of speakers whom no fit knew, in three ways to make them.

    python scripts/sets_truth.py --corpus emodb=PATH --features log_mel --system descriptors

Each fit, of a fold, a draw and a number of labels, finds its threshold within its own labels, by
smaller fits without a fifth of the speakers. "Effective" is how ``models.conformal`` counts the
recordings of a speaker; "each counts" takes them for independent; "hierarchical" is proven (Lee,
Barber and Willett, arXiv 2306.06342): every speaker weighs as much as the one to come.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import corpora
from undertone.corpora.folds import speaker_folds
from undertone.corpora.pool import pool
from undertone.evaluation.coverage import coverage
from undertone.models.conformal import HeldOut, threshold
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import Resources
from undertone.reading import read_data, settle, with_copies
from undertone.systems.held_out import held_out
from undertone.systems.plan import Draws, Plan
from undertone.systems.settings import bag_of
from undertone.systems.table import System, systems_of
from undertone.tasks import Task
from undertone.training.normalise import unchanged


@dataclass(frozen=True)
class Fit:
    """What a fit says of the test speakers of its fold, and what it was held against."""

    budget: int
    draw: int
    values: np.ndarray
    truth: np.ndarray
    speakers: np.ndarray
    held_out: HeldOut


def effective(held: HeldOut, asked: float) -> float:
    return float(held.threshold(asked)[0])


def each_counts(held: HeldOut, asked: float) -> float:
    return threshold(held.scores[:, 0], asked, n_effective=len(held.scores))


def hierarchical(held: HeldOut, asked: float) -> float:
    """The quantile of scores of which each speaker, and the next, weighs 1 / (K + 1)."""
    scores, counts = held.scores[:, 0], np.bincount(held.speaker)
    order = np.argsort(scores)
    reached = np.cumsum(1.0 / counts[held.speaker[order]]) / (len(counts) + 1)
    at = int(np.searchsorted(reached, asked - 1e-9))
    return float(scores[order[at]]) if at < len(order) else np.inf


Way = Callable[[HeldOut, float], float]
WAYS: Mapping[str, Way] = {
    "effective": effective,
    "each counts": each_counts,
    "hierarchical": hierarchical,
}


def main() -> None:
    """Fit and print."""
    asked = _asked()
    task, fits = fitted(asked)
    print(f"| {asked.corpus} {asked.system} | asked | coverage | emotions in a set | ", end="")
    print("sets of one | right of these | speakers' lowest |")
    for budget in asked.budgets:
        of_budget = [fit for fit in fits if fit.budget == budget]
        for level in asked.coverage:
            for name, way in WAYS.items():
                cells = told(of_budget, task, way, asked=level)
                print(f"| {budget} labels, {name} | {level:g} | {cells} |")


def told(fits: list[Fit], task: Task, way: Way, *, asked: float) -> str:
    """How the sets of a way turned out."""
    draws = sorted({fit.draw for fit in fits})
    of_draw = [[fit for fit in fits if fit.draw == draw] for draw in draws]
    values = np.stack([np.concatenate([f.values for f in some]) for some in of_draw])
    thresholds = np.stack(
        [
            np.concatenate([np.full((len(f.values), 1), way(f.held_out, asked)) for f in some])
            for some in of_draw
        ]
    )
    truth, speakers = (
        np.concatenate([getattr(f, n) for f in of_draw[0]]) for n in ("truth", "speakers")
    )
    found = coverage(values, thresholds, truth, speakers.tolist(), task=task, asked=asked)
    assert found is not None, "an infinite threshold is a threshold"
    return (
        f"{found.reached} | {found.size:.2f} | {found.alone:.0%} | {found.right_alone:.3f} | "
        f"{found.by_speaker[0]:.2f}"
    )


def fitted(asked: argparse.Namespace) -> tuple[Task, list[Fit]]:
    """All fits."""
    corpus, resources = corpora.open(asked.corpus), Resources(asked.cache, 1, progress=False)
    task, features = settle(corpus, "", asked.features)
    data = with_copies(read_data(corpus, features, task, resources), features, resources)
    row = systems_of(task)[asked.system]
    plan = data.plan(
        [
            (f, pool(data.corpus, [], f), [])
            for f in speaker_folds(data.corpus, 5, asked.seed, task)
        ],
        Draws(asked.budgets, asked.draws),
        shape=EncoderConfig(),
        seed=asked.seed,
    )
    return task, _fits(plan, row, row.own(bag_of(task, (row.name,), {})))


def _fits(plan: Plan, row: System, own: object) -> list[Fit]:
    found, material, fold = [], None, None
    normaliser = unchanged(len(plan.frames.columns), stride=plan.shape.stride)
    for cell in plan.cells:
        if cell.fold != fold:
            material, fold = plan.material(cell.fold, normaliser), cell.fold
        assert material is not None
        problem = plan.problem(cell, material)
        fitted = row.fit(problem, own)
        held = fitted.held_out or held_out(problem, row.fit, own)
        assert held is not None, "there are several speakers"
        truth = np.stack([plan.truth[name] for name in problem.test])
        speakers = np.array([plan.speaker[name] for name in problem.test])
        values = fitted.predict(material, problem.test)
        found.append(Fit(cell.budget, cell.draw, values, truth, speakers, held))
    return found


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="NAME=PATH")
    parser.add_argument("--features", default="log_mel")
    parser.add_argument("--system", default="descriptors")
    parser.add_argument("--budgets", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument("--coverage", type=float, nargs="+", default=[0.8, 0.9])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
