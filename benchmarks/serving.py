"""What it costs to answer: time and memory of ``undertone predict`` with the starter model.

Cold: each command is a fresh process. The first row is the imports that nobody can do without
(NumPy and SciPy's transforms); "a newcomer's" has an empty home and empty caches, so that whatever
is compiled on first use is compiled there. Memory is the most that the process held, as the
operating system counts it. Warm: one recording of ``DURATION_S`` in a process that holds the model.
With ``--before FOLDER`` (the ``src`` of another version) that version takes turns with this one, on
the model of ``--before-model``, which it can read.

    OMP_NUM_THREADS=1 python benchmarks/serving.py [--repeats 5] [--model FOLDER] [--out FILE.json]
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from turns import Table, Way, save, take_turns

from undertone import audio
from undertone.recogniser.starter import STARTER
from undertone.serving.predict import loaded, predict

DURATION_S = 3.0
N_KEPT = 10  # times as often as a fresh process, the one that holds the model
SOURCE = Path(__file__).parent.parent / "src"
TIMED = (
    "import sys; from undertone.serving.predict import predict;"
    "from undertone.recogniser.folder import load; import time; model = load(sys.argv[1]);"
    "clip = [sys.argv[2]]; list(predict(model, clip)); times = []\n"
    "for _ in range(int(sys.argv[3])):\n"
    "    began = time.process_time(); list(predict(model, clip))\n"
    "    times.append(time.process_time() - began)\n"
    "print(sorted(times)[len(times) // 2])"
)


def main() -> None:
    """Measure, print and save."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        clip = Path(scratch) / "clip.wav"
        soundfile.write(clip, _voice(), audio.SAMPLE_RATE)
        peaks: dict[str, int] = {}
        ways = _ways(options, clip, Path(scratch), peaks)
        cold = take_turns(ways, repeats=options.repeats, warm=options.repeats > 1)
        model = loaded(options.model)
        kept: dict[str, Way] = {"predict": lambda: list(predict(model, [clip]))}
        warm = take_turns(kept, repeats=N_KEPT * options.repeats, amount=DURATION_S)
        notes = {"recording_s": DURATION_S, **_warm_before(options, clip)}
    megabytes = {name: round(peak / 1000, 1) for name, peak in peaks.items()}
    tables = [
        Table("A fresh process", "", cold, {"most memory, MB": megabytes}),
        Table("In a process that holds the model", "x real time, a proc. s", warm, notes),
    ]
    for table in tables:
        table.show()
    print(f"most memory, MB: {megabytes}; {notes}")
    save(options.out, tables)


def _ways(
    options: argparse.Namespace, clip: Path, scratch: Path, peaks: dict[str, int]
) -> dict[str, Way]:
    arguments = ["-m", "undertone", "predict", str(options.model), str(clip)]
    empty = {name: str(scratch) for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    commands: dict[str, tuple[list[str], dict[str, str]]] = {
        "import numpy, scipy.fft": (["-c", "import numpy, scipy.fft"], {}),
        "undertone predict": (arguments, {}),
        "undertone predict, a newcomer's": (arguments, empty),
    }
    if options.before:
        old = ["-m", "undertone", "predict", str(options.before_model), str(clip)]
        commands["undertone predict, before"] = (old, {"PYTHONPATH": str(options.before)})
    return {
        name: partial(_start, name, own, environment, peaks)
        for name, (own, environment) in commands.items()
    }


def _start(
    name: str, arguments: list[str], environment: Mapping[str, str], peaks: dict[str, int]
) -> float:
    """Run the interpreter; processor seconds that it used. Its peak of memory is noted, in kB."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{name} ended with {process.returncode}"
    peaks[name] = max(peaks.get(name, 0), used.ru_maxrss)
    return used.ru_utime + used.ru_stime


def _warm_before(options: argparse.Namespace, clip: Path) -> dict[str, float]:
    """Median processor seconds of a warm prediction, in either version, one after the other."""
    if not options.before:
        return {}
    versions = {
        "before, proc. s": (options.before, options.before_model),
        "now, proc. s": (SOURCE, options.model),
    }
    found = {}
    for name, (source, model) in versions.items():
        done = subprocess.run(
            [sys.executable, "-c", TIMED, str(model), str(clip), str(N_KEPT * options.repeats)],
            env={**os.environ, "PYTHONPATH": str(source)},
            capture_output=True,
            text=True,
            check=True,
        )
        found[name] = round(float(done.stdout), 5)
    return found


def _options() -> argparse.Namespace:
    today = datetime.date.today().isoformat()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", type=Path, default=Path(STARTER))
    parser.add_argument("--before", type=Path, help="src of another version")
    parser.add_argument("--before-model", type=Path, help="a model that it can read")
    out = Path(__file__).parent / "results" / f"serving-{today}.json"
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args()


def _voice() -> np.ndarray:
    """A gliding voice with two resonances and syllables: what is no speech is not answered."""
    time_s = np.arange(round(DURATION_S * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    f0_hz = 120 * 2 ** (np.sin(6 * np.pi * time_s) / 6)
    phase = 2 * np.pi * np.cumsum(f0_hz) / audio.SAMPLE_RATE
    low_hz, high_hz = (
        500 + 300 * np.sin(8 * np.pi * time_s),
        1700 + 800 * np.sin(10 * np.pi * time_s),
    )
    voice = np.zeros(len(time_s))
    for k in range(1, 28):
        resonance = np.exp(-(((120 * k - low_hz) / 150) ** 2)) + 0.01
        resonance += 0.5 * np.exp(-(((120 * k - high_hz) / 250) ** 2))
        voice += 0.1 * resonance * np.cos(k * phase)
    voice *= 0.1 + 0.9 * np.sin(4 * np.pi * time_s) ** 2
    return voice + np.random.default_rng(0).normal(0, 0.001, len(voice))


if __name__ == "__main__":
    main()
