"""Training speed of the compiled GRU against ``torch.nn.GRU``, in one interleaved run.

One pass = forward and backward over the same utterances of ragged length in batches, one thread,
input to loss to gradients, no optimiser. The ways take turns within every repeat and the median
counts, so that a busy machine slows them alike. Frames are real ones; padding is not counted.

    OMP_NUM_THREADS=1 python benchmarks/gru.py [--batch 32] [--repeats 5] [--out FILE.json]
"""

import argparse
import contextlib
import datetime
import json
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

from undertone.models.gru import GRU, available

N_FEATURES, N_HIDDEN = 74, 256
N_BATCHES = 4
PRODUCT_ROWS = 9600  # of the bare products
# Multiply-adds of two layers forward; backward repeats them for weights and for inputs, the
# first layer's inputs excepted. Two operations each.
_FORWARD = 3 * N_HIDDEN * (N_FEATURES + 3 * N_HIDDEN)
FLOPS_PER_FRAME = 2 * (3 * _FORWARD - 3 * N_HIDDEN * N_FEATURES)

Batch = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    """Measure, print and save."""
    arguments = _arguments()
    torch.set_num_threads(1)
    lengths = _lengths(N_BATCHES * arguments.batch)
    ways = _ways(lengths, arguments.batch)
    times: dict[str, list[float]] = {name: [] for name in ways}
    ceilings: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for repeat in range(arguments.repeats + 1):  # the first warms up
        for name, run in ways.items():
            seconds = _seconds(run)
            if repeat:
                times[name].append(seconds)
        for name in ceilings:
            ceilings[name].append(_matmul_flops(getattr(torch, name)))
    result = _summary(times, {k: max(v) for k, v in ceilings.items()}, int(lengths.sum()))
    result["settings"] = {"batch": arguments.batch, "lengths": sorted(lengths.tolist())}
    _show(result)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    today = datetime.date.today().isoformat()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    out = Path(__file__).parent / "results" / f"{today}-gru.json"
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args()


def _lengths(n: int) -> np.ndarray:
    """Spread like the utterances of acted corpora: a factor of three within two deviations."""
    drawn = np.random.default_rng(0).lognormal(np.log(200), 0.45, size=n)
    return np.clip(drawn, 50, 500).astype(int)


def _ways(lengths: np.ndarray, batch: int) -> dict[str, Callable[[], None]]:
    torch.manual_seed(0)
    eager = nn.GRU(N_FEATURES, N_HIDDEN, 2, batch_first=True)
    single, brain = (GRU(N_FEATURES, N_HIDDEN, precision=p) for p in ("float32", "bfloat16"))
    for layer in (single, brain):
        layer.load_state_dict(eager.state_dict())
    mixed, alike = list(_batches(lengths, batch)), list(_batches(np.sort(lengths), batch))
    ways = {
        "nn.GRU, random batches": lambda: _pass(eager, mixed),
        "nn.GRU, like lengths": lambda: _pass(eager, alike),
        "nn.GRU, like lengths, bfloat16 autocast": lambda: _pass(eager, alike, autocast=True),
    }
    if available():
        ways["kernel float32, random batches"] = lambda: _pass(single, mixed, ragged=True)
        ways["kernel float32, like lengths"] = lambda: _pass(single, alike, ragged=True)
    if available("bfloat16"):
        ways["kernel bfloat16, random batches"] = lambda: _pass(brain, mixed, ragged=True)
        ways["kernel bfloat16, like lengths"] = lambda: _pass(brain, alike, ragged=True)
    return ways


def _batches(lengths: np.ndarray, batch: int) -> Iterator[Batch]:
    for start in range(0, len(lengths), batch):
        chosen = torch.from_numpy(lengths[start : start + batch])
        yield torch.randn(len(chosen), int(chosen.max()), N_FEATURES), chosen


def _pass(
    layer: nn.Module, batches: list[Batch], *, ragged: bool = False, autocast: bool = False
) -> None:
    for x, lengths in batches:
        layer.zero_grad()
        precision = torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext()
        with precision:
            output, _ = layer(x, lengths) if ragged else layer(x)
        real = torch.arange(x.shape[1]) < lengths[:, None]
        (output.float().square().mean(2) * real).sum().backward()


def _seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _matmul_flops(kind: torch.dtype) -> float:
    """The best of a few products of the size of an input projection."""
    rows, inner, columns = PRODUCT_ROWS, N_HIDDEN, 3 * N_HIDDEN
    a, b = torch.randn(rows, inner).to(kind), torch.randn(columns, inner).to(kind).t()
    out = a @ b
    best = min(_seconds(lambda: torch.mm(a, b, out=out)) for _ in range(5))
    return 2 * rows * inner * columns / best


def _summary(
    times: dict[str, list[float]], ceilings: dict[str, float], n_frames: int
) -> dict[str, object]:
    base = times["nn.GRU, random batches"]
    ways = {}
    for name, seconds in times.items():
        rate = n_frames / median(seconds)
        kind = "bfloat16" if "bfloat16" in name else "float32"
        ways[name] = {
            "frames_per_second": round(rate),
            "ratio": round(median(b / s for b, s in zip(base, seconds, strict=True)), 2),
            "share_of_matmul": round(rate * FLOPS_PER_FRAME / ceilings[kind], 2),
        }
    return {
        "ways": ways,
        "matmul_gflops": {name: round(value / 1e9) for name, value in ceilings.items()},
        "machine": {"processor": _processor(), "torch": torch.__version__},
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()


def _show(result: dict) -> None:
    print(f"{'training':42s}{'frames/s':>10s}{'ratio':>8s}{'of torch.mm':>13s}")
    for name, way in result["ways"].items():
        rate, ratio, share = way.values()
        print(f"{name:42s}{rate:10,d}{ratio:8.2f}{share:13.0%}")
    print("torch.mm, one thread:", result["matmul_gflops"], "GFLOP/s;", result["machine"])


if __name__ == "__main__":
    main()
