"""What is trained, saved, loaded and served: a recogniser, or a pre-trained encoder, as a folder.

On disk: ``config.json`` (everything but the weights), ``model.safetensors`` and ``README.md`` (the
model card). Never a pickle: loading a stranger's model runs no code.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from undertone.config import load as load_settings
from undertone.errors import UndertoneError, printable
from undertone.features.extractors import EXTRACTORS, get
from undertone.features.name import FeatureName
from undertone.features.spoken import Doubt
from undertone.models.conformal import HeldOut
from undertone.models.familiar import UNLIKE, Familiar, distance
from undertone.models.shape import EncoderConfig
from undertone.recogniser import files
from undertone.recogniser.files import COMMANDS, ENCODER, RECOGNISER, damage_told
from undertone.recogniser.hub import OnTheHub
from undertone.recogniser.starter import folder_of
from undertone.systems import fitted as systems
from undertone.systems.fitted import Fitted, arrays, filled
from undertone.systems.problem import Material
from undertone.tasks import CHOICE, Task, kind_of
from undertone.training.checkpoint import section
from undertone.training.normalise import Normaliser, unchanged

if TYPE_CHECKING:
    from undertone.features.text.reader import Reader
    from undertone.models.encoder import Encoder

ONE = "utterance"  # the name of the one that is predicted
HELD_OUT, FAMILIAR = "held_out", "familiar"  # before the names of their arrays
PROBE_FRAMES = 64  # of noise, on which a loaded model shows that its parts fit together


@dataclass(frozen=True)
class Inputs:
    """What a model expects.

    Attributes:
        features: name of the extractor.
        version: of the extractor.
        columns: (n_features,) names.
        normaliser: from frames to steps.
        frames_per_second: of the frames.
    """

    features: str
    version: int
    columns: tuple[str, ...]
    normaliser: Normaliser
    frames_per_second: float

    @classmethod
    def of(cls, features: FeatureName, normaliser: Normaliser) -> Self:
        """Of features as they are now; a normaliser of several layers at once serves no one."""
        extractor = get(features)
        n_columns, stride = len(extractor.columns), normaliser.stride
        if len(normaliser.mean) != n_columns:
            normaliser = unchanged(n_columns, stride=stride)
        return cls(
            str(features),
            extractor.version,
            extractor.columns,
            normaliser,
            extractor.frames_per_second,
        )


@dataclass(frozen=True)
class PretrainedEncoder:
    """An encoder with what it expects, ready to be fine-tuned."""

    inputs: Inputs
    shape: EncoderConfig
    encoder: "Encoder"
    notes: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, card: str) -> None:
        """Write the folder; ``load_encoder`` reads it."""
        tensors = _prefixed("encoder", arrays(self.encoder))
        _write(folder, self, {"kind": ENCODER}, tensors, card=card)


@dataclass(frozen=True, repr=False)
class Recogniser(OnTheHub):
    """A system that was fitted, with what it expects and what it predicts.

    Attributes:
        inputs: what it expects.
        shape: of the encoders.
        task: what it predicts.
        system: its name among the systems that a curve compares.
        fitted: what the fit left.
        encoders: by start: the one whose outputs it reads, if any.
        notes: what it was trained on, and what was chosen.
        reader: of transcripts, where it reads them.
        held_out: how strange the truth looked to fits that did not know the speaker; None of a
            model that was held against nobody.
        familiar: how far from training speech a recording may be; None where nobody knows.
        card: its model card, Markdown; "" where it has none.
    """

    inputs: Inputs
    shape: EncoderConfig
    task: Task
    system: str
    fitted: Fitted
    encoders: "Mapping[str, Encoder]" = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    reader: "Reader | None" = None
    held_out: HeldOut | None = None
    familiar: Familiar | None = None
    card: str = field(default="", compare=False, repr=False)

    def __repr__(self) -> str:
        outputs = ", ".join(self.task.outputs)
        return f"<Recogniser {self.system} on {self.inputs.features}: {printable(outputs)}>"

    def predict(self, frames: np.ndarray, transcript: str | None = None) -> np.ndarray:
        """(n_outputs,) of one utterance, from its frames (n_frames, n_features).

        Of classes they are probabilities, otherwise amounts. A model that reads words answers
        by what it has for speech without them where there is no transcript, or none with a word.

        Values that are not finite are left out, as where a column cannot be computed.

        Raises:
            UndertoneError: the frames have other columns than the model was trained on, or none
                of their values is finite.
        """
        frames = self._checked(frames)
        material = _material(self.inputs, self.shape, self.encoders, {ONE: frames})
        if self.reader is not None:
            from undertone.systems.words import Words

            values = self.reader.read_one(transcript)
            material.words = Words(self.reader, {} if values is None else {ONE: values})
        return self.fitted.predict(material, [ONE])[0]

    def vector(self, frames: np.ndarray) -> np.ndarray:
        """(n_values,) of one utterance, what a system on vectors reads of its frames."""
        assert isinstance(self.fitted, systems.OnVectors), "who asks has seen that it reads vectors"
        frames = self._checked(frames)
        material = _material(self.inputs, self.shape, self.encoders, {ONE: frames})
        vector: np.ndarray = self.fitted.view.vectors(material, [ONE])[0]
        return vector

    def judge(
        self, frames: np.ndarray, transcript: str | None = None
    ) -> tuple[np.ndarray, Doubt | None]:
        """(n_outputs,) as of ``predict``, and a doubt where the frames are unlike training's."""
        if self.familiar is None:
            return self.predict(frames, transcript), None
        return self.judge_vector(self.vector(frames))

    def judge_vector(self, vector: np.ndarray) -> tuple[np.ndarray, Doubt | None]:
        """The same of (n_values,) that ``vector`` gave."""
        values: np.ndarray = self.of_vectors(vector[None])[0]
        return values, None if self.familiar is None else self._doubt(vector)

    def _doubt(self, vector: np.ndarray) -> Doubt | None:
        assert isinstance(self.fitted, systems.OnVectors), "who is familiar with vectors reads them"
        assert self.familiar is not None, "who asks has seen it"
        away = self.familiar.away(distance(self.fitted.head, vector[None]))[0]
        if away <= 1:
            return None
        return Doubt(UNLIKE, f"it is {away:.1f} times as far from training speech as that may be")

    def of_vectors(self, vectors: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) of (n_utterances, n_values) that ``vector`` gave."""
        assert isinstance(self.fitted, systems.OnVectors), "who asks has seen that it reads vectors"
        return self.fitted.head.predict(vectors)

    def _checked(self, frames: np.ndarray) -> np.ndarray:
        frames = np.asarray(frames)
        if frames.ndim != 2 or frames.shape[1] != len(self.inputs.columns) or not len(frames):
            raise UndertoneError(
                f"the model expects frames of {len(self.inputs.columns)} {self.inputs.features} "
                f"columns, found an array of shape {frames.shape}"
            )
        if frames.dtype.kind not in "fiu" or not np.isfinite(frames).any():
            raise UndertoneError(
                f"the model expects frames of numbers, found {frames.dtype} without a finite one: "
                "mend them, or leave the recording out"
            )
        return frames

    def instead(self, transcript: str | None) -> str:
        """What answers where a model that reads words is told none; "" where it is as it should."""
        if self.reader is None:
            return ""
        from undertone.features.text.embeddings import holds_words

        return "" if holds_words(transcript) else systems.without_words(self.fitted)

    def save(
        self,
        folder: Path,
        card: str,
        *,
        told: Mapping[str, Any] | None = None,
        beside: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write the folder; ``load`` reads it.

        Args:
            folder: of the model.
            card: Markdown.
            told: more fields of the config, for other programs.
            beside: more files, by name.
        """
        config = {
            **(told or {}),
            "kind": RECOGNISER,
            "task": {"name": self.task.name, **asdict(self.task)},
            "system": self.system,
            "model": systems.save(self.fitted),
        }
        tensors = _prefixed("model", self.fitted.tensors())
        if start := self.fitted.view.start:
            tensors |= _prefixed("encoder", arrays(self.encoders[start]))
        if self.held_out is not None:
            tensors |= _prefixed(HELD_OUT, self.held_out.tensors())
        if self.familiar is not None:
            tensors |= _prefixed(FAMILIAR, self.familiar.tensors())
        if self.reader is not None:
            config["reader"] = {n: getattr(self.reader, n) for n in ("name", "digest", "width")}
            scorer = self.reader.scorer
            tensors |= _prefixed("scorer", scorer.tensors() if scorer is not None else {})
        _write(folder, self, config, tensors, card=card, beside=beside)


