"""The rivals of a learning curve: eGeMAPS functionals with two classifiers, same draws.

    pip install -e '.[rivals]'
    python scripts/egemaps_rival.py --run runs/emodb --out runs/emodb-egemaps
    undertone compare ours=runs/emodb:combined egemaps=runs/emodb-egemaps:egemaps_logistic

In:  the folder of a finished run of ``undertone curve``.
Out: a folder with its ``config.toml`` and the rivals' ``predictions.parquet``, for
     ``undertone compare``. Both see the labels of each draw, validation included.
     ``egemaps_logistic``: a logistic regression, its penalty chosen on the labels, as for every
     logistic regression here. ``egemaps_discriminant``: our self-trained discriminant analysis on
     the same vectors, which tells the share of the classifier from that of the features.

openSMILE is licensed for research and personal use; nothing of it is part of Undertone.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import opensmile
import pandas as pd

from undertone import atomic, audio, config
from undertone.corpora.tasks import classes
from undertone.learning_curve import CurveSettings, Run, open_run
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.training.classic import fit_logistic
from undertone.training.discriminant import Crowd, fit_discriminant
from undertone.training.seeds import seed_of
from undertone.training.sweep import Cell, Plan


def main() -> None:
    """Fit the rival to every draw of a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished curve")
    parser.add_argument("--out", type=Path, required=True, help="folder for the rival")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    settings = config.load(CurveSettings, config.read_toml(given.run / "config.toml"))
    run = open_run(settings, given.out, Resources(given.cache))
    with Progress(shown=True) as progress:
        predictions = fit_all(run, egemaps(run, progress), progress)
    given.out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(given.out / "config.toml", config.to_toml(settings))
    predictions.to_parquet(given.out / "predictions.parquet", index=False)


def egemaps(run: Run, progress: Progress) -> dict[str, np.ndarray]:
    """(88,) functionals by utterance."""
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    progress.add("eGeMAPS", len(run.corpus))
    found = {}
    for row in run.corpus.table.itertuples():
        whole = np.isnan(row.end_s)
        waveform = audio.read(
            run.corpus.root / row.file,
            start_s=0.0 if np.isnan(row.start_s) else row.start_s,
            end_s=None if whole else row.end_s,
        )
        values = smile.process_signal(waveform, audio.SAMPLE_RATE).to_numpy()[0]
        found[row.utterance] = np.nan_to_num(values)
        progress.advance("eGeMAPS")
    return found


def fit_all(run: Run, vectors: dict[str, np.ndarray], progress: Progress) -> pd.DataFrame:
    """Predictions of every draw, with the truth beside them."""
    plan = run.plan()
    progress.add("fits", len(plan.cells))
    tables = []
    for cell in plan.cells:
        for system, fit in RIVALS.items():
            chances = fit(run, plan, cell, vectors)
            tables.append(_table(system, cell, plan, chances))
        progress.advance("fits")
    truth = run.corpus.table[["utterance", "speaker", "emotion"]]
    truth = truth.rename(columns={"emotion": "truth"})
    found = pd.concat(tables)
    found["prediction"] = found["prediction"].map(
        dict(enumerate(classes(run.corpus.emotions).outputs))
    )
    return found.merge(truth, on="utterance", validate="many_to_one")


def fit_by_logistic(run: Run, plan: Plan, cell: Cell, vectors: dict[str, np.ndarray]) -> np.ndarray:
    """(n_test, n_classes) probabilities of the logistic regression."""
    budget = [*cell.train, *cell.validation]
    fitted = fit_logistic(
        _stack(vectors, budget),
        np.array([plan.emotion[name] for name in budget]),
        speakers=np.array([plan.speaker[name] for name in budget], dtype=object),
        seed=seed_of(plan.seed, cell.name),
    )
    return fitted.probabilities(_stack(vectors, plan.tests[cell.fold]), plan.n_classes)


def fit_by_discriminant(
    run: Run, plan: Plan, cell: Cell, vectors: dict[str, np.ndarray]
) -> np.ndarray:
    """(n_test, n_classes) probabilities of the self-trained discriminant analysis."""
    budget, crowd = [*cell.train, *cell.validation], plan.crowds[cell.fold]
    fitted = fit_discriminant(
        _stack(vectors, budget),
        np.array([plan.emotion[name] for name in budget]),
        crowd=Crowd(
            _stack(vectors, list(crowd)),
            np.array(list(crowd.values()), dtype=object),
            np.array([name not in set(budget) for name in crowd]),
        ),
        n_classes=plan.n_classes,
        settings=run.settings.discriminant,
    )
    return fitted.probabilities(_stack(vectors, plan.tests[cell.fold]))


RIVALS = {"egemaps_logistic": fit_by_logistic, "egemaps_discriminant": fit_by_discriminant}


def _stack(vectors: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    return np.stack([vectors[name] for name in names]).astype(np.float64)


def _table(system: str, cell: Cell, plan: Plan, chances: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "system": system,
            "budget": cell.budget,
            "draw": cell.draw,
            "fold": cell.fold,
            "utterance": plan.tests[cell.fold],
            "prediction": chances.argmax(axis=1),
        }
    )


if __name__ == "__main__":
    main()
