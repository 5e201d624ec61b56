"""The main job: how good with 20, 50, 100, 200 labels, and what is pre-training worth?

``settings`` is what is asked for, ``run`` how it is answered, ``complete`` the whole way to a
finished folder, ``sweep`` how all fits are made, ``folder`` where they lie, ``cluster`` who else
may do it. What is named here is imported when it is first used: a worker of a cluster needs less.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from undertone.experiment.complete import curve, run_curve
    from undertone.experiment.run import Run, open_run
    from undertone.experiment.settings import ALL, CurveSettings, demo_settings, quick_values

_HOMES = {
    "ALL": "settings",
    "CurveSettings": "settings",
    "Run": "run",
    "curve": "complete",
    "demo_settings": "settings",
    "open_run": "run",
    "quick_values": "settings",
    "run_curve": "complete",
}
__all__ = [
    "ALL",
    "CurveSettings",
    "Run",
    "curve",
    "demo_settings",
    "open_run",
    "quick_values",
    "run_curve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"undertone.experiment has no {name}")
    return getattr(importlib.import_module(f"undertone.experiment.{_HOMES[name]}"), name)