def load(folder: Path | str) -> Recogniser:
    """Read a recogniser, the starter model where it is named so.

    Raises:
        UndertoneError: no model is there, or it is damaged, or it was made by another format.
    """
    folder = folder_of(folder)
    config, tensors = files.read(folder, RECOGNISER)
    with damage_told(folder):
        inputs, shape = _inputs(config, tensors), load_settings(EncoderConfig, config["encoder"])
        task = _task(config["task"])
        model, start = config["model"], config["model"]["view"]["start"]
        encoders = {start: _encoder(inputs, shape, tensors)} if start else {}
        material = _material(inputs, shape, encoders, {})
        fitted = systems.restore(model, section(tensors, "model."), task, material)
        recogniser = Recogniser(
            *(inputs, shape, task, config["system"], fitted, encoders),
            notes=dict(config["notes"]),
            reader=_reader(config, tensors),
            held_out=_held_out(task, tensors),
            familiar=_familiar(fitted, tensors),
            card=files.read_card(folder),
        )
        if _is_of_today(inputs):  # who serves it refuses features of another day by their version
            _probe(recogniser)
        return recogniser


def _held_out(task: Task, tensors: Mapping[str, np.ndarray]) -> HeldOut | None:
    """Of classes one score an utterance, of amounts one an output."""
    n_scores = 1 if task.kind == CHOICE else len(task.outputs)
    return HeldOut.restore(section(tensors, f"{HELD_OUT}."), n_scores)


