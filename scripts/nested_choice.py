"""Which pre-training, and how much of it, would the training speakers alone have chosen?

    python scripts/nested_choice.py reconstruction=runs/a contrast=runs/b --out choice.json

In:  finished runs of ``undertone curve`` on one corpus with the same folds, each with the encoders
     of another objective.
Out: for each outer fold, the mean UAR over budgets of every candidate on inner folds of the
     training speakers; the choice of that fold; and how the candidates did over all folds.

A candidate is an encoder beside the descriptors with some emphasis, or the descriptors alone. The
fold's test speakers are in neither the encoders' pools nor the labels nor the inner test speakers.
The inner test speakers' voices, not their labels, were in the encoders' pools: a slight favour to
every encoder alike, compared with the descriptors alone.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from undertone import config
from undertone.corpora.folds import Fold, draw_labels, largest_budget, speaker_folds
from undertone.corpora.pool import pool
from undertone.experiment import CurveSettings, Run, open_run
from undertone.models.discriminant import DiscriminantConfig
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.systems.fits import fit_combined
from undertone.systems.plan import Cell, Draws, Plan
from undertone.systems.problem import PRETRAINED, Material, Problem
from undertone.systems.system import DISCRIMINANT
from undertone.tasks.classes import uar_of_counts
from undertone.training.normalise import fit_normaliser

INNER_FOLDS, DRAWS, EMPHASES = 4, 2, (0.5, 1.0)
ALONE = "descriptors alone"
SEED = 1000  # of inner folds and draws: none of the outer runs'


def main() -> None:
    """Print the choice of every fold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="LABEL=FOLDER of a finished run")
    parser.add_argument("--out", type=Path, help="JSON file of all scores")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    folders = {label: Path(folder) for label, folder in (r.split("=", 1) for r in given.runs)}
    runs = {label: _open(folder, Resources(given.cache)) for label, folder in folders.items()}
    first = next(iter(runs.values()))
    rows = []
    with Progress(shown=True) as progress:
        progress.add("folds", len(first.folds))
        for fold in first.folds:
            rows += list(score_fold(runs, fold))
            progress.advance("folds")
    conclude(rows, given.out)


def conclude(rows: list[tuple[int, str, int, float]], out: Path | None) -> None:
    """Print how candidates did by budget and by fold, and what each fold chose; save the scores."""
    table = pd.DataFrame(rows, columns=["fold", "candidate", "budget", "uar"])
    for column in ("budget", "fold"):
        found = table.pivot_table(index="candidate", columns=column, values="uar", sort=False)
        print(found.assign(mean=found.mean(axis=1)).round(3).to_string())
    choices = {int(fold): str(found[fold].idxmax()) for fold in found}
    print("chosen:", choices)
    if out:
        scores = table.groupby(["fold", "candidate", "budget"])["uar"].mean().reset_index()
        content = {"chosen": choices, "scores": scores.to_dict("records")}
        out.write_text(json.dumps(content, indent=1) + "\n")


def score_fold(runs: dict[str, Run], fold: Fold) -> Iterator[tuple[int, str, int, float]]:
    """(fold, candidate, budget, UAR) of every inner fold and draw."""
    first = next(iter(runs.values()))
    plan, settings = inner_plan(first, fold), settings_of(first)
    materials = {label: material(run, fold) for label, run in runs.items()}
    for cell in plan.cells:
        crowd = plan.folds[cell.fold].crowd
        problems = {
            label: plan.problem(cell, replace(found, crowd=crowd))
            for label, found in materials.items()
        }
        alone = next(iter(problems.values()))
        yield fold.index, ALONE, cell.budget, score(plan, alone, settings)
        for label, problem in problems.items():
            for emphasis in EMPHASES:
                tried = replace(settings, encoder_emphasis=emphasis)
                value = score(plan, problem, tried, start=PRETRAINED)
                yield fold.index, f"{label} × {emphasis}", cell.budget, value


def inner_plan(run: Run, fold: Fold) -> Plan:
    """Folds and draws of labels among the fold's training speakers; it knows nobody else."""
    rows = run.corpus.table
    barred = rows.loc[~fold.teaches(rows), "utterance"]
    corpus = run.corpus.drop(dict.fromkeys(barred, "a test speaker of the outer fold"))
    folds = speaker_folds(corpus, INNER_FOLDS, SEED, run.task)
    data = replace(run.data, corpus=corpus)
    plan = data.plan(
        [(inner, pool(corpus, [], inner), []) for inner in folds],
        Draws(()),
        shape=run.settings.encoder,
        seed=SEED,
    )
    return replace(
        plan,
        cells=tuple(
            Cell(
                inner.index,
                draw,
                budget,
                draw_labels(
                    corpus,
                    inner,
                    budget=min(budget, largest_budget(corpus, inner, run.task)),
                    draw=draw,
                    seed=SEED,
                    task=run.task,
                ),
            )
            for inner in folds
            for budget in run.draws.budgets
            for draw in range(DRAWS)
        ),
    )


def settings_of(run: Run) -> DiscriminantConfig:
    """Of the discriminant analysis in this run."""
    return run.settings.bag(run.task, ("descriptors",))[DISCRIMINANT.name]


def material(run: Run, fold: Fold) -> Material:
    """The fold's encoder with its frames; who is in the crowd is up to the inner fold."""
    plan = run.plan()
    found = run.sweep(plan).read_pretraining(fold.index)
    assert found is not None, f"{run.out} has no encoder of fold {fold.index}"
    frames = plan.folds[fold.index].frames()
    return plan.material(
        fold.index, fit_normaliser(frames, stride=plan.shape.stride), found.encoder
    )


def score(plan: Plan, problem: Problem, settings: DiscriminantConfig, *, start: str = "") -> float:
    """UAR of the discriminant analysis, fitted to a draw, on its inner test speakers."""
    fitted = fit_combined(problem, settings, start=start)
    chosen = plan.task.decide(fitted.predict(problem.material, problem.test))
    truth = np.stack([plan.truth[name] for name in problem.test])
    return float(uar_of_counts(truth.T @ chosen))


def _open(folder: Path, resources: Resources) -> Run:
    return open_run(
        config.load(CurveSettings, config.read_toml(folder / "config.toml")), folder, resources
    )


if __name__ == "__main__":
    main()
