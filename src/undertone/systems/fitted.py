"""What a fit leaves: it predicts any utterance of a material, and it can be saved.

In:  a ``Material`` and names of utterances.
Out: predictions (n_utterances, n_outputs) float32: probabilities of classes, or amounts.

There is one class for each thing that a head can read: a vector of an utterance, its steps, its
segments, pictures of its segments; and one for a head that needs words. ``save`` gives everything
but the encoder and the normaliser, which are the material's; ``restore`` takes it back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from undertone.config import load as load_settings
from undertone.models.conformal import HeldOut
from undertone.models.crowd_ridge import CrowdRidge
from undertone.models.discriminant import Discriminant
from undertone.models.heads import Constant, Head, Logistic, Ridge, SupportVectors
from undertone.models.voices import Expected, own
from undertone.systems.problem import Material
from undertone.systems.view import WORDS, View
from undertone.tasks import Task
from undertone.training.normalise import Normaliser

if TYPE_CHECKING:
    from torch import nn

    from undertone.models.cnn import Cnn, CnnConfig
    from undertone.models.network import DenseHead, GruNetwork
    from undertone.models.picture import PictureConfig, PictureNetwork

Tensors = Mapping[str, np.ndarray]
EXPECTED = "expected."  # before the names of the arrays of what voices are compared with
OTHERWISE = "otherwise."  # before the names of the weights of what answers without words
HEADS: Mapping[str, type[Head]] = {
    "logistic": Logistic,
    "ridge": Ridge,
    "support_vectors": SupportVectors,
    "discriminant": Discriminant,
    "crowd_ridge": CrowdRidge,
    "constant": Constant,
}


@dataclass(frozen=True)
class Parts:
    """What a fitted system is restored with.

    Attributes:
        task: what is predicted.
        material: its encoders, shape and columns.
        view: what is read.
    """

    task: Task
    material: Material
    view: View


@dataclass(frozen=True)
class Fitted(ABC):
    """A system that was fitted.

    Attributes:
        kind: a key of ``FITTED``.
        view: what it reads.
        remarks: of the fit, what JSON can hold.
        held_out: what smaller fits told of speakers whom they did not know, where there were any.
    """

    kind: ClassVar[str]
    view: View
    remarks: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    held_out: HeldOut | None = field(default=None, kw_only=True)

    @property
    def notes(self) -> dict[str, Any]:
        """What the fit chose on its labels, the layer of an encoder, and what it remarked."""
        chosen = {} if self.view.layer is None else {"layer": self.view.layer}
        return {**chosen, **self.remarks}

    @property
    def reads_words(self) -> bool:
        """Whether it needs a transcript to do what it can."""
        return bool(set(self.view.blocks) & set(WORDS))

    def cooled(self, temperature: float) -> Self:
        """The same decisions with other probabilities, of what a temperature is found for."""
        raise TypeError(f"{type(self).__name__} is not cooled")

    @abstractmethod
    def predict(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_outputs) float32."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What JSON can hold, beside the view."""

    @abstractmethod
    def tensors(self) -> dict[str, np.ndarray]:
        """Weights by name."""

    @classmethod
    @abstractmethod
    def restore(cls, config: Mapping[str, Any], tensors: Tensors, parts: Parts) -> Self:
        """The system that ``config`` and ``tensors`` were taken of."""


