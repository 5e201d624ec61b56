"""A model and recordings in, emotions out: one with its probabilities, or amounts of each.

In:  a folder that ``finetune`` wrote, or none for the starter model; recordings, folders, a table
     of segments, arrays.
Out: one ``Prediction`` a row, in the order given; what cannot be read is reported in its place and
     stops nothing.

A recording is read part by part (``audio.streaming``); of a long one the answer is the mean of its
parts' answers, each by how long it is, and memory does not grow with it.
"""

import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.errors import ExhaustedError, UndertoneError
from undertone.serving import given as recordings
from undertone.serving.given import MIX, Given, Item
from undertone.serving.said import What

if TYPE_CHECKING:
    import numpy as np

    from undertone.recogniser.folder import Recogniser
    from undertone.serving.predictions import Predictions
    from undertone.tasks import Task

MUCH_SILENCE = 0.1  # of a recording, before and behind the sound
OF_SPEECH_ALONE = (("descriptors", "log_mel"),)  # systems and features that leave silence out
LONG_S = 20.0  # beyond which one answer covers more than people show of one emotion


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
        note: what weakens it: much of the recording is silence, or it is long; None otherwise.
        start_s: of the segment, in seconds.
        end_s: of the segment; None for the end of the file.
        channel: counted from 1; None for the mean of all.
    """

    file: str
    values: dict[str, float] = field(default_factory=dict)
    emotion: str | None = None
    error: str | None = None
    instead: str = ""
    note: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    channel: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a JSON line or a CSV row holds them.

        Of classes: file, emotion, p_<emotion>, error, note; of amounts the outputs in the place of
        emotion and p_<emotion>. Behind the file stand start and end of a segment, and the channel,
        where the recording is not taken whole.
        """
        place: dict[str, Any] = {"file": self.file}
        if self.start_s or self.end_s is not None:
            place |= {"start": self.start_s, "end": self.end_s}
        if self.channel is not None:
            place["channel"] = self.channel
        if self.error is not None:
            return {**place, "emotion": None, "error": self.error, "note": None}
        if self.emotion is None:
            values: dict[str, Any] = {name: round(value, 6) for name, value in self.values.items()}
        else:
            values = {"emotion": self.emotion}
            values |= {f"p_{name}": round(value, 6) for name, value in self.values.items()}
        return {**place, **values, "error": None, "note": self.note}


def columns_of(task: "Task", given: Given) -> list[str]:
    """Names of the columns of a table of predictions."""
    from undertone.tasks import CHOICE

    place = ["file", *(["start", "end"] if given.has_segments else [])]
    place += ["channel"] if given.has_channels else []
    is_choice = task.kind == CHOICE
    values = ["emotion", *(f"p_{name}" for name in task.outputs)] if is_choice else task.outputs
    return [*place, *values, "error", "note"]


def predict(
    model: "Recogniser | Path | str | None" = None,
    files: "Iterable[Path | str] | Path | str | np.ndarray | Sequence[np.ndarray] | None" = None,
    said: What | None = None,
    *,
    rate: int | None = None,
    recursive: bool = False,
    segments: Path | str | None = None,
    channel: str | int = MIX,
    workers: int = 1,
) -> "Predictions":
    """Predict recordings one after the other, as they are asked for.

    Args:
        model: a recogniser, its folder, or None for the starter model that comes with the package.
        files: recordings of any format, rate, length and channel count, or folders of them; one or
            several. With ``rate``: arrays, each (n_samples,) or (n_samples, n_channels).
        said: what is said in them, for a model that reads words.
        rate: Hz, of arrays.
        recursive: whether folders inside of folders are looked into.
        segments: a table with the columns file, start, end and perhaps channel.
        channel: ``"mix"``, ``"each"``, or the number of one, counted from 1.
        workers: processes; with 1 everything happens in this one.

    Returns:
        The predictions, one a row, also for what could not be read: an iterator with ``to_frame``.

    Raises:
        UndertoneError: the model cannot be loaded, needs another version of its features, or reads
            no words where transcripts are given; or there is nothing to predict.
    """
    from undertone.recogniser.starter import STARTER
    from undertone.serving.predictions import Predictions
    from undertone.serving.which import told_apart

    if files is None and segments is None and isinstance(model, str | Path):
        model, files = told_apart([Path(model)])
    recogniser, names = loaded(model), _names_in(files)
    if rate is not None or any(hasattr(one, "dtype") for one in names):
        given = recordings.of_arrays(names, rate)
    else:
        given = recordings.gather(
            names,
            recursive=recursive,
            segments=None if segments is None else Path(segments),
            channel=str(channel),
            keep_copies=said is not None and bool(said.told),
        )
    name = str(model) if isinstance(model, str | Path) else STARTER if model is None else "MODEL"
    rows = stream(recogniser, given, said, workers=workers, name=name)
    return Predictions(rows, columns_of(recogniser.task, given), len(given.items), given.remarks)


