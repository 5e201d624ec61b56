"""What a paper printed and claimed, and what an answer to a claim is.

In:  numbers and sentences of a paper.
Out: ``Paper`` with its ``Claims``; ``Answer``: a question, a word (yes, no, open, or that it cannot
     be asked), a sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from undertone.evaluation.estimate import Estimate
from undertone.tasks import Task
from undertone.tasks.names import canonical_emotion

YES, NO, OPEN = "yes", "no", "open"
NOT_HERE = "cannot be asked here"  # of what the corpus or the run has nothing to answer with


@dataclass(frozen=True)
class Published:
    """A pair of ranges from a paper.

    Attributes:
        metric: a name among the task's metrics.
        pretrained: lowest and highest value that the paper gives for its pre-trained system.
        scratch: the same for the network without pre-training.
        each_output: whether the range is over the outputs, rather than of their mean.
        where: the number of labels, in the paper's words.
    """

    metric: str
    pretrained: tuple[float, float]
    scratch: tuple[float, float]
    each_output: bool
    where: str


@dataclass(frozen=True)
class Claims:
    """What a paper claims.

    Attributes:
        published: numbers; none where the corpus is not the paper's.
        gain_most: outputs that gain most from pre-training, by the paper.
        budget: number of labels at which outputs and floors are compared; the nearest is taken.
        gain_none: outputs that do not gain, by the paper.
        metrics: of the paper; on a task that has none of them all metrics of the task.
        pretrained: names of the pre-trained systems, the paper's first.
        scratch: name of the network without pre-training.
        control: name of the paper's network with random weights in place of pre-trained ones.
    """

    published: tuple[Published, ...]
    gain_most: tuple[str, ...]
    budget: int
    gain_none: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    pretrained: tuple[str, ...] = ("pretrained_frozen", "pretrained_full")
    scratch: str = "scratch"
    control: str = "random_frozen"

    def budget_among(self, budgets: Sequence[int]) -> int:
        """The largest budget up to the paper's, or the smallest there is."""
        return max((b for b in budgets if b <= self.budget), default=min(budgets))

    def metrics_of(self, task: Task) -> tuple[str, ...]:
        """The paper's metrics as far as a task has them; if none, all of the task's."""
        return tuple(name for name in self.metrics if name in task.metrics) or tuple(task.metrics)


@dataclass(frozen=True)
class Paper:
    """What a run is set beside."""

    title: str
    citation: str
    command: str  # that reproduces it
    claims: Claims


@dataclass(frozen=True)
class Answer:
    """One claim and what became of it.

    Attributes:
        question: in full, with systems and budgets.
        verdict: ``YES``, ``NO``, ``OPEN`` or ``NOT_HERE``.
        evidence: the numbers behind it.
        claim: what is asked, in words that are the same on every corpus.
    """

    question: str
    verdict: str
    evidence: str
    claim: str = ""


def named_outputs(names: Sequence[str], task: Task) -> tuple[str, ...]:
    """The outputs of a task that a paper's names of emotions mean, in the order of the names.

    >>> from undertone.tasks import Classes
    >>> named_outputs(["happy", "sad", "fear"], Classes(("anger", "happiness", "sadness")))
    ('happiness', 'sadness')
    """
    by_emotion = {canonical_emotion(output): output for output in task.outputs}
    emotions = dict.fromkeys(map(canonical_emotion, names))
    return tuple(by_emotion[emotion] for emotion in emotions if emotion in by_emotion)


def verdict_on(gain: Estimate) -> str:
    """Whether a gain is there: yes or no only where its whole interval is on one side of 0."""
    if not gain.excludes_zero:
        return OPEN
    return YES if gain.value > 0 else NO


def verdict_on_all(gains: Sequence[Estimate]) -> str:
    """Whether all gains are there: no where one is a loss, open where one may be none."""
    verdicts = set(map(verdict_on, gains))
    if NO in verdicts:
        return NO
    return YES if verdicts == {YES} else OPEN


def series(words: Sequence[str]) -> str:
    """Words as one reads them out.

    >>> series(["happy", "sad", "anger"])
    'happy, sad and anger'
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def say_range(ends: tuple[float, float], *, digits: int = 2) -> str:
    """Two ends as a reader of the field writes them: .85–.87."""
    return "–".join(f"{end:.{digits}f}".removeprefix("0") for end in ends)
