"""Unsupervised representations improve supervised learning in emotion recognition: system C.

Soltani Tehrani, Faridani and Toosi, arXiv 2309.12714 (2023). Frames of a frozen wav2vec-family
model, cut into small windows, a CNN on each, the utterance as their mean; on ShEMO, against a
support vector machine on hand-made functionals and a picture network on log-mel images. What the
paper does not say is a default of the settings' own classes. Folds keep speakers apart, which most
published numbers on ShEMO do not.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import Comparison, Contestant, compare
from undertone.evaluation.curves import Curves
from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.paper import OPEN, Answer
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.side_by_side import (
    gains,
    gains_by_output,
    is_better,
    is_better_in_every_metric,
    scores,
    scores_by_output,
)
from undertone.evaluation.report.study import Study
from undertone.evaluation.report.tables import Row, Table
from undertone.experiment import ALL, CurveSettings, run_curve
from undertone.features.name import parse_encoder
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.recipes.command import command_of
from undertone.recipes.reproduction import Reproduction, publish

CITATION = (
    "Soltani Tehrani, Faridani and Toosi, Unsupervised representations improve supervised learning "
    "in speech emotion recognition, arXiv 2309.12714 (2023)."
)
# Of others on ShEMO, in per cent; protocols differ, and EmoBox's fold shares speakers.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "SVM (corpus paper, 2019)": {"wa": 58.2},
    "Yazdani (2022)": {"wa": 78.3, "uar": 65.2},
    "emotion2vec (EmoBox)": {"wa": 80.0, "uar": 66.0},
    "WavLM-large (EmoBox)": {"wa": 87.1, "uar": 71.7},
    "Whisper-large-v3 (EmoBox)": {"wa": 89.6, "uar": 80.2},
}
CNN: Mapping[str, Any] = {"segment_s": 4.0, "overlap": 0.5, "channels": 256, "blocks": 3}
ON_ENCODER, ON_LOG_MEL = "upstream", "log_mel"  # folders of the two runs
OURS, RIVAL, PICTURES = "CNN on the encoder", "SVM on functionals", "picture network on log-mel"
CONTROLS = ("linear on the encoder", "SVM on the encoder", "CNN on log-mel")
CONSTANT = "constant"
CONTESTANTS: Mapping[str, tuple[str, str]] = {  # run and system, the paper's own first
    OURS: (ON_ENCODER, "cnn"),
    RIVAL: (ON_LOG_MEL, "functionals_svm"),
    PICTURES: (ON_LOG_MEL, "image_cnn"),
    CONTROLS[0]: (ON_ENCODER, "linear"),
    CONTROLS[1]: (ON_ENCODER, "svm"),
    CONTROLS[2]: (ON_LOG_MEL, "cnn"),
    "all layers": (ON_ENCODER, "layers"),
    CONSTANT: (ON_LOG_MEL, "constant"),
}
UPSTREAM: Mapping[str, Any] = {
    "systems": ["layers", "linear", "svm", "cnn", "constant"],
    "cnn": CNN,
}
HAND_MADE: Mapping[str, Any] = {
    "features": "log_mel",
    "systems": ["functionals_svm", "cnn", "constant"],
    "cnn": CNN,
}
QUICK: Mapping[str, Any] = {"folds": 2, "cnn": {"channels": 32, "max_epochs": 8}}
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
    settings = settings_of(values, quick=quick)
    results = {name: run_curve(one, out / name, resources) for name, one in settings.items()}
    comparison = _side_by_side(results, out, resources)
    result = results[ON_ENCODER]
    study = Study(
        title=f"Frames of an encoder and a CNN on {result.sources[0].name}",
        verdict=_verdict(comparison.curves),
        citation=CITATION,
        tables=tuple(_tables(comparison, result)),
        answers=tuple(_answers(comparison.curves, settings[ON_ENCODER])),
        runs=tuple((name, out / name / "report.html") for name in results),
        sources=result.sources,
        command=command_of("wav2vec-cnn", values, quick=quick),
        notes=(NOTE,),
    )
    return publish(study, out / "report.html", summary=result.summary)


NOTE = (
    "Speakers are kept apart, and every system sees the same labels. Of the encoder they see the "
    "layer that was named, or the one that each fit chooses on its own labels. Intervals of one "
    "draw know of the speakers, not of the chance in training a network: --draws takes it in."
)


def settings_of(values: Mapping[str, Any], *, quick: bool = False) -> dict[str, CurveSettings]:
    """Of the run on the encoder's frames and of the run on hand-made features."""
    values = dict(values)
    upstream = str(values.pop("upstream", ""))
    if not upstream or not values.get("corpus"):
        raise UndertoneError(
            "the recipe wav2vec-cnn needs --corpus shemo=FOLDER (or emodb=, ravdess=) and "
            "--upstream: the folder of an encoder, or its name on the hub"
        )
    if values.get("systems") or values.get("features"):
        raise UndertoneError(
            "the recipe wav2vec-cnn sets features and systems itself; for others use undertone "
            "curve --features upstream:MODEL@auto --systems NAMES"
        )
    features = str(parse_encoder(upstream, layers="auto").settled())
    hand_made = dict(HAND_MADE)
    if values.get("picture", {}).get("network"):
        hand_made["systems"] = ["image_cnn", *hand_made["systems"]]
    beneath = {"draws": DRAWS, "budgets": [ALL], **(QUICK if quick else {})}
    of_runs = {ON_ENCODER: {**UPSTREAM, "features": features}, ON_LOG_MEL: hand_made}
    return {
        name: config.load(CurveSettings, config.merge(of_run, beneath, values))
        for name, of_run in of_runs.items()
    }


