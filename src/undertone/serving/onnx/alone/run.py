"""What this model says of recordings: ``python run.py one.wav two.wav`` prints a table.

It needs this folder, NumPy, onnxruntime and soundfile, and SciPy where there is a folder
``features``; nothing of Undertone. Recordings have 16,000 Hz, or soxr is installed, too.
In your own program: ``Model().of(waveform)``, or ``Model().values(recordings)`` for a batch.
"""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
PART_S, SHORTEST_S = 60.0, 10.0  # a long recording is heard in parts
SILENCE_PEAK = 1e-4
LEAST_S = 0.1


class Model:
    """The model of a folder."""

    def __init__(self, folder: Path = HERE, graph: str = "model.onnx", threads: int = 0) -> None:
        import onnxruntime

        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads  # 0: as many as there are cores
        self.session = onnxruntime.InferenceSession(
            str(folder / graph), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = {value.name for value in self.session.get_inputs()}

    def of(self, recording: np.ndarray) -> np.ndarray:
        """(n_outputs,) of a waveform (n_samples,) at 16,000 Hz, or of frames where it reads them.

        A long recording is the mean of its parts, each by how long it is; silent ones do not count.
        """
        parts = [recording] if self.reads_frames else list(parts_of(recording, self.rate))
        values = np.concatenate([self.values([part]) for part in parts])
        found: np.ndarray = np.average(values, axis=0, weights=[len(part) for part in parts])
        return found

    def values(self, recordings: Sequence[np.ndarray]) -> np.ndarray:
        """(n_recordings, n_outputs) of a batch; who else is in it changes no answer."""
        given = {name: array for name, array in self._given(recordings) if name in self.inputs}
        values: np.ndarray = self.session.run(None, given)[0]
        return values

    def told(self, values: np.ndarray) -> dict[str, Any]:
        """A row of the table: probabilities, or amounts within their scale."""
        if self.config["kind_of_task"] != "choice":
            low, high = self.config["scale"]  # None where it has no end
            values = values if low is None and high is None else values.clip(low, high)
            return dict(zip(self.config["outputs"], map(float, values), strict=True))
        named = {
            f"p_{name}": float(p) for name, p in zip(self.config["outputs"], values, strict=True)
        }
        return {"emotion": self.config["outputs"][int(values.argmax())], **named}

    @property
    def rate(self) -> int:
        rate: int = self.config["rate"]
        return rate

    @property
    def reads_frames(self) -> bool:
        """Whether frames are given, and no recordings: files of them are .npy or .csv."""
        return bool(self.config["reads"] == "frames")

    def _given(self, recordings: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
        if self.config["reads"] == "waveform":
            yield "waveforms", padded(recordings)
        elif self.config["carries_features"]:
            import features

            if not self.reads_frames:
                recordings = [features.frames(waveform) for waveform in recordings]
            if "vectors" in self.inputs:
                block, columns = self.config["vectors"], self.config["columns"]
                made = [features.vector(block, frames, columns) for frames in recordings]
                yield "vectors", np.stack(made)
        if self.config["reads"] != "waveform" and "frames" in self.inputs:
            yield "frames", padded(recordings)
        yield "lengths", np.array([len(one) for one in recordings], dtype=np.int64)


def padded(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """(n_arrays, longest, ...) float32, zeros behind each."""
    longest = max(len(array) for array in arrays)
    together = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), dtype=np.float32)
    for row, array in zip(together, arrays, strict=True):
        row[: len(array)] = array
    return together


def parts_of(waveform: np.ndarray, rate: int) -> Iterator[np.ndarray]:
    """Parts of (n_samples,) that can be heard.

    Raises:
        ValueError: it is too short, silent or not finite.
    """
    if len(waveform) < LEAST_S * rate:
        raise ValueError(
            f"a recording of {len(waveform)} samples is too short: {LEAST_S} s at least"
        )
    if not np.isfinite(waveform).all():
        raise ValueError("a recording holds samples that are NaN or infinite")
    if np.abs(waveform).max() < SILENCE_PEAK:
        raise ValueError("a recording is silent")
    most, least = round(PART_S * rate), round(SHORTEST_S * rate)
    while len(waveform):
        part = waveform[: most if len(waveform) >= most + least else None]
        if np.abs(part).max() >= SILENCE_PEAK:
            yield part
        waveform = waveform[len(part) :]


def read(path: str, model: Model) -> np.ndarray:
    """(n_samples,) float32 of a recording, the mean of its channels; or (n_frames, n_features).

    Raises:
        ValueError: it is of another rate and soxr is not there, or frames have other columns.
    """
    if model.reads_frames:
        return _read_frames(path, model.config["columns"])
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    waveform: np.ndarray = samples.mean(axis=1, dtype=np.float32)
    if rate == model.rate:
        return waveform
    try:
        import soxr
    except ImportError:
        raise ValueError(
            f"{path} has {rate} Hz, expected {model.rate}: `pip install soxr`, or "
            f"`ffmpeg -i {path} -ar {model.rate} -ac 1 converted.wav`"
        ) from None
    return np.asarray(soxr.resample(waveform, rate, model.rate), dtype=np.float32)


def _read_frames(path: str, columns: Sequence[str]) -> np.ndarray:
    """Of a .npy file, or of a table whose first line names its columns."""
    if path.endswith(".npy"):
        frames = np.load(path, allow_pickle=False)
    else:
        with open(path, newline="", encoding="utf-8") as file:
            names, *rows = csv.reader(file)
        if missing := set(columns) - set(names):
            raise ValueError(f"{path} has no columns {', '.join(sorted(missing)[:3])}")
        places = [names.index(name) for name in columns]
        frames = np.array([[float(row[place]) for place in places] for row in rows])
    if frames.ndim != 2 or frames.shape[1] != len(columns) or not len(frames):
        raise ValueError(f"{path} holds {frames.shape}, expected (n_frames, {len(columns)})")
    return np.asarray(frames, dtype=np.float32)


def main(paths: Sequence[str]) -> int:
    """Print a table; 1 where a recording could not be used."""
    model, writer, failed = Model(), None, 0
    for path in paths:
        try:
            row = {"file": path, **model.told(model.of(read(path, model)))}
        except (OSError, RuntimeError, ValueError) as error:  # soundfile's errors are of the second
            print(f"{path}: {error}", file=sys.stderr)
            failed = 1
            continue
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow({n: f"{v:.6f}" if isinstance(v, float) else v for n, v in row.items()})
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
