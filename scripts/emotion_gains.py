"""Which emotions gain: the difference in recall of two systems with the same draws, paired.

    python scripts/emotion_gains.py runs/emodb:pretrained_frozen runs/emodb:random_frozen

In:  two systems of finished runs of ``undertone curve``, as FOLDER:SYSTEM.
Out: a row an emotion and a column a budget, with 95 % intervals over speakers and draws.
"""

import argparse
from dataclasses import replace

from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.tasks import CHOICE


def main() -> None:
    """Print the gains as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", help="FOLDER:SYSTEM")
    parser.add_argument("reference", help="FOLDER:SYSTEM that it is held against")
    given = parser.parse_args()
    pair = {"system": given.system, "reference": given.reference}
    comparison = compare([replace(parse(place), label=label) for label, place in pair.items()])
    curves, budgets = comparison.curves, comparison.budgets
    if curves.task.kind != CHOICE:
        raise UndertoneError(f"expected runs that tell emotions apart, not {curves.task.name}")
    print(f"| recall with … labels | {' | '.join(map(str, budgets))} |")
    print("|---" * (len(budgets) + 1) + "|")
    for emotion in (e for e in curves.task.outputs if curves.behind[curves.task.position(e)]):
        gains = [
            curves.difference(*pair, budget=budget, metric="uar", outputs=(emotion,)).signed()
            for budget in budgets
        ]
        print(f"| {emotion} | {' | '.join(gains)} |")


if __name__ == "__main__":
    main()
