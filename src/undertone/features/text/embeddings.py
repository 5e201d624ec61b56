"""Vectors of transcripts, computed once: a text's own door into the frame store.

In:  transcripts, an encoder of text.
Out: by transcript its vector (width,) float32.

What was computed is found again by the text and the digest of the encoder, never by the audio that
it was said in: one text said by ten people is stored once, two texts of one recording (somebody's,
a machine's) are stored apart.
"""

import hashlib
from collections.abc import Container, Iterable
from pathlib import Path

import numpy as np

from undertone.corpora.sentences import fold
from undertone.errors import UndertoneError
from undertone.features import shards
from undertone.features.store import default_folder
from undertone.features.text.source import TextEncoder
from undertone.features.workers import OTHER_FOLDER
from undertone.progress import Progress

VERSION = 1  # raise it when the same weights give other vectors
CHUNK = 256  # texts a shard: what a killed run loses at most


def holds_words(text: object) -> bool:
    """Whether a cell of a table is a transcript, and not a gap, a dash or three dots.

    >>> holds_words("Oh!"), holds_words(" … "), holds_words(None), holds_words(float("nan"))
    (True, False, False, False)
    """
    return isinstance(text, str) and bool(fold(text))


def embed(
    texts: Iterable[str],
    encoder: TextEncoder,
    *,
    folder: Path | str | None = None,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    """The vectors of texts, from the store or computed into it.

    Args:
        texts: each with words, see ``holds_words``; the same one may come often.
        encoder: of text.
        folder: of the store; ``store.default_folder()`` by default.
        progress: whether to show it on standard error.

    Raises:
        UndertoneError: the encoder cannot be loaded, or the folder cannot be written.
    """
    keys = {text: _key(text) for text in dict.fromkeys(texts)}
    assert all(map(holds_words, keys)), "a gap has no vector"
    home = Path(folder or default_folder()) / _home_name(encoder)
    wanted = set(keys.values())
    known = shards.find(home, encoder.width, wanted)
    if any(key not in known for key in wanted):
        _fill(home, list(keys), encoder, known=known, progress=progress)
        known = shards.find(home, encoder.width, wanted)
    return {text: np.array(shards.read(known[key])[0]) for text, key in keys.items()}


def _fill(
    home: Path, texts: list[str], encoder: TextEncoder, *, known: Container[str], progress: bool
) -> None:
    """Add the vectors that are missing; which texts share a batch hangs on all of them."""
    from undertone.features.text.encode import encode  # it brings torch

    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UndertoneError(
            f"{home} cannot be made to keep vectors in: {error.strerror}; {OTHER_FOLDER}"
        ) from None
    name = f"transcripts through {encoder.folder.name}"
    with Progress(shown=progress) as shown:
        n_missing = sum(_key(text) not in known for text in texts)
        shown.add(name, len(texts), len(texts) - n_missing)
        for first in range(0, len(texts), CHUNK):
            chunk = [text for text in texts[first : first + CHUNK] if _key(text) not in known]
            if not chunk:
                continue
            vectors = encode(chunk, encoder)
            rows = {_key(text): vectors[i : i + 1] for i, text in enumerate(chunk)}
            shards.write(home, rows)
            shown.advance(name, len(chunk))


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _home_name(encoder: TextEncoder) -> str:
    return f"text-{encoder.family}-v{VERSION}.{shards.VERSION}-{encoder.digest[:12]}"
