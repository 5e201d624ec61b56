"""One rater at work on one log: which clips are out, what was said, what is taken back.

In:  clips, a log, the rater; requests of any number of tabs.
Out: ``Session``: clips to hear, labels in the log, counts.

A clip that was handed to one tab is leased to it: no other tab gets it while the first one shows
signs of life. A label counts even when its lease has run out: nothing that somebody said is thrown
away, and of two labels by one rater the later one counts.
"""

import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from undertone.annotation.choosing import Aim, Choice, Chooser, Known
from undertone.annotation.clips import Clips
from undertone.annotation.log import LabelLog, now
from undertone.annotation.raters import Raters, compare
from undertone.annotation.sound import Sounds
from undertone.corpora.label_log.log import Label
from undertone.corpora.label_log.reader import given_label, mean_of
from undertone.errors import UndertoneError, printable

UNSURE = "the model cannot decide here: you will see between what once you have answered"
LEASE_S = 90.0  # without a sign of life
HELD = 3  # clips that a tab may hold ahead
FORGOTTEN = "it was taken back on an earlier page"


@dataclass
class Lease:
    """A clip in somebody's tab."""

    tab: str
    until: float
    why: str


@dataclass(frozen=True)
class Said:
    """What a page sends of a clip.

    Attributes:
        id: made by the page.
        clip: number.
        answer: one of ``label_log.ANSWERS``.
        shares: by emotion.
        amounts: of arousal and valence.
        shown: what the page tells of itself: plays, seconds, width.
    """

    id: str
    clip: int
    answer: str
    shares: Mapping[str, float] = field(default_factory=dict)
    amounts: Mapping[str, float] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)


