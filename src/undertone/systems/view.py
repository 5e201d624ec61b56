"""What of an utterance a head on vectors reads, each training speaker's own taken off.

In:  a ``Material``, names of utterances.
Out: vectors (n_utterances, n_values); what recordings of a voice are compared with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from undertone.models.voices import Expected
from undertone.systems.problem import DESCRIPTORS, TEACHER, Material

WORDS = ("words", SHUFFLED := "shuffled")  # blocks that need a transcript
Heard = Callable[[Sequence[str], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class View:
    """What of an utterance is read.

    Attributes:
        blocks: of its vector, side by side, of descriptors, functionals, mean_sd, mean, pooled,
            teacher, words, shuffled (the words of somebody else).
        start: of the encoder whose outputs are pooled; empty where none are.
        pooling: of them over time.
        layer: of a pre-trained encoder's frames; None where they are read as they are.
        centring: recordings that take half of a training speaker's own mean off, in all blocks but
            words (``models.voices``); 0 where nothing is taken off. Of a speaker who is not in the
            material's crowd nothing is known, and nothing taken off.
    """

    blocks: tuple[str, ...] = ()
    start: str = ""
    pooling: str = ""
    layer: int | None = None
    centring: float = 0.0

    def vectors(self, material: Material, utterances: Sequence[str]) -> np.ndarray:
        """(n_utterances, n_values); no values where there are no blocks."""
        if not self.blocks:
            return np.zeros((len(utterances), 0))
        parts = [self._block(name, material, utterances) for name in self.blocks]
        if self.centring:
            parts = [
                part if name in WORDS else self._apart(name, part, material, utterances)
                for name, part in zip(self.blocks, parts, strict=True)
            ]
        return np.concatenate(parts, axis=1)

    def expected(self, material: Material, heard: Heard) -> Expected | None:
        """What recordings of a voice are compared with; None where no voice is taken off.

        Args:
            material: of the training speakers.
            heard: centred vectors of its crowd to the (n_utterances, n_outputs) of each, 1 for what
                it is taken for; no columns of amounts.
        """
        if not self.centring:
            return None
        names = list(material.crowd)
        vectors, mean = self.vectors(material, names), self._mean(material, names[:1])
        return Expected.of(mean, vectors, heard(names, vectors))

    def _mean(self, material: Material, some: Sequence[str]) -> np.ndarray:
        """(n_values,) of all training speakers; of words, which are not centred, 0."""
        parts = [
            np.zeros(self._block(name, material, some).shape[1])
            if name in WORDS
            else material.voices(*self._where(name, material), self.centring).mean
            for name in self.blocks
        ]
        return np.concatenate(parts)

    def _where(self, name: str, material: Material) -> tuple[object, Callable[..., np.ndarray]]:
        """What a block is known by among what is remembered of voices, and what computes it."""
        key = (name, self.start, self.pooling, self.layer)
        return key, partial(self._block, name, material)

    def _apart(
        self, name: str, vectors: np.ndarray, material: Material, utterances: Sequence[str]
    ) -> np.ndarray:
        """Vectors of a block less what is their speakers' own."""
        speakers = list(map(material.voice, utterances))
        if not any(speakers):
            return vectors
        voices = material.voices(*self._where(name, material), self.centring)
        return voices.apart(vectors, speakers)

    def _block(self, name: str, material: Material, utterances: Sequence[str]) -> np.ndarray:
        if name == "pooled":
            return material.pooled(self.start, utterances, self.pooling)
        if name in WORDS:
            return material.words_of(utterances, shuffled=name == SHUFFLED)
        if name == "mean_sd":
            return material.mean_sd(utterances, self.layer)
        if name == "mean":
            return material.mean(utterances, self.layer)
        of_block = {
            DESCRIPTORS: material.descriptors,
            "functionals": material.functionals,
            TEACHER: material.heard_by_teacher,
        }
        return of_block[name](utterances)
