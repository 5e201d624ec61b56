"""A training whose loss is no number any more: its weights are worth nothing, and are not kept.

In:  where it was noticed, the learning rate, and the setting that holds it.
Out: one error, with what to lower as it is pasted.
"""

import json
from collections.abc import Sequence

from undertone.errors import UndertoneError

LOWER = 10.0  # times, as a next step
LOWEST = 1e-9  # that settings take


class NotFiniteError(UndertoneError):
    """A loss or its gradient was NaN or infinite.

    Attributes:
        where: it was noticed, as "epoch 3 of 25".
    """

    where: str = ""


def not_finite(where: str, rates: float | Sequence[float], setting: str) -> NotFiniteError:
    """The error of a training.

    Args:
        where: it was noticed.
        rates: the learning rate, or those that are tried.
        setting: that holds them, ``section.name``; empty where there is none.
    """
    several = isinstance(rates, Sequence)
    lower = json.dumps([_lower(r) for r in rates]) if isinstance(rates, Sequence) else _lower(rates)
    found = f"the loss is not finite in {where}, so that nothing of this training is kept"
    if not setting:
        step = "look for extreme values in the frames, which is all that it learns from"
    else:
        value = f"'{setting}={lower}'" if several else f"{setting}={lower}"
        step = (
            f"lower the learning rate, now {json.dumps(rates)}, by adding `--set {value}`, and "
            "choose another --out where this one holds a run with the former"
        )
    error = NotFiniteError(f"{found}: {step}")
    error.where = where
    return error


def _lower(rate: float) -> float:
    return max(LOWEST, float(f"{rate / LOWER:.3g}"))
