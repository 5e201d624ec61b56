"""Whether an exported folder says what the package says.

In:  a folder with everything that another machine gets, the recogniser that it was made of,
     recordings.
Out: ``Parity``; or a refusal with the largest difference.

The folder is run as a stranger runs it: in a process of its own, where ``undertone`` cannot be
imported. Every recording is heard alone, and once more in a batch with others of other lengths.
"""

import importlib.metadata
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features.extractors import get
from undertone.features.workers import compute_waveform
from undertone.recogniser.folder import Recogniser
from undertone.serving.onnx.graphs import FRAMES, WAVEFORM
from undertone.tasks import CHOICE, Task

TOLERANCE = 1e-4  # of a probability; of an amount, of its range
N_RANDOM = 50
SHORTEST_S, LONGEST_S = 0.1, 6.0
FEW_FRAMES_S = 0.3  # of an encoder: of fewer frames one value's half precision moves a mean
IN_PIECES_S = 23.0  # a recording that an encoder hears in pieces
MOST_FRAMES = 600  # of random ones
A_BATCH = 4
NOISE = 0.003
SMALLEST_SHARE = 0.01  # of the amounts, that their range is taken for
PATIENCE_S = 3600.0
STRANGER = """
import sys
sys.modules["undertone"] = None
import numpy as np
import run
arrays = np.load(sys.argv[1])
given = [arrays[str(i)] for i in range(len(arrays.files))]
model = run.Model(threads=1)
np.save(sys.argv[2], np.concatenate([model.values([one]) for one in given]))
size = int(sys.argv[4])
batches = [given[i : i + size] for i in range(0, len(given), size)]
np.save(sys.argv[3], np.concatenate([model.values(batch) for batch in batches]))
"""


@dataclass(frozen=True)
class Heard:
    """What both are asked.

    Attributes:
        recordings: waveforms, or frames where the folder reads frames.
        expected: (n_recordings, n_outputs) what the package says.
        n_random: how many of the first recordings were made up.
    """

    recordings: Sequence[np.ndarray]
    expected: np.ndarray
    n_random: int


@dataclass(frozen=True)
class Parity:
    """How far an exported folder and the package lie apart.

    Attributes:
        n_random: recordings of random length.
        n_clips: real ones.
        largest: difference of any output, alone; of amounts a share of their range.
        in_batches: largest difference of a recording alone and in a batch.
    """

    n_random: int
    n_clips: int
    largest: float
    in_batches: float

    def sentence(self) -> str:
        """For people."""
        clips = f" and {self.n_clips} real clips" if self.n_clips else ""
        return (
            f"{self.n_random} recordings of random length{clips}: it differs from the package by "
            f"{self.largest:.1g} at most ({TOLERANCE:g} is allowed), and in batches by "
            f"{self.in_batches:.1g} from one by one"
        )


def hear(recogniser: Recogniser, reads: str, clips: Sequence[np.ndarray], seed: int = 0) -> Heard:
    """What the package says of random recordings and of clips.

    Args:
        recogniser: that was exported.
        reads: what the folder reads.
        clips: waveforms (n_samples,).
        seed: of the random ones.
    """
    rng = np.random.default_rng(seed)
    extractor = get(recogniser.inputs.features) if clips or reads != FRAMES else None
    if reads == FRAMES:
        recordings = [_noise(rng, recogniser) for _ in range(N_RANDOM)]
        recordings += [compute_waveform(clip, extractor) for clip in clips if extractor]
        frames = recordings
    else:
        recordings = [_voice(rng, seconds) for seconds in _durations(rng, reads)]
        recordings += [np.asarray(clip, dtype=np.float32) for clip in clips]
        frames = [compute_waveform(one, extractor) for one in recordings if extractor]
    expected = np.stack([recogniser.predict(of_one) for of_one in frames])
    return Heard(recordings, expected, N_RANDOM)


def check(folder: Path, recogniser: Recogniser, heard: Heard) -> Parity:
    """Compare a folder with the package.

    Raises:
        UndertoneError: they lie further apart than is allowed, or the folder does not run.
    """
    found = measure(folder, recogniser, heard)
    for what, difference in (("package", found.largest), ("same alone", found.in_batches)):
        if not difference <= TOLERANCE:
            versions = (f"{name} {importlib.metadata.version(name)}" for name in REPORTED)
            where = "" if what == "package" else " in a batch"
            raise UndertoneError(
                f"the exported graph{where} and the {what} differ by {difference:.2g} on "
                f"{len(heard.recordings)} recordings, where at most {TOLERANCE:g} is allowed: "
                f"nothing was written; please report it, with {', '.join(versions)}"
            )
    return found


