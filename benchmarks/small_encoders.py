"""Speed of smaller encoders: processor time of one thread on the same speech, whole and cut.

Every encoder hears the same utterances, one at a time, with the same handling of silence, as
``predict`` does. The whole encoder and its first layers are each run in single precision and with
weights of 8 bits; all take turns within every repeat, and the median over repeats counts. Beside
the speed: parameters, the size of the file, and how far the states of an int8 encoder lie from
those in single precision (means over time, relative, of the worst layer).

    OMP_NUM_THREADS=1 python benchmarks/small_encoders.py --encoder FOLDER --corpus emodb=PATH
"""

import argparse
import datetime
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from undertone import audio, corpora, device
from undertone.features.hub import weights_in
from undertone.features.upstream import batches
from undertone.features.upstream.shrink import find_whole, shrink
from undertone.features.upstream.source import Upstream

SECONDS = 60.0  # of audio, about
LONGEST_S = 15.0
LAYERS = (3, 2, 1)


def main() -> None:
    """Measure, print and save."""
    arguments = _arguments()
    torch.set_num_threads(1)
    clips = _clips(arguments.corpus)
    with tempfile.TemporaryDirectory() as scratch:
        encoders = _encoders(arguments.encoder, arguments.layers, Path(scratch))
        rows = _measure(encoders, clips, arguments.repeats)
    for name, row in rows.items():
        print(
            f"{name:<24}{row['seconds_a_second']:8.1f}{row['ratio']:7.2f}"
            f"{row['parameters'] / 1e6:8.2f} M{row['file_bytes'] / 1e6:8.1f} MB"
            f"{row['distance_of_int8']:9.4f}"
        )
    result = {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "machine": f"{platform.machine()}, torch {torch.__version__}",
        "load": os.getloadavg()[0],
        "encoder": find_whole(arguments.encoder).folder.name,
        "utterances": len(clips),
        "seconds": round(sum(map(len, clips)) / audio.SAMPLE_RATE, 1),
        "repeats": arguments.repeats,
        "encoders": rows,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--layers", type=int, nargs="*", default=LAYERS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _clips(specification: str) -> list[np.ndarray]:
    """Utterances from all over the corpus, ``SECONDS`` together, none that would be cut."""
    corpus = corpora.open(specification)
    files = list(corpus.table["file"])
    mean_s = np.mean([len(audio.read(corpus.root / f)) for f in files[::20]]) / audio.SAMPLE_RATE
    step = max(1, round(len(files) * mean_s / SECONDS))
    clips = [audio.read(corpus.root / file) for file in files[::step]]
    return [clip for clip in clips if len(clip) < LONGEST_S * audio.SAMPLE_RATE]


def _encoders(name: str, layers: list[int], scratch: Path) -> dict[str, Upstream]:
    """The whole and its first layers, each also with weights of 8 bits, the slowest first."""
    whole = find_whole(name)
    there = whole.n_layers - 1
    found = {"whole": whole, "whole, int8": shrink(name, scratch / "whole-int8", int8=True)}
    for kept in (k for k in layers if k < there):
        label = f"{kept} of {there} layers"
        found[label] = shrink(name, scratch / f"{kept}", layers=kept)
        found[f"{label}, int8"] = shrink(name, scratch / f"{kept}-int8", layers=kept, int8=True)
    return found


def _measure(
    encoders: dict[str, Upstream], clips: list[np.ndarray], repeats: int
) -> dict[str, dict[str, Any]]:
    # Two encoders stay loaded in the package; here all of them do.
    loaded = {name: _Loaded(source) for name, source in encoders.items()}
    heard = {name: encoder.vectors(clips) for name, encoder in loaded.items()}  # and warm
    taken: dict[str, list[float]] = {name: [] for name in loaded}
    for _ in range(repeats):
        for name, encoder in loaded.items():
            began = time.process_time()
            encoder.hear(clips)
            taken[name].append(time.process_time() - began)
    seconds = sum(map(len, clips)) / audio.SAMPLE_RATE
    whole_s = median(taken["whole"])
    return {
        name: {
            "seconds_a_second": round(seconds / median(times), 2),
            "ratio": round(whole_s / median(times), 3),
            "processor_s": [round(one, 3) for one in times],
            "parameters": loaded[name].n_parameters,
            "file_bytes": sum(p.stat().st_size for p in weights_in(encoders[name].folder)),
            "distance_of_int8": round(
                _distance(heard[name], heard[name.removesuffix(", int8")]), 5
            ),
        }
        for name, times in taken.items()
    }


class _Loaded:
    """An encoder that stays in memory, run one utterance at a time."""

    def __init__(self, source: Upstream) -> None:
        self.encoder: Any = batches._loaded.__wrapped__(source, device.current())
        state = batches.read_module(source).parameters()
        self.n_parameters = sum(parameter.numel() for parameter in state)

    @torch.inference_mode()
    def hear(self, clips: list[np.ndarray]) -> list[torch.Tensor]:
        """All states of each utterance, each (n_layers, n_frames, width)."""
        found = []
        for clip in clips:
            prepared = self.encoder.prepare(clip)
            piece = self.encoder.cut(prepared, 0, self.encoder.n_frames(clip))
            found.append(self.encoder.run([piece])[0])
        return found

    def vectors(self, clips: list[np.ndarray]) -> np.ndarray:
        """(n_clips, n_layers, width) means over time."""
        return np.stack([states.mean(dim=1).numpy() for states in self.hear(clips)])


def _distance(found: np.ndarray, plain: np.ndarray) -> float:
    """Of the worst layer, over all utterances."""
    error = np.square(found - plain).sum(axis=(0, 2))
    return float(np.sqrt(error / np.square(plain).sum(axis=(0, 2))).max())


def _processor() -> str:
    """What the system calls it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
