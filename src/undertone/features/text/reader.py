"""What is read out of a transcript: a vector, or one number that a scorer of rated sentences gives.

In:  transcripts.
Out: by transcript its values (n_values,) float32.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from undertone.config import check_types, expanded
from undertone.errors import UndertoneError
from undertone.features.name import parse_text
from undertone.features.text.embeddings import embed, holds_words
from undertone.features.text.source import find
from undertone.models.heads import Ridge


@dataclass(frozen=True)
class TextSettings:
    """Settings of what is said: what reads it, where it stands, what rated sentences add."""

    model: str = ""  # encoder of text: a folder, or a name on the hub; empty: words are not used
    transcripts: str = ""  # table of them; by default the corpus's own
    prior: str = ""  # table of rated sentences: their scorer's one value in place of the vector

    def __post_init__(self) -> None:
        check_types(self)
        if (self.transcripts or self.prior) and not self.model:
            what = "--transcripts" if self.transcripts else "--text-prior"
            raise UndertoneError(
                f"{what} is for words: name the encoder of text that reads them as well, with "
                "--text MODEL"
            )
        if self.model:
            parse_text(self.model)

    def settled(self) -> "TextSettings":
        """The same from any folder: what lies on disk by its absolute path."""
        if not self.model:
            return self
        tables = {name: getattr(self, name) for name in ("transcripts", "prior")}
        absolute = {n: os.path.abspath(expanded(p)) for n, p in tables.items() if p}
        return TextSettings(str(parse_text(self.model).settled()), **tables | absolute)


@dataclass(frozen=True)
class Reader:
    """Makes values of a transcript.

    Attributes:
        name: of the encoder of text, ``text:MODEL``.
        digest: of its files.
        width: values of its vectors.
        scorer: makes one value of a vector; None where the vector itself is read.
    """

    name: str
    digest: str
    width: int
    scorer: Ridge | None = None

    @property
    def n_values(self) -> int:
        """Of a transcript."""
        return self.width if self.scorer is None else 1

    def read(
        self, texts: Iterable[str], *, folder: Path | None = None, progress: bool = True
    ) -> dict[str, np.ndarray]:
        """Values (n_values,) of texts with words, by way of the store.

        Raises:
            UndertoneError: the encoder is not the one that it was.
        """
        encoder = find(self.name)
        self._check(encoder.digest)
        vectors = embed(texts, encoder, folder=folder, progress=progress)
        return {text: self._values(vector) for text, vector in vectors.items()}

    def read_one(self, text: str | None) -> np.ndarray | None:
        """Values (n_values,) of a transcript, without the store; None where it holds no word."""
        from undertone.features.text.encode import encode  # it brings torch

        if text is None or not holds_words(text):
            return None
        encoder = find(self.name)
        self._check(encoder.digest)
        return self._values(encode([text], encoder)[0])

    def _values(self, vector: np.ndarray) -> np.ndarray:
        return vector if self.scorer is None else self.scorer.predict(vector[None])[0]

    def _check(self, digest: str) -> None:
        if digest != self.digest:
            raise UndertoneError(
                f"the model was trained with other files of {self.name} than lie there now; put "
                "back those of then, or train it again"
            )
