"""A model and recordings in, emotions out: one with its probabilities, or amounts of each.

In:  a folder that ``finetune`` wrote, or none for the starter model; recordings, folders, a table
     of segments, arrays.
Out: one ``Prediction`` a row, in the order given; what cannot be read is reported in its place and
     stops nothing.

What is heard in a recording ``hearing`` tells, how sure an answer must be ``sureness``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone import jobs
from undertone.errors import ExhaustedError, UndertoneError
from undertone.serving import given as recordings
from undertone.serving.given import MIX, Given, Item
from undertone.serving.hearing import Heard, hear, place_of
from undertone.serving.said import What
from undertone.serving.sureness import UNSURE, Answer, Judge, Terms, named

if TYPE_CHECKING:
    import numpy as np

    from undertone.recogniser.folder import Recogniser
    from undertone.serving.predictions import Predictions
    from undertone.tasks import Task


@dataclass(frozen=True)
class Prediction:
    """What a recogniser says of one recording.

    Attributes:
        file: as the caller named it.
        values: by output: probabilities that sum to 1, or amounts; empty where the recording could
            not be used, or is nothing to judge.
        emotion: the most probable one; None of amounts, where it is held back, and where the
            recording could not be used.
        error: why it could not be used, None otherwise.
        instead: what answered because no transcript was known, of a model that reads them; or "".
        note: what weakens it, or why it is held back; None otherwise.
        start_s: of the segment, in seconds.
        end_s: of the segment; None for the end of the file.
        channel: counted from 1; None for the mean of all.
        doubt: why the answer is held back, or would be, in a word: no speech, too short, too noisy,
            unlike training, unsure; None where nothing speaks against it.
        within: emotions among which the true one is as often as a coverage asks, the likeliest
            first; None where none was asked for.
        intervals: by amount, the lowest and the highest that a coverage asks for.
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
    doubt: str | None = None
    within: tuple[str, ...] | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a JSON line or a CSV row holds them.

        Of classes: file, emotion, p_<emotion>, with a coverage set, doubt, error, note; of amounts
        the outputs, each with its interval, in the place of emotion and p_<emotion>. Behind the
        file stand start and end of a segment, and the channel, where the recording is not taken
        whole.
        """
        place: dict[str, Any] = {"file": self.file}
        if self.start_s or self.end_s is not None:
            place |= {"start": self.start_s, "end": self.end_s}
        if self.channel is not None:
            place["channel"] = self.channel
        if self.error is not None:
            return {**place, "emotion": None, "doubt": None, "error": self.error, "note": None}
        said = Answer(self.values, self.emotion, self.within, self.intervals, self.doubt)
        is_choice = self.emotion is not None or not self.values or self.doubt == UNSURE
        return {**place, **named(said, is_choice=is_choice), "error": None, "note": self.note}


def columns_of(task: "Task", given: Given, terms: Terms | None = None) -> list[str]:
    """Names of the columns of a table of predictions."""
    place = ["file", *(["start", "end"] if given.has_segments else [])]
    place += ["channel"] if given.has_channels else []
    return [*place, *(terms or Terms()).columns(task), "error", "note"]


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
    coverage: float | None = None,
    min_probability: float | None = None,
    answer_anyway: bool = False,
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
        coverage: how often the emotions that an answer holds, or the intervals of its amounts, are
            to hold the truth, such as .9; None for none.
        min_probability: of the likeliest emotion, below which none is named.
        answer_anyway: name an emotion even of what is no speech, too short, too noisy or unlike
            anything in training.

    Returns:
        The predictions, one a row, also for what could not be read: an iterator with ``to_frame``.

    Raises:
        UndertoneError: the model cannot be loaded, needs another version of its features, reads
            no words where transcripts are given, or cannot promise the coverage; or there is
            nothing to predict.
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
    terms = Terms(coverage, min_probability, answer_anyway)
    rows = stream(recogniser, given, said, workers=workers, name=name, terms=terms)
    columns = columns_of(recogniser.task, given, terms)
    return Predictions(rows, columns, len(given.items), given.remarks)


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
    terms: Terms | None = None,
) -> Iterator[Prediction]:
    """Predictions in the order of what is given, as they are made; none of them is kept.

    Args:
        recogniser: that predicts.
        given: rows.
        said: what is said in them.
        workers: processes.
        name: of the model, in commands that notes name.
        terms: how sure an answer must be.
    """
    said, terms = said or What(), terms or Terms()
    terms.check(recogniser)
    if said.is_given and recogniser.reader is None:
        raise UndertoneError(
            f"the system {recogniser.system} of this model reads no words: leave --transcript, "
            "--transcripts and --asr out, or train one with `undertone finetune --text MODEL`"
        )
    shared = workers > 1 or jobs.cores_elsewhere() > 0
    if shared and said.asr:
        raise UndertoneError("--asr hears in one process: leave --workers and --cluster out")
    transcripts = said.of([Path(item.file) for item in given.items])
    pairs = zip(given.items, transcripts, strict=True)
    if shared:
        from undertone.serving.at_work import in_processes

        told = ((item, words()) for item, words in pairs)
        return in_processes(recogniser, told, workers=workers, name=name, terms=terms)
    judge = Judge.of(recogniser, terms)
    return (predict_item(recogniser, item, words, name=name, judge=judge) for item, words in pairs)


def predict_item(
    recogniser: "Recogniser",
    item: Item,
    words: Callable[[], str | None] = lambda: None,
    *,
    name: str = "MODEL",
    judge: Judge | None = None,
) -> Prediction:
    """One row; whatever is wrong with a recording is told in it."""
    judge = judge or Judge.of(recogniser, Terms())
    try:
        if item.error:
            raise UndertoneError(item.error)
        found = hear(recogniser, item, words, name=name, anyway=judge.terms.anyway)
    except ExhaustedError:
        raise
    except UndertoneError as error:
        told = str(error)  # who hears samples knows no file
        return failed(item, told if str(item.file) in told else f"{item.file}: {told}")
    except MemoryError:
        return failed(item, f"{item.file} needs more memory than there is")
    except Exception as error:  # one recording must not cost the others hours of work
        return failed(item, f"{item.file}: {type(error).__name__}: {error} (please report it)")
    return prediction_of(judge, item, found)


def prediction_of(judge: Judge, item: Item, found: Heard) -> Prediction:
    """What is said of a recording, in which this was heard."""
    said = judge.answer(found.values, found.doubt)
    return Prediction(
        item.file,
        said.values,
        said.emotion,
        note=found.note,
        instead=found.instead,
        doubt=said.doubt,
        within=said.within,
        intervals=said.intervals,
        **place_of(item),
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


def failed(item: Item, error: str) -> Prediction:
    return Prediction(item.file, error=error, **place_of(item))
