"""What a fit tells of its crowd, in sentences: who was in it, and whether it taught.

In:  the notes of a fit.
Out: sentences, for a model card.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def told_of_fit(notes: Mapping[str, Any]) -> Iterator[str]:
    """On self-training and on speech of other corpora; nothing of a fit without a crowd."""
    if (told := notes.get("self_training")) is not None:
        like = "" if told["likeness"] is None else f" (likeness {told['likeness']:.2f} of 1)"
        yield f"Self-training: {'on' if told['on'] else 'off'}, because {told['why']}{like}."
    crowd = notes.get("crowd", {})
    if crowd.get("elsewhere_given"):
        used, given = crowd["elsewhere"], crowd["elsewhere_given"]
        some = f"{used} of {given}" if used < given else f"{given}"
        yield (
            f"The crowd held {crowd['own']} utterances of the training speakers and {some} of "
            f"unlabelled corpora, which {crowd['use']}."
        )
