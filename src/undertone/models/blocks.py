"""Voice and words side by side, and how much each counts: chosen by the labels, output by output.

In:  vectors (n_utterances, n_values) whose first values are of the voice and whose others are of
     the words; labels.
Out: a pair of weights an output; a ``CrowdRidge`` with them.

Each block is z-scored by the crowd and divided by the root of its width, so that 384 values of a
text weigh as much as 3,584 of a voice. Which of them tells an output differs: words tell valence,
the voice tells arousal, and equal weights lose to the better of the two alone. So each output takes
one of eight fixed pairs of weights, the one whose closed-form leave-one-out predictions of the
budget's own labels correlate best with them. With a for voice and b for words the kernel is
a² K_voice + b² K_words: a pair costs one inverse, and no label is held out.

The same words said twice are left out together: what is tested shares no sentence with what is
learned from, and what chooses must not either. With r the residuals of a group g of rows and H the
hat matrix, a fit without them leaves (I - H_gg)⁻¹ r_g (Cook and Weisberg, Residuals and Influence
in Regression, 1982, section 3.6).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from undertone.models.crowd import Crowd, scaled
from undertone.models.crowd_ridge import CrowdRidge, RidgeConfig, dual_form, fit_crowd_ridge

PAIRS = (  # voice, words; the first counts where labels cannot tell
    *((1.0, 0.0), (1.0, 0.25), (1.0, 0.5), (1.0, 1.0), (1.0, 2.0)),
    *((0.5, 2.0), (0.25, 2.0), (0.0, 1.0)),
)
Pair = tuple[float, float]


@dataclass(frozen=True)
class Blocks:
    """Which values are the voice's, and what each counts within its block.

    Attributes:
        emphasis: (n_values,) factors of the z-scores.
        n_voice: values of the voice, which come first.
    """

    emphasis: np.ndarray
    n_voice: int

    @classmethod
    def beside(cls, voice: np.ndarray, n_words: int) -> "Blocks":
        """The voice's values with this emphasis, then so many values of the words."""
        return cls(np.append(voice, np.ones(n_words)), len(voice))

    def factors(self, pair: Pair) -> np.ndarray:
        """(n_values,) of the z-scores: both blocks brought to one mean square, then weighted."""
        voice, words = self.emphasis[: self.n_voice], self.emphasis[self.n_voice :]
        parts = zip((voice, words), pair, strict=True)
        return np.concatenate([weight * part / np.linalg.norm(part) for part, weight in parts])


def describe(pair: Pair) -> str:
    """A pair, voice first.

    >>> describe((1.0, 0.25))
    '1:0.25'
    """
    return f"{pair[0]:g}:{pair[1]:g}"


def told_left_out(
    vectors: np.ndarray,
    truth: np.ndarray,
    *,
    blocks: Blocks,
    crowd: Crowd,
    penalty: float,
    sentences: Sequence[object],
) -> tuple[np.ndarray, np.ndarray]:
    """What fits without its sentence say of each label.

    Args:
        vectors: (n_labels, n_values) of the labelled utterances.
        truth: (n_labels, n_outputs) amounts, or 1 for the true class.
        blocks: of the vectors.
        crowd: whose z-scores they become.
        penalty: of the mean squared norm of the rows.
        sentences: (n_labels,) what is said; None where nobody knows, which is as no other.

    Returns:
        (n_pairs, n_labels, n_outputs) as z-scores of the labels, and the (n_labels, n_outputs)
        z-scores that they should be; 0 where all labels are one.
    """
    mean, sd = crowd.mean_and_sd()
    rows = scaled(vectors, mean=mean, sd=sd, emphasis=blocks.factors((1.0, 1.0)))
    rows -= rows.mean(axis=0)
    voice, words = rows[:, : blocks.n_voice], rows[:, blocks.n_voice :]
    of_voice, of_words = voice @ voice.T, words @ words.T
    spread = truth.std(axis=0)
    targets = (truth - truth.mean(axis=0)) / np.where(spread > 0, spread, 1)
    groups = groups_of(sentences)
    kernels = (a**2 * of_voice + b**2 * of_words for a, b in PAIRS)
    told = [left_out(kernel, targets, penalty=penalty, groups=groups) for kernel in kernels]
    return np.stack(told), targets


def left_out(
    kernel: np.ndarray, targets: np.ndarray, *, penalty: float, groups: Sequence[np.ndarray]
) -> np.ndarray:
    """(n_labels, n_outputs) what a fit without a label's group says of it.

    Args:
        kernel: (n_labels, n_labels) products of the centred rows.
        targets: (n_labels, n_outputs), centred.
        penalty: of the mean squared norm of the rows.
        groups: positions of the labels that are left out together.
    """
    dual, hat = dual_form(kernel, targets, penalty=penalty)
    residuals, predictions = targets - kernel @ dual, np.empty_like(targets)
    for group in groups:
        apart = np.eye(len(group)) - hat[np.ix_(group, group)]
        predictions[group] = targets[group] - np.linalg.pinv(apart) @ residuals[group]
    return predictions


def by_output(told: np.ndarray, targets: np.ndarray) -> list[Pair]:
    """The pair of each output whose predictions correlate best with the labels.

    Args:
        told: (n_pairs, n_labels, n_outputs), as of ``told_left_out``.
        targets: (n_labels, n_outputs).
    """
    centred = told - told.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1) * np.linalg.norm(targets, axis=0)
    found = (centred * targets).sum(axis=1) / np.where(norms > 0, norms, 1)
    return [PAIRS[k] for k in found.argmax(axis=0)]


def fit_block_ridge(
    vectors: np.ndarray,
    truth: np.ndarray,
    pairs: Sequence[Pair],
    *,
    blocks: Blocks,
    crowd: Crowd,
    settings: RidgeConfig,
    limits: tuple[float, float],
) -> CrowdRidge:
    """A ridge regression whose every output weighs the blocks with its own pair.

    Args:
        vectors: (n_labels, n_values).
        truth: (n_labels, n_outputs) amounts.
        pairs: one an output.
        blocks: of the vectors.
        crowd: of the same speakers.
        settings: of the regression.
        limits: lowest and highest amount that is predicted.
    """
    weight, bias = np.zeros((truth.shape[1], vectors.shape[1])), np.zeros(truth.shape[1])
    for pair in dict.fromkeys(pairs):
        factors = blocks.factors(pair)
        ridge = fit_crowd_ridge(
            vectors, truth, crowd=crowd, settings=settings, emphasis=factors, limits=limits
        )
        of_pair = [output for output, chosen in enumerate(pairs) if chosen == pair]
        weight[of_pair], bias[of_pair] = factors * ridge.weight[of_pair], ridge.bias[of_pair]
    return CrowdRidge(
        ridge.mean, ridge.sd, np.ones(vectors.shape[1]), weight, bias, np.array(limits, float)
    )


def groups_of(sentences: Sequence[object]) -> list[np.ndarray]:
    """Positions of each sentence; an unknown one stands alone."""
    by_name: dict[object, list[int]] = {}
    for position, sentence in enumerate(sentences):
        by_name.setdefault(position if sentence is None else sentence, []).append(position)
    return [np.array(group) for group in by_name.values()]
