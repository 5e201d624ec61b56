"""A few recordings to label, a session on them, a server as a person starts one."""

import contextlib
import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

from undertone import corpora
from undertone.annotation.choosing import Aim
from undertone.annotation.clips import clips_of, keep
from undertone.annotation.log import LabelLog, now
from undertone.annotation.session import Said, Session
from undertone.corpora.label_log import Label

EMOTIONS = ("anger", "sadness")
RATE = 16_000


def tone(seconds: float, hz: float, level: float = 0.3) -> np.ndarray:
    """(n_samples,) with harmonics and a slow tremor."""
    t = np.arange(round(seconds * RATE)) / RATE
    harmonics = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    return level * harmonics * (1 + 0.5 * np.sin(2 * np.pi * 4 * t)) / 3


def recordings(folder: Path, *, n_speakers: int = 3, each: int = 4, labelled: bool = False) -> Path:
    """A table of recordings: anger is high and loud, sadness low and soft."""
    (folder / "Größe 1").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    with (folder / "speech.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "speaker", "emotion"])
        for speaker in range(n_speakers):
            for i in range(each):
                emotion = EMOTIONS[i % 2]
                high = emotion == "anger"
                hz = (230 if high else 110) * (1 + 0.1 * speaker) * rng.uniform(0.9, 1.1)
                sound = tone(rng.uniform(0.4, 0.7), hz, 0.5 if high else 0.1)
                sound += 0.01 * rng.normal(size=len(sound))
                name = f"Größe 1/s{speaker} {i}.wav"
                soundfile.write(folder / name, sound, RATE)
                table.writerow([name, f"s{speaker}", emotion if labelled else ""])
    return folder / "speech.csv"


def truth_of(utterance: str) -> str:
    """What ``recordings`` made: even numbers are anger."""
    return EMOTIONS[int(utterance.rpartition(" ")[2]) % 2]


def session_of(folder: Path, *, rater: str = "anna", corpus: Path | None = None, **more) -> Session:
    """A session of one rater on a log in a folder."""
    corpus = corpus or recordings(folder)
    log = folder / "labels.jsonl"
    clips = clips_of(corpora.open(str(corpus)), log, emotions=EMOTIONS)
    keep(clips, log)
    opened = LabelLog(log, about={"corpus": "speech", "emotions": list(EMOTIONS)})
    return Session(clips, opened, rater=rater, aim=Aim(EMOTIONS), **more)


def said(clip: int, emotion: str = "anger", identity: str = "") -> Said:
    """An answer."""
    return Said(
        identity or f"id-{clip}-{emotion}-{time.monotonic_ns()}", clip, "emotion", {emotion: 1.0}
    )


def label(identity: str, utterance: str, *, rater: str = "anna", **shares: float) -> Label:
    """A label that was given to a recording."""
    heard = {"file": f"{utterance}.wav"}
    answer = "emotion" if shares else "cannot tell"
    return Label(identity, rater, now(), utterance, heard, answer, shares)


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """``undertone label`` in a process of its own."""

    def __init__(
        self, folder: Path, port: int, *, rater: str = "anna", extra: tuple[str, ...] = ()
    ):
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        self.journal = (folder / f"server-{rater}.txt").open("ab")
        self.process = subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-m",
                    "undertone",
                    "label",
                    "--corpus",
                    str(folder / "speech.csv"),
                ),
                *("--emotions", ",".join(EMOTIONS), "--log", str(folder / "labels.jsonl")),
                *(
                    "--rater",
                    rater,
                    "--port",
                    str(port),
                    "--cache",
                    str(folder / "cache"),
                    "--quiet",
                ),
                *extra,
            ],
            stdout=self.journal,
            stderr=self.journal,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def wait(self) -> "Server":
        """Until it answers."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the server does not answer: {self.said()}")

    def said(self) -> str:
        """All that it printed."""
        return Path(self.journal.name).read_text()

    def kill(self) -> None:
        """As the power going out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)
        self.journal.close()

    def stop(self) -> int:
        """As Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=30)
        self.journal.close()
        return status
