"""How systems that read transcripts learn from the labels of a problem.

In:  a ``Problem`` whose material has ``Words``, and the settings of the system.
Out: ``Fitted``.

The crowd of such a fit is the part of it whose words are known; a labelled utterance without words
enters with words in the middle of the crowd's, z-scores of 0. For an utterance without words a
model of the voice alone answers, fitted on the same labels; where the voice must not enter, what a
constant knows. How much voice and words count is chosen on the labels: of amounts output by output,
in closed form (``models.blocks``); of classes once, by the likelihood of labels left out of the
discriminant analysis, sentence by sentence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from undertone.errors import UndertoneError
from undertone.models import blocks
from undertone.models.blocks import Blocks, Pair
from undertone.models.crowd import Crowd, scaled
from undertone.models.crowd_ridge import CrowdRidge, RidgeConfig, closed_form, fit_crowd_ridge
from undertone.models.discriminant import (
    DiscriminantConfig,
    fit_discriminant,
    likelihood_left_out,
)
from undertone.models.heads import Constant
from undertone.systems import fits
from undertone.systems.fitted import Fitted, OnVectors, OnWords
from undertone.systems.problem import Problem
from undertone.systems.view import SHUFFLED, View
from undertone.training.seeds import generator

VOICE, WORDS = "descriptors", "words"
FEWEST = 2  # utterances of the crowd whose words are known
MOST_FITS = 40  # of classes: labels beyond that are left out several at a time
MOST = 4_000  # of the crowd, that the voice learns to tell words from


@dataclass(frozen=True)
class Seen:
    """What a fit is given of voice and words.

    Attributes:
        problem: the labels.
        words: the block, ``words`` or ``shuffled``.
    """

    problem: Problem
    words: str

    @cached_property
    def crowd_names(self) -> list[str]:
        """The crowd whose words are known."""
        material = self.problem.material
        assert material.words is not None, "who reads words is asked for where they are given"
        everyone = list(material.crowd)
        names = [n for n, k in zip(everyone, material.words.known(everyone), strict=True) if k]
        if len(names) < FEWEST:
            raise UndertoneError(
                f"only {len(names)} of {len(everyone)} utterances of the training speakers have a "
                "transcript: name a table of them with --transcripts FILE, which `undertone "
                "transcribe` writes, or leave --text out"
            )
        return names

    def crowd(self, view: View) -> Crowd:
        """Of the utterances whose words are known, in this view."""
        who, seen = self.problem.material.crowd, set(self.problem.budget)
        vectors = fits.vectors_of(self.problem, view, self.crowd_names)
        return Crowd(
            vectors,
            speakers=np.array([who[name] for name in self.crowd_names], dtype=object),
            unlabelled=np.array([name not in seen for name in self.crowd_names]),
            voiced=fits.voiced_of(self.problem, view, self.crowd_names, vectors),
        )

    def labelled(self, view: View, crowd: Crowd) -> np.ndarray:
        """(n_labels, n_values) of the budget; what is not known is the crowd's mean."""
        vectors = view.vectors(self.problem.material, self.problem.budget).astype(np.float64)
        return np.where(np.isnan(vectors), crowd.vectors.mean(axis=0), vectors)

    def blocks(self, crowd: Crowd) -> Blocks:
        """Of voice and words side by side."""
        voice = _emphasis(self)
        return Blocks.beside(voice, crowd.vectors.shape[1] - len(voice))

    @property
    def sentences(self) -> Sequence[object]:
        """(n_labels,) what is said; somebody else's words are no sentence of two."""
        words = self.problem.material.words
        if words is None or self.words == SHUFFLED:
            return [None] * len(self.problem.budget)
        return [words.sentences.get(name) for name in self.problem.budget]

    @property
    def truths(self) -> np.ndarray:
        return self.problem.truths(self.problem.budget)

    @property
    def limits(self) -> tuple[float, float]:
        task = self.problem.task
        return (task.low, task.high) if task.clipped else (-math.inf, math.inf)


def fit_ridge_beside(problem: Problem, settings: RidgeConfig, *, words: str = WORDS) -> Fitted:
    """Voice and words in a ridge regression, weighed output by output."""
    view = View((VOICE, words), centring=settings.centring)
    seen = Seen(problem, words)
    crowd = seen.crowd(view)
    labelled, sides = seen.labelled(view, crowd), seen.blocks(crowd)
    told = blocks.told_left_out(
        labelled,
        seen.truths,
        blocks=sides,
        crowd=crowd,
        penalty=settings.penalty,
        sentences=seen.sentences,
    )
    pairs = blocks.by_output(*told)
    ridge = blocks.fit_block_ridge(
        labelled,
        seen.truths,
        pairs,
        blocks=sides,
        crowd=crowd,
        settings=settings,
        limits=seen.limits,
    )
    chosen = _told(problem, pairs)
    return OnWords(view, ridge, _voice_alone(problem, settings), remarks=chosen)


