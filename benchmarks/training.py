"""What each lever of a sweep is worth against the plain loop, in one run whose ways take turns.

The plain loop: ``torch.nn.GRU`` on random padded batches of single frames, every epoch run, one fit
after another. The levers: batches by length, the compiled kernel, bfloat16 products, several frames
a step, early stopping, pooled outputs kept for the frozen encoder, a process a core with one
thread, fits stacked in one batch. Where the machine is busy, threads of one process spin while they
wait for each other, so ratios are to the plain loop with one thread; PyTorch's own choice of
threads has its rows.

    python benchmarks/training.py [--corpus emodb=PATH] [--quick] [--only steps stopping ...]

Speech is the synthetic corpus unless a corpus is named; one fold of it, labels drawn as in a curve.
"""

import argparse
import datetime
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import fits
import torch
from fits import Bench, Loop, epoch, fit_counted, fit_head_by_epochs, stacked_epoch
from threadpoolctl import threadpool_limits
from torch import nn
from turns import Table, Way, cost, rows, save, take_turns

from undertone import corpora
from undertone.models.encoder import EncoderConfig
from undertone.models.gru import available
from undertone.pipeline import Resources
from undertone.reading import read_data, settle
from undertone.systems.fits import fit_frozen
from undertone.systems.problem import RANDOM, Problem
from undertone.training.supervised import FinetuneConfig

THREADS = torch.get_num_threads()  # PyTorch's choice
N_STACKED = 4
PATIENCE_S = 1.0  # for a process to start
EPOCHS_A_JOB = 1  # of the fits that processes share
KERNELS = {"off": "nn.GRU", "float32": "kernel float32", "bfloat16": "kernel bfloat16"}
LOOPS = {
    "plain: nn.GRU, random batches": Loop(by_length=False),
    f"plain, {THREADS} threads (PyTorch's choice)": Loop(by_length=False, threads=THREADS),
    "nn.GRU, by length": Loop(),
    "nn.GRU, by length, 2 frames a step": Loop(stride=2),
    "kernel float32, random batches": Loop("float32", by_length=False),
    "kernel float32, by length": Loop("float32"),
    "kernel bfloat16, by length": Loop("bfloat16"),
    "kernel bfloat16, by length, 2 frames a step": Loop("bfloat16", stride=2),
    "kernel bfloat16, by length, 4 frames a step": Loop("bfloat16", stride=4),
}

Costs = dict[str, list[tuple[float, float]]]


def compare_steps(bench: Bench) -> Table:
    """Epochs of one fit: everything that makes a step cheaper."""
    labelled = {stride: bench.fits(1, stride)[0] for stride in (1, 2, 4)}
    ways = {
        name: epoch(bench.model(loop.kernel), labelled[loop.stride], loop)
        for name, loop in LOOPS.items()
        if _is_here(loop.kernel)
    }
    n_frames = sum(map(len, labelled[1].steps))
    found = take_turns(ways, repeats=bench.repeats, amount=n_frames)
    notes = {"labels": bench.budget, "frames of 10 ms an epoch": n_frames}
    return Table("An epoch of fine-tuning, one thread", "frames/proc. s", found, notes)


def compare_stopping(bench: Bench) -> Table:
    """Whole fits that may stop against fits that run every epoch, score beside cost."""
    torch.set_num_threads(1)
    n_epochs = bench.settings.max_epochs
    never = replace(bench.settings, patience=n_epochs, epochs_without_validation=n_epochs)
    settings = {"every epoch": never, "early stopping": bench.settings}
    costs: Costs = {name: [] for name in settings}
    results: dict[str, list[tuple[int, float]]] = {name: [] for name in settings}
    material = bench.material(bench.shape.stride)
    for draw in range(bench.draws):
        problem = bench.problem(material, draw)
        for name, chosen in settings.items():
            costs[name].append(cost(lambda: results[name].append(fit_counted(problem, chosen))))  # noqa: B023
    epochs = [count for count, _ in results["early stopping"]]
    notes = {
        "labels": bench.budget,
        "epochs run": f"{epochs} of {n_epochs}",
        "share of epochs": round(mean(epochs) / n_epochs, 2),
        "mean UAR of test speakers": {
            name: round(mean(score for _, score in own), 3) for name, own in results.items()
        },
    }
    return Table("Early stopping inside the budget, whole fits", "", rows(costs), notes)


def compare_frozen(bench: Bench) -> Table:
    """Fits on a frozen encoder, prediction of the test speakers included."""
    torch.set_num_threads(1)
    n_epochs = bench.settings.max_epochs
    repeated = f"encoder run in each of {n_epochs} epochs"
    costs: Costs = {repeated: [], "first fit of a fold": [], "its later fits": []}
    costs["fits once all is pooled"] = []
    costs[f"the same, {THREADS} threads in NumPy"] = []
    for _ in range(bench.repeats):
        problems = _problems(bench)
        with threadpool_limits(1):
            found = [cost(partial(fit_head_by_epochs, problems[0], n_epochs))]
            first, *later = [partial(_fit_frozen, bench, problem) for problem in problems]
            found.append(cost(first))
            found += [_mean_cost(later), _mean_cost(later)]
        found.append(_mean_cost(later))
        for own, one in zip(costs.values(), found, strict=True):
            own.append(one)
    notes = {"labels": bench.budget, "later fits averaged": bench.draws}
    return Table("The frozen arm, whole fits", "", rows(costs), notes)