def loaded(model: "Recogniser | Path | str | None") -> "Recogniser":
    """The recogniser, whose features this version computes."""
    from undertone.recogniser.folder import Recogniser, load
    from undertone.recogniser.starter import starter_folder

    folder = starter_folder() if model is None else model
    recogniser = folder if isinstance(folder, Recogniser) else load(folder)
    check_features(recogniser)
    return recogniser


def stream(
    recogniser: "Recogniser",
    given: Given,
    said: What | None = None,
    *,
    workers: int = 1,
    name: str = "MODEL",
) -> Iterator[Prediction]:
    """Predictions in the order of what is given, as they are made; none of them is kept.

    Args:
        recogniser: that predicts.
        given: rows.
        said: what is said in them.
        workers: processes.
        name: of the model, in commands that notes name.
    """
    said = said or What()
    if said.is_given and recogniser.reader is None:
        raise UndertoneError(
            f"the system {recogniser.system} of this model reads no words: leave --transcript, "
            "--transcripts and --asr out, or train one with `undertone finetune --text MODEL`"
        )
    if workers > 1 and said.asr:
        raise UndertoneError("--asr hears in one process: leave --workers out")
    transcripts = said.of([Path(item.file) for item in given.items])
    pairs = zip(given.items, transcripts, strict=True)
    if workers > 1:
        from undertone.serving.at_work import in_processes

        told = ((item, words()) for item, words in pairs)
        return in_processes(recogniser, told, workers=workers, name=name)
    return (predict_item(recogniser, item, words, name=name) for item, words in pairs)


def predict_item(
    recogniser: "Recogniser",
    item: Item,
    words: Callable[[], str | None] = lambda: None,
    *,
    name: str = "MODEL",
) -> Prediction:
    """One row; whatever is wrong with a recording is told in it."""
    try:
        if item.error:
            raise UndertoneError(item.error)
        values, note, instead = _of_parts(recogniser, item, words, name)
    except ExhaustedError:
        raise
    except UndertoneError as error:
        return failed(item, str(error))
    except MemoryError:
        return failed(item, f"{item.file} needs more memory than there is")
    except Exception as error:  # one recording must not cost the others hours of work
        return failed(item, f"{item.file}: {type(error).__name__}: {error} (please report it)")
    return prediction_of(recogniser, item, values, note=note, instead=instead)


def heard(recogniser: "Recogniser", item: Item) -> "tuple[np.ndarray, str | None]":
    """(n_frames, n_features) frames of a recording, and what weakens a prediction of it.

    Raises:
        UndertoneError: it cannot be used, or is too long to be heard in one go.
    """
    from undertone import audio
    from undertone.features.extractors import get
    from undertone.features.workers import compute_waveform

    if item.error:
        raise UndertoneError(item.error)
    stretches = list(islice(_stretches(item), 2))
    if len(stretches) > 1:
        raise UndertoneError(
            f"{item.file} is too long to tell a voice by: cut it into recordings of one utterance"
        )
    (stretch,) = stretches
    frames = compute_waveform(stretch.waveform, get(recogniser.inputs.features))
    silent_s = audio.silence_around_s(stretch.waveform)
    return frames, _note_on_silence(recogniser, silent_s, stretch.lasts_s)


