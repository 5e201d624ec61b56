"""Official test parts, scored apart: what is said of one is never said of all.

In:  the predictions of a run, and what they are of.
Out: by test part its curves, and what one rater scores; under "" where there is only one part.
"""

from collections.abc import Callable, Mapping

import numpy as np

from undertone.corpora.corpus import Corpus
from undertone.evaluation.ceiling import Ceiling, ceilings_of
from undertone.evaluation.curves import Curves, Key, trace
from undertone.evaluation.predictions import Tested


def trace_apart(
    predictions: Mapping[Key, np.ndarray],
    tested: Tested,
    *,
    n_replicates: int | None = None,
    workers: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Curves]:
    """Every system at every budget, part by part; arguments as of ``trace``."""
    speakers = np.array(tested.speakers)
    return {
        part: trace(
            {key: values[:, rows] for key, values in predictions.items()},
            task=tested.task,
            truth=tested.truth[rows],
            speakers=speakers[rows].tolist(),
            n_replicates=n_replicates,
            workers=workers,
            advance=advance,
        )
        for part, rows in tested.apart().items()
    }


def ceilings_apart(
    corpus: Corpus, tested: Tested, n_replicates: int | None = None
) -> dict[str, tuple[Ceiling, ...]]:
    """What one rater scores on the utterances that are tested."""
    names = np.array(tested.utterances, dtype=object)
    return {
        part: ceilings_of(corpus, tested.task, names[rows], n_replicates=n_replicates)
        for part, rows in tested.apart().items()
    }
