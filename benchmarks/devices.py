"""Frames a second of pre-training on this machine's GPU and on one core of its processor.

In:  nothing; the pool is noise in utterances as long as those of acted corpora.
Out: frames a second, their ratio, and the share of what bare products of matrices reach there.

The peak is measured, not taken from a table of cards: ``torch.matmul`` of square matrices, in TF32
on the GPU, which is what cuDNN's GRU multiplies in, and in single precision on the processor. Each
measurement ends by the clock, so that all of them together end in less than a minute.

    python benchmarks/devices.py [--seconds 8]
"""

import argparse
import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from pretraining import PUBLISHED, crops_of, flops_per_frame
from turns import Row, Table, save

from undertone import device
from undertone.models.encoder import EncoderConfig
from undertone.training import pretrain as training
from undertone.training.denormals import flushed
from undertone.training.seeds import generator

UNITS = 256
SIZE = {device.CPU: 1024, device.CUDA: 8192, device.MPS: 4096}  # of the matrices


@dataclass(frozen=True)
class Measured:
    """One way: where, and how many crops at once."""

    where: str
    batch: int
    frames_a_second: float
    peak_flops: float

    @property
    def share(self) -> float:
        """Of what bare products reach."""
        done = self.frames_a_second * flops_per_frame(UNITS, PUBLISHED.objective)
        return done / self.peak_flops

    def __str__(self) -> str:
        return (
            f"{self.where}, batches of {self.batch}: {self.frames_a_second:,.0f} frames a second, "
            f"{self.share:.1%} of the {self.peak_flops / 1e12:.2f} TFLOP/s that torch.matmul "
            "reaches there (measured)"
        )


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--frames", type=int, default=60_000, help="of the pool, at least")
    today = datetime.date.today().isoformat()
    out = Path(__file__).parent / "results" / f"devices-{today}.json"
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = compare(device.choose(device.AUTO), options.seconds, options.frames)
    table = Table(
        title="Pre-training, by device",
        unit="frames/s",
        rows={
            f"{one.where}, batches of {one.batch}": Row(
                *(0.0, 0.0),
                round(one.frames_a_second / found[0].frames_a_second, 2),
                *(0.0, round(one.frames_a_second, 1)),
            )
            for one in found
        },
        notes={"shares": [str(one) for one in found]},
    )
    for one in found:
        print(one)
    save(options.out, [table], settings={"units": UNITS})


def compare(gpu: str, seconds: float, n_frames: int) -> list[Measured]:
    """One core of the processor, then the device with small and with large batches."""
    ways = [(device.CPU, 64)] + [(gpu, batch) for batch in (64, 512) if gpu != device.CPU]
    return [measure(where, batch, seconds, n_frames) for where, batch in ways]


def measure(where: str, batch: int, seconds: float, n_frames: int) -> Measured:
    """Pre-training and bare products there, each for so many seconds."""
    with device.using(where):
        n_done, took = _pretrained(batch, seconds, n_frames)
        return Measured(where, batch, n_done / took, _peak(where, seconds / 4))


def _pretrained(batch: int, seconds: float, n_frames: int) -> tuple[int, float]:
    """Frames that were trained on, and seconds."""
    crops, settings = crops_of(n_frames), replace(PUBLISHED, batch_size=batch)
    state = training._start(crops, EncoderConfig(UNITS, stride=1), settings, seed=0)

    def some(number: int) -> int:
        part = crops[number * batch % len(crops) :][: 4 * batch]
        with flushed():
            training._train_epoch(state, part, settings, generator("devices", number))
        return sum(len(crop.steps) for crop in part)

    return _until(seconds, some)


def _peak(where: str, seconds: float) -> float:
    """Operations a second of bare products."""
    size = SIZE[where]
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        a, b = torch.randn(2, size, size, device=where)
        n_done, took = _until(seconds, lambda number: torch.mm(a, b)[0].numel() // size)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    return n_done * 2 * size**3 / took


def _until(seconds: float, do: Callable[[int], int]) -> tuple[int, float]:
    """What ``do`` counts until the time is over, one uncounted turn before; and the seconds."""
    do(0)
    _wait()
    n_done, number, began = 0, 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        number += 1
        n_done += do(number)
        if number % 8 == 0:
            _wait()  # or everything is asked for at once, and takes longer than the time
    _wait()
    return n_done, time.perf_counter() - began


def _wait() -> None:
    if device.current() == device.CUDA:
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
