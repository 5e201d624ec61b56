"""The page of the recipe ``audio-textual``: parameters beside scores, gains, answers, a verdict.

In:  ``Curves`` of the comparison by test part, its lines, the layer analysis.
Out: ``Table``s, ``Answer``s, sentences. Test parts are never put together, and what others printed
     has a table of its own: the protocols differ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from undertone.evaluation.curves import Curves
from undertone.evaluation.layers import tables as layer_tables
from undertone.evaluation.layers.result import LayersResult
from undertone.evaluation.report.paper import NOT_HERE, Answer
from undertone.evaluation.report.side_by_side import (
    gains,
    gains_by_output,
    is_better,
    score,
    scores,
    scores_by_output,
)
from undertone.evaluation.report.tables import NOTHING, Row, Table
from undertone.recipes import audio_textual_claims as claims
from undertone.recipes.audio_textual_lines import Line, taught, with_words
from undertone.recipes.audio_textual_words import Words
from undertone.recipes.small_encoders import Size
from undertone.tasks import AMOUNTS

MILLION = 10**6
PUBLISHED = (
    ("de Oliveira et al. (2023), MSP-Podcast v1.10", "on par at about 20 % of the parameters"),
    ("Wav2Small's teacher, MSP-Podcast v1.7, Test1", "arousal .762, valence .676, dominance .684"),
    ("baseline of Odyssey 2024, Test3", "about .58, .58 and .41; two are labelled two ways"),
)
NOTE = (
    "Each encoder is frozen; what is fitted on the labels is a closed form on the means of its "
    "layers, which weigh what they weigh in the whole encoder. A cut encoder is the first layers "
    "of the whole one, and nothing in it is trained; “taught” means that the whole encoder's "
    "guesses about unlabelled training speech join the labels, and “taught by itself” is its "
    "control. Numbers of layers follow from parameters, or from the user, never from a score. "
    "Parameters are those of the encoders, without fixed positions. Of the paper no figures beyond "
    "its abstract are known here: how its small encoder is made, fused and trained is ours."
)


@dataclass(frozen=True)
class Found:
    """What was measured on one test part.

    Attributes:
        part: its name; empty where there is only one.
        analysis: of the layers.
        curves: of the lines, by their labels.
        lines: in the order of the tables.
        words: whether there are any, or why not.
    """

    part: str
    analysis: LayersResult
    curves: Curves
    lines: tuple[Line, ...]
    words: Words

    @property
    def labels(self) -> list[str]:
        return [line.label for line in self.lines]

    @property
    def sizes(self) -> list[Size]:
        """The whole encoder, then the cut ones from large to small."""
        return list(dict.fromkeys(line.size for line in self.lines if line.size is not None))

    @property
    def floor(self) -> str:
        """The best of what hears nothing, with the most labels."""
        floors = [line.label for line in self.lines if line.is_floor]
        return self.curves.best(floors, self.curves.budgets[-1])

    def tables(self) -> list[Table]:
        """All of the part, each with its name."""
        return [self._named(table) for table in self._tables()]

    def answers(self) -> list[Answer]:
        """The paper's claims first, then the controls."""
        of_part = [*self.of_the_paper(), *self._of_ours()]
        if not self.part:
            return of_part
        return [
            replace(
                answer,
                question=f"{self.part}: {answer.question}",
                claim=f"{self.part}: {answer.claim}",
            )
            for answer in of_part
        ]

    def _named(self, table: Table) -> Table:
        title = f"{self.part}: {table.title}" if self.part else table.title
        proxy = self.curves.task.proxy
        of_proxy = f"Proxy = {proxy}: one value per emotion, no ratings." if proxy else ""
        return replace(table, title=title, hint=" ".join(filter(None, (table.hint, of_proxy))))

    def _tables(self) -> Iterator[Table]:
        curves, task, headline = self.curves, self.curves.task, self.curves.task.headline
        whole, *cuts = self.sizes
        yield self.beside_parameters()
        yield scores(curves, self.labels, headline)
        others = [label for size in cuts for label in (size.label, taught(size))]
        yield gains(curves, whole.label, others, headline)
        yield scores_by_output(curves, self.labels, headline)
        for size in cuts:
            yield gains_by_output(curves, whole.label, taught(size), headline)
        for size in self.sizes if self.words.are_there else ():
            yield gains_by_output(curves, with_words(size), size.label, headline)
        for metric in task.metrics:
            if metric != headline:
                yield scores(curves, self.labels, metric)
        for table in (
            layer_tables.scores(self.analysis, headline),
            layer_tables.by_output(self.analysis),
            layer_tables.from_depth(self.analysis),
        ):
            yield replace(table, title=f"Layer by layer: {table.title}")

    def beside_parameters(self) -> Table:
        """What each encoder has and what it scores with the most labels, mean and by output."""
        curves, task, budget = self.curves, self.curves.task, self.curves.budgets[-1]
        what = task.metrics[task.headline]
        rows = [
            Row(
                line.label,
                (
                    *self._parameters(line),
                    score(curves, line.label, budget, task.headline),
                    *(
                        score(curves, line.label, budget, task.headline, output=output)
                        for output in task.outputs
                    ),
                ),
                is_floor=line.is_floor,
            )
            for line in self.lines
        ]
        return Table(
            title=f"Parameters beside {what.label}, with {budget} labels",
            headings=(
                f"{what.of_output or what.label} with {budget} labels",
                *("parameters", "share of the whole encoder", f"{what.label}, mean"),
                *task.outputs,
            ),
            rows=tuple(rows),
            hint="Intervals are over speakers and draws; whether two lines differ is told by the "
            "paired gains below.",
        )

    def _parameters(self, line: Line) -> tuple[str, str]:
        told = [f"{line.size.parameters / MILLION:.2f} M"] if line.size else []
        if line.reads:
            told.append(f"{self.words.parameters / MILLION:.2f} M of text")
        return " + ".join(told) or NOTHING, line.size.percent if line.size else NOTHING

    @property
    def pairs(self) -> list[claims.Pair]:
        """Each small encoder and what it is held against."""
        whole, *cuts = self.sizes
        against = (whole.label, taught(whole))
        return [claims.Pair(size, taught(size), against) for size in cuts]

    def of_the_paper(self) -> Iterator[Answer]:
        """To what the paper claims."""
        yield claims.shallow_suffices(self.analysis)
        yield claims.valence_needs_depth(self.analysis)
        whole = self.sizes[0]
        if self.words.are_there:
            both = with_words(whole)
            yield claims.valence_needs_words(self.curves, voice=whole.label, both=both)
        else:
            yield claims.without_words(self.words.reason)
        yield claims.of_the_published_share(self.curves, self.pairs, floor=self.floor)

    def _of_ours(self) -> Iterator[Answer]:
        curves, (whole, *cuts) = self.curves, self.sizes
        of_the_paper = claims.nearest(self.pairs)
        for pair in self.pairs:
            if pair != of_the_paper or not pair.has_about_as_many:
                claim = f"{pair.ours}, is on par"
                yield claims.is_on_par(curves, pair, floor=self.floor, claim=claim)
        for size in cuts:
            yield is_better(curves, taught(size), size.label)
        if not self.words.are_there:
            return
        for size in cuts:
            both = with_words(size)
            claim = f"{claims.WORDS}: {size.label}"
            yield claims.valence_needs_words(curves, voice=size.label, both=both, claim=claim)
            pair = claims.Pair(size, both, (whole.label, with_words(whole)))
            claim = f"{both} is on par with the whole encoder"
            yield claims.is_on_par(curves, pair, floor=self.floor, claim=claim)
        somebody = with_words(whole, whose="somebody else's words")
        yield is_better(curves, with_words(whole), somebody)


