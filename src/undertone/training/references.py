"""What a loss of pre-training is held against: predictions that take no training.

In:  views of held-out sequences.
Out: ``Measured``: an objective's loss on them and, behind the same masks, that of each reference.

A reference is a set of outputs that the objective's own loss is asked about, so that distance,
masks and padding are the same:

constant       the same outputs at every hidden step, the best for these very sequences, so that no
               luckily chosen epoch beats it: of each number the median for l1 and the mean for l2;
               of clusters their frequencies, whose cross-entropy is their entropy
interpolation  hidden steps on a straight line between the visible steps on either side, and at an
               end of the sequence the nearest visible step; or the functionals of those
chance         where outputs are compared with each other: all candidates alike
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from undertone.training.losses import N_CLUSTERS, Objective, View

OURS, CONSTANT, INTERPOLATION, CHANCE = "ours", "constant", "interpolation", "chance"
MARGIN = 0.01  # better by less is not better


@dataclass(frozen=True)
class Measured:
    """An objective's loss on held-out speech beside that of its references, all before weights."""

    objective: str
    loss: float
    references: Mapping[str, float]

    @property
    def unbeaten(self) -> list[str]:
        """The references that the loss does not fall below by a hundredth."""
        return [name for name, loss in self.references.items() if self.loss > (1 - MARGIN) * loss]

    def line(self) -> str:
        """The numbers, as in `functionals .512; constant .601, interpolation .580`."""
        references = ", ".join(f"{name} {loss:.4f}" for name, loss in self.references.items())
        return f"{self.objective} {self.loss:.4f}; {references}"


def table(measured: Sequence[Measured]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Headings and rows for people: an objective, its loss, a cell a reference."""
    names = list(dict.fromkeys(name for one in measured for name in one.references))
    rows = [
        (
            f"{one.objective}, loss",
            f"{one.loss:.4f}",
            *(f"{one.references[n]:.4f}" if n in one.references else "" for n in names),
        )
        for one in measured
    ]
    return ["this encoder", *names], rows


def columns(measured: Sequence[Measured]) -> dict[str, float]:
    """The references by name; of several objectives also their losses, each with its objective."""
    if len(measured) == 1:
        return dict(measured[0].references)
    return {
        f"{one.objective}: {name}": value
        for one in measured
        for name, value in {"loss": one.loss, **one.references}.items()
    }


def warning(measured: Sequence[Measured]) -> str:
    """A sentence where pre-training did not beat a reference, else nothing."""
    missed = [
        f"{one.objective} ({one.loss:.4f}) does not beat "
        + " and ".join(f"{name} ({one.references[name]:.4f})" for name in one.unbeaten)
        for one in measured
        if one.unbeaten
    ]
    if not missed:
        return ""
    return (
        f"on held-out speech {'; '.join(missed)}, which took no training: give more unlabelled "
        "speech, more epochs (--set pretrain.max_epochs=N) or another objective"
    )


def fit_constants(
    objectives: Mapping[str, Objective], views: Iterable[View], distance: str, *, every: int = 1
) -> dict[str, torch.Tensor]:
    """By objective with targets: (width,) the outputs that cost least where they are the same.

    Args:
        objectives: by name.
        views: of the sequences to fit.
        distance: l1 or l2.
        every: how many hidden steps one is taken from.
    """
    found: dict[str, list[torch.Tensor]] = {}
    for view in views:
        for name, objective in objectives.items():
            if objective.targets is not None:
                found.setdefault(name, []).append(objective.targets(view)[::every])
    return {name: _constant(torch.cat(targets), distance) for name, targets in found.items()}


def _constant(targets: torch.Tensor, distance: str) -> torch.Tensor:
    if targets.ndim == 1:  # clusters; one that never occurs has the log frequency -Inf
        return (torch.bincount(targets, minlength=N_CLUSTERS) / len(targets)).log()
    return targets.median(dim=0).values if distance == "l1" else targets.mean(dim=0)


def measure(
    objectives: Mapping[str, Objective],
    losses: Callable[[View], Mapping[str, torch.Tensor]],
    views: Iterable[tuple[View, int]],
    constants: Mapping[str, torch.Tensor],
) -> tuple[Measured, ...]:
    """Losses of a model and of the references, as means over sequences.

    Args:
        objectives: by name.
        losses: of the model, by objective.
        views: each with its number of sequences.
        constants: as ``fit_constants`` gives them.
    """
    sums: dict[str, dict[str, float]] = {name: defaultdict(float) for name in objectives}
    total = 0
    for view, n_sequences in views:
        total += n_sequences
        for name, loss in losses(view).items():
            sums[name][OURS] += n_sequences * float(loss)
            for reference, outputs in references(objectives[name], view, constants.get(name)):
                sums[name][reference] += n_sequences * float(objectives[name].loss(outputs, view))
    means = {name: {key: value / total for key, value in of.items()} for name, of in sums.items()}
    return tuple(Measured(name, of.pop(OURS), of) for name, of in means.items())


def references(
    objective: Objective, view: View, constant: torch.Tensor | None
) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and outputs, (batch, n_steps, width), of the references that make sense for it."""
    width = objective.width(view.steps.shape[2])
    if objective.targets is None or constant is None:
        yield CHANCE, view.steps.new_zeros(*view.hidden.shape, width)
        return
    outputs = constant.expand(*view.hidden.shape, width)
    yield CONSTANT, outputs
    if objective.clustered:  # a cluster that is interpolated has no probabilities
        return
    targets = objective.targets(replace(view, steps=interpolate(view)))
    outputs = outputs.clone()
    outputs[view.hidden.bool()] = targets
    yield INTERPOLATION, outputs


def interpolate(view: View) -> torch.Tensor:
    """(batch, n_steps, n_features) the steps, the hidden ones on lines between the visible.

    A sequence without any visible step is 0, the mean of normalised frames.
    """
    filled = view.steps.cpu().numpy().copy()
    for row, length in enumerate(view.lengths.tolist()):
        gone = view.hidden[row, :length].cpu().numpy().astype(bool)
        seen = np.flatnonzero(~gone)
        if not len(seen):
            filled[row] = 0
            continue
        for column in filled[row, :length].T:
            column[gone] = np.interp(np.flatnonzero(gone), seen, column[seen])
    return torch.from_numpy(filled).to(view.steps.device)
