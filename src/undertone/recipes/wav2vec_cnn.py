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

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.tables import Row, Table
from undertone.experiment import ALL, CurveSettings, run_curve
from undertone.features.name import parse_encoder
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
            the layer is chosen on the labels), ``picture.network`` for the picture network, and
            settings laid over the recipe's.
        out: folder of the runs.
        resources: of the machine.
        quick: a first look.
    """
    values = dict(values)
    upstream = str(values.pop("upstream", ""))
    if not upstream or not values.get("corpus"):
        raise UndertoneError(
            "the recipe wav2vec-cnn needs --corpus shemo=FOLDER (or emodb=, ravdess=) and "
            "--upstream: the folder of an encoder, or its name on the hub"
        )
    features = str(parse_encoder(upstream, layers="auto").settled())
    values = {"draws": DRAWS, **(QUICK if quick else {}), **values}
    values.setdefault("budgets", [ALL])
    hand_made = dict(HAND_MADE)
    if values.get("picture", {}).get("network"):
        hand_made["systems"] = ["image_cnn", *hand_made["systems"]]
    reports, scores = [], []
    for name, beneath in (("upstream", {**UPSTREAM, "features": features}), ("log_mel", hand_made)):
        settings = config.load(CurveSettings, {**beneath, **values})
        scores += _scores(name, run_curve(settings, out / name, resources))
        reports.append(out / name / "report.html")
    return Reproduction(
        report=reports[0],
        summary=f"Speakers apart. The report on hand-made features: {reports[1].resolve()}",
        tables=(
            Table("Ours", ("features", "system", "labels", "WA", "UAR"), tuple(scores)),
            _published(),
        ),
    )


def _published() -> Table:
    rows = (
        Row(name, tuple(decimal(of[m] / 100) if m in of else "" for m in ("wa", "uar")))
        for name, of in PUBLISHED.items()
    )
    return Table(
        "Published on ShEMO",
        ("system", "WA", "UAR"),
        tuple(rows),
        hint="Protocols differ; EmoBox's fold shares speakers between training and test.",
    )


def _scores(name: str, result: CurveResult) -> list[Row]:
    """Of each system at the largest budget, and what guessing gets."""
    curves, metrics = result.curves, ("wa", "uar")
    budget = curves.budgets[-1]
    chance = (decimal(value) for m in metrics if (value := curves.chance(m)) is not None)
    return [
        *(
            Row(name, (s.name, str(budget), *(curves.estimate(s.name, budget, m) for m in metrics)))
            for s in result.systems
        ),
        Row(name, ("chance", "", *chance)),
    ]
