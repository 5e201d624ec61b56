"""Which encoder of text a name means: its folder, its shape, and a digest of its files.

In:  a name of features, ``text:MODEL``; its grammar is that of ``features.name``.
Out: ``TextEncoder``, read off the folder's files; nothing is loaded.
"""

from dataclasses import dataclass
from pathlib import Path

from undertone.errors import UndertoneError, needs
from undertone.features.hub import CONFIG, digest_of, locate, read_json, weights_in
from undertone.features.name import TEXT_PREFIX, FeatureName, parse_text

LAYOUT = f"{CONFIG}, the files of a tokenizer, and weights"
TOKENIZER = (  # those that are there; together they say which tokens a text becomes
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model"),
    *("tokenizer.model", "bpe.codes"),
)
VOCABULARIES = TOKENIZER[:1] + TOKENIZER[4:]  # one of these there must be
WIDTHS = ("hidden_size", "d_model", "dim", "n_embd")  # what families call it
EXAMPLE = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class TextEncoder:
    """An encoder of text.

    Attributes:
        folder: where its files are.
        family: the ``model_type`` of its config.
        width: values a vector.
        digest: of weights, config and tokenizer; names the model wherever it lies.
    """

    folder: Path
    family: str
    width: int
    digest: str

    def columns(self) -> tuple[str, ...]:
        """Names of the values: the weights, the unit."""
        return tuple(f"{self.digest[:8]}_text_{unit:04d}" for unit in range(self.width))


def find(name: str | FeatureName) -> TextEncoder:
    """The encoder that a name means, with ``text:`` before it or without.

    Raises:
        UndertoneError: the extra is not installed, or the folder is not that of an encoder of text.
    """
    name = parse_text(str(name))
    needs("transformers", extra="upstream", what=f"features that begin with {TEXT_PREFIX}")
    folder = locate(name.model, files=TOKENIZER, example=EXAMPLE)
    config = read_json(folder / CONFIG, LAYOUT)
    tokenizer = [folder / file for file in TOKENIZER if (folder / file).is_file()]
    if not {path.name for path in tokenizer} & set(VOCABULARIES):
        raise UndertoneError(
            f"{folder} has no tokenizer: an encoder of text is a folder with {LAYOUT}; expected "
            f"one of {', '.join(VOCABULARIES)}"
        )
    width = next((config[word] for word in WIDTHS if isinstance(config.get(word), int)), None)
    if width is None:
        raise UndertoneError(
            f"{folder / CONFIG} of model_type {config.get('model_type')!r} does not tell how wide "
            f"its hidden states are: expected one of {', '.join(WIDTHS)}"
        )
    files = [folder / CONFIG, *tokenizer, *weights_in(folder)]
    return TextEncoder(folder, str(config.get("model_type")), width, digest_of(files))
