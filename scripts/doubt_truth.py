"""How often real speech is taken for no speech, and how often other sounds are not refused.

    python scripts/doubt_truth.py --corpus emodb=PATH --corpus ravdess=PATH [--model FOLDER]

Prints, by corpus and condition, how many recordings give cause for doubt and why; and, where a
model is named, how often its likeliest emotion is right among those that are answered and among
those that are not. The corpus should be none that the model heard. Sounds that nobody speaks are
those of ``not_speech``. Tones, tunes and machines are refused before any model is asked; what is
unlike a model's training is told where it is named.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import not_speech
import numpy as np

from undertone import audio, corpora
from undertone.audio import alterations
from undertone.errors import UndertoneError
from undertone.features.store import recordings_of
from undertone.features.workers import read
from undertone.recogniser.folder import Recogniser
from undertone.serving.hearing import hear_waveform
from undertone.serving.predict import loaded

Alter = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def noisy(snr_db: float, tilt: float = 0.0) -> Alter:
    return lambda waveform, rng: alterations.with_noise(waveform, rng, snr_db=snr_db, tilt=tilt)


def middle(lasts_s: float) -> Alter:
    """So much of the middle."""

    def cut(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n, m = round(lasts_s * audio.SAMPLE_RATE), len(waveform) // 2
        return waveform[max(0, m - n // 2) :][:n]

    return cut


CONDITIONS: Mapping[str, Alter] = {
    "clean": lambda waveform, rng: waveform,
    "telephone": lambda waveform, rng: alterations.telephoned(waveform),
    "white noise 10 dB": noisy(10),
    "brown noise 10 dB": noisy(10, 1.0),
    "white noise 5 dB": noisy(5),
    "white noise 0 dB": noisy(0),
    "white noise -5 dB": noisy(-5),
    "1 s of it": middle(1.0),
    ".5 s of it": middle(0.5),
    ".2 s of it": middle(0.2),
}


def main() -> None:
    """Measure and print."""
    asked = _asked()
    model = loaded(asked.model)
    for specification in asked.corpus:
        corpus = corpora.open(specification)
        recordings, rng = recordings_of(corpus), np.random.default_rng(0)
        emotion = dict(zip(corpus.table["utterance"], corpus.table["emotion"], strict=True))
        names = sorted(recordings)
        some = [names[i] for i in rng.permutation(len(names))[: asked.some]]
        for condition, alter in CONDITIONS.items():
            rows = names if condition == "clean" and asked.all else some
            waveforms = ((emotion[n], alter(read(recordings[n]), rng)) for n in rows)
            print(f"| {corpus.name}, {condition} | {_told(waveforms, model)} |", flush=True)
    for bank in (not_speech.known, not_speech.strange):
        sounds = ((None, sound) for sound in bank().values())
        print(f"| {bank.__name__} sounds | {_told(sounds, model)} |")


def _told(waveforms: Iterator[tuple[str | None, np.ndarray]], model: Recogniser) -> str:
    """How many, in doubt by reason, and right of those answered and of the others."""
    doubts: Counter[str] = Counter()
    right: dict[bool, list[bool]] = {True: [], False: []}
    n = 0
    for emotion, waveform in waveforms:
        n += 1
        try:
            samples = np.asarray(waveform, np.float32)
            sound = audio.from_array(samples, audio.SAMPLE_RATE, name="it")
        except UndertoneError:
            doubts["silent"] += 1
            continue
        values, doubt = hear_waveform(model, sound, anyway=True)
        if doubt is not None:
            doubts[doubt.what] += 1
        if emotion in model.task.outputs and values is not None:
            said = model.task.outputs[int(values.argmax())]
            right[doubt is None].append(said == emotion)
    why = ", ".join(f"{what} {k / n:.1%}" for what, k in doubts.most_common())
    shares = (f"{np.mean(r):.2f} of {len(r)}" if r else "" for r in right.values())
    return f"{n} | {doubts.total() / n:.1%} | {why} | {' | '.join(shares)}"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", action="append", required=True, help="NAME=PATH")
    parser.add_argument("--model", type=Path, help="folder; else the starter model")
    parser.add_argument("--some", type=int, default=150, help="recordings a condition")
    parser.add_argument("--all", action="store_true", help="all of them as they are")
    return parser.parse_args()


if __name__ == "__main__":
    main()
