import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from undertone.errors import UndertoneError
from undertone.evaluation import classes
from undertone.evaluation.score import score

EMOTIONS = ["anger", "fear", "neutral", "sadness"]


@pytest.fixture
def truth(rng):
    return pd.DataFrame(
        {
            "utterance": [f"u{i:03}" for i in range(120)],
            "speaker": [f"{i % 10:02}" for i in range(120)],
            "emotion": rng.choice(EMOTIONS, 120, p=(0.4, 0.3, 0.2, 0.1)),
        }
    )


@pytest.fixture
def prediction(truth, rng):
    guess = np.where(rng.random(120) < 0.6, truth["emotion"], rng.choice(EMOTIONS, 120))
    return pd.DataFrame({"utterance": truth["utterance"], "prediction": guess})


def test_it_scores_what_the_metrics_score(truth, prediction):
    found = score(truth=truth, prediction=prediction)
    columns = {"truth": truth["emotion"], "prediction": prediction["prediction"]}
    assert found.metrics["uar"].value == pytest.approx(balanced_accuracy_score(*columns.values()))
    assert found.metrics["wa"].value == pytest.approx(classes.wa(**columns))
    assert found.metrics["macro_f1"].value == pytest.approx(classes.macro_f1(**columns))
    assert {k: e.value for k, e in found.recalls.items()} == pytest.approx(
        classes.recalls(**columns)
    )
    assert (found.n_utterances, found.n_speakers, found.left_out) == (120, 10, {})
    assert all(e.low < e.value < e.high for e in found.metrics.values())
    assert found.confusion.sum() == 120


def test_it_carries_the_floors(truth, prediction):
    floors = score(truth=truth, prediction=prediction).floors
    most = truth["emotion"].value_counts(normalize=True).max()
    assert floors["constant"]["uar"].value == pytest.approx(1 / 4)
    assert floors["constant"]["wa"].value == pytest.approx(most)
    assert floors["chance"]["uar"].value == floors["chance"]["wa"].value == pytest.approx(1 / 4)


def test_rows_are_joined_by_utterance_never_by_position(truth, prediction):
    shuffled = prediction.sample(frac=1, random_state=1)
    assert (
        score(truth=truth, prediction=shuffled).to_dict()
        == score(truth=truth, prediction=prediction).to_dict()
    )


def test_the_same_seed_gives_the_same_numbers(truth, prediction):
    again = [score(truth=truth, prediction=prediction, seed=s).metrics["uar"] for s in (1, 1, 2)]
    assert again[0] == again[1]
    assert again[0] != again[2]


def test_files_with_other_names_of_columns_say_the_same(tmp_path, truth, prediction):
    expected = score(truth=truth, prediction=prediction)
    truth.assign(emotion=truth["emotion"].replace({"anger": "Angry", "sadness": "SAD"})).rename(
        columns={"utterance": "path", "speaker": "SpkrID", "emotion": "Label"}
    ).assign(path=lambda t: "wav/" + t["path"] + ".wav").to_csv(
        tmp_path / "truth.csv", index=False, encoding="utf-8-sig"
    )
    prediction.rename(columns={"prediction": "emotion"}).to_parquet(tmp_path / "p.parquet")
    found = score(truth=tmp_path / "truth.csv", prediction=str(tmp_path / "p.parquet"))
    assert found.metrics == expected.metrics


def test_the_most_probable_emotion_is_the_prediction(truth, prediction):
    probabilities = pd.DataFrame({"utterance": prediction["utterance"]})
    for emotion in EMOTIONS:
        probabilities[f"p_{emotion}"] = np.where(prediction["prediction"] == emotion, "0.7", "0.1")
    found = score(truth=truth, prediction=probabilities)
    assert found.metrics == score(truth=truth, prediction=prediction).metrics
    broken = probabilities.assign(p_fear=["much", *probabilities["p_fear"][1:]])
    with pytest.raises(UndertoneError, match="found 1 cells that are none"):
        score(truth=truth, prediction=broken)


def test_a_gap_in_the_probabilities_is_no_prediction(truth, prediction):
    probabilities = prediction[["utterance"]].assign(p_anger=0.5, p_fear=0.4)
    probabilities.loc[3, "p_fear"] = np.nan
    found = score(truth=truth, prediction=probabilities, missing="drop")
    assert found.left_out == {"empty in the prediction": 1}


def test_files_of_one_name_in_two_folders_are_told_apart(truth, prediction):
    files = [f"{'ab'[i % 2]}\\{i // 2}.wav" for i in range(120)]
    by_file = {"truth": truth.drop(columns="utterance").assign(file=files)}
    by_file["prediction"] = prediction.drop(columns="utterance").assign(file=files)
    assert score(**by_file).metrics["wa"] == score(truth=truth, prediction=prediction).metrics["wa"]


def test_utterances_on_one_side_are_refused_or_dropped_and_counted(truth, prediction):
    with pytest.raises(UndertoneError, match=r"2 not in the prediction \(u000, u001\)"):
        score(truth=truth, prediction=prediction[2:])
    with pytest.raises(UndertoneError, match=r"5 not in the truth \(u000, u001, u002 and 2 more\)"):
        score(truth=truth[5:], prediction=prediction)
    found = score(truth=truth[5:], prediction=prediction[:-2], missing="drop")
    assert found.n_utterances == 113
    assert found.left_out == {"not in the prediction": 2, "not in the truth": 5}
    assert found.to_dict()["left_out"] == found.left_out


