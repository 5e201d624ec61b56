"""A model folder and recordings in, emotions out: one with its probabilities, or amounts of each.

In:  a folder that ``finetune`` wrote, and audio files.
Out: one ``Prediction`` a file, in the order given; a file that cannot be read is reported in its
     place and stops nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.errors import UndertoneError
from undertone.serving.said import What

if TYPE_CHECKING:
    import numpy as np

    from undertone.recogniser.folder import Recogniser

MUCH_SILENCE = 0.1  # of a recording, before and behind the sound


@dataclass(frozen=True)
class Prediction:
    """What a recogniser says of one recording.

    Attributes:
        file: as the caller named it.
        values: by output: probabilities that sum to 1, or amounts; empty where the recording could
            not be used.
        emotion: the most probable one; None of amounts, and where the recording could not be used.
        error: why it could not be used, None otherwise.
        instead: what answered because no transcript was known, of a model that reads them; or "".
        note: what weakens it: much of the recording is silence; None otherwise.
    """

    file: str
    values: dict[str, float] = field(default_factory=dict)
    emotion: str | None = None
    error: str | None = None
    instead: str = ""
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a JSON line or a CSV row holds them.

        Of classes: file, emotion, p_<emotion>, error, note; of amounts the outputs in the place of
        emotion and p_<emotion>.
        """
        if self.error is not None:
            return {"file": self.file, "emotion": None, "error": self.error, "note": None}
        if self.emotion is None:
            values: dict[str, Any] = {name: round(value, 6) for name, value in self.values.items()}
        else:
            values = {"emotion": self.emotion}
            values |= {f"p_{name}": round(value, 6) for name, value in self.values.items()}
        return {"file": self.file, **values, "error": None, "note": self.note}


def predict(
    model: "Recogniser | Path | str",
    files: Iterable[Path | str] | Path | str,
    said: What | None = None,
) -> Iterator[Prediction]:
    """Predict recordings one after the other.

    Args:
        model: a recogniser, or its folder.
        files: audio of any format, rate and channel count; one or several.
        said: what is said in them, for a model that reads words.

    Yields:
        A prediction a file, also for one that could not be read.

    Raises:
        UndertoneError: the model cannot be loaded, needs another version of its features, or reads
            no words where transcripts are given.
    """
    from undertone.recogniser.folder import Recogniser, load

    recogniser = model if isinstance(model, Recogniser) else load(model)
    check_features(recogniser)
    if isinstance(files, str | Path):
        files = [files]
    said, paths = said or What(), [Path(file) for file in files]
    if said.is_given and recogniser.reader is None:
        raise UndertoneError(
            f"the system {recogniser.system} of this model reads no words: leave --transcript, "
            "--transcripts and --asr out, or train one with `undertone finetune --text MODEL`"
        )
    transcripts = said.of(paths)
    pairs = zip(paths, transcripts, strict=True)
    return (_predict_one(recogniser, file, words) for file, words in pairs)


def _predict_one(
    recogniser: "Recogniser", file: Path, words: Callable[[], str | None]
) -> Prediction:
    try:
        frames, note = heard(recogniser, file)
        transcript = words()
        values = recogniser.predict(frames, transcript)
    except UndertoneError as error:
        return Prediction(str(file), error=str(error))
    instead = recogniser.instead(transcript)
    return prediction_of(recogniser, file, values, note=note, instead=instead)


def heard(recogniser: "Recogniser", file: Path) -> "tuple[np.ndarray, str | None]":
    """(n_frames, n_features) frames of a recording, and what weakens a prediction of it.

    Raises:
        UndertoneError: it cannot be used.
    """
    from undertone import audio
    from undertone.features.extractors import get
    from undertone.features.workers import compute_waveform

    waveform = audio.read(file)
    frames = compute_waveform(waveform, get(recogniser.inputs.features))
    lasts_s = len(waveform) / audio.SAMPLE_RATE
    return frames, _note_on_silence(audio.silence_around_s(waveform), lasts_s)


def prediction_of(
    recogniser: "Recogniser",
    file: Path,
    values: "np.ndarray",
    *,
    note: str | None = None,
    instead: str = "",
) -> Prediction:
    """What (n_outputs,) values say of a recording."""
    from undertone.tasks import CHOICE

    task = recogniser.task
    if task.kind != CHOICE:
        values = values.clip(task.low, task.high)  # of the corpus's scale: what people are shown
    by_output = dict(zip(task.outputs, map(float, values), strict=True))
    likeliest = max(by_output, key=by_output.__getitem__)
    return Prediction(
        str(file),
        by_output,
        likeliest if task.kind == CHOICE else None,
        note=note,
        instead=instead,
    )


def _note_on_silence(silent_s: float, lasts_s: float) -> str | None:
    if silent_s < MUCH_SILENCE * lasts_s:
        return None
    return (
        f"{silent_s:.1f} of {lasts_s:.1f} s are digital silence at its ends, which the prediction "
        "may be of: cut it off"
    )


def check_features(recogniser: "Recogniser") -> None:
    from undertone.features.extractors import get

    inputs = recogniser.inputs
    extractor = get(inputs.features)
    if extractor.columns != inputs.columns:
        raise UndertoneError(
            f"the model was trained on other columns than {inputs.features} has now; an encoder's "
            "folder must hold the weights it held then"
        )
    if extractor.version != inputs.version:
        raise UndertoneError(
            f"the model was trained on version {inputs.version} of {inputs.features}, this "
            f"Undertone computes version {extractor.version}; train it again, or "
            "install the version of Undertone that made it"
        )
