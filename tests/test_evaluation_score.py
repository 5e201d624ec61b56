import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score
from typer.testing import CliRunner

from undertone.cli import app
from undertone.errors import UndertoneError
from undertone.evaluation import predictions
from undertone.evaluation.score import score, score_rows
from undertone.tasks import Classes, Intensities, classes
from undertone.tasks.intensities import INTENSITIES, METRICS, measure

EMOTIONS = ["anger", "fear", "neutral", "sadness"]
NAMES = list(INTENSITIES)


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
    recalls = {emotion: e.value for emotion, e in found.by_output["uar"].items()}
    assert recalls == pytest.approx(classes.recalls(**columns))
    assert (found.n_utterances, found.n_speakers, found.left_out) == (120, 10, {})
    assert all(e.low < e.value < e.high for e in found.metrics.values())
    expected = classes.confusion(**columns, emotions=found.task.outputs)
    np.testing.assert_array_equal(found.confusion, expected)


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


def test_columns_of_one_emotion_are_added_up():
    truth = pd.DataFrame(
        {
            "utterance": [f"u{i}" for i in range(8)],
            "speaker": [f"s{i % 4}" for i in range(8)],
            "emotion": ["anger"] * 4 + ["happiness"] * 4,
        }
    )
    rows = [(0.0, 0.1, 0.9)] * 4 + [(0.33, 0.32, 0.35)] * 4
    prediction = pd.DataFrame(rows, columns=["p_hap", "p_exc", "p_ang"])
    prediction.insert(0, "utterance", truth["utterance"])
    assert score(truth=truth, prediction=prediction).metrics["uar"].value == 1
    gap = prediction.assign(p_exc=[np.nan, *prediction["p_exc"][1:]])
    with pytest.raises(UndertoneError, match=r"1 empty in the prediction \(u0\)"):
        score(truth=truth, prediction=gap)


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_rows_that_say_nothing_are_refused_or_dropped_and_counted(truth, prediction, value):
    probabilities = pd.DataFrame({"utterance": prediction["utterance"]})
    for emotion in EMOTIONS:
        probabilities[f"p_{emotion}"] = np.where(prediction["prediction"] == emotion, 0.7, 0.1)
    probabilities.loc[[2, 5], [f"p_{emotion}" for emotion in EMOTIONS]] = value
    with pytest.raises(UndertoneError, match=r"2 empty in the prediction \(u002, u005\)"):
        score(truth=truth, prediction=probabilities)
    found = score(truth=truth, prediction=probabilities, missing="drop")
    assert found.left_out == {"empty in the prediction": 2}


@pytest.mark.parametrize("row", [(1.7, -0.7), (-0.2, 0.9), (0.9, 0.9), (3.1, 0.2)])
def test_what_are_no_probabilities_is_refused(truth, prediction, row):
    probabilities = prediction[["utterance"]].assign(p_anger=0.6, p_fear=0.4)
    probabilities.loc[3, ["p_anger", "p_fear"]] = row
    with pytest.raises(UndertoneError, match=r"probabilities from 0 to 1 .* u003 \(1 rows\)"):
        score(truth=truth, prediction=probabilities)


@pytest.mark.parametrize("column", ["prediction", "emotion"])
def test_a_column_that_contradicts_the_probabilities_is_refused(truth, prediction, column):
    probabilities = prediction[["utterance"]].assign(p_anger=0.6, p_fear=0.4)
    agreeing = probabilities.assign(**{column: "Angry"})
    alone = score(truth=truth, prediction=probabilities)
    assert score(truth=truth, prediction=agreeing).metrics == alone.metrics
    agreeing.loc[[1, 4], column] = "fear"
    with pytest.raises(UndertoneError, match=r"u001, u004 \(2 rows\), such as fear against anger"):
        score(truth=truth, prediction=agreeing)
    even = agreeing.assign(p_anger=0.5, p_fear=0.5)  # equally likely: no contradiction
    with pytest.raises(UndertoneError, match="120 empty in the prediction"):
        score(truth=truth, prediction=even)


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
    assert list(found.by_output["uar"]) == EMOTIONS
    assert "boredom" in found.task.outputs
    assert found.by_output["macro_f1"]["boredom"].value == 0


