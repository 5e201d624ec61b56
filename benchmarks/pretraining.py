"""What a training epoch of pre-training costs: plain PyTorch, our loop by kernel, our objectives.

In:  nothing; the pool is noise in utterances as long as those of acted corpora.
Out: processor seconds, frames a processor second, and the share of what matrix products reach.

One epoch is every crop once: padding, masks, forward, backward, clipping and Adam. The held-out
loss, the checkpoint and the k-means of the clusters, which runs once a pre-training, are left out.
All ways and the bare products take turns in one run and have one thread. Networks are fresh, but
for two that were trained for some epochs, with denormal numbers kept and flushed: what decays to
nothing costs only then.

A second table is of several processes that train one network, by wall clock: it says something only
where there are as many idle cores, and notes the load.

    OMP_NUM_THREADS=1 python benchmarks/pretraining.py [--batches 32 64] [--repeats 3]
    OMP_NUM_THREADS=1 python benchmarks/pretraining.py --processes 2 --batches
"""

import argparse
import contextlib
import datetime
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn
from turns import Row, Table, Way, cost, save, take_turns
from turns import rows as rows_of

from undertone.models.encoder import EncoderConfig
from undertone.models.gru import available
from undertone.training import cropping, together
from undertone.training import pretrain as training
from undertone.training.denormals import flushed
from undertone.training.losses import OBJECTIVES
from undertone.training.pretrain import PretrainConfig
from undertone.training.seeds import generator
from undertone.training.team import Team

N_FEATURES = 74
PUBLISHED = PretrainConfig(objective="reconstruction", mask_share=0.1, mask_spans=1)
KINDS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Loop:
    """One way to run an epoch."""

    objective: str = "reconstruction"
    kernel: str = ""  # off or float32; ours by default
    plain: bool = False  # plain PyTorch
    trained: bool = False  # for some epochs before
    keeps_denormals: bool = False


PLAIN, DEFAULT = "plain: nn.GRU, random batches", "ours, default kernel"
TRAINED = "ours, trained in, denormals kept"
LOOPS = {
    PLAIN: Loop(kernel="off", plain=True),
    "ours, UNDERTONE_KERNEL=off": Loop(kernel="off"),
    "ours, UNDERTONE_KERNEL=float32": Loop(kernel="float32"),
    DEFAULT: Loop(),
    TRAINED: Loop(trained=True, keeps_denormals=True),
    "ours, trained in, denormals flushed": Loop(trained=True),
    "ours, functionals": Loop("functionals"),
    "ours, clusters": Loop("clusters"),
    "ours, contrast": Loop("contrast"),
    "ours, functionals+contrast": Loop("functionals+contrast"),
}


class PlainModel(nn.Module):
    """The published network as one would write it down."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.gru = nn.GRU(N_FEATURES, units, 2, batch_first=True)
        self.dense = nn.Linear(units, N_FEATURES)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """(batch, n_steps, N_FEATURES) steps to as many predictions."""
        states, _ = self.gru(steps)
        return self.dense(states)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    options = _options(arguments)
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    crops = crops_of(options.frames)
    with threadpool_limits(1):
        tables = [_compare(crops, batch, options) for batch in options.batches]
    if options.processes > 1:
        tables.append(_together(options))
    settings = {"units": options.units, "utterance frames": options.frames}
    save(options.out, tables, settings=settings, load_before=round(load, 1))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    today = datetime.date.today().isoformat()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="*", default=[32, 64], help="their sizes")
    parser.add_argument("--processes", type=int, default=0, help="that train one network")
    parser.add_argument("--trained", type=int, default=20, help="epochs before, of two ways")
    parser.add_argument("--frames", type=int, default=60_000, help="of the pool, at least")
    parser.add_argument("--units", type=int, default=256, help="of a GRU layer")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 1536, 2048], help="of mm")
    parser.add_argument("--repeats", type=int, default=3)
    out = Path(__file__).parent / "results" / f"pretraining-{today}.json"
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args(arguments)


def crops_of(n_frames: int) -> list[cropping.Crop]:
    """One epoch's crops of utterances spread like those of acted corpora, at stride 1."""
    rng = np.random.default_rng(0)
    utterances: list[np.ndarray] = []
    while sum(map(len, utterances)) < n_frames:
        length = int(np.clip(rng.lognormal(np.log(220), 0.45), 100, 600))
        utterances.append(rng.standard_normal((length, N_FEATURES), dtype=np.float32))
    whole = [cropping.Crop(steps, speaker=0) for steps in utterances]
    return cropping.cut(whole, PUBLISHED.crop_steps, rng)


