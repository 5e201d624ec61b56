import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from undertone.cli import app
from undertone.corpora.tasks import INTENSITIES, intensities
from undertone.errors import UndertoneError
from undertone.evaluation.intensities import METRICS, measure
from undertone.evaluation.score import score

NAMES = list(INTENSITIES)


@pytest.fixture
def truth(rng):
    table = pd.DataFrame({"utterance": [f"u{i:03}" for i in range(90)]})
    table["speaker"] = [f"{i % 9}" for i in range(90)]
    table[NAMES] = rng.choice(np.arange(10) / 3, (90, 6), p=(0.55, *[0.05] * 9))
    return table


@pytest.fixture
def prediction(truth, rng):
    guess = truth[["utterance"]].copy()
    guess[NAMES] = np.clip(truth[NAMES] + rng.normal(0, 0.5, (90, 6)), 0, 3)
    return guess


def test_the_task_has_six_outputs():
    assert intensities().outputs == ("happy", "sad", "anger", "surprise", "disgust", "fear")


def test_it_scores_what_the_metrics_measure(truth, prediction):
    found = score(truth=truth, prediction=prediction, task="intensities")
    expected = measure(truth=truth[NAMES].to_numpy(), prediction=prediction[NAMES].to_numpy())
    for name in METRICS:
        assert found.metrics[name].value == pytest.approx(expected[name].mean())
        values = [found.by_emotion[name][emotion].value for emotion in NAMES]
        assert values == pytest.approx(expected[name].tolist())
        assert found.metrics[name].low < found.metrics[name].value < found.metrics[name].high
    assert (found.n_utterances, found.n_speakers, found.notes) == (90, 9, ())


def test_it_carries_floors_that_no_constant_beats(truth, prediction):
    floors = score(truth=truth, prediction=prediction, task="intensities").floors
    assert list(floors) == ["always 0", "median", "mean"]
    assert floors["always 0"]["mae"].value == pytest.approx(truth[NAMES].to_numpy().mean())
    for constant in np.arange(0, 3, 0.1):
        assert floors["median"]["mae"].value <= np.abs(truth[NAMES].to_numpy() - constant).mean()
    assert floors["mean"]["presence_auc"].value == 0.5


def test_rows_are_joined_by_utterance_and_columns_by_name(truth, prediction):
    shuffled = prediction.sample(frac=1, random_state=1)[["utterance", *NAMES[::-1]]]
    renamed = shuffled.rename(columns={"happy": "Happiness", "sad": "SADNESS"})
    expected = score(truth=truth, prediction=prediction, task="intensities").to_dict()
    assert score(truth=truth, prediction=renamed, task="intensities").to_dict() == expected


def test_videos_stand_in_for_speakers_with_a_note(truth, prediction):
    by_video = truth.rename(columns={"speaker": "video"})
    found = score(truth=by_video, prediction=prediction, task="intensities")
    same = score(truth=truth, prediction=prediction, task="intensities")
    assert found.metrics == same.metrics
    assert "videos are resampled in their place" in found.notes[0]


def test_predictions_outside_the_range_are_noted(truth, prediction):
    prediction.loc[0, "fear"] = 4.0
    found = score(truth=truth, prediction=prediction, task="intensities")
    assert found.notes[0].startswith("1 predictions lie outside 0 to 3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p: (t.drop(columns="fear"), p), "a column fear .* in the truth"),
        (lambda t, p: (t, p.drop(columns="sad")), "a column sad .or sadness. in the prediction"),
        (lambda t, p: (t.drop(columns="speaker"), p), "a column speaker"),
        (lambda t, p: (t.assign(speaker=None), p), "no honest interval"),
        (lambda t, p: (t, p.assign(sad="much")), "numbers in the column sad .* found 'much'"),
        (lambda t, p: (t, p.assign(sad=np.inf)), "finite numbers in the column sad"),
        (lambda t, p: (t.assign(fear=3.5), p), "from 0 to 3 in the truth; u000, u001, u002 and 87"),
        (lambda t, p: (t, p[2:]), r"2 not in the prediction \(u000, u001\)"),
        (lambda t, p: (t.assign(fear=[None, *t["fear"][1:]]), p), "1 empty in the truth"),
        (lambda t, p: (pd.concat([t, t[:1]]), p), "u000 occur more than once"),
    ],
)
def test_errors_say_what_was_expected_and_found(truth, prediction, change, message):
    broken_truth, broken_prediction = change(truth, prediction)
    with pytest.raises(UndertoneError, match=message):
        score(truth=broken_truth, prediction=broken_prediction, task="intensities")


def test_what_is_missing_may_be_left_out_and_counted(truth, prediction):
    found = score(truth=truth, prediction=prediction[2:], task="intensities", missing="drop")
    assert (found.n_utterances, found.left_out) == (88, {"not in the prediction": 2})


def test_rows_hold_means_then_emotions_and_json_everything(truth, prediction):
    found = score(truth=truth, prediction=prediction, task="intensities")
    rows = found.rows()
    assert [row[0] for row in rows[6:9]] == ["CCC", "MAE happy", "MAE sad"]
    assert {len(row) for row in rows} == {5}
    assert rows[5][2] == "n/a"  # a constant has no Spearman correlation
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["by_emotion"]["ccc"]["fear"]["value"] == found.by_emotion["ccc"]["fear"].value
    assert plain["floors_by_emotion"]["mean"]["mae"]["sad"]["n_speakers"] == 9


@pytest.mark.corpora
def test_the_command_reproduces_the_floor_of_cmu_mosei(tmp_path, corpora_root):
    table = pd.read_csv(corpora_root / "mosei_labels" / "labels.csv")
    test = table[table["split"] == "test"]
    n = test.groupby("video").cumcount().astype(str)
    test = test.assign(utterance=test["video"] + "[" + n + "]")[["utterance", "video", *NAMES]]
    test.to_csv(tmp_path / "truth.csv", index=False)
    zeros = test.assign(**dict.fromkeys(NAMES, 0)).drop(columns="video")
    zeros.to_csv(tmp_path / "zeros.csv", index=False)
    command = ["score", "--task", "intensities", "--json"]
    command += ["--truth", str(tmp_path / "truth.csv"), "--prediction", str(tmp_path / "zeros.csv")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    found = json.loads(done.output)
    mae = found["by_emotion"]["mae"]
    expected = (0.4697, 0.1444, 0.1632, 0.0440, 0.1172, 0.0426)
    assert [round(mae[name]["value"], 4) for name in NAMES] == list(expected)
    assert round(found["metrics"]["mae"]["value"], 4) == 0.1635
    assert round(100 * found["metrics"]["accuracy"]["value"], 2) == 87.23
    assert found["metrics"] == found["floors"]["always 0"]
    assert found["n_speakers"] == 676
    assert found["metrics"]["mae"]["low"] < 0.1635 < found["metrics"]["mae"]["high"]
