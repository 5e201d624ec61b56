"""An LF-model voice whose F0, Rd, voicing and closure instants are known exactly.

In:  what the voice is to do (``Plan``, or the arguments of ``vowel``).
Out: ``Voice``: the waveform and the truth that made it.

``glottis`` is the source, ``voice`` the source through a vocal tract, ``phrase`` syllables and
prosody. Truth for tests of estimators, and the voice of the embedded corpus.
"""

from undertone.synthesis.glottis import RD_RANGE, LFShape, lf_pulse, lf_shape
from undertone.synthesis.phrase import Manner, plan_phrase
from undertone.synthesis.voice import (
    PLAN_RATE,
    VOWEL_FORMANTS_HZ,
    Plan,
    Voice,
    synthesise,
    vowel,
)

__all__ = [
    "PLAN_RATE",
    "RD_RANGE",
    "VOWEL_FORMANTS_HZ",
    "LFShape",
    "Manner",
    "Plan",
    "Voice",
    "lf_pulse",
    "lf_shape",
    "plan_phrase",
    "synthesise",
    "vowel",
]
