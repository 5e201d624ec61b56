"""What a model folder tells of the teacher that taught it, in sentences.

In:  the notes of a recogniser; what a pool left out.
Out: sentences, for a card and for standard error.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from undertone.corpora.pool import PoolPart
from undertone.systems.taught import lopsided


def describe_teaching(notes: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on who taught a recogniser."""
    if "teacher" not in notes:
        return
    others = ", ".join(notes["guessed_corpora"])
    yield (
        f"The teacher was {notes['teacher']} (digest {notes['teacher_digest']}); it guessed "
        f"{notes['taught']} utterances{f' of the corpus and of {others}' if others else ''} that "
        "this model learned from, and is not needed to serve it."
    )
    yield from teaching_warnings(notes)


def teaching_warnings(notes: Mapping[str, Any]) -> Iterator[str]:
    """What was left out of the speech to be guessed; that the guesses are mostly one output."""
    if left_out := notes.get("not_guessed"):
        yield f"Left out of the speech that was guessed: {left_out}."
    guesses = notes.get("guesses", {})
    if (most := lopsided(guesses)) is not None:
        share = guesses[most] / sum(guesses.values())
        yield (
            f"The teacher takes {share:.0%} of the unlabelled speech for {most}: speech that does "
            "not hold the emotions teaches little of them."
        )


def reasons_of(parts: Sequence[PoolPart]) -> str:
    """How many utterances were left out, of pool or corpus, by reason; "" where none was."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update([*part.left_out.values(), *part.corpus.left_out["reason"]])
    return ", ".join(f"{n}, {reason}" for reason, n in counts.items())
