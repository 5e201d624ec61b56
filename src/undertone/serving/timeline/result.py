"""What a recogniser says of a recording over time.

In:  windows and what was predicted of each.
Out: ``Timeline``: its windows as a table, its steps and spells for people.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from undertone.features.speech import Stretch
from undertone.serving.sureness import Judge, Terms, named
from undertone.serving.timeline.windows import Step, Window, WindowConfig, steps_of
from undertone.tasks import CHOICE
from undertone.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


TOO_SHORT = "too short"  # of speech that no window hears


@dataclass(frozen=True)
class Track:
    """One channel of the recording, or all of them averaged.

    Attributes:
        channel: counted from 1, or ``mix``.
        stretches: of speech.
        windows: inside them.
        values: (n_windows, n_outputs) probabilities, or amounts; NaN of what is not judged.
        doubts: of each window what speaks against judging it, or None; none of them known if empty.
    """

    channel: str
    stretches: Sequence[Stretch]
    windows: Sequence[Window]
    values: np.ndarray
    doubts: Sequence[str | None] = ()


@dataclass(frozen=True)
class Spell:
    """Steps in a row of which the same emotion is the likeliest.

    Attributes:
        start_s: in the recording.
        end_s: in the recording.
        emotion: the likeliest; "" of amounts.
        value: its mean probability.
    """

    start_s: float
    end_s: float
    emotion: str
    value: float


@dataclass(frozen=True)
class Timeline:
    """A recording, window by window.

    Attributes:
        file: of the recording.
        lasts_s: in seconds.
        task: what is predicted.
        settings: how the windows lie.
        tracks: one, or one a channel.
        detector: what found the speech: ``silero``, ``energy``, or the name of a file of turns.
        notes: what weakens it.
        judge: of how sure an answer must be; all are given where there is none.
        promise: of the model, in sentences.
    """

    file: Path
    lasts_s: float
    task: Task
    settings: WindowConfig
    tracks: tuple[Track, ...]
    detector: str
    notes: tuple[str, ...] = ()
    judge: Judge | None = None
    promise: str = ""

    def __repr__(self) -> str:
        n = sum(len(track.windows) for track in self.tracks)
        return f"Timeline({self.file.name}: {n} windows in {self.speech_s:.0f} s of speech)"

    @cached_property
    def speech_s(self) -> float:
        """Seconds of speech, of all channels together."""
        return sum(s.end_s - s.start_s for track in self.tracks for s in track.stretches)

    @property
    def least(self) -> float:
        """Probability below which no emotion is named."""
        terms = self.judge.terms if self.judge else Terms()
        return 0.0 if terms.anyway else terms.min_probability or 0.0

    def steps(self, track: Track) -> list[Step]:
        """What is said of each moment of a channel."""
        known = self._steps.get(id(track))
        return self._steps_of(track) if known is None else list(known)

    @cached_property
    def _steps(self) -> dict[int, list[Step]]:
        """By track, because pages ask for them many times, and of a day there are many."""
        return {id(track): self._steps_of(track) for track in self.tracks}

    def _steps_of(self, track: Track) -> list[Step]:
        return steps_of(track.windows, track.values, self.settings)

    def covering(self, track: Track) -> list[Step]:
        """Its steps, the last of each stretch until it ends, as windows may not."""
        steps = self.steps(track)
        for i in {step.stretch: i for i, step in enumerate(steps)}.values():
            end_s = max(steps[i].end_s, track.stretches[steps[i].stretch].end_s)
            steps[i] = replace(steps[i], end_s=end_s)
        return steps

    def doubtful(self, track: Track) -> list[tuple[float, float, str]]:
        """Speech against which something speaks: from, to and what, in order."""
        judge, lone = self.judge or Judge(self.task), set(range(len(track.stretches)))
        starts = [window.start_s for window in track.windows]
        found: list[tuple[float, float, str]] = []
        for step in self.covering(track):
            lone.discard(step.stretch)
            values = None if np.isnan(step.values).any() else step.values
            if doubt := judge.answer(values, self._doubt_at(track, starts, step)).doubt:
                found.append((step.start_s, step.end_s, doubt))
        short = (track.stretches[i] for i in lone)
        found += [(s.start_s, s.end_s, TOO_SHORT) for s in short]
        return _joined(sorted(found))

    def _doubt_at(self, track: Track, starts: Sequence[float], step: Step) -> str | None:
        """What speaks against most windows that hear a step, if something does against all."""
        at_s = step.start_s + 1e-6
        first = bisect_left(starts, at_s - self.settings.window_s - 1)
        near = slice(first, bisect_right(starts, at_s))
        pairs = zip(track.windows[near], track.doubts[near], strict=False)
        doubts = [
            doubt
            for window, doubt in pairs
            if window.stretch == step.stretch and window.start_s <= at_s < window.end_s
        ]
        if not doubts or None in doubts:
            return None
        return Counter(doubts).most_common(1)[0][0]

    def spells(self, track: Track) -> list[Spell]:
        """Steps in a row with the same likeliest emotion, across pauses shorter than a window.

        Steps in which it is less probable than was asked for are of no spell.
        """
        if self.task.kind != CHOICE:
            return []
        spells: list[list[Any]] = []
        for step in self.steps(track):
            if np.isnan(step.values).any():
                continue
            likeliest = int(step.values.argmax())
            if step.values[likeliest] < self.least:
                continue
            near = spells and step.start_s - spells[-1][1] < self.settings.window_s
            if near and spells[-1][2] == likeliest:
                spells[-1][1] = step.end_s
                spells[-1][3].append(step.values[likeliest])
            else:
                spells.append([step.start_s, step.end_s, likeliest, [step.values[likeliest]]])
        return [
            Spell(start, end, str(self.task.outputs[k]), float(np.mean(values)))
            for start, end, k, values in spells
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Plain values, a row a window, as the table holds them."""
        return [
            self._row(track, window, values, doubt)
            for track in self.tracks
            for window, values, doubt in zip(
                *(track.windows, track.values, track.doubts or [None] * len(track.windows)),
                strict=True,
            )
        ]

    def to_frame(self) -> "pd.DataFrame":
        """A row a window; audformat's index ``file, start, end`` (timedeltas)."""
        import pandas as pd

        frame = pd.DataFrame(self.rows(), columns=self.columns)
        times = {
            name: pd.to_timedelta(frame[name].astype(float), unit="s") for name in ("start", "end")
        }
        frame = frame.assign(**times)
        return frame.set_index(["file", "start", "end"])

    @property
    def columns(self) -> list[str]:
        """Of the table."""
        terms = self.judge.terms if self.judge else Terms()
        return ["file", "start", "end", "channel", "speaker", *terms.columns(self.task)]

    def _row(
        self, track: Track, window: Window, values: np.ndarray, doubt: str | None
    ) -> dict[str, Any]:
        judge = self.judge or Judge(self.task)
        said = judge.answer(None if np.isnan(values).any() else values, doubt)
        speaker = track.stretches[window.stretch].speaker
        place = [str(self.file), window.start_s, window.end_s, track.channel, speaker]
        cells = dict.fromkeys(self.columns) | dict(zip(self.columns, place, strict=False))
        return cells | named(said, is_choice=self.task.kind == CHOICE)


def _joined(pieces: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Pieces that touch and say the same are one."""
    joined: list[tuple[float, float, str]] = []
    for start, end, text in pieces:
        if joined and start - joined[-1][1] < 1e-6 and joined[-1][2] == text:
            joined[-1] = (joined[-1][0], end, text)
        else:
            joined.append((start, end, text))
    return joined
