"""Which layers of an encoder, and which statistics, would the training speakers have chosen?

    python scripts/nested_layers.py --run runs/whisper --out layers.json

In:  the folder of a run of ``undertone curve`` on ``upstream:MODEL@auto``; finished or not.
Out: for each outer fold, the UAR of every candidate on inner folds of its training speakers, mean
     over budgets; the choice of that fold; and how the candidates did over all folds.

A candidate is a set of layers, what is kept of their frames, and how much each counts, in the
self-trained discriminant analysis of the system ``layers``. The test speakers of the outer fold are
in nothing: not in the labels, not in the crowd, not among those who are predicted.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nested_choice import DRAWS, INNER_FOLDS, SEED, conclude, pose

from undertone import config
from undertone.corpora.corpus import Corpus
from undertone.corpora.splits import Fold, speaker_folds
from undertone.evaluation.classes import uar
from undertone.features.descriptors import emphasis
from undertone.learning_curve import CurveSettings, Run, open_run
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.training.discriminant import Crowd, fit_discriminant
from undertone.training.problem import Problem

Candidate = tuple[dict[str, np.ndarray], np.ndarray]  # vectors by utterance, what each value counts


def main() -> None:
    """Print the choice of every fold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a curve")
    parser.add_argument("--out", type=Path, help="JSON file of all scores")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    settings = config.load(CurveSettings, config.read_toml(given.run / "config.toml"))
    run = open_run(settings, given.run, Resources(given.cache))
    tried, rows = candidates(run), []
    with Progress(shown=True) as progress:
        progress.add("folds", len(run.folds))
        for fold in run.folds:
            rows += list(score_fold(run, fold, tried))
            progress.advance("folds")
    conclude(rows, given.out)


def candidates(run: Run) -> dict[str, Candidate]:
    """Sets of layers, in the order in which they are shown."""
    layers = run.layers
    assert layers is not None, f"{run.out} is no run on the frames of an encoder"
    names = layers.vectors.utterances
    values = np.stack([layers.vectors.frames(name) for name in names])  # (n, n_layers, 2 * width)
    width, last = values.shape[2] // 2, layers.n_layers - 1
    middle = last // 2

    def of(chosen: list[int], counts: np.ndarray, *, deviations: bool = False) -> Candidate:
        kept = values[:, chosen, : 2 * width if deviations else width]
        flat = kept.reshape(len(names), -1)
        each = np.repeat(counts, flat.shape[1] // len(chosen))
        return dict(zip(names, flat, strict=True)), each

    everything = list(range(layers.n_layers))
    columns = layers.table.columns
    triangle = emphasis(columns, len(columns))[::width]
    near = [middle - 1, middle, middle + 1]
    return {
        **{f"mean of layer {k}": of([k], np.ones(1)) for k in everything},
        f"mean and sd of layer {middle}": of([middle], np.ones(1), deviations=True),
        f"means of layers {near[0]} to {near[2]}": of(near, np.ones(3)),
        "means of all layers alike": of(everything, np.ones(len(everything))),
        "means of all, middle most (the default)": of(everything, triangle),
        "means and sd of all, middle most": of(everything, triangle, deviations=True),
    }


def score_fold(
    run: Run, fold: Fold, tried: dict[str, Candidate]
) -> Iterator[tuple[int, str, int, float]]:
    """(fold, candidate, budget, UAR) of every inner fold and draw."""
    rows = run.corpus.table
    barred = rows.loc[~rows["speaker"].isin(fold.train_speakers), "utterance"]
    corpus = run.corpus.drop(dict.fromkeys(barred, "a test speaker of the outer fold"))
    for inner in speaker_folds(corpus, INNER_FOLDS, SEED):
        for budget in run.budgets:
            for draw in range(DRAWS):
                problem = pose(run, corpus, inner, (budget, draw))
                for name, candidate in tried.items():
                    yield fold.index, name, budget, _score(problem, candidate, corpus, inner)


def _score(problem: Problem, candidate: Candidate, corpus: Corpus, inner: Fold) -> float:
    vectors, counts = candidate
    rows = corpus.table.set_index("utterance")
    crowd = rows[rows["speaker"].isin(inner.train_speakers)]
    seen = set(problem.budget)
    fitted = fit_discriminant(
        _stack(vectors, problem.budget),
        problem.truths(problem.budget),
        crowd=Crowd(
            _stack(vectors, list(crowd.index)),
            crowd["speaker"].to_numpy(),
            np.array([name not in seen for name in crowd.index]),
        ),
        n_classes=problem.n_classes,
        settings=problem.discriminant,
        emphasis=counts,
    )
    guess = fitted.probabilities(_stack(vectors, problem.test)).argmax(axis=1)
    names = np.array(sorted(rows["emotion"].unique()))
    return uar(truth=rows.loc[problem.test, "emotion"].to_numpy(), prediction=names[guess])


def _stack(vectors: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
    return np.stack([vectors[name] for name in names]).astype(np.float64)


if __name__ == "__main__":
    main()