@dataclass(frozen=True)
class OnVectors(Fitted):
    """A head on one vector an utterance.

    Attributes:
        head: that reads it.
        expected: what recordings of a voice are compared with, of a fit that can be adapted to one;
            None of any other.
    """

    kind = "vectors"
    head: Head
    expected: Expected | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if type(self.head) not in HEADS.values():
            raise TypeError(
                f"{type(self.head).__name__} has no row in HEADS: it could be fitted and not saved"
            )

    def predict(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        return self.head.predict(self.view.vectors(material, utterances))

    def adapted(self, vectors: np.ndarray) -> Self:
        """The same with what is one speaker's own taken off whatever it hears.

        Args:
            vectors: (n_recordings, n_values) of that speaker, as its view gives them.
        """
        assert self.expected is not None, "who asks has seen that it can be adapted"
        mean = self.expected.given(self.heard_in(vectors))
        taken = own(vectors, mean=mean, count=self.view.centring)
        return replace(self, head=self.head.moved(taken), expected=None)

    def heard_in(self, vectors: np.ndarray) -> np.ndarray:
        """(n_outputs,) how many of (n_recordings, n_values) are heard as each output."""
        values = self.head.predict(vectors)
        counts: np.ndarray = np.bincount(values.argmax(axis=1), minlength=values.shape[1])
        return counts

    def cooled(self, temperature: float) -> Self:
        """Of a discriminant analysis; any other head stays as it is."""
        head = self.head.cooled(temperature) if isinstance(self.head, Discriminant) else self.head
        return replace(self, head=head)

    def config(self) -> dict[str, Any]:
        return {"head": next(name for name, kind in HEADS.items() if type(self.head) is kind)}

    def tensors(self) -> dict[str, np.ndarray]:
        """Of the head, and what voices are compared with."""
        expected = {} if self.expected is None else vars(self.expected)
        named = {f"{EXPECTED}{name}": array for name, array in expected.items()}
        return self.head.tensors() | named

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Tensors, parts: Parts) -> Self:
        head = HEADS[config["head"]].restore(tensors)
        return cls(parts.view, head, expected=_expected(tensors, head, len(parts.task.outputs)))


def has_scale(fitted: Fitted) -> bool:
    """Whether a fit reads vectors and knows the mean and spread of those of its speakers."""
    if not isinstance(fitted, OnVectors) or isinstance(fitted, OnWords):
        return False
    return isinstance(fitted.head, Discriminant | CrowdRidge)


def _expected(tensors: Tensors, head: Head, n_outputs: int) -> Expected | None:
    """What voices are compared with, among the arrays of a head, if it is there.

    Raises:
        ValueError: it is of other values or outputs than the head.
    """
    arrays = {n.removeprefix(EXPECTED): a for n, a in tensors.items() if n.startswith(EXPECTED)}
    if not arrays:
        return None
    expected, mean = Expected(**arrays), getattr(head, "mean", np.zeros(0))
    n = len(expected.by_emotion)
    shapes = {"mean": mean.shape, "by_emotion": (n, *mean.shape), "share": (n,)}
    if n not in (0, n_outputs):
        raise ValueError("what its voices are compared with is of other emotions")
    for name, array in vars(expected).items():
        if array.shape != shapes[name] or array.dtype != np.float64:
            raise ValueError(f"what its voices are compared with is of shape {array.shape}")
    return expected


@dataclass(frozen=True)
class OnWords(OnVectors):
    """A head that needs the words, alone or beside the voice; without them another answers.

    Attributes:
        otherwise: what answers for an utterance whose words are not known.
    """

    kind = "words"
    otherwise: OnVectors

    def predict(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        """Each utterance by the head that its words allow."""
        assert material.words is not None, "a model that reads words is given a reader"
        known = material.words.known(utterances)
        predictions = np.zeros((len(utterances), 0), dtype=np.float32)
        for has_words, answer in ((True, super().predict), (False, self.otherwise.predict)):
            names = [name for name, k in zip(utterances, known, strict=True) if k == has_words]
            if names:
                values = answer(material, names)
                if not predictions.shape[1]:
                    predictions = np.zeros((len(utterances), values.shape[1]), dtype=np.float32)
                predictions[known == has_words] = values
        return predictions

    def cooled(self, temperature: float) -> Self:
        """Both heads."""
        return replace(super().cooled(temperature), otherwise=self.otherwise.cooled(temperature))

    def config(self) -> dict[str, Any]:
        return {**super().config(), "otherwise": save(self.otherwise)}

    def tensors(self) -> dict[str, np.ndarray]:
        """Of both heads."""
        others = {f"{OTHERWISE}{name}": a for name, a in self.otherwise.tensors().items()}
        return super().tensors() | others

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Tensors, parts: Parts) -> Self:
        others = {n.removeprefix(OTHERWISE): a for n, a in tensors.items() if OTHERWISE in n}
        own = {name: array for name, array in tensors.items() if OTHERWISE not in name}
        otherwise = restore(config["otherwise"], others, parts.task, parts.material)
        assert isinstance(otherwise, OnVectors), "without words a head on a vector answers"
        return cls(parts.view, HEADS[config["head"]].restore(own), otherwise)


