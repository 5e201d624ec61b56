"""The rows of the systems that read transcripts."""

from functools import partial
from typing import Any

from undertone.systems import word_fits
from undertone.systems.calibrated import calibrated
from undertone.systems.system import DISCRIMINANT, ENCODER, FRAMES, RIDGE, Fit, System
from undertone.systems.view import SHUFFLED
from undertone.tasks import AMOUNTS, CHOICE


def _reading(
    name: str, label: str, kind: str, description: str, *, classes: Fit, amounts: Fit, **flags: Any
) -> tuple[System, System]:
    """Rows of a system that reads transcripts: of classes, and of amounts."""
    flags |= {"usual": (FRAMES, ENCODER), "reads_words": True, "reads_means": True}
    return (
        System(
            *(name, label, kind, description),
            calibrated(classes),
            DISCRIMINANT,
            tasks=(CHOICE,),
            **flags,
        ),
        System(name, label, kind, description, amounts, RIDGE, tasks=(AMOUNTS,), **flags),
    )


ROWS: tuple[System, ...] = (
    *_reading(
        "audio_text",
        "voice + words",
        "classic",
        "Descriptors of the frames, or means of all layers, beside the transcript's vector; how "
        "much each counts is chosen on the labels, for every output by itself where it is a "
        "number. Without a transcript the voice alone answers.",
        classes=word_fits.fit_discriminant_beside,
        amounts=word_fits.fit_ridge_beside,
        recommended=True,
    ),
    *_reading(
        "text_alone",
        "words alone",
        "classic",
        "The same on the transcript's vector alone; without a transcript a constant answers.",
        classes=word_fits.fit_discriminant_on_words,
        amounts=word_fits.fit_ridge_on_words,
    ),
    *_reading(
        "text_shuffled",
        "voice + somebody else's words",
        "control",
        "Voice + words, where everybody's transcript is that of another utterance.",
        classes=partial(word_fits.fit_discriminant_beside, words=SHUFFLED),
        amounts=partial(word_fits.fit_ridge_beside, words=SHUFFLED),
    ),
    System(
        "audio_text_train",
        "voice that learned words",
        "classic",
        "The voice beside one value that it tells of the words, learned from the transcripts of "
        "unlabelled training speech; it is served without transcripts.",
        word_fits.fit_hearing_words,
        RIDGE,
        tasks=(AMOUNTS,),
        usual=(FRAMES, ENCODER),
        reads_words=True,
        reads_means=True,
    ),
)