def fit_discriminant_beside(
    problem: Problem, settings: DiscriminantConfig, *, words: str = WORDS
) -> Fitted:
    """Voice and words in a discriminant analysis, weighed once for all classes."""
    view = View((VOICE, words), centring=settings.centring)
    seen = Seen(problem, words)
    crowd = seen.crowd(view)
    labelled, sides = seen.labelled(view, crowd), seen.blocks(crowd)
    pair = _pair_of_classes(seen, labelled, crowd, sides=sides, settings=settings)
    chosen = {"weights": {"all": blocks.describe(pair)}}
    alone = fits.fit_combined(problem, settings)
    assert isinstance(alone, OnVectors), "it is a discriminant analysis on a vector"
    if pair[1] == 0:
        return replace(alone, remarks=chosen)
    if pair[0] == 0:
        return replace(_words_alone(seen, settings, alone), remarks=chosen)
    discriminant = fit_discriminant(
        labelled,
        problem.positions(problem.budget),
        crowd=crowd,
        n_outputs=problem.n_outputs,
        settings=settings,
        emphasis=_evened(sides.factors(pair)),
    )
    return OnWords(view, discriminant, alone, remarks=chosen)


def _pair_of_classes(
    seen: Seen, labelled: np.ndarray, crowd: Crowd, *, sides: Blocks, settings: DiscriminantConfig
) -> Pair:
    """The pair whose discriminant analyses make labels likeliest that they were not given."""
    groups = blocks.groups_of(seen.sentences)
    order = generator(seen.problem.seed, "sentences").permutation(len(groups))
    parts = [p for p in np.array_split(order, min(MOST_FITS, len(groups))) if len(p)]
    together = [np.concatenate([groups[i] for i in part]) for part in parts]
    found = [
        likelihood_left_out(
            labelled,
            seen.problem.positions(seen.problem.budget),
            crowd=crowd,
            n_outputs=seen.problem.n_outputs,
            settings=settings,
            emphasis=_evened(sides.factors(pair)),
            groups=together,
        )
        for pair in blocks.PAIRS
    ]
    return blocks.PAIRS[int(np.argmax(found))]


def _evened(factors: np.ndarray) -> np.ndarray:
    """Factors of mean square 1 over those that are not 0."""
    return factors * math.sqrt((factors > 0).sum()) / np.linalg.norm(factors)


def fit_ridge_on_words(problem: Problem, settings: RidgeConfig) -> Fitted:
    """The words alone; an utterance without them gets the mean of the labels."""
    seen, view = Seen(problem, WORDS), View((WORDS,))
    crowd = seen.crowd(view)
    ridge = fit_crowd_ridge(
        seen.labelled(view, crowd),
        seen.truths,
        crowd=crowd,
        settings=settings,
        limits=seen.limits,
    )
    return OnWords(view, ridge, _constant(problem))


def fit_discriminant_on_words(problem: Problem, settings: DiscriminantConfig) -> Fitted:
    """The words alone; an utterance without them gets the shares of the labels."""
    return _words_alone(Seen(problem, WORDS), settings, _constant(problem))


def fit_hearing_words(problem: Problem, settings: RidgeConfig) -> Fitted:
    """The voice, and what it tells of the words: served without a transcript.

    The labels give a direction in the words, one an output, and it tells where an utterance of the
    crowd lies along it without a label. A ridge regression from the voice to that place, fitted on
    the crowd, gives one more value beside the voice, weighed as words would be. Of an utterance
    that it was fitted on the value is a closed-form leave-one-out prediction.
    """
    seen = Seen(problem, WORDS)
    of_voice = View((VOICE,), centring=settings.centring)
    words, voice = seen.crowd(View((WORDS,))), seen.crowd(of_voice)
    labelled = seen.labelled(View((WORDS,)), words)
    plain = replace(settings, match_spread=False)
    direction = fit_crowd_ridge(labelled, seen.truths, crowd=words, settings=plain)
    listener = _listen(seen, voice, direction.predict(words.vectors), settings)
    pairs, parts = [], []
    for output in range(problem.n_outputs):
        pair, part = _beside_heard(seen, voice, listener, output=output, settings=settings)
        pairs.append(pair)
        parts.append(part)
    ridge = replace(
        parts[0],
        weight=np.concatenate([part.weight for part in parts]),
        bias=np.concatenate([part.bias for part in parts]),
    )
    expected = of_voice.expected(problem.material, fits.no_emotion)
    return OnVectors(of_voice, ridge, expected=expected, remarks=_told(problem, pairs))


