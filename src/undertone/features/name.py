"""Names of features, taken apart once.

In:  text: a row of ``EXTRACTORS`` (``log_mel``), or ``upstream:MODEL@LAYER`` for a pre-trained
     encoder. MODEL is a folder or a name on the hub; LAYER a number, several as ``2-4``, ``all``,
     or ``auto`` where a learning curve chooses one on labels. ``+padded``, ``+bare`` and
     ``+bfloat16`` may follow. ``text:MODEL`` is an encoder of transcripts, ``given:FOLDER`` a
     folder of arrays, ``own:NAME`` a function that was added from Python.
Out: ``FeatureName``; its text is the one it came from.

No file of the model is looked at here. The last ``@`` ends the model, so that a folder may hold
``@``, ``+`` and ``:``.
"""

import os
import re
import shlex
from dataclasses import dataclass, fields, replace

from undertone.config import expanded
from undertone.errors import UndertoneError

UPSTREAM, TEXT, GIVEN, OWN = "upstream", "text", "given", "own"
PREFIX, TEXT_PREFIX = f"{UPSTREAM}:", f"{TEXT}:"
GIVEN_PREFIX, OWN_PREFIX = f"{GIVEN}:", f"{OWN}:"
EVERY, CHOSEN = "all", "auto"
LAYERS = re.compile(rf"[0-9-]+|{EVERY}|{CHOSEN}")  # which numbers there are, the model's files say
EXAMPLE = f"{PREFIX}openai/whisper-base@{EVERY}"


@dataclass(frozen=True)
class Options:
    """How an encoder is run; each is ``+name`` behind the layer."""

    padded: bool = False  # Whisper: on 30 seconds, all the silence behind the speech computed
    bare: bool = False  # Whisper: on the speech alone, without silence
    bfloat16: bool = False  # weights and products in bfloat16: quicker where the processor has them


OPTIONS = tuple(option.name for option in fields(Options))
OPTIONS_AT_THE_END = re.compile(rf"(\+({'|'.join(OPTIONS)}))*$")


@dataclass(frozen=True)
class FeatureName:
    """Which frames are meant; made by ``parse``.

    Attributes:
        extractor: a row of ``EXTRACTORS``; ``upstream`` for an encoder, ``text`` for one of text,
            ``given`` for a folder of arrays, ``own`` for a function of the user's.
        model: of an encoder, its folder or its name on the hub; the folder, or the function's name.
        layers: of an encoder, as in the text: ``6``, ``2-4``, ``all``, ``auto``.
        options: of an encoder, in the order of the text.
    """

    extractor: str
    model: str = ""
    layers: str = ""
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The text.

        >>> str(FeatureName("upstream", "models/whisper", "6", ("padded",)))
        'upstream:models/whisper@6+padded'
        """
        if self.is_text or self.is_given or self.is_own:
            return f"{self.extractor}:{self.model}"
        if not self.is_upstream:
            return self.extractor
        return f"{PREFIX}{self.model}@{'+'.join([self.layers, *self.options])}"

    @property
    def is_upstream(self) -> bool:
        """Whether the frames are those of a pre-trained encoder."""
        return self.extractor == UPSTREAM

    @property
    def is_text(self) -> bool:
        """Whether it is an encoder of transcripts."""
        return self.extractor == TEXT

    @property
    def is_given(self) -> bool:
        """Whether it is a folder of arrays."""
        return self.extractor == GIVEN

    @property
    def is_own(self) -> bool:
        """Whether it is a function that was added from Python."""
        return self.extractor == OWN

    @property
    def chooses_layer(self) -> bool:
        """Whether a learning curve is to choose the layer."""
        return self.layers == CHOSEN

    def every_layer(self) -> "FeatureName":
        """The same encoder and options, all layers.

        >>> str(parse("upstream:whisper@auto+padded").every_layer())
        'upstream:whisper@all+padded'
        """
        assert self.is_upstream
        return replace(self, layers=EVERY)

    def one_layer(self, layer: int) -> "FeatureName":
        """The same encoder and options, one layer."""
        assert self.is_upstream
        return replace(self, layers=str(layer))

    def settled(self) -> "FeatureName":
        """The same features from any folder: the path of a folder that is there is absolute."""
        folder = expanded(self.model)
        if not ((self.is_upstream or self.is_text or self.is_given) and folder.is_dir()):
            return self
        return replace(self, model=os.path.abspath(folder))


def parse(text: str | FeatureName) -> FeatureName:
    """A name of features, taken apart.

    Args:
        text: as in the module's docstring; a name that was parsed before is returned.

    Raises:
        UndertoneError: an encoder without a model or a layer, or with an option that does not
            exist. Whether there is such an extractor or encoder is asked where it is used.
    """
    if isinstance(text, FeatureName):
        return text
    extractor, _, rest = text.partition(":")
    if extractor in (TEXT, GIVEN, OWN) and rest:
        return FeatureName(extractor, rest)
    if extractor != UPSTREAM:
        return FeatureName(text)
    model, behind = _split(rest)
    layers, *options = behind.split("+")
    if not (model and LAYERS.fullmatch(layers)):
        raise UndertoneError(
            f"expected {PREFIX}FOLDER@LAYER or {PREFIX}NAME@LAYER, LAYER a number, 2-4, {EVERY} or "
            f"{CHOSEN}, found {text!r}; try --features {_with_a_layer(rest)}"
        )
    if unknown := set(options) - set(OPTIONS):
        raise UndertoneError(
            f"there is no option +{', +'.join(sorted(unknown))}; there are +{', +'.join(OPTIONS)}"
        )
    if {"padded", "bare"} <= set(options):
        raise UndertoneError("+padded and +bare exclude each other")
    return FeatureName(UPSTREAM, model, layers, tuple(options))


def parse_encoder(text: str, *, layers: str) -> FeatureName:
    """An encoder's name of which ``upstream:`` and the layer may be missing.

    >>> str(parse_encoder("openai/whisper-base", layers="auto"))
    'upstream:openai/whisper-base@auto'
    >>> str(parse_encoder("/home/me@work/whisper@6+padded", layers="auto"))
    'upstream:/home/me@work/whisper@6+padded'
    """
    model, behind = _split(text.removeprefix(PREFIX))
    return parse(f"{PREFIX}{model}@{behind or layers}")


def parse_text(text: str) -> FeatureName:
    """An encoder of transcripts, of which ``text:`` may be missing.

    >>> str(parse_text("models/minilm")), parse_text("text:models/minilm").model
    ('text:models/minilm', 'models/minilm')
    """
    model = text.removeprefix(TEXT_PREFIX)
    if not model or model.startswith(PREFIX):
        raise UndertoneError(
            f"expected {TEXT_PREFIX}FOLDER or {TEXT_PREFIX}NAME, an encoder of text, found "
            f"{text!r}; try --text sentence-transformers/all-MiniLM-L6-v2"
        )
    return FeatureName(TEXT, model)


def _split(rest: str) -> tuple[str, str]:
    """Model, and what stands behind its ``@``; an ``@`` in a folder above the last is no end."""
    model, at, behind = rest.rpartition("@")
    return (model, behind) if at and not set("/\\") & set(behind) else (rest, "")


def _with_a_layer(rest: str) -> str:
    """A value for the command line that names all layers; an example where there is no model."""
    options = OPTIONS_AT_THE_END.search(rest)
    assert options is not None, "it matches the empty text"
    model, _ = _split(rest[: options.start()])
    return shlex.quote(f"{PREFIX}{model}@{EVERY}{options[0]}") if model else EXAMPLE
