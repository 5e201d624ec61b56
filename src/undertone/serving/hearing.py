"""What a recogniser hears in one recording, and what speaks against an answer.

In:  a recogniser, an ``Item``, perhaps its transcript.
Out: ``Heard``: values, a note and a doubt.

A recording is read part by part (``audio.streaming``); of a long one the answer is the mean of its
parts' answers, each by how long it is, and memory does not grow with it. Parts in which nobody
speaks, or that are too noisy or unlike all training speech, count only where there are no others.
"""

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from undertone.errors import UndertoneError
from undertone.serving.given import Item

if TYPE_CHECKING:
    import numpy as np

    from undertone.features.spoken import Doubt
    from undertone.recogniser.folder import Recogniser

MUCH_SILENCE = 0.1  # of a recording, before and behind the sound
OF_SPEECH_ALONE = (("descriptors", "log_mel"),)  # systems and features that leave silence out
LONG_S = 20.0  # beyond which one answer covers more than people show of one emotion


@dataclass(frozen=True)
class Heard:
    """What was heard in a recording.

    Attributes:
        values: (n_outputs,) what the recogniser says; None where nothing was asked of it.
        doubt: what speaks against judging it.
        note: what weakens an answer.
        instead: what answered because no transcript was known; or "".
    """

    values: "np.ndarray | None"
    doubt: "Doubt | None" = None
    note: str | None = None
    instead: str = ""


@dataclass
class _Parts:
    """Parts of a recording as they are heard.

    Attributes:
        values: (n_outputs,) by part; None where nothing was asked.
        doubts: by part.
        lengths: in samples.
        silent_s: of digital silence at their ends.
        lasts_s: of the recording.
    """

    values: "list[np.ndarray | None]" = field(default_factory=list)
    doubts: "list[Doubt | None]" = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    silent_s: float = 0.0
    lasts_s: float = 0.0

    def answer(self) -> "tuple[np.ndarray | None, Doubt | None, list[int]]":
        """The mean of the parts that count, a doubt where none does, and which count."""
        import numpy as np

        counting = [i for i, doubt in enumerate(self.doubts) if doubt is None]
        doubt = None
        if not counting:
            counting = list(range(len(self.doubts)))
            doubt = self.doubts[max(counting, key=self.lengths.__getitem__)]
        values = [value for i in counting if (value := self.values[i]) is not None]
        if not values:
            return None, doubt, counting
        weights = [self.lengths[i] for i in counting]
        mean = values[0] if len(values) == 1 else np.average(values, axis=0, weights=weights)
        return mean, doubt, counting


def hear(
    recogniser: "Recogniser",
    item: Item,
    words: Callable[[], str | None] = lambda: None,
    *,
    name: str = "MODEL",
    anyway: bool = False,
) -> Heard:
    """Hear a recording.

    Args:
        recogniser: that is asked.
        item: the recording.
        words: gives its transcript.
        name: of the model, in commands that notes name.
        anyway: ask it, too, where something speaks against judging the recording.

    Raises:
        UndertoneError: the recording cannot be used.
    """
    from undertone import audio

    parts, transcript = _Parts(), None
    for stretch in _stretches(item):
        parts.lasts_s += stretch.lasts_s
        if stretch.waveform is None:
            parts.silent_s += stretch.lasts_s
            continue
        parts.silent_s += audio.silence_around_s(stretch.waveform)
        transcript = transcript if parts.doubts else words()
        values, doubt = hear_waveform(recogniser, stretch.waveform, transcript, anyway=anyway)
        parts.values.append(values)
        parts.doubts.append(doubt)
        parts.lengths.append(len(stretch.waveform))
    values, doubt, counting = parts.answer()
    notes = (
        None if doubt is None else doubt.why,
        _note_on_silence(recogniser, parts.silent_s, parts.lasts_s),
        _note_on_parts(parts, counting),
        None if doubt else _note_on_length(item, parts.lasts_s, name),
    )
    note = "; ".join(filter(None, notes)) or None
    return Heard(values, doubt, note, recogniser.instead(transcript))


