"""The graph of a recogniser: from what a folder computes itself to probabilities or amounts.

In:  a ``Recogniser``.
Out: ``Exported``: the graph and which inputs it has; or a sentence why there can be none.

| the model reads                 | the graph goes from          | what is before it               |
|---------------------------------|------------------------------|---------------------------------|
| frames of an encoder            | the waveform, encoder inside | nothing                         |
| steps or segments of ``log_mel``| the frames                   | ``features`` in NumPy           |
| descriptors or functionals      | the vector of an utterance   | ``features`` in NumPy           |
| frames of ``covarep``           | the frames, or their vector  | the extractor, which is compiled|

Formants are roots of polynomials and F0 is the cheapest path through candidates: ONNX has no
eigenvalues, and a path would be a loop over frames in which an unlucky rounding changes an octave.
The package computes both in NumPy; the folder carries that code.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from undertone.errors import UndertoneError
from undertone.features.name import parse
from undertone.models.heads import Constant
from undertone.models.shape import pooled_size
from undertone.recogniser.folder import Recogniser
from undertone.serving.onnx import frames as of_frames
from undertone.serving.onnx import heads, segments
from undertone.serving.onnx.encoders import heard
from undertone.serving.onnx.encoders.layers import Precision
from undertone.serving.onnx.frames import Frames
from undertone.serving.onnx.nodes import FLOAT, WHOLE, Graph, Value
from undertone.systems.fitted import OnPictures, OnSegments, OnSteps, OnVectors, OnWords
from undertone.tasks import CHOICE, Task

if TYPE_CHECKING:
    from undertone.models.encoder import Encoder

WAVEFORM, LOG_MEL, FRAMES = "waveform", "log_mel", "frames"  # what is read of a recording
OUTPUT = "values"
OF_VECTOR = {"descriptors", "functionals"}  # blocks that NumPy computes, but for an encoder's


@dataclass(frozen=True)
class Exported:
    """A graph and what belongs to it.

    Attributes:
        model: ``onnx.ModelProto``.
        reads: ``WAVEFORM``, ``LOG_MEL``, or ``FRAMES`` that come from elsewhere.
        vectors: blocks of the input ``vectors``, in order; none where it has no such input.
        n_rounded: weights in 8 bits.
    """

    model: Any
    reads: str
    vectors: tuple[str, ...] = ()
    n_rounded: int = 0

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the graph's inputs."""
        return tuple(value.name for value in self.model.graph.input)


def check(recogniser: Recogniser) -> None:
    """Refuse what cannot be a graph.

    Raises:
        UndertoneError: says why and what to do.
    """
    fitted, system = recogniser.fitted, recogniser.system
    if isinstance(fitted, OnWords) or recogniser.reader is not None:
        raise UndertoneError(
            f"the system {system} of this model reads transcripts, and an encoder of text stays "
            "outside the graph: train a model of the voice alone with `undertone finetune` without "
            "--text, and export that"
        )
    if isinstance(fitted, OnPictures):
        raise UndertoneError(
            f"the system {system} of this model sees pictures of segments whose network is not "
            "blind to padding, so that a batch would change answers: train the system cnn, "
            "`undertone finetune --system cnn`, and export that"
        )
    if not isinstance(fitted, OnVectors | OnSteps | OnSegments):
        raise UndertoneError(f"the system {system} of this model has no graph: export another")
    if parse(recogniser.inputs.features).is_upstream and "functionals" in fitted.view.blocks:
        raise UndertoneError(
            f"the system {system} of this model reads percentiles of an encoder's frames, which "
            "the graph leaves out: train layers, linear or svm on the same frames with `undertone "
            "finetune --system NAME`, and export that"
        )


def build(recogniser: Recogniser, *, int8: bool = False) -> Exported:
    """The graph of a recogniser, its encoder's products in 8 bits where asked."""
    check(recogniser)
    reading = _Reading(recogniser, Precision(int8))
    values = _values(recogniser, reading)
    reading.graph.output(OUTPUT, values, ["batch", len(recogniser.task.outputs)])
    return Exported(
        reading.graph.model(), reading.reads, reading.blocks, reading.precision.n_rounded
    )


