"""How soon and how surely does a timeline show that an emotion changed?

    python scripts/timeline_truth.py --corpus emodb=PATH --features upstream:MODEL@all --labels 100
    python scripts/timeline_truth.py --corpus emodb=PATH --window 2 --window 4 --hop 0.5

In:  a labelled corpus; the features and the number of labels of the recogniser.
Out: of each length of window: F1 of changes within 1 s, UAR by time, delay until the true emotion
     is the likeliest; 95 % intervals over speakers.

Ground truth is made: for each speaker, clips of known emotion are joined in blocks of about
``BLOCK_S``, with pauses of ``PAUSE_S`` of faint noise between them, in an order that the seed
names. The recogniser has never heard the speaker. The beginnings of clips are hard cuts, as no
conversation has them, and blocks are acted: what is measured here is an upper bound.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from undertone import audio, corpora
from undertone.corpora.corpus import Corpus
from undertone.pipeline import Resources, finetune
from undertone.recogniser.folder import Recogniser
from undertone.recogniser.settings import FinetuneSettings
from undertone.serving.timeline import WindowConfig, timeline
from undertone.serving.timeline.listening import Where
from undertone.serving.timeline.truth import Block, Seen, f1_of_changes, recall_of_time, see

BLOCK_S = 8.0  # of clips of one emotion
PAUSE_S = 0.4  # between clips
MOST_BLOCKS = 24  # of a speaker
N_REPLICATES = 2_000


def main() -> None:
    """Print a row a window."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", required=True, help="labelled, NAME=PATH")
    parser.add_argument("--features", default="log_mel")
    parser.add_argument("--labels", type=int, help="all by default")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--window", type=float, action="append", help="seconds; repeatable")
    parser.add_argument("--hop", type=float, default=1.0)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    parser.add_argument("--out", type=Path, help="JSON of the same")
    given = parser.parse_args()
    corpus = corpora.open(given.corpus)
    seen: dict[float, dict[str, Seen]] = {window: {} for window in given.window or [4.0]}
    for left_out, recogniser in recognisers(corpus, given):
        for speaker, file, blocks in recordings(corpus, left_out, recogniser, given.seed):
            for window, of_window in seen.items():
                heard = timeline(
                    recogniser,
                    file,
                    settings=WindowConfig(window, min(given.hop, window)),
                    where=Where(detector=given.detector),
                )
                (track,) = heard.tracks
                outputs = list(map(str, recogniser.task.outputs))
                of_window[speaker] = see(blocks, heard.spells(track), heard.steps(track), outputs)
            print(f"{speaker}: {len(blocks)} blocks", flush=True)
    found = {window: summary(of_window, given.seed) for window, of_window in seen.items()}
    for window, row in found.items():
        print(f"{window:g} s: " + ", ".join(f"{name} {text}" for name, text in row.items()))
    if given.out:
        given.out.write_text(json.dumps(found, indent=2))


def recognisers(
    corpus: Corpus, given: argparse.Namespace
) -> Iterator[tuple[Sequence[str], Recogniser]]:
    """A recogniser for each group of speakers, of whom it heard nobody."""
    speakers = sorted(corpus.table["speaker"].dropna().unique())
    np.random.default_rng(given.seed).shuffle(speakers)
    settings = FinetuneSettings(
        features=given.features, labels=given.labels, folds=3, seed=given.seed
    )
    for group in np.array_split(speakers, given.folds):
        others = corpus.table[~corpus.table["speaker"].isin(group)]
        with tempfile.TemporaryDirectory() as folder:
            recogniser, _ = finetune(
                replace(corpus, table=others.reset_index(drop=True)),
                Path(folder) / "model",
                settings=settings,
                resources=Resources(given.cache, 1, False),
            )
        yield list(group), recogniser


def recordings(
    corpus: Corpus, speakers: Sequence[str], recogniser: Recogniser, seed: int
) -> Iterator[tuple[str, Path, list[Block]]]:
    """One recording of each speaker, with what is true of it."""
    table = corpus.table
    for number, speaker in enumerate(speakers):
        rng = np.random.default_rng([seed, number, len(speaker)])
        mine = table[(table["speaker"] == speaker) & table["emotion"].isin(recogniser.task.outputs)]
        samples, blocks = join(corpus, mine.sample(frac=1, random_state=rng), rng)
        if len(blocks) < 2:
            continue
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{speaker}.flac"
            soundfile.write(file, samples, audio.SAMPLE_RATE)
            yield speaker, file, blocks


def join(
    corpus: Corpus, rows: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, list[Block]]:
    """Blocks of clips of one emotion, each another than that of the block before."""
    left = {emotion: list(of_one.index) for emotion, of_one in rows.groupby("emotion", sort=True)}
    parts, blocks, at, before = [_pause(rng)], [], PAUSE_S, ""
    while len(blocks) < MOST_BLOCKS and any(left.values()):
        others = [emotion for emotion, clips in left.items() if clips and emotion != before]
        if not others:
            break
        before = str(rng.choice(others))
        begin = end = at
        while left[before] and end - begin < BLOCK_S:
            row = rows.loc[left[before].pop()]
            end_s = None if pd.isna(row["end_s"]) else float(row["end_s"])
            clip = audio.read(corpus.root / row["file"], start_s=row["start_s"], end_s=end_s)
            parts += [clip, _pause(rng)]
            end = at + len(clip) / audio.SAMPLE_RATE
            at = end + PAUSE_S
        blocks.append(Block(begin, end, before))
    return np.concatenate(parts), blocks


def summary(seen: dict[str, Seen], seed: int) -> dict[str, str]:
    """Each number with its interval over speakers."""
    measures = {
        "F1 of changes": lambda some: f1_of_changes(some)[0],
        "precision": lambda some: f1_of_changes(some)[1],
        "recall": lambda some: f1_of_changes(some)[2],
        "UAR by time": recall_of_time,
        "never seen": lambda some: _share(some, math.isinf),
        "seen within 2 s": lambda some: _share(some, lambda delay: delay <= 2),
    }
    rng = np.random.default_rng(seed)
    everyone = list(seen.values())
    draws = [rng.integers(len(everyone), size=len(everyone)) for _ in range(N_REPLICATES)]
    said = {}
    for name, measure in measures.items():
        low, high = np.nanpercentile(
            [measure([everyone[i] for i in d]) for d in draws], (2.5, 97.5)
        )
        said[name] = f"{measure(everyone):.3f} [{low:.3f}, {high:.3f}]"
    return said


def _share(seen: Sequence[Seen], holds: object) -> float:
    delays = [delay for one in seen for delay in one.delays_s]
    return float(np.mean([holds(delay) for delay in delays]))  # type: ignore[operator]


def _pause(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 1e-4, round(PAUSE_S * audio.SAMPLE_RATE)).astype(np.float32)


if __name__ == "__main__":
    main()