def prediction_of(
    recogniser: "Recogniser",
    item: Item,
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
        item.file,
        by_output,
        likeliest if task.kind == CHOICE else None,
        note=note,
        instead=instead,
        **_place(item),
    )


def check_features(recogniser: "Recogniser") -> None:
    """Refuse a model of other features than this version computes."""
    from undertone.features.extractors import get

    inputs = recogniser.inputs
    extractor = get(inputs.features)
    if extractor.version != inputs.version:
        raise UndertoneError(
            f"the model was trained on version {inputs.version} of {inputs.features}, this "
            f"Undertone computes version {extractor.version}; train it again, or "
            "install the version of Undertone that made it"
        )
    if extractor.columns != inputs.columns:
        raise UndertoneError(
            f"the model was trained on other columns than {inputs.features} has now; an encoder's "
            "folder must hold the weights it held then"
        )


def _names_in(files: Any) -> list[Any]:
    """Names or arrays, one or several."""
    import numpy as np

    if files is None:
        return []
    return [files] if isinstance(files, str | Path | np.ndarray) else list(files)


def _of_parts(
    recogniser: "Recogniser", item: Item, words: Callable[[], str | None], name: str
) -> "tuple[np.ndarray, str | None, str]":
    """(n_outputs,) mean over the parts, by their length; a note; what answered without words."""
    import numpy as np

    from undertone import audio
    from undertone.features.extractors import get
    from undertone.features.workers import compute_waveform

    extractor = get(recogniser.inputs.features)
    values: list[np.ndarray] = []
    lengths, silent_s, lasts_s, transcript = [], 0.0, 0.0, None
    for stretch in _stretches(item):
        lasts_s += stretch.lasts_s
        if stretch.waveform is None:
            silent_s += stretch.lasts_s
            continue
        silent_s += audio.silence_around_s(stretch.waveform)
        frames = compute_waveform(stretch.waveform, extractor)
        transcript = transcript if values else words()
        values.append(recogniser.predict(frames, transcript))
        lengths.append(len(stretch.waveform))
    answer = values[0] if len(values) == 1 else np.average(values, axis=0, weights=lengths)
    silence = _note_on_silence(recogniser, silent_s, lasts_s)
    notes = (silence, _note_on_length(item, lasts_s, name))
    return answer, "; ".join(filter(None, notes)) or None, recogniser.instead(transcript)


def _stretches(item: Item) -> Iterator[Any]:
    from undertone import audio
    from undertone.audio import streaming

    if item.samples is None:
        return streaming.read_parts(
            item.file, start_s=item.start_s, end_s=item.end_s, channel=item.channel
        )
    samples = audio.from_array(item.samples, item.rate, name=item.file)
    return streaming.parts_of_waveform(samples)


def _note_on_silence(recogniser: "Recogniser", silent_s: float, lasts_s: float) -> str | None:
    hears_it = (recogniser.system, recogniser.inputs.features) not in OF_SPEECH_ALONE
    if not hears_it or silent_s < MUCH_SILENCE * lasts_s:
        return None
    return (
        f"{silent_s:.1f} of {lasts_s:.1f} s are digital silence at its ends, which the prediction "
        "may be of: cut it off"
    )


def _note_on_length(item: Item, lasts_s: float, name: str) -> str | None:
    if lasts_s <= LONG_S:
        return None
    lasts = f"{lasts_s:.0f} s" if lasts_s < 120 else f"{lasts_s / 60:.0f} minutes"
    if item.samples is not None:
        return f"one answer covers all of its {lasts}"
    channel = [] if item.channel is None else ["--channel", str(item.channel)]
    command = shlex.join(["undertone", "timeline", name, item.file, *channel])
    return f"one answer covers all of its {lasts}: `{command}` tells what is heard when"


def failed(item: Item, error: str) -> Prediction:
    return Prediction(item.file, error=error, **_place(item))


def _place(item: Item) -> dict[str, Any]:
    end_s = None if item.end_s is None or math.isnan(item.end_s) else item.end_s
    return {"start_s": item.start_s, "end_s": end_s, "channel": item.channel}