def compare_processes(bench: Bench) -> Table:
    """The same few fits in one process with PyTorch's threads, or in a process a core."""
    n_processes = 1 if bench.repeats == 1 else os.cpu_count() or 1
    labelled = bench.fits(n_processes, bench.shape.stride)
    given = ({kernel: bench.model(kernel) for kernel in ("off", "bfloat16")}, labelled)
    ways: dict[str, Way] = {}
    with ProcessPoolExecutor(n_processes, get_context("spawn"), fits.begin, given) as pool:
        list(
            pool.map(time.sleep, [PATIENCE_S] * n_processes)
        )  # all are there before the clock runs
        for kernel in given[0]:
            jobs = [(kernel, position, EPOCHS_A_JOB) for position in range(len(labelled))]
            name = KERNELS[kernel]
            ways[f"{name}, 1 process, 1 thread"] = partial(_train_here, given, jobs, threads=1)
            own_choice = f"{name}, 1 process, {THREADS} threads (PyTorch's choice)"
            ways[own_choice] = partial(_train_here, given, jobs, threads=THREADS)
            many = f"{name}, {n_processes} processes, 1 thread each"
            ways[many] = partial(_train_there, pool, jobs)
        found = take_turns(ways, repeats=bench.repeats)
    notes = {"fits": len(labelled), "epochs a fit": EPOCHS_A_JOB, "load": os.getloadavg()[0]}
    return Table("Processes and threads", "", found, notes)


def compare_stacking(bench: Bench) -> Table:
    """An epoch of several fits: one after the other, or as a stack."""
    labelled = bench.fits(N_STACKED, bench.shape.stride)
    ways: dict[str, Way] = {}
    for kernel, name in KERNELS.items():
        if _is_here(kernel):
            loop = Loop(kernel, stride=bench.shape.stride)
            each = [epoch(bench.model(kernel), own, loop) for own in labelled]
            ways[f"{name}, in sequence"] = partial(_run_all, each)
    models = [bench.model("off") for _ in labelled]
    ways[f"{N_STACKED} stacked by batched products"] = stacked_epoch(models, labelled)
    found = take_turns(ways, repeats=bench.repeats)
    notes = {"fits": N_STACKED, "torch.func.vmap of nn.GRU": _ask_vmap()}
    return Table("Stacking fits, one thread, an epoch of each", "", found, notes)


COMPARISONS: dict[str, Callable[[Bench], Table]] = {
    "steps": compare_steps,
    "stopping": compare_stopping,
    "frozen": compare_frozen,
    "processes": compare_processes,
    "stacking": compare_stacking,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    options = _options(arguments)
    corpus = corpora.open(options.corpus)
    task, features = settle(corpus, "classes", "log_mel")
    resources = Resources(options.cache, progress=False)
    settings = FinetuneConfig(max_epochs=2) if options.quick else FinetuneConfig()
    bench = Bench(
        data=read_data(corpus, features, task, resources),
        shape=EncoderConfig(hidden_units=16 if options.quick else 256),
        settings=settings,
        budget=options.labels,
        repeats=1 if options.quick else options.repeats,
        draws=1 if options.quick else 4,
    )
    load = os.getloadavg()[0]
    torch.optim.Adam(bench.model("off").parameters())  # the first one imports for a second
    tables = []
    for name in options.only:
        tables.append(COMPARISONS[name](bench))
        tables[-1].show()
    torch.set_num_threads(THREADS)
    save(options.out, tables, corpus=corpus.name, quick=options.quick, load_before=round(load, 1))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    today = datetime.date.today().isoformat()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="synthetic", help="NAME=PATH, as for the curve")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    parser.add_argument("--labels", type=int, default=50, help="of a fit")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=COMPARISONS, default=list(COMPARISONS))
    parser.add_argument("--quick", action="store_true", help="see that it runs; no numbers to use")
    out = Path(__file__).parent / "results" / f"training-{today}.json"
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args(arguments)


def _problems(bench: Bench) -> list[Problem]:
    """Draws of one fold; reading and normalising is done, pooling is not."""
    material = bench.material(bench.shape.stride)
    problems = [bench.problem(material, draw) for draw in range(1 + bench.draws)]
    for problem in problems:
        material.steps([*problem.budget, *problem.test])
    return problems


def _fit_frozen(bench: Bench, problem: Problem) -> None:
    fitted = fit_frozen(problem, bench.settings, start=RANDOM)
    fitted.predict(problem.material, problem.test)


def _mean_cost(ways: list[Way]) -> tuple[float, float]:
    walls, processors = zip(*map(cost, ways), strict=True)
    return mean(walls), mean(processors)


def _is_here(kernel: str) -> bool:
    return kernel == "off" or available(kernel)


def _run_all(runs: list[Callable[[], None]]) -> None:
    for run in runs:
        run()


def _train_here(given: tuple, jobs: list[fits.Job], *, threads: int) -> None:
    fits.begin(*given)
    torch.set_num_threads(threads)
    for job in jobs:
        fits.train_given(*job)


def _train_there(pool: ProcessPoolExecutor, jobs: list[fits.Job]) -> float:
    return sum(pool.map(fits.train_given, *zip(*jobs, strict=True)))


def _ask_vmap() -> str:
    """What PyTorch says to a stack of its own GRUs."""
    models = [nn.GRU(4, 8) for _ in range(2)]
    parameters, _ = torch.func.stack_module_state(models)

    def run(own: dict[str, torch.Tensor], steps: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(models[0], own, (steps,))[0]

    try:
        torch.func.vmap(run)(parameters, torch.randn(2, 5, 3, 4))
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return "works"


if __name__ == "__main__":
    main()
