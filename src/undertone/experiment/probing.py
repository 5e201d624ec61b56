"""What each layer of a pre-trained encoder carries: a learning curve whose systems are its layers.

In:  one labelled corpus, an encoder, settings, the folder of the run.
Out: in that folder ``layers.html``, ``layers.json``, ``layers.png``, ``layers.svg``,
     ``results.parquet`` (one row a fit and metric), ``predictions.parquet``, and what every run
     leaves (``run``). A run that was stopped goes on where it was.

Folds, draws and the crowd are those that ``undertone curve`` would make of the same settings, so
that a layer can be held against any system of such a curve.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic, config, device
from undertone.config import check_types
from undertone.corpora.across import AcrossSettings
from undertone.errors import UndertoneError
from undertone.evaluation.apart import trace_apart
from undertone.evaluation.curves import Curves
from undertone.evaluation.layers import page, plots
from undertone.evaluation.layers.record import record
from undertone.evaluation.layers.result import Encoder, LayersResult
from undertone.evaluation.predictions import predictions_table, results_table
from undertone.experiment import folder
from undertone.experiment.complete import SCORING
from undertone.experiment.run import Run, open_run
from undertone.experiment.settings import CurveSettings, check_draws
from undertone.experiment.stored import Sweep
from undertone.experiment.sweep import run as run_sweep
from undertone.features.name import EVERY, FeatureName, parse, parse_encoder
from undertone.features.upstream.source import find
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.progress import Progress
from undertone.systems import probes
from undertone.systems.plan import Plan
from undertone.systems.settings import Bag, bag_of_rows, plain_bag
from undertone.systems.table import System
from undertone.tasks import Task, kind_of

PAGE = "layers.html"


@dataclass(frozen=True)
class LayersSettings:
    """Settings of a layer analysis; those of its probes by the name of their section."""

    corpus: str  # that the layers are asked of, NAME=PATH
    upstream: str  # folder of an encoder, or its name on the hub
    task: str = ""  # what is predicted; by default what the corpus has labels for
    proxy: str = ""  # in place of ratings of dimensions: pad, from the emotions of a corpus
    across: AcrossSettings = field(default_factory=AcrossSettings)  # other corpora are tested
    budgets: tuple[int | str, ...] = (20, 50, 100, 200)  # "all": what the training speakers have
    draws: int = 10  # repetitions of each budget, with other labels
    folds: int = 5  # groups of speakers; each is tested once
    fold_files: str = ""  # folder of EmoBox's folds of this corpus, in place of our own
    seed: int = 0  # names all randomness
    replicates: int = 0  # of the bootstrap; 0: as many as the task has by default
    of_systems: Bag = field(default_factory=dict, metadata=config.REST)

    def __post_init__(self) -> None:
        check_types(self)
        check_draws(self)
        object.__setattr__(self, "of_systems", plain_bag(self.of_systems))
        if self.task:
            kind_of(self.task)
        if self.features.layers != EVERY:
            raise UndertoneError(
                f"layers looks into all layers of an encoder, found @{self.features.layers}: leave "
                f"it out, as --upstream {self.features.model}"
            )

    @property
    def features(self) -> FeatureName:
        """The frames of all layers."""
        return parse_encoder(self.upstream, layers=EVERY)

    def of_curve(self) -> CurveSettings:
        """Those of the curve with the same folds and draws."""
        own = ("upstream", "of_systems")
        values = {name: value for name, value in vars(self).items() if name not in own}
        return CurveSettings(**values, features=str(self.features))

    def settled(self, curve: CurveSettings) -> "LayersSettings":
        """The same as a curve's that were settled: their file repeats the run from any folder."""
        shared = ("corpus", "across", "task", "fold_files", "replicates")
        values = {name: getattr(curve, name) for name in shared}
        return replace(self, **values, upstream=str(parse(curve.features)))

    def bag(self, task: Task, rows: tuple[System, ...]) -> dict[str, Any]:
        """Settings of the probes by section.

        Raises:
            UndertoneError: a section belongs to no probe of the task.
        """
        known = {row.settings.name for row in rows if row.settings}
        if unknown := set(self.of_systems) - known:
            raise UndertoneError(
                f"the probes of {task.name} have no settings {', '.join(sorted(unknown))}; they "
                f"have {', '.join(sorted(known))}"
            )
        return bag_of_rows(task, rows, config.merge(probes.PRESETS, self.of_systems))


def layers(settings: LayersSettings, out: Path | str, resources: Resources | None = None) -> Path:
    """Run, or go on with, a layer analysis; its folder is new or holds the same run.

    Returns:
        The page.

    Raises:
        UndertoneError: the corpus or the encoder cannot be read, the encoder has one layer, a
            budget cannot be met, or the folder holds another run.
    """
    run_layers(settings, out, resources)
    return Path(out) / PAGE


