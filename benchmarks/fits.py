"""Fits to be timed: one fold of a corpus, and epochs of fine-tuning in several ways.

In:  a corpus with its frames.
Out: functions that run an epoch or a fit, and cost nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import process_time
from unittest import mock

import numpy as np
import torch
from stacked import Stack
from torch import nn

from undertone.corpora.folds import Fold, draw_labels, speaker_folds
from undertone.models import network, padding
from undertone.models.encoder import Encoder, EncoderConfig, pool_mean
from undertone.models.network import GruNetwork
from undertone.systems.fitted import OnSteps
from undertone.systems.plan import Data
from undertone.systems.problem import RANDOM, Material, Problem
from undertone.systems.view import View
from undertone.tasks.classes import uar_of_counts
from undertone.training import supervised as training
from undertone.training.losses import cross_entropy
from undertone.training.normalise import fit_normaliser
from undertone.training.outputs import outputs_of
from undertone.training.seeds import generator
from undertone.training.supervised import FinetuneConfig, Labelled

SETTINGS = FinetuneConfig()

Job = tuple[str, int, int]  # kernel, position of the fit, epochs


@dataclass(frozen=True)
class Loop:
    """One way to run an epoch."""

    kernel: str = "off"  # or float32, bfloat16
    by_length: bool = True
    stride: int = 1
    threads: int = 1


class PlainEncoder(Encoder):
    """The same weights under ``torch.nn.GRU``, which computes on padding."""

    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """As in ``Encoder``, but not 0 on padding; pooling leaves it out."""
        hidden, _ = nn.GRU.forward(self.gru, steps)
        return hidden


@dataclass(frozen=True)
class Bench:
    """One fold of a corpus, and how much of it is used.

    Attributes:
        data: the corpus and its frames.
        shape: of the encoders.
        settings: of fine-tuning.
        budget: labels of a fit.
        repeats: how often every way takes its turn.
        draws: of labels, where several fits are compared.
    """

    data: Data
    shape: EncoderConfig
    settings: FinetuneConfig
    budget: int
    repeats: int
    draws: int

    def material(self, stride: int) -> Material:
        """The fold's, with nothing computed yet."""
        table = self.data.frames
        train = map(table.frames, self._utterances(tested=False))
        normaliser = fit_normaliser(train, stride=stride)
        return Material(table.frames, table.columns, normaliser, self.shape)

    def problem(self, material: Material, draw: int) -> Problem:
        """One draw of labels, as the sweep makes it."""
        corpus, task = self.data.corpus, self.data.task
        names = corpus.table["utterance"]
        return Problem(
            material=material,
            task=task,
            labels=draw_labels(corpus, self._fold, budget=self.budget, draw=draw, task=task),
            test=self._utterances(tested=True),
            truth=dict(zip(names, task.truth(corpus.table), strict=True)),
            speaker=dict(zip(names, corpus.table["speaker"], strict=True)),
            seed=draw,
        )

    def fits(self, n: int, stride: int) -> list[Labelled]:
        """The labels of so many draws."""
        material = self.material(stride)
        problems = [self.problem(material, draw) for draw in range(n)]
        return [problem.labelled(problem.budget, material.steps) for problem in problems]

    def model(self, kernel: str) -> GruNetwork:
        """A fresh one, with the same weights every time."""
        torch.manual_seed(0)
        kind = PlainEncoder if kernel == "off" else Encoder
        encoder = kind(len(self.data.frames.columns), self.shape.hidden_units, self.shape.layers)
        encoder.gru.precision = "float32" if kernel == "off" else kernel
        n_outputs = len(self.data.task.outputs)
        return GruNetwork(encoder, "mean", n_outputs, SETTINGS.head_dropout)

    @cached_property
    def _fold(self) -> Fold:
        return speaker_folds(self.data.corpus, 5, seed=0, task=self.data.task)[0]

    def _utterances(self, *, tested: bool) -> list[str]:
        rows = self.data.corpus.table
        return sorted(rows["utterance"][rows["speaker"].isin(self._fold.test_speakers) == tested])


def epoch(model: GruNetwork, labelled: Labelled, loop: Loop) -> Callable[[], None]:
    """A function that trains one epoch, on the same batches every time."""
    optimiser = torch.optim.Adam(model.parameters(), lr=SETTINGS.learning_rate)
    truth = torch.from_numpy(labelled.truth.argmax(axis=1))

    def run() -> None:
        torch.set_num_threads(loop.threads)
        model.train()
        for positions in _plan(labelled, by_length=loop.by_length):
            steps, lengths = padding.pad([labelled.steps[i] for i in positions])
            loss = cross_entropy(model(steps, lengths), truth[positions], SETTINGS.label_smoothing)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), SETTINGS.clip_norm)
            optimiser.step()

    return run


