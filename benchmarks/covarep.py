"""Speed of the COVAREP columns on one core, step by step, and the memory of long recordings.

Each step is run on what the steps before it give, on every utterance, repeatedly; the smallest
processor time of an utterance counts, so that other work on the machine counts less. Reading files
is not included. ``starting`` is a fresh process from import to the first frames, kernels cached.

    OMP_NUM_THREADS=1 python benchmarks/covarep.py [--audio FOLDER] [--out FILE.json]

Without a folder, vowels of the synthetic voice are used.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from undertone import audio, synthesis
from undertone.features import covarep
from undertone.features.covarep import extraction, hmpd, sinusoids
from undertone.features.covarep.closure import find_closures, smooth_by_period
from undertone.features.covarep.creak.inputs import compute_inputs
from undertone.features.covarep.creak.network import load_network
from undertone.features.covarep.iaif import filter_inversely
from undertone.features.covarep.mdq import measure_dispersion
from undertone.features.covarep.peak_slope import measure_peak_slope
from undertone.features.covarep.polarity import detect_polarity
from undertone.features.covarep.pulse import measure_pulses
from undertone.features.covarep.rd import estimate_rd
from undertone.features.covarep.srh import sum_harmonics, track_pitch

RATE = audio.SAMPLE_RATE
N_UTTERANCES, N_REPEATS = 8, 4
START = (
    "import numpy as np; from undertone.features import covarep;"
    "covarep.extract(np.random.default_rng(0).normal(size=16000).astype('f4') / 9)"
)


def main() -> None:
    """Measure, print and save."""
    arguments = _arguments()
    utterances = _read(arguments.audio)
    seconds = sum(len(samples) for samples in utterances) / RATE
    spent: dict[str, float] = {}
    for samples in utterances:
        fastest: dict[str, float] = {}
        for _ in range(N_REPEATS):
            for step, value in _time_steps(samples).items():
                fastest[step] = min(fastest.get(step, np.inf), value)
        for step, value in fastest.items():
            spent[step] = spent.get(step, 0.0) + value / seconds
    for step, value in spent.items():
        print(f"{step:<32}{1000 * value:8.2f} ms a second")
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, numpy {np.__version__}",
        "audio": arguments.audio.name if arguments.audio else "synthetic vowels",
        "seconds": round(seconds, 1),
        "load": round(os.getloadavg()[0], 1),
        "ms_a_second": {step: round(1000 * value, 2) for step, value in spent.items()},
        "starting_s": _time_start(),
        "peak_mib": _measure_memory(),
    }
    print(json.dumps({key: result[key] for key in ("starting_s", "peak_mib", "load")}))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _time_steps(samples: np.ndarray) -> dict[str, float]:
    """Processor seconds of each step on one utterance, and of the whole."""
    times: dict[str, float] = {}

    def timed(name: str, step: Callable[..., Any], *given: Any, **named: Any) -> Any:
        start = time.process_time()
        found = step(*given, **named)
        times[name] = time.process_time() - start
        return found

    samples = samples.astype(np.float64)
    polarity = timed("polarity, residual", detect_polarity, samples, RATE)
    upright = samples * polarity.sign
    harmonics = timed("harmonic sums", sum_harmonics, samples, RATE)
    pitch = timed("F0, VUV", track_pitch, harmonics)
    smooth = timed("mean-based signal", smooth_by_period, upright, RATE, pitch.median_f0_hz)
    closures = timed("closures", find_closures, polarity.residual, smooth, pitch)[1]
    flow = timed("glottal flow", filter_inversely, upright, RATE, closures)
    timed("NAQ, QOQ, H1H2, PSP", measure_pulses, flow, closures, RATE)
    timed("MDQ", measure_dispersion, polarity.residual, closures)
    timed("peakSlope", measure_peak_slope, upright, RATE)
    plan = sinusoids.plan_frames(len(upright), RATE, pitch)
    found, _ = timed(
        "sinusoids, envelope, MCEP", extraction._analyse_harmonics, upright, RATE, plan
    )
    timed("Rd, Rd_conf", estimate_rd, found, conjugated=True)
    timed("HMPDM, HMPDD", hmpd.measure_phase_distortion, found, RATE)
    inputs = timed("creak: inputs", compute_inputs, upright, polarity.residual, harmonics, RATE)
    timed("creak: network", load_network().apply, inputs)
    timed("all, with the grid", covarep.extract, samples)
    return times


def _read(folder: Path | None) -> list[np.ndarray]:
    if folder is None:
        voices = [
            synthesis.vowel(f0_hz=[f0, 1.3 * f0], rd=1.0, duration_s=3.0, aspiration=0.02)
            for f0 in np.geomspace(90, 250, N_UTTERANCES)
        ]
        return [voice.waveform for voice in voices]
    paths = sorted(p for p in folder.rglob("*") if p.suffix in audio.AUDIO_SUFFIXES)
    return [audio.read(path) for path in paths[:: max(1, len(paths) // N_UTTERANCES)]]


def _time_start() -> float:
    """Seconds of a fresh process until its first frames; the smallest of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", START], check=True)
        times.append(time.perf_counter() - start)
    return round(min(times), 2)


def _measure_memory() -> dict[str, int]:
    """Peak memory of the process after recordings of growing length, in MiB."""
    voice = synthesis.vowel(f0_hz=[100, 140], rd=1.0, duration_s=60.0, aspiration=0.02).waveform
    peaks = {"before": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    covarep.extract(voice, covarep.CLIPS)
    peaks["1 minute"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    covarep.extract(np.tile(voice, 3), covarep.CLIPS)
    peaks["3 minutes in clips"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    covarep.extract(np.tile(voice, 3))
    peaks["3 minutes at once"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return peaks


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
