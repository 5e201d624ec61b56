"""The scripts behind ``docs/experiments.md`` run, and see no test speaker."""

import importlib
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from undertone import atomic, audio, config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.predictions import predictions_table
from undertone.experiment import CurveSettings, run_curve
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import Resources
from undertone.training.pretrain import PretrainConfig

EMOTIONS = ("anger", "neutral", "sadness")
SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def run(tmp_path, rng):
    """The settings of a curve on six speakers whose emotions are noises of three colours."""
    rows = []
    for speaker in range(6):
        for number in range(12):
            width = 1 + 4 * (number % 3)
            colour = np.convolve(rng.normal(0, 0.1, 8000), np.ones(width) / width, mode="same")
            rows.append((f"s{speaker}-{number:02d}.wav", f"s{speaker}", EMOTIONS[number % 3]))
            soundfile.write(tmp_path / rows[-1][0], colour, audio.SAMPLE_RATE)
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion"])
    table.to_csv(tmp_path / "labels.csv", index=False)
    corpus = str(tmp_path / "labels.csv")
    return CurveSettings(corpus, features="log_mel", budgets=(9,), draws=2, folds=3)


def called(script, monkeypatch, *options):
    """Run a script as from a shell."""
    monkeypatch.setattr(sys, "argv", [script.__name__, *map(str, options)])
    script.main()


@pytest.fixture
def posed(script, monkeypatch):
    """Every plan and problem of a nested choice, of one draw."""
    asked, score = [], script("nested_choice").score

    def spy(*given, **start):
        asked.append(given[:2])
        return score(*given, **start)

    monkeypatch.setattr(script("nested_choice"), "DRAWS", 1)
    for name in ("nested_choice", "nested_layers"):
        monkeypatch.setattr(script(name), "score", spy)
    return asked


def check_that_nobody_else_is_posed(posed):
    assert posed
    for plan, problem in posed:
        assert len(set(plan.speaker.values())) == 4  # of six, two are tested outside
        assert {*problem.budget, *problem.test, *problem.material.crowd} <= set(plan.speaker)


@pytest.mark.slow
def test_layers_are_chosen_by_training_speakers_alone(script, run, tmp_path, monkeypatch, posed):
    from upstream_fakes import write_encoder

    encoder = write_encoder(tmp_path / "hubert", "hubert-layer")
    run = replace(run, features=f"upstream:{encoder}@auto")
    atomic.write_text(tmp_path / "run" / "config.toml", config.to_toml(run))
    where = ["--run", tmp_path / "run", "--cache", tmp_path / "store"]
    called(script("nested_layers"), monkeypatch, *where, "--out", tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found["chosen"]) == {"0", "1", "2"}
    scores = pd.DataFrame(found["scores"]).groupby("candidate")["uar"].mean()
    assert len(scores) == 9  # four layers and five ways to put them together
    assert scores["means of all, middle most (the default)"] > 0.4  # chance is .33
    check_that_nobody_else_is_posed(posed)


@pytest.mark.slow
def test_pretraining_is_chosen_by_training_speakers_alone(
    script, run, tmp_path, monkeypatch, posed
):
    run = replace(
        run,
        budgets=(9, "all"),  # more than the inner training speakers have
        draws=1,
        systems=("combined", "constant"),
        replicates=2,
        encoder=EncoderConfig(hidden_units=4),
        pretrain=PretrainConfig(max_epochs=1),
    )
    run_curve(run, tmp_path / "run", Resources(tmp_path / "store", workers=1, progress=False))
    where = [f"ours={tmp_path / 'run'}", "--cache", tmp_path / "store"]
    called(script("nested_choice"), monkeypatch, *where, "--out", tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found["chosen"]) == {"0", "1", "2"}
    scores = pd.DataFrame(found["scores"]).groupby(["candidate", "budget"])["uar"].mean()
    assert len(scores) == 2 * 3  # descriptors alone, and the encoder counting half or fully
    assert scores["descriptors alone", 48] > 0.8  # chance is .33
    check_that_nobody_else_is_posed(posed)


