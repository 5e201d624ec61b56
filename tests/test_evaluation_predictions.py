"""A run's predictions as a table and back, and the metrics of every fit."""

import io

import numpy as np
import pandas as pd
import pytest
from evaluation_fakes import BUDGETS, SYSTEMS, amounts_run, run
from sklearn.metrics import balanced_accuracy_score, f1_score, mean_absolute_error, roc_auc_score

from undertone.errors import UndertoneError
from undertone.evaluation import predictions
from undertone.evaluation.curves import trace
from undertone.evaluation.predictions import (
    columns_needed,
    predictions_table,
    read_predictions,
    results_table,
    task_told,
)
from undertone.tasks import CHOICE, MEAN, Classes, Intensities
from undertone.tasks.intensities import INTENSITIES

N, N_DRAWS = 30, 3
CLASSES = Classes(("anger", "fear", "neutral", "sadness"))  # of which sadness is never true
KEYS = [("svm", 20), ("constant", 20), ("svm", 50)]


def rows_tested(task, rng, *, folds=(2, 0, 1), unit="speaker"):
    """Utterances by name; their speakers, truths and folds in no order."""
    if task.kind == CHOICE:
        truth = task.one_hot(rng.permutation(np.arange(N) % 3))
    else:
        truth = rng.choice(np.arange(10) / 3, (N, len(task.outputs)), p=(0.46, *[0.06] * 9))
    speakers = rng.permutation(np.arange(N) % 6)
    fold = dict(zip(range(6), np.resize(folds, 6).tolist(), strict=True))
    return predictions.Tested(
        task=task,
        utterances=tuple(f"u{i:02}" for i in range(N)),
        speakers=tuple(f"s{9 - i}" for i in speakers),
        truth=truth,
        folds=tuple(fold[i] for i in speakers),
        unit=unit,
    )


def values_of(task, rng):
    shape = (N_DRAWS, N, len(task.outputs))
    if task.kind == CHOICE:
        return {key: rng.dirichlet(np.full(shape[-1], 0.7), shape[:-1]) for key in KEYS}
    return {key: rng.normal(1.3, 0.6, shape) for key in KEYS}


def curves_of(values, tested):
    return trace(
        values, task=tested.task, truth=tested.truth, speakers=tested.speakers, n_replicates=2
    )


@pytest.fixture(params=[CLASSES, Intensities()], ids=lambda task: task.name)
def task(request):
    return request.param


@pytest.mark.parametrize("unit", ["speaker", "video"])
@pytest.mark.parametrize("folds", [(2, 0, 1), (4,)])
def test_what_is_written_is_read_back(task, rng, folds, unit):
    tested, values = rows_tested(task, rng, folds=folds, unit=unit), values_of(task, rng)
    table = predictions_table(values, tested)
    again, tested_again = read_predictions(table.sample(frac=1, random_state=1))
    assert set(again) == set(KEYS)
    for key in KEYS:
        np.testing.assert_array_equal(again[key], task.decide(values[key]))
    np.testing.assert_array_equal(tested_again.truth, tested.truth)
    same = ("task", "utterances", "speakers", "unit")
    assert [getattr(tested_again, n) for n in same] == [getattr(tested, n) for n in same]
    kept = tested.folds if task.kind == CHOICE or tested.crossed else (0,) * N
    assert tested_again.folds == kept
    assert list(read_predictions(table)[0]) == KEYS


def test_a_file_of_the_needed_columns_says_the_same(task, rng):
    tested, values = rows_tested(task, rng), values_of(task, rng)
    whole, file = predictions_table(values, tested), io.BytesIO()
    whole.to_parquet(file)
    columns = columns_needed(list(whole.columns))
    assert not [name for name in columns if name.startswith("p_")]
    some = pd.read_parquet(file, columns=columns, filters=[("system", "==", "svm")])
    again, tested_again = read_predictions(some, task_told(list(whole.columns)))
    assert list(again) == [("svm", 20), ("svm", 50)]
    for key in again:
        np.testing.assert_array_equal(again[key], task.decide(values[key]))
    assert tested_again.task == task
    np.testing.assert_array_equal(tested_again.truth, tested.truth)


def test_rows_are_in_the_order_of_systems_budgets_draws_and_folds(task, rng):
    tested, values = rows_tested(task, rng), values_of(task, rng)
    table = predictions_table(values, tested)
    keys = table[["system", "budget", "draw", "fold"]].drop_duplicates().to_numpy().tolist()
    assert keys == [[*key, draw, fold] for key in KEYS for draw in range(3) for fold in range(3)]
    one = table.iloc[:N]
    assert one.groupby("fold")["utterance"].apply(lambda u: u.is_monotonic_increasing).all()
    fold = dict(zip(tested.utterances, tested.folds, strict=True))
    assert (one["fold"] == one["utterance"].map(fold)).all()


def test_classes_are_written_as_the_likeliest_beside_their_probabilities(rng):
    tested, values = rows_tested(CLASSES, rng), values_of(CLASSES, rng)
    table = predictions_table(values, tested).set_index(["system", "budget", "draw", "utterance"])
    row = table.loc[("svm", 50, 2, "u07")]
    assert (
        row[[f"p_{name}" for name in CLASSES.outputs]].tolist() == values["svm", 50][2, 7].tolist()
    )
    assert row["prediction"] == CLASSES.outputs[values["svm", 50][2, 7].argmax()]
    assert row["truth"] == CLASSES.outputs[tested.truth[7].argmax()]
    assert row["speaker"] == tested.speakers[7]