@dataclass(frozen=True)
class _Listener:
    """From the voice's z-scores to places among words.

    Attributes:
        weight: (n_outputs, n_values).
        bias: (n_outputs,).
        left_out: (n_outputs,) by utterance that it was fitted on, by a fit without it.
    """

    weight: np.ndarray
    bias: np.ndarray
    left_out: dict[str, np.ndarray]

    def hear(self, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """(n_utterances, n_outputs) places of utterances, from (n_utterances, n_values)."""
        heard = rows @ self.weight.T + self.bias
        return np.stack([self.left_out.get(n, h) for n, h in zip(names, heard, strict=True)])


def _listen(seen: Seen, voice: Crowd, places: np.ndarray, settings: RidgeConfig) -> _Listener:
    """Fit to the crowd, or to ``MOST`` of it."""
    order = generator(seen.problem.seed, "listener").permutation(len(places))
    some = np.sort(order[:MOST])
    rows = _z_scores(seen, voice, voice.vectors[some])
    centre = rows.mean(axis=0)
    form = closed_form(rows - centre, places[some].astype(float), penalty=settings.penalty)
    weight = form.label_sd[:, None] * form.weight
    heard = form.left_out * form.label_sd + form.label_mean
    names = [seen.crowd_names[i] for i in some]
    left_out = dict(zip(names, heard, strict=True))
    return _Listener(weight, form.label_mean - weight @ centre, left_out)


def _beside_heard(
    seen: Seen, voice: Crowd, listener: _Listener, *, output: int, settings: RidgeConfig
) -> tuple[Pair, CrowdRidge]:
    """One output from the voice and the place that was heard; as weights of the voice alone.

    The place is linear in the voice, h = L z + b, so that the weights w of the voice and v of the
    place's z-score (h - m) / s come to w + (v / s) L, and the bias to c + (v / s) (b - m).
    """
    names, emphasis = seen.problem.budget, _emphasis(seen)

    def beside(of: Sequence[str], vectors: np.ndarray) -> np.ndarray:
        heard = listener.hear(of, _z_scores(seen, voice, vectors))
        return np.column_stack([vectors, heard[:, output]])

    of_voice = View((VOICE,), centring=settings.centring)
    labelled = beside(names, fits.vectors_of(seen.problem, of_voice, names))
    crowd = replace(voice, vectors=beside(seen.crowd_names, voice.vectors))
    truth, sides = seen.truths[:, [output]], Blocks.beside(emphasis, 1)
    told = blocks.told_left_out(
        labelled,
        truth,
        blocks=sides,
        crowd=crowd,
        penalty=settings.penalty,
        sentences=seen.sentences,
    )
    pairs = blocks.by_output(*told)
    ridge = blocks.fit_block_ridge(
        labelled,
        truth,
        pairs,
        blocks=sides,
        crowd=crowd,
        settings=settings,
        limits=seen.limits,
    )
    slope = ridge.weight[:, -1] / ridge.sd[-1]
    weight = ridge.weight[:, :-1] + slope[:, None] * emphasis * listener.weight[output]
    bias = ridge.bias + slope * (listener.bias[output] - ridge.mean[-1])
    folded = CrowdRidge(
        ridge.mean[:-1], ridge.sd[:-1], ridge.emphasis[:-1], weight, bias, ridge.range
    )
    return pairs[0], folded


def _words_alone(seen: Seen, settings: DiscriminantConfig, otherwise: OnVectors) -> OnWords:
    view = View((seen.words,))
    crowd = seen.crowd(view)
    discriminant = fit_discriminant(
        seen.labelled(view, crowd),
        seen.problem.positions(seen.problem.budget),
        crowd=crowd,
        n_outputs=seen.problem.n_outputs,
        settings=settings,
    )
    return OnWords(view, discriminant, otherwise)


def _voice_alone(problem: Problem, settings: RidgeConfig) -> OnVectors:
    alone = fits.fit_ridge_in_crowd(problem, settings)
    assert isinstance(alone, OnVectors), "it is a regression on a vector"
    return alone


def _constant(problem: Problem) -> OnVectors:
    """The mean of the labels; of classes their shares."""
    return OnVectors(View(), Constant(problem.truths(problem.budget).mean(axis=0)))


def _z_scores(seen: Seen, voice: Crowd, vectors: np.ndarray) -> np.ndarray:
    mean, sd = voice.mean_and_sd()
    return scaled(vectors, mean=mean, sd=sd, emphasis=_emphasis(seen))


def _emphasis(seen: Seen) -> np.ndarray:
    """(n_values,) of the voice."""
    material = seen.problem.material
    return material.emphasis(material.descriptors(seen.problem.budget[:1]).shape[1])


def _told(problem: Problem, pairs: Sequence[Pair]) -> dict[str, dict[str, str]]:
    described = map(blocks.describe, pairs)
    return {"weights": dict(zip(problem.task.outputs, described, strict=True))}
