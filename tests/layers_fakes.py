"""Encoders that are not there: layers of which a test says how much each one tells."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from corpora_fakes import fake_corpus, fake_table

from undertone.evaluation.layers.result import Encoder, LayersResult
from undertone.experiment.probing import LayersSettings, look_into
from undertone.experiment.run import Run
from undertone.features.name import parse
from undertone.features.store import FrameTable
from undertone.pipeline import Resources
from undertone.systems.layers import Layers
from undertone.systems.plan import Data
from undertone.tasks import AMOUNTS, task_of
from undertone.tasks.intensities import INTENSITIES

WIDTH = 6
ENCODER = Encoder("upstream:/encoders/fake@all", "fake", "0" * 64, 4, WIDTH)
NOISE = 1.0
QUIET = Resources(workers=1, progress=False)


def planted(
    telling: Sequence[float], kind: str = "choice", *, n_speakers: int = 9, n_each: int = 4
) -> Data:
    """A corpus whose layer k holds what is to be told, ``telling[k]`` times, under noise.

    Means stand at 3 and deviations over time tell nothing. Of amounts, valence and arousal are
    ratings from 1 to 7 that differ from utterance to utterance, or "intensities" are six numbers.
    """
    rng = np.random.default_rng(3)
    table = fake_table(n_speakers=n_speakers, n_each=n_each)
    signal = np.eye(4)[pd.factorize(table["emotion"])[0]]
    if kind == AMOUNTS:
        ratings = pd.DataFrame(rng.uniform(1, 7, (len(table), 2)), columns=["arousal", "valence"])
        table = pd.concat([table.drop(columns="emotion"), ratings], axis=1)
        signal = (ratings.to_numpy() - 4) / 2
    if kind == "intensities":
        amounts = pd.DataFrame(rng.uniform(0, 3, (len(table), 6)), columns=list(INTENSITIES))
        table = pd.concat([table.drop(columns="emotion"), amounts], axis=1)
        signal = amounts.to_numpy() - 1.5
    corpus = replace(fake_corpus(table), scale=(1.0, 7.0))
    return with_layers(corpus, [strength * signal for strength in telling], rng)


def with_layers(corpus, signals: Sequence[np.ndarray], rng: np.random.Generator) -> Data:
    """The corpus with layers that hold these signals (n_utterances, n_signals) under noise."""
    names, n_layers = list(corpus.table["utterance"]), len(signals)
    means = rng.normal(3, NOISE, (len(names), n_layers, WIDTH))
    for layer, signal in enumerate(signals):
        means[:, layer, : signal.shape[1]] += signal
    deviations = rng.uniform(0.5, 1.5, means.shape)
    vectors = np.concatenate([means, deviations], axis=2).astype(np.float32)
    columns = tuple(
        f"0123abcd_{k:02d}_{unit:04d}" for k in range(n_layers) for unit in range(WIDTH)
    )
    keys = {name: name for name in names}
    frames = {name: rng.normal(size=(5, len(columns))).astype(np.float32) for name in names}
    table = FrameTable("fake", 1, 50.0, columns, frames, keys=keys)
    of_layers = replace(table, columns=(), source=dict(zip(names, vectors, strict=True)))
    layers = Layers(table, of_layers, n_layers, range(n_layers))
    return Data(task_of(corpus.table, corpus.name).on(corpus.scale), corpus, table, layers)


class RunOnFakes(Run):
    """A run whose encoder has no folder."""

    @property
    def encoders(self) -> list:
        return []


def opened(data: Data, folder: Path, **changes) -> tuple[Run, LayersSettings]:
    """A run as ``open_run`` gives it, and its settings."""
    values = {"corpus": "fake=/x", "budgets": (12, 40), "draws": 3, "folds": 3, "replicates": 300}
    settings = LayersSettings(upstream="/encoders/fake", **values | changes)
    curve = settings.of_curve().resolved(data.task, parse("upstream:/encoders/fake@all"))
    return RunOnFakes(curve, folder, data), settings.settled(curve)


def found(data: Data, folder: Path, **changes) -> LayersResult:
    """What a whole run finds in these layers."""
    run, settings = opened(data, folder, **changes)
    assert data.layers is not None
    return look_into(run, settings, replace(ENCODER, n_layers=data.layers.n_layers), QUIET)
