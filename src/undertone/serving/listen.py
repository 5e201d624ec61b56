"""A microphone of this machine to a line in the terminal that follows the voice.

In:  a recogniser, a microphone.
Out: a line a step: how loud it is, what is heard, how sure that is. On a terminal the line is
     written over; elsewhere each is a line of its own.

Answers that would come late are left out, so that the line tells of now.
"""

import queue
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from undertone.errors import UndertoneError, needs, printable
from undertone.serving.live import NO_SPEECH, Ear, LiveConfig, Moment, answer, check_rate

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

PIECE_S = 0.05  # of sound that the microphone gives at once
MOST_PIECES = 400  # that wait: what comes beyond is lost, and counted
DEAD_S = 3.0  # without any sound, after which a microphone is gone
QUIET_DB, QUIET_S = -66.0, 4.0  # what is quieter for so long is no microphone that hears
METER_DB, METER_WIDTH = 60.0, 12
BAR_WIDTH = 10
NO_PORTAUDIO = (
    "sounddevice finds no PortAudio: install it (on Debian and Ubuntu `sudo apt-get install "
    "libportaudio2`, on macOS `brew install portaudio`)"
)
NO_MICROPHONE = "there is no microphone: connect one, and look with `undertone listen --devices`"


@dataclass(frozen=True)
class Microphone:
    """A device that hears.

    Attributes:
        number: by which it is opened.
        name: for people.
        rate: Hz, its own.
    """

    number: int
    name: str
    rate: int


def sounddevice() -> Any:
    """The package that opens microphones.

    Raises:
        UndertoneError: it is not installed, or lacks the library that it needs.
    """
    if "sounddevice" not in sys.modules:
        needs("sounddevice", extra="mic", what="microphones")
    try:
        import sounddevice as found
    except OSError:
        raise UndertoneError(NO_PORTAUDIO) from None
    return found


def microphones(sounddevice: Any) -> list[tuple[str, ...]]:
    """Number, name, channels and rate of each; the first is marked that is taken by default."""
    found = [(str(i), d) for i, d in _devices(sounddevice)]
    if not found:
        raise UndertoneError(NO_MICROPHONE)
    default = _default(sounddevice)
    return [
        (
            number,
            d["name"] + (" (default)" if int(number) == default else ""),
            str(d["max_input_channels"]),
            f"{d['default_samplerate']:.0f}",
        )
        for number, d in found
    ]


def chosen(sounddevice: Any, wanted: str | None) -> Microphone:
    """The microphone of a number or a part of its name; without, the default one.

    Raises:
        UndertoneError: there is none, or several.
    """
    devices = _devices(sounddevice)
    if not devices:
        raise UndertoneError(NO_MICROPHONE)
    if wanted is None:
        default = _default(sounddevice)
        fit = [(i, d) for i, d in devices if i == default] or devices[:1]
    elif wanted.isdecimal():
        fit = [(i, d) for i, d in devices if i == int(wanted)]
    else:
        fit = [(i, d) for i, d in devices if wanted.casefold() in d["name"].casefold()]
    if len(fit) != 1:
        names = ", ".join(f"{i} ({d['name']})" for i, d in fit or devices)
        which = "several microphones" if fit else "no microphone"
        raise UndertoneError(
            f"{which} are called {wanted!r}: --device takes the number of one of {names}"
        )
    ((number, device),) = fit
    return Microphone(number, str(device["name"]), check_rate(round(device["default_samplerate"])))


def listen(
    recogniser: "Recogniser",
    microphone: Microphone,
    settings: LiveConfig,
    *,
    sounddevice: Any,
    name: str = "MODEL",
    seconds: float | None = None,
    out: TextIO | None = None,
) -> str:
    """Listen until Ctrl-C, or for so many seconds of sound; how it went, in a sentence.

    Raises:
        UndertoneError: the microphone cannot be opened, or is gone.
    """
    session = _Session(recogniser, name, Ear(microphone.rate, settings), out or sys.stdout)
    stream = _opened(sounddevice, microphone, session)
    try:
        with stream:
            session.run(seconds)
    except KeyboardInterrupt:
        pass
    except sounddevice.PortAudioError as error:
        raise UndertoneError(_gone(microphone, error)) from None
    finally:
        session.line.end()
    return session.told(microphone)


def line_of(row: Mapping[str, Any], level_db: float, outputs: tuple[str, ...]) -> str:
    """A row of a stream, for people.

    >>> row = {"time": 2.5, "speech": True, "emotion": "joy", "p_joy": 0.75, "p_fear": 0.25}
    >>> line_of(row, -20, ("fear", "joy"))
    '    2.5 s ▕████████    ▏ joy .75 ███████▌   fear .25'
    >>> line_of({"time": 2.5, "speech": False, "note": "no speech"}, -90, ("fear", "joy"))
    '    2.5 s ▕            ▏ no speech'
    """
    filled = round(METER_WIDTH * min(1.0, max(0.0, 1 + level_db / METER_DB)))
    head = f"{row['time']:7.1f} s ▕{'█' * filled:{METER_WIDTH}}▏ "
    chooses = any(f"p_{output}" in row for output in outputs)
    values = {o: row.get(f"p_{o}" if chooses else o) for o in outputs}
    if not row["speech"] or any(value is None for value in values.values()):
        return head + printable(str(row.get("error") or row.get("note") or NO_SPEECH))
    if not chooses:
        return head + printable("  ".join(f"{o} {value:.2f}" for o, value in values.items()))
    ranked = sorted(values, key=values.__getitem__, reverse=True)  # type: ignore[arg-type]
    best = row.get("emotion") or "not sure"
    probability = float(values[ranked[0]] or 0)
    others = "  ".join(f"{o} {_short(values[o])}" for o in ranked[1:3])
    note = f"  ({row['note']})" if row.get("note") else ""
    text = f"{best} {_short(probability)} {_bar(probability):{BAR_WIDTH}} {others}{note}"
    return head + printable(text)


