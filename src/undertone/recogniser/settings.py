"""Settings of the step ``finetune``."""

import math
from dataclasses import dataclass, field

from undertone import config
from undertone.config import check_ranges, check_types
from undertone.corpora.across import AcrossSettings
from undertone.corpora.audit import refuse
from undertone.corpora.disjoint import SENTENCE, SPEAKER, check_kinds
from undertone.errors import UndertoneError
from undertone.features.name import FeatureName
from undertone.features.text.reader import TextSettings
from undertone.models.encoder import EncoderConfig
from undertone.systems.settings import Bag, plain_bag, teacher_in


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of the step ``finetune``; those of systems by the name of their section."""

    system: str = ""  # a row of ``systems.table``; by default the one that we would use
    task: str = ""  # what is predicted; by default what the corpus has labels for
    proxy: str = ""  # in place of ratings of dimensions: pad, from the emotions of a corpus
    labels: int | None = None  # all by default
    folds: int = 5  # of speakers, for the score on the card; 0 leaves it unmeasured
    features: str = ""  # where there is no encoder to say so; by default log_mel
    seed: int = 0  # names all randomness
    across: AcrossSettings = field(default_factory=AcrossSettings)  # other corpora are tested
    text: TextSettings = field(default_factory=TextSettings)  # words beside the voice
    disjoint: tuple[str, ...] = (SPEAKER,)  # what folds keep apart: also sentences
    vault: str = ""  # file of frozen test speakers; made where there is none
    allow: tuple[str, ...] = ()  # findings of the audit that stop nothing: keys of its ``ALLOWED``
    encoder: EncoderConfig = field(default_factory=EncoderConfig)  # likewise
    of_systems: Bag = field(default_factory=dict, metadata=config.REST)

    @property
    def teacher(self) -> FeatureName | None:
        """Whose encoder teaches, if one does."""
        return teacher_in(self.of_systems)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of_systems", plain_bag(self.of_systems))
        check_types(self)
        check_ranges(self, seed=(0, 2**62), folds=(0, math.inf))
        refuse([], self.allow)
        check_kinds(self.disjoint)
        if self.vault and (self.proxy or SENTENCE in self.disjoint):
            raise UndertoneError(
                "a vault freezes speakers, with all that they say and as people labelled it: leave "
                "--vault out, or --proxy and --disjoint"
            )
        if self.across.each or (
            self.across.asked and (self.vault or self.text.transcripts or SENTENCE in self.disjoint)
        ):
            raise UndertoneError(
                "finetune tests one model on other corpora, on all that they hold: leave out "
                "--leave-one-corpus-out, --vault, --disjoint and --transcripts; `undertone curve` "
                "takes the first three"
            )
        if self.labels is not None:
            check_ranges(self, labels=(2, math.inf))
        if self.folds == 1:
            raise UndertoneError("folds must be 2 or more, or 0 to leave the score unmeasured")
