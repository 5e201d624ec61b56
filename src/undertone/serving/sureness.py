"""How sure an answer must be to be given, and what is held back.

In:  what a recogniser says of a recording, what speaks against judging it, and ``Terms``.
Out: ``Answer``: values, an emotion or none, and the doubt that it was held back for.

A recording that is no speech, too short, too noisy or unlike all training speech has no emotion and
no probabilities, unless somebody wants them anyway; one below ``min_probability`` has its
probabilities and no emotion. With a coverage every answer holds the emotions, or the interval of
each amount, among which the truth is as often as that (``models.conformal``).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    import numpy as np

    from undertone.features.spoken import Doubt
    from undertone.recogniser.folder import Recogniser
    from undertone.tasks import Task

UNSURE = "unsure"
LOW, HIGH = "_low", "_high"  # behind the name of an amount: the ends of its interval
AGAIN = "make it again with `undertone finetune --corpus NAME=PATH --out MODEL`"


@dataclass(frozen=True)
class Terms:
    """How sure an answer must be.

    Attributes:
        coverage: share of answers whose set, or interval, is to hold the truth; None for no sets.
        min_probability: of the likeliest emotion, below which none is named.
        anyway: name an emotion whatever speaks against it.
    """

    coverage: float | None = None
    min_probability: float | None = None
    anyway: bool = False

    def check(self, recogniser: "Recogniser") -> None:
        """Refuse what a recogniser cannot meet.

        Raises:
            UndertoneError: it was held against too few speakers or none, or knows no probability.
        """
        from undertone.tasks import CHOICE

        if self.min_probability is not None:
            if recogniser.task.kind != CHOICE:
                raise UndertoneError(
                    f"--min-probability is for emotions, and this model says amounts of "
                    f"{', '.join(recogniser.task.outputs)}: --coverage .9 tells how sure they are"
                )
            if not 0 < self.min_probability <= 1:
                raise UndertoneError(
                    "--min-probability is a probability, above 0 and at most 1, found "
                    f"{self.min_probability:g}: try --min-probability .6"
                )
        if self.coverage is not None:
            if recogniser.held_out is None:
                why = recogniser.notes.get("not_held_out", "it was made before models kept them")
                raise UndertoneError(
                    "--coverage needs what this model says of speakers whom it did not know, and "
                    f"it holds nothing of that: {why}; {AGAIN}"
                )
            recogniser.held_out.check(self.coverage)

    def columns(self, task: "Task") -> list[str]:
        """Names of the columns of a table that hold the answer."""
        from undertone.tasks import CHOICE

        has_sets = self.coverage is not None
        if task.kind == CHOICE:
            probabilities = [f"p_{name}" for name in task.outputs]
            return ["emotion", *probabilities, *(["set"] if has_sets else []), "doubt"]
        ends = (LOW, HIGH) if has_sets else ()
        outputs = [f"{name}{end}" for name in task.outputs for end in ("", *ends)]
        return [*outputs, "doubt"]

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return dict(vars(self))


@dataclass(frozen=True)
class Answer:
    """What is said of a recording, or a window.

    Attributes:
        values: by output: probabilities or amounts; empty where they are held back.
        emotion: the likeliest; None of amounts, and where it is held back.
        within: the emotions that a coverage asks for; None where none was asked for.
        intervals: by output the lowest and the highest amount that a coverage asks for.
        doubt: why it is held back, or would be, in a word; None where nothing speaks against it.
    """

    values: dict[str, float] = field(default_factory=dict)
    emotion: str | None = None
    within: tuple[str, ...] | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    doubt: str | None = None


@dataclass(frozen=True)
class Judge:
    """Answers of one recogniser on some terms.

    Attributes:
        task: what it predicts.
        terms: how sure an answer must be.
        thresholds: (n_scores,) within which the truth lies at the coverage; None without one.
    """

    task: "Task"
    terms: Terms = field(default_factory=Terms)
    thresholds: "np.ndarray | None" = None

    @classmethod
    def of(cls, recogniser: "Recogniser", terms: Terms) -> Self:
        """Raise as ``Terms.check`` does."""
        terms.check(recogniser)
        if terms.coverage is None:
            return cls(recogniser.task, terms)
        assert recogniser.held_out is not None, "the terms were checked"
        return cls(recogniser.task, terms, recogniser.held_out.threshold(terms.coverage))

    def answer(self, values: "np.ndarray | None", doubt: "Doubt | str | None" = None) -> Answer:
        """What is said.

        Args:
            values: (n_outputs,) probabilities or amounts; None where nothing was computed.
            doubt: what speaks against it.
        """
        from undertone.tasks import CHOICE

        word = doubt if isinstance(doubt, str | None) else doubt.what
        if values is None or (word is not None and not self.terms.anyway):
            return Answer(doubt=word)
        return (
            self._choice(values, word) if self.task.kind == CHOICE else self._amounts(values, word)
        )

    def _choice(self, values: "np.ndarray", word: str | None) -> Answer:
        by_output = dict(zip(self.task.outputs, map(float, values), strict=True))
        likeliest = max(by_output, key=by_output.__getitem__)
        least = self.terms.min_probability
        if word is None and least is not None and by_output[likeliest] < least:
            word = UNSURE
        held_back = word is not None and not self.terms.anyway
        return Answer(by_output, None if held_back else likeliest, self._set(values), doubt=word)

    def _set(self, values: "np.ndarray") -> tuple[str, ...] | None:
        """The likeliest first."""
        if self.thresholds is None:
            return None
        from undertone.models.conformal import in_set

        within = in_set(values, float(self.thresholds[0]))
        return tuple(self.task.outputs[k] for k in (-values).argsort(kind="stable") if within[k])

    def _amounts(self, values: "np.ndarray", word: str | None) -> Answer:
        low, high = self.task.low, self.task.high
        values = values.clip(low, high)  # of the corpus's scale: what people are shown
        by_output = dict(zip(self.task.outputs, map(float, values), strict=True))
        if self.thresholds is None:
            return Answer(by_output, doubt=word)
        off = dict(zip(self.task.outputs, map(float, self.thresholds), strict=True))
        intervals = {
            name: (max(low, value - off[name]), min(high, value + off[name]))
            for name, value in by_output.items()
        }
        return Answer(by_output, intervals=intervals, doubt=word)


def named(answer: Answer, *, is_choice: bool) -> dict[str, Any]:
    """An answer as a JSON line or a table holds it, to six digits."""
    if not is_choice:
        cells: dict[str, Any] = {}
        for name, value in answer.values.items():
            cells[name] = round(value, 6)
            if name in answer.intervals:
                ends = zip((LOW, HIGH), answer.intervals[name], strict=True)
                cells |= {f"{name}{end}": round(at, 6) for end, at in ends}
        return {**cells, "doubt": answer.doubt}
    cells = {"emotion": answer.emotion}
    cells |= {f"p_{name}": round(value, 6) for name, value in answer.values.items()}
    if answer.within is not None:
        from undertone.tasks.names import BETWEEN

        names = (name.replace(BETWEEN, "/") for name in answer.within)  # a set of two is no name
        cells["set"] = BETWEEN.join(names)
    return {**cells, "doubt": answer.doubt}
