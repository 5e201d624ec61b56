"""What a cross-validation tells beside a score: whether sets hold, and how often it is silent.

In:  fold by fold a fit, its problem and what it predicts of the speakers whom it did not know.
Out: ``Tested``: predictions with the threshold of their fit and their doubts; a card's paragraphs.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from undertone.errors import UndertoneError
from undertone.evaluation.coverage import ASKED, answered, coverage
from undertone.evaluation.report.sure import in_markdown
from undertone.features import spoken
from undertone.features.store import recordings_of
from undertone.features.workers import read
from undertone.models.familiar import UNLIKE, distance
from undertone.systems.fitted import Fitted, OnVectors
from undertone.systems.held_out import familiar_of
from undertone.systems.plan import Data
from undertone.systems.problem import Problem
from undertone.tasks import CHOICE, Task

MOST_READ = 200  # recordings that are read again where frames do not tell speech
Hears = Callable[[str], spoken.Evidence | None]


@dataclass
class Tested:
    """The test utterances, fold by fold.

    Attributes:
        task: what is predicted.
        names: of the utterances.
        values: (n_fold, n_outputs) of each fold.
        thresholds: (n_fold, n_scores) of each fold's fit; NaN where it promises nothing.
        unlike: utterances that are unlike all that their fit was fitted on.
    """

    task: Task
    names: list[str] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    thresholds: list[np.ndarray] = field(default_factory=list)
    unlike: set[str] = field(default_factory=set)

    def add(self, problem: Problem, fitted: Fitted) -> None:
        """What a fit says of its test."""
        names = problem.test
        self.names += names
        self.values.append(fitted.predict(problem.material, names))
        n_scores = 1 if self.task.kind == CHOICE else len(self.task.outputs)
        told = np.full(n_scores, np.nan)
        if fitted.held_out is not None:
            found = fitted.held_out.threshold(ASKED)
            told = np.where(np.isfinite(found), found, np.nan)
        self.thresholds.append(np.tile(told, (len(names), 1)))
        familiar = familiar_of(problem, fitted)
        if familiar is not None and isinstance(fitted, OnVectors) and names:
            vectors = replace(fitted.view, centring=0.0).vectors(problem.material, names)
            away = familiar.away(distance(fitted.head, vectors))
            self.unlike |= {name for name, far in zip(names, away > 1, strict=True) if far}

    def told(
        self, rows: np.ndarray, truth: np.ndarray, speakers: Sequence[str], doubts: dict[str, str]
    ) -> str:
        """Paragraphs of a model card on some rows.

        Args:
            rows: (n_names,) which.
            truth: (n_rows, n_outputs) of these.
            speakers: (n_rows,) of these.
            doubts: "" or what speaks against judging an utterance, of those that were asked.
        """
        values, thresholds = (np.concatenate(a)[rows] for a in (self.values, self.thresholds))
        sets = coverage(values[None], thresholds[None], truth, speakers, task=self.task)
        is_choice = self.task.kind == CHOICE
        silence = answered(values[None], truth, speakers) if is_choice else ()
        own = [doubts[name] for name in np.array(self.names)[rows] if name in doubts]
        return in_markdown(sets, silence, Counter(filter(None, own)), len(own))

    def doubts(self, data: Data) -> dict[str, str]:
        """What speaks against judging an utterance, or "", by name, of all or of some of them."""
        hears, some = _ear(data), self.names
        if data.frames.extractor != "log_mel" and len(some) > MOST_READ:
            some = [some[i] for i in np.linspace(0, len(some) - 1, MOST_READ).astype(int)]
        found = {}
        for name in some:
            if (evidence := hears(name)) is not None:
                doubt = spoken.doubt_of(evidence)
                found[name] = doubt.what if doubt else UNLIKE if name in self.unlike else ""
        return found


def _ear(data: Data) -> Hears:
    """What tells the evidence of an utterance; None of one whose sound is not there."""
    frames = data.frames
    if frames.extractor == "log_mel":
        return lambda name: spoken.evidence_of(frames.frames(name), frames.columns)
    recordings = recordings_of(data.corpus)

    def hear(name: str) -> spoken.Evidence | None:
        try:
            return spoken.hear(read(recordings[name]))
        except (UndertoneError, OSError, KeyError):
            return None

    return hear