class _Reading:
    """The inputs of a graph, each made where it is first asked for."""

    def __init__(self, recogniser: Recogniser, precision: Precision) -> None:
        self.graph, self.precision, self.recogniser = Graph(), precision, recogniser
        self.name = parse(recogniser.inputs.features)
        self.reads = LOG_MEL if str(self.name) == LOG_MEL else FRAMES
        self.blocks: tuple[str, ...] = ()
        if self.name.is_upstream:
            self.reads = WAVEFORM
        else:
            self.blocks = tuple(b for b in recogniser.fitted.view.blocks if b in OF_VECTOR)

    @cached_property
    def lengths(self) -> Value:
        """(batch,) of recordings, in samples of waveforms, else in frames."""
        return self.graph.input("lengths", WHOLE, ["batch"])

    @cached_property
    def frames(self) -> Frames:
        """Of an encoder, or an input."""
        if self.reads == WAVEFORM:
            opened = heard.opened(self.name)
            waveforms = self.graph.input("waveforms", FLOAT, ["batch", "n_samples"])
            return heard.heard(waveforms, self.lengths, opened, self.precision)
        shape: list[str | int] = ["batch", "n_frames", len(self.recogniser.inputs.columns)]
        return Frames(self.graph.input("frames", FLOAT, shape), self.lengths)

    def block(self, name: str, n_values: int) -> Value:
        """(batch, n_values) of a view's block; ``n_values`` are those of an input."""
        view = self.recogniser.fitted.view
        if name in self.blocks:
            return self.graph.input("vectors", FLOAT, ["batch", n_values])
        if name == "pooled":
            return of_frames.pooled(self.hidden(self.recogniser.encoders[view.start]), view.pooling)
        mean, sd = of_frames.mean_and_sd(self.frames)
        return mean if name == "descriptors" else self.graph.stacked([mean, sd], 1)

    def hidden(self, encoder: "Encoder") -> Frames:
        """What a GRU makes of the steps."""
        return of_frames.recurrent(
            of_frames.steps(self.frames, self.recogniser.inputs.normaliser), encoder
        )


def _values(recogniser: Recogniser, reading: _Reading) -> Value:
    fitted, task = recogniser.fitted, recogniser.task
    if isinstance(fitted, OnVectors):
        return _of_head(fitted, reading)
    activation = partial(_activated, task=task)
    if isinstance(fitted, OnSegments):
        rate = fitted.frames_per_second / fitted.normaliser.stride
        return segments.apply(
            of_frames.steps(reading.frames, fitted.normaliser),
            fitted.network,
            activation,
            steps_per_second=rate,
            settings=fitted.settings,
        )
    assert isinstance(fitted, OnSteps), "checked before"
    network: Any = fitted.network
    if fitted.view.blocks:
        (block,) = fitted.view.blocks
        return activation(segments.dense(reading.block(block, 0), network.dense))
    hidden = reading.hidden(network.encoder)
    return activation(segments.dense(of_frames.pooled(hidden, network.pooling), network.head))


def _of_head(fitted: OnVectors, reading: _Reading) -> Value:
    head, blocks = fitted.head, fitted.view.blocks
    if isinstance(head, Constant):
        graph = reading.graph
        shape = graph.shape(reading.lengths.size(0), len(head.values))
        return graph.constant(head.values, FLOAT).spread(shape)
    n_values = len(head.mean) - sum(  # type: ignore[attr-defined]
        _width(name, reading.recogniser) for name in blocks if name not in reading.blocks
    )
    parts = [reading.block(name, n_values) for name in blocks]
    return heads.apply(head, reading.graph.stacked(parts, 1))


def _width(block: str, recogniser: Recogniser) -> int:
    """Values of a block that the graph computes."""
    n_columns = len(recogniser.inputs.columns)
    if block == "pooled":
        return pooled_size(recogniser.shape.hidden_units, recogniser.fitted.view.pooling)
    return n_columns if block == "descriptors" else 2 * n_columns


def _activated(scores: Value, task: Task) -> Value:
    """As ``training.outputs``: probabilities, amounts in their range, or as they are."""
    if task.kind == CHOICE:
        return scores.softmax()
    return scores.at_least(task.low).at_most(task.high) if task.clipped else scores
