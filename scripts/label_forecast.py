"""Do the next labels bring what `undertone label` says they will, and is "you may stop" right?

    python scripts/label_forecast.py emodb=PATH --labels 40,80,160 --repeats 10 --out forecast.json
    python scripts/label_forecast.py emodb=PATH --labels 40,80 --picks unsure+spread

In:  a labelled corpus; of some utterances, drawn at random or chosen by a strategy in batches of
     10, the labels are told, of the rest not.
Out: by number of labels: the gain of 20 more labels that was said, with its interval; what 20 more
     bring on average over many draws of labels from the whole corpus, or over as many loops of the
     strategy among the training speakers of each fold; how often the interval holds that; how often
     it said that one may stop, and what it cost.

Both gains are of speakers that no fit knew. What 20 more bring is measured on all utterances, which
the forecast has not: it knows the labels that it was given.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from undertone import corpora
from undertone.annotation.learning import told
from undertone.annotation.learning.forecast import Forecast, forecast
from undertone.annotation.picking.heard import Heard, hear
from undertone.annotation.picking.pick import pick
from undertone.corpora.folds import speaker_folds
from undertone.corpora.pool import pool
from undertone.errors import tell
from undertone.evaluation.next_labels import NEXT
from undertone.features.name import parse
from undertone.models.encoder import EncoderConfig
from undertone.reading import Resources, read_data
from undertone.recogniser.build import Build
from undertone.recogniser.settings import FinetuneSettings
from undertone.systems.plan import Cell, Data, Draws, Plan
from undertone.tasks.classes import uar_of_counts
from undertone.tasks.draws import RANDOM, LabelDraw
from undertone.training.normalise import unchanged
from undertone.training.seeds import seed_of

BATCH = 10  # labels between two choices of a strategy
SETTINGS = FinetuneSettings(
    of_systems={"discriminant": {"calibrate": False, "nuisance_weight": 0.0}}
)


def main() -> None:
    """Print a row a number of labels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", help="NAME=PATH")
    parser.add_argument("--labels", default="40,80,160")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--draws", type=int, default=30, help="of labels, for what is true")
    parser.add_argument("--features", default="log_mel")
    parser.add_argument("--picks", default=RANDOM, help="strategy that chooses what is labelled")
    parser.add_argument("--out", type=Path, help="JSON file of everything")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    features = parse(given.features).settled()
    corpus = corpora.open(given.corpus)
    resources = Resources(given.cache, workers=1, progress=False)
    data = read_data(corpus, features, corpus.task("classes"), resources)
    choice = Choice(given.picks, hear(data.corpus, features, resources), data)
    rows = []
    for n_labels in map(int, given.labels.split(",")):
        true = true_gain(data, features, n_labels, given.draws, choice=choice)
        said = [
            one_forecast(data, features, n_labels, seed, choice=choice)
            for seed in range(given.repeats)
        ]
        rows.append(summary(n_labels, true, [one for one in said if one is not None]))
        tell(f"{n_labels} labels: {rows[-1]}")
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1))
    print(json.dumps(rows, indent=1))


class Choice:
    """Which utterances are labelled: drawn at random, or chosen with the labels so far."""

    def __init__(self, strategy: str, heard: Heard, data: Data) -> None:
        self.strategy, self.heard = strategy, heard
        rows, self.outputs = data.corpus.table, data.task.outputs
        self.emotion = dict(zip(rows["utterance"], rows["emotion"], strict=True))

    def order(self, names: Sequence[str], most: int, seed: Sequence[int]) -> list[str]:
        """Names in the order in which they are labelled; all of them, the chosen ones first."""
        names = list(names)
        if self.strategy == RANDOM:
            return [str(name) for name in np.random.default_rng(list(seed)).permutation(names)]
        space, labels = self.heard.space(names), dict[int, str]()
        while len(labels) < min(most, len(names)):
            picks = pick(
                space,
                labels=labels,
                emotions=self.outputs,
                n=min(BATCH, most - len(labels)),
                strategy=self.strategy,
                seed=seed_of(*seed),
            )
            labels |= {one.index: self.emotion[names[one.index]] for one in picks}
        return [names[i] for i in (*labels, *sorted(set(range(len(names))) - set(labels)))]