def _together(options: argparse.Namespace) -> Table:
    """Epochs of one process and of several, in turns, by wall clock."""
    costs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(options.repeats):
        for size in (1, options.processes):
            name = f"{size} process{'es' if size > 1 else ''}"
            costs.setdefault(name, []).extend(_epochs(options.frames, options.units, size))
    table = Table(
        title=f"An epoch of pre-training by {options.processes} processes, wall clock",
        unit="",
        rows=rows_of(costs),
        notes={
            "processor seconds": "of the first process alone, what it waits for left out",
            "batch of all processes together": TOGETHER.batch_size,
            "load": [round(load, 1) for load in os.getloadavg()],
        },
    )
    table.show()
    return table


TOGETHER, N_EPOCHS = replace(PUBLISHED, batch_size=64), 3


def _epochs(n_frames: int, units: int, size: int) -> list[tuple[float, float]]:
    """Wall-clock and processor seconds of each epoch but the first, held-out loss included."""
    ended = []

    def note(epoch: object) -> None:
        ended.append((time.perf_counter(), time.process_time()))

    with together.team(size, _pretrain, n_frames, units) as team:
        _pretrain(team, n_frames, units, report=note)
    return [(float(wall), float(processor)) for wall, processor in np.diff(ended, axis=0)]


def _pretrain(
    team: Team,
    n_frames: int,
    units: int,
    *,
    report: Callable[[object], None] = lambda epoch: None,
) -> None:
    utterances = [crop.steps for crop in crops_of(n_frames)]
    settings = replace(TOGETHER, max_epochs=N_EPOCHS + 1)
    shape = EncoderConfig(units, stride=1)
    training.pretrain(utterances, shape=shape, settings=settings, seed=0, report=report, team=team)


def _compare(crops: list[cropping.Crop], batch: int, options: argparse.Namespace) -> Table:
    """Every loop and every bare product, in turns."""
    take_turns(_ways(crops[:batch], batch, options), repeats=1, warm=False)
    n_frames = sum(len(crop.steps) for crop in crops)
    ways = _ways(crops, batch, options)
    found = take_turns(ways, repeats=options.repeats, amount=n_frames, warm=False)
    gflops = {
        kind: {n: round(2e-9 * n**3 / found[_mm(kind, n)].processor_s, 1) for n in options.sizes}
        for kind in KINDS
    }
    rows = {name: found[name] for name in LOOPS if name in found}
    base = rows[DEFAULT].processor_s
    _, k_means_s = cost(lambda: training._centroids(crops, seed=0))
    table = Table(
        title=f"An epoch of pre-training, batches of {batch}, one thread",
        unit="frames/proc. s",
        rows=rows,
        notes={
            "frames": n_frames,
            "crops": len(crops),
            "default kernel": _precision(Loop()),
            "torch.mm, GFLOP/s a processor second": gflops,
            "share of torch.mm": _shares(rows, gflops, options.units),
            "cost beside reconstruction": {
                name: round(row.processor_s / base, 2)
                for name, row in rows.items()
                if LOOPS[name].objective != "reconstruction"
            },
            "k-means of clusters, once, processor s": round(k_means_s, 2),
        },
    )
    table.show()
    return table


