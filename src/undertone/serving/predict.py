"""A model folder and recordings in, emotions with their probabilities out.

In:  a folder that ``finetune`` wrote, and audio files.
Out: one ``Prediction`` a file, in the order given; a file that cannot be read is reported in its
     place and stops nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.training.recognizer import Recognizer


@dataclass(frozen=True)
class Prediction:
    """What a recogniser says of one recording.

    Attributes:
        file: as the caller named it.
        emotion: the most probable one; None where the recording could not be used.
        probabilities: by emotion, they sum to 1; empty where the recording could not be used.
        error: why it could not be used, None otherwise.
    """

    file: str
    emotion: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a JSON line or a CSV row holds them."""
        if self.error is not None:
            return {"file": self.file, "emotion": None, "error": self.error}
        chances = {f"p_{name}": round(p, 6) for name, p in self.probabilities.items()}
        return {"file": self.file, "emotion": self.emotion, **chances, "error": None}


def predict(model: "Recognizer | Path | str", files: Iterable[Path | str]) -> Iterator[Prediction]:
    """Predict recordings one after the other.

    Args:
        model: a recogniser, or its folder.
        files: audio of any format, rate and channel count.

    Yields:
        A prediction a file, also for one that could not be read.

    Raises:
        UndertoneError: the model cannot be loaded, or needs another version of its features.
    """
    from undertone.training.recognizer import Recognizer, load

    recognizer = model if isinstance(model, Recognizer) else load(model)
    _check_features(recognizer)
    return (_predict_one(recognizer, Path(file)) for file in files)


def _predict_one(recognizer: "Recognizer", file: Path) -> Prediction:
    from undertone.features.store import extract_file

    try:
        frames, _ = extract_file(file, recognizer.inputs.features)
        chances = recognizer.probabilities(frames)
    except UndertoneError as error:
        return Prediction(str(file), error=str(error))
    by_emotion = {name: float(p) for name, p in zip(recognizer.task.outputs, chances, strict=True)}
    return Prediction(str(file), max(by_emotion, key=by_emotion.__getitem__), by_emotion)


def _check_features(recognizer: "Recognizer") -> None:
    from undertone.features.extractors import get

    inputs = recognizer.inputs
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
