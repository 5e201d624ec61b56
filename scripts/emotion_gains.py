"""Which emotions gain: the difference in recall of two systems with the same draws, paired.

    python scripts/emotion_gains.py runs/emodb:pretrained_frozen runs/emodb:random_frozen

In:  two systems of finished runs of ``undertone curve``, as FOLDER:SYSTEM.
Out: a row an emotion and a column a budget, with 95 % intervals over speakers and draws.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

from undertone.evaluation import intervals
from undertone.evaluation.classes import recalls_of_counts
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.curve import Curves


def main() -> None:
    """Print the gains as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", help="FOLDER:SYSTEM")
    parser.add_argument("reference", help="FOLDER:SYSTEM that it is held against")
    given = parser.parse_args()
    pair = {"system": given.system, "reference": given.reference}
    found = compare([replace(parse(place), label=label) for label, place in pair.items()])
    budgets = found.budgets
    print(f"| recall with … labels | {' | '.join(map(str, budgets))} |")
    print("|---" * (len(budgets) + 1) + "|")
    columns = [gains(found.curves, *pair, budget) for budget in budgets]
    for emotion, *row in zip(found.curves.emotions, *columns, strict=True):
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