def one_forecast(
    data: Data, features: Any, n_labels: int, seed: int, *, choice: Choice
) -> dict[str, Any] | None:
    """What is said with this many labels, the other utterances unlabelled; None of too few."""
    table = data.corpus.table
    names = choice.order(list(table["utterance"]), n_labels, [seed, n_labels])
    hidden = dict.fromkeys(names[n_labels:], "not labelled")
    rest = table[table["utterance"].isin(hidden)]
    part = replace(
        data,
        corpus=data.corpus.drop(hidden),
        unlabelled=dict(zip(rest["utterance"], rest["speaker"], strict=True)),
    )
    n_speakers = part.corpus.table["speaker"].nunique()
    settings = replace(SETTINGS, folds=min(5, n_speakers), seed=seed)
    ahead: Forecast = forecast(Build(part, features, None, settings))
    if ahead.gain is None:
        return None
    by_emotion = Counter(part.corpus.table["emotion"])
    return {**ahead.gain.to_dict(), "stop": told.may_stop(ahead, by_emotion)}


def true_gain(data: Data, features: Any, n_labels: int, n_draws: int, *, choice: Choice) -> float:
    """What ``NEXT`` more labels bring, averaged over draws of labels from the whole corpus."""
    folds = speaker_folds(data.corpus, 5, 0, data.task)
    share = len(folds[0].train_speakers) / data.corpus.table["speaker"].nunique()
    budgets = (round(share * n_labels), round(share * (n_labels + NEXT)))
    low, high = uars(data, features, folds, choice, budgets=budgets, n_draws=n_draws)
    return float(high - low)


def uars(
    data: Data,
    features: Any,
    folds: Sequence[Any],
    choice: Choice,
    *,
    budgets: tuple[int, int],
    n_draws: int,
) -> np.ndarray:
    """(2,) UAR of each budget."""
    build = Build(data, features, None, SETTINGS)
    plan = data.plan(
        [(fold, pool(data.corpus, [], fold), []) for fold in folds],
        Draws(budgets, n_draws, how=RANDOM),
        shape=EncoderConfig(),
        seed=1,
    )
    counts = {
        (budget, draw): np.zeros((len(data.task.outputs),) * 2)
        for budget in budgets
        for draw in range(n_draws)
    }
    normaliser = unchanged(len(plan.frames.columns), stride=plan.shape.stride)
    for fold in folds:
        material = plan.material(fold.index, normaliser)
        of_fold = [cell for cell in plan.cells if cell.fold == fold.index]
        for cell in of_fold if choice.strategy == RANDOM else chosen(of_fold, plan, choice):
            problem = plan.problem(cell, material)
            values = build.row.fit(problem, build._settings).predict(material, problem.test)
            truth = np.stack([plan.truth[name] for name in problem.test])
            counts[cell.budget, cell.draw] += truth.T @ data.task.decide(values)
    of_budget = [[uar_of_counts(counts[b, d]) for d in range(n_draws)] for b in budgets]
    return np.mean(of_budget, axis=1)


def chosen(cells: Sequence[Cell], plan: Plan, choice: Choice) -> Iterator[Cell]:
    """The same cells with labels that a strategy chose among the fold's training speakers."""
    orders: dict[int, list[str]] = {}
    most = max(cell.budget for cell in cells)
    for cell in cells:
        if cell.draw not in orders:
            names = sorted(plan.folds[cell.fold].crowd.keys() & choice.heard.vectors.keys())
            orders[cell.draw] = choice.order(names, most, [1, cell.fold, cell.draw])
        yield replace(cell, labels=LabelDraw(orders[cell.draw][: cell.budget], []))


def summary(n_labels: int, true: float, said: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A row."""
    stops = sum(one["stop"] for one in said)
    return {
        "labels": n_labels,
        "true_gain": round(true, 4),
        "said": round(float(np.mean([one["value"] for one in said])), 4),
        "said_sd": round(float(np.std([one["value"] for one in said])), 4),
        "low": round(float(np.mean([one["low"] for one in said])), 4),
        "high": round(float(np.mean([one["high"] for one in said])), 4),
        "held": f"{sum(one['low'] <= true <= one['high'] for one in said)} of {len(said)}",
        "stops": f"{stops} of {len(said)}",
    }


if __name__ == "__main__":
    main()
