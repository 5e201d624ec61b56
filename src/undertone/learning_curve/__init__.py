"""The main job: how good with 20, 50, 100, 200 labels, and what is pre-training worth?

``settings.py`` is what is asked for, ``run.py`` how it is answered.
"""

from undertone.learning_curve.run import Run, curve, open_run
from undertone.learning_curve.settings import ALL, CurveSettings, demo_settings, quick_values

__all__ = ["ALL", "CurveSettings", "Run", "curve", "demo_settings", "open_run", "quick_values"]
