"""The words of a corpus: values of each utterance's transcript, and which of them have none.

In:  a corpus with transcripts, a reader of text.
Out: ``Words``: a row an utterance, NaN where no word is known; never the values of "".
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from undertone.corpora.corpus import Corpus
from undertone.corpora.sentences import fold, sentence_of
from undertone.errors import UndertoneError
from undertone.features.name import parse_text
from undertone.features.text.embeddings import holds_words
from undertone.features.text.prior import file_digest, fit_prior
from undertone.features.text.reader import Reader, TextSettings
from undertone.features.text.source import find

SHUFFLE_SEED = 20  # of the control in which everybody's words are somebody else's


@dataclass(frozen=True)
class Words:
    """What is known of the words of one corpus.

    Attributes:
        reader: that made the values.
        values: (n_values,) of each utterance whose words are known.
        sentences: of each utterance, its sentence as ``sentences.sentence_of`` names it; None where
            nobody knows.
        digest: of the transcripts and of what reads them.
        notes: sentences for the report.
    """

    reader: Reader
    values: Mapping[str, np.ndarray]
    sentences: Mapping[str, str | None] = field(default_factory=dict)
    digest: str = ""
    notes: tuple[str, ...] = ()

    def known(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances,) whether the words are known."""
        return np.array([name in self.values for name in utterances], dtype=bool)

    def of(self, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values) float32; NaN where the words are not known."""
        unknown = np.full(self.reader.n_values, np.nan, dtype=np.float32)
        rows = [self.values.get(name, unknown) for name in utterances]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.reader.n_values)

    def of_others(self, utterances: Sequence[str]) -> np.ndarray:
        """The same with words of other utterances, each utterance's going to one other."""
        return self.of([self.partners.get(name, name) for name in utterances])

    @cached_property
    def partners(self) -> dict[str, str]:
        """Whose words each utterance gets where they are shuffled."""
        names = sorted(self.values)
        order = np.random.default_rng(SHUFFLE_SEED).permutation(len(names))
        return {names[a]: names[b] for a, b in zip(order, np.roll(order, 1), strict=True)}


def read_words(
    corpus: Corpus, settings: TextSettings, *, folder: Path | None = None, progress: bool = True
) -> Words:
    """The words of a corpus by its transcripts, which are its own or were given to it.

    Args:
        corpus: with transcripts.
        settings: which encoder of text reads them, and perhaps a table of rated sentences.
        folder: of the frame store.
        progress: whether to show it on standard error.

    Raises:
        UndertoneError: no utterance has a transcript, or the encoder or the table cannot be used.
    """
    table = corpus.table
    pairs = zip(table["utterance"], table["transcript"], strict=True)
    texts = {name: text.strip() for name, text in pairs if holds_words(text)}
    if not texts:
        raise UndertoneError(
            f"no utterance of {corpus.name} has a transcript for --text to read: name a table of "
            "them with --transcripts FILE, which `undertone transcribe` writes"
        )
    name, encoder = parse_text(settings.model).settled(), find(settings.model)
    reader, notes = Reader(str(name), encoder.digest, encoder.width), [_count(corpus, texts, name)]
    if settings.prior:
        prior = fit_prior(
            *(settings.prior, encoder),
            said=set(map(fold, texts.values())),
            folder=folder,
            progress=progress,
        )
        reader = replace(reader, scorer=prior.scorer)
        notes.append(prior.describe())
    values = reader.read(texts.values(), folder=folder, progress=progress)
    content = (
        encoder.digest,
        settings.prior and file_digest(settings.prior),
        sorted(texts.items()),
    )
    return Words(
        reader,
        {name: values[text] for name, text in texts.items()},
        dict(zip(table["utterance"], sentence_of(table), strict=True)),
        hashlib.sha256(repr(content).encode()).hexdigest(),
        tuple(notes),
    )


def _count(corpus: Corpus, texts: Mapping[str, str], name: object) -> str:
    missing = len(corpus) - len(texts)
    without = (
        f"{missing} have no transcript with a word in it: there the voice alone answers, and a "
        "constant where words alone are asked"
        if missing
        else "all have a transcript"
    )
    different = len(set(map(fold, texts.values())))
    return (
        f"Words were read by {name}: of {len(corpus)} utterances {without}; {different} different "
        "sentences. No sentence of a fold's test is learned from."
    )
