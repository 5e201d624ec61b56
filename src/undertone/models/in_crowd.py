"""The discriminant analysis for many draws of labels from one crowd, in a fraction of the time.

In:  a ``Crowd``, settings.
Out: ``InCrowd``: for positions of labelled utterances, scores of others; those of
     ``discriminant.fit_and_judge`` to rounding.

A fit depends on products of the rows of a crowd and on nothing else, and its weights lie in the
space of these rows. So z-scores are turned once into coordinates along as many axes as there are
rows, where the values are more than that, and all fits share them.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Self

import numpy as np

from undertone.models.crowd import Crowd, scaled
from undertone.models.discriminant import DiscriminantConfig, Prior, speaker_means, taught
from undertone.models.nuisance import Copies, nuisance_rows
from undertone.models.self_training import Verdict


@dataclass(frozen=True)
class InCrowd:
    """What all fits to labels of one crowd share.

    Attributes:
        rows: (n_crowd, n_axes) its utterances.
        free: (n_crowd,) whether nothing is known of it but its sound, before a label is given.
        others: (n_others, n_axes) utterances to predict.
        prior: in these coordinates.
    """

    rows: np.ndarray = field(repr=False)
    free: np.ndarray = field(repr=False)
    others: np.ndarray = field(repr=False)
    prior: Prior

    @classmethod
    def of(
        cls,
        crowd: Crowd,
        others: np.ndarray,
        *,
        settings: DiscriminantConfig,
        emphasis: np.ndarray,
        copies: Copies | None = None,
    ) -> Self:
        """Of a crowd, and (n_others, n_values) vectors to predict."""
        mean, sd = crowd.mean_and_sd()
        of_crowd = partial(scaled, mean=mean, sd=sd, emphasis=emphasis)
        rows = of_crowd(crowd.vectors)
        means = speaker_means(of_crowd(crowd.differing), crowd.speakers)
        nuisance = nuisance_rows(copies, of_crowd, weight=settings.nuisance_weight)
        known = [rows, means, nuisance] if len(nuisance) else [rows, means]
        axes = np.linalg.qr(np.concatenate(known).T, mode="reduced")[0]
        prior = Prior(
            settings,
            means @ axes,
            n_values=rows.shape[1],
            nuisance=nuisance @ axes if len(nuisance) else nuisance,
        )
        return cls(rows @ axes, crowd.unlabelled, of_crowd(others) @ axes, prior)

    def fit(
        self, labelled: np.ndarray, truth: np.ndarray, *, n_outputs: int
    ) -> tuple[np.ndarray, Verdict]:
        """(n_others, n_outputs) scores by a fit to some labels, and whether the crowd taught.

        Args:
            labelled: (n_labels,) positions in the crowd.
            truth: (n_labels,) positions of the emotions.
            n_outputs: emotions.
        """
        free = self.free.copy()
        free[labelled] = False
        weight, bias, verdict = taught(
            self.prior,
            self.rows[labelled],
            truth,
            others=self.rows[free],
            weights=np.full(len(truth), float(self.prior.settings.label_weight)),
            n_outputs=n_outputs,
        )
        return self.others @ weight.T + bias, verdict
