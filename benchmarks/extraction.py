"""Speed of audio to frames, times real time, with its parts and against a plain loop.

Parts, in processor seconds, so that other work on the machine counts less: decoding, the filter,
mel columns, F0, formants and descriptors of each utterance take turns within every repeat, and the
median over repeats counts. The plain loop computes the mel columns and the best lag of every frame
one frame at a time in NumPy, without interpolation and without a path over the frames. Whole runs
of ``store.extract`` into an empty store, with one process and with several, take turns too and
include starting the processes and writing: wall-clock and processor seconds, and the load of the
machine, since several processes gain nothing in wall-clock time where other work holds the cores.

    OMP_NUM_THREADS=1 python benchmarks/extraction.py [--audio FOLDER] [--out FILE.json]

Without a folder, 200 synthetic tones of 4 s each are used. Take a folder of an hour or so for the
whole runs: starting processes takes seconds.
"""

import argparse
import datetime
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import soundfile

from undertone import audio, corpora
from undertone.features import f0, formants, levels, log_mel, store
from undertone.features.descriptors import describe
from undertone.features.framing import hann

N_TIMED = 60  # utterances for the parts
N_PLAIN = 3  # utterances for the plain loop
N_RUNS = 3


def main() -> None:
    """Measure, print and save."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.audio or _write_tones(Path(scratch) / "tones")
        times_real_time = _time_parts(folder, arguments.repeats)
        runs = _time_runs(folder, Path(scratch), arguments.workers)
    for name, value in times_real_time.items():
        print(f"{name:<24}{value:10.1f} x real time, a processor second")
    for found in runs:
        print(", ".join(f"{name} {value}" for name, value in found.items()))
    ratio = times_real_time["decode + log_mel"] / times_real_time["plain loop"]
    print(f"{'over the plain loop':<24}{ratio:10.1f}")
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, numpy {np.__version__}",
        "audio": folder.name,
        "times_real_time": {name: round(value, 1) for name, value in times_real_time.items()},
        "over_plain_loop": round(ratio, 1),
        "runs": runs,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _time_parts(folder: Path, repeats: int) -> dict[str, float]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix in audio.AUDIO_SUFFIXES)[:N_TIMED]
    waveforms = [audio.read(path) for path in paths]
    pitches = [f0.track(waveform).f0_hz for waveform in waveforms]
    frames = [log_mel.extract(waveform) for waveform in waveforms]
    parts: dict[str, Callable[[int], object]] = {
        "decode": lambda i: audio.read(paths[i]),
        "high-pass": lambda i: levels.high_pass(waveforms[i]),
        "mel and energy": lambda i: log_mel.log_powers(waveforms[i]),
        "F0 and voicing": lambda i: f0.track(waveforms[i]),
        "formants and harmonics": lambda i: formants.extract(waveforms[i], pitches[i]),
        "descriptors of frames": lambda i: describe(frames[i], log_mel.COLUMNS),
        "decode + log_mel": lambda i: log_mel.extract(audio.read(paths[i])),
        "plain loop": lambda i: _extract_plainly(audio.read(paths[i])),
    }
    speeds: dict[str, list[float]] = {name: [] for name in parts}
    for repeat in range(repeats + 1):
        for name, part in parts.items():
            count = N_PLAIN if name == "plain loop" else len(paths)
            seconds = sum(len(waveform) for waveform in waveforms[:count]) / audio.SAMPLE_RATE
            began = time.process_time()
            for i in range(count):
                part(i)
            if repeat:  # the first loads the compiled kernels
                speeds[name].append(seconds / (time.process_time() - began))
    return {name: median(values) for name, values in speeds.items()}


def _time_runs(folder: Path, scratch: Path, workers: int) -> list[dict[str, float | str]]:
    corpus = corpora.open(str(folder))
    found = []
    for repeat in range(N_RUNS):
        for count in (1, workers):
            home = scratch / f"{repeat}-{count}"
            for state in ("empty", "filled"):
                began, processor_s = time.perf_counter(), _processor_s()
                table = store.extract(corpus, "log_mel", folder=home, workers=count, progress=False)
                wall_s = time.perf_counter() - began
                seconds = sum(table.lengths.values()) / table.frames_per_second
                found.append(
                    {
                        "store": state,
                        "processes": count,
                        "wall_s": round(wall_s, 2),
                        "processor_s": round(_processor_s() - processor_s, 2),
                        "times_real_time": round(seconds / wall_s),
                        "load": round(os.getloadavg()[0], 1),
                    }
                )
    return found


def _processor_s() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _extract_plainly(waveform: np.ndarray) -> np.ndarray:
    """Mel columns and the best lag, one frame at a time."""
    padded = np.pad(waveform.astype(float), 800)
    short, long = hann(401), hann(801)
    weights = log_mel._band_weights()
    own = np.correlate(long, long, "full")[800:]
    rows = []
    for i in range(audio.n_frames(len(waveform))):
        centre = 800 + 79 + 160 * i
        power = np.abs(np.fft.rfft(padded[centre - 200 : centre + 201] * short, 512)) ** 2
        frame = padded[centre - 400 : centre + 401] * long
        correlation = np.correlate(frame, frame, "full")[800:] / own
        lag = 32 + int(np.argmax(correlation[32:268]))
        rows.append(np.append(np.log(power @ weights + 1e-10), 16_000 / lag))
    return np.array(rows)


def _write_tones(folder: Path) -> Path:
    folder.mkdir()
    time_s = np.arange(4 * audio.SAMPLE_RATE) / audio.SAMPLE_RATE
    for i in range(200):
        phase = 2 * np.pi * (100 + i) * time_s + np.sin(6 * time_s)
        tone = 0.1 * sum(np.cos(k * phase) / k for k in range(1, 20))
        soundfile.write(folder / f"{i:03d}.flac", tone, audio.SAMPLE_RATE)
    return folder


if __name__ == "__main__":
    main()
