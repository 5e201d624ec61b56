"""A model and a recording in, emotions over time out.

In:  a model folder, and a recording of any length.
Out: ``Timeline``.

The recording is decoded twice, block by block, once to find speech and once to cut the windows, so
that memory does not grow with its length. What was predicted is kept as it goes where a place for
it is named, and a run that was stopped goes on there.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from undertone.audio import SAMPLE_RATE
from undertone.errors import UndertoneError
from undertone.features import speech
from undertone.features.speech import Stretch
from undertone.progress import Progress
from undertone.serving.hearing import doubt_of_sound
from undertone.serving.promise import promise
from undertone.serving.sureness import Judge, Terms
from undertone.serving.timeline import sound, turns, windows
from undertone.serving.timeline.kept import Kept
from undertone.serving.timeline.result import Timeline, Track
from undertone.serving.timeline.windows import Window, WindowConfig

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

EACH = "each"
BATCH = 16  # windows that an encoder hears at once
TOO_QUIET = "too quiet"


class NoSpeechError(UndertoneError):
    """Nobody speaks in a recording that can be read."""


SEARCHED, HEARD = "seconds searched for speech", "windows heard"


@dataclass(frozen=True)
class Where:
    """Where to look for speech, and how.

    Attributes:
        channel: counted from 1, ``mix`` for the average of all, or ``each``.
        detector: of speech: ``auto``, ``silero`` or ``energy``.
        segments: a file of turns (RTTM, TextGrid, ELAN, a table) in place of the detector.
    """

    channel: str = sound.MIX
    detector: str = "auto"
    segments: Path | None = None


def timeline(
    model: "Recogniser | Path | str | None",
    file: Path | str,
    *,
    settings: WindowConfig | None = None,
    where: Where | None = None,
    terms: Terms | None = None,
    kept: Path | None = None,
    progress: Progress | None = None,
) -> Timeline:
    """Listen to a recording over time.

    Args:
        model: a recogniser, or its folder; None for the starter model.
        file: of any length, rate and channel count.
        settings: how the windows lie.
        where: to look for speech; in all channels together by default.
        terms: how sure an answer must be.
        kept: folder in which predictions are kept as they are made, so that a run that was stopped
            can go on. It holds what was heard with other settings, too, and is the caller's to
            remove.
        progress: on which work is counted.

    Raises:
        UndertoneError: the model or the recording cannot be used, or the model cannot meet the
            terms.
        NoSpeechError: nobody speaks in it.
    """
    from undertone.serving.predict import loaded

    settings, where, file = settings or WindowConfig(), where or Where(), Path(file)
    recogniser = loaded(model)
    judge = Judge.of(recogniser, terms or Terms())
    progress = progress or Progress(shown=False)
    found = _speech(file, where, progress)
    places = {
        c: windows.windows_of(stretches, settings) for c, stretches in found.stretches.items()
    }
    if not any(len(of_channel) for of_channel in places.values()):
        raise NoSpeechError(_nobody(file, found))
    progress.add(HEARD, sum(map(len, places.values())))
    tracks = []
    for channel, of_channel in places.items():
        with Kept(kept, _identity(recogniser, file, channel)) as known:
            heard = _Cut(file, channel, tuple(of_channel))
            values, doubts = _predict(recogniser, heard, known, partial(progress.advance, HEARD))
        if not judge.terms.anyway:
            values[[doubt is not None for doubt in doubts]] = np.nan
        tracks.append(Track(channel, found.stretches[channel], of_channel, values, doubts))
    said = Timeline(
        *(file, found.lasts_s, recogniser.task, settings, tuple(tracks), found.detector),
        judge=judge,
        promise=promise(recogniser),
    )
    return replace(said, notes=tuple(_notes(said, recogniser)))


@dataclass(frozen=True)
class _Speech:
    """What was found before anything was predicted, by channel."""

    stretches: dict[str, list[Stretch]]
    lasts_s: float
    detector: str


def _speech(file: Path, where: Where, progress: Progress) -> _Speech:
    channels = _channels(file, where.channel)
    if where.segments is not None:
        return _told(file, where.segments, channels, progress)
    detector, stretches, lasts_s = speech.chosen(where.detector), {}, 0.0
    advance = _searching(file, len(channels), progress)
    for channel in channels:
        counted = _Counted(sound.blocks(file, channel), advance)
        stretches[channel] = speech.find_speech(counted, detector)
        lasts_s = counted.lasts_s
    return _Speech(stretches, lasts_s, detector)


def _searching(file: Path, n_channels: int, progress: Progress) -> Callable[[int], None]:
    """What counts seconds, where the header tells how many there are."""
    lasts_s = sound.told_s(file)
    if lasts_s is None:
        return lambda n: None
    progress.add(SEARCHED, n_channels * int(lasts_s))
    return partial(progress.advance, SEARCHED)


def _told(file: Path, segments: Path, channels: Sequence[str], progress: Progress) -> _Speech:
    """Turns of a file: those of a channel where they name it, and none beyond the recording."""
    told = turns.read_turns(segments, file)
    counted = _Counted(sound.blocks(file), _searching(file, 1, progress))
    for _ in counted:
        pass
    lasts_s = counted.lasts_s
    if beyond := [turn for turn in told if turn.start_s >= lasts_s]:
        raise UndertoneError(
            f"{segments}: {len(beyond)} of {len(told)} turns begin after {file.name} ends "
            f"({beyond[0].start_s:.1f} s of {lasts_s:.1f} s): are they of this recording, and in "
            "seconds?"
        )
    inside = [replace(turn, end_s=min(turn.end_s, round(lasts_s, 3))) for turn in told]
    if channels == [sound.MIX]:
        return _Speech({sound.MIX: inside}, lasts_s, segments.name)
    of_each = {c: [t for t in inside if t.channel in ("", c)] for c in channels}
    return _Speech(of_each, lasts_s, segments.name)


def _channels(file: Path, wanted: str) -> list[str]:
    if wanted == sound.MIX:
        return [sound.MIX]
    there = sound.n_channels(file)
    if wanted == EACH:
        return [str(i + 1) for i in range(there)]
    if not wanted.isdecimal() or not 1 <= int(wanted) <= there:
        raise UndertoneError(
            f"{file} has {there} channel(s), and none called {wanted!r}: --channel takes 1 to "
            f"{there}, {sound.MIX} or {EACH}"
        )
    return [wanted]


@dataclass(frozen=True)
class _Cut:
    """Windows of one channel of a recording."""

    file: Path
    channel: str
    windows: tuple[Window, ...]

    def waveforms(self, places: Sequence[int]) -> Iterator[np.ndarray]:
        """(n_samples,) of each."""
        spans = [
            (round(w.start_s * SAMPLE_RATE), round(w.end_s * SAMPLE_RATE))
            for w in (self.windows[i] for i in places)
        ]
        return sound.cut(sound.blocks(self.file, self.channel), spans)


def _predict(
    recogniser: "Recogniser", heard: _Cut, known: Kept, advance: Callable[[int], None]
) -> tuple[np.ndarray, list[str | None]]:
    """(n_windows, n_outputs), NaN of a window that is too quiet; what speaks against judging it."""
    from undertone.features.extractors import get
    from undertone.tasks import CHOICE

    extractor = get(recogniser.inputs.features)
    values = np.full((len(heard.windows), len(recogniser.task.outputs)), np.nan)
    doubts: list[str | None] = [TOO_QUIET] * len(heard.windows)
    missing = []
    for place, window in enumerate(heard.windows):
        if (before := known.find(window.start_s, window.end_s)) is not None:
            values[place], doubts[place] = before
        else:
            missing.append(place)
    advance(len(heard.windows) - len(missing))
    waveforms = heard.waveforms(missing)
    for first in range(0, len(missing), BATCH):
        batch = missing[first : first + BATCH]
        sounds = _sounds(list(islice(waveforms, len(batch))))
        frames = _frames(sounds, extractor)
        for place, sound_of, of_window in zip(batch, sounds, frames, strict=True):
            window = heard.windows[place]
            if sound_of is not None and of_window is not None:
                doubt = doubt_of_sound(recogniser, sound_of, of_window)
                values[place], unlike = recogniser.judge(of_window)
                doubts[place] = found.what if (found := doubt or unlike) else None
            known.add(window.start_s, window.end_s, values[place], doubts[place])
        advance(len(batch))
    if (task := recogniser.task).kind != CHOICE:
        values = values.clip(task.low, task.high)
    return values, doubts


def _sounds(waveforms: Sequence[np.ndarray]) -> list[np.ndarray | None]:
    """Each as ``audio`` gives it; None of one that is no sound."""
    from undertone import audio

    fit: list[np.ndarray | None] = []
    for waveform in waveforms:
        try:
            fit.append(audio.from_array(waveform, SAMPLE_RATE, name="a window"))
        except UndertoneError:
            fit.append(None)
    return fit


def _frames(waveforms: Sequence[np.ndarray | None], extractor: Any) -> list[np.ndarray | None]:
    """Frames of each; None of one that is no sound. An encoder hears them together."""
    from undertone.features.workers import compute_waveform
    from undertone.processes import one_thread

    sounds = [waveform for waveform in waveforms if waveform is not None]
    if extractor.stack is None:
        found = [compute_waveform(waveform, extractor) for waveform in sounds]
    else:
        with one_thread():
            layers = extractor.stack.compute(sounds) if sounds else []
        found = [np.asarray(extractor.stack.frames(one), np.float32) for one in layers]
    each = iter(found)
    return [None if waveform is None else next(each) for waveform in waveforms]


class _Counted:
    """Blocks that go by, counted in seconds."""

    def __init__(self, blocks: Iterator[np.ndarray], advance: Callable[[int], None]) -> None:
        self._blocks, self._advance, self.lasts_s = blocks, advance, 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            before, self.lasts_s = self.lasts_s, self.lasts_s + len(block) / SAMPLE_RATE
            self._advance(int(self.lasts_s) - int(before))
            yield block


def _identity(recogniser: "Recogniser", file: Path, channel: str) -> dict[str, Any]:
    """All that a prediction depends on, beside its window."""
    from undertone import __version__, seals

    return {
        "audio": seals.digest_of_file(file),
        "channel": channel,
        "doubts": True,
        "features": f"{recogniser.inputs.features} {recogniser.inputs.version}",
        "model": _digest_of(recogniser),
        "task": {"name": recogniser.task.name, **asdict(recogniser.task)},
        "undertone": __version__,
    }


def _digest_of(recogniser: "Recogniser") -> str:
    """Of all weights, those of encoders among them."""
    from undertone.systems.fitted import arrays

    together = hashlib.sha256(str(recogniser.fitted.config()).encode())
    parts = [recogniser.fitted.tensors(), *map(arrays, recogniser.encoders.values())]
    for name, array in (pair for part in parts for pair in sorted(part.items())):
        together.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return together.hexdigest()


def _notes(heard: Timeline, recogniser: "Recogniser") -> Iterator[str]:
    for track in heard.tracks:
        if short := windows.too_short(track.stretches):
            what = "stretch of speech" if short == 1 else "stretches of speech"
            yield (
                f"{short} {what}{_of(track)} {'is' if short == 1 else 'are'} shorter than "
                f"{windows.SHORTEST_S:g} s and not judged"
            )
        rows = replace(heard, tracks=(track,)).rows()
        doubts = Counter(row["doubt"] for row in rows if row["doubt"] is not None)
        if doubts:
            told = ", ".join(f"{doubt} {n}" for doubt, n in doubts.items())
            n = doubts.total()
            what = f"1 window{_of(track)} gives" if n == 1 else f"{n} windows{_of(track)} give"
            yield f"{what} cause for doubt: {told}"
        if not len(track.windows):
            yield f"nobody speaks{_of(track)}"
    if instead := recogniser.instead(None):
        yield f"no transcript is known: {instead} answered"


def _of(track: Track) -> str:
    return "" if track.channel == sound.MIX else f" on channel {track.channel}"


def _nobody(file: Path, found: _Speech) -> str:
    short = sum(map(windows.too_short, found.stretches.values()))
    what = f"but {short} stretches shorter than {windows.SHORTEST_S:g} s" if short else "at all"
    return (
        f"no speech was found in the {found.lasts_s:.0f} s of {file} {what} (detector "
        f"{found.detector}); where somebody speaks nevertheless, tell where with --segments, or "
        "try another --detector"
    )