def _ways(crops: list[cropping.Crop], batch: int, options: argparse.Namespace) -> dict[str, Way]:
    ways: dict[str, Way] = {}
    for name, loop in LOOPS.items():
        if loop.plain:
            ways[name] = _plain_epoch(crops, batch, options.units)
        elif loop.kernel != "float32" or available():
            shape = EncoderConfig(options.units, stride=1)
            ways[name] = _epoch(crops, batch, loop, shape, n_before=options.trained)
    for kind in KINDS:
        ways |= {_mm(kind, size): _product(kind, size) for size in options.sizes}
    return ways


def _epoch(
    crops: list[cropping.Crop], batch: int, loop: Loop, shape: EncoderConfig, *, n_before: int
) -> Way:
    """Our own loop, on the same batches and masks every time."""
    settings = replace(PUBLISHED, objective=loop.objective, batch_size=batch)
    state = training._start(crops, shape, settings, seed=0)

    def run(number: int = 0) -> None:
        flush = contextlib.nullcontext() if loop.keeps_denormals else flushed()
        with _kernel(loop.kernel), flush:
            training._train_epoch(state, crops, settings, generator("benchmark", number))

    for number in range(n_before if loop.trained else 0):
        run(number)
    return run


def _plain_epoch(crops: list[cropping.Crop], batch: int, units: int) -> Way:
    """The loop of a tutorial: random batches, padded, one stretch of each crop hidden."""
    torch.manual_seed(0)
    settings, model = PUBLISHED, PlainModel(units)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    sequences = [torch.from_numpy(crop.steps) for crop in crops]

    def run() -> None:
        for positions in torch.randperm(len(sequences)).split(batch):
            chosen = [sequences[i] for i in positions]
            steps = nn.utils.rnn.pad_sequence(chosen, batch_first=True)
            hidden = _hidden(list(map(len, chosen)), settings.mask_share)
            prediction = model(steps.masked_fill(hidden[:, :, None], 0))
            loss = (prediction[hidden] - steps[hidden]).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimiser.step()

    return run


def _hidden(lengths: Sequence[int], share: float) -> torch.Tensor:
    """(batch, n_steps) true on one random stretch of each sequence."""
    hidden = torch.zeros(len(lengths), max(lengths), dtype=torch.bool)
    for row, length in enumerate(lengths):
        span = max(1, round(share * length))
        start = int(torch.randint(length - span + 1, ()))
        hidden[row, start : start + span] = True
    return hidden


def _product(kind: str, size: int) -> Way:
    """A bare product of two square matrices."""
    a, b = torch.randn(2, size, size).to(getattr(torch, kind))
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)


def _mm(kind: str, size: int) -> str:
    return f"torch.mm {kind} {size}"


def _shares(rows: dict[str, Row], gflops: dict, units: int) -> dict[str, float]:
    """What each way does with real frames, of the fastest bare product of its precision."""
    shares = {}
    for name, row in rows.items():
        loop = LOOPS[name]
        kind = "bfloat16" if _precision(loop) == "bfloat16" else "float32"
        done = (row.rate or 0) * flops_per_frame(units, loop.objective)
        shares[name] = round(done / max(gflops[kind].values()) / 1e9, 3)
    return shares


def flops_per_frame(units: int, objective: str = "reconstruction") -> int:
    """Operations of training: products forward, and both backward but to the first inputs."""
    width = sum(OBJECTIVES[name].width(N_FEATURES) for name in objective.split("+"))
    first, second = 3 * units * (N_FEATURES + units), 3 * units * (units + units)
    return 2 * (3 * (first + second + units * width) - 3 * units * N_FEATURES)


def _precision(loop: Loop) -> str:
    """What multiplies here: off, float32 or bfloat16."""
    if loop.kernel:
        return loop.kernel
    with _kernel(""):
        return next((kind for kind in ("bfloat16", "float32") if available(kind)), "off")


@contextlib.contextmanager
def _kernel(choice: str) -> Iterator[None]:
    """The kernel as a user would choose it; an empty choice is the default."""
    with mock.patch.dict(os.environ):
        os.environ.pop("UNDERTONE_KERNEL", None)
        if choice:
            os.environ["UNDERTONE_KERNEL"] = choice
        yield


if __name__ == "__main__":
    main()
