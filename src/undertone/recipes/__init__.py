"""Published systems, reproduced: a recipe is what a paper printed, its settings, and one call.

In:  a corpus of the user, a folder for the run, settings laid over the recipe's.
Out: a ``Reproduction``: the report, and for a terminal tables and answers.
"""

from collections.abc import Callable, Mapping

from undertone.recipes import masked_gru, wav2vec_cnn
from undertone.recipes.reproduction import Reproduction

RECIPES: Mapping[str, Callable[..., Reproduction]] = {
    "masked-gru": masked_gru.reproduce,
    "wav2vec-cnn": wav2vec_cnn.reproduce,
}
