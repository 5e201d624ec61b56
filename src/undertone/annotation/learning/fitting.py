"""The recommended system, fitted on the labels of a log, and what is to be said of it.

In:  a log of labels, the name of features.
Out: a model folder, and ``Learned``: score with interval against chance, which emotions lack
     labels, what more labels and more speakers promise, whether it is time to stop.

What cannot be told is said: without speakers nobody knows how a model does on a new voice, and of
one emotion there is nothing to tell apart.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from undertone.annotation.learning import told
from undertone.annotation.learning.forecast import Forecast, forecast
from undertone.corpora.corpus import Corpus, knows
from undertone.corpora.label_log import reader
from undertone.corpora.label_log.log import load
from undertone.errors import UndertoneError
from undertone.evaluation.score import CHANCE, Score
from undertone.progress import Progress
from undertone.reading import Resources, read_data, settle, with_copies
from undertone.recogniser.build import Build
from undertone.recogniser.card import write_card
from undertone.recogniser.settings import FinetuneSettings
from undertone.systems.plan import Data
from undertone.systems.table import system_of
from undertone.tasks.classes import Classes

MOST_FOLDS = 5


@dataclass(frozen=True)
class Learned:
    """What a round of learning came to.

    Attributes:
        n_labels: it had.
        n_speakers: of whom they are.
        by_emotion: labels of each.
        score: of a cross-validation by speaker; None where there is none.
        ahead: what more labels promise; None where nothing can be said.
        cannot: why something cannot be told, in sentences.
        model: whether one was saved.
        chosen: whether a strategy chose the clips.
        nothing: whether there is nothing to learn yet, as the counts alone tell.
        n_given: utterances with an emotion in the log, whether it could learn from them or not.
        said: digest of what their labels say.
        assumed: whether speakers are known only as every recording is said to be another person.
    """

    n_labels: int
    n_speakers: int
    by_emotion: Mapping[str, int]
    score: Score | None = None
    ahead: Forecast | None = None
    cannot: tuple[str, ...] = ()
    model: bool = False
    chosen: bool = False
    assumed: bool = False
    nothing: bool = False
    n_given: int = 0
    said: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, as the page shows it."""
        kind = "nothing" if self.nothing else "cannot"
        return {
            "n_labels": self.n_labels,
            "n_speakers": self.n_speakers,
            "by_emotion": dict(self.by_emotion),
            "score": None if self.score is None else self._score(self.score),
            "curve": self._curve(),
            "sentences": [
                *({"kind": kind, "text": text} for text in self.cannot),
                *told.sentences(
                    self.score,
                    self.ahead,
                    self.by_emotion,
                    chosen=self.chosen,
                    assumed=self.assumed,
                ),
            ],
            "stop": told.may_stop(self.ahead, self.by_emotion),
            "model": self.model,
        }

    def _score(self, score: Score) -> dict[str, Any]:
        name = score.task.headline
        return {
            "metric": score.task.metrics[name].label,
            **score.metrics[name].to_dict(),
            "chance": score.floors[CHANCE][name].value,
            "by_emotion": {e: one.to_dict() for e, one in score.by_output[name].items()},
        }

    def _curve(self) -> list[dict[str, Any]]:
        curve = {} if self.ahead is None else self.ahead.curve
        return [{"labels": n, **estimate.to_dict()} for n, estimate in curve.items()]


@dataclass(frozen=True)
class Lesson:
    """How to learn.

    Attributes:
        emotions: that are asked for.
        features: which frames.
        resources: of the machine.
        settings: of the fit, but for its features and folds.
        chosen: whether clips were chosen by a strategy, which makes them harder than most.
        known: vectors of the last round, and the keys of the frames that they are of.
    """

    emotions: tuple[str, ...]
    features: str = ""
    resources: Resources = field(default_factory=lambda: Resources(progress=False))
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    chosen: bool = False
    known: dict[str, Any] = field(default_factory=dict)