def of_fold(tested, fold):
    return np.array(tested.folds) == fold


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_results_of_classes_are_those_of_scikit_learn(rng):
    tested, values = rows_tested(CLASSES, rng), values_of(CLASSES, rng)
    results = results_table(values, tested, curves_of(values, tested))
    assert len(results) == len(KEYS) * N_DRAWS * 3 * 3  # folds, metrics
    oracle = {
        "uar": balanced_accuracy_score,
        "wa": lambda t, p: np.mean(t == p),
        "macro_f1": lambda t, p: f1_score(t, p, average="macro"),
    }
    for row in results.itertuples():
        rows = of_fold(tested, row.fold)
        truth = tested.truth[rows].argmax(axis=1)
        chosen = values[row.system, row.budget][row.draw, rows].argmax(axis=1)
        assert row.value == pytest.approx(oracle[row.metric](truth, chosen))
        speakers = np.array(tested.speakers)[rows]
        assert (row.n_utterances, row.n_speakers) == (len(truth), len(set(speakers)))


def test_results_of_amounts_are_those_of_scikit_learn(rng):
    task = Intensities()
    tested, values = rows_tested(task, rng), values_of(task, rng)
    results = results_table(values, tested, curves_of(values, tested))
    assert len(results) == len(KEYS) * N_DRAWS * 3 * len(task.metrics) * 7
    oracle = {"mae": mean_absolute_error, "presence_auc": lambda t, p: roc_auc_score(t > 0, p)}
    found = results[results["metric"].isin(list(oracle))]
    for key, of_fit in found.groupby(["system", "budget", "draw", "fold", "metric"]):
        system, budget, draw, fold, metric = key
        rows = of_fold(tested, fold)
        expected = [
            oracle[metric](t, p)
            for t, p in zip(tested.truth[rows].T, values[system, budget][draw, rows].T, strict=True)
        ]
        assert of_fit["emotion"].tolist() == [*task.outputs, MEAN]
        assert of_fit["value"].tolist() == pytest.approx([*expected, np.mean(expected)])


def test_one_fold_of_amounts_needs_no_column(rng):
    task = Intensities()
    tested, values = rows_tested(task, rng, folds=(4,)), values_of(task, rng)
    assert "fold" not in predictions_table(values, tested)
    assert "fold" not in results_table(values, tested, curves_of(values, tested))
    assert not tested.crossed


def at(table, **where):
    return np.logical_and.reduce([table[name] == value for name, value in where.items()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="draw"), "it lacks draw and has system, budget"),
        (lambda t: t[:0], "the table has no rows"),
        (lambda t: t.assign(utterance=t["utterance"].where(t["draw"] > 0)), "90 in utterance"),
        (lambda t: t[~at(t, system="svm", budget=50, draw=1, utterance="u03")], "draw 1 has 29"),
        (
            lambda t: t[~at(t, system="svm", budget=20, draw=1)],
            "constant: 0, 1, 2; svm: 0, 2|svm: 0, 2;",
        ),
        (
            lambda t: t.assign(speaker=t["draw"].astype(str)),
            "u.., u.., u.. and 27 more have several",
        ),
    ],
)
def test_what_could_not_be_compared_is_refused(task, rng, change, message):
    table = predictions_table(values_of(task, rng), rows_tested(task, rng))
    with pytest.raises(UndertoneError, match=message):
        read_predictions(change(table))


def test_columns_of_no_task_are_refused():
    with pytest.raises(
        UndertoneError, match=r"truth_<output> of a task .* found happy, truth_happy"
    ):
        task_told(["happy", "truth_happy"])


def test_without_probabilities_the_classes_are_those_of_the_truth(rng):
    table = predictions_table(values_of(CLASSES, rng), rows_tested(CLASSES, rng))
    table = table.drop(columns=[f"p_{name}" for name in CLASSES.outputs])
    table["prediction"] = table["prediction"].replace("sadness", "fear")
    assert read_predictions(table)[1].task == Classes(("anger", "fear", "neutral"))


def test_one_row_a_fit_and_metric_in_a_stable_order():
    whole = run()
    table = predictions_table(whole.predictions, whole.tested)
    curves = whole.traced(n_replicates=2)
    results = results_table(whole.predictions, whole.tested, curves)
    assert len(results) == len(SYSTEMS) * len(BUDGETS) * 5 * 3 * 3
    assert list(results["system"].unique()) == [system.name for system in SYSTEMS]
    assert (results["n_speakers"] == 4).all()
    assert (results["n_utterances"] == 112).all()
    again, tested = read_predictions(table.sample(frac=1, random_state=0))
    in_order = {key: again[key] for key in whole.predictions}
    pd.testing.assert_frame_equal(results_table(in_order, tested, curves), results)
    one = results.query("system == 'constant' and metric == 'uar'")["value"]
    assert one.tolist() == pytest.approx([1 / 7] * len(one))


def test_results_of_amounts_average_to_the_curves():
    whole = amounts_run()
    curves = whole.traced(n_replicates=20)
    results = results_table(whole.predictions, whole.tested, curves)
    assert list(results) == ["system", "budget", "draw", "metric", "emotion", "value"]
    assert len(results) == 4 * 2 * 5 * 7 * 7
    at = results.query("system == 'scratch' and budget == 20 and metric == 'ccc'")
    means = at.groupby("emotion")["value"].mean()
    for output in (*INTENSITIES, "mean"):
        expected = curves.estimate("scratch", 20, "ccc", output=output).value
        assert means[output] == pytest.approx(expected)
