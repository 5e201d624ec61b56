"""Encoded features against an encoder of raw audio: the trade-off that the paper of A leaves open.

In:  the values of the recipe ``masked-gru``, and ``against``: an encoder, ``upstream:NAME@all``.
Out: the GRU on COVAREP and on log-mel, descriptors of both, and all layers of the encoder, on the
     same folds and labels, in one table: what each is made of and costs, and what it scores.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import Contestant, compare
from undertone.evaluation.curves import Curves
from undertone.evaluation.report.paper import NO, OPEN, YES, Answer, series
from undertone.evaluation.report.side_by_side import all_in_one, is_better, scores
from undertone.evaluation.report.study import Study
from undertone.evaluation.report.tables import NOTHING, Row, Table
from undertone.experiment import CurveSettings, open_run, run_curve
from undertone.experiment.served import recogniser_of, waveforms_tested
from undertone.features.name import parse_encoder
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.recipes import masked_gru
from undertone.recipes.command import command_of
from undertone.recipes.reproduction import Reproduction, publish
from undertone.recogniser.cost import Cost, cost_of
from undertone.tasks import CHOICE

COVAREP, LOG_MEL, RAW = "covarep", "log_mel", "upstream"  # folders of the three runs
ENCODED, LAYERS, RANDOM = "GRU on COVAREP", "all layers of the encoder", "random GRU on COVAREP"


@dataclass(frozen=True)
class Rival:
    """One way from speech to emotions.

    Attributes:
        label: for people.
        run: its folder.
        system: its name there.
    """

    label: str
    run: str
    system: str


RIVALS = (
    Rival(ENCODED, COVAREP, "pretrained_frozen"),
    Rival("GRU on log-mel", LOG_MEL, "pretrained_frozen"),
    Rival("descriptors of COVAREP", COVAREP, "descriptors"),
    Rival("descriptors of log-mel", LOG_MEL, "descriptors"),
    Rival(LAYERS, RAW, "layers"),
    Rival(RANDOM, COVAREP, "random_frozen"),
)
CONSTANT = Rival("constant", COVAREP, "constant")
RECORDINGS = 20  # on which the time is taken
NOTE = (
    "Parameters and size count the encoder that features come from. Time is that of one processor "
    f"core from waveform to prediction, one recording after the other, on up to {RECORDINGS} test "
    "recordings of the first fold; it depends on the machine. The encoder of raw audio has heard "
    "far more speech than the pool held, which no number here takes off."
)


def reproduce(
    values: Mapping[str, Any], out: Path, resources: Resources, *, quick: bool = False
) -> Reproduction:
    """All of them on the same draws; ``against`` among the values of ``masked_gru.reproduce``."""
    values = dict(values)
    against = str(values.pop("against"))
    settings = _settings(values, against, quick=quick)
    results = {name: run_curve(one, out / name, resources) for name, one in settings.items()}
    contestants = [Contestant(r.label, out / r.run, r.system) for r in (*RIVALS, CONSTANT)]
    curves = compare(contestants, LAYERS, workers=how_many(resources.workers)).curves
    costs = _costs(settings, out, resources)
    labels = [rival.label for rival in (*RIVALS, CONSTANT)]
    others = [metric for metric in curves.task.metrics if metric != curves.task.headline]
    result = results[COVAREP]
    study = Study(
        title=f"Encoded features against an encoder of raw audio on {result.sources[0].name}",
        verdict=verdict(curves, costs),
        citation=masked_gru.PAPER.citation,
        tables=(
            with_costs(
                all_in_one(curves, labels, over=(ENCODED, LAYERS), title="Costs and scores"), costs
            ),
            *(scores(curves, labels, metric) for metric in others),
        ),
        answers=tuple(_answers(curves, costs)),
        runs=tuple((name, out / name / "report.html") for name in results),
        sources=result.sources,
        command=command_of("masked-gru", {**values, "against": against}, quick=quick),
        notes=(result.summary, f"The encoder: {against}.", NOTE),
    )
    return publish(study, out / "report.html", summary=result.summary)


def with_costs(table: Table, costs: Mapping[str, Cost]) -> Table:
    """What each costs before what it scores; a dash where nothing is kept or computed."""
    nothing = (NOTHING,) * 3
    rows = (
        Row(row.name, (*(costs[row.name].cells() if row.name in costs else nothing), *row.cells))
        for row in table.rows
    )
    first, *others = table.headings
    headings = (first, "parameters", "on disk", "seconds a second of audio", *others)
    return replace(table, headings=headings, rows=tuple(rows))


def verdict(curves: Curves, costs: Mapping[str, Cost]) -> str:
    """What is worth its price: what nothing cheaper measurably reaches."""
    by_price = sorted(set(costs) - {RANDOM}, key=lambda label: costs[label].seconds)
    worth = [
        label
        for position, label in enumerate(by_price)
        if all(is_better(curves, label, cheaper).verdict == YES for cheaper in by_price[:position])
    ]
    told = [f"{label} ({costs[label].cells()[2]} s a second of audio)" for label in worth]
    return (
        "From the cheapest to compute to the dearest, what measurably beats everything cheaper: "
        f"{series(told)}."
    )


def _settings(values: Mapping[str, Any], against: str, *, quick: bool) -> dict[str, CurveSettings]:
    """Of the three runs; the recipe's own but for features and systems."""
    if given := {"features", "systems"} & set(values):
        raise UndertoneError(
            f"--against sets {series(sorted(given))} itself; leave it out, or leave --against out"
        )
    features = str(parse_encoder(against, layers="all").settled())
    task = masked_gru.task_for(values)
    if task.kind != CHOICE:
        raise UndertoneError(
            f"--against compares systems that tell classes apart; {values.get('corpus')} has the "
            f"task {task.name}: take a corpus of recordings with emotions, as emodb=FOLDER"
        )
    systems = {
        name: [*(rival.system for rival in RIVALS if rival.run == name), *task.floors]
        for name in (COVAREP, LOG_MEL, RAW)
    }
    of_runs = {
        COVAREP: {"features": COVAREP, "systems": systems[COVAREP]},
        LOG_MEL: {"features": LOG_MEL, "systems": systems[LOG_MEL]},
        RAW: {"features": features, "systems": systems[RAW], "unlabelled": []},  # it needs none
    }
    return {
        name: masked_gru.settings_of(config.merge(values, of_run), quick=quick)
        for name, of_run in of_runs.items()
    }


