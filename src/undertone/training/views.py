"""Crops in batches as the objectives of pre-training see them.

In:  crops, settings, what a model asks of its batches, a stream of random numbers.
Out: ``View`` after ``View``: padded, some steps hidden; of several processes that share a batch
     each has its own sequences, and all draw the same numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from undertone.models import padding
from undertone.training import cropping
from undertone.training.cropping import Crop
from undertone.training.losses import DISTANCES, View
from undertone.training.masking import draw_hidden
from undertone.training.team import ALONE, Team

if TYPE_CHECKING:
    from undertone.training.pretrain import PretrainConfig

Move = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Asks:
    """What a model's objectives ask of a batch.

    Attributes:
        in_parts: whether every sequence comes as two parts.
        by_speaker: whether a batch must hold several utterances of a speaker.
        centroids: (n_clusters, n_features) of the steps.
    """

    in_parts: bool
    by_speaker: bool
    centroids: torch.Tensor


class Seen(NamedTuple):
    """A batch, and the number of crops in it, those of other processes among them."""

    view: View
    n_crops: int


def views(
    asks: Asks,
    crops: list[Crop],
    settings: "PretrainConfig",
    rng: np.random.Generator,
    *,
    training: bool,
    team: Team = ALONE,
) -> Iterator[Seen]:
    """Batches of an epoch; by length without chance where nothing is trained."""
    for positions in _plan(asks, crops, settings.batch_size, rng, training=training):
        view = view_of(asks, cropping.pick(crops, positions), settings, rng, team=team)
        yield Seen(view, len(positions))


def moved(seen: Seen, move: Move) -> Seen:
    """The same on another device; lengths stay, where the GRU asks for them."""
    view = seen.view
    speakers = view.speakers if view.speakers is None else move(view.speakers)
    view = replace(
        view,
        steps=move(view.steps),
        hidden=move(view.hidden),
        owners=move(view.owners),
        speakers=speakers,
    )
    return Seen(view, seen.n_crops)


def _plan(
    asks: Asks,
    crops: list[Crop],
    batch_size: int,
    rng: np.random.Generator,
    *,
    training: bool,
) -> list[np.ndarray]:
    """Positions of batches."""
    if asks.by_speaker:
        return padding.plan_by_speaker([crop.speaker for crop in crops], batch_size, rng)
    lengths = [len(crop.steps) for crop in crops]
    if training:
        return padding.plan_batches(lengths, batch_size, rng)
    return padding.in_order(lengths, batch_size)


def view_of(
    asks: Asks,
    crops: list[Crop],
    settings: "PretrainConfig",
    rng: np.random.Generator,
    *,
    team: Team = ALONE,
) -> View:
    """A batch of crops, longest first; of a team the sequences that are this process's."""
    owners = np.arange(len(crops))
    if asks.in_parts:
        crops, owners = cropping.in_parts(crops, rng)
    lengths = [len(crop.steps) for crop in crops]
    hidden = draw_hidden(lengths, share=settings.mask_share, spans=settings.mask_spans, rng=rng)
    speakers = torch.tensor([crop.speaker for crop in crops])
    own = team.own(len(crops))
    steps, lengths_of = padding.pad([crop.steps for crop in crops[own]])
    view = View(
        steps=steps,
        hidden=torch.from_numpy(hidden[own, : steps.shape[1]]),
        lengths=lengths_of,
        owners=torch.from_numpy(owners),
        centroids=asks.centroids,
        distance=DISTANCES[settings.distance],
        speakers=speakers,
    )
    if team.size == 1:
        return view
    share = float(hidden[own].sum() / hidden.sum())
    if len(crops) < team.size:  # the leader has all of it, the others one that counts for nothing
        return replace(
            view, owners=view.owners[own], speakers=speakers[own], n_sequences=len(crops)
        )
    together = partial(team.of_all, n_sequences=len(crops))
    return replace(view, share=share, n_sequences=len(crops), of_all=together)