def verdict(found: Found) -> str:
    """The size nearest to the published share: what it scores, and whether it is on par."""
    answers = {answer.claim: answer for answer in found.of_the_paper()}
    par = answers[claims.PAR]
    size = claims.nearest(found.pairs).size
    curves, budget = found.curves, found.curves.budgets[-1]
    label = curves.task.metrics[curves.task.headline].label
    told = ", ".join(
        f"{claim}: {answers[claim].verdict}"
        for claim in (claims.SHALLOW, claims.DEPTH, claims.WORDS)
    )
    on_par = par.verdict if par.verdict != NOT_HERE else f"{NOT_HERE}, it has more or less"
    return (
        f"{f'{found.part}: ' if found.part else ''}With {budget} labels {taught(size)} "
        f"({size.percent} of the parameters), has {label} {curves.estimate(taught(size), budget)}, "
        f"the whole encoder {curves.estimate(found.sizes[0].label, budget)}. "
        f"{claims.PAR[:1].upper()}{claims.PAR[1:]}: {on_par}. {told[:1].upper()}{told[1:]}."
    )


def published() -> Table:
    """What others printed, in words and in a table of its own."""
    return Table(
        title="Published, on other releases and protocols",
        headings=("system and corpus", "CCC"),
        rows=tuple(Row(name, (told,)) for name, told in PUBLISHED),
        hint="Trained on all labels of other releases: not to be read beside the numbers above. No "
        "figures of the paper are known here.",
    )


def notes(found: Sequence[Found]) -> tuple[str, ...]:
    """How it was measured, and what could not be."""
    task, words = found[0].curves.task, found[0].words
    of_task = task.caveat if task.kind == AMOUNTS else ""
    return tuple(filter(None, (NOTE, words.reason, of_task)))
