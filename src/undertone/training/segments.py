"""Networks that see segments: trained on them, and an utterance is the mean of its own.

In:  labelled utterances, steps (n_steps, n_features), and how many steps a second has.
Out: a network; predictions (n_utterances, n_outputs): of each utterance the mean, over its
     segments, of the outputs behind their activation.

A segment's truth is that of its utterance; the epoch is chosen by whole utterances.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from undertone import device
from undertone.models.cnn import Cnn, CnnConfig, cut
from undertone.models.picture import PictureConfig, PictureNetwork
from undertone.models.schedule import SegmentSchedule
from undertone.training.outputs import Outputs
from undertone.training.seeds import generator, seed_torch
from undertone.training.supervised import Labelled, train_epochs

SegmentNetwork = TypeVar("SegmentNetwork", Cnn, PictureNetwork)


def fit_cnn(
    train: Labelled,
    validation: Labelled,
    *,
    outputs: Outputs,
    steps_per_second: float,
    settings: CnnConfig,
    seed: int,
) -> Cnn:
    """Train a convolutional network on ``train``, and stop by ``validation``.

    Args:
        train: labels that the weights are fitted to.
        validation: labels that choose the epoch; may be empty.
        outputs: what the dense layer's units mean.
        steps_per_second: of the utterances.
        settings: of network and training.
        seed: names all randomness.
    """
    seed_torch(seed, "cnn")
    return _fit(
        Cnn(train.steps[0].shape[1], outputs.number, settings),
        train,
        validation,
        outputs=outputs,
        steps_per_second=steps_per_second,
        settings=settings,
        rng_of=lambda epoch: generator(seed, "cnn epoch", epoch),
    )


def fit_pictures(
    backbone: Any,
    train: Labelled,
    validation: Labelled,
    *,
    outputs: Outputs,
    steps_per_second: float,
    settings: PictureConfig,
    seed: int,
) -> PictureNetwork:
    """Train everything of a picture network on mel bands; arguments as of ``fit_cnn``.

    ``backbone`` is what ``load_backbone`` gave; it is copied, never changed.
    """
    seed_torch(seed, "image cnn")
    return _fit(
        PictureNetwork(copy.deepcopy(backbone), outputs.number),
        train,
        validation,
        outputs=outputs,
        steps_per_second=steps_per_second,
        settings=settings,
        rng_of=lambda epoch: generator(seed, "image cnn epoch", epoch),
    )


@torch.no_grad()
def predict_segments(
    model: Cnn | PictureNetwork,
    utterances: Sequence[np.ndarray],
    activation: Callable[[torch.Tensor], torch.Tensor],
    *,
    steps_per_second: float,
    settings: SegmentSchedule,
    batch_size: int = 32,
) -> np.ndarray:
    """(n_utterances, n_outputs) float32: the mean over each utterance's segments."""
    model.eval()
    segments, owner = _cut_all(utterances, steps_per_second, settings)
    sums = np.zeros((len(utterances), model.head.out_features))
    for positions in model.plan([len(segment) for segment in segments], batch_size, None):
        predicted = activation(model.of_segments([segments[i] for i in positions]))
        np.add.at(sums, owner[positions], predicted.cpu().double().numpy())
    return (sums / np.bincount(owner)[:, None]).astype(np.float32)


def _fit(
    model: SegmentNetwork,
    train: Labelled,
    validation: Labelled,
    *,
    outputs: Outputs,
    steps_per_second: float,
    settings: SegmentSchedule,
    rng_of: Callable[[int], np.random.Generator],
) -> SegmentNetwork:
    device.place(model)
    segments, owner = _cut_all(train.steps, steps_per_second, settings)
    lengths, truth = [len(segment) for segment in segments], train.truth[owner]

    def losses(epoch: int) -> Iterator[torch.Tensor]:
        for positions in model.plan(lengths, settings.batch_size, rng_of(epoch)):
            scores = model.of_segments([segments[i] for i in positions])
            yield outputs.loss(scores, torch.from_numpy(truth[positions]).to(scores.device))

    def validation_loss() -> float:
        predicted = predict_segments(
            model,
            validation.steps,
            outputs.activation,
            steps_per_second=steps_per_second,
            settings=settings,
        )
        return outputs.validation_loss(predicted, validation.truth)

    model = train_epochs(
        model,
        losses=losses,
        validation_loss=validation_loss if len(validation) else None,
        schedule=settings,
    )
    outputs.settle(model)
    return model


def _cut_all(
    utterances: Sequence[np.ndarray], steps_per_second: float, settings: SegmentSchedule
) -> tuple[list[np.ndarray], np.ndarray]:
    """Segments of all utterances, and (n_segments,) the position of the utterance of each."""
    size = max(1, round(steps_per_second * settings.segment_s))
    cuts = [cut(steps, size, settings.overlap) for steps in utterances]
    owner = np.repeat(np.arange(len(cuts)), [len(segments) for segments in cuts])
    return [segment for of_one in cuts for segment in of_one], owner
