"""Undertone: speech emotion recognition when labels are scarce.

The verbs of the command line are here as functions, imported when they are first used::

    undertone.extract_file("clip.wav", "log_mel")  # one recording's frames and their times
    undertone.extract("emodb=PATH")  # those of a corpus
    undertone.pretrain(["librispeech=PATH"], "encoders/a")
    undertone.finetune("emodb=PATH", "models/a", encoder="encoders/a")
    undertone.shrink("upstream:models/whisper-base", "encoders/small", layers=3)
    undertone.load("models/a")
    undertone.predict("models/a", ["clip.wav"])
    undertone.score(truth="truth.csv", prediction="prediction.csv")
    undertone.curve(undertone.CurveSettings(corpus="emodb=PATH"), "runs/a")
    undertone.add_features("mine", FUNCTION, version=1, frames_per_second=50)  # own frames
    undertone.add_row("mine", FRAMES)  # beside the baselines of a curve
    undertone.layers(undertone.LayersSettings(corpus="emodb=PATH", upstream="FOLDER"), "runs/b")
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "CurveSettings": "undertone.experiment",
    "FinetuneSettings": "undertone.recogniser.build",
    "LayersSettings": "undertone.experiment.probing",
    "PretrainSettings": "undertone.pipeline",
    "Resources": "undertone.reading",
    "UndertoneError": "undertone.errors",
    "add_features": "undertone.features.own",
    "add_row": "undertone.systems.own_rows",
    "curve": "undertone.experiment",
    "extract": "undertone.reading",
    "extract_file": "undertone.features.store",
    "finetune": "undertone.pipeline",
    "from_pretrained": "undertone.recogniser.hub",
    "layers": "undertone.experiment.probing",
    "load": "undertone.recogniser.folder",
    "predict": "undertone.serving.predict",
    "pretrain": "undertone.pipeline",
    "score": "undertone.evaluation.score",
    "shrink": "undertone.features.upstream.shrink",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"undertone has no {name}; it has {', '.join(sorted(_HOMES))}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
