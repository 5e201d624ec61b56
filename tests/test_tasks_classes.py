import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from undertone.errors import UndertoneError
from undertone.tasks import Classes, classes
from undertone.tasks.draws import Asked, draw_balanced
from undertone.tasks.rows import Rows

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


TASK = Classes(tuple(NAMES[:4]))


def measured(prediction, truth, speaker=None, weights=None):
    """(n_weights, n_metrics, 1 + n_outputs); of everybody once by default."""
    speaker = np.zeros(len(truth), dtype=int) if speaker is None else speaker
    rows = Rows(truth, prediction, speaker)
    return TASK.measure(rows, np.ones((1, rows.n_speakers)) if weights is None else weights)


def true_emotions(rng, n=400, shares=(0.6, 0.3, 0.1, 0.0)):
    return TASK.one_hot(rng.choice(4, n, p=shares))


def test_the_constant_is_the_most_frequent_label():
    fit = TASK.floors["constant"].fit
    labels = np.eye(2)[[1, 0, 1]]
    two = Classes(("anger", "fear"))
    assert two.decide(fit(labels)).tolist() == [0, 1]
    assert two.decide(fit(labels[:2])).tolist() == [1, 0]  # a tie: the first by name


def test_a_constant_scores_one_over_the_number_of_emotions(rng):
    truth = true_emotions(rng, shares=(0.4, 0.3, 0.2, 0.1))
    constant = np.broadcast_to(TASK.one_hot(np.array(2)), truth.shape)
    uar, wa, _ = measured(constant, truth)[0, :, 0]
    assert uar == pytest.approx(1 / 4)
    assert wa == pytest.approx(truth[:, 2].mean())


def test_chance_is_what_uniform_guesses_score_on_average(rng):
    truth = true_emotions(rng)
    uar, wa, macro_f1 = measured(TASK.chance(truth), truth)[0, :, 0]
    shares = truth.mean(axis=0)[:3]
    assert uar == pytest.approx(1 / 3)
    assert wa == pytest.approx(1 / 3)
    assert macro_f1 == pytest.approx(np.mean(2 * shares * (1 / 3) / (shares + 1 / 3)))
    guesses = [measured(TASK.one_hot(rng.integers(0, 3, 400)), truth)[0, 1, 0] for _ in range(200)]
    assert np.mean(guesses) == pytest.approx(1 / 3, abs=0.01)


def test_a_weighting_of_speakers_measures_their_repeated_rows(rng):
    truth, guess = true_emotions(rng, 90), TASK.one_hot(rng.integers(0, 4, 90))
    speaker, weights = np.arange(90) % 6, rng.multinomial(6, np.full(6, 1 / 6), size=5)
    for weight, replicate in zip(weights, measured(guess, truth, speaker, weights), strict=True):
        again = np.repeat(np.arange(90), weight[speaker])
        names = {
            "truth": NAMES[truth[again].argmax(axis=1)],
            "prediction": NAMES[guess[again].argmax(axis=1)],
        }
        assert replicate[:, 0] == pytest.approx(
            [classes.uar(**names), classes.wa(**names), classes.macro_f1(**names)]
        )
        recalls = dict(zip(TASK.outputs, replicate[0, 1:], strict=True))
        assert {e: r for e, r in recalls.items() if r == r} == pytest.approx(
            classes.recalls(**names)
        )


def test_behind_a_recall_stand_the_speakers_who_have_the_emotion(rng):
    truth = TASK.one_hot(np.array([0, 0, 1, 1, 0, 2]))
    rows = Rows(truth, truth, np.array([0, 1, 1, 1, 2, 2]))
    assert TASK.speakers_behind(rows).tolist() == [3, 3, 1, 1, 0]


def test_training_speakers_of_one_emotion_are_refused():
    rows = pd.DataFrame({"utterance": ["a", "b", "c"], "emotion": ["joy"] * 3})
    asked = Asked(budget=2, fold=1, draw=0, seed=3)
    with pytest.raises(UndertoneError, match="speakers of fold 1 hold labels of joy alone"):
        draw_balanced(rows, ("joy", "fear"), asked)