def stacked_epoch(models: Sequence[GruNetwork], fits: Sequence[Labelled]) -> Callable[[], None]:
    """The same for fits of one size at once: their batches of like length go together."""
    stack = Stack(models, SETTINGS.head_dropout)
    optimiser = torch.optim.Adam(stack.parameters(), lr=SETTINGS.learning_rate)

    def run() -> None:
        torch.set_num_threads(1)
        plans = [padding.in_order(_sizes(fit), SETTINGS.batch_size) for fit in fits]
        for together in zip(*plans, strict=True):
            steps, lengths, truth = _pad_all(fits, together)
            scores = stack(steps, lengths)
            losses = [
                cross_entropy(own, true, SETTINGS.label_smoothing)
                for own, true in zip(scores, truth, strict=True)
            ]
            optimiser.zero_grad()
            torch.stack(losses).sum().backward()
            stack.clip(SETTINGS.clip_norm)
            optimiser.step()

    return run


def fit_counted(problem: Problem, settings: FinetuneConfig) -> tuple[int, float]:
    """A whole fit of everything from random weights: epochs run, and UAR of the test speakers."""
    material, labels, plan = problem.material, problem.labels, padding.plan_batches
    with mock.patch.object(padding, "plan_batches", wraps=plan) as counted:  # once an epoch
        model = training.finetune(
            material.encoder(RANDOM),
            train=problem.labelled(labels.train, material.steps),
            validation=problem.labelled(labels.validation, material.steps),
            outputs=outputs_of(problem.task, smoothing=settings.label_smoothing),
            pooling=material.shape.pooling,
            settings=settings,
            seed=problem.seed,
        )
    predicted = OnSteps(View(), model, problem.task).predict(material, problem.test)
    counts = problem.truths(problem.test).T @ problem.task.decide(predicted)
    return counted.call_count, float(uar_of_counts(counts))


def fit_head_by_epochs(problem: Problem, n_epochs: int) -> np.ndarray:
    """A dense layer on a frozen encoder which runs again in every epoch."""
    material = problem.material
    labelled, encoder = problem.labelled(problem.budget, material.steps), material.encoder(RANDOM)
    torch.manual_seed(0)
    head = nn.Linear(material.shape.hidden_units, problem.n_outputs)
    optimiser = torch.optim.Adam(head.parameters(), lr=SETTINGS.learning_rate)
    for number in range(n_epochs):
        rng = generator(problem.seed, number)
        for positions in padding.plan_batches(_sizes(labelled), SETTINGS.batch_size, rng):
            steps, lengths = padding.pad([labelled.steps[i] for i in positions])
            with torch.no_grad():
                pooled = pool_mean(encoder(steps, lengths), lengths)
            truth = torch.from_numpy(labelled.truth[positions].argmax(axis=1))
            optimiser.zero_grad()
            cross_entropy(head(pooled), truth, SETTINGS.label_smoothing).backward()
            optimiser.step()
    vectors = network.encode(encoder, material.steps(problem.test), "mean")
    return head(torch.from_numpy(vectors)).softmax(dim=1).detach().numpy()


def begin(models: dict[str, GruNetwork], fits: list[Labelled]) -> None:
    """Give a process of a pool its one thread and its material."""
    torch.set_num_threads(1)
    _Given.models, _Given.fits = models, fits


def train_given(kernel: str, position: int, n_epochs: int) -> float:
    """Train on one of the given fits; processor seconds that this process spent on it."""
    began = process_time()
    loop = Loop(kernel, threads=torch.get_num_threads())
    run = epoch(_Given.models[kernel], _Given.fits[position], loop)
    for _ in range(n_epochs):
        run()
    return process_time() - began


class _Given:
    """What ``begin`` gave to this process."""

    models: dict[str, GruNetwork]
    fits: list[Labelled]


def _plan(labelled: Labelled, *, by_length: bool) -> list[np.ndarray]:
    """Batches of like length, or of chance, longest utterance first in each."""
    sizes, rng = _sizes(labelled), generator("benchmark batches")
    if by_length:
        plan = padding.plan_batches(sizes, SETTINGS.batch_size, rng)
    else:
        order = rng.permutation(len(sizes))
        starts = range(0, len(order), SETTINGS.batch_size)
        plan = [order[start : start + SETTINGS.batch_size] for start in starts]
    return [padding.longest_first(positions, sizes) for positions in plan]


def _sizes(labelled: Labelled) -> list[int]:
    return [len(steps) for steps in labelled.steps]


def _pad_all(
    fits: Sequence[Labelled], together: Sequence[np.ndarray]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Steps (n_models, batch, n_steps, n_features), lengths and truth (n_models, batch)."""
    padded = [
        padding.pad([fit.steps[i] for i in positions])
        for fit, positions in zip(fits, together, strict=True)
    ]
    longest = max(steps.shape[1] for steps, _ in padded)
    steps = [nn.functional.pad(own, (0, 0, 0, longest - own.shape[1])) for own, _ in padded]
    truth = [
        fit.truth[positions].argmax(axis=1) for fit, positions in zip(fits, together, strict=True)
    ]
    lengths = torch.stack([own for _, own in padded])
    return torch.stack(steps), lengths, torch.from_numpy(np.stack(truth))
