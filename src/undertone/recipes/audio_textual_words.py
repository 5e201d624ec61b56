"""Whether words can be used: an encoder of text, transcripts, sentences that are not shared.

In:  the settings of the run on the whole encoder, with or without an encoder of text.
Out: ``Words``; where they cannot be used, the reason in a sentence.

What is wrong in what was named (no such folder, a table of another corpus) is refused; what a
corpus does not have is told.
"""

from dataclasses import dataclass
from pathlib import Path

from undertone import corpora
from undertone.corpora.corpus import Corpus
from undertone.corpora.sentences import sentence_of
from undertone.corpora.transcripts import with_transcripts
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, open_run
from undertone.features.text.embeddings import holds_words
from undertone.features.text.encode import count_parameters
from undertone.features.text.source import find
from undertone.pipeline import Resources

GIVEN = "acted speech with given sentences cannot show what words are worth"


@dataclass(frozen=True)
class Words:
    """What is said, as far as it can be used.

    Attributes:
        reason: why it cannot; empty where it can.
        parameters: of the encoder of text.
    """

    reason: str = ""
    parameters: int = 0

    @property
    def are_there(self) -> bool:
        return not self.reason


def look_for_words(settings: CurveSettings, out: Path, resources: Resources) -> Words:
    """Whether voice and words can be compared on these folds.

    Args:
        settings: of the run with words, for which nothing is missing.
        out: its folder.
        resources: of the machine.

    Raises:
        UndertoneError: what was named cannot be read.
    """
    run = open_run(settings, out, resources)
    try:
        for fold in run.folds:
            run.data.said_in_test(fold)
    except UndertoneError as error:
        return Words(f"Words were not used: {GIVEN}. ({error}.)")
    return Words(parameters=count_parameters(find(settings.text.model)))


def why_not(settings: CurveSettings) -> str:
    """What is missing for words before anything is heard; empty where nothing is."""
    text = settings.text
    corpus = corpora.open(settings.corpus)
    if text.transcripts:
        corpus = with_transcripts(corpus, text.transcripts)
    if text.model:
        find(text.model)
    has_any = corpus.table["transcript"].map(holds_words).any()
    if not text.model and (told := _given_sentences(corpus)):
        return f"Words were not used: {told}"
    missing = [
        *([] if has_any else [f"{corpus.name} has no transcripts"]),
        *([] if text.model else ["no encoder of text was named"]),
    ]
    if not missing:
        return ""
    ways = [
        *([] if has_any else ["undertone transcribe writes a table of them for --transcripts"]),
        *([] if text.model else ["--text MODEL names one that reads them"]),
    ]
    return f"Words were not used: {' and '.join(missing)}; {', '.join(ways)}."


def _given_sentences(corpus: Corpus) -> str:
    """A sentence where most utterances say what other speakers say, too; empty elsewhere."""
    said = corpus.table.assign(said=sentence_of(corpus.table)).dropna(subset=["said", "speaker"])
    voices = said.groupby("said")["speaker"].nunique()
    shared = int((said["said"].map(voices) > 1).sum())
    if 2 * shared <= len(corpus):
        return ""
    return (
        f"{shared} of {len(corpus)} utterances of {corpus.name} say one of "
        f"{int((voices > 1).sum())} sentences that several speakers say, and {GIVEN}."
    )
