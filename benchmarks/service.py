"""What a service costs beside the plain loop, and how it holds under load.

Warm: a clip in a process that holds the model, and the same by ``POST /predict``, one after the
other. Load: ``CLIENTS`` clients at once, each with a connection of its own; all answers must come
and be those of the loop. Stream: how long a second of sound takes, as fast as one stream gets its
answers, and in the loop. Processor seconds are those of the service and its processes, as the
system counts them; the client's are left out. Plain loop: ``predict`` on the files, one process.

With ``--whisper MODEL`` (a model on Whisper's frames) and ``--against FOLDER`` (an audio
classifier for ``transformers``) its audio-classification pipeline hears the same clips, one at a
time, with one thread, in turns with ours.

    OMP_NUM_THREADS=1 python benchmarks/service.py [--clips FOLDER] [--repeats 5] [--out FILE.json]
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import soundfile
from turns import Table, Way, save, take_turns
from websockets.sync.client import connect

from undertone import audio
from undertone.recogniser.folder import Recogniser
from undertone.serving.live import Ear, LiveConfig, answer
from undertone.serving.predict import loaded, predict

CLIENTS = 50
EACH = 4  # requests of a client
N_CLIPS = 50
CLIP_S = 3.0  # of those that are made up
STREAM_S = 20.0
DETECTORS = ("energy", "silero")
SOURCE = Path(__file__).parent.parent / "src"


@dataclass(frozen=True)
class Served:
    """A service that runs in a process of its own."""

    process: int
    url: str

    def processor_s(self) -> float:
        """That it and its processes have used so far."""
        tick = os.sysconf("SC_CLK_TCK")
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                values = stat.read_text().rpartition(") ")[2].split()
                if int(values[2]) == self.process:  # of its group
                    total += int(values[11]) + int(values[12])
        return total / tick


def main() -> None:
    """Measure, print and save."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        clips = _clips(options.clips, Path(scratch))
        tables = _of_model(options, str(options.model), clips)
        if options.whisper:
            tables += [_against(options, clips[: options.repeats * 4])]
    for table in tables:
        table.show()
    save(options.out, tables)


def _of_model(options: argparse.Namespace, model: str, clips: list[Path]) -> list[Table]:
    recogniser = loaded(model)
    expected = {row.file: row.to_dict() for row in predict(recogniser, clips)}
    tables = []
    for detector in DETECTORS:
        with _served(model, options.workers, detector) as service:
            if not tables:
                tables.append(_warm(recogniser, service, clips, options.repeats))
                tables.append(_loaded(recogniser, service, clips, expected))
            tables.append(
                _streamed(recogniser, service, clips, detector=detector, repeats=options.repeats)
            )
    return tables


def _warm(recogniser: Recogniser, service: Served, clips: list[Path], repeats: int) -> Table:
    """One clip after the other."""
    latencies: dict[str, list[float]] = {"in the process": [], "POST /predict": []}

    def here() -> None:
        for clip in clips:
            began = time.perf_counter()
            list(predict(recogniser, [clip]))
            latencies["in the process"].append(time.perf_counter() - began)

    def there() -> float:
        before, own = service.processor_s(), time.process_time()
        with httpx.Client(timeout=60) as client:
            for clip in clips:
                content = clip.read_bytes()
                began = time.perf_counter()
                _sent(client, service.url, clip.name, content)
                latencies["POST /predict"].append(time.perf_counter() - began)
        return service.processor_s() - before - (time.process_time() - own)

    ways: dict[str, Way] = {"in the process": here, "POST /predict": there}
    rows = take_turns(ways, repeats=repeats, amount=len(clips))
    notes = {f"{name}, ms": _percentiles(found) for name, found in latencies.items()}
    return Table(f"{len(clips)} clips, one after the other", "clips a proc. s", rows, notes)


def _loaded(
    recogniser: Recogniser, service: Served, clips: list[Path], expected: dict[str, dict]
) -> Table:
    """Many clients at once, in turns with the plain loop over as many clips."""
    n, latencies = CLIENTS * EACH, []
    asked = [clips[i % len(clips)] for i in range(n)]

    def loop() -> None:
        for clip in asked:
            list(predict(recogniser, [clip]))

    def load() -> float:
        before, own = service.processor_s(), time.process_time()
        latencies.extend(asyncio.run(_load(service.url, asked, expected)))
        return service.processor_s() - before - (time.process_time() - own)

    rows = take_turns({"the plain loop": loop, f"{CLIENTS} at once": load}, repeats=3, amount=n)
    notes = {
        "requests a repeat": n,
        "lost or wrong": 0,  # else it would have ended
        "latency, ms": _percentiles(latencies),
        "clips a wall-clock second": {k: round(n / r.wall_s, 1) for k, r in rows.items()},
    }
    return Table(f"{CLIENTS} clients at once", "clips a proc. s", rows, notes)


async def _load(url: str, asked: Sequence[Path], expected: dict[str, dict]) -> list[float]:
    """Latencies; each answer is compared with the loop's."""
    contents = {clip: clip.read_bytes() for clip in set(asked)}
    latencies: list[float] = []

    async def client(own: Sequence[Path]) -> None:
        async with httpx.AsyncClient(timeout=120) as one:
            for clip in own:
                began = time.perf_counter()
                files = {"file": (clip.name, contents[clip])}
                told = await one.post(f"{url}/predict", files=files)
                latencies.append(time.perf_counter() - began)
                assert told.status_code == 200, told.text
                assert told.json() == {**expected[str(clip)], "file": clip.name}

    await asyncio.gather(*(client(asked[i::CLIENTS]) for i in range(CLIENTS)))
    assert len(latencies) == len(asked)
    return latencies


