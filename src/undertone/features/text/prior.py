"""What rated sentences know of words: one scorer of valence, fitted once, without a label of yours.

In:  a table (CSV) of sentences that people rated: ``text`` and ``V`` (or ``valence``), as in
     EmoBank's ``emobank.csv`` (Buechel and Hahn, EACL 2017); an encoder of text.
Out: a ridge regression from a sentence's vector to its valence, on the table's own scale.

A sentence that the corpus says is not learned from, however it is spelt: a scorer that knows the
tested sentences would tell how well they are remembered. Penalties are compared by leave-one-out on
the rated sentences alone, which are no labels of the corpus.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from undertone.corpora import columns
from undertone.corpora.sentences import fold
from undertone.errors import UndertoneError
from undertone.features.text.embeddings import embed, holds_words
from undertone.features.text.source import TextEncoder
from undertone.models.heads import Ridge
from undertone.tasks.dimensions import Dimensions

FEWEST = 100  # rated sentences
PENALTIES = np.logspace(0, 5, 11)
VALENCE = ("v", *Dimensions.label_names["valence"])


@dataclass(frozen=True)
class Prior:
    """A scorer, and what it was fitted on.

    Attributes:
        scorer: of vectors.
        n_sentences: fitted on.
        n_said: left out because the corpus says them.
        correlation: of leave-one-out scores with the ratings.
    """

    scorer: Ridge
    n_sentences: int
    n_said: int
    correlation: float

    def describe(self) -> str:
        """A sentence for reports."""
        return (
            f"The words enter as one value, a scorer of valence fitted on {self.n_sentences:,} "
            f"rated sentences (leave-one-out r {self.correlation:.2f} with their ratings); "
            f"{self.n_said:,} that the corpus says were left out of it."
        )


def fit_prior(
    path: Path | str,
    encoder: TextEncoder,
    *,
    said: Collection[str],
    folder: Path | None = None,
    progress: bool = True,
) -> Prior:
    """Fit a scorer of valence.

    Args:
        path: of the table.
        encoder: of text.
        said: the corpus's sentences as ``sentences.fold`` writes them.
        folder: of the store.
        progress: whether to show it on standard error.

    Raises:
        UndertoneError: the table has other columns, no numbers, or too few sentences.
    """
    texts, valence = _read(Path(path))
    new = np.array([fold(text) not in said for text in texts])
    if new.sum() < FEWEST:
        raise UndertoneError(
            f"{path} has {len(new)} rated sentences, {int(new.sum())} of which the corpus does not "
            f"say: a scorer of valence needs {FEWEST} or more"
        )
    texts, valence = [text for text, is_new in zip(texts, new, strict=True) if is_new], valence[new]
    vectors = embed(texts, encoder, folder=folder, progress=progress)
    scorer, correlation = _fit(np.stack([vectors[text] for text in texts]), valence)
    return Prior(scorer, len(texts), int((~new).sum()), correlation)


def file_digest(path: Path | str) -> str:
    """Of the table's bytes."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read: {error.strerror}") from None


def _fit(vectors: np.ndarray, valence: np.ndarray) -> tuple[Ridge, float]:
    """A ridge regression on z-scores, and the correlation of its leave-one-out scores."""
    from sklearn.linear_model import RidgeCV  # no scikit-learn to serve

    vectors = vectors.astype(np.float64)
    mean, sd = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), 1e-9)
    model = RidgeCV(PENALTIES, store_cv_results=True)
    model.fit((vectors - mean) / sd, valence)
    residuals = np.sqrt(model.cv_results_[:, np.flatnonzero(model.alpha_ == PENALTIES)[0]])
    signs = np.sign(valence - model.predict((vectors - mean) / sd))  # leaving out only stretches
    correlation = float(np.corrcoef(valence - signs * residuals, valence)[0, 1])
    weight, bias = model.coef_[:, None], np.array([model.intercept_])
    return Ridge(mean, sd, weight, bias, np.array([-np.inf, np.inf])), correlation


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    """Sentences with words and their valence; of one rated twice the first counts."""
    cells = columns.read_cells(path)
    names = {str(column).strip().lower(): column for column in cells}
    column = next((names[name] for name in VALENCE if name in names), None)
    if column is None or "transcript" not in cells:
        raise UndertoneError(
            f"{path} is no table of rated sentences: expected the columns text and V (or valence), "
            f"found {', '.join(map(str, cells.columns))}"
        )
    numbers = pd.to_numeric(cells[column], errors="coerce").to_numpy(float)
    usable = np.isfinite(numbers) & cells["transcript"].map(holds_words).to_numpy(bool)
    if not usable.any():
        raise UndertoneError(f"{path} has no row with both a sentence and a number in {column}")
    texts = cells["transcript"][usable].str.strip()
    first = ~texts.map(fold).duplicated().to_numpy()
    return texts[first].tolist(), numbers[usable][first]
