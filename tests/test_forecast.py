"""How long a run will take is told before it begins, and changes no number of it."""

import dataclasses

import pandas as pd
import pytest
from plan_fakes import curve_run, data_of

from undertone.experiment import forecast as module
from undertone.experiment.forecast import Forecast, forecast
from undertone.experiment.sweep import run as run_sweep
from undertone.models.encoder import EncoderConfig
from undertone.progress import Progress
from undertone.tasks import AMOUNTS, CHOICE
from undertone.training.pretrain import PretrainConfig

SMALL = {
    "encoder": EncoderConfig(hidden_units=8, layers=1, stride=2),
    "pretrain": PretrainConfig(max_epochs=3, patience=1, crop_steps=10),
    "of_systems": {"finetune": {"max_epochs": 4, "patience": 1, "epochs_without_validation": 2}},
}


def sweep_of(folder, kind=CHOICE, **changes):
    run = curve_run(data_of(kind), folder, **(SMALL | changes))
    return run.sweep(run.plan())


def timed(monkeypatch, seconds):
    """Every job that is timed takes so long, by the name of what was timed."""
    monkeypatch.setattr(module, "_seconds", lambda job: (job(), seconds)[1])


@pytest.mark.parametrize("kind", [CHOICE, AMOUNTS])
def test_every_system_of_a_task_can_be_calibrated(tmp_path, kind):
    found = forecast(sweep_of(tmp_path, kind), n_replicates=50)
    assert all(0 < low <= high for low, high in (found.pretraining, found.fits, found.whole))
    assert found.scoring > 0
    assert found.whole[1] == pytest.approx(found.pretraining[1] + found.fits[1] + found.scoring)


def test_twice_the_draws_take_twice_the_fits(tmp_path, monkeypatch):
    timed(monkeypatch, 1.0)
    systems = ("scratch", "constant")
    few, many = (
        forecast(
            sweep_of(tmp_path / str(n), draws=n, full_draws=0, systems=systems), n_replicates=10
        )
        for n in (2, 4)
    )
    assert many.fits == pytest.approx([2 * end for end in few.fits], rel=0.1)
    assert many.scoring == pytest.approx(2 * few.scoring)
    assert few.pretraining == many.pretraining == (0.0, 0.0)  # no system starts from it
    assert few.fits[1] > few.fits[0]  # epochs: four at most, two at least


def test_what_is_there_does_not_count(tmp_path, monkeypatch):
    timed(monkeypatch, 1.0)
    sweep = sweep_of(tmp_path, systems=("scratch", "functionals_logistic", "constant"))
    whole = forecast(sweep, n_replicates=10)
    with Progress(shown=False) as progress:
        run_sweep(sweep, workers=1, progress=progress)
    assert forecast(sweep, n_replicates=10) is None
    for cell in sweep.plan.cells[:3]:
        sweep.path("constant", cell).unlink()
    rest = forecast(sweep, n_replicates=10)
    assert 0 < rest.fits[1] < 0.1 * whole.fits[1]


def test_finished_epochs_of_pretraining_do_not_count(tmp_path):
    sweep = sweep_of(tmp_path)
    before = forecast(sweep, n_replicates=10).pretraining
    with Progress(shown=False) as progress:
        run_sweep(sweep, workers=1, progress=progress)
    for path in (tmp_path / "fits").rglob("*.npz"):
        path.unlink()
    after = forecast(sweep, n_replicates=10).pretraining
    assert after[1] < before[1]


def test_no_number_depends_on_it(tmp_path):
    tables = []
    for name, tells in (("with", True), ("without", False)):
        sweep = sweep_of(tmp_path / name, systems=("pretrained_frozen", "scratch", "constant"))
        if tells:
            forecast(sweep, n_replicates=10)
        with Progress(shown=False) as progress:
            run_sweep(sweep, workers=1, progress=progress)
        files = sorted((tmp_path / name / "fits").rglob("*.npz"))
        tables.append(pd.Series({f"{p.parent.name}/{p.name}": p.read_bytes() for p in files}))
    pd.testing.assert_series_equal(*tables)


def test_an_objective_that_the_sample_cannot_serve_is_no_obstacle(tmp_path, monkeypatch):
    """Two utterances, of two speakers."""
    monkeypatch.setattr(module, "SAMPLE", 2)
    settings = PretrainConfig(objective="speaker_contrast", max_epochs=3, crop_steps=10)
    found = forecast(sweep_of(tmp_path, pretrain=settings), n_replicates=10)
    assert found.pretraining[1] > 0


def test_the_sentence_says_what_it_is_made_of():
    told = Forecast((3600.0, 36_000.0), (7200.0, 7200.0), 50.0, 12.0)
    assert told.text(4) == (
        "Estimated: 3.0 h to 12.0 h of one core, spread over 4 processes: pre-training 60 min to "
        "10.0 h, fits 2.0 h, scores 50 s; calibrated here in 12 s. A stopped run goes on where it "
        "was."
    )
    assert "processes" not in dataclasses.replace(told).text(1)
