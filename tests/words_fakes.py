"""Problems whose truth is planted in the voice, in the words, or in both; nothing is read."""

from dataclasses import replace

import numpy as np

from undertone.features.text.reader import Reader
from undertone.models.encoder import EncoderConfig
from undertone.systems.problem import Material, Problem
from undertone.systems.words import Words
from undertone.tasks import Classes, Dimensions
from undertone.tasks.draws import LabelDraw
from undertone.training.normalise import Normaliser

COLUMNS = ("a", "b", "c", "d")
N, N_LABELS, N_WORDS = 260, 40, 6
EMOTIONS = ("anger", "neutral", "sadness")
NAMES = [f"u{i:03d}" for i in range(N)]
TRAINED, TESTED = NAMES[:180], NAMES[180:]


def planted_words(rng, hidden, *, sentences=None):
    """Words whose vectors hold this number, twelve times as large as it and not about zero."""
    noise = rng.normal(size=(N, N_WORDS))
    vectors = 4 + 12 * (np.outer(hidden, rng.normal(size=N_WORDS)) + 0.5 * noise)
    values = dict(zip(NAMES, vectors.astype(np.float32), strict=True))
    said = sentences or {name: f"sentence {name}" for name in NAMES}
    return Words(Reader("text:nowhere", "0" * 64, N_WORDS), values, said, "digest")


def planted_frames(rng, hidden):
    """Twelve frames an utterance about a mean that holds this number."""
    direction = rng.normal(size=len(COLUMNS))
    return {
        name: (3 + 0.2 * (h * direction + rng.normal(size=(12, len(COLUMNS))))).astype(np.float32)
        for name, h in zip(NAMES, hidden, strict=True)
    }


def problem_of(rng, task, truth, *, voice, words, missing=()):
    """Labels of 40 utterances, a crowd of 180, 80 to test; six training speakers."""
    who = {name: f"s{i % 6}" for i, name in enumerate(TRAINED)}
    frames = planted_frames(rng, voice)
    known = planted_words(rng, words)
    known = replace(known, values={n: v for n, v in known.values.items() if n not in missing})
    material = Material(
        frames=frames.__getitem__,
        columns=COLUMNS,
        normaliser=Normaliser(np.zeros(4), np.ones(4), 1),
        shape=EncoderConfig(),
        crowd=who,
        words=known,
    )
    labelled = TRAINED[:N_LABELS]
    by_name = dict(zip(NAMES, truth, strict=True))
    return Problem(
        material=material,
        task=task,
        labels=LabelDraw(labelled, []),
        test=TESTED,
        truth={name: by_name[name] for name in labelled},
        speaker={name: who[name] for name in labelled},
        seed=5,
    ), np.stack([by_name[name] for name in TESTED])


def of_amounts(rng, **changes):
    """Arousal is in the voice, valence in the words."""
    voice, words = rng.normal(size=(2, N))
    truth = 4 + 0.3 * np.column_stack([voice, words])
    task = Dimensions(("arousal", "valence"), 1.0, 7.0)
    return problem_of(rng, task, truth, voice=voice, words=words, **changes)


def of_classes(rng, *, told_by, **changes):
    """Three emotions, in the voice or in the words."""
    kinds = np.arange(N) % 3
    hidden = kinds + 0.4 * rng.normal(size=N) - 1
    noise = rng.normal(size=N)
    voice, words = (hidden, noise) if told_by == "voice" else (noise, hidden)
    truth = np.eye(3)[kinds]
    return problem_of(rng, Classes(EMOTIONS), truth, voice=voice, words=words, **changes)
