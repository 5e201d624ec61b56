"""What the fits on voice and words chose: how often which weights, told for the report.

In:  a finished sweep.
Out: sentences; none where no system weighs voice against words.
"""

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np

from undertone.experiment.sweep import Sweep

CHOOSING = "audio_text"  # the system whose choice is told


def weight_notes(sweep: Sweep) -> Iterator[str]:
    """A sentence a budget and output."""
    if CHOOSING not in sweep.systems:
        return
    counts: dict[tuple[int, str], Counter[str]] = {}
    for cell in sweep.plan.cells:
        with np.load(sweep.path(CHOOSING, cell), allow_pickle=False) as stored:
            weights = json.loads(str(stored["notes"]))["weights"]
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
