"""Does the system use the words, and the voice? On speech that is made so that one can tell.

    python scripts/constructed_text.py --emobank emobank.csv --out runs/constructed \
        --features upstream:models/whisper-base@all --text models/all-MiniLM-L6-v2

In:  EmoBank's ``emobank.csv`` (Buechel and Hahn, EACL 2017), the program espeak-ng, an encoder of
     audio, an encoder of text; perhaps a speech recogniser.
Out: a table of CCC by system, budget and dimension, and a curve's folder for each way to read text.

360 rated sentences are read once each by espeak-ng, in twelve voices. A number a between -1 and 1
sets pitch, rate and amplitude; it is the arousal. The valence is the people's rating of the
sentence. So arousal is in the voice and nowhere else, valence in the words and nowhere else, and no
sentence is said twice. It shows that a system uses both. It shows nothing about people: the voice
is a formant synthesiser, extremes of valence are chosen on purpose, arousal is three knobs.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from undertone import config, corpora
from undertone.corpora.corpus import Corpus
from undertone.corpora.sentences import fold
from undertone.corpora.transcripts import with_transcripts
from undertone.errors import UndertoneError
from undertone.evaluation.curves import Curves
from undertone.experiment import CurveSettings, run_curve
from undertone.features.text.embeddings import holds_words
from undertone.features.text.prior import fit_prior
from undertone.features.text.reader import Reader
from undertone.features.text.source import find
from undertone.pipeline import Resources
from undertone.progress import Progress

SPEAKERS = (*(f"m{i}" for i in range(1, 8)), *(f"f{i}" for i in range(1, 6)))  # of espeak-ng
BASES, SLOPES, SDS = (50, 170, 100), (22, 35, 40), (4, 8, 10)  # pitch, words a minute, amplitude
PARTS = ((130, 1.0, 2.6), (130, 3.4, 5.0), (100, 2.8, 3.2))  # sentences, valence from and to
WORDS = (4, 11)
FOLDS, DRAWS, BUDGETS = 4, 10, (20, 50)
HEARD = 48  # sentences that a speech recogniser hears
VOICE = "layers"
SYSTEMS = (VOICE, "audio_text", "text_alone", "text_shuffled", "audio_text_train", "mean")


def main() -> None:
    """Build the corpus, run a curve for each way to read text, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emobank", type=Path, required=True, help="emobank.csv")
    parser.add_argument("--features", required=True, help="frames of an encoder of audio")
    parser.add_argument("--text", required=True, help="encoder of text")
    parser.add_argument("--asr", help=f"speech recogniser, to hear {HEARD} of them")
    parser.add_argument("--out", type=Path, default=Path("runs/constructed"), help="folder")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    parser.add_argument("--sentences", type=float, default=1.0, help="share of the 360 to read")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of the labels")
    parser.add_argument("--workers", type=int, help="processes")
    given = parser.parse_args()
    if reason := what_is_missing(given.emobank):
        print(f"skipped: {reason}")
        return
    table = build(given.out / "corpus", given.emobank, share=given.sentences)
    resources = Resources(given.cache, given.workers)
    rows = []
    for name, text, systems in ways(given):
        settings = settings_of(given, table, text, systems)
        curves = run_curve(settings, given.out / name.replace(" ", "-"), resources).curves
        rows += lines_of(name, curves, systems)
    columns = ["words", "system", "labels", "arousal", "valence"]
    result = pd.DataFrame(rows, columns=columns)
    result.to_csv(given.out / "table.csv", index=False)
    print(result.to_string(index=False))
    if given.asr:
        say_what_is_heard(given, table, resources)


def what_is_missing(emobank: Path) -> str:
    """Why the check cannot be made; empty where it can."""
    if shutil.which("espeak-ng") is None:
        return "the program espeak-ng is not installed (apt-get install espeak-ng)"
    if not emobank.is_file():
        return f"there is no {emobank}: EmoBank is at github.com/JULIELab/EmoBank"
    return ""


def build(folder: Path, emobank: Path, *, share: float = 1.0, seed: int = 6) -> Path:
    """The corpus's table, its recordings read where they are not there yet."""
    rng = np.random.default_rng(seed)
    rows = chosen_sentences(emobank, rng, share)
    rows["speaker"] = np.resize(SPEAKERS, len(rows))
    rows["arousal"] = rng.uniform(-1, 1, len(rows)).round(6)
    knobs = rng.normal(BASES, SDS, (len(rows), 3)) + np.outer(rows["arousal"], SLOPES)
    rows["file"] = [f"{i:03d}-{who}.wav" for i, who in enumerate(rows["speaker"])]
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(shown=True) as progress:
        progress.add("sentences read", len(rows))
        for row, knob in zip(rows.to_dict("records"), knobs, strict=True):
            read_aloud(folder / row["file"], row["transcript"], row["speaker"], knob)
            progress.advance("sentences read")
    columns = ["file", "speaker", "transcript", "arousal", "valence"]
    rows[columns].to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def chosen_sentences(emobank: Path, rng: np.random.Generator, share: float) -> pd.DataFrame:
    """Transcript and valence: short sentences with words, none of them twice, in random order."""
    table = pd.read_csv(emobank, keep_default_na=False)
    table = table.assign(transcript=table["text"].str.strip(), valence=table["V"])
    words = table["transcript"].str.split().str.len()
    folded = table["transcript"].map(fold)
    table = table[words.between(*WORDS) & (folded != "") & ~folded.duplicated()]
    parts = []
    for n, low, high in PARTS:
        part = table[table["valence"].between(low, high)]
        parts.append(part.iloc[rng.permutation(len(part))[: round(share * n)]])
    rows = pd.concat(parts)[["transcript", "valence"]]
    return rows.iloc[rng.permutation(len(rows))].reset_index(drop=True)


