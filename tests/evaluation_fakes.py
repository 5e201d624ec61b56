"""Runs that nobody ran: predictions whose accuracy at each budget is known by construction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from undertone.evaluation.curves import Curves, Key, trace
from undertone.evaluation.predictions import Tested
from undertone.evaluation.report.paper import Claims, Paper, Published
from undertone.evaluation.report.result import Compared, CurveResult, Source
from undertone.tasks import AMOUNTS, Classes, Intensities, Task
from undertone.tasks.draws import Asked, LabelDraw, draw_anyhow
from undertone.tasks.intensities import ccc
from undertone.tasks.rows import Rows, mean_of_those_that_exist
from undertone.tasks.task import Floor, Metric


@dataclass(frozen=True)
class System(Compared):
    description: str = ""


@dataclass(frozen=True)
class Pair:
    pretrained: str
    scratch: str
    label: str = ""
    like_with_like: bool = True


EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
BUDGETS = (20, 40, 80, 160)
SYSTEMS = (
    System(
        "pretrained_frozen", "pre-trained, frozen", "pretrained", "GRU pre-trained; encoder frozen."
    ),
    System("pretrained_full", "pre-trained, full", "pretrained", "GRU pre-trained; all weights."),
    System("scratch_frozen", "random, frozen", "control", "The same network, random and frozen."),
    System("scratch_full", "from scratch", "scratch", "The same network, no pre-training."),
    System("svm", "SVM on functionals", "classic", "Means and deviations, RBF kernel."),
    System("logistic", "logistic regression", "classic", "Means and deviations, ridge."),
    System("constant", "constant", "floor", "The most frequent emotion of the labels."),
)
PAIRS = (
    Pair("pretrained_full", "scratch_full", "all weights trained"),
    Pair("pretrained_frozen", "scratch_frozen", "encoder frozen"),
    Pair("pretrained_frozen", "scratch_full", "frozen against scratch"),
)
SKILL = {  # share of utterances each system is meant to get right, a budget
    "pretrained_frozen": (0.42, 0.50, 0.55, 0.58),
    "pretrained_full": (0.38, 0.48, 0.56, 0.63),
    "scratch_frozen": (0.22, 0.26, 0.29, 0.31),
    "scratch_full": (0.26, 0.36, 0.47, 0.60),
    "svm": (0.33, 0.43, 0.52, 0.61),
    "logistic": (0.31, 0.39, 0.47, 0.54),
    "constant": (0.0, 0.0, 0.0, 0.0),
}


@dataclass(frozen=True)
class Run:
    """Predictions (n_draws, n_rows, n_outputs) by system and budget, and what they are of."""

    predictions: Mapping[Key, np.ndarray]
    tested: Tested

    def only(self, systems: Sequence[str] = tuple(SKILL), budgets: Sequence[int] = BUDGETS) -> Self:
        kept = {k: v for k, v in self.predictions.items() if k[0] in systems and k[1] in budgets}
        return replace(self, predictions=kept)

    def traced(self, **settings: int) -> Curves:
        tested = self.tested
        return trace(
            self.predictions,
            task=tested.task,
            truth=tested.truth,
            speakers=tested.speakers,
            **settings,
        )


def run(
    skill: dict[str, tuple[float, ...]] = SKILL,
    *,
    budgets: tuple[int, ...] = BUDGETS,
    n_draws: int = 5,
    n_speakers: int = 12,
    n_utterances: int = 28,
    seed: int = 0,
) -> Run:
    """Emotions as every system tells them; utterances of one speaker share their luck."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(n_speakers), n_utterances)
    utterance = np.tile(np.arange(n_utterances), n_speakers)
    truth = np.array(EMOTIONS)[utterance % 7]
    luck = np.repeat(rng.normal(0, 0.08, n_speakers), n_utterances)
    predictions: dict[Key, list[np.ndarray]] = {}
    for system, shares in skill.items():
        for budget, share in zip(budgets, shares, strict=True):
            for _ in range(n_draws):
                hit = rng.random(len(truth)) < share + luck + rng.normal(0, 0.02)
                wrong = rng.choice(EMOTIONS, len(truth))
                guess = np.where(hit, truth, wrong) if share else np.full(len(truth), "anger")
                predictions.setdefault((system, budget), []).append(one_hot(guess))
    tested = Tested(
        task=Classes(EMOTIONS),
        utterances=tuple(f"s{s:02}u{u:02}" for s, u in zip(speaker, utterance, strict=True)),
        speakers=tuple(f"{s:02}" for s in speaker),
        truth=one_hot(truth),
        folds=tuple(int(s) % 3 for s in speaker),
    )
    return Run({key: np.stack(draws) for key, draws in predictions.items()}, tested)


