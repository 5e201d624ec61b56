"""Unsupervised representations improve supervised learning in emotion recognition: system C.

Soltani Tehrani, Faridani and Toosi, arXiv 2309.12714 (2023). Frames of a frozen wav2vec-family
model, cut into small windows, a CNN on each, the utterance as their mean; on ShEMO, against a
support vector machine on hand-made functionals and a picture network on log-mel images. What the
paper does not say is a default of the settings' own classes. Folds keep speakers apart, which most
published numbers on ShEMO do not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.curve import trace
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.intensity_report import Table
from undertone.features.extractors import settled
from undertone.learning_curve import ALL, CurveSettings, curve
from undertone.pipeline import Resources
from undertone.recipes.reproduction import Reproduction

CITATION = "Soltani Tehrani, Faridani and Toosi, arXiv 2309.12714 (2023)"
# Of others on ShEMO, in per cent; protocols differ, and EmoBox's fold shares speakers.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "SVM (corpus paper, 2019)": {"wa": 58.2},
    "Yazdani (2022)": {"wa": 78.3, "uar": 65.2},
    "emotion2vec (EmoBox)": {"wa": 80.0, "uar": 66.0},
    "WavLM-large (EmoBox)": {"wa": 87.1, "uar": 71.7},
    "Whisper-large-v3 (EmoBox)": {"wa": 89.6, "uar": 80.2},
}
CNN: Mapping[str, Any] = {"segment_s": 4.0, "overlap": 0.5, "channels": 256, "blocks": 3}
UPSTREAM: Mapping[str, Any] = {
    "systems": ["layers", "linear", "svm", "cnn", "constant"],
    "cnn": CNN,
}
HAND_MADE: Mapping[str, Any] = {
    "features": "log_mel",
    "systems": ["functionals_svm", "cnn", "constant"],
    "cnn": CNN,
}
QUICK: Mapping[str, Any] = {"folds": 2, "cnn": {**CNN, "channels": 32, "max_epochs": 8}}
DRAWS = 1  # all labels of the training speakers: nothing to draw


def reproduce(
    values: Mapping[str, Any], out: Path, resources: Resources, *, quick: bool = False
) -> Reproduction:
    """The same folds and labels on frames of an encoder, and on hand-made features.

    Args:
        values: ``corpus`` and ``upstream`` (folder or hub name, perhaps with ``@LAYER``; without it
            the layer is chosen on the labels), ``image_network`` for the picture network, and
            settings laid over the recipe's.
        out: folder of the runs.
        resources: of the machine.
        quick: a first look.
    """
    values = dict(values)
    upstream, pictures = str(values.pop("upstream", "")), values.pop("image_network", "")
    if not upstream or not values.get("corpus"):
        raise UndertoneError(
            "the recipe wav2vec-cnn needs --corpus shemo=FOLDER (or emodb=, ravdess=) and "
            "--upstream: the folder of an encoder, or its name on the hub"
        )
    features = upstream if "@" in upstream else f"{upstream}@auto"
    features = settled(features if features.startswith("upstream:") else f"upstream:{features}")
    values = {"draws": DRAWS, **(QUICK if quick else {}), **values}
    values.setdefault("budgets", [ALL])
    hand_made = dict(HAND_MADE)
    if pictures:
        hand_made |= {"image_network": pictures}
        hand_made["systems"] = ["image_cnn", *hand_made["systems"]]
    reports, scores = [], []
    for name, beneath in (
        ("upstream", {**UPSTREAM, "features": features}),
        ("log_mel", hand_made),
    ):
        settings = config.load(CurveSettings, {**beneath, **values})
        reports.append(curve(settings, out / name, resources))
        scores += _scores(name, out / name)
    return Reproduction(
        report=reports[0],
        summary=f"Speakers apart. The report on hand-made features: {reports[1].resolve()}",
        tables=(
            Table("Ours", ("features", "system", "labels", "WA", "UAR"), tuple(scores)),
            _published(),
        ),
    )


def _published() -> Table:
    rows = [
        (name, *(decimal(found[m] / 100) if m in found else "" for m in ("wa", "uar")))
        for name, found in PUBLISHED.items()
    ]
    return Table(
        "Published on ShEMO",
        ("system", "WA", "UAR"),
        tuple(rows),
        hint="Protocols differ; EmoBox's fold shares speakers between training and test.",
    )


def _scores(name: str, folder: Path) -> list[tuple[str | Estimate, ...]]:
    """Of each system at the largest budget, and what guessing gets."""
    predictions = pd.read_parquet(folder / "predictions.parquet")
    columns = [str(column) for column in predictions]
    emotions = [column.removeprefix("p_") for column in columns if column.startswith("p_")]
    curves = trace(predictions, emotions=emotions)
    budget = curves.budgets[-1]
    metrics = ("wa", "uar")
    return [
        *(
            (name, s, str(budget), *(curves.estimate(s, budget, metric) for metric in metrics))
            for s in predictions["system"].unique()
        ),
        (name, "chance", "", *(decimal(curves.chance(metric)) for metric in metrics)),
    ]
