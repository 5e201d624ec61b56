"""What a run tells of its own pre-training.

In:  the finished pre-training of each fold.
Out: a table of losses, and warnings where nothing seems to have been learned.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import pandas as pd

from undertone.training import references
from undertone.training.pretrain import Pretraining


def pretraining_table(pretrainings: Mapping[int, Pretraining]) -> pd.DataFrame:
    """One row a fold: epochs, and the loss beside that of what takes no training."""
    rows = [
        {
            "fold": fold,
            "epochs": len(done.history),
            "best epoch": done.best.epoch + 1,
            "held-out loss": done.best.held_out_loss,
            **references.columns(done.measured),
        }
        for fold, done in pretrainings.items()
    ]
    return pd.DataFrame(rows).round(4)


def unbeaten(pretrainings: Mapping[int, Pretraining]) -> Iterator[str]:
    """A warning, if encoders learned no more than what takes no training."""
    names = Counter(
        f"{one.objective} than {name}"
        for done in pretrainings.values()
        for one in done.measured
        for name in one.unbeaten
    )
    for name, n_folds in names.items():
        yield (
            f"On held-out speech of the pool, in {n_folds} of {len(pretrainings)} folds, "
            f"pre-training has no lower loss of {name}, which takes no training: there is no sign "
            "that these encoders learned anything."
        )
