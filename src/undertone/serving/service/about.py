"""What a person must know of the model that answers: its name, what it learned, what nobody knows.

In:  a recogniser, and what it is called.
Out: plain values, which the page and ``/about`` show.
"""

import math
from typing import TYPE_CHECKING, Any

from undertone import __version__
from undertone.errors import printable
from undertone.serving.promise import promise
from undertone.tasks import CHOICE

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser


def about(recogniser: "Recogniser", name: str) -> dict[str, Any]:
    """The model, in plain values."""
    task, inputs = recogniser.task, recogniser.inputs
    low, high = (0.0, 1.0) if task.kind == CHOICE else (float(task.low), float(task.high))
    return {
        "model": printable(name),
        "promise": promise(recogniser),
        "outputs": [printable(str(output)) for output in task.outputs],
        "chooses": task.kind == CHOICE,
        "low": low if math.isfinite(low) else None,
        "high": high if math.isfinite(high) else None,
        "system": recogniser.system,
        "features": printable(inputs.features),
        "version": __version__,
    }
