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
     ``egemaps_trimmed_discriminant``: the same of recordings whose silence at the ends is cut off
     and whose speech is brought to one level: the fair rival where corpora differ in both.

openSMILE is licensed for research and personal use; nothing of it is part of Undertone.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import opensmile
from described import describe

from undertone import atomic, audio, config, corpora
from undertone.audio.alterations import STRETCH, speech_power
from undertone.errors import UndertoneError
from undertone.evaluation.predictions import predictions_table
from undertone.experiment import CurveSettings, Run, open_run
from undertone.experiment.folder import write_parquet
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.systems.fits import fit_combined, fit_linear
from undertone.systems.fitted import Fitted
from undertone.systems.system import DISCRIMINANT, Section
from undertone.tasks import CHOICE

SPEECH_DB = 30.0  # below the level of the speech, what stands at the ends is silence
LEVEL = 0.01  # power of the speech, 20 dB below full scale


@dataclass(frozen=True)
class Rival:
    """What is done to recordings before openSMILE hears them, and who learns from its values."""

    prepare: Callable[[np.ndarray], np.ndarray]
    fit: Callable[..., Fitted]
    section: Section | None


def as_recorded(waveform: np.ndarray) -> np.ndarray:
    """Nothing is done."""
    return waveform


def trimmed_and_levelled(waveform: np.ndarray) -> np.ndarray:
    """Without silence at its ends, its speech at ``LEVEL``."""
    n, power = len(waveform) // STRETCH, speech_power(waveform)
    of_each = (waveform[: n * STRETCH].reshape(n, STRETCH).astype(float) ** 2).mean(axis=1)
    heard = np.flatnonzero(of_each > power / 10 ** (SPEECH_DB / 10))
    first, last = (heard[0], heard[-1] + 1) if len(heard) else (0, n)
    level = np.sqrt(LEVEL / power)
    return (level * waveform[first * STRETCH : last * STRETCH]).astype(np.float32)


RIVALS = {
    "egemaps_logistic": Rival(as_recorded, partial(fit_linear, block="descriptors"), None),
    "egemaps_discriminant": Rival(as_recorded, fit_combined, DISCRIMINANT),
    "egemaps_trimmed_discriminant": Rival(trimmed_and_levelled, fit_combined, DISCRIMINANT),
}


def main() -> None:
    """Fit the rivals to every draw of a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished curve")
    parser.add_argument("--out", type=Path, required=True, help="folder for the rivals")
    parser.add_argument("--cache", type=Path, help="folder of the frame store")
    given = parser.parse_args()
    settings = config.load(CurveSettings, config.read_toml(given.run / "config.toml"))
    run = open_run(settings, given.out, Resources(given.cache))
    if run.task.kind != CHOICE:
        raise UndertoneError(f"expected a run that tells emotions apart, not {run.task.name}")
    with Progress(shown=True) as progress:
        predictions = {}
        for prepare in dict.fromkeys(rival.prepare for rival in RIVALS.values()):
            rivals = {n: rival for n, rival in RIVALS.items() if rival.prepare is prepare}
            predictions |= fit_all(run, egemaps(run, progress, prepare), rivals, progress)
    atomic.write_text(given.out / "config.toml", config.to_toml(settings))
    table = predictions_table(predictions, run.tested(run.plan()))
    write_parquet(given.out / "predictions.parquet", table)


def egemaps(
    run: Run, progress: Progress, prepare: Callable[[np.ndarray], np.ndarray]
) -> dict[str, np.ndarray]:
    """(88,) functionals by utterance, of those without a label too."""
    what = f"eGeMAPS {prepare.__name__.replace('_', ' ')}"
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    asked = {*run.corpus.table["utterance"], *run.data.unlabelled}
    rows = corpora.open(run.settings.corpus).table
    progress.add(what, len(asked))
    found = {}
    for row in rows[rows["utterance"].isin(asked)].itertuples():
        whole = np.isnan(row.end_s)
        waveform = audio.read(
            run.corpus.root / row.file,
            start_s=0.0 if np.isnan(row.start_s) else row.start_s,
            end_s=None if whole else row.end_s,
        )
        values = smile.process_signal(prepare(waveform), audio.SAMPLE_RATE).to_numpy()[0]
        found[row.utterance] = np.nan_to_num(values)
        progress.advance(what)
    return found


def fit_all(
    run: Run, vectors: dict[str, np.ndarray], rivals: Mapping[str, Rival], progress: Progress
) -> dict[tuple[str, int], np.ndarray]:
    """(n_draws, n_tested, n_outputs) by rival and budget, fold by fold as in ``Run.tested``."""
    plan, settings = run.plan(), run.settings.bag(run.task, ("descriptors",))
    counts = np.ones(len(next(iter(vectors.values()))))
    what = f"fits of {', '.join(rivals)}"
    progress.add(what, len(plan.cells))
    found: dict[tuple[str, int, int], list[np.ndarray]] = {}
    for cell in plan.cells:  # fold by fold
        material = describe(plan, cell.fold, vectors, counts)
        problem = plan.problem(cell, material)
        for name, rival in rivals.items():
            own = settings[rival.section.name] if rival.section else None
            fitted = rival.fit(problem, own)
            values = fitted.predict(material, problem.test)
            found.setdefault((name, cell.budget, cell.draw), []).append(values)
        progress.advance(what)
    return {
        (name, budget): np.stack(
            [np.concatenate(found[name, budget, draw]) for draw in range(run.draws.n_draws)]
        )
        for name in rivals
        for budget in run.draws.budgets
    }


if __name__ == "__main__":
    main()
