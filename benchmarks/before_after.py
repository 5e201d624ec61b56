r"""Two source trees take turns at extracting the same recordings: processor time, and frames.

In:  ``--before`` and ``--after``, folders ``src`` of two checkouts; recordings.
Out: processor milliseconds a second of audio for each, of an utterance the least over the repeats,
     since other work on a machine only ever adds; the ratio; how far apart the frames are, and how
     many frames are voiced in one alone.

Each tree has a process of its own, which is asked for one recording at a time, so that a busy
machine slows both alike.

    OMP_NUM_THREADS=1 python benchmarks/before_after.py --before OLD/src --after src \
        --audio emodb=FOLDER --audio ravdess=FOLDER [--features log_mel] [--out FILE.json]
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

WORKER = """
import sys, time
import numpy as np
from undertone import audio
from undertone.features import extractors
extract, read = extractors.get(sys.argv[1]).compute, {}
for line in sys.stdin:
    path, out = line.rstrip("\\n").split("\\t")
    if path not in read:
        read[path] = audio.read(path)
        extract(read[path])
    began = time.process_time()
    frames = extract(read[path])
    spent = time.process_time() - began
    np.save(out, frames)
    print(spent, len(read[path]) / audio.SAMPLE_RATE, flush=True)
"""
SUFFIXES = {".wav", ".flac", ".mp3", ".ogg"}


def main() -> None:
    """Measure, print and save."""
    arguments = _arguments()
    trees = {"before": arguments.before, "after": arguments.after}
    found = {}
    with TemporaryDirectory() as scratch:
        processes = {name: _start(tree, arguments.features) for name, tree in trees.items()}
        for corpus in arguments.audio:
            name, _, folder = corpus.partition("=")
            paths = sorted(p for p in Path(folder).rglob("*") if p.suffix in SUFFIXES)
            some = paths[:: max(1, len(paths) // arguments.files)][: arguments.files]
            found[name] = _measure(processes, some, arguments.repeats, Path(scratch))
            print(name, json.dumps(found[name]))
        for process in processes.values():
            process.stdin.close()
            process.wait()
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, numpy {np.__version__}",
        "load": round(os.getloadavg()[0], 1),
        "features": arguments.features,
        "repeats": arguments.repeats,
        "corpora": found,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _measure(
    processes: dict[str, subprocess.Popen[str]], paths: list[Path], repeats: int, scratch: Path
) -> dict[str, float]:
    spent = {name: np.full((repeats, len(paths)), np.inf) for name in processes}
    seconds, furthest, voiced, n_frames = 0.0, 0.0, 0, 0
    for repeat in range(repeats):
        for i, path in enumerate(paths):
            frames = {}
            for name, process in processes.items():
                out = scratch / f"{name}.npy"
                process.stdin.write(f"{path}\t{out}\n")
                process.stdin.flush()
                took, length_s = map(float, process.stdout.readline().split())
                spent[name][repeat, i], frames[name] = took, np.load(out)
            if not repeat:
                seconds += length_s
                n_frames += len(frames["after"])
                apart = np.abs(frames["after"] - frames["before"])
                furthest = max(furthest, float(apart.max()))
                voiced += int((apart == 1).any(axis=1).sum())  # the column voiced is 0 or 1
    best = {name: float(of.min(axis=0).sum()) for name, of in spent.items()}
    ratios = spent["before"].sum(axis=1) / spent["after"].sum(axis=1)
    return {
        "files": len(paths),
        "seconds": round(seconds, 1),
        **{f"{name}_ms_a_second": round(1000 * s / seconds, 2) for name, s in best.items()},
        "ratio": round(best["before"] / best["after"], 2),
        "ratio_of_sums_median": round(median(ratios), 2),
        "frames": n_frames,
        "furthest": furthest,
        "voicing_changed": voiced,
    }


def _start(tree: Path, features: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, features],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tree.resolve())},
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--after", type=Path, required=True)
    parser.add_argument("--audio", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--features", default="log_mel")
    parser.add_argument("--files", type=int, default=8, help="a corpus")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