REPORTED = ("onnx", "onnxruntime", "numpy", "torch")


def measure(folder: Path, recogniser: Recogniser, heard: Heard) -> Parity:
    """How far they lie apart, whatever that is."""
    alone, together = _as_stranger(folder, heard.recordings)
    span, n_random = _span(recogniser.task, heard.expected), heard.n_random
    if alone.shape != heard.expected.shape:
        raise UndertoneError(
            f"the exported graph gives {alone.shape[1:]} values, expected "
            f"{heard.expected.shape[1:]}: nothing was written; please report it"
        )
    return Parity(
        n_random,
        len(heard.recordings) - n_random,
        _largest(alone - heard.expected) / span,
        _largest(together - alone) / span,
    )


def _span(task: Task, expected: np.ndarray) -> float:
    """What a difference is a share of: of a scale that nobody tells, the range of the answers."""
    if task.kind == CHOICE:
        return 1.0
    if np.isfinite(task.high - task.low):
        return float(task.high - task.low)
    height = float(np.abs(expected).max())
    return max(float(np.ptp(expected)), SMALLEST_SHARE * height) or 1.0


def _largest(differences: np.ndarray) -> float:
    """Infinite where any is no number."""
    return float(np.nan_to_num(np.abs(differences), nan=np.inf, posinf=np.inf).max())


def _as_stranger(folder: Path, recordings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(n_recordings, n_outputs) one by one and in batches, in a process without Undertone."""
    with tempfile.TemporaryDirectory() as scratch:
        given, *said = (Path(scratch) / name for name in ("given.npz", "alone.npy", "batch.npy"))
        np.savez(given, **{str(i): one for i, one in enumerate(recordings)})  # type: ignore[arg-type]
        done = subprocess.run(
            [sys.executable, "-c", STRANGER, given, *said, str(A_BATCH)],
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise UndertoneError(
                f"the exported folder does not run without Undertone ({last}): nothing was "
                "written; please report it"
            )
        alone, together = (np.load(path) for path in said)
    return alone, together


def _durations(rng: np.random.Generator, reads: str) -> list[float]:
    """Seconds of each random recording; the first is the shortest that there is."""
    shortest_s = FEW_FRAMES_S if reads == WAVEFORM else SHORTEST_S
    drawn = np.exp(rng.uniform(np.log(shortest_s), np.log(LONGEST_S), N_RANDOM))
    drawn[0] = shortest_s
    if reads == WAVEFORM:
        drawn[1] = IN_PIECES_S
    return [float(seconds) for seconds in drawn]


def _voice(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """(n_samples,) harmonics whose pitch and loudness go up and down, and noise."""
    n = max(round(seconds * audio.SAMPLE_RATE), round(SHORTEST_S * audio.SAMPLE_RATE))
    time_s = np.arange(n) / audio.SAMPLE_RATE
    pitch = rng.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.3, 2) * time_s))
    phase = 2 * np.pi * np.cumsum(pitch) / audio.SAMPLE_RATE
    harmonics = itertools.count(1)
    heights = rng.uniform(0.2, 1, 12)
    tone = sum(
        height / k * np.sin(k * phase) for k, height in zip(harmonics, heights, strict=False)
    )
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(2, 5) * time_s + rng.uniform(0, 6))
    return (0.1 * loudness * tone + NOISE * rng.normal(size=n)).astype(np.float32)


def _noise(rng: np.random.Generator, recogniser: Recogniser) -> np.ndarray:
    """(n_frames, n_features) about as the model's own, some of them no numbers."""
    normaliser = recogniser.inputs.normaliser
    sd = np.where(np.isfinite(normaliser.sd), normaliser.sd, 1)
    n_frames = int(np.exp(rng.uniform(0, np.log(MOST_FRAMES))))
    frames = normaliser.mean + sd * rng.normal(size=(n_frames, len(sd)))
    frames[rng.random(frames.shape) < 0.01] = np.nan
    return np.asarray(frames, dtype=np.float32)
