"""A service that really runs, on a free port of loopback, in a thread of the test."""

import contextlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
from serving_fakes import RATE, listener, voice

from undertone.recogniser.folder import Recogniser
from undertone.serving.live import LiveConfig
from undertone.serving.service.app import Service, make_app
from undertone.serving.service.connections import watched_by
from undertone.serving.service.limits import Limits
from undertone.serving.service.stream import LARGEST_MESSAGE
from undertone.web import port as ports

ENERGY = LiveConfig(detector="energy")


@dataclass(frozen=True)
class Served:
    """A service and where it is."""

    service: Service
    url: str
    port: int

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"


@contextlib.contextmanager
def served(
    recogniser: Recogniser | None = None, *, workers: int = 1, **limits: float
) -> Iterator[Served]:
    service = Service(
        listener() if recogniser is None else recogniser,
        "fake",
        workers,
        Limits(**limits),
        ENERGY,
    )
    opened = ports.open_port("127.0.0.1", 0)
    port, ready, ends = opened.getsockname()[1], threading.Event(), []

    def answers(end: object) -> None:
        ends.append(end)
        ready.set()

    thread = threading.Thread(
        target=ports.run,
        args=(make_app(service), opened),
        kwargs={
            "during": service.running(),
            "ready": answers,
            "end_s": 5,
            "http": watched_by(service.watch),
            "ws_max_size": LARGEST_MESSAGE,
        },
    )
    thread.start()
    try:
        assert ready.wait(60), "the service does not begin"
        yield Served(service, f"http://127.0.0.1:{port}", port)
    finally:
        if ends:
            ends[0]()
        thread.join(30)
        assert not thread.is_alive(), "the service does not end"


def speech(seconds: float, f0_hz: float = 150.0, rate: int = RATE) -> np.ndarray:
    """(n_samples,) int16 of a voice, which the detector takes for speech."""
    waveform = 2 * voice(f0_hz, seconds, rate)
    return np.round(32_767 * waveform).clip(-32_768, 32_767).astype(np.int16)


def noise(seconds: float, rate: int = RATE) -> np.ndarray:
    """(n_samples,) int16 of a quiet room."""
    values = np.random.default_rng(0).normal(0, 3, round(seconds * rate))
    return np.round(values).astype(np.int16)


def as_file(samples: np.ndarray, rate: int = RATE, kind: str = "WAV") -> bytes:
    """The bytes of a recording."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return file.getvalue()