def test_rows_hold_metrics_with_floors_then_recalls(truth, prediction):
    found = score(truth=truth, prediction=prediction)
    rows = found.rows()
    assert [row[0] for row in rows[:4]] == ["UAR", "WA", "macro-F1", "recall anger"]
    assert rows[0][1:] == (
        str(found.metrics["uar"]),
        str(found.floors["constant"]["uar"]),
        str(found.floors["chance"]["uar"]),
    )
    assert rows[3][2:] == ("", "")
    assert len(rows) == 3 + 4


def test_json_holds_everything_by_output(truth, prediction):
    found = score(truth=truth, prediction=prediction)
    plain = json.loads(json.dumps(found.to_dict()))
    assert (plain["task"], plain["outputs"]) == ("classes", EMOTIONS)
    assert plain["recalls"] == plain["by_output"]["uar"]
    assert list(plain["by_output"]) == ["uar", "macro_f1"]  # WA has no value by emotion
    assert plain["confusion"] == found.confusion.tolist()
    most = truth["emotion"].value_counts().idxmax()
    recalls = plain["floors_by_output"]["constant"]["uar"]
    assert {name: e["value"] for name, e in recalls.items()} == {
        name: float(name == most) for name in EMOTIONS
    }


def test_behind_a_recall_stand_the_speakers_who_have_the_emotion(truth, prediction):
    truth.loc[truth["speaker"] < "07", "emotion"] = "neutral"
    found = score(truth=truth, prediction=prediction)
    n_fear = truth.loc[truth["emotion"] == "fear", "speaker"].nunique()
    assert found.by_output["uar"]["fear"].n_speakers == n_fear < 4
    assert found.by_output["uar"]["neutral"].n_speakers == found.metrics["uar"].n_speakers == 10
    assert found.floors_by_output["chance"]["uar"]["fear"].n_speakers == n_fear


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t, p: (t.drop(columns="emotion"), p),
            "a column emotion .or emo, label, .*truth.,.* in the truth; found utterance, speaker",
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
    with pytest.raises(UndertoneError, match="no task 'moods'; there are classes, intensities"):
        score(truth=truth, prediction=truth, task="moods")


def test_names_that_look_like_numbers_stay_names(tmp_path):
    (tmp_path / "t.csv").write_text(
        "utterance;speaker;emotion\n01;7;anger\n1;007;fear\n", encoding="utf-8"
    )
    (tmp_path / "p.csv").write_text("utterance,prediction\n1,fear\n01,anger\n", encoding="utf-8")
    found = score(truth=tmp_path / "t.csv", prediction=tmp_path / "p.csv")
    assert (found.n_speakers, found.metrics["wa"].value) == (2, 1)
    assert found.notes == ()


@pytest.fixture
def amounts(rng):
    table = pd.DataFrame({"utterance": [f"u{i:03}" for i in range(90)]})
    table["speaker"] = [f"{i % 9}" for i in range(90)]
    table[NAMES] = rng.choice(np.arange(10) / 3, (90, 6), p=(0.55, *[0.05] * 9))
    return table


@pytest.fixture
def guesses(amounts, rng):
    guess = amounts[["utterance"]].copy()
    guess[NAMES] = np.clip(amounts[NAMES] + rng.normal(0, 0.5, (90, 6)), 0, 3)
    return guess


def test_it_scores_amounts_as_the_metrics_measure(amounts, guesses):
    found = score(truth=amounts, prediction=guesses)
    expected = measure(truth=amounts[NAMES].to_numpy(), prediction=guesses[NAMES].to_numpy())
    for name in METRICS:
        assert found.metrics[name].value == pytest.approx(expected[name].mean())
        values = [found.by_output[name][emotion].value for emotion in NAMES]
        assert values == pytest.approx(expected[name].tolist())
        assert found.metrics[name].low < found.metrics[name].value < found.metrics[name].high
    assert (found.n_utterances, found.n_speakers, found.notes) == (90, 9, ())


