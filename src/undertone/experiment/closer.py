"""A closer look at the system that a run recommends: on whom it does worse, and where it fails.

In:  a result, predictions and what they are of, the corpus.
Out: the result with ``People`` and ``Miss``es, of the largest budget and the first test part.

The ten worst utterances are embedded as sound, so that the report stays one file: the first
seconds of each, as MP3 of one channel at 16 kHz. Whoever wants to hand a report on and not the
voices leaves them out.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import soundfile

from undertone import audio
from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.evaluation.curves import Key, Truth
from undertone.evaluation.groups import Group, People, by_group, by_speaker
from undertone.evaluation.intervals import resample
from undertone.evaluation.misses import Miss, worst
from undertone.evaluation.predictions import Tested
from undertone.evaluation.report.result import CurveResult
from undertone.features.store import recordings_of

LONGEST_S = 8.0  # of a sound that is embedded
SHARED = ("sex", "language")  # columns of a corpus that speakers have in common


def looked_at_closely(
    result: CurveResult,
    predictions: Mapping[Key, np.ndarray],
    tested: Tested,
    corpus: Corpus,
    *,
    sounds: bool,
) -> CurveResult:
    """The same with who is told well and what is told worst; the sounds only where asked for."""
    if result.advice is None:
        return result
    values = predictions[result.advice.system, result.budgets[-1]]
    rows = next(iter(tested.apart().values()))
    misses = tuple(worst(values, tested, rows))
    return replace(
        result,
        people=_people(result, values, corpus, (tested, rows)),
        misses=_with_sound(misses, corpus) if sounds else misses,
        sounds=sounds,
    )


def _people(
    result: CurveResult, values: np.ndarray, corpus: Corpus, where: tuple[Tested, np.ndarray]
) -> People:
    """On the rows of the first test part."""
    tested, rows = where
    assert result.advice is not None, "whoever asks has looked"
    names, speaker = np.unique(np.array(tested.speakers)[rows], return_inverse=True)
    truth = Truth(
        tested.task,
        tested.truth[rows],
        speaker,
        resample(len(names), n_replicates=result.n_replicates),
    )
    of_speaker = by_speaker(values[:, rows], truth)
    counts = np.bincount(speaker)
    utterances = np.array(tested.utterances, dtype=object)[rows]
    groups: dict[str, tuple[Group, ...]] = {}
    for column in SHARED:
        shared = _shared(corpus, column, utterances, speaker)
        if found := by_group(values[:, rows], truth, shared):
            groups[column] = found
    return People(
        result.advice.system,
        result.budgets[-1],
        {
            str(name): (float(score), int(n))
            for name, score, n in zip(names, of_speaker, counts, strict=True)
        },
        groups,
    )


def _shared(
    corpus: Corpus, column: str, utterances: Sequence[str], speaker: np.ndarray
) -> list[str | None]:
    """(n_speakers,) what a column says of each speaker; None where it says nothing, or two things.

    Somebody who speaks two languages is in no group of one.
    """
    said = dict(zip(corpus.table["utterance"], corpus.table[column], strict=True))
    told: list[set[str]] = [set() for _ in range(int(speaker.max()) + 1)]
    for name, who in zip(utterances, speaker, strict=True):
        if isinstance(value := said.get(name), str):
            told[who].add(value)
    return [next(iter(values)) if len(values) == 1 else None for values in told]


def _with_sound(misses: Sequence[Miss], corpus: Corpus) -> tuple[Miss, ...]:
    """The same with what can be read of them; a file that is gone costs its sound alone."""
    wanted = {miss.utterance for miss in misses}
    named = corpus.table["utterance"].isin(wanted)
    recordings = recordings_of(replace(corpus, table=corpus.table[named]))
    found = []
    for miss in misses:
        try:
            recording = recordings[miss.utterance]
            waveform = audio.read(recording.path, start_s=recording.start_s, end_s=recording.end_s)
            found.append(replace(miss, sound=_mp3(waveform), cut=_is_longer(waveform)))
        except (KeyError, OSError, UndertoneError):
            found.append(miss)
    return tuple(found)


def _is_longer(waveform: np.ndarray) -> bool:
    return len(waveform) > LONGEST_S * audio.SAMPLE_RATE


def _mp3(waveform: np.ndarray) -> bytes:
    """The first seconds; b"" where the library of sound files writes no MP3."""
    if "MP3" not in soundfile.available_formats():
        return b""
    begin, content = waveform[: int(LONGEST_S * audio.SAMPLE_RATE)], io.BytesIO()
    loudest = max(1.0, float(np.abs(begin).max(initial=0)))
    soundfile.write(
        content, begin / loudest, audio.SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III"
    )
    return content.getvalue()
