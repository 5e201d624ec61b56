"""Systems that train a pre-trained encoder itself on the labels, from the recordings.

In:  a ``Problem`` whose material holds an encoder's layers, and the recordings.
Out: ``OnWaveform``: it carries the encoder, whose original is not needed any more.

The frames of the problem only say which encoder is meant; what is heard are waveforms. A model is
served on the features ``waveform``, which are the samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features.name import FeatureName
from undertone.features.upstream.source import Upstream, find
from undertone.systems.fitted import Fitted, OnNetwork, Parts, Tensors, filled
from undertone.systems.problem import Material, Problem
from undertone.systems.view import View
from undertone.tasks import CHOICE
from undertone.training.outputs import outputs_of
from undertone.training.seeds import seed_of

if TYPE_CHECKING:
    from undertone.features.upstream.batches import Encoder
    from undertone.training.supervised import Labelled
    from undertone.training.tuning import TunedEncoder, TuningConfig


@dataclass(frozen=True)
class OnWaveform(OnNetwork):
    """An encoder with a dense layer on the mean over time of its last state.

    Attributes:
        told: what the encoder is made again with, as JSON.
    """

    kind = "waveform"
    network: "TunedEncoder"
    told: Mapping[str, Any]

    def predict(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        from undertone.training.tuning import predict_waveforms

        heard = (_heard(material, name, self.network.encoder) for name in utterances)
        return predict_waveforms(self.network, heard, outputs_of(self.task).activation)

    def config(self) -> dict[str, Any]:
        return {"carried": self.told}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Tensors, parts: Parts) -> Self:
        from undertone.features.upstream.carried import empty
        from undertone.training.tuning import TunedEncoder

        told, n_outputs = config["carried"], len(parts.task.outputs)
        network = filled(lambda: TunedEncoder(empty(told), told["width"], n_outputs), tensors)
        return cls(parts.view, network, parts.task, told)


def fit_encoder(problem: Problem, settings: "TuningConfig") -> Fitted:
    """Encoder and dense layer, trained on the labels of the budget; the settings say how."""
    from undertone.features.upstream.batches import build
    from undertone.features.upstream.carried import describe
    from undertone.training.tuning import tune

    layers = problem.material.layers
    assert layers is not None, "who asks has seen that the frames are an encoder's"
    source = find(layers.table.extractor)
    encoder = build(source)
    told = describe(source, encoder)
    network, chosen = tune(
        encoder,
        train=_labelled(problem, problem.labels.train, encoder),
        validation=_labelled(problem, problem.labels.validation, encoder),
        outputs=_outputs(problem, settings),
        settings=settings,
        seed=seed_of(problem.seed, "tuning"),
    )
    return OnWaveform(View(), network, problem.task, told, remarks={"tuned": asdict(chosen)})


def check_tunable(features: FeatureName, names: Sequence[str]) -> None:
    """Refuse an encoder that cannot be trained.

    Raises:
        UndertoneError: the features are no encoder's, or its weights are rounded.
    """
    if not features.is_upstream:
        raise UndertoneError(
            f"{', '.join(names)} train a pre-trained encoder: --features upstream:MODEL@all, "
            f"found {features}"
        )
    source: Upstream = find(features.every_layer())
    if source.int8 or source.options.bfloat16:
        raise UndertoneError(
            f"{', '.join(names)} train weights in full precision, and those of {features} are "
            "rounded: name the encoder without int8 and without +bfloat16"
        )


def _labelled(problem: Problem, utterances: Sequence[str], encoder: "Encoder") -> "Labelled":
    return problem.labelled(
        utterances, lambda names: [_heard(problem.material, name, encoder) for name in names]
    )


def _heard(material: Material, utterance: str, encoder: "Encoder") -> np.ndarray:
    """(n_samples,) of a recording in which the encoder hears something.

    Raises:
        UndertoneError: it is shorter than a frame of the encoder.
    """
    waveform = material.waveform(utterance)
    if encoder.n_frames(waveform) > 0:
        return waveform
    length = f"of {1000 * len(waveform) / audio.SAMPLE_RATE:.0f} ms is shorter than one frame"
    if (recording := material.recordings.get(utterance)) is None:
        raise UndertoneError(f"a recording {length} of the encoder: give a longer one")
    raise UndertoneError(
        f"the utterance {utterance} ({recording.path}) {length} of the encoder: take its row out "
        "of the corpus's table, or move the file away"
    )


def _outputs(problem: Problem, settings: "TuningConfig") -> Any:
    smoothing = settings.label_smoothing if problem.task.kind == CHOICE else 0.0
    return outputs_of(problem.task, labels=problem.truths(problem.budget), smoothing=smoothing)
