"""Recordings whose voices are known: each predicted by the model adapted to its voice.

In:  a recogniser that can be adapted, recordings, and whose voice each is.
Out: a ``Prediction`` a recording, in the order given; of a voice with too few usable recordings, or
     of nobody knows whom, by the model as it is, and how many these were.
     ``adapt`` makes a model folder for one voice.

All recordings of a voice are heard before the first of them is predicted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from undertone.errors import UndertoneError, describe_some
from undertone.serving.given import Item
from undertone.serving.hearing import Heard, hear_vector
from undertone.serving.predict import Prediction, check_features, failed, prediction_of
from undertone.serving.sureness import Judge, Terms

if TYPE_CHECKING:
    from undertone.features.spoken import Doubt
    from undertone.recogniser.folder import Recogniser

CARD = "README.md"
ONE, FOLDER = "one", "folder"  # in the place of the name of a column
THIS_VOICE = "this voice"


@dataclass(frozen=True)
class ByVoice:
    """Predictions, and what must be said of them.

    Attributes:
        predictions: one a recording.
        remarks: sentences, the number of recordings that no voice was taken off among them.
    """

    predictions: list[Prediction]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """One recording: its vector, or why there is none; what speaks against judging it."""

    vector: np.ndarray | None = None
    doubt: "Doubt | None" = None
    note: str | None = None
    error: str | None = None


def voices_of(what: str, files: Sequence[Path], table: Path | None) -> list[str | None]:
    """Whose voice each recording is; None where a table leaves it open.

    Args:
        what: ``ONE``, ``FOLDER``, or a column of the table.
        files: recordings.
        table: that holds the column, by file or utterance.

    Raises:
        UndertoneError: a table is missing or not wanted, or it lacks the column or a recording.
    """
    if what in (ONE, FOLDER):
        if table is not None:
            raise UndertoneError(
                f"--by-speaker {what} asks no table: leave --speakers out, or name its column, as "
                "--by-speaker speaker"
            )
        return [THIS_VOICE if what == ONE else str(file.parent) for file in files]
    if table is None:
        raise UndertoneError(
            f"--by-speaker takes {ONE} (all recordings are of one voice), {FOLDER} (a folder a "
            f"voice), or a column of a table that --speakers names; found {what!r} and no table"
        )
    from undertone.corpora.speakers import of_files

    return of_files(table, files, what)


def predict_by_voice(
    model: "Recogniser | Path | str",
    files: Iterable[Item | Path | str] | Path | str,
    voices: Sequence[str | None],
    terms: Terms | None = None,
) -> ByVoice:
    """Predict recordings, what is each speaker's own taken off.

    What is no speech, or too noisy, tells nothing of a voice and is not used to learn it.

    Args:
        model: a recogniser that can be adapted, or its folder.
        files: one or several; segments of files as ``Item``.
        voices: of each; None where it is not known.
        terms: how sure an answer must be.

    Raises:
        UndertoneError: the model cannot be loaded or adapted, or cannot meet the terms.
    """
    from undertone.models.voices import FEWEST_RECORDINGS
    from undertone.recogniser.adapted import adapt_to, lopsided

    recogniser, items, terms = _opened(model), _items(files), terms or Terms()
    terms.check(recogniser)
    parts, remarks = [_hear(recogniser, item) for item in items], list[str]()
    predictions: dict[int, Prediction] = {}
    as_they_are, few = 0, list[str]()
    for voice, rows in _rows_by(voices).items():
        vectors = _vectors([parts[i] for i in rows])
        own = recogniser
        if voice is None or len(vectors) < FEWEST_RECORDINGS:
            as_they_are += len(vectors)
            few += [] if voice is None or not len(vectors) else [f"{voice}: {len(vectors)}"]
        else:
            own = adapt_to(recogniser, vectors, voice)
            remarks += filter(None, [lopsided(recogniser, vectors, voice)])
        judge = Judge.of(own, terms)
        predictions |= {i: _predict(own, judge, items[i], parts[i]) for i in rows}
    if as_they_are:
        who = f" ({describe_some(few)})" if few else ""
        remarks.append(
            f"{as_they_are} of {len(items)} recordings were predicted as if nothing were known of "
            f"their voice: it is not told, or has fewer than {FEWEST_RECORDINGS} usable "
            f"recordings{who}"
        )
    return ByVoice([predictions[i] for i in range(len(items))], remarks)


def adapt(
    model: Path | str, recordings: Sequence[Path], out: Path, *, voice: str | None = None
) -> tuple["Recogniser", list[str]]:
    """Adapt a model to one voice and write its folder.

    Args:
        model: folder of a recogniser that can be adapted.
        recordings: files of this voice, or folders of them.
        out: folder of the adapted model.
        voice: whose; by default the name of the folder of the recordings, or else of ``out``.

    Returns:
        The adapted recogniser, and what must be said of the recordings.

    Raises:
        UndertoneError: the model cannot be loaded or adapted, or the recordings are too few.
    """
    from undertone import atomic
    from undertone.models.voices import FEWEST_RECORDINGS
    from undertone.recogniser.adapted import adapt_to, lopsided
    from undertone.recogniser.card import adapted_card
    from undertone.recogniser.folder import RECOGNISER, check_free

    model = Path(model)
    check_free(out, RECOGNISER, beside=model, what="the model")
    recogniser = _opened(model)
    files, remarks = _files_below(recordings)
    named_by = recordings[0] if len(recordings) == 1 and recordings[0].is_dir() else out
    voice = voice or named_by.absolute().name
    parts = [_hear(recogniser, Item(str(file))) for file in files]
    pairs = zip(files, parts, strict=True)
    failed = [f"{file}: {why}" for file, part in pairs if (why := _useless(part))]
    if failed:
        remarks.append(
            f"{len(failed)} of {len(files)} recordings could not be used: {describe_some(failed)}"
        )
    vectors = _vectors(parts)
    if failed and len(vectors) < FEWEST_RECORDINGS:
        raise UndertoneError(
            f"{len(vectors)} usable recordings of {voice}, fewer than {FEWEST_RECORDINGS}; "
            f"{remarks[-1]}"
        )
    adapted = adapt_to(recogniser, vectors, voice)
    remarks += filter(None, [lopsided(recogniser, vectors, voice)])
    with atomic.held(out):
        card = adapted_card(_card_of(model), voice, len(vectors), remarks)
        adapted.save(out, card)
    return adapted, remarks


def _opened(model: "Recogniser | Path | str") -> "Recogniser":
    from undertone.recogniser.adapted import adaptable
    from undertone.recogniser.folder import Recogniser, load

    recogniser = model if isinstance(model, Recogniser) else load(model)
    check_features(recogniser)
    adaptable(recogniser)
    return recogniser


def _card_of(model: Path) -> str:
    """The card in a model folder; a title where none can be read."""
    try:
        return (model / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "# Recogniser\n"


def _items(files: Iterable[Item | Path | str] | Path | str) -> list[Item]:
    named = [files] if isinstance(files, str | Path) else files
    return [one if isinstance(one, Item) else Item(str(one)) for one in named]


def _files_below(recordings: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Files, and all sound below folders; what was passed over is told.

    Raises:
        UndertoneError: there is none.
    """
    from undertone.corpora.media import find

    files, remarks = list[Path](), list[str]()
    for path in recordings:
        if not path.is_dir():
            files.append(path)
            continue
        found = find(path)
        files += found.audio
        if over := [f"{file}: {reason}" for file, reason in found.passed_over]:
            remarks.append(f"{len(over)} files were passed over: {describe_some(over)}")
    twice = len(files) - len({file.resolve() for file in files})
    if twice:
        files = list({file.resolve(): file for file in files}.values())
        remarks.append(f"{twice} recordings were named twice and count once")
    if not files:
        raise UndertoneError(
            f"no recordings in {describe_some(recordings)}; name files of sound, or folders of them"
        )
    return files, remarks


