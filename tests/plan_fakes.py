"""Plans of a curve and of ``finetune`` on speech that is noise: whole, and made in no time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from corpora_fakes import fake_corpus, fake_table

from undertone.experiment import CurveSettings
from undertone.experiment.run import Run
from undertone.features import log_mel
from undertone.features.name import parse
from undertone.features.store import FrameTable
from undertone.reading import usable
from undertone.recogniser.build import Build
from undertone.recogniser.folder import PretrainedEncoder
from undertone.recogniser.settings import FinetuneSettings
from undertone.systems.fitted import Fitted
from undertone.systems.plan import Data, Plan
from undertone.systems.table import System
from undertone.systems.view import View
from undertone.tasks import AMOUNTS, task_of
from undertone.tasks.intensities import INTENSITIES
from undertone.training.seeds import generator

NAMES = log_mel.COLUMNS
ABSENT = ("s01-anger-0", "s01-anger-1", "s05-sadness-2")  # so that speakers are not alike
EXTRA = ("u-nobody", "u-unlabelled", "u-both")  # no speaker; no label; neither


def frames_of(corpus, seed=0) -> FrameTable:
    """Short frames of mean 3 and deviation .2, no two utterances alike."""
    rng = np.random.default_rng(seed)
    source = {
        name: rng.normal(3, 0.2, (13 + i % 5, len(NAMES))).astype(np.float32)
        for i, name in enumerate(corpus.table["utterance"])
    }
    return FrameTable("log_mel", 1, 100.0, NAMES, source, keys={name: name for name in source})


def labelled_table(kind: str) -> pd.DataFrame:
    """Eight speakers, and three rows of whom or of which something is not known."""
    table = fake_table(n_speakers=8, n_each=3)
    extra = table.iloc[:3].assign(
        utterance=EXTRA,
        file=[f"{name}.wav" for name in EXTRA],
        speaker=[None, "s00", None],
        emotion=["anger", None, None],
    )
    table = pd.concat([table[~table["utterance"].isin(ABSENT)], extra], ignore_index=True)
    if kind == AMOUNTS:
        rng = np.random.default_rng(1)
        amounts = pd.DataFrame(rng.integers(0, 10, (len(table), 6)) / 3, columns=list(INTENSITIES))
        amounts[table["emotion"].isna()] = np.nan
        table = pd.concat([table.drop(columns="emotion"), amounts], axis=1)
    return table


def data_of(kind: str) -> Data:
    corpus = fake_corpus(labelled_table(kind))
    task = task_of(corpus.table, corpus.name)
    known = usable(corpus, task)
    return Data(task, known, frames_of(corpus), None, {"u-unlabelled": "s00"})


def the_same_voices():
    """The labelled corpus again, handed in as an unlabelled one of its name."""
    again = fake_corpus(labelled_table("choice"))
    return again, frames_of(again, seed=7)


def other_voices():
    corpus = fake_corpus(fake_table(n_speakers=3).drop(columns="emotion"), "other", "/y")
    return corpus, frames_of(corpus, seed=9)


def curve_run(data: Data, folder: Path, **changes) -> Run:
    values = {"corpus": "x", "budgets": (4, 12), "draws": 3, "folds": 3, "seed": 4} | changes
    settings = CurveSettings(**values).resolved(data.task, parse("log_mel"))
    return Run(settings, folder, data, (the_same_voices(), other_voices()))


def curve_plan(data: Data, folder: Path, **changes) -> Plan:
    return curve_run(data, folder, **changes).plan()


def finetune_build(data: Data, pretrained: PretrainedEncoder | None = None, **changes) -> Build:
    values = {"system": "scratch", "folds": 3, "labels": 12, "seed": 4} | changes
    return Build(data, parse("log_mel"), pretrained, FinetuneSettings(**values))


def everyone(data: Data) -> dict[str, str]:
    """Speaker by utterance of the corpus, those without a label among them."""
    rows = data.corpus.table
    return dict(zip(rows["utterance"], rows["speaker"], strict=True)) | dict(data.unlabelled)


def steps_by(pool: list[np.ndarray], stride: int = 4) -> Callable[[np.ndarray], np.ndarray]:
    """Steps of frames by their definition: means of consecutive z-scores of the pool."""
    whole = np.concatenate(pool).astype(float)
    mean, sd = whole.mean(axis=0), whole.std(axis=0)

    def steps(frames: np.ndarray) -> np.ndarray:
        z = (frames - mean) / sd
        return np.stack([z[i : i + stride].mean(axis=0) for i in range(0, len(z), stride)])

    return steps


@dataclass(frozen=True)
class Echo(Fitted):
    """Predicts of an utterance what only this fit says of it."""

    kind = "echo"
    seed: int
    n_outputs: int

    def cooled(self, temperature):
        return self

    def predict(self, material, utterances):
        return np.stack([said(self.seed, name, self.n_outputs) for name in utterances])

    def config(self):
        return {}

    def tensors(self):
        return {}

    @classmethod
    def restore(cls, config, tensors, parts):
        raise AssertionError("it is never saved")


def said(seed: int, utterance: str, n_outputs: int) -> np.ndarray:
    """(n_outputs,) that sum to 1."""
    return generator(seed, utterance).dirichlet(np.ones(n_outputs)).astype(np.float32)


def spying(given: list, name: str = "spy", **changes: object) -> System:
    """A row whose fits note the problem and the settings that they are given, and echo."""

    def fit(problem, settings):
        given.append((problem, settings))
        return Echo(View(), problem.seed, problem.n_outputs)

    return System(name, name, "classic", "A spy.", fit, **changes)


class Silent:
    def advance(self, what: str) -> None: ...
