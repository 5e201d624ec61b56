"""Which emotions gain: the difference in recall of two systems of one finished run, paired.

    python scripts/emotion_gains.py --run runs/emodb --system pretrained_frozen --reference scratch

In:  the folder of a finished run of ``undertone curve``.
Out: a row an emotion and a column a budget, with 95 % intervals over speakers and draws.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from undertone.evaluation import intervals
from undertone.evaluation.classes import recalls_of_counts
from undertone.evaluation.curve import Curves, trace


def main() -> None:
    """Print the gains as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished curve")
    parser.add_argument("--system", required=True)
    parser.add_argument("--reference", required=True)
    given = parser.parse_args()
    predictions = pd.read_parquet(given.run / "predictions.parquet")
    emotions = sorted(predictions["truth"].unique())
    curves = trace(predictions, emotions=emotions)
    budgets = curves.budgets_of(given.system, given.reference)
    print(f"| recall with … labels | {' | '.join(map(str, budgets))} |")
    print("|---" * (len(budgets) + 1) + "|")
    columns = [gains(curves, given.system, given.reference, budget) for budget in budgets]
    for emotion, *row in zip(emotions, *columns, strict=True):
        print(f"| {emotion} | {' | '.join(row)} |")


def gains(curves: Curves, system: str, reference: str, budget: int) -> Iterator[str]:
    """The difference in recall of each emotion, signed, with its interval."""
    pair = [curves.counts[name, budget] for name in (system, reference)]
    ours, theirs = (intervals.value(counts, recalls_of_counts) for counts in pair)
    found = [
        intervals.replicates(counts, {"recall": recalls_of_counts}, curves.resamples)["recall"]
        for counts in pair
    ]
    for i, centre in enumerate(ours - theirs):
        difference = found[0][:, i] - found[1][:, i]
        yield intervals.summarise(float(centre), difference, n_speakers=curves.n_speakers).signed()


if __name__ == "__main__":
    main()