def test_it_carries_floors_of_amounts_that_no_constant_beats(amounts, guesses):
    floors = score(truth=amounts, prediction=guesses, task="intensities").floors
    assert list(floors) == ["always 0", "median", "mean"]
    assert floors["always 0"]["mae"].value == pytest.approx(amounts[NAMES].to_numpy().mean())
    for constant in np.arange(0, 3, 0.1):
        assert floors["median"]["mae"].value <= np.abs(amounts[NAMES].to_numpy() - constant).mean()
    assert floors["mean"]["presence_auc"].value == 0.5


def test_amounts_are_joined_by_utterance_and_columns_by_name(amounts, guesses):
    shuffled = guesses.sample(frac=1, random_state=1)[["utterance", *NAMES[::-1]]]
    renamed = shuffled.rename(columns={"happy": "Happiness", "sad": "SADNESS"})
    expected = score(truth=amounts, prediction=guesses, task="intensities").to_dict()
    assert score(truth=amounts, prediction=renamed, task="intensities").to_dict() == expected


def test_videos_stand_in_for_speakers_with_a_note(amounts, guesses):
    by_video = amounts.rename(columns={"speaker": "video"})
    found = score(truth=by_video, prediction=guesses, task="intensities")
    same = score(truth=amounts, prediction=guesses, task="intensities")
    assert found.metrics == same.metrics
    assert "videos are resampled in their place" in found.notes[0]