@dataclass(frozen=True)
class OnNetwork(Fitted):
    """A network, and what its outputs mean."""

    network: Any
    task: Task

    def tensors(self) -> dict[str, np.ndarray]:
        return arrays(self.network)


@dataclass(frozen=True)
class OnSteps(OnNetwork):
    """A recurrent network on an utterance's steps, or a dense layer on its vector."""

    kind = "steps"
    network: "GruNetwork | DenseHead"

    def predict(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        """What the network says of the steps; a vector is a sequence of one step."""
        from undertone.models.network import predict
        from undertone.training.outputs import outputs_of

        if self.view.blocks:
            steps = list(self.view.vectors(material, utterances)[:, None, :])
        else:
            steps = material.steps(utterances)
        return predict(self.network, steps, outputs_of(self.task).activation)

    def config(self) -> dict[str, Any]:
        """How steps are pooled; the shape is the material's."""
        return {"pooling": getattr(self.network, "pooling", "")}

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Tensors, parts: Parts) -> Self:
        from undertone.models.encoder import Encoder
        from undertone.models.network import DenseHead, GruNetwork

        n_outputs, shape = len(parts.task.outputs), parts.material.shape

        def make() -> "nn.Module":
            if parts.view.blocks:
                return DenseHead(tensors["dense.weight"].shape[1], n_outputs)
            encoder = Encoder(len(parts.material.columns), shape.hidden_units, shape.layers)
            return GruNetwork(encoder, config["pooling"], n_outputs)

        return cls(parts.view, filled(make, tensors), parts.task)


@dataclass(frozen=True)
class OnSegments(OnNetwork):
    """A convolutional network on segments of the frames; an utterance is their mean."""

    kind = "segments"
    network: "Cnn"
    normaliser: Normaliser
    frames_per_second: float
    settings: "CnnConfig"

    def predict(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        from undertone.training.outputs import outputs_of
        from undertone.training.segments import predict_segments

        frames = (material.frames_of(name, self.view.layer) for name in utterances)
        return predict_segments(
            self.network,
            [self.normaliser.apply(of_one) for of_one in frames],
            outputs_of(self.task).activation,
            steps_per_second=self.frames_per_second / self.normaliser.stride,
            settings=self.settings,
        )

    def config(self) -> dict[str, Any]:
        return {
            "settings": asdict(self.settings),
            "stride": self.normaliser.stride,
            "frames_per_second": self.frames_per_second,
        }

    def tensors(self) -> dict[str, np.ndarray]:
        """All weights, and the network's own normaliser."""
        own = {"steps.mean": self.normaliser.mean, "steps.sd": self.normaliser.sd}
        return arrays(self.network) | own

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Tensors, parts: Parts) -> Self:
        from undertone.models.cnn import Cnn, CnnConfig

        weights = dict(tensors)
        mean, sd = weights.pop("steps.mean"), weights.pop("steps.sd")
        settings, n_outputs = load_settings(CnnConfig, config["settings"]), len(parts.task.outputs)
        if mean.ndim != 1 or mean.shape != sd.shape:
            raise ValueError("the normaliser of its steps is of another shape")
        return cls(
            parts.view,
            filled(lambda: Cnn(len(mean), n_outputs, settings), weights),
            parts.task,
            Normaliser(mean, sd, config["stride"]),
            config["frames_per_second"],
            settings,
        )