def _hear(recogniser: "Recogniser", item: Item) -> _Part:
    """A recording's vector; why there is none where it cannot be read."""
    try:
        vector, doubt, note = hear_vector(recogniser, item)
        return _Part(vector, doubt, note)
    except UndertoneError as error:
        return _Part(error=str(error))


def _useless(part: _Part) -> str | None:
    """Why a recording tells nothing of a voice."""
    return part.doubt.why if part.doubt is not None else part.error


def _predict(recogniser: "Recogniser", judge: Judge, item: Item, part: _Part) -> Prediction:
    if part.vector is None:
        return failed(item, str(part.error))
    values, unlike = recogniser.judge_vector(part.vector)
    doubt, note = part.doubt or unlike, part.note
    if unlike is not None and part.doubt is None:
        note = "; ".join(filter(None, (unlike.why, note)))
    return prediction_of(judge, item, Heard(values, doubt, note))


def _vectors(parts: Sequence[_Part]) -> np.ndarray:
    """(n_usable, n_values) of what is speech."""
    usable = [p.vector for p in parts if p.vector is not None and p.doubt is None]
    return np.stack(usable) if usable else np.zeros((0, 0))


def _rows_by(voices: Sequence[str | None]) -> Mapping[str | None, list[int]]:
    rows: dict[str | None, list[int]] = {}
    for row, voice in enumerate(voices):
        rows.setdefault(voice, []).append(row)
    return rows