def test_empty_labels_are_refused_or_dropped_and_counted(truth, prediction):
    truth.loc[0, "emotion"] = None
    prediction.loc[[1, 2], "prediction"] = np.nan
    with pytest.raises(UndertoneError, match=r"1 empty in the truth \(u000\); 2 empty in the pred"):
        score(truth=truth, prediction=prediction)
    assert score(truth=truth, prediction=prediction, missing="drop").n_utterances == 117


def test_some_unknown_speakers_count_as_one_together(truth, prediction):
    truth.loc[truth["speaker"].isin(["03", "04", "05"]), "speaker"] = None
    found = score(truth=truth, prediction=prediction)
    assert found.n_speakers == 8
    assert "36 utterances name no speaker: they count as one" in found.notes[0]


def test_words_for_nothing_are_empty(tmp_path, truth, prediction):
    truth.loc[0, "emotion"], truth.loc[1, "emotion"] = "xxx", "no agreement"
    truth.loc[2, "speaker"] = "Unknown"
    prediction.loc[3, "prediction"] = " "
    truth.to_csv(tmp_path / "t.csv", index=False)
    found = score(truth=tmp_path / "t.csv", prediction=prediction, missing="drop")
    assert found.left_out == {f"empty in {tmp_path / 't.csv'}": 2, "empty in the prediction": 1}
    assert found.n_speakers == 11


def test_one_speaker_gets_values_without_intervals(truth, prediction):
    found = score(truth=truth.assign(speaker="me"), prediction=prediction)
    assert "one speaker: no interval" in found.notes[0]
    assert not any(e.has_interval for e in found.metrics.values())
    assert json.loads(json.dumps(found.to_dict()))["metrics"]["uar"]["low"] is None
    assert found.rows()[0][1].endswith("(no interval: 1 speaker)")


def test_an_emotion_that_is_never_true_is_wrong_and_noted(truth, prediction):
    prediction.loc[:9, "prediction"] = "Boredom"
    found = score(truth=truth, prediction=prediction)
    assert found.notes == ("boredom is predicted but never true: counted as wrong",)
    assert list(found.recalls) == EMOTIONS
    assert "boredom" in found.emotions


def test_rows_hold_metrics_with_floors_then_recalls(truth, prediction):
    found = score(truth=truth, prediction=prediction)
    rows = found.rows()
    assert [row[0] for row in rows[:4]] == ["UAR", "WA", "macro-F1", "recall anger"]
    assert rows[0][1:] == (
        str(found.metrics["uar"]),
        str(found.floors["constant"]["uar"]),
        str(found.floors["chance"]["uar"]),
    )
    assert len(rows) == 3 + 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t, p: (t.drop(columns="emotion"), p),
            "a column emotion .or emo, label, .*truth. in the truth",
        ),
        (lambda t, p: (t.drop(columns="speaker"), p), "a column speaker"),
        (lambda t, p: (t.drop(columns="utterance"), p), "a column utterance"),
        (lambda t, p: (t, p.drop(columns="prediction")), "a column prediction .*found utterance"),
        (lambda t, p: (t.assign(speaker=None), p), "no honest interval"),
        (lambda t, p: (pd.concat([t, t[:1]]), p), "u000 occur more than once"),
        (lambda t, p: (t, pd.concat([p, p[:2]])), "u000, u001 occur more than once"),
        (lambda t, p: (t[:0], p), "it has no rows"),
        (lambda t, p: (t.assign(utterance=None), p), "120 are empty"),
        (lambda t, p: (t, p.assign(prediction="angr")), "found angr, which is neither"),
        (lambda t, p: (t, p.assign(utterance=p["utterance"] + "x")), "not in the prediction"),
    ],
)
def test_errors_say_what_was_expected_and_found(truth, prediction, change, message):
    broken_truth, broken_prediction = change(truth, prediction)
    with pytest.raises(UndertoneError, match=message):
        score(truth=broken_truth, prediction=broken_prediction)


def test_nothing_in_common_is_an_error_even_where_gaps_may_be_dropped(truth, prediction):
    other = prediction.assign(utterance="x" + prediction["utterance"])
    with pytest.raises(UndertoneError, match="are the names written differently"):
        score(truth=truth, prediction=other, missing="drop")


def test_files_that_cannot_be_read_and_unknown_tasks_are_errors(tmp_path, truth):
    with pytest.raises(UndertoneError, match="there is no such file"):
        score(truth=truth, prediction=tmp_path / "none.csv")
    for name, content in {"a.csv": b"", "b.csv": b"\xff\xfe\x00u", "c.parquet": b"PAR"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UndertoneError, match=name):
            score(truth=truth, prediction=tmp_path / name)
    with pytest.raises(UndertoneError, match="no task 'moods' to score; there is classes"):
        score(truth=truth, prediction=truth, task="moods")


def test_names_that_look_like_numbers_stay_names(tmp_path):
    (tmp_path / "t.csv").write_text(
        "utterance;speaker;emotion\n01;7;anger\n1;007;fear\n", encoding="utf-8"
    )
    (tmp_path / "p.csv").write_text("utterance,prediction\n1,fear\n01,anger\n", encoding="utf-8")
    found = score(truth=tmp_path / "t.csv", prediction=tmp_path / "p.csv")
    assert (found.n_speakers, found.metrics["wa"].value) == (2, 1)
    assert found.notes == ()