def _familiar(fitted: Fitted, tensors: Mapping[str, np.ndarray]) -> Familiar | None:
    """Of a head that holds the scale of what it was fitted on."""
    found = Familiar.restore(section(tensors, f"{FAMILIAR}."))
    if found is not None and not systems.has_scale(fitted):
        raise ValueError("it knows how far speech may be, and no scale to measure it on")
    return found


def _task(given: Mapping[str, Any]) -> Task:
    """What was saved of it: outputs, and its scale where it is the corpus's."""
    fields = {name: value for name, value in given.items() if name != "name"}
    return kind_of(given["name"])(**{**fields, "outputs": tuple(fields["outputs"])})


def check_free(
    folder: Path, kind: str, *, beside: Path | None = None, what: str = "the encoder"
) -> None:
    """Refuse to write a model over another kind of model, other files, or what it starts from.

    Args:
        folder: to write.
        kind: of the model.
        beside: folder of what it starts from.
        what: that is, for the message.

    Raises:
        UndertoneError: the folder holds one, or a file of somebody else's under such a name.
    """
    if beside is not None and folder.resolve() == beside.resolve():
        raise UndertoneError(f"--out {folder} is {what}'s own folder; choose another --out")
    held = files.kind_held(folder)
    if held is not None and held != kind:
        raise UndertoneError(
            f"{folder} holds a model of kind {held}, which `undertone {COMMANDS[held]}` wrote; "
            "choose another --out"
        )
    if (others := files.others_file(folder)) is not None:
        raise UndertoneError(
            f"{others} is there already, and no model of Undertone wrote it: choose another --out, "
            "or move it away"
        )


