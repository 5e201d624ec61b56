"""Very many short recordings, few descriptors: extracted, opened again, read by a learning curve.

Recordings of 2 s are made up, no two alike: 16 kHz, 8 bits, 32 kB each, a folder a thousand, a
speaker a hundred. An extractor of eight cheap columns stands for the real ones, so that what is
measured is what grows with their number: keys, shards, maps, tables. Each stage is a process of its
own that may hold ``--descriptors`` files open, and tells its processor seconds, its peak memory,
how often an audio file was opened, and the files in the store.

    OMP_NUM_THREADS=1 python benchmarks/many_recordings.py [--recordings 20000,200000]
        [--descriptors 256] [--features log_mel] [--folder FOLDER] [--out FILE.json]

Several numbers show what memory grows by. 200,000 recordings take 6.6 GB of disk, and 1.3 GB for
the frames.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from undertone import audio, corpora
from undertone.audio import digests
from undertone.config import load
from undertone.experiment import CurveSettings, curve
from undertone.features import extractors, mappings
from undertone.features.extractors import Extractor
from undertone.reading import Resources, read_frames

RATE, SECONDS, A_FOLDER, A_SPEAKER = 16_000, 2, 1000, 100
EMOTIONS = ("anger", "neutral", "sadness")
COLUMNS = tuple(f"level_{band}" for band in range(8))
STAGES = ("extract", "reopen", "curve")


def main() -> None:
    """Measure, print and save."""
    arguments = _arguments()
    if arguments.stage:
        print(json.dumps(_stages(arguments)))
        return
    runs = []
    for n in map(int, str(arguments.recordings).split(",")):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
            runs.append(_run(Path(scratch), n, arguments))
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, load {os.getloadavg()[0]:.1f}",
        "descriptors": arguments.descriptors,
        "features": arguments.features,
        "runs": runs,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def cheap_levels(waveform: np.ndarray) -> np.ndarray:
    """(n_frames, 8) log power of eight stretches of each frame."""
    n = audio.n_frames(len(waveform))
    whole = np.zeros(n * audio.HOP_LENGTH, dtype=np.float32)
    whole[: len(waveform)] = waveform[: len(whole)]
    stretches = whole.reshape(n, len(COLUMNS), -1)
    return np.log((stretches**2).mean(axis=2) + 1e-8)


def write_corpus(folder: Path, n: int) -> Path:
    """Recordings that differ in a few samples, and in the pitch of their emotion; their table."""
    time_s = np.arange(RATE * SECONDS) / RATE
    tones = [128 + 40 * np.sin(2 * np.pi * f0_hz * time_s) for f0_hz in (310, 200, 120)]
    bodies = [tone.astype(np.uint8).tobytes() for tone in tones]
    rows = []
    for number in range(n):
        file = f"{number // A_FOLDER:03d}/{number:06d}.wav"
        if number % A_FOLDER == 0:
            (folder / file).parent.mkdir(parents=True)
        kind = number % len(EMOTIONS)
        (folder / file).write_bytes(_wav(_marked(bodies[kind], number)))
        rows.append((file, f"s{number // A_SPEAKER:04d}", EMOTIONS[kind]))
    table = folder / "labels.csv"
    pd.DataFrame(rows, columns=["file", "speaker", "emotion"]).to_csv(table, index=False)
    return table


def _marked(body: bytes, number: int) -> bytes:
    """Samples of which some write the number, as noise."""
    noise = np.random.default_rng(number).integers(100, 156, 64, dtype=np.uint8).tobytes()
    return noise + body[len(noise) :]


def _wav(body: bytes) -> bytes:
    """Mono, 8 bits, ``RATE``."""
    fmt = b"".join(
        value.to_bytes(size, "little")
        for value, size in ((1, 2), (1, 2), (RATE, 4), (RATE, 4), (1, 2), (8, 2))
    )
    chunks = b"WAVEfmt " + len(fmt).to_bytes(4, "little") + fmt
    chunks += b"data" + len(body).to_bytes(4, "little") + body
    return b"RIFF" + len(chunks).to_bytes(4, "little") + chunks


def _run(scratch: Path, n: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """All stages on so many recordings, each in a process of its own."""
    began = time.process_time()
    write_corpus(scratch / "corpus", n)
    print(
        f"{n:,} recordings of {SECONDS} s made in {time.process_time() - began:.0f} s", flush=True
    )
    if not arguments.one_process:  # files that have just changed are read again
        time.sleep(digests.SETTLED_S + 1)
    found: dict[str, Any] = {"recordings": n}
    for stages in [",".join(STAGES)] if arguments.one_process else STAGES:
        command = [sys.executable, __file__, "--stage", stages, "--folder", str(scratch)]
        command += ["--features", arguments.features, "--descriptors", str(arguments.descriptors)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        for stage, told in json.loads(done.stdout.splitlines()[-1]).items():
            found[stage] = told
            print(f"  {stage}: {told}", flush=True)
    return found


def _stages(arguments: argparse.Namespace) -> dict[str, Any]:
    """One stage or more, in this process, whose descriptors are few."""
    most = arguments.descriptors
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    extractors.EXTRACTORS["cheap"] = Extractor(cheap_levels, COLUMNS, version=1)
    opened = _count_audio()
    return {stage: _stage(stage, arguments, opened) for stage in arguments.stage.split(",")}


def _stage(stage: str, arguments: argparse.Namespace, opened: list[int]) -> dict[str, Any]:
    folder, store = arguments.folder, arguments.folder / "store"
    resources = Resources(store, workers=1, progress=False)
    began, n_opened = time.process_time(), opened[0]
    if stage == "curve":
        curve(_settings(folder, arguments.features), folder / "run", resources)
    else:
        _, table = read_frames(
            corpora.open(f"made={folder / 'corpus' / 'labels.csv'}"), arguments.features, resources
        )
        assert len(table.contents) == len(table)
    shards = list(store.rglob("*.npy"))
    return {
        "processor_s": round(time.process_time() - began, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "audio_opened": opened[0] - n_opened,
        "most_maps": mappings.most(),
        "shards": len(shards),
        "largest_shard_mb": round(max(path.stat().st_size for path in shards) / 1e6, 1),
    }


def _settings(folder: Path, features: str) -> CurveSettings:
    values = {
        "corpus": f"made={folder / 'corpus' / 'labels.csv'}",
        "features": features,
        "systems": ["functionals_logistic", "constant"],
        "budgets": [60],
        "draws": 1,
        "folds": 2,
        "replicates": 20,
    }
    return load(CurveSettings, values)


def _count_audio() -> list[int]:
    """How often a WAV file was opened in this process by Python, from here on."""
    opened = [0]

    def hear(event: str, values: tuple[Any, ...]) -> None:
        if event == "open" and str(values[0]).endswith(".wav"):
            opened[0] += 1

    sys.addaudithook(hear)
    return opened


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", default="20000,200000", help="numbers, commas between")
    parser.add_argument("--descriptors", type=int, default=256)
    parser.add_argument("--features", default="cheap")
    parser.add_argument("--folder", type=Path, help="where there is room; a temporary one")
    parser.add_argument("--one-process", action="store_true", help="all stages in one")
    parser.add_argument("--stage", help="used by the benchmark itself")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
