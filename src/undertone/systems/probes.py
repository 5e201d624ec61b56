"""What each layer of a pre-trained encoder carries: one probe a layer, and weights over them all.

In:  a ``Problem`` whose material holds the layers of an encoder.
Out: ``Fitted``, and the rows that a sweep is given.

Every probe is the same: the mean over time of one layer, in z-scores of the crowd, and a head that
has one solution and nothing to choose. Of classes it is the discriminant analysis without
self-training, so that a layer is judged by what it holds and not by what guesses add to it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from undertone.models.crowd_ridge import RidgeConfig, fit_crowd_ridge
from undertone.models.discriminant import DiscriminantConfig, fit_discriminant
from undertone.models.heads import Head, Logistic, Ridge
from undertone.models.weighted_layers import WeightedLayers
from undertone.systems.fits import crowd_of, limits_of, outputs_for, vectors_of
from undertone.systems.fitted import Fitted, OnVectors
from undertone.systems.problem import Problem
from undertone.systems.system import DISCRIMINANT, FINETUNE, RIDGE, System
from undertone.systems.view import View
from undertone.tasks import AMOUNTS, CHOICE, Task
from undertone.training.seeds import seed_of, seed_torch
from undertone.training.supervised import FinetuneConfig
from undertone.training.supervised import fit as fit_network

WEIGHTED = "weighted"
LEAST_LABELS = 200  # with fewer, the weights over layers stay about where they start
PRESETS = {DISCRIMINANT.name: {"rounds": 0, "centring": 0.0}}


def name_of(layer: int) -> str:
    """Of a layer's probe.

    >>> name_of(3)
    'layer_03'
    """
    return f"layer_{layer:02d}"


def probes(task: Task, layers: range) -> tuple[System, ...]:
    """A row a layer, and one of weights over all of them."""
    head, settings = {
        CHOICE: ("a shrunk linear discriminant analysis without self-training", DISCRIMINANT),
        AMOUNTS: ("a ridge regression with a fixed penalty", RIDGE),
    }[task.kind]
    rows = (
        System(
            name_of(layer),
            f"layer {layer}",
            "classic",
            f"The mean over time of layer {layer} in {head}.",
            partial(FITS[task.kind], layer=layer),
            settings,
            reads_means=True,
        )
        for layer in layers
    )
    return (*rows, _WEIGHTED)


def fit_class_probe(problem: Problem, settings: DiscriminantConfig, *, layer: int) -> Fitted:
    """A discriminant analysis on the mean of one layer."""
    view = View(("mean",), layer=layer, centring=settings.centring)
    discriminant = fit_discriminant(
        vectors_of(problem, view, problem.budget),
        problem.positions(problem.budget),
        crowd=crowd_of(problem, view),
        n_outputs=problem.n_outputs,
        settings=settings,
    )
    return OnVectors(view, discriminant)


def fit_amount_probe(problem: Problem, settings: RidgeConfig, *, layer: int) -> Fitted:
    """A ridge regression on the mean of one layer."""
    view = View(("mean",), layer=layer, centring=settings.centring)
    ridge = fit_crowd_ridge(
        vectors_of(problem, view, problem.budget),
        problem.truths(problem.budget),
        crowd=crowd_of(problem, view),
        settings=settings,
        limits=limits_of(problem.task),
    )
    return OnVectors(view, ridge)


FITS: Mapping[str, Callable[..., Fitted]] = {CHOICE: fit_class_probe, AMOUNTS: fit_amount_probe}


def fit_weighted(problem: Problem, settings: FinetuneConfig) -> Fitted:
    """Softmax weights over the layers and a dense layer, trained together within the budget."""
    view, layers_of = View(("descriptors",)), problem.material.layers
    assert layers_of is not None, "weights are given to an encoder's layers"
    n_layers = len(layers_of.candidates)
    mean, sd = crowd_of(problem, view).mean_and_sd()

    def layers(utterances: Sequence[str]) -> list[np.ndarray]:
        scaled = (vectors_of(problem, view, utterances) - mean) / sd
        return list(scaled.reshape(len(scaled), n_layers, -1).astype(np.float32))

    seed = seed_of(problem.seed, WEIGHTED)
    seed_torch(seed, "weights over layers")
    network = fit_network(
        WeightedLayers(n_layers, len(mean) // n_layers, problem.n_outputs, settings.head_dropout),
        train=problem.labelled(problem.labels.train, layers),
        validation=problem.labelled(problem.labels.validation, layers),
        outputs=outputs_for(problem, settings),
        schedule=settings,
        seed=seed,
    )
    head = _head(problem.task, mean, sd, network)
    return OnVectors(view, head, remarks={"weights": [round(float(w), 6) for w in network.weights]})


def _head(task: Task, mean: np.ndarray, sd: np.ndarray, network: WeightedLayers) -> Head:
    """The network as one product, which needs no torch to predict."""
    weight, bias = network.as_one_product()
    if task.kind == CHOICE:
        return Logistic(mean, sd, weight, bias, np.ones(len(task.outputs), dtype=bool))
    return Ridge(mean, sd, weight, bias, np.array(limits_of(task)))


_WEIGHTED = System(
    WEIGHTED,
    "learned weights",
    "classic",
    "Softmax weights over all layers and a dense layer on the weighted sum, learned together on "
    "the labels.",
    fit_weighted,
    FINETUNE,
    reads_means=True,
    least_labels=LEAST_LABELS,
)
