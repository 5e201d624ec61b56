"""Is picking worth it? From settings to a finished folder; gone on with where it stopped.

In:  settings of a curve whose ``picks`` name strategies, the folder of the run.
Out: in that folder ``report.html`` and ``curve.png``, whose rows are strategies;
     ``results.parquet``, ``predictions.parquet``, ``picks.parquet`` (what each loop labelled, in
     its order), ``picks.json`` (labels needed, gains, emotions found), and what every run keeps.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from undertone.annotation.picking.heard import hear
from undertone.annotation.picking.strategies import STRATEGIES
from undertone.evaluation.curves import Curves, Key
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.needed import labels_needed
from undertone.evaluation.predictions import predictions_table
from undertone.evaluation.report.picked import goal_of
from undertone.evaluation.report.result import Compared, CurveResult, Picked
from undertone.experiment import folder
from undertone.experiment.picks.kept import Kept, go_through
from undertone.experiment.picks.replay import Job, Replayed, Replays
from undertone.experiment.picks.settings import BALANCED, RANDOM
from undertone.experiment.run import Run, open_run
from undertone.experiment.settings import CurveSettings
from undertone.features.name import parse
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.progress import Progress
from undertone.systems.plan import Plan
from undertone.systems.settings import bag_of
from undertone.systems.system import DISCRIMINANT

FLOOR = "constant"
JSON, PICKED = "picks.json", "picks.parquet"
SCORING = "scores"
OF_TRUTH = Compared(
    BALANCED,
    "balanced",
    "control",
    "As many of every emotion, for which somebody has to know the emotions already.",
)


def replay_run(settings: CurveSettings, out: Path, resources: Resources) -> CurveResult:
    """Replay labelling by every strategy; everything is written while the folder is held."""
    moments, workers = [time.monotonic()], how_many(resources.workers)
    run = open_run(settings, out, resources)
    heard = hear(run.corpus, parse(run.settings.picks.eyes), resources)
    moments.append(time.monotonic())
    plan = run.plan()
    folder.claim(run.out, run.settings, plan.digest())
    kept = Kept(
        Replays(
            plan,
            heard,
            settings=bag_of(run.task, run.settings.systems, run.settings.of_systems)[
                DISCRIMINANT.name
            ],
            budgets=tuple(sorted(run.draws.budgets)),
            batch=run.settings.picks.batch,
            eyes=run.settings.picks.eyes,
        ),
        run.settings.picks.rows,
        run.settings.draws,
        run.out,
    )
    with Progress(shown=resources.progress) as progress:
        go_through(kept, workers=workers, progress=progress)
        moments.append(time.monotonic())
        loops = {job: kept.loop(job) for job in kept.jobs}
        folder.log_look(run.out)
        tested, predictions = run.tested(plan), _predictions(kept, loops)
        progress.add(SCORING, len(predictions) * len(tested.apart()))
        curves, table, _ = run.score(
            predictions, tested, workers, lambda n: progress.advance(SCORING, n)
        )
        moments.append(time.monotonic())
    stages = ("features", "loops", "evaluation")
    seconds = dict(zip(stages, np.diff(moments).tolist(), strict=True))
    folder.write_json(run.out / "audit.json", [finding.to_dict() for finding in run.findings])
    folder.write_parquet(run.out / "results.parquet", table)
    folder.write_parquet(run.out / "predictions.parquet", predictions_table(predictions, tested))
    folder.write_parquet(run.out / PICKED, _orders(loops, plan))
    result = _result(run, kept, loops, curves, seconds=seconds)
    folder.write_json(run.out / JSON, told(result))
    return result


def _predictions(kept: Kept, loops: Mapping[Job, Replayed]) -> dict[Key, np.ndarray]:
    """(n_draws, n_tested, n_outputs) by strategy and budget, and of the floor, fold by fold."""
    replays, found = kept.replays, dict[Key, np.ndarray]()
    folds = list(replays.plan.folds)
    for strategy in kept.strategies:
        for k, budget in enumerate(replays.budgets):
            found[strategy, budget] = np.stack(
                [
                    np.concatenate([loops[Job(strategy, f, draw)].values[k] for f in folds])
                    for draw in range(kept.n_draws)
                ]
            )
    for budget in replays.budgets:
        found[FLOOR, budget] = np.stack(
            [
                np.concatenate([_constant(kept, loops, Job(RANDOM, f, d), budget) for f in folds])
                for d in range(kept.n_draws)
            ]
        )
    return found


def _constant(kept: Kept, loops: Mapping[Job, Replayed], job: Job, budget: int) -> np.ndarray:
    """(n_test, n_outputs) the most frequent emotion among the rival's labels, always."""
    plan = kept.replays.plan
    labels = np.stack([plan.truth[name] for name in loops[job].order[:budget]])
    most = np.eye(labels.shape[1])[labels.sum(axis=0).argmax()]
    return np.tile(most, (len(plan.folds[job.fold].test), 1)).astype(np.float32)