def run_layers(
    settings: LayersSettings, out: Path | str, resources: Resources | None = None
) -> LayersResult:
    """The same; returns what the page shows."""
    resources, began = resources or Resources(), time.monotonic()
    encoder = look_up(settings.features)
    with device.using(resources.device), atomic.held(Path(out)):
        run = open_run(*(settings.of_curve(), out, resources), held=settings.settled, frames=False)
        return look_into(run, settings.settled(run.settings), encoder, resources, began=began)


def look_into(
    run: Run,
    settings: LayersSettings,
    encoder: Encoder,
    resources: Resources,
    *,
    began: float | None = None,
) -> LayersResult:
    """Fit all probes of an opened run, score them, and write what was found.

    Args:
        run: whose frames are all layers of the encoder.
        settings: settled.
        encoder: whose layers they are.
        resources: of the machine.
        began: when the corpus was opened, by ``time.monotonic``.
    """
    moments = [began or time.monotonic(), time.monotonic()]
    workers = how_many(resources.workers)
    plan = run.plan()
    sweep = sweep_of(run, plan, settings)
    folder.claim(run.out, settings, plan.digest())
    with Progress(shown=resources.progress) as progress:
        run_sweep(sweep, workers=workers, progress=progress)
        moments.append(time.monotonic())
        curves = _score(run, sweep, workers=workers, progress=progress)
        moments.append(time.monotonic())
    stages = ("features", "probes", "evaluation")
    seconds = dict(zip(stages, np.diff(moments).tolist(), strict=True))
    result = _result(run, sweep, curves, encoder=encoder, settings=settings, seconds=seconds)
    write(result, run.out)
    return result


def look_up(features: FeatureName) -> Encoder:
    """The encoder that is looked into.

    Raises:
        UndertoneError: there is none, or it has no layers.
    """
    model = find(features)
    return Encoder(
        str(features),
        model.family,
        model.digest,
        model.n_layers,
        model.width,
        cut_from=None if model.cut is None else model.cut.original_layers,
    )


def sweep_of(run: Run, plan: Plan, settings: LayersSettings) -> Sweep:
    """The plan with a probe a layer, weights over all of them, and the floors."""
    assert plan.layers is not None, "the frames are an encoder's"
    rows = probes.probes(run.task, plan.layers.candidates)
    names = (*(row.name for row in rows), *run.task.floors)
    bag = settings.bag(run.task, rows)
    return Sweep(plan, names, bag, run.settings.pretrain, run.out, own=rows)


def write(result: LayersResult, out: Path) -> None:
    """The pictures, the numbers and, last, the page; each is whole or absent."""
    for name, content in plots.files(result).items():
        atomic.write_bytes(out / name, content)
    atomic.write_text(out / "layers.json", json.dumps(record(result), indent=1) + "\n")
    atomic.write_text(out / PAGE, page.render(result))


def _score(run: Run, sweep: Sweep, *, workers: int, progress: Progress) -> dict[str, Curves]:
    """Scores of all fits by test part; tables of fits and predictions are written on the way."""
    folder.log_look(run.out)
    predictions, tested = run.predictions(sweep), run.tested(sweep.plan)
    progress.add(SCORING, len(predictions) * len(tested.apart()))
    curves = trace_apart(
        predictions,
        tested,
        n_replicates=run.settings.replicates,
        workers=workers,
        advance=lambda: progress.advance(SCORING),
    )
    first = next(iter(curves.values()))
    folder.write_parquet(run.out / "results.parquet", results_table(predictions, tested, first))
    folder.write_parquet(run.out / "predictions.parquet", predictions_table(predictions, tested))
    return curves


def _result(
    run: Run,
    sweep: Sweep,
    curves: Mapping[str, Curves],
    *,
    encoder: Encoder,
    settings: LayersSettings,
    seconds: Mapping[str, float],
) -> LayersResult:
    """Of the first official test part, where there are several."""
    curve = run.result(sweep, curves, dict(seconds))
    curve = replace(
        curve,
        notes=(*curve.notes, *_note_on_parts(list(curves))),
        title=f"What the layers of {Path(settings.features.model).name} carry of {run.corpus.name}",
        settings=config.to_toml(settings),
        command=f"undertone layers --config {run.out / 'config.toml'} --out FOLDER",
    )
    weighted = next(row for row in sweep.own if row.name == probes.WEIGHTED)
    return LayersResult(
        curve=curve,
        names=tuple(row.name for row in sweep.own if row is not weighted),
        encoder=encoder,
        weights={
            budget: _weights(sweep, budget)
            for budget in curve.budgets
            if budget >= weighted.least_labels
        },
        least_labels=weighted.least_labels,
    )


def _note_on_parts(parts: Sequence[str]) -> list[str]:
    if len(parts) < 2:
        return []
    return [
        f"Everything here is of the official test part {parts[0]}; what the same fits say of "
        f"{', '.join(parts[1:])} is in results.parquet."
    ]


def _weights(sweep: Sweep, budget: int) -> np.ndarray:
    """(n_fits, n_layers) that the fits of a budget learned."""
    cells = [cell for cell in sweep.plan.cells if cell.budget == budget]
    return np.array([sweep.fit(probes.WEIGHTED, cell).notes["weights"] for cell in cells])
