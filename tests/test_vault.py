"""A vault: frozen speakers, whose truth a process of its own reads, each look logged and marked."""

import json
import shutil

import pandas as pd
import pytest
from test_cli import run
from test_experiment import TINY, write_tones

from undertone import config, corpora
from undertone.errors import UndertoneError
from undertone.evaluation.score import score
from undertone.evaluation.vault import log_of, open_vault
from undertone.experiment import CurveSettings, curve, open_run
from undertone.pipeline import Resources


@pytest.fixture
def home(tmp_path):
    write_tones(tmp_path / "tones")
    return tmp_path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def spec(home) -> str:
    return f"tones={home}/tones/labels.csv"


def made(home, **change):
    arguments = {"task": "", "n_folds": 4, "seed": 0} | change
    return open_vault(home / "vault.json", spec(home), **arguments)


def settings_of(home, **change) -> CurveSettings:
    values = {"corpus": spec(home), "systems": ["linear", "constant"], "folds": 4, "draws": 2}
    values |= {"vault": str(home / "vault.json")} | change
    return config.load(CurveSettings, TINY | values)


def looks(home) -> list[dict]:
    place = log_of(home / "vault.json")
    return [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []


def test_a_new_vault_freezes_speakers_and_tells_no_truth(home):
    vault = made(home)
    assert len(vault.speakers) == 1
    assert vault.outputs == ("anger", "sadness")
    text = (home / "vault.json").read_text()
    assert "u000" not in text
    assert made(home, n_folds=2, seed=9) == vault  # it is read, not made again
    assert looks(home) == []


def test_who_trains_gets_no_truth_of_frozen_speakers(home, cache):
    vault = made(home)
    corpus = vault.without_truth(corpora.open(spec(home)))
    frozen = corpus.table["speaker"].isin(vault.speakers)
    assert corpus.table["emotion"][frozen].isna().all()
    assert corpus.table["emotion"][~frozen].notna().all()
    resources = Resources(cache, workers=1, progress=False)
    plan = open_run(settings_of(home), home / "run", resources).plan()
    for cell in plan.cells:
        assert {plan.speaker[name] for name in plan.folds[0].test} == set(vault.speakers)
        assert not {plan.speaker[n] for n in cell.labels.utterances} & set(vault.speakers)
    known = {name for name, truth in plan.truth.items() if not pd.isna(truth).any()}
    assert known == set(corpus.table["utterance"][~frozen])


def test_a_look_is_logged_and_settings_chosen_after_one_are_marked(home, cache):
    resources = Resources(cache, workers=1, progress=False)
    page = curve(settings_of(home), home / "one", resources).report.read_text()
    assert "Look 1 at the vault" in page
    assert "no other settings have looked before" in page
    assert "chosen after" not in page
    page = curve(settings_of(home), home / "one", resources).report.read_text()  # the same settings
    assert "Look 2" in page
    assert "chosen after" not in page
    page = curve(settings_of(home, budgets=[6]), home / "two", resources).report.read_text()
    assert "these settings were chosen after 2 looks with other settings" in page
    found = looks(home)
    assert [look["look"] for look in found] == [1, 2, 3]
    assert found[0]["settings_sha256"] == found[1]["settings_sha256"] != found[2]["settings_sha256"]
    assert "budgets = [6]" in found[2]["settings"]


def test_scores_are_those_of_the_truth_and_predictions_hold_none(home, cache):
    settings = settings_of(home, budgets=[12], draws=1)
    curve(settings, home / "run", Resources(cache, workers=1, progress=False))
    predictions = pd.read_parquet(home / "run" / "predictions.parquet")
    assert predictions["truth"].isna().all()
    of_linear = predictions[predictions["system"] == "linear"].drop(columns=["truth", "speaker"])
    truth = pd.read_csv(home / "tones" / "labels.csv").assign(
        utterance=lambda table: table["file"].str.removesuffix(".wav")
    )
    expected = score(truth=truth, prediction=of_linear, missing="drop").metrics["uar"].value
    results = pd.read_parquet(home / "run" / "results.parquet")
    row = results[(results["system"] == "linear") & (results["metric"] == "uar")]
    assert row["value"].tolist() == [pytest.approx(expected)]


def test_runs_on_a_vault_are_not_compared(home, cache):
    settings = settings_of(home, budgets=[12], draws=1)
    curve(settings, home / "run", Resources(cache, workers=1, progress=False))
    pair = (f"a={home}/run:linear", f"b={home}/run:constant")
    assert "hold no truth to compare systems by" in run("compare", *pair, code=2).stderr


def test_finetune_tests_on_the_vault_and_never_trains_on_it(home, cache):
    verb = ("finetune", "--corpus", spec(home), "--out", home / "m", "--cache", cache)
    verb += ("--vault", home / "vault.json", "--set", "folds=4", "--quiet")
    done = run(*verb, "--system", "linear")
    assert "10 utterances of 1 speakers" in done.stdout
    card = (home / "m" / "README.md").read_text()
    assert "Look 1 at the vault" in card
    assert "fitted on the speakers outside the vault" in card
    assert json.loads((home / "m" / "config.json").read_text())["notes"]["labels"] == 30
    run(*verb, "--system", "functionals_logistic")
    assert "chosen after 1 look with other settings" in (home / "m" / "README.md").read_text()


@pytest.mark.parametrize("change", ["label", "audio"])
def test_other_truth_or_audio_of_frozen_speakers_is_refused(home, cache, change):
    vault = made(home)
    table = home / "tones" / "labels.csv"
    rows = table.read_text().splitlines()
    frozen = next(i for i, row in enumerate(rows) if f",{vault.speakers[0]}," in row)
    if change == "label":
        file, speaker, emotion = rows[frozen].split(",")
        other = {"anger": "sadness", "sadness": "anger"}[emotion]
        rows[frozen] = f"{file},{speaker},{other}"
        table.write_text("\n".join(rows) + "\n")
    else:
        shutil.copy(home / "tones/more/u040.wav", home / "tones" / rows[frozen].split(",")[0])
    resources = Resources(cache, workers=1, progress=False)
    with pytest.raises(UndertoneError, match="was made of other audio or labels"):
        curve(settings_of(home), home / "run", resources)
    assert looks(home) == []


def test_a_log_that_was_changed_is_told(home, cache):
    resources = Resources(cache, workers=1, progress=False)
    curve(settings_of(home), home / "one", resources)
    log_of(home / "vault.json").unlink()
    page = curve(settings_of(home, budgets=[6]), home / "two", resources).report.read_text()
    assert "The log of looks was changed" in page
    assert "Look 2" in page


def test_what_is_no_vault_of_this_corpus_is_refused(home):
    (home / "vault.json").write_text("{}")
    with pytest.raises(UndertoneError, match="is no vault"):
        made(home)
    (home / "vault.json").unlink()
    vault = made(home)
    with pytest.raises(UndertoneError, match="name the corpus that it was made of"):
        vault.without_truth(corpora.open(f"more={home}/tones/more"))
    with pytest.raises(UndertoneError, match="leave --vault out"):
        settings_of(home, disjoint=["speaker", "sentence"])
