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
from undertone.corpora.corpus import Corpus
from undertone.corpora.splits import Fold, draw_labels, largest_budget, speaker_folds
from undertone.evaluation.classes import uar
from undertone.learning_curve import CurveSettings, Run, open_run
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.training.normalise import fit_normaliser
from undertone.training.pretrain import read_pretraining
from undertone.training.problem import Material, Problem
from undertone.training.seeds import seed_of
from undertone.training.systems import fit_combined

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
    barred = first.corpus.table.loc[
        ~first.corpus.table["speaker"].isin(fold.train_speakers), "utterance"
    ]
    inner_corpus = first.corpus.drop(dict.fromkeys(barred, "a test speaker of the outer fold"))
    materials = {label: material(run, fold) for label, run in runs.items()}
    for inner in speaker_folds(inner_corpus, INNER_FOLDS, SEED):
        rows = inner_corpus.table
        train = rows[rows["speaker"].isin(inner.train_speakers)]
        crowd = dict(zip(train["utterance"], train["speaker"], strict=True))
        for found in materials.values():
            found.crowd = crowd
        for budget in first.budgets:
            for draw in range(DRAWS):
                problem = pose(first, inner_corpus, inner, (budget, draw))
                for candidate, value in score_candidates(problem, materials, rows):
                    yield fold.index, candidate, budget, value


def material(run: Run, fold: Fold) -> Material:
    """The fold's encoder with its frames; who is in the crowd is up to the inner fold."""
    plan, shape = run.plan(), run.settings.encoder
    found = read_pretraining(
        plan.encoder_folder(fold.index), n_features=len(plan.frames.columns), shape=shape
    )
    assert found is not None, f"{run.out} has no encoder of fold {fold.index}"
    return Material(
        frames=plan.frames.frames,
        columns=plan.frames.columns,
        normaliser=fit_normaliser(plan.pool(fold.index), stride=shape.stride),
        shape=shape,
        pretrained=found.encoder,
        seed=0,
    )


def pose(run: Run, corpus: Corpus, inner: Fold, cell: tuple[int, int]) -> Problem:
    """One draw of labels among the inner training speakers; material is put in later."""
    budget, draw = cell
    budget = min(budget, largest_budget(corpus, inner))
    labels = draw_labels(corpus, inner, budget=budget, draw=draw, seed=SEED)
    rows = corpus.table.set_index("utterance")
    emotions = {name: i for i, name in enumerate(sorted(corpus.emotions))}
    seen = [*labels.train, *labels.validation]
    return Problem(
        material=None,  # type: ignore[arg-type]
        train=seen,
        validation=[],
        test=rows.index[rows["speaker"].isin(inner.test_speakers)].tolist(),
        truth={name: emotions[rows["emotion"][name]] for name in seen},
        speaker={name: rows["speaker"][name] for name in seen},
        n_classes=len(emotions),
        finetuning=run.settings.finetune,
        discriminant=run.settings.discriminant,
        seed=seed_of(SEED, inner.index, *cell),
    )


def score_candidates(
    problem: Problem, materials: dict[str, Material], rows: pd.DataFrame
) -> Iterator[tuple[str, float]]:
    """UAR of every candidate on the same draw."""
    truth = rows.set_index("utterance").loc[problem.test, "emotion"].to_numpy()
    names = np.array(sorted(rows["emotion"].unique()))

    def uar_of(chances: np.ndarray) -> float:
        return uar(truth=truth, prediction=names[chances.argmax(axis=1)])

    for i, (label, found) in enumerate(materials.items()):
        posed = replace(problem, material=found)
        if i == 0:
            yield ALONE, uar_of(fit_combined(posed, None))
        for emphasis in EMPHASES:
            settings = replace(problem.discriminant, encoder_emphasis=emphasis)
            chances = fit_combined(replace(posed, discriminant=settings), "pretrained")
            yield f"{label} × {emphasis}", uar_of(chances)


def _open(folder: Path, resources: Resources) -> Run:
    return open_run(
        config.load(CurveSettings, config.read_toml(folder / "config.toml")), folder, resources
    )


if __name__ == "__main__":
    main()
