"""The same number of labels from few speakers and from many: what more speakers are worth.

In:  a ``Plan`` and some of its cells.
Out: cells with the labels of half of the training speakers, and with as many labels of the same
     emotions from all of them; what a gain between both says of twice as many speakers.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from undertone.evaluation.estimate import Estimate
from undertone.systems.plan import Cell, Plan
from undertone.tasks import CHOICE
from undertone.tasks.draws import LabelDraw
from undertone.training.seeds import seed_of

FEWEST_SPEAKERS = 4  # of the training side, that half of them can be compared with all
FEW, SPREAD = "half of the speakers", "all speakers"
LEAST_DOUBLINGS = 0.5  # between both, that anything is said of twice as many


def halves(plan: Plan, cells: Sequence[Cell], *, seed: int, n_draws: int) -> dict[str, list[Cell]]:
    """Cells of half of the speakers (``FEW``) and of all (``SPREAD``), in the same order.

    Args:
        plan: whose cells they are.
        cells: whose labels are divided.
        seed: names all randomness.
        n_draws: how often the speakers of each cell are halved.

    Returns:
        Nothing where a cell has labels of fewer than ``FEWEST_SPEAKERS``, or half of its speakers
        of one emotion alone.
    """
    found: dict[str, list[Cell]] = {FEW: [], SPREAD: []}
    for cell in cells:
        names = cell.labels.utterances
        speakers = sorted({plan.speaker[name] for name in names})
        if len(speakers) < FEWEST_SPEAKERS:
            return {}
        for i in range(n_draws):
            rng = np.random.default_rng(seed_of(seed, cell.name, i))
            few, spread = _half(plan, names, speakers, rng)
            if plan.task.kind == CHOICE and len({_emotion(plan, name) for name in few}) < 2:
                return {}
            for kind, chosen in ((FEW, few), (SPREAD, spread)):
                draw = cell.draw * n_draws + i
                found[kind].append(Cell(cell.fold, draw, cell.budget, LabelDraw(chosen, [])))
    return found


def of_twice(gain: Estimate, plan: Plan, apart: Mapping[str, Sequence[Cell]]) -> Estimate | None:
    """What twice as many speakers bring; None where hardly more were compared.

    Half of five speakers are two, and a few labels from all speakers do not reach them all: so the
    gain is divided by how often the number of those who speak was really doubled.

    Args:
        gain: of the labels from all speakers over those from half of them.
        plan: whose cells they are.
        apart: cells as ``halves`` gives them.
    """
    n_few, n_spread = (
        [len({plan.speaker[name] for name in cell.labels.utterances}) for cell in apart[kind]]
        for kind in (FEW, SPREAD)
    )
    doublings = float(np.log2(np.divide(n_spread, n_few)).mean())
    if doublings < LEAST_DOUBLINGS:
        return None
    ends = (gain.value / doublings, gain.low / doublings, gain.high / doublings)
    return Estimate(*ends, gain.n_speakers)


def _half(
    plan: Plan, names: Sequence[str], speakers: Sequence[str], rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Half of the speakers' labels, and as many of each emotion from all speakers."""
    chosen = set(rng.permutation(np.array(speakers, dtype=object))[: len(speakers) // 2])
    few = [name for name in names if plan.speaker[name] in chosen]
    spread: list[str] = []
    for emotion in sorted({_emotion(plan, name) for name in few}):
        n = sum(_emotion(plan, name) == emotion for name in few)
        alike = [name for name in names if _emotion(plan, name) == emotion]
        spread += [alike[i] for i in rng.permutation(len(alike))[:n]]
    return few, spread


def _emotion(plan: Plan, name: str) -> int:
    """Number of the class; of amounts all are alike."""
    return int(plan.truth[name].argmax()) if plan.task.kind == CHOICE else 0
