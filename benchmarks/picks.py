"""Picks over thousands of recordings: ours beside scikit-activeml's, on the same space.

    python benchmarks/picks.py [--utterances 10000] [--values 3584] [--labels 40] [--repeats 5]

Vectors are made up: clouds with as many values as an encoder's layers have. The space is made
once; a pick is what somebody waits for. Base of the ratios is our default. scikit-activeml's rows
need the extra ``picks``; theirs that has a counterpart of ours stands beside it.
"""

import argparse
import importlib.util
from functools import partial
from pathlib import Path

import numpy as np
import turns

from undertone.annotation.picking.pick import DEFAULT, STRATEGIES, Space, pick

EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
N_SPEAKERS = 50


def main() -> None:
    """Time the space, and a pick by each strategy with and without labels."""
    given = _arguments()
    rng = np.random.default_rng(0)
    which = rng.integers(0, len(EMOTIONS), given.utterances)
    centres = rng.normal(0, 0.3, (len(EMOTIONS), given.values)).astype(np.float32)
    vectors = centres[which] + rng.normal(0, 1, (given.utterances, given.values)).astype(np.float32)
    speakers = [f"s{i}" for i in rng.integers(0, N_SPEAKERS, given.utterances)]
    make = partial(Space.of, vectors, speakers=speakers)
    amount = float(given.utterances)
    of_space = turns.take_turns({"the space": make}, repeats=1, amount=amount, warm=False)
    space = make()
    _ = space.typicality
    tables = [turns.Table(f"Space of {given.utterances:,}", "utterances a s", of_space)]
    known = {int(i): EMOTIONS[which[i]] for i in rng.permutation(given.utterances)[: given.labels]}
    for labels in ({}, known):
        ways = {
            name: partial(pick, space, labels=labels, n=given.n, strategy=name)
            for name in sorted(STRATEGIES, key=lambda name: name != DEFAULT)
            if not STRATEGIES[name].theirs or importlib.util.find_spec("skactiveml")
        }
        title = f"{given.n} picks of {given.utterances:,} with {len(labels)} labels"
        rows = turns.take_turns(ways, repeats=given.repeats, amount=amount)
        tables.append(turns.Table(title, "utterances a s", rows))
    for table in tables:
        table.show()
    if given.out:
        turns.save(given.out, tables)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=10_000)
    parser.add_argument("--values", type=int, default=3_584)
    parser.add_argument("--labels", type=int, default=40)
    parser.add_argument("--n", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
