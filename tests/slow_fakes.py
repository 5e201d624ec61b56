"""A model that takes its time, and for a high voice very long."""

import time
from dataclasses import dataclass, replace

import numpy as np
from serving_fakes import COLUMNS, Height, listener

from undertone.recogniser.folder import Recogniser
from undertone.systems.view import View

HIGH_HZ = 300.0


@dataclass(frozen=True)
class Slow(Height):
    """It sleeps before it answers, and costs no processor time."""

    nap_s: float = 0.2
    long_nap_s: float = 60.0

    def predict(self, material, utterances):
        log_f0 = np.asarray(material.frames(utterances[0]))[:, COLUMNS.index("log_f0")].mean()
        time.sleep(self.long_nap_s if log_f0 > np.log(HIGH_HZ) else self.nap_s)
        return super().predict(material, utterances)


def slow_listener() -> Recogniser:
    return replace(listener(), fitted=Slow(View()))