def _costs(
    settings: Mapping[str, CurveSettings], out: Path, resources: Resources
) -> dict[str, Cost]:
    runs = {name: open_run(one, out / name, resources) for name, one in settings.items()}
    waveforms = waveforms_tested(runs[COVAREP], RECORDINGS)
    return {
        rival.label: cost_of(recogniser_of(runs[rival.run], rival.system), waveforms)
        for rival in RIVALS
    }


def _answers(curves: Curves, costs: Mapping[str, Cost]) -> Iterator[Answer]:
    """Whether encoded features are enough beside raw audio, and what the network adds to them."""
    yield _is_enough(curves, costs)
    for ours, other in (
        (ENCODED, "GRU on log-mel"),
        (ENCODED, "descriptors of COVAREP"),
        ("descriptors of log-mel", ENCODED),
        (LAYERS, "descriptors of log-mel"),
        (ENCODED, RANDOM),
    ):
        yield is_better(curves, ours, other)


def _is_enough(curves: Curves, costs: Mapping[str, Cost]) -> Answer:
    """Yes where what raw audio adds is less than the task counts; no where it adds measurably."""
    added, negligible = curves.mean_gain(LAYERS, ENCODED), curves.task.negligible
    told = OPEN
    if added.has_interval and added.low > 0:
        told = NO
    elif added.has_interval and added.high < negligible:
        told = YES
    times = {
        what: f"{getattr(costs[LAYERS], what) / max(getattr(costs[ENCODED], what), 1e-9):,.1f}"
        for what in ("parameters", "size_bytes", "seconds")
    }
    return Answer(
        f"Are encoded features enough: does “{LAYERS}” add nothing to “{ENCODED}”?",
        told,
        f"It adds {added.signed()}, mean of all budgets, for {times['parameters']} times the "
        f"parameters, {times['size_bytes']} times the size and {times['seconds']} times the "
        "computing time.",
        "encoded features are enough beside an encoder of raw audio",
    )
