"""What is predicted, and the one name that each emotion has here.

In:  emotions as corpora spell them: "exc", "hap", "Angry", "A", "boredem".
Out: canonical names ("happiness", "anger", …); ``Task``, the outputs of a recogniser in order.

Single letters are those of MSP-Podcast's ``EmoClass`` (A anger, S sad, H happy, U surprise, F fear,
D disgust, C contempt, N neutral, O other); corpora whose letters mean other things (EmoDB, ShEMO)
have readers of their own. "exc" (IEMOCAP's excitement) is happiness, as in the usual four classes
of that corpus. A label that is not known here stays as it is, in lower case.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from undertone.errors import UndertoneError

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "anger": ("a", "ang", "angry", "angray", "anger", "rage", "hot anger"),
    "happiness": (
        *("h", "hap", "happy", "happiness", "hapiness", "happines", "joy", "joyful", "joyous"),
        *("exc", "excited", "excitement"),
    ),
    "neutral": ("n", "neu", "neut", "neutral", "neutrality", "netural", "nuetral"),
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
INTENSITIES = ("happy", "sad", "anger", "surprise", "disgust", "fear")  # as CMU-MOSEI names them
NO_EMOTION = ("", "-", "x", "xxx", "nan", "na", "n/a", "none", "null", "unknown", "no agreement")

_CANONICAL = {synonym: emotion for emotion, names in SYNONYMS.items() for synonym in names}
assert len(_CANONICAL) == sum(map(len, SYNONYMS.values())), "a synonym of two emotions"
assert not _CANONICAL.keys() & set(NO_EMOTION)


@dataclass(frozen=True)
class Task:
    """What is predicted: a name and the outputs in their order."""

    name: str
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.outputs)) < len(self.outputs):
            raise UndertoneError(f"task {self.name} has an output twice: {', '.join(self.outputs)}")


def classes(emotions: Iterable[str]) -> Task:
    """The task of telling these emotions apart, in alphabetical order.

    >>> classes(["sadness", "anger", "sadness"])
    Task(name='classes', outputs=('anger', 'sadness'))
    """
    outputs = tuple(sorted(set(emotions)))
    if len(outputs) < 2:
        raise UndertoneError(
            f"a classifier needs two emotions or more, found {', '.join(outputs) or 'none'}"
        )
    return Task("classes", outputs)


def intensities() -> Task:
    """The task of telling how strong each of six emotions is, from 0 to 3, as in CMU-MOSEI."""
    return Task("intensities", INTENSITIES)


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