def _side_by_side(
    results: Mapping[str, CurveResult], out: Path, resources: Resources
) -> Comparison:
    contestants = [
        Contestant(label, out / run, system)
        for label, (run, system) in CONTESTANTS.items()
        if system in {s.name for s in results[run].systems}
    ]
    return compare(contestants, OURS, workers=how_many(resources.workers))


def _verdict(curves: Curves) -> str:
    answer = is_better(curves, OURS, RIVAL)
    control = is_better(curves, OURS, CONTROLS[0])
    says = {"yes": "beats", "no": "loses to", OPEN: "cannot be told apart from"}
    return (
        f"The {OURS} {says[answer.verdict]} the {RIVAL}, and {says[control.verdict]} a linear "
        f"model on the same layer. {answer.evidence}"
    )


def _tables(comparison: Comparison, result: CurveResult) -> Iterator[Table]:
    """Every metric along the budgets, what the CNN gains, both by emotion, published numbers."""
    curves, labels = comparison.curves, comparison.labels
    metrics = curves.task.metrics
    others = [label for label in labels if label not in (OURS, CONSTANT)]
    for metric in metrics:
        yield scores(curves, labels, metric)
        yield gains(curves, OURS, [*others, CONSTANT], metric)
    for metric in metrics:
        if metrics[metric].of_output:
            yield scores_by_output(curves, (OURS, RIVAL, CONSTANT), metric)
            yield gains_by_output(curves, OURS, RIVAL, metric)
    if result.sources[0].name.startswith("shemo"):
        yield _beside_published(curves, labels)


def _beside_published(curves: Curves, labels: tuple[str, ...]) -> Table:
    """Ours at the largest budget under what others printed."""
    metrics, budget = ("wa", "uar"), curves.budgets[-1]
    printed = [
        Row(name, tuple(decimal(of[m] / 100) if m in of else "–" for m in metrics))
        for name, of in PUBLISHED.items()
    ]
    ours = [
        Row(f"ours: {label}", tuple(curves.estimate(label, budget, m) for m in metrics))
        for label in labels
    ]
    return Table(
        f"Published on ShEMO, and ours with {budget} labels",
        ("system", "WA", "UAR"),
        (*printed, *ours),
        hint="Protocols differ; EmoBox's fold shares speakers between training and test.",
    )


def _answers(curves: Curves, settings: CurveSettings) -> Iterator[Answer]:
    """The paper's claims, and the controls that say what the gain is owed to."""
    yield is_better(
        curves, OURS, RIVAL, claim="a CNN on encoder frames beats an SVM on hand-made features"
    )
    yield is_better_in_every_metric(curves, OURS, RIVAL, claim="it beats the SVM in every metric")
    claim = "it beats a transferred picture network"
    if curves.has(PICTURES, curves.budgets[-1]):
        yield is_better(curves, OURS, PICTURES, claim=claim)
    else:
        yield Answer(
            f"Is “{OURS}” better than a “{PICTURES}”?",
            OPEN,
            "Not run: no picture network was named; --set picture.network=FOLDER does.",
            claim,
        )
    seconds = settings.of_systems["cnn"]["segment_s"]
    yield Answer(
        "Is its lead largest on small segments?",
        OPEN,
        f"One length was run, {seconds:g} s; --study segments compares four.",
        "its lead is largest on small segments",
    )
    for control, what in zip(
        CONTROLS,
        (
            "it is the CNN that helps, not a linear model on the same layer",
            "it is the CNN that helps, not an SVM on the same layer",
            "it is the encoder that helps, not the CNN on log-mel",
        ),
        strict=True,
    ):
        yield is_better(curves, OURS, control, claim=what)
    yield is_better(curves, OURS, CONSTANT, claim="it clears a constant")
