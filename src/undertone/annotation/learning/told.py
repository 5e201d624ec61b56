"""What a round of learning says to the person who labels, in sentences.

In:  a score, a forecast, how many labels each emotion has.
Out: sentences with their kind: ``nothing``, ``cannot``, ``score``, ``lacking``, ``next``,
     ``speakers``, ``stop``.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from undertone.annotation.learning.forecast import Forecast
from undertone.errors import printable
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.next_labels import NEXT
from undertone.evaluation.score import CHANCE
from undertone.tasks.classes import GAIN_WORTH_NAMING, Classes

if TYPE_CHECKING:
    from undertone.evaluation.score import Score

FEW = 5  # labels of an emotion
HALF = 1 / 2  # of an emotion's even share, below which it lacks labels
FEWEST_TO_STOP = 40  # labels
SPEAKERS_TO_STOP = 5
NO_SPEAKER = (
    "No speaker of a labelled clip is known. So nobody can tell how well a model would do on a new "
    "voice, nor whether more speakers would help, and no model is fitted."
)
TOO_FEW = (
    "There are too few labels and speakers to say what more labels, or more speakers, would bring."
)
ASSUMED = "If every recording is another person, as you said: "
ONE_SPEAKER = (
    "All labels are of one speaker. A model is fitted, but how well it would do on a new voice "
    "cannot be told: label a second speaker."
)
CHOSEN = (
    "The clips were chosen for what they teach, and are harder than most: on clips drawn at random "
    "it is likely to do better."
)
NONE_YET = "No clip has an emotion yet."
FEWEST_VOICES = 2  # of an emotion: one is tested, another learned from


def why_nothing(labelled: Mapping[str, int], known: Mapping[str, int]) -> str | None:
    """Why nothing can be learned; None where something can.

    Args:
        labelled: how many labels each emotion has.
        known: how many of them are of a speaker that is known.
    """
    if not sum(labelled.values()):
        return NONE_YET
    emotions = sorted(name for name, n in known.items() if n)
    if not emotions:
        return NO_SPEAKER
    if len(emotions) < 2:
        return (
            f"All labels are {printable(emotions[0])}: there is nothing to tell apart yet. Label a "
            "clip of another emotion."
        )
    return None


def why_no_score(voices: Mapping[str, int]) -> str:
    """What a score lacks.

    Args:
        voices: speakers of whom each emotion has labels.
    """
    few = [f"{printable(name)} ({n} so far)" for name, n in voices.items() if n < FEWEST_VOICES]
    lacks = (
        f"Label {', '.join(few)} of more speakers."
        if few
        else "Label a few more clips of each emotion, of more speakers."
    )
    return (
        "No score yet: it takes labels of each emotion from at least two speakers, as each speaker "
        f"is tested by a model that learned from the others. {lacks}"
    )


def sentences(
    score: "Score | None",
    ahead: Forecast | None,
    by_emotion: Mapping[str, int],
    *,
    chosen: bool = False,
    assumed: bool = False,
) -> list[dict[str, str]]:
    """For the page."""
    told = [
        *(("score", text) for text in _of_score(score, assumed=assumed)),
        *((("score", CHOSEN),) if chosen and score is not None else ()),
        *(("lacking", text) for text in lacking(by_emotion)),
    ]
    if ahead is not None and ahead.gain is None and ahead.speakers is None:
        told.append(("next", TOO_FEW))
    elif ahead is not None:
        told += [("next", text) for text in _of_gain(ahead.gain)]
        told += [("speakers", text) for text in _of_speakers(ahead.speakers)]
    if may_stop(ahead, by_emotion):
        assert ahead is not None
        assert ahead.gain is not None
        told.append(
            (
                "stop",
                f"You may stop: {NEXT} more labels would bring {decimal(ahead.gain.high)} UAR at "
                "most, which is less than is worth naming.",
            )
        )
    return [{"kind": kind, "text": text} for kind, text in told]


def may_stop(ahead: Forecast | None, by_emotion: Mapping[str, int]) -> bool:
    """Whether a curve with enough labels and speakers behind it says that it is enough.

    Never while an emotion lacks labels: a curve of the others knows nothing of it.
    """
    if ahead is None or ahead.gain is None or sum(by_emotion.values()) < FEWEST_TO_STOP:
        return False
    if any(lacking(by_emotion)):
        return False
    enough = ahead.gain.n_speakers >= SPEAKERS_TO_STOP and ahead.gain.has_interval
    return enough and ahead.gain.high < GAIN_WORTH_NAMING


def lacking(by_emotion: Mapping[str, int]) -> Iterator[str]:
    """Emotions with few labels, or with few beside the others."""
    total, n = sum(by_emotion.values()), len(by_emotion)
    few = [
        f"{printable(name)} ({count})"
        for name, count in sorted(by_emotion.items(), key=lambda pair: pair[1])
        if count < max(FEW, HALF * total / n)
    ]
    if few and total:
        yield f"These emotions lack labels: {', '.join(few)}."


def _of_score(score: "Score | None", *, assumed: bool) -> Iterator[str]:
    if score is None:
        return
    name = Classes.headline
    found, chance = score.metrics[name], score.floors[CHANCE][name].value
    reached = f"n speakers that it did not know the model reaches UAR {found}"
    yield f"{f'{ASSUMED}o' if assumed else 'O'}{reached}; chance is {decimal(chance)}."
    if not found.has_interval or found.low <= chance:
        yield "That cannot be told from chance yet."


def _of_gain(gain: Estimate | None) -> Iterator[str]:
    if gain is None:
        yield "There are too few labels to say what more would bring."
    else:
        yield f"The next {NEXT} labels are likely to bring {gain.signed()} UAR."


def _of_speakers(gain: Estimate | None) -> Iterator[str]:
    """Of as many labels from all speakers against half of them."""
    if gain is None:
        yield "There are too few speakers to say whether more of them would help."
    elif gain.has_interval and gain.low > 0:
        yield (
            "More speakers would help more than more labels of the same ones: the same number of "
            f"labels from twice as many speakers brings {gain.signed()} UAR."
        )
    elif gain.has_interval and gain.high < GAIN_WORTH_NAMING:
        yield (
            "More labels of the same speakers help as much as new speakers: twice as many speakers "
            f"bring {decimal(gain.high, signed=True)} UAR at most with the same number of labels."
        )
    else:
        yield (
            "Whether more speakers would help more than more labels cannot be told yet "
            f"({gain.signed()} UAR for twice as many speakers with the same number of labels)."
        )
