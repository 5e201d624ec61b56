"""A speech recogniser that writes transcripts: Whisper models as faster-whisper reads them.

In:  a folder with ``model.bin``, ``config.json``, ``tokenizer.json`` and a vocabulary, or a name on
     the hub (``small``, ``Systran/faster-whisper-small``); waveforms (n_samples,) at
     ``audio.SAMPLE_RATE``.
Out: ``Heard``: text, language, and the mean log probability of a token.

Decoding is a beam search without random numbers, and each utterance is decoded alone: what was said
before it changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from undertone.config import expanded
from undertone.errors import UndertoneError, describe_some, needs
from undertone.features.hub import digest_of, reach_hub

WEIGHTS, CONFIG = "model.bin", "config.json"
FILES = (WEIGHTS, CONFIG, "tokenizer.json", "vocabulary.json", "vocabulary.txt")
BEAM = 5
LAYOUT = f"{WEIGHTS}, {CONFIG}, tokenizer.json and a vocabulary, as ct2-transformers-converter and "


@dataclass(frozen=True)
class Heard:
    """What was heard in one recording.

    Attributes:
        text: empty where no word was heard.
        language: as Whisper names it: ISO 639-1 where there is such a code.
        log_probability: natural logarithm, mean over tokens; NaN where there are none.
    """

    text: str
    language: str
    log_probability: float


class Asr(Protocol):
    """What writes transcripts."""

    @property
    def digest(self) -> str: ...
    @property
    def languages(self) -> Sequence[str]: ...
    def hear(self, waveform: np.ndarray, language: str | None) -> Heard: ...


@dataclass(frozen=True)
class FasterWhisper:
    """A loaded model.

    Attributes:
        folder: where its files are.
        digest: of them.
        model: of faster-whisper.
    """

    folder: Path
    digest: str
    model: Any

    @property
    def languages(self) -> Sequence[str]:
        """Those that it knows, as Whisper names them."""
        return tuple(self.model.supported_languages)

    def hear(self, waveform: np.ndarray, language: str | None) -> Heard:
        """What is said in a recording; a language of None is told by the model itself."""
        segments, info = self.model.transcribe(
            waveform,
            language=language,
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
        )
        return heard_of(list(segments), info.language)


def check_language(language: str, asr: Asr) -> None:
    """Refuse a language that a speech recogniser does not know."""
    if language not in asr.languages:
        raise UndertoneError(
            f"the speech recogniser does not know the language {language!r}; it knows "
            f"{describe_some(asr.languages, 12)}"
        )


def heard_of(segments: Sequence[Any], language: str) -> Heard:
    """One text of a recording's segments; each token's log probability counts alike."""
    n_tokens = sum(len(segment.tokens) for segment in segments)
    total = sum(segment.avg_logprob * len(segment.tokens) for segment in segments)
    text = " ".join("".join(segment.text for segment in segments).split())
    return Heard(text, language, total / n_tokens if n_tokens else float("nan"))


def load(name: str) -> FasterWhisper:
    """The speech recogniser of a folder, or of a name on the hub.

    Raises:
        UndertoneError: the extra is not installed, or there is no such model.
    """
    needs("faster_whisper", extra="asr", what="transcripts of recordings (--asr)")
    from faster_whisper import WhisperModel

    folder = _locate(name)
    if absent := [file for file in FILES[:3] if not (folder / file).is_file()]:
        raise UndertoneError(
            f"{folder} has no {' and no '.join(absent)}: a speech recogniser is a folder with "
            f"{LAYOUT}the models named Systran/faster-whisper-… have them"
        )
    digest = digest_of([folder / file for file in FILES if (folder / file).is_file()])
    try:
        model = WhisperModel(str(folder), device="auto", compute_type="float32")
    except MemoryError:
        raise
    except Exception as error:  # a stranger's files may fail anywhere in what reads them
        raise UndertoneError(
            f"the speech recogniser in {folder} cannot be loaded: {error}"
        ) from None
    return FasterWhisper(folder, digest, model)


def _locate(name: str) -> Path:
    folder = expanded(name)
    if folder.is_dir():
        return folder.absolute()
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise UndertoneError(f"there is no folder {folder} of a speech recogniser")
    from faster_whisper.utils import download_model

    try:
        return Path(download_model(name, local_files_only=True))
    except Exception:  # not in the cache, or only in part
        try:
            reach_hub(name if "/" in name else f"Systran/faster-whisper-{name}")
            return Path(download_model(name))
        except Exception as error:
            raise UndertoneError(
                f"{name} is no folder here, and could not be fetched from the hub "
                f"({type(error).__name__}: {str(error).strip()[:200]}); give the folder of a "
                "model, or a name such as small or Systran/faster-whisper-small"
            ) from None
