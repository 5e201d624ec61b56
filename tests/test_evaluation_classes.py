import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from undertone.errors import UndertoneError
from undertone.evaluation import classes, floors

NAMES = np.array(["anger", "fear", "neutral", "sadness", "surprise"], dtype=object)


@pytest.fixture(params=range(8))
def labels(request):
    """Truth without surprise, prediction without sadness in some: unions differ from either."""
    rng = np.random.default_rng(request.param)
    truth = rng.choice(NAMES[:4], 60, p=(0.6, 0.2, 0.1, 0.1))
    prediction = np.where(rng.random(60) < 0.5, truth, rng.choice(NAMES[[0, 1, 2, 4]], 60))
    return {"truth": truth, "prediction": prediction}


def expected_recall(emotion, truth, prediction):
    return sum(t == p == emotion for t, p in zip(truth, prediction, strict=True)) / sum(
        truth == emotion
    )


def expected_f1(emotion, truth, prediction):
    hits = sum(t == p == emotion for t, p in zip(truth, prediction, strict=True))
    precision = hits / n if (n := sum(prediction == emotion)) else 0
    recall = hits / n if (n := sum(truth == emotion)) else 0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0


def test_metrics_equal_their_equations(labels):
    truth, prediction = labels["truth"], labels["prediction"]
    true, either = sorted(set(truth)), sorted(set(truth) | set(prediction))
    recalls = {emotion: expected_recall(emotion, truth, prediction) for emotion in true}
    assert classes.recalls(**labels) == pytest.approx(recalls)
    assert classes.uar(**labels) == pytest.approx(np.mean(list(recalls.values())))
    assert classes.wa(**labels) == pytest.approx(np.mean(truth == prediction))
    f1 = [expected_f1(emotion, truth, prediction) for emotion in either]
    assert classes.macro_f1(**labels) == pytest.approx(np.mean(f1))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_metrics_agree_with_scikit_learn(labels):
    truth, prediction = labels["truth"].tolist(), labels["prediction"].tolist()
    assert classes.uar(**labels) == pytest.approx(balanced_accuracy_score(truth, prediction))
    assert classes.wa(**labels) == pytest.approx(accuracy_score(truth, prediction))
    assert classes.macro_f1(**labels) == pytest.approx(f1_score(truth, prediction, average="macro"))
    np.testing.assert_array_equal(classes.confusion(**labels), confusion_matrix(truth, prediction))


@pytest.mark.parametrize("metric", [classes.uar, classes.wa, classes.macro_f1])
def test_a_perfect_prediction_scores_one_and_a_wrong_one_zero(metric):
    truth = list(NAMES) * 3
    assert metric(truth=truth, prediction=truth) == 1
    assert metric(truth=truth, prediction=truth[1:] + truth[:1]) == 0


@pytest.mark.parametrize("metric", [classes.uar, classes.wa, classes.macro_f1])
def test_order_and_names_do_not_matter(labels, metric, rng):
    order = rng.permutation(60)
    shuffled = {name: column[order] for name, column in labels.items()}
    renamed = {name: [text[::-1] for text in column] for name, column in labels.items()}
    assert metric(**shuffled) == pytest.approx(metric(**labels))
    assert metric(**renamed) == pytest.approx(metric(**labels))


def test_truth_and_prediction_cannot_be_swapped_unnoticed(labels):
    swapped = classes.uar(truth=labels["prediction"], prediction=labels["truth"])
    assert swapped != pytest.approx(classes.uar(**labels))
    with pytest.raises(TypeError):
        classes.uar(labels["truth"], labels["prediction"])


@pytest.mark.parametrize("metric", classes.METRICS.values())
def test_stacked_counts_give_what_each_matrix_gives(metric, rng):
    counts = rng.integers(0, 5, (2, 3, 4, 4))
    counts[:, :, 1] = 0  # no truth of one emotion
    one_by_one = [[float(metric(matrix)) for matrix in row] for row in counts]
    np.testing.assert_allclose(metric(counts), one_by_one)


def test_counts_without_any_utterance_have_no_score():
    for metric in classes.METRICS.values():
        assert np.isnan(metric(np.zeros((3, 3))))


def test_confusion_keeps_the_order_of_the_emotions_it_is_given():
    counts = classes.confusion(truth=["b", "a"], prediction=["a", "a"], emotions=["b", "a"])
    assert counts.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (["a", "b"], ["a"], "2 truths and 1 predictions"),
        ([], [], "at least one"),
        (["a", None], ["a", "a"], "the truth to hold only a; found None in 1 of 2"),
        (["a", "b"], ["a", float("nan")], "the prediction to hold only a, b; found nan"),
    ],
)
def test_what_cannot_be_scored_is_refused(truth, prediction, message):
    with pytest.raises(UndertoneError, match=message):
        classes.uar(truth=truth, prediction=prediction)


def test_the_constant_is_the_most_frequent_label():
    assert floors.fit_constant(["fear", "anger", "fear"]) == "fear"
    assert floors.fit_constant(["fear", "anger"]) == "anger"  # a tie: the first by name
    with pytest.raises(UndertoneError, match="at least one label"):
        floors.fit_constant([])


def test_a_constant_scores_one_over_the_number_of_emotions(rng):
    counts = rng.integers(1, 9, (5, 4, 4))
    constant = floors.constant_counts(counts, 2)
    np.testing.assert_allclose(classes.uar_of_counts(constant), 1 / 4)
    share = counts.sum(-1)[:, 2] / counts.sum((-1, -2))
    np.testing.assert_allclose(classes.wa_of_counts(constant), share)


def test_chance_is_what_uniform_guesses_score_on_average(rng):
    truth = rng.choice(NAMES[:3], 400, p=(0.6, 0.3, 0.1))
    counts = classes.confusion(truth=truth, prediction=truth, emotions=list(NAMES[:4]))
    chance = floors.chance_counts(counts)
    shares = np.array([np.mean(truth == name) for name in NAMES[:3]])
    assert classes.uar_of_counts(chance) == pytest.approx(1 / 3)
    assert classes.wa_of_counts(chance) == pytest.approx(1 / 3)
    assert classes.macro_f1_of_counts(chance) == pytest.approx(
        np.mean(2 * shares * (1 / 3) / (shares + 1 / 3))
    )
    guesses = [classes.wa(truth=truth, prediction=rng.choice(NAMES[:3], 400)) for _ in range(200)]
    assert np.mean(guesses) == pytest.approx(1 / 3, abs=0.01)
