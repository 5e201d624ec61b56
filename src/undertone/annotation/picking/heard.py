"""What is heard of utterances: a vector of each, as the recommended systems read them.

In:  a corpus, the name of features.
Out: ``Heard``: vectors and what each value counts; utterances without frames are passed over.

Of frames these are the descriptors, of a pre-trained encoder the means of its layers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from undertone.annotation.picking.geometry import Space
from undertone.corpora.corpus import Corpus, knows
from undertone.features.descriptors import describe, emphasis
from undertone.features.name import FeatureName
from undertone.reading import Resources, open_layers, read_frames


@dataclass(frozen=True)
class Heard:
    """Vectors of the utterances of a corpus.

    Attributes:
        corpus: without the utterances that have no frames, which it counts.
        vectors: (n_values,) of each.
        emphasis: (n_values,) what each value counts.
        contents: digest of the audio of each.
    """

    corpus: Corpus
    vectors: Mapping[str, np.ndarray]
    emphasis: np.ndarray
    contents: Mapping[str, str]

    def space(self, utterances: Sequence[str], recordings: Sequence[str] | None = None) -> Space:
        """Where these utterances lie among each other; of unknown speakers nothing is taken off."""
        rows = self.corpus.table
        who = dict(zip(rows["utterance"], rows["speaker"], strict=True))
        return Space.of(
            np.stack([self.vectors[name] for name in utterances]),
            speakers=[who[name] if knows(who[name]) else None for name in utterances],
            recordings=recordings,
            emphasis=self.emphasis,
        )


def hear(corpus: Corpus, features: FeatureName, resources: Resources) -> Heard:
    """Vectors of every utterance that can be heard.

    Raises:
        UndertoneError: the features cannot be computed.
    """
    if not features.is_upstream:
        read, table = read_frames(corpus, features, resources)
        names = list(read.table["utterance"])
        vectors = {n: describe(np.asarray(table.frames(n)), table.columns) for n in names}
        width = len(next(iter(vectors.values()))) if vectors else 0
        return Heard(read, vectors, emphasis(table.columns, width), table.contents)
    layers = open_layers(corpus, features, resources)
    read = corpus.drop(layers.table.failures)
    names = list(read.table["utterance"])
    means = layers.means(names) if names else np.zeros((0, 1))
    found = dict(zip(names, means, strict=True))
    return Heard(read, found, layers.emphasis(), layers.table.contents)