def load_encoder(folder: Path | str) -> PretrainedEncoder:
    """Read a pre-trained encoder; raises as ``load`` does."""
    config, tensors = files.read(Path(folder), ENCODER)
    with damage_told(Path(folder)):
        inputs, shape = _inputs(config, tensors), load_settings(EncoderConfig, config["encoder"])
        encoder = _encoder(inputs, shape, tensors)
        return PretrainedEncoder(inputs, shape, encoder, dict(config["notes"]))


def _material(
    inputs: Inputs,
    shape: EncoderConfig,
    encoders: "Mapping[str, Encoder]",
    frames: Mapping[str, np.ndarray],
) -> Material:
    return Material(
        frames=frames.__getitem__,
        columns=inputs.columns,
        normaliser=inputs.normaliser,
        shape=shape,
        encoders=encoders,
        frames_per_second=inputs.frames_per_second,
    )


def _encoder(inputs: Inputs, shape: EncoderConfig, tensors: Mapping[str, np.ndarray]) -> "Encoder":
    from undertone.models.encoder import Encoder  # it brings torch

    def make() -> Encoder:
        return Encoder(len(inputs.columns), shape.hidden_units, shape.layers)

    return filled(make, section(tensors, "encoder."))


def _reader(config: dict[str, Any], tensors: Mapping[str, np.ndarray]) -> "Reader | None":
    """What reads transcripts for it; None where it reads none."""
    if "reader" not in config:
        return None
    from undertone.features.text.reader import Reader
    from undertone.models.heads import Ridge

    scorer = section(tensors, "scorer.")
    return Reader(**config["reader"], scorer=Ridge.restore(scorer) if scorer else None)


def _is_of_today(inputs: Inputs) -> bool:
    """Whether its features may be those that are computed now; an encoder's are not asked for."""
    known = EXTRACTORS.get(inputs.features)
    return known is None or known.version == inputs.version


def _probe(recogniser: Recogniser) -> None:
    noise = np.random.default_rng(0).normal(size=(PROBE_FRAMES, len(recogniser.inputs.columns)))
    values = recogniser.predict(noise.astype(np.float32))
    if values.shape != (len(recogniser.task.outputs),) or not np.isfinite(values).all():
        raise ValueError(
            f"it gives {values} for the outputs {', '.join(map(str, recogniser.task.outputs))}"
        )


def _write(
    folder: Path,
    model: Recogniser | PretrainedEncoder,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    *,
    card: str,
    beside: Mapping[str, bytes] | None = None,
) -> None:
    inputs = model.inputs
    whole = {
        **config,
        "encoder": asdict(model.shape),
        "notes": model.notes,
        "features": inputs.features,
        "features_version": inputs.version,
        "columns": inputs.columns,
        "frames_per_second": inputs.frames_per_second,
        "stride": inputs.normaliser.stride,
    }
    normaliser = {"mean": inputs.normaliser.mean, "sd": inputs.normaliser.sd}
    tensors = {**tensors, **_prefixed("normaliser", normaliser)}
    files.write(folder, whole, tensors, card=card, beside=beside)


def _prefixed(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{prefix}.{name}": array for name, array in tensors.items()}


def _inputs(config: dict[str, Any], tensors: Mapping[str, np.ndarray]) -> Inputs:
    mean, sd = (tensors[f"normaliser.{name}"] for name in ("mean", "sd"))
    columns = tuple(config["columns"])
    if not mean.shape == sd.shape == (len(columns),) or not mean.dtype == sd.dtype == np.float32:
        raise ValueError("its columns and its normaliser do not fit together")
    if config["stride"] != config["encoder"]["stride"]:
        raise ValueError("its stride is not its encoder's")
    if not 0 < config["frames_per_second"] < math.inf:
        raise ValueError("it has no frames per second")
    return Inputs(
        features=config["features"],
        version=config["features_version"],
        columns=columns,
        normaliser=Normaliser(mean, sd, config["stride"]),
        frames_per_second=config["frames_per_second"],
    )
