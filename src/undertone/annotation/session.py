"""One rater at work on one log: which clips are out, what was said, what is taken back.

In:  clips, a log, the rater; requests of any number of tabs.
Out: ``Session``: clips to hear, labels in the log, counts.

A clip that was handed to one tab is leased to it: no other tab gets it while the first one shows
signs of life. A label counts even when its lease has run out: nothing that somebody said is thrown
away, and of two labels by one rater the later one counts.
"""

import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from undertone.annotation.choosing import Aim, Choice, Chooser, Known
from undertone.annotation.clips import Clips
from undertone.annotation.hands import Hands
from undertone.annotation.learning.shown import Standing
from undertone.annotation.log import LabelLog, TakenError, now
from undertone.annotation.raters import Raters, compare
from undertone.annotation.sound import Sounds
from undertone.corpora.label_log.log import Label
from undertone.corpora.label_log.reader import digest_of, given_label, mean_of, n_with_emotion
from undertone.errors import UndertoneError, printable

UNSURE = "the model cannot decide here: you will see between what once you have answered"
LEASE_S = 90.0  # without a sign of life
HELD = 3  # clips that a tab may hold ahead
FORGOTTEN = "it was taken back on an earlier page"


@dataclass
class Lease:
    """A clip in somebody's tab.

    Attributes:
        tab: which.
        until: when it runs out.
        why: it came.
        again: whether another rater had heard it, or held it, when it was handed out.
    """

    tab: str
    until: float
    why: str
    again: bool = False


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
        self.hands = Hands(log.path, rater, LEASE_S)
        self._raters: tuple[int, Raters] | None = None
        given = map(given_label, (clip.facts for clip in clips.clips))
        self.given = [label for label in given if label is not None]
        self.chooser = Chooser(
            clips.speakers, [str(clip.file) for clip in clips.clips], aim, self.known
        )

    @cached_property
    def key(self) -> str:
        """Of all that a page takes for granted: the log, the rater, the numbers of the clips."""
        names = [clip.utterance for clip in self.clips.clips]
        told = json.dumps([self.rater, os.path.abspath(self.log.path), *names])
        return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:32]

    def known(self) -> Known:
        """What a choice may look at."""
        with self._lock:
            labels = self.log.refresh().in_force()
            by_number = self._emotions([*self.given, *labels])
            mine, others = self._answered(labels)
            others |= self._numbers(self.hands.of_others())
            return Known(by_number, mine, {*self._leased(), *self._unplayed}, others)

    def _answered(self, labels: Sequence[Label]) -> tuple[set[int], set[int]]:
        """Clips that this rater answered, and those that others did."""
        mine = {label.utterance for label in labels if label.rater == self.rater}
        others = {label.utterance for label in labels if label.rater != self.rater}
        return self._numbers(mine), self._numbers(others)

    def _numbers(self, utterances: Iterable[str]) -> set[int]:
        return {self.number[name] for name in utterances if name in self.number}

    def next(self, tab: str, have: Collection[int], n: int = 2) -> list[Choice]:
        """Clips for a tab, besides those it has, which stay its own."""
        with self._lock:
            self.renew(tab, have)
            n = min(n, HELD - len(set(have)))
            known = self.known() if n > 0 else None
            chosen = [] if known is None else self.chooser.take(n, have, known)
            for choice in chosen:
                assert known is not None
                self._lease(choice.index, tab, choice.why, again=choice.index in known.others)
            if chosen:
                self._tell_hands()
            return chosen

    def renew(self, tab: str, have: Collection[int]) -> list[int]:
        """A sign of life of a tab; clips that it no longer shows are free again.

        Returns:
            What the tab should let go of: clips that this rater answered in another tab, that are
            in another tab's hands, or that another rater answered since they were handed out.
        """
        with self._lock:
            for index, lease in list(self._leases.items()):
                if lease.tab == tab and index not in have:
                    del self._leases[index]
            mine, others = self._answered(self.log.refresh().in_force())
            leased, gone = self._leased(), list[int]()
            for index in have:
                if index in mine or leased.get(index, tab) != tab or self._is_new_to(others, index):
                    gone.append(index)
                elif index < len(self.clips):
                    again = index in self._leases and self._leases[index].again
                    self._lease(index, tab, self._reasons.get(index, ""), again=again)
            self._tell_hands()
            return gone

    def _is_new_to(self, others: Collection[int], index: int) -> bool:
        """Whether another rater answered a clip while it was in a tab's hands."""
        return index in others and index in self._leases and not self._leases[index].again

    def release(self, tab: str) -> None:
        """A tab is gone."""
        self.renew(tab, ())

    def _tell_hands(self) -> None:
        self.hands.tell(self.clips[index].utterance for index in self._leased())

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
            if done is not None and log.labels[done].rater != self.rater:
                raise TakenError("this id is that of another rater's request: nothing was done")
            if done is None:
                last = next(reversed(self.mine_in_order()), None)
                if last is None:
                    return None
                self.log.undo(last.id, rater=self.rater, identity=identity)
                done = last.id
            label = log.labels[done]
            if (index := self.number.get(label.utterance)) is not None:
                reason = str(label.shown.get("reason") or FORGOTTEN)
                self._lease(index, tab, reason, again=True)  # it is asked for, whoever heard it
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
                "all_by_emotion": dict(self.standing().labelled),
                "given": len(self.given),
                "everyone": len(heard & self.number.keys()),
                "clips": len(self.clips),
                "unplayed": len(self._unplayed),
                "speakers": self.clips.n_speakers,
            }

    def standing(self) -> Standing:
        """The labels of this moment, of all raters and of the corpus."""
        with self._lock:
            everyone = self._everyone()
            by_number = self._emotions(everyone)
            known = {i: name for i, name in by_number.items() if self.clips[i].speaker is not None}
            counted = Counter(dict.fromkeys(self.aim.emotions, 0))
            counted.update(by_number.values())
            return Standing(
                counted, Counter(known.values()), n_with_emotion(everyone), digest_of(everyone)
            )

    def n_with_emotion(self) -> int:
        """Utterances that a model could learn from."""
        with self._lock:
            return n_with_emotion(self._everyone())

    def _everyone(self) -> list[Label]:
        return [*self.given, *self.log.refresh().in_force()]

    def raters(self) -> Raters:
        """Agreement; of clips in dispute only those that this rater has labelled."""
        with self._lock:
            log = self.log.refresh()
            if self._raters is None or self._raters[0] != log.n_lines:
                speakers = {clip.utterance: clip.speaker for clip in self.clips.clips}
                everyone = [*self.given, *log.in_force()]
                self._raters = (log.n_lines, compare(everyone, speakers))
            return self._raters[1]

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

    def _lease(self, index: int, tab: str, why: str, *, again: bool) -> None:
        self._reasons[index] = why
        self._leases[index] = Lease(tab, time.monotonic() + LEASE_S, why, again)

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
