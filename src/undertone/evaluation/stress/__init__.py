"""What predictions cost where a recording is not as those that a model was trained on.

``conditions`` is the table of what is done to recordings, ``result`` what is measured, ``page`` and
``card`` what people read.
"""

from undertone.evaluation.stress.conditions import CONDITIONS, Chance, Condition
from undertone.evaluation.stress.result import Measured, Stress, measure

__all__ = ["CONDITIONS", "Chance", "Condition", "Measured", "Stress", "measure"]
