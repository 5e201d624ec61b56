"""What a report says of words: who read them, which were missing, how much they counted.

In:  a finished sweep, its data and folds.
Out: sentences; none where no words are used.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from undertone.corpora.folds import Fold
from undertone.experiment.stored import Sweep
from undertone.systems.plan import Data

CHOOSING = "audio_text"  # the system whose choice is told


def word_notes(sweep: Sweep, data: Data, folds: Sequence[Fold]) -> Iterator[str]:
    """All that is said of words."""
    if data.words is None:
        return
    yield from data.words.notes
    if repeated := sum(len(data.said_in_test(fold)) for fold in folds):
        yield (
            f"{repeated} utterances of training speakers (sum over folds) say a sentence of their "
            "fold's test: they were neither learned from nor heard without labels."
        )
    yield from weight_notes(sweep)


def weight_notes(sweep: Sweep) -> Iterator[str]:
    """A sentence a budget and output."""
    if CHOOSING not in sweep.systems:
        return
    counts: dict[tuple[int, str], Counter[str]] = {}
    for cell in sweep.plan.cells:
        weights = sweep.fit(CHOOSING, cell).notes["weights"]
        for output, pair in weights.items():
            counts.setdefault((cell.budget, output), Counter())[pair] += 1
    yield (
        "Each fit on voice and words weighed the two by the correlation of closed-form "
        "leave-one-out predictions of its own labels; weights are voice:words."
    )
    for (budget, output), of_each in sorted(counts.items()):
        chosen = ", ".join(f"{pair} in {n}" for pair, n in of_each.most_common())
        what = "all classes" if output == "all" else output
        yield f"With {budget} labels, fits chose for {what}: {chosen}."