class _Line:
    """Where lines go: on a terminal over each other, elsewhere below each other."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._is_terminal, self._is_open = out, out.isatty(), False

    def say(self, text: str) -> None:
        if self._is_terminal:
            import shutil

            width = shutil.get_terminal_size().columns - 1
            self._out.write(f"\r\x1b[K{text[:width]}")
            self._is_open = True
        else:
            self._out.write(f"{text}\n")
        self._out.flush()

    def end(self) -> None:
        if self._is_open:
            self._out.write("\n")
            self._out.flush()


class _Session:
    """What a microphone brings, and what is said of it."""

    def __init__(self, recogniser: "Recogniser", name: str, ear: Ear, out: TextIO) -> None:
        self._recogniser, self._name, self._ear = recogniser, name, ear
        self._outputs = tuple(map(str, recogniser.task.outputs))
        self.line = _Line(out)
        self._pieces: queue.Queue[np.ndarray] = queue.Queue(MOST_PIECES)
        self._n_lost = self._n_answers = self._n_skipped = 0
        self._loud_s, self._level_db = 0.0, -np.inf

    def take(self, content: Any, n: int, _: Any, status: Any) -> None:
        """What the microphone calls on a thread of its own."""
        if status:
            self._n_lost += 1
        try:
            self._pieces.put_nowait(np.frombuffer(bytes(content), "<i2").astype(np.int16))
        except queue.Full:
            self._n_lost += 1

    def run(self, seconds: float | None) -> None:
        """Answer what comes."""
        began = time.monotonic()
        while seconds is None or self._ear.heard_s < seconds:
            try:
                pieces = [self._pieces.get(timeout=DEAD_S)]
            except queue.Empty:
                raise UndertoneError(
                    f"the microphone has been silent to the system for {DEAD_S:g} s, "
                    f"{time.monotonic() - began:.0f} s after it was opened: it is unplugged, or "
                    "another program holds it; `undertone listen --devices` lists what there is"
                ) from None
            while not self._pieces.empty():
                pieces.append(self._pieces.get_nowait())
            self._hear(np.concatenate(pieces))

    def _hear(self, samples: np.ndarray) -> None:
        self._level_db = _level_db(samples)
        moments = list(self._ear.hear(samples))
        if self._level_db > QUIET_DB:
            self._loud_s = self._ear.heard_s
        if moments:
            self._n_skipped += len(moments) - 1
            self._answer(moments[-1])

    def _answer(self, moment: Moment) -> None:
        said = answer(self._recogniser, moment.with_marks(self._ear.marks), name=self._name)
        self._ear.marks = said.marks
        self._n_answers += 1
        row = said.row
        if not row["speech"] and moment.time_s - self._loud_s > QUIET_S:
            row = {**row, "note": "nothing is heard: is the microphone muted? --devices lists all"}
        self.line.say(line_of(row, self._level_db, self._outputs))

    def told(self, microphone: Microphone) -> str:
        text = (
            f"listened to {microphone.name} for {self._ear.heard_s:.1f} s, "
            f"{self._n_answers} answers; nothing was stored"
        )
        if self._n_skipped:
            text += f"; {self._n_skipped} came too late and were left out"
        return text + (f"; sound was lost {self._n_lost} times" if self._n_lost else "")


def _devices(sounddevice: Any) -> list[tuple[int, Mapping[str, Any]]]:
    try:
        found = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise UndertoneError(f"the system tells of no devices: {error}") from None
    return [(i, one) for i, one in enumerate(found) if one["max_input_channels"] > 0]


def _default(sounddevice: Any) -> int:
    return int(sounddevice.default.device[0])


def _opened(sounddevice: Any, microphone: Microphone, session: _Session) -> Any:
    try:
        return sounddevice.RawInputStream(
            samplerate=microphone.rate,
            blocksize=round(PIECE_S * microphone.rate),
            device=microphone.number,
            channels=1,
            dtype="int16",
            callback=session.take,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise UndertoneError(_gone(microphone, error)) from None


def _gone(microphone: Microphone, error: Exception) -> str:
    return (
        f"the microphone {microphone.name} cannot be used: {error}; close other programs that use "
        "it, or name another with --device (`undertone listen --devices` lists them)"
    )


def _level_db(samples: np.ndarray) -> float:
    """Of (n_samples,) int16, dB of full scale."""
    mean = float(np.mean((samples / np.float32(32_768)) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(mean + 1e-12))


def _short(value: float | None) -> str:
    return f"{value or 0:.2f}".removeprefix("0")


def _bar(share: float) -> str:
    """A share of 1 as a bar.

    >>> _bar(0.75), _bar(0), _bar(1)
    ('███████▌', '', '██████████')
    """
    eighths = round(8 * BAR_WIDTH * min(1.0, max(0.0, share)))
    return "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
