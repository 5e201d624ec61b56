"""Several raters of one log: how far they agree, and what they dispute most.

In:  labels in force, the speaker of each utterance.
Out: ``Raters``: Krippendorff's alpha of emotions and of each slider, and the utterances on which
     they differ most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone.corpora.label_log.log import DIMENSIONS, Label
from undertone.corpora.label_log.reader import mean_of
from undertone.evaluation.agreement import Agreement, agreement


@dataclass(frozen=True)
class Disputed:
    """An utterance that raters heard differently.

    Attributes:
        utterance: its name.
        shares: of its emotions, over its raters.
        n_raters: who named one.
        entropy: of the shares, in bits.
    """

    utterance: str
    shares: Mapping[str, float]
    n_raters: int
    entropy: float


@dataclass(frozen=True)
class Raters:
    """What several raters come to.

    Attributes:
        names: of those whose labels stand.
        agreements: by what was rated; only what two rated.
        disputed: utterances, the most disputed first.
    """

    names: tuple[str, ...]
    agreements: Mapping[str, Agreement]
    disputed: tuple[Disputed, ...]

    def lines(self, most: int = 10) -> list[str]:
        """For people."""
        lines = [f"raters: {', '.join(self.names) or 'none'}"]
        if not self.agreements:
            lines.append("no utterance has two raters yet: start again with another --rater NAME")
        for what, one in self.agreements.items():
            lines.append(
                f"Krippendorff's alpha of {what}: {one.alpha} ({one.n_ratings} ratings of "
                f"{one.n_units} utterances; 1 is full agreement, 0 is chance)"
            )
        for case in self.disputed[:most]:
            heard = ", ".join(f"{name} {share:.2f}" for name, share in case.shares.items())
            lines.append(f"disputed: {case.utterance}: {heard} ({case.n_raters} raters)")
        return lines


def compare(labels: Sequence[Label], speakers: Mapping[str, str | None]) -> Raters:
    """Agreement and disputes.

    Args:
        labels: in force.
        speakers: by utterance.
    """
    named = [label for label in labels if label.shares]
    found = {"emotions": _of(named, speakers, _first_choices(named))}
    for name in DIMENSIONS:
        rated = [label for label in labels if name in label.amounts]
        found[name] = _of(rated, speakers, np.array([[one.amounts[name]] for one in rated]))
    return Raters(
        tuple(sorted({label.rater for label in labels})),
        {name: one for name, one in found.items() if one is not None},
        disputed(named),
    )


def _of(
    labels: Sequence[Label], speakers: Mapping[str, str | None], values: np.ndarray
) -> Agreement | None:
    units = [label.utterance for label in labels]
    return agreement(values, units=units, speakers=[speakers.get(name) for name in units])


def _first_choices(labels: Sequence[Label]) -> np.ndarray:
    """(n_labels, n_emotions) 1 for the emotion that was named first."""
    emotions = sorted({label.emotion or "" for label in labels})
    at: Any = [emotions.index(label.emotion or "") for label in labels]
    return np.eye(len(emotions))[at] if labels else np.zeros((0, 1))


def disputed(labels: Sequence[Label]) -> tuple[Disputed, ...]:
    """Utterances whose raters named different emotions first, by the entropy of all shares."""
    raters: dict[str, list[Label]] = {}
    for label in labels:
        raters.setdefault(label.utterance, []).append(label)
    shares = mean_of(labels, lambda label: label.shares, 0.0)
    found = [
        Disputed(name, _sorted(shares[name]), len(own), _entropy(shares[name]))
        for name, own in raters.items()
        if len({label.emotion for label in own}) > 1
    ]
    return tuple(sorted(found, key=lambda one: (-one.entropy, one.utterance)))


def _sorted(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))


def _entropy(shares: Mapping[str, float]) -> float:
    p = np.array([share for share in shares.values() if share > 0])
    return float(-(p * np.log2(p)).sum())