def one_hot(names: np.ndarray) -> np.ndarray:
    return (names[:, None] == np.array(EMOTIONS)).astype(float)


def result(of: Run | None = None, *, n_replicates: int = 400, **changes: object) -> CurveResult:
    """A whole result around these predictions."""
    of = of or run()
    systems = {system for system, _ in of.predictions}
    values = {
        "title": "What pre-training is worth on a corpus of twelve",
        "sources": sources(),
        "curves": of.traced(n_replicates=n_replicates),
        "systems": tuple(system for system in SYSTEMS if system.name in systems),
        "pairs": tuple(p for p in PAIRS if {p.pretrained, p.scratch} <= systems),
        "n_draws": 5,
        "folds": tuple(tuple(f"{s:02}" for s in range(f, 12, 3)) for f in range(3)),
        "left_out": pd.DataFrame(
            {"corpus": ["twelve"], "n_utterances": [3], "reason": ["no emotion in the label file"]}
        ),
        "settings": '[pretrain]\nmask_share = 0.1\n[finetune]\nloss = "cross_entropy"\n',
        "seeds": {"splits": 1, "labels": 2, "bootstrap": 0},
        "versions": {"undertone": "0.1.0", "numpy": "2.0.0"},
        "command": "undertone curve --corpus csv=labels.csv --out run",
        "pretraining": pd.DataFrame(
            {
                "fold": [0, 1, 2],
                "epochs": [12, 14, 11],
                "held_out_loss": [0.512345, 0.49876, 0.52],
                "seconds": [61.2, 70.0, 58.4],
            }
        ),
        "seconds": {"features": 12.0, "pre-training": 189.6, "fine-tuning": 412.0},
    }
    return CurveResult(**(values | changes))


def sources(*, synthetic: bool = False) -> tuple[Source, ...]:
    return (
        Source("twelve", "labelled", "CC BY 4.0", "A. Author, 2020.", synthetic, 336, 12),
        Source("pool", "unlabelled pool", "CC BY 4.0", "B. Author, 2015.", False, 2000, 40),
    )


# --- amounts


AMOUNT_SYSTEMS = (
    System("pretrained_frozen", "pre-trained, frozen", "pretrained", "Pre-trained; frozen."),
    System("pretrained_full", "pre-trained, full", "pretrained", "Pre-trained; all weights."),
    System("scratch", "from scratch", "scratch", "The same network, no pre-training."),
    System("always_0", "always 0", "floor", "Nothing, ever."),
)
NOISE = {  # SD of what each system errs by, at the first and the last budget
    "pretrained_frozen": (0.5, 0.4),
    "pretrained_full": (0.6, 0.4),
    "scratch": (0.9, 0.45),
    "always_0": (0.0, 0.0),
}
PAPER = Paper(
    title="A paper",
    citation="Nobody and Somebody (2000)",
    command="undertone reproduce toy",
    claims=Claims(
        published=(
            Published("accuracy", (0.85, 0.87), (0.81, 0.82), False, "somewhere"),
            Published("mae", (0.50, 0.59), (0.58, 0.67), True, "with 200 labels"),
        ),
        gain_most=("happy",),
        budget=200,
    ),
)


