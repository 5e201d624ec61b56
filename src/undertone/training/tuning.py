"""A pre-trained encoder whose own weights are trained on labels: all of them, or low-rank changes.

In:  an encoder, waveforms with the truth about each.
Out: ``TunedEncoder``: encoder, mean over time of its last state, one dense layer; what was chosen.

The dense layer is first fitted alone on what the encoder says as it is, then everything together,
so that a random layer does not spoil the encoder (Kumar et al., "Fine-tuning can distort pretrained
features and underperform out-of-distribution", ICLR 2022, arXiv 2202.10054). Learning rate and
number of epochs are chosen on the validation labels of the budget, which are of speakers of their
own where that can be; with them the encoder is then trained on the whole budget. The convolutions
at the start and all dropout inside of the encoder are left as they are in use.

Low-rank changes (LoRA, Hu et al., arXiv 2106.09685) come from ``peft`` and are added to the weights
at the end: what is left is an encoder like any other.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from undertone import audio, device
from undertone.config import check_ranges
from undertone.errors import UndertoneError, needs
from undertone.features.upstream.batches import Encoder, plan_pieces
from undertone.models import padding
from undertone.models.network import DenseHead
from undertone.models.schedule import Schedule
from undertone.training.distil import STEM
from undertone.training.finite import NotFiniteError, not_finite
from undertone.training.outputs import Outputs
from undertone.training.seeds import generator, seed_torch
from undertone.training.supervised import Labelled, train_epochs
from undertone.training.supervised import fit as fit_network

ATTENTION, FEED_FORWARD = ("q_proj", "v_proj"), ("intermediate_dense", "output_dense")
TARGETS = {"wavlm": FEED_FORWARD}  # it hands the weights of its attention on, and calls no layer
FLAT = 1e-6  # a value of less spread over the labels than this is left as it is


@dataclass(frozen=True)
class TuningConfig:
    """Settings of fine-tuning an encoder."""

    section: ClassVar[str] = "tuning"
    learning_rates: tuple[float, ...] = (5e-5, 3e-4)  # tried; the first where nothing can choose
    batch_size: int = 8  # recordings of a step
    clip_norm: float = 1.0  # of the gradients
    max_epochs: int = 10  # at most
    patience: int = 3  # epochs without a better validation loss
    epochs_without_validation: int = 5  # where no label can be held out
    head_dropout: float = 0.1  # share of the inputs of the head that is left out
    label_smoothing: float = 0.05  # of a choice
    crop_s: float = 6.0  # of a longer recording a piece is seen an epoch, another each time
    compile: bool = False  # torch.compile: pays on a GPU with many labels, if anywhere

    def __post_init__(self) -> None:
        check_ranges(
            self,
            batch_size=(1, math.inf),
            clip_norm=(1e-9, math.inf),
            max_epochs=(1, math.inf),
            patience=(1, math.inf),
            epochs_without_validation=(1, math.inf),
            head_dropout=(0, 0.95),
            label_smoothing=(0, 0.95),
            crop_s=(0.5, 20),
        )
        if not self.learning_rates or not all(0 < rate < 1 for rate in self.learning_rates):
            raise UndertoneError(
                f"{type(self).__name__}.learning_rates are one or more numbers between 0 and 1, "
                f"found {self.learning_rates}"
            )

    def schedule(self, rate: float, n_epochs: int) -> Schedule:
        """Of one training; without validation it has so many epochs."""
        return Schedule(
            learning_rate=rate,
            batch_size=self.batch_size,
            clip_norm=self.clip_norm,
            max_epochs=self.max_epochs,
            patience=self.patience,
            epochs_without_validation=n_epochs,
        )


@dataclass(frozen=True)
class LoraTuningConfig(TuningConfig):
    """The same by low-rank changes to the weights."""

    section: ClassVar[str] = "lora"
    learning_rates: tuple[float, ...] = (5e-4, 3e-3)  # tried; the first where nothing can choose
    rank: int = 8  # of the changes
    alpha: int = 16  # a change counts alpha / rank

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, rank=(1, 1024), alpha=(1, 8192))


@dataclass(frozen=True)
class Chosen:
    """How an encoder was trained in the end.

    Attributes:
        learning_rate: of the training.
        epochs: on all labels of the budget.
        validated: whether held-out labels chose both; else no label could be held out, and both are
            those of the settings.
    """

    learning_rate: float
    epochs: int
    validated: bool


class TunedEncoder(nn.Module):
    """An encoder, the mean over time of its last state, dropout, one dense layer."""

    def __init__(self, encoder: Encoder, width: int, n_outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.module = encoder, encoder.module
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_outputs)

    def train(self, mode: bool = True) -> "TunedEncoder":
        """The encoder's own dropout, masks and skipped layers stay off."""
        super().train(mode)
        self.module.eval()
        return self

    @property
    def last(self) -> nn.Linear:
        """The layer whose units are the outputs."""
        return self.head

    def forward(self, pieces: Sequence[np.ndarray]) -> torch.Tensor:
        """(batch, n_outputs) before their activation, of prepared pieces."""
        means = torch.stack([states.mean(0) for states in self.states(pieces)])
        return self.head(self.dropout(means))

    def states(self, pieces: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Last states of each piece, (n_frames, width)."""
        run = self.encoder.run
        if self.encoder.equal_lengths_only:
            return [run([piece])[0][-1] for piece in pieces]
        return [layers[-1] for layers in run(pieces)]

    def pooled(self, waveform: np.ndarray) -> torch.Tensor:
        """(width,) of a recording of any length, in bounded memory.

        Raises:
            UndertoneError: it is shorter than a frame of the encoder; who knows its name tells it.
        """
        prepared, n_frames = self.encoder.prepare(waveform), self.encoder.n_frames(waveform)
        if n_frames < 1:
            raise UndertoneError("a recording is shorter than one frame of the encoder")
        total = torch.zeros(self.head.in_features, device=self.head.weight.device)
        for piece in plan_pieces(0, n_frames):
            (states,) = self.states([self.encoder.cut(prepared, *piece.seen)])
            first, last = (frame - piece.seen[0] for frame in piece.kept)
            total = total + states[first:last].sum(0)
        return total / n_frames


@torch.no_grad()
def predict_waveforms(
    model: TunedEncoder,
    waveforms: Iterable[np.ndarray],
    activation: Callable[[torch.Tensor], torch.Tensor],
) -> np.ndarray:
    """(n_utterances, n_outputs) float32, each recording by itself: nothing depends on the others.

    Args:
        model: trained.
        waveforms: each (n_samples,); read one at a time.
        activation: of the outputs.
    """
    model.eval()
    return np.concatenate(
        [activation(model.head(model.pooled(w))[None]).cpu().numpy() for w in waveforms]
    )


def tune(
    encoder: Encoder,
    *,
    train: Labelled,
    validation: Labelled,
    outputs: Outputs,
    settings: TuningConfig,
    seed: int,
) -> tuple[TunedEncoder, Chosen]:
    """Train an encoder, in place, and a dense layer.

    Args:
        encoder: whose module nobody else has.
        train: waveforms that the weights are fitted to.
        validation: waveforms that choose learning rate and number of epochs; may be empty.
        outputs: what the dense layer's units mean.
        settings: of the training.
        seed: names all randomness.
    """
    seed_torch(seed, "tuning")
    model = TunedEncoder(encoder, _width(encoder), outputs.number, settings.head_dropout)
    _choose_weights(model, settings)
    device.place(model)
    for part in _called(model) if settings.compile else ():
        part.compile()
    labelled = _joined(train, validation)
    run = _Run(model, labelled, outputs=outputs, settings=settings, seed=seed)
    chosen = run.choose(len(train))
    run.train(len(run.labelled), chosen.learning_rate, chosen.epochs)
    outputs.settle(model)
    if isinstance(settings, LoraTuningConfig):
        _merge(model)
    return model.eval(), chosen


class _Run:
    """One encoder that is trained several times from the same start, on the first of its labels."""

    def __init__(
        self,
        model: TunedEncoder,
        labelled: Labelled,
        *,
        outputs: Outputs,
        settings: TuningConfig,
        seed: int,
    ) -> None:
        self.model, self.outputs, self.settings, self.seed = model, outputs, settings, seed
        self.labelled, self.start = labelled, copy.deepcopy(model.state_dict())
        self.prepared = [_Prepared.of(model.encoder, w) for w in labelled.steps]
        with torch.no_grad():
            pooled = torch.stack([model.eval().pooled(w) for w in labelled.steps])
        self.pooled = pooled.cpu().numpy()

    def choose(self, n_train: int) -> Chosen:
        """Learning rate and number of epochs with the smallest loss on what is not trained on.

        Raises:
            NotFiniteError: every learning rate ends in no number.
        """
        settings = self.settings
        if n_train == len(self.labelled):
            return Chosen(settings.learning_rates[0], settings.epochs_without_validation, False)
        found, broken = [], []
        for rate in settings.learning_rates:
            try:
                losses = np.array(self.train(n_train, rate, settings.max_epochs))
            except NotFiniteError as error:
                broken.append(error)
                continue
            found.append((losses.min(), rate, int(losses.argmin()) + 1))
        if not found:
            raise broken[0]
        _, rate, epochs = min(found)
        return Chosen(rate, epochs, True)

    def train(self, n_train: int, rate: float, n_epochs: int) -> list[float]:
        """From the start, the dense layer first; the losses on the rest, if there is any.

        With a rest training ends where that no longer gains, without one after ``n_epochs``.
        """
        self.model.load_state_dict(self.start)
        self._probe(n_train)
        losses: list[float] = []
        rest = _part(self.labelled, slice(n_train, None))

        def on_rest() -> float:
            predicted = predict_waveforms(self.model, rest.steps, self.outputs.activation)
            losses.append(self.outputs.validation_loss(predicted, rest.truth))
            return losses[-1]

        schedule = self.settings.schedule(rate, n_epochs)
        try:
            train_epochs(
                self.model,
                losses=lambda epoch: self._losses(n_train, epoch),
                validation_loss=on_rest if len(rest) else None,
                schedule=schedule,
            )
        except NotFiniteError as error:
            name = f"{self.settings.section}.learning_rates"
            raise not_finite(error.where, self.settings.learning_rates, name) from None
        return losses

    def _losses(self, n_train: int, epoch: int) -> Iterator[torch.Tensor]:
        """Of an epoch's batches, of recordings of like length."""
        model, rng = self.model, generator(self.seed, "tuning epoch", epoch)
        most = round(self.settings.crop_s * audio.SAMPLE_RATE / model.encoder.hop_length)
        lengths = [min(one.n_frames, most) for one in self.prepared[:n_train]]
        for batch in padding.plan_batches(lengths, self.settings.batch_size, rng):
            positions = padding.longest_first(batch, lengths)
            pieces = [self.prepared[i].crop(most, rng) for i in positions]
            with device.autocast():
                scores = model(pieces)
            truth = torch.from_numpy(self.labelled.truth[positions]).to(scores.device)
            yield self.outputs.loss(scores.float(), truth)

    def _probe(self, n_train: int) -> None:
        """Fit the dense layer alone, on z-scores of what the encoder says as it is."""
        model, pooled = self.model, self.pooled
        mean, sd = pooled[:n_train].mean(0), pooled[:n_train].std(0)
        sd = np.where(sd < FLAT, 1.0, sd)
        scaled = replace(self.labelled, steps=list(((pooled - mean) / sd)[:, None, :]))
        head = fit_network(
            DenseHead(len(mean), self.outputs.number, self.settings.head_dropout),
            train=_part(scaled, slice(n_train)),
            validation=_part(scaled, slice(n_train, None)),
            outputs=replace(self.outputs, settle=lambda network: None),
            schedule=Schedule(),
            seed=self.seed,
        )
        of_mean, of_sd = (torch.from_numpy(v.astype(np.float32)) for v in (mean, sd))
        with torch.no_grad():
            weight, bias = head.dense.weight.cpu() / of_sd, head.dense.bias.cpu()
            model.head.weight.copy_(weight)
            model.head.bias.copy_(bias - weight @ of_mean)


def _part(labelled: Labelled, part: slice) -> Labelled:
    return Labelled(labelled.steps[part], labelled.truth[part], labelled.speakers[part])


@dataclass(frozen=True)
class _Prepared:
    """A recording as an encoder expects it."""

    encoder: Encoder
    content: np.ndarray
    n_frames: int

    @classmethod
    def of(cls, encoder: Encoder, waveform: np.ndarray) -> "_Prepared":
        return cls(encoder, encoder.prepare(waveform), encoder.n_frames(waveform))

    def crop(self, most: int, rng: np.random.Generator) -> np.ndarray:
        """All of it, or as many frames of it from a random one on."""
        n_seen = min(self.n_frames, most)
        first = int(rng.integers(self.n_frames - n_seen + 1))
        return self.encoder.cut(self.content, first, first + n_seen)


def _joined(train: Labelled, validation: Labelled) -> Labelled:
    if not len(validation):
        return train
    return Labelled(
        [*train.steps, *validation.steps],
        np.concatenate([train.truth, validation.truth]),
        np.concatenate([train.speakers, validation.speakers]),
    )


def _choose_weights(model: TunedEncoder, settings: TuningConfig) -> None:
    """Which of the encoder's weights are trained."""
    for name, parameter in model.module.named_parameters():
        lora = isinstance(settings, LoraTuningConfig)
        parameter.requires_grad_(not lora and not name.startswith(STEM))
    if not isinstance(settings, LoraTuningConfig):
        return
    needs("peft", extra="lora", what="the system encoder_lora")
    import peft

    family = model.module.config.model_type
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(TARGETS.get(family, ATTENTION)),
    )
    peft.inject_adapter_in_model(config, model.module)
    for name, parameter in model.module.named_parameters():
        parameter.requires_grad_("lora_" in name)


def _called(model: TunedEncoder) -> list[nn.Module]:
    """Of the encoder what is called as a whole: Whisper is run layer by layer."""
    module = model.module
    return list(module.layers) if module.config.model_type == "whisper" else [module]


def _merge(model: TunedEncoder) -> None:
    """Add the changes to the weights that they are of, and leave plain layers."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, part in list(model.module.named_modules()):
        if isinstance(part, BaseTunerLayer):
            part.merge()
            above, _, own = name.rpartition(".")
            setattr(model.module.get_submodule(above), own, part.get_base_layer())
    model.requires_grad_(False)


def _width(encoder: Encoder) -> int:
    config = encoder.module.config
    return int(getattr(config, "d_model", 0) or config.hidden_size)
