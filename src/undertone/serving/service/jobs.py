"""What the processes of a service do: one recording, or one moment of a stream, at a time.

In:  ``Job``, which can be sent to a process.
Out: ``Outcome``: a status of HTTP and plain values, which can be sent back.
"""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.errors import ExhaustedError, UndertoneError, printable
from undertone.serving.live import Marks, Moment, answer
from undertone.serving.service.refusals import (
    BROKEN,
    NO_SOUND,
    TOO_LARGE,
    UNAVAILABLE,
    UNUSABLE,
)
from undertone.serving.sureness import Judge, Terms

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

OK = 200
SILENT = "no speech"


@dataclass(frozen=True)
class OneAnswer:
    """A recording to one prediction."""

    path: Path
    name: str  # that the client gave it
    max_s: float
    terms: Terms = field(default_factory=Terms)
    channel: str = "mix"


@dataclass(frozen=True)
class OverTime:
    """A recording to emotions over time."""

    path: Path
    name: str
    max_s: float
    terms: Terms = field(default_factory=Terms)
    channel: str = "mix"
    window_s: float = 4.0
    hop_s: float = 1.0
    detector: str = "auto"


Job = OneAnswer | OverTime | Moment


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        body: plain values.
        status: of HTTP.
        marks: of speech, of a moment.
    """

    body: dict[str, Any]
    status: int = OK
    marks: Marks | None = None


def done(recogniser: "Recogniser", job: Job, *, model: str) -> Outcome:
    """Do a job; whatever is wrong with it is its outcome."""
    if isinstance(job, Moment):
        return _of_moment(recogniser, job, model)
    try:
        if isinstance(job, OneAnswer):
            return _one_answer(recogniser, job, model)
        return _over_time(recogniser, job)
    except ExhaustedError as error:
        return _no(UNAVAILABLE, str(error))
    except UndertoneError as error:
        status, kind = _status_of(error, job.path)
        return _no(status, in_words_of(job, str(error)), kind)
    except MemoryError:
        return _no(UNUSABLE, f"{job.name} needs more memory than there is")
    except Exception as error:
        told = f"{job.name}: {type(error).__name__}: {error} (please report it)"
        return _no(BROKEN, in_words_of(job, told))


def _of_moment(recogniser: "Recogniser", moment: Moment, model: str) -> Outcome:
    try:
        said = answer(recogniser, moment, name=model)
    except UndertoneError as error:
        return _no(UNUSABLE, str(error))
    except Exception as error:
        return _no(BROKEN, f"{type(error).__name__}: {error} (please report it)")
    return Outcome(said.row, marks=said.marks)


def _one_answer(recogniser: "Recogniser", job: OneAnswer, model: str) -> Outcome:
    from undertone.serving.given import EACH, gather
    from undertone.serving.predict import predict_item

    if job.channel == EACH:
        raise UndertoneError("one row is answered: channel takes mix or a number, from 1 on")
    _check_length(job.path, job.max_s)
    (item,) = gather([job.path], channel=job.channel).items
    judge = Judge.of(recogniser, job.terms)
    row = predict_item(recogniser, item, name=model, judge=judge).to_dict()
    if row["error"]:
        raise UndertoneError(row["error"])
    row["file"] = job.name
    row["note"] = row["note"] and in_words_of(job, row["note"])
    return Outcome(row)


def _over_time(recogniser: "Recogniser", job: OverTime) -> Outcome:
    from undertone.serving.timeline import WindowConfig, timeline
    from undertone.serving.timeline.listening import Where
    from undertone.serving.timeline.page import drawn, sentence

    settings = WindowConfig(job.window_s, job.hop_s)
    _check_length(job.path, job.max_s)
    where = Where(job.channel, job.detector)
    heard = timeline(recogniser, job.path, settings=settings, where=where, terms=job.terms)
    return Outcome(
        {
            "file": job.name,
            "seconds": round(heard.lasts_s, 3),
            "sentence": sentence(heard),
            "detector": heard.detector,
            "rows": [{**row, "file": job.name} for row in heard.rows()],
            "notes": [in_words_of(job, note) for note in heard.notes],
            "drawn": drawn(heard),
        }
    )


class _TooLongError(UndertoneError):
    """The recording lasts longer than the service takes."""


def _check_length(path: Path, max_s: float) -> None:
    """Refuse a long recording by its header, or where that tells nothing by decoding it so far."""
    import contextlib

    from undertone.audio import files

    with contextlib.closing(files.open_sound(path)) as sound:
        n = sound.n_frames
        if n is None:
            n = 0
            for block in sound.blocks(0, None):
                n += len(block)
                if n > max_s * sound.rate:
                    break
        if n > max_s * sound.rate:
            raise _TooLongError(
                f"{path} lasts more than {max_s:g} s: send a part of it, or start the service with "
                "a larger --max-seconds"
            )


def _status_of(error: UndertoneError, path: Path) -> tuple[int, str]:
    """Status and kind of what is wrong: no sound at all, too long, or sound that is of no use."""
    from undertone.audio import files, kinds
    from undertone.serving.timeline.listening import NoSpeechError

    if isinstance(error, _TooLongError):
        return TOO_LARGE, ""
    if isinstance(error, NoSpeechError):
        return UNUSABLE, SILENT
    kind = kinds.kind_of_file(path)
    is_sound = bool(kind) and not kind.startswith(("a ", "Git"))
    try:
        files.open_sound(path).close()
    except UndertoneError:
        no_decoder = kind in kinds.FOREIGN and not _has_ffmpeg()
        return (UNUSABLE if is_sound and not no_decoder else NO_SOUND), ""
    return UNUSABLE, ""


def _has_ffmpeg() -> bool:
    from undertone.audio import foreign

    return foreign.is_installed()


def _no(status: int, message: str, kind: str = "") -> Outcome:
    body = {"error": printable(message), "status": status}
    return Outcome({**body, "kind": kind} if kind else body, status)


def in_words_of(job: OneAnswer | OverTime, message: str) -> str:
    """A message that tells the client's name of the recording; quoted where a command has it.

    >>> in_words_of(OneAnswer(Path("/proc/1/fd/9"), "a b.wav", 1), "/proc/1/fd/9: `x /proc/1/fd/9`")
    "a b.wav: `x 'a b.wav'`"
    """
    pieces = re.split("(`[^`]*`)", message)
    place = re.escape(str(job.path))
    return "".join(
        re.sub(place, lambda _: shlex.quote(job.name) if i % 2 else job.name, piece)  # noqa: B023
        for i, piece in enumerate(pieces)
    )