def test_rivals_have_the_draws_of_the_run(script, run, tmp_path, monkeypatch):
    smile = SimpleNamespace(
        Smile=lambda **_: SimpleNamespace(process_signal=_octaves),
        FeatureSet=SimpleNamespace(eGeMAPSv02=None),
        FeatureLevel=SimpleNamespace(Functionals=None),
    )
    monkeypatch.setitem(sys.modules, "opensmile", smile)  # its licence keeps it out of the tests
    atomic.write_text(tmp_path / "run" / "config.toml", config.to_toml(run))
    options = ["--run", tmp_path / "run", "--cache", tmp_path / "store", "--out", tmp_path / "out"]
    called(script("egemaps_rival"), monkeypatch, *options)
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    for _, rows in table.groupby("system"):
        assert len(rows) == 2 * 72  # every utterance is tested once a draw
        assert (rows["prediction"] == rows["truth"]).mean() > 0.8  # chance is .33
    rivals = [
        f"{name}={tmp_path / 'out'}:egemaps_{name}"
        for name in ("logistic", "discriminant", "trimmed_discriminant")
    ]
    assert compare(list(map(parse, rivals))).budgets == (9,)


def _octaves(waveform, rate):
    """A row of log powers."""
    bands = np.abs(np.fft.rfft(waveform)[1:4097].reshape(8, -1)) ** 2
    return pd.DataFrame([np.log(bands.mean(axis=1))])


def test_gains_by_emotion_are_differences_of_recalls(script, tmp_path, monkeypatch, capsys):
    fakes = importlib.import_module("evaluation_fakes")
    skill = {name: fakes.SKILL[name] for name in ("pretrained_frozen", "scratch_full")}
    made = fakes.run(skill)
    predictions = predictions_table(made.predictions, made.tested)
    predictions.to_parquet(tmp_path / "predictions.parquet")
    (tmp_path / "config.toml").write_text('corpus = "twelve"\n')
    pair = [f"{tmp_path}:pretrained_frozen", f"{tmp_path}:scratch_full"]
    called(script("emotion_gains"), monkeypatch, *pair)
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows] == [f"| {name}" for name in sorted(fakes.EMOTIONS)]
    of_one = predictions[(predictions["truth"] == "anger") & (predictions["budget"] == 20)]
    hit = (of_one["prediction"] == "anger").groupby([of_one["system"], of_one["draw"]]).mean()
    expected = hit["pretrained_frozen"].mean() - hit["scratch_full"].mean()
    assert float(rows[0].split(" | ")[1].split()[0]) == pytest.approx(expected, abs=6e-4)


@pytest.mark.slow
def test_systems_are_chosen_by_training_speakers_alone(script, run, tmp_path, monkeypatch):
    from undertone.systems.plan import Plan

    posed, problem_of = [], Plan.problem

    def spy(plan, cell, material):
        posed.append((plan, problem_of(plan, cell, material)))
        return posed[-1][1]

    systems = ("descriptors", "functionals_logistic", "combined", "constant")
    atomic.write_text(
        tmp_path / "run" / "config.toml", config.to_toml(replace(run, systems=systems))
    )
    monkeypatch.setattr(script("nested_choice"), "DRAWS", 1)
    monkeypatch.setattr(Plan, "problem", spy)
    where = ["--run", tmp_path / "run", "--cache", tmp_path / "store"]
    asked = ["--systems", "descriptors,functionals_logistic", "--out", tmp_path / "out.json"]
    called(script("nested_systems"), monkeypatch, *where, *asked)
    found = json.loads((tmp_path / "out.json").read_text())
    assert set(found["chosen"]) == {"0", "1", "2"}
    scores = pd.DataFrame(found["scores"]).groupby("candidate")["uar"].mean()
    assert set(scores.index) == {"descriptors", "functionals_logistic"}
    assert scores["descriptors"] > 0.6  # chance is .33
    check_that_nobody_else_is_posed(posed)
    for name, message in (("combined", "pre-trains"), ("svm", "has no system svm")):
        with pytest.raises(UndertoneError, match=message):
            called(script("nested_systems"), monkeypatch, *where, "--systems", name)


@pytest.fixture
def unadapted(run, tmp_path):
    """The folder of a run of descriptors that holds nothing but its settings."""
    systems = ("descriptors", "constant")
    atomic.write_text(
        tmp_path / "run" / "config.toml", config.to_toml(replace(run, systems=systems))
    )
    return tmp_path / "run"