@dataclass(frozen=True)
class OnPictures(OnNetwork):
    """A network for pictures on mel images of segments; an utterance is their mean."""

    kind = "pictures"
    network: "PictureNetwork"
    frames_per_second: float
    settings: "PictureConfig"
    bands: tuple[int, ...]  # columns of the frames

    def predict(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        from undertone.training.outputs import outputs_of
        from undertone.training.segments import predict_segments

        return predict_segments(
            self.network,
            [material.frames_of(name, None)[:, self.bands] for name in utterances],
            outputs_of(self.task).activation,
            steps_per_second=self.frames_per_second,
            settings=self.settings,
        )

    def config(self) -> dict[str, Any]:
        """Settings, and the shape of the network that it started from."""
        return {
            "settings": asdict(self.settings),
            "frames_per_second": self.frames_per_second,
            "bands": self.bands,
            "backbone": self.network.backbone.config.to_diff_dict(),
        }

    @classmethod
    def restore(cls, config: Mapping[str, Any], tensors: Tensors, parts: Parts) -> Self:
        from undertone.models.picture import PictureConfig, PictureNetwork, empty_backbone

        n_outputs, backbone = len(parts.task.outputs), config["backbone"]
        if not 0 < sum(backbone["depths"]) <= len(tensors):
            raise ValueError("it has other layers than its backbone")
        return cls(
            parts.view,
            filled(lambda: PictureNetwork(empty_backbone(backbone), n_outputs), tensors),
            parts.task,
            config["frames_per_second"],
            load_settings(PictureConfig, config["settings"]),
            tuple(config["bands"]),
        )


FITTED = {kind.kind: kind for kind in (OnVectors, OnWords, OnSteps, OnSegments, OnPictures)}


def without_words(fitted: Fitted) -> str:
    """What answers for speech whose words are not known, as people say it."""
    assert isinstance(fitted, OnWords)
    return "the voice alone" if fitted.otherwise.view.blocks else "a constant"


def save(fitted: Fitted) -> dict[str, Any]:
    """What JSON can hold of a system; its weights are its ``tensors``."""
    return {"kind": fitted.kind, "view": asdict(fitted.view), **fitted.config()}


def restore(config: Mapping[str, Any], tensors: Tensors, task: Task, material: Material) -> Fitted:
    """The system that ``save`` and ``tensors`` were taken of."""
    view = {name: value for name, value in config["view"].items() if value is not None}
    parts = Parts(task, material, load_settings(View, view))
    return FITTED[config["kind"]].restore(config, tensors, parts)


def arrays(module: "nn.Module") -> dict[str, np.ndarray]:
    """All weights of a network by name."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}


def filled(make: Callable[[], Any], tensors: Tensors) -> Any:
    """The network with these weights, ready to predict.

    It takes no memory before names, shapes and types of the weights are seen to be its own.

    Args:
        make: the network, with any weights.
        tensors: by name.

    Raises:
        ValueError: they are not the weights of such a network.
    """
    import torch  # heads of classic systems are served without it

    with torch.device("meta"):
        network = make()
    weights = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    _check_same(network.state_dict(), weights)
    network.load_state_dict(weights, assign=True)
    if any(t.is_meta for t in (*network.parameters(), *network.buffers())):
        raise ValueError("its weights are not all there")
    return network.eval()


def _check_same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name in {**expected, **found}:
        ours, theirs = expected.get(name), found.get(name)
        if ours is None or theirs is None:
            raise ValueError(f"it has {'no' if theirs is None else 'other'} weights {name}")
        if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
            raise ValueError(
                f"its weights {name} are of shape {tuple(theirs.shape)} and type {theirs.dtype}, "
                f"expected {tuple(ours.shape)} and {ours.dtype}"
            )
