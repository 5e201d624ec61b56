"""A system of a finished run as something to serve: what one of its fits would be as a model.

In:  a ``Run`` and the name of one of its systems.
Out: ``Recogniser``, as it was fitted in the first fold on the first draw of the most labels.
"""

import math

import numpy as np

from undertone import audio
from undertone.experiment.run import Run
from undertone.experiment.sweep import refit
from undertone.features.name import parse
from undertone.recogniser.build import features_read
from undertone.recogniser.folder import Inputs, Recogniser


def recogniser_of(run: Run, system: str) -> Recogniser:
    """The system fitted once more; whatever was pre-trained is read from the run's folder."""
    sweep = run.sweep(run.plan())
    cell = max(sweep.plan.cells, key=lambda cell: (cell.budget, -cell.draw, -cell.fold))
    fitted, material = refit(sweep, system, cell)
    features, start = parse(run.settings.features), fitted.view.start
    return Recogniser(
        Inputs.of(features_read(features, fitted), material.normaliser),
        sweep.plan.shape,
        run.task,
        system,
        fitted,
        encoders={start: material.encoder(start)} if start else {},
        notes={"labels": cell.budget, "corpus": run.corpus.name, **fitted.notes},
    )


def waveforms_tested(run: Run, n: int) -> list[np.ndarray]:
    """So many recordings of the first fold's test speakers, spread over them; all if fewer."""
    rows = run.corpus.table
    tested = rows[rows["speaker"].isin(run.folds[0].test_speakers)]
    chosen = tested.iloc[np.unique(np.linspace(0, len(tested) - 1, n).round().astype(int))]
    columns = (chosen[name] for name in ("file", "start_s", "end_s"))
    return [
        audio.read(
            run.corpus.root / file,
            start_s=0.0 if math.isnan(start_s) else float(start_s),
            end_s=None if math.isnan(end_s) else float(end_s),
        )
        for file, start_s, end_s in zip(*columns, strict=True)
    ]