def test_predictions_outside_the_range_are_noted(amounts, guesses):
    guesses.loc[0, "fear"] = 4.0
    found = score(truth=amounts, prediction=guesses, task="intensities")
    assert found.notes[0].startswith("1 predictions lie outside 0 to 3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p: (t.drop(columns="fear"), p), "a column fear in the truth"),
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
def test_errors_on_amounts_say_what_was_expected_and_found(amounts, guesses, change, message):
    broken_truth, broken_prediction = change(amounts, guesses)
    with pytest.raises(UndertoneError, match=message):
        score(truth=broken_truth, prediction=broken_prediction, task="intensities")


def test_what_is_missing_of_amounts_may_be_left_out_and_counted(amounts, guesses):
    found = score(truth=amounts, prediction=guesses[2:], task="intensities", missing="drop")
    assert (found.n_utterances, found.left_out) == (88, {"not in the prediction": 2})


def test_rows_of_amounts_hold_means_then_emotions_and_json_everything(amounts, guesses):
    found = score(truth=amounts, prediction=guesses, task="intensities")
    rows = found.rows()
    assert [row[0] for row in rows[6:9]] == ["CCC", "MAE happy", "MAE sad"]
    assert {len(row) for row in rows} == {5}
    assert rows[5][2] == ".000 [.000, .000]"  # a constant's Spearman correlation counts as 0
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["by_output"]["ccc"]["fear"]["value"] == found.by_output["ccc"]["fear"].value
    assert plain["floors_by_output"]["mean"]["mae"]["sad"]["n_speakers"] == 9


@pytest.mark.corpora
def test_the_command_reproduces_the_floor_of_cmu_mosei(tmp_path, corpora_root):
    table = pd.read_csv(corpora_root / "mosei_labels" / "labels.csv")
    test = table[table["split"] == "test"]
    n = test.groupby("video").cumcount().astype(str)
    test = test.assign(utterance=test["video"] + "[" + n + "]")[["utterance", "video", *NAMES]]
    test.to_csv(tmp_path / "truth.csv", index=False)
    zeros = test.assign(**dict.fromkeys(NAMES, 0)).drop(columns="video")
    zeros.to_csv(tmp_path / "zeros.csv", index=False)
    command = ["score", "--json"]
    command += ["--truth", str(tmp_path / "truth.csv"), "--prediction", str(tmp_path / "zeros.csv")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    found = json.loads(done.output)
    mae = found["by_output"]["mae"]
    expected = (0.4697, 0.1444, 0.1632, 0.0440, 0.1172, 0.0426)
    assert [round(mae[name]["value"], 4) for name in NAMES] == list(expected)
    assert round(found["metrics"]["mae"]["value"], 4) == 0.1635
    assert round(100 * found["metrics"]["accuracy"]["value"], 2) == 87.23
    assert found["metrics"] == found["floors"]["always 0"]
    assert found["n_speakers"] == 676
    assert found["metrics"]["mae"]["low"] < 0.1635 < found["metrics"]["mae"]["high"]


def test_the_task_is_read_off_the_columns_of_the_truth(truth, prediction, amounts, guesses):
    assert score(truth=truth, prediction=prediction).task == Classes(tuple(EMOTIONS))
    assert score(truth=amounts, prediction=guesses).task == Intensities()
    both = truth.merge(amounts.drop(columns="speaker"), on="utterance")
    with pytest.raises(UndertoneError, match=r"the tasks classes and intensities: say .*--task"):
        score(truth=both, prediction=guesses)
    found = score(truth=both, prediction=guesses, task="intensities")
    expected = score(truth=amounts, prediction=guesses)
    assert found.metrics["mae"].value == pytest.approx(expected.metrics["mae"].value)
    neither = "a column emotion .*or the columns happy, .* of the task intensities, or some of "
    neither += "the columns arousal, .* of the task dimensions in the truth; f"
    with pytest.raises(UndertoneError, match=neither):
        score(truth=amounts.drop(columns="fear"), prediction=guesses)


def test_rows_score_what_the_tables_score(truth, prediction, amounts, guesses, rng):
    task = Classes(tuple(EMOTIONS))
    order = rng.permutation(120)  # of rows and so of speakers
    chosen = np.array([EMOTIONS.index(name) for name in prediction["prediction"]])
    of_rows = score_rows(
        task,
        truth=task.truth(truth)[order],
        values=(0.4 * task.one_hot(chosen) + 0.6 * rng.dirichlet([50] * 4, 120))[order],
        speakers=truth["speaker"].to_numpy()[order],
        left_out={"never drawn": 3},
        notes=["of a cross-validation"],
    )
    of_tables = score(truth=truth, prediction=prediction).to_dict()
    told = {"left_out": {"never drawn": 3}, "notes": ["of a cross-validation"]}
    assert of_rows.to_dict() == of_tables | told
    of_rows = score_rows(
        Intensities(),
        truth=amounts[NAMES].to_numpy(),
        values=guesses[NAMES].to_numpy(),
        speakers=amounts["speaker"],
        n_replicates=50,
        seed=3,
    )
    of_tables = score(truth=amounts, prediction=guesses, n_replicates=50, seed=3)
    assert of_rows.to_dict() == of_tables.to_dict()


def test_replicates_are_the_task_s_where_none_are_asked_for(truth, prediction, monkeypatch):
    monkeypatch.setattr(Classes, "n_replicates", 30)
    found, same, more = (
        score(truth=truth, prediction=prediction, n_replicates=n).to_dict() for n in (None, 30, 300)
    )
    assert found == same != more


@pytest.mark.parametrize("unit", ["speaker", "video"])
def test_one_fit_of_a_run_is_truth_and_prediction(truth, amounts, guesses, rng, unit):
    for task, table, values in [
        (Classes(tuple(EMOTIONS)), truth, rng.dirichlet(np.ones(4), 120)),
        (Intensities(), amounts, guesses[NAMES].to_numpy()),
    ]:
        tested = predictions.Tested(
            task=task,
            utterances=tuple(table["utterance"]),
            speakers=tuple(table["speaker"]),
            truth=task.truth(table),
            folds=(0,) * len(table),
            unit=unit,
        )
        run = predictions.predictions_table({("svm", 20): np.stack([values, values[::-1]])}, tested)
        one = run[run["draw"] == 0]
        found = score(truth=one, prediction=one)
        expected = score_rows(task, truth=tested.truth, values=values, speakers=table["speaker"])
        assert found.to_dict()["by_output"] == expected.to_dict()["by_output"]
        assert len(found.notes) == (unit == "video")
        with pytest.raises(UndertoneError, match="keep the rows of one system, budget and draw"):
            score(truth=run, prediction=run)