def test_centring_is_chosen_by_training_speakers_alone(
    script, unadapted, tmp_path, monkeypatch, capsys
):
    from undertone.systems.plan import Plan

    posed, problem_of = [], Plan.problem

    def spy(plan, cell, material):
        posed.append((plan, problem_of(plan, cell, material)))
        return posed[-1][1]

    monkeypatch.setattr(Plan, "problem", spy)
    options = ["--run", unadapted, "--cache", tmp_path / "store", "--system", "descriptors"]
    nested = script("nested_voices")
    called(nested, monkeypatch, *options, "--folds", "1", "--out", tmp_path / "a.json")
    unknown, known = capsys.readouterr().out.split("all recordings of the tested voice are heard")
    assert all(f"centring {count:g}" in unknown for count in nested.COUNTS)
    assert "centring 0" not in known
    assert set(json.loads((tmp_path / "a.json").read_text())["chosen"]) == {"0"}
    check_that_nobody_else_is_posed(posed)


def test_few_recordings_are_chosen_as_their_rows_say(script, run, tmp_path, monkeypatch, capsys):
    few, heard = script("few_recordings"), []

    def spy(fitted, material, utterances, *, speaker, recordings):
        heard.append(recordings)
        return predict(fitted, material, utterances, speaker=speaker, recordings=recordings)

    predict = few.predict_adapted
    monkeypatch.setattr(few, "predict_adapted", spy)
    options = ["--corpus", run.corpus, "--system", "descriptors", "--budgets", "9", "--draws", "1"]
    place = ["--out", tmp_path / "out", "--cache", tmp_path / "store"]
    called(few, monkeypatch, *options, *place)
    names = list(few.choices())
    emotion = {f"s{s}-{n:02d}": EMOTIONS[n % 3] for s in range(6) for n in range(12)}
    for i, of_voices in enumerate(heard):
        name = names[(i // 2) % len(names)]
        for who, recordings in of_voices.items():
            assert all(one.startswith(f"{who}-") for one in recordings)
            felt = {emotion[one] for one in recordings}
            if "neutral" in name:
                assert (len(recordings), felt) == (4, {"neutral"})
            elif "emotion" in name:
                assert len(recordings) == 4
                assert len(felt - {"neutral"}) == len(felt) == 1
            else:
                assert len(recordings) == min(12, {"all": 12}.get(name) or int(name))
    rows = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()]
    assert {"| off", "| training speakers", "| all", "| 10 neutral"} <= set(rows)


@pytest.mark.slow
def test_centring_is_measured_beside_and_without_an_encoder(
    script, run, tmp_path, monkeypatch, capsys
):
    small = replace(
        run,
        draws=1,
        systems=("combined", "constant"),
        encoder=EncoderConfig(hidden_units=8, layers=1, stride=8),
        pretrain=PretrainConfig(max_epochs=1, objective="speaker_contrast"),
    )
    run_curve(small, tmp_path / "run", Resources(tmp_path / "store", 1, False))
    options = ["--run", tmp_path / "run", "--cache", tmp_path / "store"]
    called(script("voices_in_encoders"), monkeypatch, *options)
    printed = capsys.readouterr().out
    for start in ("pretrained", "random"):
        for what in (f"{start}, frozen", f"descriptors + {start}", "descriptors alone"):
            assert f"| {what}: all recordings of the voice over {what}: off |" in printed


def test_hostile_inputs_are_read_as_meant_or_refused_and_the_table_sees_what_is_neither(
    script, capsys
):
    hostile = script("hostile_inputs")
    with pytest.raises(SystemExit) as ended:
        hostile.main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:] if line]
    assert not ended.value.code, rows
    assert sum(int(row[1]) for row in rows) > 100
    assert {row[-1] for row in rows} == {"0"}
    assert hostile.outcome(hostile.REFUSED, lambda: None) == "used"
    assert hostile.outcome(hostile.READ, lambda: 1 / 0).startswith("ZeroDivisionError")


def test_the_truth_of_a_joined_recording_is_where_its_clips_lie(script, tmp_path):
    from undertone import audio
    from undertone.corpora.synthetic import read

    truth, corpus = script("timeline_truth"), read(tmp_path / "synthetic")
    who = corpus.table["speaker"].iloc[0]
    rows = corpus.table[corpus.table["speaker"] == who]
    samples, blocks = truth.join(corpus, rows, np.random.default_rng(0))
    assert len(blocks) > 1
    assert all(a.emotion != b.emotion for a, b in itertools.pairwise(blocks))
    power = np.convolve(samples**2, np.ones(400) / 400, "same")
    at = np.arange(len(samples)) / audio.SAMPLE_RATE
    inside = np.any([(b.start_s <= at) & (at <= b.end_s) for b in blocks], axis=0)
    assert power[inside].mean() > 100 * power[~inside].mean()