def learn(
    log: Path, lesson: Lesson, out: Path, report: Callable[[Learned], None] = lambda _: None
) -> Learned:
    """Fit on all labels of a log, and say what came of it.

    Args:
        log: path of the log.
        lesson: how.
        out: folder of the model, which is replaced when the new one is whole.
        report: called with model and score before the forecast, which takes longest.
    """
    read = load(log)
    corpus = reader.corpus_of(read, log)
    rows = corpus.labelled.table
    counts = Counter(rows["emotion"])
    by_emotion = {name: counts.get(name, 0) for name in (*lesson.emotions, *counts)}
    labels = reader.all_labels(read, log)
    known = rows[np.array([knows(who) for who in rows["speaker"]], dtype=bool)]
    learned = Learned(
        len(rows),
        known["speaker"].nunique(),
        by_emotion,
        chosen=lesson.chosen,
        assumed=reader.speakers_assumed(log),
        n_given=reader.n_with_emotion(labels),
        said=reader.digest_of(labels),
    )
    if (why := told.why_nothing(counts, Counter(known["emotion"]))) is not None:
        return replace(learned, cannot=(why,), nothing=True)
    try:
        learned, build = _fitted(corpus, learned, lesson, out)
        report(learned)
        return learned if learned.score is None else replace(learned, ahead=_ahead(build))
    except UndertoneError as error:
        return replace(learned, cannot=(f"No model yet: {error}",))


def _fitted(corpus: Corpus, learned: Learned, lesson: Lesson, out: Path) -> tuple[Learned, Build]:
    """A model in its place, with its score, and what it was made of."""
    n_folds = min(MOST_FOLDS, learned.n_speakers) if learned.n_speakers > 1 else 0
    settings = replace(lesson.settings, folds=n_folds, features=lesson.features)
    task, features = settle(corpus, Classes.name, lesson.features)
    system = system_of(task, settings.system, features, pretrained=False)
    frames = not system.reads_means
    data = read_data(corpus, features, task, lesson.resources, frames=frames)
    data = _with_known(data, lesson)
    build = Build(data, features, None, settings)
    if build.makes_copies:
        build = replace(build, data=with_copies(data, features, lesson.resources))
    score, cannot = None, learned.cannot
    if n_folds:
        try:
            score = build.cross_validate(Progress(shown=False))
        except UndertoneError:  # which speaks of folds and budgets
            cannot = (*cannot, told.why_no_score(_voices(corpus, lesson)))
    else:
        cannot = (*cannot, told.ONE_SPEAKER)
    if score is None:
        build = Build(build.data, features, None, replace(settings, folds=0))
    recogniser = build.fit_all()
    partial = out.with_name(f"{out.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    recogniser.save(partial, write_card(build.facts(score, recogniser), [data.corpus]))
    put_in_place(partial, out)
    return replace(learned, score=score, cannot=cannot, model=True), build


def _voices(corpus: Corpus, lesson: Lesson) -> dict[str, int]:
    """By emotion the number of speakers that it has labels of."""
    rows = corpus.labelled.table
    counted = rows[rows["speaker"].notna()].groupby("emotion")["speaker"].nunique()
    return {name: int(counted.get(name, 0)) for name in (*lesson.emotions, *counted.index)}


def _with_known(data: Data, lesson: Lesson) -> Data:
    """The same with the vectors of the last round, where its recordings are the same."""
    keys = dict(data.frames.keys)
    if lesson.known.get("keys") != keys:
        lesson.known.update(keys=keys, described={})
    return replace(data, described=lesson.known["described"])


def _ahead(build: Build) -> Forecast | None:
    """Where folds of fewer labels cannot be made, nothing is said of more."""
    try:
        return forecast(build)
    except UndertoneError:
        return None


def put_in_place(partial: Path, out: Path) -> None:
    """A folder that is whole takes the place of another."""
    old = out.with_name(f"{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)
