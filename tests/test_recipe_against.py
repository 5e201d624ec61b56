"""Encoded features against an encoder of raw audio: one table of costs and scores."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from page_text import visible
from recipe_fakes import write_tones
from upstream_fakes import write_encoder

from undertone import audio, config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.report.paper import NO, OPEN, YES
from undertone.experiment import CurveSettings, open_run
from undertone.experiment.served import recogniser_of, waveforms_tested
from undertone.pipeline import Resources
from undertone.reading import extract
from undertone.recipes import RECIPES, against
from undertone.recogniser.cost import Cost, cost_of
from undertone.recogniser.folder import load

TINY = {
    "budgets": [6, 18],
    "draws": 2,
    "folds": 2,
    "encoder": {"hidden_units": 8, "layers": 1, "stride": 8},
    "pretrain": {"max_epochs": 2, "crop_steps": 20},
    "finetune": {"max_epochs": 2, "epochs_without_validation": 1},
}


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    folder = tmp_path_factory.mktemp("against")
    table = write_tones(folder / "tones", ("anger", "sadness", "fear"))
    encoder = write_encoder(folder / "wav2vec2", "wav2vec2-layer")
    return TINY | {"corpus": f"tones={table}", "against": f"upstream:{encoder}@all"}


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("store"), workers=1, progress=False)


@pytest.fixture(scope="module")
def run(values, resources, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, RECIPES["masked-gru"](values, out, resources)


def opened(out, name, resources):
    settings = config.load(CurveSettings, config.read_toml(out / name / "config.toml"))
    return open_run(settings, out / name, resources)


@pytest.mark.slow
def test_all_stand_in_one_table_with_costs_and_paired_scores(run):
    out, found = run
    table = found.tables[0]
    assert table.headings[1:4] == ("parameters", "on disk", "seconds a second of audio")
    names = [row.name for row in table.rows]
    assert names == [*(r.label for r in against.RIVALS), "constant", "chance (uniform guesses)"]
    assert {len(row.cells) + 1 for row in table.rows} == {len(table.headings)}
    places = [f"{r.label}={out / r.run}:{r.system}" for r in against.RIVALS]
    curves = compare([parse(place) for place in places]).curves
    row = dict(zip(names, table.rows, strict=True))["GRU on log-mel"]
    assert row.cells[3:5] == tuple(curves.estimate("GRU on log-mel", b) for b in (6, 18))
    assert row.cells[5] == curves.mean_gain("GRU on log-mel", "GRU on COVAREP").signed()
    assert [row.cells[:3] for row in table.rows[-2:]] == [("–",) * 3] * 2


@pytest.mark.slow
@pytest.mark.parametrize("rival", against.RIVALS, ids=lambda rival: rival.label)
def test_what_is_timed_and_weighed_is_what_was_scored(run, resources, rival, tmp_path):
    """The model that is fitted once more predicts what the run's own fit predicted."""
    out, _ = run
    of_run = opened(out, rival.run, resources)
    recogniser = recogniser_of(of_run, rival.system)
    table = pd.read_parquet(out / rival.run / "predictions.parquet")
    kept = (table["system"] == rival.system) & (table["budget"] == 18)
    fit = table[kept & (table["draw"] == 0) & (table["fold"] == 0)]
    names = sorted(fit["utterance"])[:3]
    columns = [f"p_{output}" for output in of_run.task.outputs]
    expected = fit.set_index("utterance").loc[names, columns].to_numpy()
    heard = extract(of_run.corpus, of_run.settings.features, resources)  # with its frames
    frames = [np.asarray(heard.frames(name)) for name in names]
    found = np.stack([recogniser.predict(of_one) for of_one in frames])
    np.testing.assert_allclose(found, expected, atol=2e-3)
    recogniser.save(tmp_path, card="")
    cost = cost_of(recogniser, waveforms_tested(of_run, 2))
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir())
    numbers = sum(array.size for array in load(tmp_path).fitted.tensors().values())
    assert cost.seconds > 0
    if rival.run == against.RAW:
        assert cost.size_bytes > on_disk + 50_000
        assert cost.parameters > numbers + 20_000
    elif rival.system in ("pretrained_frozen", "random_frozen"):
        n_in, n = len(recogniser.inputs.columns), 8
        assert cost.parameters == numbers + 3 * n * (n_in + n + 2)
        assert cost.size_bytes == on_disk
    else:
        assert (cost.parameters, cost.size_bytes) == (numbers, on_disk)