def hear_waveform(
    recogniser: "Recogniser",
    waveform: "np.ndarray",
    transcript: str | None = None,
    *,
    anyway: bool = False,
) -> "tuple[np.ndarray | None, Doubt | None]":
    """(n_outputs,) what a recogniser says of (n_samples,), and what speaks against it."""
    from undertone.features.extractors import get
    from undertone.features.workers import compute_waveform

    inputs, frames = recogniser.inputs, None
    if _tells_speech(inputs.features):
        frames = compute_waveform(waveform, get(inputs.features))
    doubt = doubt_of_sound(recogniser, waveform, frames)
    if doubt is not None and not anyway:
        return None, doubt
    if frames is None:
        frames = compute_waveform(waveform, get(inputs.features))
    values, unlike = recogniser.judge(frames, transcript)
    return values, doubt or unlike


def doubt_of_sound(
    recogniser: "Recogniser", waveform: "np.ndarray", frames: "np.ndarray | None"
) -> "Doubt | None":
    """Why there is nothing to judge in (n_samples,): no speech, or too little, or too noisy."""
    from undertone.features import spoken

    if frames is not None and _tells_speech(recogniser.inputs.features):
        evidence = spoken.evidence_of(frames, recogniser.inputs.columns)
    else:
        evidence = spoken.hear(waveform)
    return spoken.doubt_of(evidence)


def hear_vector(
    recogniser: "Recogniser", item: Item
) -> "tuple[np.ndarray, Doubt | None, str | None]":
    """(n_values,) of a recording, what speaks against judging it, and what weakens an answer.

    Raises:
        UndertoneError: it cannot be used, or is too long to be heard in one go.
    """
    from undertone import audio
    from undertone.features.extractors import get
    from undertone.features.workers import compute_waveform

    if item.error:
        raise UndertoneError(item.error)
    stretches = list(islice(_stretches(item), 2))
    if len(stretches) > 1:
        raise UndertoneError(
            f"{item.file} is too long to tell a voice by: cut it into recordings of one utterance"
        )
    (stretch,) = stretches
    frames = compute_waveform(stretch.waveform, get(recogniser.inputs.features))
    doubt = doubt_of_sound(recogniser, stretch.waveform, frames)
    vector = recogniser.vector(frames)
    silent_s = audio.silence_around_s(stretch.waveform)
    notes = (
        None if doubt is None else doubt.why,
        _note_on_silence(recogniser, silent_s, stretch.lasts_s),
    )
    return vector, doubt, "; ".join(filter(None, notes)) or None


def _tells_speech(features: str) -> bool:
    """Whether frames of these features tell whether somebody speaks."""
    return features == "log_mel"


def _stretches(item: Item) -> Iterator[Any]:
    from undertone import audio
    from undertone.audio import streaming

    if item.samples is None:
        return streaming.read_parts(
            item.file, start_s=item.start_s, end_s=item.end_s, channel=item.channel
        )
    samples = audio.from_array(item.samples, item.rate, name=item.file)
    return streaming.parts_of_waveform(samples)


def _note_on_silence(recogniser: "Recogniser", silent_s: float, lasts_s: float) -> str | None:
    hears_it = (recogniser.system, recogniser.inputs.features) not in OF_SPEECH_ALONE
    if not hears_it or silent_s < MUCH_SILENCE * lasts_s:
        return None
    return (
        f"{silent_s:.1f} of {lasts_s:.1f} s are digital silence at its ends, which the prediction "
        "may be of: cut it off"
    )


def _note_on_parts(parts: _Parts, counting: Sequence[int]) -> str | None:
    from undertone.audio import SAMPLE_RATE

    left_out = sum(parts.lengths) - sum(parts.lengths[i] for i in counting)
    if not left_out:
        return None
    whys = dict.fromkeys(doubt.what for doubt in parts.doubts if doubt is not None)
    return f"{left_out / SAMPLE_RATE:.0f} s of it do not count ({', '.join(whys)})"


def _note_on_length(item: Item, lasts_s: float, name: str) -> str | None:
    if lasts_s <= LONG_S:
        return None
    lasts = f"{lasts_s:.0f} s" if lasts_s < 120 else f"{lasts_s / 60:.0f} minutes"
    if item.samples is not None:
        return f"one answer covers all of its {lasts}"
    channel = [] if item.channel is None else ["--channel", str(item.channel)]
    command = shlex.join(["undertone", "timeline", name, item.file, *channel])
    return f"one answer covers all of its {lasts}: `{command}` tells what is heard when"


def place_of(item: Item) -> dict[str, Any]:
    """Where the item lies in its file, as a ``Prediction`` has it."""
    end_s = None if item.end_s is None or math.isnan(item.end_s) else item.end_s
    return {"start_s": item.start_s, "end_s": end_s, "channel": item.channel}
