"""A learning curve of any task, from settings to a finished folder; gone on with where it stopped.

In:  settings, the folder of the run.
Out: in that folder ``report.html`` with ``report.json`` and ``curve.png``, ``.svg`` and ``.pdf``
     beside it, ``results.parquet`` (one row a fit and metric),
     ``predictions.parquet``, ``shift.json`` where other corpora are tested, ``config.toml`` that
     reruns it, and ``test_looks.jsonl``, a line for each time that the test speakers' truth was
     read.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from undertone import atomic, device
from undertone.errors import UndertoneError
from undertone.evaluation.curves import Key
from undertone.evaluation.predictions import predictions_table
from undertone.evaluation.report import shifts as shift_report
from undertone.evaluation.report.page import write_report
from undertone.evaluation.report.paper import Paper
from undertone.evaluation.report.result import Adapted, CurveResult
from undertone.evaluation.shift import Shift
from undertone.experiment import folder
from undertone.experiment.closer import looked_at_closely
from undertone.experiment.forecast import forecast
from undertone.experiment.learning_curve import LearningCurve
from undertone.experiment.more_speakers import with_more_speakers
from undertone.experiment.picks.complete import replay_run
from undertone.experiment.remarks import coverage_on, reliability_on, remarks_on
from undertone.experiment.run import Run, open_run
from undertone.experiment.settings import CurveSettings
from undertone.experiment.shifting import shifts
from undertone.experiment.so_far import SoFar
from undertone.experiment.stored import Sweep
from undertone.experiment.sweep import run as run_sweep
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.progress import Progress

SCORING = "scores"
SHIFT = "shift.json"


def curve(
    settings: CurveSettings,
    out: Path | str,
    resources: Resources | None = None,
    *,
    sounds: bool = True,
) -> LearningCurve:
    """Run, or go on with, a learning curve; its folder is new or holds the same run.

    Args:
        settings: of the run.
        out: its folder.
        resources: of the machine.
        sounds: whether the report holds the sound of what is told worst.

    Returns:
        Verdict, table and picture, and the path of the report.

    Raises:
        UndertoneError: the corpora cannot be read, a budget cannot be met, or the folder holds
            another run.
    """
    result = run_curve(settings, out, resources, sounds=sounds)
    return LearningCurve(Path(out) / "report.html", result)


def run_curve(
    settings: CurveSettings,
    out: Path | str,
    resources: Resources | None = None,
    *,
    paper: Paper | None = None,
    announce: Callable[[str], None] | None = None,
    sounds: bool = True,
) -> CurveResult:
    """The same, set beside what a paper published and claims; returns what the report shows.

    ``announce`` is told how long it will take, from a calibration, before it begins.
    """
    out, resources = Path(out), resources or Resources()
    with device.using(resources.device), atomic.held(out):
        if settings.picks.asked:
            result = replay_run(settings, out, resources)
            _draw(result, out / "report.html")
            return result
        told = _Told(paper, announce, sounds)
        return _run(settings, out, resources, told)


class _Told(NamedTuple):
    """What becomes of a run's numbers, and who is told how long they take."""

    paper: Paper | None
    announce: Callable[[str], None] | None
    sounds: bool


def _run(settings: CurveSettings, out: Path, resources: Resources, told: _Told) -> CurveResult:
    """Everything that is written is written while the folder is held."""
    moments, workers = [time.monotonic()], how_many(resources.workers)
    run = open_run(settings, out, resources)
    moments.append(time.monotonic())
    plan = run.plan()
    folder.claim(run.out, run.settings, plan.digest())
    sweep = run.sweep(plan)
    if told.announce and (expected := forecast(sweep, n_replicates=run.settings.replicates)):
        told.announce(expected.text(workers))
    with Progress(shown=resources.progress) as progress:
        _fit(run, sweep, workers=workers, progress=progress, tells=resources.progress)
        moments.append(time.monotonic())
        folder.log_look(run.out)
        shifted = shifts(run, sweep, workers=workers, progress=progress)
        predictions, tested = run.predictions(sweep), run.tested(plan)
        progress.add(SCORING, len(predictions) * len(tested.apart()))
        curves, table, looked = run.score(
            predictions, tested, workers, lambda n: progress.advance(SCORING, n)
        )
        adapted = _adapted(run, sweep, predictions, workers=workers) if sweep.voiced else None
        moments.append(time.monotonic())
    folder.write_json(run.out / "audit.json", [finding.to_dict() for finding in run.findings])
    folder.write_parquet(run.out / "results.parquet", table)
    folder.write_parquet(run.out / "predictions.parquet", predictions_table(predictions, tested))
    stages = ("features", "training", "evaluation")
    seconds = dict(zip(stages, np.diff(moments).tolist(), strict=True))
    result = replace(run.result(sweep, curves, seconds, told.paper), adapted=adapted)
    if looked is None:
        result = replace(
            result,
            notes=(*result.notes, *remarks_on(result, predictions, tested)),
            reliability=reliability_on(result, predictions, tested),
            covered=coverage_on(result, sweep, predictions, tested),
        )
        result = looked_at_closely(result, predictions, tested, run.corpus, sounds=told.sounds)
        result = with_more_speakers(result, sweep, tested)
    else:
        result = replace(result, warnings=(looked.sentence(), *result.warnings))
    result = replace(result, shifts=tuple(shifted))
    _draw(result, run.out / "report.html")
    if shifted:
        folder.write_json(run.out / SHIFT, [_told(shift) for shift in shifted])
    return result


def _fit(run: Run, sweep: Sweep, *, workers: int, progress: Progress, tells: bool) -> None:
    """Every fit, and on the way what those that are there say; of a vault nothing is said."""
    if not tells or run.vault is not None:
        run_sweep(sweep, workers=workers, progress=progress)
        return
    so_far = SoFar(run, sweep)
    if so_far.missing.total():
        so_far.look()
    run_sweep(sweep, workers=workers, progress=progress, fitted=so_far.fitted)


def _told(shift: Shift) -> dict[str, Any]:
    """Numbers, and sentences and tables as a person reads them."""
    return shift.to_dict() | {
        "sentences": shift_report.sentences(shift),
        "tables": [
            {
                "headings": table.headings,
                "rows": [(row.name, *map(str, row.cells)) for row in table.rows],
            }
            for table in shift_report.tables(shift)
        ],
    }


def _adapted(run: Run, sweep: Sweep, known: dict[Key, np.ndarray], *, workers: int) -> Adapted:
    """What listened to the tested voices; its predictions lie in a table of their own."""
    tested = run.tested(sweep.plan)
    adapted, heard = run.adapted(sweep, known, tested, workers)
    folder.write_parquet(run.out / "adapted_predictions.parquet", predictions_table(heard, tested))
    return adapted


def _draw(result: CurveResult, path: Path) -> None:
    """Write the report; a fault of it costs neither fits nor tables."""
    try:
        write_report(result, path)
    except UndertoneError:
        raise
    except Exception as error:
        raise UndertoneError(
            f"{path} could not be drawn ({type(error).__name__}: {error}; please report it). The "
            f"fits and the tables in {path.parent} are whole, and stay"
        ) from error
