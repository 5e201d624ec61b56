"""A layer analysis as plain values, for ``layers.json``.

In:  ``LayersResult``.
Out: a mapping that JSON can hold; a number that does not exist is null. ``docs/layers.md`` says
     what each key is.
"""

import math
from collections.abc import Iterator
from typing import Any

from undertone.evaluation.layers import sentences
from undertone.evaluation.layers.profiles import Profile
from undertone.evaluation.layers.result import LayersResult
from undertone.tasks import MEAN

FORMAT = 1  # raise it where a key changes its meaning


def record(result: LayersResult) -> dict[str, Any]:
    """Every score, difference and finding."""
    curve, task = result.curve, result.task
    return {
        "format": FORMAT,
        "undertone": curve.versions["undertone"],
        "title": curve.title,
        "encoder": {
            "name": result.encoder.name,
            "family": result.encoder.family,
            "digest": result.encoder.digest,
            "layers": result.encoder.n_layers,
            "width": result.encoder.width,
            "cut_from": result.encoder.cut_from,
        },
        "corpus": " → ".join(s.name for s in curve.sources if s.role != "unlabelled pool"),
        "task": task.name,
        "outputs": list(task.outputs),
        "headline": task.headline,
        "lower_is_better": [n for n, metric in task.metrics.items() if metric.lower_is_better],
        "budgets": list(result.budgets),
        "draws": curve.n_draws,
        "folds": len(curve.folds),
        "seed": curve.seeds["run"],
        "warnings": list(curve.warnings),
        **_found(result),
        "elsewhere": {part: _found(of_part) for part, of_part in result.of_elsewhere()},
        "weights": {
            str(budget): {
                "mean": values.mean(axis=0).tolist(),
                "sd": values.std(axis=0).tolist(),
                "fits": len(values),
            }
            for budget, values in result.weights.items()
        },
        "least_labels_for_weights": result.least_labels,
    }


def _found(result: LayersResult) -> dict[str, Any]:
    """What was measured on one test part."""
    curve = result.curve
    return {
        "part": curve.part or None,
        "utterances": curve.curves.n_utterances,
        f"{curve.unit}s": curve.curves.n_speakers,
        "chance": curve.curves.chance(),
        "sentences": sentences.everything(result),
        "findings": [_finding(result, budget) for budget in result.budgets],
        "scores": list(_scores(result)),
        "behind_the_best": list(_behind(result)),
        "gains_from_depth": list(_gains(result)),
    }


def _finding(result: LayersResult, budget: int) -> dict[str, Any]:
    profile = result.probes.profile(budget)
    known = profile.is_known and result.probes.clears_floors(budget)
    cut = result.probes.cut(budget)
    return {
        "budget": budget,
        "best": profile.best,
        "known": known,
        "cannot_be_told_from_the_best": list(profile.near) if known else None,
        "truncation_is_free_from": cut.layer if known else None,
        "most_that_a_layer_above_may_add": None
        if cut.gain is None or not known
        else {"layer": cut.hopeful, **cut.gain.to_dict()},
        "sentence": sentences.of_budget(result, budget),
    }


def _scores(result: LayersResult) -> Iterator[dict[str, Any]]:
    curves, layer_of = result.curve.curves, {name: i for i, name in enumerate(result.names)}
    for system, budget in curves.scored:
        for metric in result.task.metrics:
            for output in (MEAN, *result.task.outputs):
                estimate = curves.estimate(system, budget, metric, output=output)
                if not math.isnan(estimate.value):
                    yield {
                        "system": system,
                        "layer": layer_of.get(system),
                        "budget": budget,
                        "metric": metric,
                        "output": output,
                        **estimate.to_dict(),
                    }


def _behind(result: LayersResult) -> Iterator[dict[str, Any]]:
    for budget in result.budgets:
        for output in (MEAN, *result.task.outputs):
            profile: Profile = result.probes.profile(budget, output=output)
            for layer, difference in enumerate(profile.behind):
                yield {
                    "layer": layer,
                    "best": profile.best,
                    "budget": budget,
                    "metric": result.task.headline,
                    "output": output,
                    **difference.to_dict(),
                }


def _gains(result: LayersResult) -> Iterator[dict[str, Any]]:
    for budget in result.budgets:
        for gain in result.probes.gains(budget):
            yield {
                "output": gain.output,
                "from": 0,
                "to": gain.layer,
                "budget": budget,
                "metric": result.task.headline,
                **gain.estimate.to_dict(),
            }