def _orders(loops: Mapping[Job, Replayed], plan: Plan) -> pd.DataFrame:
    """One row a label: strategy, fold, draw, its number in the loop, utterance, emotion."""
    outputs = plan.task.outputs
    return pd.DataFrame(
        [
            (*job, number, name, outputs[int(np.argmax(plan.truth[name]))])
            for job, loop in loops.items()
            for number, name in enumerate(loop.order)
        ],
        columns=["strategy", "fold", "draw", "number", "utterance", "emotion"],
    )


def _result(
    run: Run,
    kept: Kept,
    loops: Mapping[Job, Replayed],
    curves: Mapping[str, Curves],
    *,
    seconds: dict[str, float],
) -> CurveResult:
    """What the report shows; its systems are strategies."""
    of_system = run.sweep(replace(kept.replays.plan, cells=()))  # whose fits are in the loops
    (system,) = (row for row in of_system.rows if row.kind != "floor")
    picked = Picked(
        rival=RANDOM,
        found=_found(kept, loops),
        system=f"{system.label} ({system.description.rstrip('.')})",
        batch=kept.replays.batch,
    )
    shown = run.result(of_system, curves, seconds, compared=_rows(kept, run))
    return replace(
        shown,
        title=f"Is picking worth it on {run.corpus.name}?",
        picked=picked,
        notes=(*shown.notes, *_notes(run, kept, loops)),
    )


def _rows(kept: Kept, run: Run) -> tuple[Compared, ...]:
    known = {
        one.name: Compared(
            one.name, one.label, "control" if one.name == RANDOM else "classic", one.about
        )
        for one in STRATEGIES.values()
    }
    known[RANDOM] = replace(known[RANDOM], label="honest random")
    floor = run.task.floors[FLOOR]
    return (
        *((known | {BALANCED: OF_TRUTH})[name] for name in kept.strategies),
        Compared(FLOOR, floor.label, "floor", f"{floor.description} Of random's labels."),
    )


def _found(kept: Kept, loops: Mapping[Job, Replayed]) -> dict[Key, float]:
    """Share of the emotions that had a label, the mean over loops."""
    replays = kept.replays
    n_outputs, truth = len(replays.plan.task.outputs), replays.plan.truth
    return {
        (strategy, budget): float(
            np.mean(
                [
                    len({int(np.argmax(truth[name])) for name in loop.order[:budget]}) / n_outputs
                    for job, loop in loops.items()
                    if job.strategy == strategy
                ]
            )
        )
        for strategy in kept.strategies
        for budget in replays.budgets
    }


def _notes(run: Run, kept: Kept, loops: Mapping[Job, Replayed]) -> Iterator[str]:
    """Who saw what, and how often the crowd taught."""
    yield (
        f"Every loop began without a label and asked for {kept.replays.batch} at a time, up to "
        f"{kept.replays.budgets[-1]}. What could be picked were the labelled utterances of the "
        "training speakers, their truth hidden until they were picked. With labels of one emotion "
        "alone, that one was predicted."
    )
    sizes = [len(loop.order) for loop in loops.values()]
    if min(sizes) < kept.replays.budgets[-1]:
        yield (
            f"The smallest pool held {min(sizes)} utterances: beyond that all of it was labelled."
        )
    if kept.replays.eyes != run.settings.features:
        yield (
            f"The strategies heard {kept.replays.eyes}; the system that learned heard "
            f"{run.settings.features}."
        )
    off = sum(int((~loop.taught).sum()) for loop in loops.values())
    total = sum(len(loop.taught) for loop in loops.values())
    yield f"Self-training was off in {off} of {total} fits."


def told(result: CurveResult) -> dict[str, Any]:
    """Numbers of a finished run, as JSON holds them."""
    assert result.picked is not None
    curves, picked = result.curves, result.picked
    rows = [s.name for s in result.systems if s.kind != "floor"]
    goal = goal_of(result)
    return {
        "metric": result.headline.label,
        "goal": goal,
        "batch": picked.batch,
        "strategies": {
            name: {
                "score": {b: curves.estimate(name, b).to_dict() for b in curves.budgets},
                "gain": {
                    b: curves.gain(name, picked.rival, budget=b).to_dict() for b in curves.budgets
                },
                "needed": _finite(labels_needed(curves, name, picked.rival, at=goal)),
                "found": {b: picked.found[name, b] for b in curves.budgets},
            }
            for name in rows
        },
    }


def _finite(needed: Estimate) -> dict[str, float | None]:
    """Labels, null where a curve ends below."""
    values = {"value": needed.value, "low": needed.low, "high": needed.high}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}