@dataclass(frozen=True)
class Valence(Task):
    """How pleasant an utterance is; a toy."""

    name = "toy"
    kind = AMOUNTS
    each = "dimension"
    metrics = {  # noqa: RUF012
        "ccc": Metric("CCC", "CCC, concordance correlation", False, "CCC", a_constant_wins=False),
        "correlation": Metric("r", of_output="r", a_constant_wins=False),
    }
    headline = "ccc"
    negligible = 0.02
    floors = {  # noqa: RUF012
        "always_0": Floor("always 0", "Nothing, ever.", lambda labels: 0 * labels[0])
    }

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self | None:
        return cls(("valence",)) if "valence" in table else None

    def truth(self, rows: pd.DataFrame) -> np.ndarray:
        return rows[list(self.outputs)].to_numpy(float)

    def draw(self, rows: pd.DataFrame, asked: Asked) -> LabelDraw:
        return draw_anyhow(rows, asked)

    def measure(self, rows: Rows, weights: np.ndarray) -> np.ndarray:
        values = (ccc(rows, weights), correlation(rows, weights))
        return np.stack([np.column_stack([mean_of_those_that_exist(v), v]) for v in values], axis=1)


def correlation(rows: Rows, weights: np.ndarray) -> np.ndarray:
    """Pearson's, which a prediction that never changes does not have."""
    truth, prediction = rows.truth - rows.truth.mean(0), rows.prediction - rows.prediction.mean(0)
    t, p = rows.mean(truth, weights), rows.mean(prediction, weights)
    both = rows.mean(truth * prediction, weights) - t * p
    squares = (rows.mean(truth**2, weights) - t**2) * (rows.mean(prediction**2, weights) - p**2)
    exists = squares > 1e-12
    return np.where(exists, both / np.sqrt(np.where(exists, squares, 1)), np.nan)


def amounts_run(
    task: Task | None = None,
    noise: Mapping[str, Sequence[float]] = NOISE,
    *,
    budgets: tuple[int, ...] = (20, 200),
    n_draws: int = 5,
    n_videos: int = 6,
    seed: int = 0,
) -> Run:
    """Amounts that are the truth and noise; a system without noise says nothing."""
    task, rng = task or Intensities(), np.random.default_rng(seed)
    shape = (10 * n_videos, len(task.outputs))
    truth = np.clip(rng.normal(0.1, 0.27, shape) * task.high, task.low, task.high)
    predictions = {}
    for system, sds in noise.items():
        for budget, sd in zip(budgets, sds, strict=False):
            heard = truth + rng.normal(0, sd * task.high / 3, (n_draws, *shape))
            values = np.clip(heard, task.low, task.high) if sd else np.zeros((n_draws, *shape))
            predictions[system, budget] = values
    return Run(
        predictions,
        Tested(
            task=task,
            utterances=tuple(f"u{i:03}" for i in range(len(truth))),
            speakers=tuple(f"v{i // 10}" for i in range(len(truth))),
            truth=truth,
            folds=(0,) * len(truth),
            unit="video",
        ),
    )


def amounts_result(
    of: Run | None = None, *, n_replicates: int = 40, **changes: object
) -> CurveResult:
    """A whole result around predictions of amounts, beside a paper unless it is said otherwise."""
    of = of or amounts_run()
    systems = {system for system, _ in of.predictions}
    values = {
        "title": "A <title>",
        "sources": (Source("toy", "labelled", "none", "Nobody (2000)", False, 600, 60),),
        "systems": tuple(s for s in AMOUNT_SYSTEMS if s.name in systems),
        "pairs": tuple(
            Pair(name, "scratch", label)
            for name, label in (("pretrained_frozen", "frozen"), ("pretrained_full", "full"))
            if {name, "scratch"} <= systems
        ),
        "n_draws": 5,
        "folds": (tuple(dict.fromkeys(of.tested.speakers)),),
        "left_out": pd.DataFrame({"toy": ["official test"], "segments": [60]}),
        "settings": "seed = 0\n",
        "seeds": {"run": 0},
        "versions": {"undertone": "0"},
        "pretraining": pd.DataFrame(),
        "command": "undertone reproduce toy",
        "seconds": {"training": 60.0},
        "notes": ("Nobody knows who speaks.",),
        "paper": PAPER,
        "unit": "video",
    }
    return result(of, n_replicates=n_replicates, **(values | changes))
