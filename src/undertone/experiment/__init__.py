"""The main job: how good with 20, 50, 100, 200 labels, and what is pre-training worth?

``settings`` is what is asked for, ``run`` how it is answered, ``complete`` the whole way to a
finished folder, ``sweep`` how all fits are made, ``folder`` where they lie.
"""

from undertone.experiment.complete import curve, run_curve
from undertone.experiment.run import Run, open_run
from undertone.experiment.settings import ALL, CurveSettings, demo_settings, quick_values

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
