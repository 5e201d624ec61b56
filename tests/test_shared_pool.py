"""Pre-training that folds share: who is in which pool, and what goes on from what."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from plan_fakes import curve_run, data_of, everyone, spying

from undertone import jobs
from undertone.errors import UndertoneError
from undertone.experiment import sweep as sweeps
from undertone.experiment.order import jobs_of
from undertone.experiment.pool_notes import crowd_notes
from undertone.experiment.shared import outside
from undertone.experiment.sweep import run as run_sweep
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import PretrainSettings, pretrain
from undertone.progress import Progress
from undertone.systems import table
from undertone.systems.system import FINETUNE
from undertone.training.identity import computed_by
from undertone.training.pretrain import PretrainConfig

SHARED = {
    "encoder": EncoderConfig(hidden_units=4, layers=1, stride=4),
    "pretrain": PretrainConfig(max_epochs=1, crop_steps=8, shared_pool=True),
    "unlabelled": ("x=/x", "other=/y"),
    "budgets": (4,),
    "draws": 1,
}


@pytest.fixture
def given(monkeypatch) -> list:
    """Problem and settings of every fit of a spy, in their order."""
    seen: list = []
    spy = spying(seen, "spy_pool", settings=FINETUNE, pretrains=True, sees_pool=True)
    monkeypatch.setattr(table, "ROWS", (spy, *table.ROWS))
    return seen


@pytest.fixture
def trained(monkeypatch) -> list:
    """What every pre-training was given."""
    seen, whole = [], sweeps.pretrain

    def watched(utterances, **others):
        seen.append((utterances, others))
        return whole(utterances, **others)

    monkeypatch.setattr(sweeps, "pretrain", watched)
    return seen


def opened(data, folder, **changes):
    run = curve_run(data, folder, systems=("spy_pool", *data.task.floors), **SHARED | changes)
    return run, run.sweep(run.plan())


def test_the_shared_pool_holds_nobody_of_the_corpus_and_a_fold_adds_no_tested_speaker(
    given, trained, tmp_path
):
    """One of the unlabelled corpora is the labelled one again."""
    data = data_of("choice")
    run, sweep = opened(data, tmp_path)
    run_sweep(sweep, workers=1, progress=Progress(shown=False))
    speaker, (first, *folds) = everyone(data), [others for _, others in trained]
    of_corpus = {f"fake/{who}" for who in speaker.values()}
    assert len(folds) == len(sweep.plan.folds) == 3
    assert first["start"] is None
    assert {voice.partition("/")[0] for voice in first["speakers"]} == {"other"}
    assert len(first["speakers"]) == len(trained[0][0]) == len(run.unlabelled[1][0])
    for others, (problem, _) in zip(folds, given, strict=True):
        tested = {f"fake/{speaker[name]}" for name in problem.test}
        assert set(others["speakers"]) == of_corpus - tested
        assert others["start"].name
    assert len({others["speech"] for others in (first, *folds)}) == 4
    (note, *_) = crowd_notes(sweep)
    assert f"once on {len(first['speakers'])} utterances of other corpora" in note


def test_a_fold_goes_on_from_what_was_shared(given, trained, tmp_path):
    data = data_of("choice")
    _, sweep = opened(data, tmp_path)
    run_sweep(sweep, workers=1, progress=Progress(shown=False))
    start = sweep.read_start()
    whole = {name: value for name, value in start.tensors.items() if name.startswith("encoder.")}
    for _, others in trained[1:]:
        for name, value in others["start"].tensors.items():
            assert torch.equal(value, start.tensors[name])
    for fold in sweep.plan.folds:
        found = sweep.read_pretraining(fold).encoder.state_dict()
        moved = [
            float((found[n.removeprefix("encoder.")] - v).abs().max()) for n, v in whole.items()
        ]
        assert 0 < max(moved) < 0.05, "one epoch at a small rate from where it began"
    n_trained = len(trained)
    run_sweep(opened(data, tmp_path)[1], workers=1, progress=Progress(shown=False))
    assert len(trained) == n_trained, "nothing is trained again"
    other = opened(data, tmp_path / "other", seed=5)[1]
    assert other.pretraining_identity(0)["continues"] != sweep.pretraining_identity(0)["continues"]


def test_jobs_of_many_folds_share_one_pretraining(given, trained, tmp_path):
    """As a pool of processes runs them; here they are threads of this one."""
    data = data_of("choice")
    systems = ("pretrained_frozen", *data.task.floors)
    results = []
    for folder in ("alone", "jobs"):
        run = curve_run(data, tmp_path / folder, systems=systems, **SHARED)
        sweep = run.sweep(run.plan())
        if folder == "alone":
            run_sweep(sweep, workers=1, progress=Progress(shown=False))
        else:
            trained.clear()
            jobs.begin_worker(lambda news: None, sweeps._begin, (sweep, computed_by()))
            items = sweeps._with_folds(jobs_of(sweep), shared=True)
            with ThreadPoolExecutor(1) as pool:
                sweeps._run_in(
                    *(pool, items, 4), listen=lambda: None, fitted=lambda cell, names: None
                )
        fits = [sweep.fit("pretrained_frozen", cell).values for cell in sweep.plan.cells]
        results.append(np.concatenate(fits))
    np.testing.assert_array_equal(results[0], results[1])
    assert [others["start"] is None for _, others in trained] == [True, False, False, False]


def test_what_some_fold_must_not_hear_is_not_shared(given, tmp_path):
    _, sweep = opened(data_of("choice"), tmp_path)
    folds, name = dict(sweep.plan.folds), sweep.plan.folds[1].pool[2][1][3]
    pool, voices = folds[1].pool, list(folds[1].voices)
    parts = [*pool[:2], (pool[2][0], tuple(n for n in pool[2][1] if n != name))]
    del voices[sum(len(names) for _, names in pool[:2]) + 3]
    folds[1] = replace(folds[1], pool=tuple(parts), voices=tuple(voices))
    before, after = outside(sweep.plan.folds), outside(folds)
    assert {*before.parts[1][1]} - {*after.parts[1][1]} == {name}
    assert after.n_utterances == before.n_utterances - 1


def test_without_speech_of_others_it_is_refused(given, tmp_path):
    with pytest.raises(UndertoneError, match="give some with --unlabelled"):
        opened(data_of("choice"), tmp_path, unlabelled=())
    _, sweep = opened(data_of("choice"), tmp_path)
    alone = {n: replace(f, pool=f.pool[:2]) for n, f in sweep.plan.folds.items()}
    with pytest.raises(UndertoneError, match="found 0 utterances that every fold may hear"):
        outside(alone)
    settings = PretrainSettings(pretrain=SHARED["pretrain"])
    with pytest.raises(UndertoneError, match="one encoder has one pool"):
        pretrain(["synthetic"], tmp_path / "encoder", settings)
