"""The rival of a learning curve: eGeMAPS functionals with logistic regression, same draws.

    pip install -e '.[rivals]'
    python scripts/egemaps_rival.py --run runs/emodb --out runs/emodb-egemaps
    undertone compare ours=runs/emodb:combined egemaps=runs/emodb-egemaps:egemaps_logistic

In:  the folder of a finished run of ``undertone curve``.
Out: a folder with its ``config.toml`` and the rival's ``predictions.parquet``, for
     ``undertone compare``. The rival sees the labels of each draw, validation included, and its
     penalty is chosen on them as for every logistic regression here.

openSMILE is licensed for research and personal use; nothing of it is part of Undertone.
"""

import argparse
from pathlib import Path

import numpy as np
import opensmile
import pandas as pd

from undertone import atomic, audio, config
from undertone.learning_curve import CurveSettings, Run, open_run
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.training.classic import fit_logistic
from undertone.training.seeds import seed_of
from undertone.training.sweep import Cell

SYSTEM = "egemaps_logistic"


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
        tables.append(_fit(run, vectors, cell, plan.tests[cell.fold]))
        progress.advance("fits")
    truth = run.corpus.table[["utterance", "speaker", "emotion"]]
    truth = truth.rename(columns={"emotion": "truth"})
    return pd.concat(tables).merge(truth, on="utterance", validate="many_to_one")


def _fit(
    run: Run, vectors: dict[str, np.ndarray], cell: Cell, tested: tuple[str, ...]
) -> pd.DataFrame:
    rows = run.corpus.table.set_index("utterance")
    budget = [*cell.train, *cell.validation]
    emotions = sorted(rows["emotion"].unique())
    truth = rows.loc[budget, "emotion"].map({name: i for i, name in enumerate(emotions)})
    fitted = fit_logistic(
        np.stack([vectors[name] for name in budget]),
        truth.to_numpy(),
        speakers=rows.loc[budget, "speaker"].to_numpy(dtype=object),
        seed=seed_of(run.settings.seed, cell.name),
    )
    chances = fitted.probabilities(np.stack([vectors[name] for name in tested]), len(emotions))
    return pd.DataFrame(
        {
            "system": SYSTEM,
            "budget": cell.budget,
            "draw": cell.draw,
            "fold": cell.fold,
            "utterance": tested,
            "prediction": np.array(emotions)[chances.argmax(axis=1)],
        }
    )


if __name__ == "__main__":
    main()
