"""A sweep that nobody ran: predictions whose accuracy at each budget is known by construction."""

from dataclasses import replace

import numpy as np
import pandas as pd

from undertone.evaluation.results import CurveResult, Pair, Source, System

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
SKILL = {  # share of utterances each system is meant to get right, a budget
    "pretrained_frozen": (0.42, 0.50, 0.55, 0.58),
    "pretrained_full": (0.38, 0.48, 0.56, 0.63),
    "scratch_frozen": (0.22, 0.26, 0.29, 0.31),
    "scratch_full": (0.26, 0.36, 0.47, 0.60),
    "svm": (0.33, 0.43, 0.52, 0.61),
    "logistic": (0.31, 0.39, 0.47, 0.54),
    "constant": (0.0, 0.0, 0.0, 0.0),
}


def predictions(
    skill: dict[str, tuple[float, ...]] = SKILL,
    *,
    budgets: tuple[int, ...] = BUDGETS,
    n_draws: int = 3,
    n_speakers: int = 12,
    n_utterances: int = 28,
    seed: int = 0,
) -> pd.DataFrame:
    """Predictions of every system; utterances of one speaker share their luck."""
    rng = np.random.default_rng(seed)
    corpus = pd.DataFrame(
        {
            "utterance": [
                f"s{s:02}u{u:02}" for s in range(n_speakers) for u in range(n_utterances)
            ],
            "speaker": [f"{s:02}" for s in range(n_speakers) for _ in range(n_utterances)],
            "truth": [EMOTIONS[u % 7] for _ in range(n_speakers) for u in range(n_utterances)],
            "fold": [s % 3 for s in range(n_speakers) for _ in range(n_utterances)],
        }
    )
    luck = np.repeat(rng.normal(0, 0.08, n_speakers), n_utterances)
    fits = []
    for system, shares in skill.items():
        for budget, share in zip(budgets, shares, strict=True):
            for draw in range(n_draws):
                hit = rng.random(len(corpus)) < share + luck + rng.normal(0, 0.02)
                wrong = rng.choice(EMOTIONS, len(corpus))
                guess = np.where(hit, corpus["truth"], wrong) if share else "anger"
                fits.append(
                    corpus.assign(system=system, budget=budget, draw=draw, prediction=guess)
                )
    return pd.concat(fits, ignore_index=True)


def result(synthetic: bool = False, **changes: object) -> CurveResult:
    """A whole result around these predictions."""
    whole = CurveResult(
        title="What pre-training is worth on a corpus of twelve",
        sources=(
            Source("twelve", "labelled", "CC BY 4.0", "A. Author, 2020.", synthetic, 336, 12),
            Source("pool", "unlabelled pool", "CC BY 4.0", "B. Author, 2015.", False, 2000, 40),
        ),
        emotions=EMOTIONS,
        predictions=predictions(),
        systems=SYSTEMS,
        pairs=(
            Pair("pretrained_full", "scratch_full", "all weights trained"),
            Pair("pretrained_frozen", "scratch_frozen", "encoder frozen"),
            Pair("pretrained_frozen", "scratch_full", "frozen against scratch"),
        ),
        budgets=BUDGETS,
        n_draws=3,
        folds=tuple(tuple(f"{s:02}" for s in range(f, 12, 3)) for f in range(3)),
        left_out=pd.DataFrame(
            {"corpus": ["twelve"], "n_utterances": [3], "reason": ["no emotion in the label file"]}
        ),
        settings='[pretrain]\nmask_share = 0.1\n[finetune]\nloss = "cross_entropy"\n',
        seeds={"splits": 1, "labels": 2, "bootstrap": 0},
        versions={"undertone": "0.1.0", "numpy": "2.0.0"},
        command="undertone curve --corpus csv=labels.csv --out run",
        pretraining=pd.DataFrame(
            {
                "fold": [0, 1, 2],
                "epochs": [12, 14, 11],
                "held_out_loss": [0.512345, 0.49876, 0.52],
                "seconds": [61.2, 70.0, 58.4],
            }
        ),
        seconds={"features": 12.0, "pre-training": 189.6, "fine-tuning": 412.0},
        n_replicates=400,
    )
    return replace(whole, **changes)