class Session:
    """All that pages ask for; safe to use from several threads."""

    def __init__(
        self, clips: Clips, log: LabelLog, *, rater: str, aim: Aim, sliders: bool = False
    ) -> None:
        self.clips, self.log, self.rater = clips, log, rater
        self.aim, self.sliders, self.sounds = aim, sliders, Sounds()
        self.number = {clip.utterance: i for i, clip in enumerate(clips.clips)}
        self._leases: dict[int, Lease] = {}
        self._unplayed: set[int] = set()  # in this session: it may be mended before the next
        self._reasons: dict[int, str] = {}
        self._lock = threading.RLock()
        self._raters: tuple[int, Raters] | None = None
        given = map(given_label, (clip.facts for clip in clips.clips))
        self.given = [label for label in given if label is not None]
        self.chooser = Chooser(
            clips.speakers, [str(clip.file) for clip in clips.clips], aim, self.known
        )

    def known(self) -> Known:
        """What a choice may look at."""
        with self._lock:
            labels = self.log.refresh().in_force()
            by_number = self._emotions([*self.given, *labels])
            mine = {self.number[u] for u in self._mine(labels) if u in self.number}
            others = {
                self.number[label.utterance]
                for label in labels
                if label.rater != self.rater and label.utterance in self.number
            }
            return Known(by_number, mine, {*self._leased(), *self._unplayed}, others)

    def next(self, tab: str, have: Collection[int], n: int = 2) -> list[Choice]:
        """Clips for a tab, besides those it has, which stay its own."""
        with self._lock:
            self.renew(tab, have)
            n = min(n, HELD - len(set(have)))
            chosen = self.chooser.take(n, have) if n > 0 else []
            for choice in chosen:
                self._lease(choice.index, tab, choice.why)
            return chosen

    def renew(self, tab: str, have: Collection[int]) -> None:
        """A sign of life of a tab; clips that it no longer shows are free again."""
        with self._lock:
            for index, lease in list(self._leases.items()):
                if lease.tab == tab and index not in have:
                    del self._leases[index]
            leased = self._leased()
            for index in have:
                if 0 <= index < len(self.clips) and leased.get(index, tab) == tab:
                    self._lease(index, tab, self._reasons.get(index, ""))

    def release(self, tab: str) -> None:
        """A tab is gone."""
        self.renew(tab, ())

    def wav(self, index: int) -> bytes:
        """The sound of a clip; one that cannot be played is noted, and not chosen again.

        Raises:
            UndertoneError: it cannot be played.
        """
        clip = self.clips[index]
        try:
            return self.sounds.wav(clip)
        except UndertoneError as error:
            with self._lock:
                self._unplayed.add(index)
                self._leases.pop(index, None)
            self.log.unplayed(clip.utterance, printable(str(error)))
            raise

    def label(self, tab: str, said: Said) -> bool:
        """Write what was said; return whether it was new. It is on the disk then.

        Raises:
            UndertoneError: it cannot be written, or the clip is gone.
        """
        clip = self.clips[said.clip]
        label = Label(
            said.id,
            rater=self.rater,
            at=now(),
            utterance=clip.utterance,
            heard=self._heard(said.clip),
            answer=said.answer,
            shares=said.shares,
            amounts=said.amounts,
            shown={**self._shown(said.clip), **said.shown},
        )
        was_new = self.log.label(label)
        with self._lock:
            if said.clip in self._leases and self._leases[said.clip].tab == tab:
                del self._leases[said.clip]
        return was_new

    def undo(self, tab: str, identity: str) -> Label | None:
        """Take back this rater's last label in force; None where there is none.

        The same id again takes nothing more back.
        """
        with self._lock:
            log = self.log.refresh()
            done = next((of for of, by in log.undone.items() if by == identity), None)
            if done is None:
                last = next(reversed(self.mine_in_order()), None)
                if last is None:
                    return None
                self.log.undo(last.id, rater=self.rater, identity=identity)
                done = last.id
            label = log.labels[done]
            if (index := self.number.get(label.utterance)) is not None:
                self._lease(index, tab, str(label.shown.get("reason") or FORGOTTEN))
            return label

    def mine_in_order(self) -> list[Label]:
        """This rater's labels in force, as they were given."""
        standing = self.log.log.standing()
        return [label for label in standing if label.rater == self.rater]

    def counts(self) -> dict[str, Any]:
        """How much is done, by this rater and by all."""
        with self._lock:
            labels = self.log.refresh().in_force()
            mine = [label for label in labels if label.rater == self.rater]
            by_emotion = Counter(label.emotion for label in mine if label.shares)
            answers = Counter(label.answer for label in mine)
            heard = {label.utterance for label in (*labels, *self.given)}
            return {
                "mine": len(mine),
                "by_emotion": {name: by_emotion.get(name, 0) for name in self.aim.emotions},
                "by_answer": dict(answers),
                "all_by_emotion": dict(self.learnable()[0]),
                "given": len(self.given),
                "everyone": len(heard & self.number.keys()),
                "clips": len(self.clips),
                "unplayed": len(self._unplayed),
                "speakers": self.clips.n_speakers,
            }

    def learnable(self) -> tuple[Counter[str], Counter[str]]:
        """By emotion the utterances of all raters, and those of them whose speaker is known."""
        with self._lock:
            by_number = self._emotions([*self.given, *self.log.refresh().in_force()])
            known = {i: name for i, name in by_number.items() if self.clips[i].speaker is not None}
            counted = Counter(dict.fromkeys(self.aim.emotions, 0))
            counted.update(by_number.values())
            return counted, Counter(known.values())

    def n_with_emotion(self) -> int:
        """Utterances that a model could learn from."""
        with self._lock:
            everyone = [*self.given, *self.log.refresh().in_force()]
            return len({label.utterance for label in everyone if label.shares})

    def raters(self) -> Raters:
        """Agreement; of clips in dispute only those that this rater has labelled."""
        with self._lock:
            log = self.log.refresh()
            if self._raters is None or self._raters[0] != log.n_lines:
                speakers = {clip.utterance: clip.speaker for clip in self.clips.clips}
                everyone = [*self.given, *log.in_force()]
                self._raters = (log.n_lines, compare(everyone, speakers))
            return self._raters[1]

    def _mine(self, labels: Sequence[Label]) -> set[str]:
        return {label.utterance for label in labels if label.rater == self.rater}

    def _emotions(self, labels: Sequence[Label]) -> dict[int, str]:
        """By number the emotion with the largest share among all raters."""
        shares = mean_of(labels, lambda label: label.shares, 0.0)
        return {
            self.number[name]: max(of_one, key=of_one.__getitem__)
            for name, of_one in shares.items()
            if name in self.number
        }

    def _leased(self) -> dict[int, str]:
        """The tab by number of a clip that is out."""
        moment = time.monotonic()
        self._leases = {i: one for i, one in self._leases.items() if one.until > moment}
        return {i: one.tab for i, one in self._leases.items()}

    def _lease(self, index: int, tab: str, why: str) -> None:
        self._reasons[index] = why
        self._leases[index] = Lease(tab, time.monotonic() + LEASE_S, why)

    def shown_why(self, index: int) -> str:
        """Why a clip comes now, without an emotion in it: what a model guesses would be an answer.

        The whole reason is for afterwards.
        """
        reason = self._reasons.get(index, "")
        return UNSURE if any(name in reason for name in self.aim.emotions) else reason

    def reason(self, index: int) -> str:
        """Why a clip came."""
        return self._reasons.get(index, "")

    def _heard(self, index: int) -> dict[str, Any]:
        clip = self.clips[index]
        names = ("file", "start_s", "end_s", "speaker", "sex", "language", "transcript")
        facts = {name: clip.facts[name] for name in names if clip.facts.get(name) is not None}
        return {**facts, "digest": self.sounds.digest_heard(clip)}

    def _shown(self, index: int) -> dict[str, Any]:
        return {
            "emotions": list(self.aim.emotions),
            "sliders": self.sliders,
            "strategy": self.aim.strategy,
            "why": self.shown_why(index),
            "reason": self._reasons.get(index, ""),
        }
