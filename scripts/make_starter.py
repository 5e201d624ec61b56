"""Make the starter model that comes with the package, and measure what its card says.

    python scripts/make_starter.py --emodb PATH --ravdess PATH

It is a discriminant analysis on the descriptors of ``log_mel``, fitted on EmoDB (CC0). Two numbers
go on its card: the score on speakers of EmoDB that a fit did not know, by cross-validation, a fold
a speaker; and the score of this very model on RAVDESS, which it never heard: other people, another
language, another room, the emotions that both corpora have. A test asks that its version of the
features is the current one: run this again when ``log_mel`` or the descriptors change.
"""

import argparse
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from undertone import corpora
from undertone.corpora.corpus import Corpus
from undertone.evaluation.score import Score, score_rows
from undertone.features.store import extract
from undertone.pipeline import FinetuneSettings, Resources, finetune
from undertone.recogniser.files import CARD
from undertone.recogniser.folder import Recogniser
from undertone.recogniser.starter import BETTER, starter_folder

KNOWS = "ten actors who read ten German sentences (EmoDB)"
TITLE = "# The starter model"
HEARS = """\
It answers where no other model is named, so that there is an answer before anything was trained. It
knows {knows}, and {emotions}, as they portrayed them in a studio. It knows
nothing of your recordings, your language, your microphone and of emotions that nobody plays.
Whatever it hears, it says one of these {n}.

A better one takes a few labels of recordings like yours, and one line:

    {better}
"""
ELSEWHERE = """\
## On another corpus

This very model on RAVDESS (CC BY-NC-SA 4.0; used to test alone): {tested}, English, of the
emotions that both corpora have. It heard none of them. 95 % intervals over speakers.

{table}
"""


def main() -> None:
    """Fit, measure, write the folder."""
    asked = _asked()
    resources = Resources(asked.cache, 1, progress=False)
    settings = FinetuneSettings(system="descriptors", features="log_mel", folds=asked.folds)
    with tempfile.TemporaryDirectory() as folder:
        recogniser, measured = finetune(
            f"emodb={asked.emodb}", Path(folder) / "model", settings=settings, resources=resources
        )
        card = (Path(folder) / "model" / CARD).read_text()
    assert measured is not None, "folds are asked for"
    elsewhere = score_elsewhere(recogniser, corpora.open(f"ravdess={asked.ravdess}"), asked.cache)
    uar = {"unheard": measured.metrics["uar"], "elsewhere": elsewhere.metrics["uar"]}
    notes = {
        **recogniser.notes,
        "knows": KNOWS,
        **{name: estimate.to_dict() for name, estimate in uar.items()},
        "chance": 1 / len(recogniser.task.outputs),
    }
    replace(recogniser, notes=notes).save(asked.out, card_of(card, recogniser, elsewhere))
    print(f"{asked.out}: UAR on unheard speakers of EmoDB {uar['unheard']}")
    print(f"on RAVDESS, never heard, {uar['elsewhere']}; chance {notes['chance']:.3f}")


def score_elsewhere(recogniser: Recogniser, corpus: Corpus, cache: Path | None) -> Score:
    """The model as it is on the utterances of another corpus that have an emotion it knows."""
    outputs = recogniser.task.outputs
    rows = corpus.table[corpus.table["emotion"].isin(outputs)]
    frames = extract(
        corpus.with_table(rows), recogniser.inputs.features, folder=cache, workers=1, progress=False
    )
    rows = rows[rows["utterance"].isin(frames.utterances)]
    values = np.stack([recogniser.predict(frames.frames(name)) for name in rows["utterance"]])
    return score_rows(
        recogniser.task,
        truth=recogniser.task.truth(rows),
        values=values,
        speakers=rows["speaker"].to_numpy(),
    )


def card_of(card: str, recogniser: Recogniser, elsewhere: Score) -> str:
    """The card of ``finetune`` behind what the starter model is, and its score elsewhere."""
    outputs = recogniser.task.outputs
    emotions = f"{', '.join(outputs[:-1])} and {outputs[-1]}"
    what = HEARS.format(knows=KNOWS, emotions=emotions, n=len(outputs), better=BETTER)
    header = f"| | {' | '.join(elsewhere.headings)} |\n|---{'|---' * len(elsewhere.headings)}|\n"
    rows = "\n".join(f"| {name} | {' | '.join(cells)} |" for name, *cells in elsewhere.rows())
    section = ELSEWHERE.format(tested=elsewhere.tested, table=header + rows)
    card = re.sub(r"^# .*\n", f"{TITLE}\n\n{what}", card, count=1)
    return card.replace("## Limits\n", f"{section}\n## Limits\n", 1)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emodb", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--ravdess", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    parser.add_argument("--folds", type=int, default=10, help="of speakers")
    parser.add_argument("--out", type=Path, default=starter_folder())
    return parser.parse_args()


if __name__ == "__main__":
    main()
