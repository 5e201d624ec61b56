"""A task that the package does not know: how pleasant speech sounds, from 1 to 5."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from undertone.tasks.draws import draw_anyhow
from undertone.tasks.intensities import ccc, mae
from undertone.tasks.task import AMOUNTS, Floor, Metric, Task


@dataclass(frozen=True)
class Pleasantness(Task):
    name = "pleasantness"
    kind = AMOUNTS
    label_columns = ("pleasant",)
    low, high = 1.0, 5.0
    metrics: ClassVar = {"ccc": Metric("CCC"), "mae": Metric("MAE", lower_is_better=True)}
    headline = "ccc"
    negligible = 0.02
    n_replicates = 50
    floors: ClassVar = {"mean": Floor("mean", "The mean of the labels.", lambda y: y.mean(axis=0))}

    outputs: tuple[str, ...] = ("pleasant",)

    @classmethod
    def of(cls, table):
        return cls() if "pleasant" in table else None

    def truth(self, rows):
        return rows[["pleasant"]].to_numpy(float)

    def draw(self, rows, asked):
        return draw_anyhow(rows, asked)

    def measure(self, rows, weights):
        measured = [metric(rows, weights) for metric in (ccc, mae)]
        return np.stack([np.repeat(values, 2, axis=1) for values in measured], axis=1)