def test_time_is_a_second_of_audio_s(run, resources, monkeypatch):
    """Twice the speech takes twice the time, and costs the same."""
    ticks = iter([0.0, 3.0, 0.0, 6.0])
    monkeypatch.setattr("undertone.recogniser.cost.time.process_time", lambda: next(ticks))
    of_run = opened(run[0], against.LOG_MEL, resources)
    recogniser = recogniser_of(of_run, "descriptors")
    second = np.random.default_rng(0).normal(0, 0.1, audio.SAMPLE_RATE)
    assert cost_of(recogniser, [second]).seconds == pytest.approx(3)
    assert cost_of(recogniser, [second, second]).seconds == pytest.approx(3)


@pytest.mark.slow
def test_the_trade_off_is_told(run):
    _, found = run
    text = visible(found.report.read_text())
    assert "From the cheapest to compute to the dearest" in text
    assert "--against" in text
    first = found.answers[0]
    assert first.claim == "encoded features are enough beside an encoder of raw audio"
    assert "times the parameters" in first.evidence


@pytest.mark.slow
def test_what_raw_audio_adds_decides(run):
    out, _ = run
    places = [f"{r.label}={out / r.run}:{r.system}" for r in against.RIVALS]
    curves = compare([parse(place) for place in places]).curves
    costs = {
        r.label: Cost(100 * (i + 1), 1000, 0.01 * (i + 1)) for i, r in enumerate(against.RIVALS)
    }
    layers, ours = against.LAYERS, against.ENCODED

    def with_gain(by, spread=0.0):
        scored = dict(curves.scored)
        for budget in curves.budgets:
            base = scored[ours, budget]
            noise = np.linspace(-spread, spread, len(base.replicates))[:, None, None]
            kind = type(base)
            scored[layers, budget] = kind(base.by_draw + by, base.replicates + by + noise)
        kind = type(curves)
        return kind(**(vars(curves) | {"scored": scored}))

    for by, spread, expected in ((0.1, 0.01, NO), (0.0, 0.01, YES), (0.02, 0.1, OPEN)):
        answer = next(against._answers(with_gain(by, spread), costs))
        assert answer.verdict == expected
        assert "5.0 times the parameters, 1.0 times the size and 5.0 times" in answer.evidence
    worth = against.verdict(with_gain(0.5), costs)
    assert worth.endswith("and all layers of the encoder (.0500 s a second of audio).")
    assert "random" not in worth


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "masking"}, "ask one at a time"),
        ({"features": "log_mel"}, "sets features itself"),
        ({"against": "upstream:/nowhere@all"}, "there is no folder /nowhere"),
    ],
)
def test_what_cannot_be_asked_is_told(values, resources, tmp_path, changes, message):
    with pytest.raises(UndertoneError, match=message):
        RECIPES["masked-gru"](values | changes, tmp_path, resources)


def test_the_other_recipe_has_no_such_question(tmp_path):
    with pytest.raises(UndertoneError, match="wav2vec-cnn has no --against; masked-gru has"):
        RECIPES["wav2vec-cnn"]({"corpus": "x", "against": "upstream:y@all"}, tmp_path)


def test_amounts_are_refused(tmp_path):
    (tmp_path / "labels.csv").write_text(
        "file,speaker,happy,sad,anger,surprise,disgust,fear\na.wav,s,0,0,0,0,0,0\n"
    )
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 3200), 16_000)
    values = {"corpus": f"x={tmp_path / 'labels.csv'}", "against": "upstream:y@all"}
    with pytest.raises(UndertoneError, match=r"tell classes apart; .* has the task intensities"):
        RECIPES["masked-gru"](values, tmp_path / "run")
