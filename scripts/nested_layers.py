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
from described import describe
from nested_choice import conclude, inner_plan, score, settings_of

from undertone import config
from undertone.corpora.folds import Fold
from undertone.experiment import CurveSettings, Run, open_run
from undertone.features.descriptors import emphasis
from undertone.pipeline import Resources
from undertone.progress import Progress

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
    layers = run.data.layers
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
    plan, settings = inner_plan(run, fold), settings_of(run)
    for cell in plan.cells:
        for name, candidate in tried.items():
            problem = plan.problem(cell, describe(plan, cell.fold, *candidate))
            yield fold.index, name, cell.budget, score(plan, problem, settings)


if __name__ == "__main__":
    main()
