"""The one name that each emotion has here.

In:  emotions as corpora spell them: "exc", "hap", "Angry", "A", "boredem".
Out: canonical names ("happiness", "anger", …).

Single letters are those of MSP-Podcast's ``EmoClass`` (A anger, S sad, H happy, U surprise, F fear,
D disgust, C contempt, N neutral, O other); corpora whose letters mean other things (EmoDB, ShEMO)
have readers of their own. "exc" (IEMOCAP's excitement) is happiness, as in the usual four classes
of that corpus. A label that is not known here stays as it is, in lower case.
"""

import re
from collections.abc import Mapping

BETWEEN = "|"  # emotions of a set, in tables

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "anger": ("a", "ang", "angry", "angray", "anger", "rage", "hot anger"),
    "happiness": (
        *("h", "hap", "happy", "happiness", "hapiness", "happines", "joy", "joyful", "joyous"),
        *("exc", "excited", "excitement"),
    ),
    "neutral": ("n", "neu", "neut", "neutral", "neutral state", "neutrality", "netural", "nuetral"),
    "sadness": ("s", "sad", "sadness", "saddness", "sadnes", "sorrow"),
    "fear": ("f", "fea", "fear", "fearful", "feaful", "fearfull", "afraid", "scared"),
    "disgust": ("d", "dis", "disgust", "disgusted", "digust", "disguist"),
    "surprise": (
        *("u", "sur", "surp", "surprise", "surprised", "superise", "suprise", "suprised"),
        *("surprize", "pleasant surprise", "pleasant surprised", "ps"),
    ),
    "boredom": ("bor", "bored", "boredom", "boredem"),
    "calm": ("cal", "calm", "calmness"),
    "contempt": ("c", "contempt", "contemptuous"),
    "frustration": ("fru", "frustrated", "frustration"),
    "other": ("o", "oth", "other", "others"),
}
EMOTIONS = tuple(SYNONYMS)
NO_EMOTION = ("", "-", "x", "xxx", "nan", "na", "n/a", "none", "null", "unknown", "no agreement")

_CANONICAL = {synonym: emotion for emotion, names in SYNONYMS.items() for synonym in names}
assert len(_CANONICAL) == sum(map(len, SYNONYMS.values())), "a synonym of two emotions"
assert not _CANONICAL.keys() & set(NO_EMOTION)


def canonical_emotion(text: str) -> str:
    """The name of an emotion in this package.

    >>> [canonical_emotion(text) for text in ("exc", "Angry", "A", "Superise", "Nostalgia ")]
    ['happiness', 'anger', 'anger', 'surprise', 'nostalgia']
    """
    label = _fold(text)
    return _CANONICAL.get(label, label)


def names_no_emotion(text: str) -> bool:
    """Whether a label says that there is none: empty, "xxx", "X", "no agreement", "unknown".

    >>> names_no_emotion("xxx"), names_no_emotion("neutral")
    (True, False)
    """
    return _fold(text) in NO_EMOTION


def _fold(text: str) -> str:
    """Without case, underlines, and the ``.0`` that a table gives whole numbers."""
    label = " ".join(text.casefold().replace("_", " ").split())
    return label.removesuffix(".0") if re.fullmatch(r"-?\d+\.0", label) else label