def read_aloud(file: Path, text: str, speaker: str, knobs: np.ndarray) -> None:
    """One sentence by espeak-ng with these knobs; nothing where the file is there."""
    if file.is_file():
        return
    pitch, rate, amplitude = knobs.clip((0, 80, 5), (99, 450, 200)).round().astype(int)
    options = {"-v": f"en-us+{speaker}", "-p": pitch, "-s": rate, "-a": amplitude}
    flat = [str(part) for option in options.items() for part in option]
    partial = file.with_suffix(".partial.wav")
    done = subprocess.run(
        ["espeak-ng", *flat, "-w", str(partial), "--", text], capture_output=True, text=True
    )
    if done.returncode or not partial.is_file():
        raise UndertoneError(f"espeak-ng could not read {text!r}: {done.stderr.strip()}")
    partial.rename(file)


def ways(
    given: argparse.Namespace,
) -> Iterator[tuple[str, dict[str, str], tuple[str, ...]]]:
    """What reads the words: a name, settings of text, systems."""
    reading = ("audio_text", "text_alone", "mean")
    yield "encoder", {"model": given.text}, SYSTEMS
    random = random_encoder(Path(given.out) / "random-encoder", given.text)
    yield "random network", {"model": str(random)}, reading
    yield "rated sentences", {"model": given.text, "prior": str(given.emobank)}, reading


def random_encoder(folder: Path, text: str) -> Path:
    """The same network and tokenizer with random weights."""
    import torch
    import transformers

    source = find(text).folder
    if not (folder / "config.json").is_file():
        torch.manual_seed(0)
        config = transformers.AutoConfig.from_pretrained(source)
        transformers.AutoTokenizer.from_pretrained(source).save_pretrained(folder)
        transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def say_what_is_heard(given: argparse.Namespace, table: Path, resources: Resources) -> None:
    """How many words a speech recogniser gets wrong, and what that costs a scorer of valence."""
    from undertone.features.asr import load
    from undertone.features.transcribe import transcribe

    opened = corpora.open(f"constructed={table}")
    some = replace(opened, table=opened.table.iloc[:HEARD])
    folder, shown = resources.cache, resources.progress
    out = table.with_name("heard.csv")
    done = transcribe(some, load(given.asr), out=out, language="en", folder=folder, progress=shown)
    heard = with_transcripts(some, done.path)
    encoder = find(given.text)
    said = set(map(fold, opened.table["transcript"]))
    prior = fit_prior(given.emobank, encoder, said=said, folder=folder, progress=shown)
    reader = Reader(given.text, encoder.digest, encoder.width, prior.scorer)
    print(
        f"{len(some)} sentences: word error rate of the speech recogniser "
        f"{word_errors(some.table, heard.table):.2f}; r of the scorer of rated sentences with "
        f"people's valence {_correlation(some, reader, folder):.2f} given, "
        f"{_correlation(heard, reader, folder):.2f} heard"
    )


def _correlation(corpus: Corpus, reader: Reader, folder: Path | None) -> float:
    """Of the scores of what is said with the ratings; without words the mean of the scores."""
    texts = corpus.table["transcript"]
    known = [text for text in texts if holds_words(text)]
    scores = reader.read(known, folder=folder, progress=False)
    mean = np.mean([scores[text] for text in known])
    values = [float(scores[text][0]) if holds_words(text) else mean for text in texts]
    return float(np.corrcoef(values, corpus.table["valence"].astype(float))[0, 1])


def word_errors(said: pd.DataFrame, heard: pd.DataFrame) -> float:
    """Words put in, left out or exchanged, over the words that were said."""
    texts = heard["transcript"].where(heard["transcript"].map(holds_words), "")
    known = dict(zip(heard["utterance"], texts, strict=True))
    pairs = [
        (fold(text).split(), fold(known[name]).split())
        for name, text in zip(said["utterance"], said["transcript"], strict=True)
    ]
    return sum(_distance(a, b) for a, b in pairs) / sum(len(a) for a, _ in pairs)


def settings_of(
    given: argparse.Namespace, table: Path, text: dict[str, str], systems: tuple[str, ...]
) -> CurveSettings:
    """Of a curve."""
    values: dict[str, Any] = {
        "corpus": f"constructed={table}",
        "task": "dimensions",
        "features": given.features,
        "budgets": list(BUDGETS),
        "draws": given.draws,
        "folds": FOLDS,
        "systems": list(systems),
        "text": text,
        "seed": 20,
    }
    return config.load(CurveSettings, values)


def lines_of(name: str, curves: Curves, systems: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A line a system and budget: CCC of arousal and valence with their intervals."""
    for system in systems:
        for budget in curves.budgets:
            cells = (curves.estimate(system, budget, output=o) for o in ("arousal", "valence"))
            yield name, system, str(budget), *map(str, cells)


def _distance(said: list[str], heard: list[str]) -> int:
    """Edits from one list of words to another (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, before + (word != other))
            before, row[j] = row[j], cost
    return row[-1]


if __name__ == "__main__":
    try:
        main()
    except UndertoneError as error:
        sys.exit(f"constructed_text: {error}")