def _streamed(
    recogniser: Recogniser, service: Served, clips: list[Path], *, detector: str, repeats: int
) -> Table:
    """One stream as fast as it is answered; and its moments in a loop."""
    n = round(STREAM_S * audio.SAMPLE_RATE)
    samples = np.clip(np.concatenate([audio.read(clip) for clip in clips]), -1, 1)
    samples = np.resize(np.round(32_767 * samples).astype(np.int16), n)
    lags: list[float] = []

    def loop() -> None:
        ear = Ear(audio.SAMPLE_RATE, LiveConfig(detector=detector))
        for moment in ear.hear(samples):
            began = time.perf_counter()
            ear.marks = answer(recogniser, moment.with_marks(ear.marks)).marks
            lags.append(time.perf_counter() - began)

    def stream() -> float:
        before, own = service.processor_s(), time.process_time()
        with connect(service.url.replace("http", "ws") + "/stream") as socket:
            socket.send(json.dumps({"rate": audio.SAMPLE_RATE}))
            for at in range(0, n, 8000):
                socket.send(samples[at : at + 8000].tobytes())
            socket.send(json.dumps({"end": True}))
            *_, last = socket
        assert json.loads(last)["answers"] == 4 * STREAM_S
        return service.processor_s() - before - (time.process_time() - own)

    ways: dict[str, Way] = {"moments in a loop": loop, "WS /stream": stream}
    rows = take_turns(ways, repeats=repeats, amount=STREAM_S)
    notes = {
        "real-time factor, processor": {
            name: round(row.processor_s / STREAM_S, 3) for name, row in rows.items()
        },
        "real-time factor, wall-clock": {
            name: round(row.wall_s / STREAM_S, 3) for name, row in rows.items()
        },
        "an answer in the loop, ms": _percentiles(lags),
    }
    return Table(f"A stream of {STREAM_S:g} s, detector {detector}", "s a proc. s", rows, notes)


def _against(options: argparse.Namespace, clips: list[Path]) -> Table:
    """The pipeline of transformers, one clip at a time, and our model on the same clips."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(1)
    other = pipeline("audio-classification", str(options.against), device="cpu")
    ours = loaded(options.whisper)
    waveforms = [audio.read(clip) for clip in clips]

    def theirs() -> None:
        for waveform in waveforms:
            other({"raw": waveform.copy(), "sampling_rate": audio.SAMPLE_RATE})

    def here() -> None:
        for clip in clips:
            list(predict(ours, [clip]))

    with _served(str(options.whisper), options.workers, "energy") as service:

        def there() -> float:
            before, own = service.processor_s(), time.process_time()
            with httpx.Client(timeout=120) as client:
                for clip in clips:
                    _sent(client, service.url, clip.name, clip.read_bytes())
            return service.processor_s() - before - (time.process_time() - own)

        ways: dict[str, Way] = {
            "transformers' pipeline": theirs,
            "predict, a model on Whisper-base": here,
            "the same by POST /predict": there,
        }
        rows = take_turns(ways, repeats=options.repeats, amount=len(clips))
    longest = max(len(one) for one in waveforms) / audio.SAMPLE_RATE
    notes = {
        "clips": len(clips),
        "longest, s": round(longest, 2),
        "the other's weights": options.weights,
        "threads": 1,
    }
    return Table("Against transformers' pipeline", "clips a proc. s", rows, notes)


def _sent(client: httpx.Client, url: str, name: str, content: bytes) -> None:
    told = client.post(f"{url}/predict", files={"file": (name, content)})
    assert told.status_code == 200, told.text


@contextlib.contextmanager
def _served(model: str, workers: int, detector: str) -> Iterator[Served]:
    command = [sys.executable, "-m", "undertone", "serve", model, "--port", "0"]
    command += ["--workers", str(workers), "--detector", detector]
    command += ["--max-per-minute", "1000000", "--max-work-seconds", "600"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+:\d+", process.stdout.readline())
        assert found, "the service does not begin"
        yield Served(process.pid, found.group())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """In milliseconds."""
    found = np.quantile(np.array(seconds) * 1000, [0.5, 0.95])
    return dict(zip(("p50", "p95"), map(partial(round, ndigits=1), found.tolist()), strict=True))


def _clips(folder: Path | None, scratch: Path) -> list[Path]:
    """Recordings of a folder, evenly over it; made up where none is named."""
    if folder is not None:
        found = sorted(folder.glob("*.wav")) + sorted(folder.glob("*.flac"))
        return found[:: max(1, len(found) // N_CLIPS)][:N_CLIPS]
    made = []
    for number in range(N_CLIPS):
        time_s = np.arange(round(CLIP_S * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
        phase = 2 * np.pi * (100 + 3 * number) * time_s + np.sin(6 * time_s)
        voice = sum(np.cos(k * phase) / k for k in range(1, 20)) * np.sin(6 * time_s) ** 2
        made.append(scratch / f"{number:02d}.wav")
        soundfile.write(made[-1], 0.1 * voice, audio.SAMPLE_RATE)
    return made


def _options() -> argparse.Namespace:
    today = datetime.date.today().isoformat()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--clips", type=Path, help="folder of recordings")
    parser.add_argument("--whisper", type=Path, help="a model on Whisper's frames")
    parser.add_argument("--against", type=Path, help="folder of an audio classifier")
    parser.add_argument("--weights", default="", help="what the classifier's weights are")
    out = Path(__file__).parent / "results" / f"service-{today}.json"
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args()


if __name__ == "__main__":
    main()
