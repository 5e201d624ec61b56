import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from undertone.errors import UndertoneError
from undertone.tasks import Intensities
from undertone.tasks.intensities import INTENSITIES, METRICS, Rows, fit_median, measure, rounded

THIRDS = np.arange(10) / 3


@pytest.fixture
def rows(rng):
    truth = rng.choice(THIRDS, (80, 2), p=(0.5, *[0.5 / 9] * 9))
    guess = np.round(truth * 0.5 + rng.normal(0.3, 0.6, (80, 2)), 1)  # some ties
    return Rows(truth, guess, np.arange(80) % 7)


@pytest.fixture(scope="module")
def mosei(corpora_root):
    """The real labels: intensities of the training and of the test utterances."""
    table = pd.read_csv(corpora_root / "mosei_labels" / "labels.csv")
    train, test = (table[table["split"] == split] for split in ("train", "test"))
    return train[list(INTENSITIES)].to_numpy(), test[list(INTENSITIES)].to_numpy()


def of_constant(truth, constant):
    rows = Rows(truth, np.broadcast_to(constant, truth.shape), np.zeros(len(truth), dtype=int))
    mae, accuracy = (METRICS[name](rows, np.ones((1, 1)))[0] for name in ("mae", "accuracy"))
    return mae, accuracy.mean()


def expected_ccc(truth, prediction):
    covariance = np.mean((truth - truth.mean()) * (prediction - prediction.mean()))
    distance = (truth.mean() - prediction.mean()) ** 2
    return 2 * covariance / (truth.var() + prediction.var() + distance)


def halves_up(value):
    return int(min(max(value, 0), 3) + 0.5)


def up(value):
    return int(np.ceil(value - 1e-4))


EXPECTED = {  # each from its equation, for one emotion
    "mae": lambda t, p: np.mean(abs(t - p)),
    "accuracy": lambda t, p: np.mean(
        [halves_up(a) == halves_up(b) for a, b in zip(t, p, strict=True)]
    ),
    "accuracy_ceil": lambda t, p: np.mean(
        [up(a) == up(min(max(b, 0), 3)) for a, b in zip(t, p, strict=True)]
    ),
    "balanced_accuracy": lambda t, p: balanced_accuracy_score(
        [halves_up(a) for a in t], [halves_up(b) for b in p]
    ),
    "presence_auc": lambda t, p: roc_auc_score(t > 0, p),
    "spearman": lambda t, p: spearmanr(t, p).statistic,
    "ccc": expected_ccc,
}


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("name", METRICS)
def test_a_weighted_metric_is_the_metric_of_repeated_rows(name, rows, rng):
    weights = rng.multinomial(7, np.full(7, 1 / 7), size=200)  # more than one chunk of replicates
    found = METRICS[name](rows, weights)
    assert found.shape == (200, 2)
    for r in (0, 1, 150, 199):
        again = np.repeat(np.arange(80), weights[r][rows.speaker])
        for output in range(2):
            expected = EXPECTED[name](rows.truth[again, output], rows.prediction[again, output])
            assert found[r, output] == pytest.approx(expected, abs=1e-9)


def test_a_perfect_prediction_has_every_best_score(rows):
    found = measure(truth=rows.truth, prediction=rows.truth)
    assert found.pop("mae").tolist() == [0, 0]
    assert all(value == pytest.approx([1, 1]) for value in found.values())


def test_the_order_of_rows_changes_nothing(rows, rng):
    order = rng.permutation(80)
    found = measure(truth=rows.truth[order], prediction=rows.prediction[order])
    for name, value in measure(truth=rows.truth, prediction=rows.prediction).items():
        assert found[name] == pytest.approx(value)


def test_a_constant_wins_nothing_that_counts(rows):
    found = measure(truth=rows.truth, prediction=np.full((80, 2), 0.2))
    assert found["presence_auc"].tolist() == [0.5, 0.5]
    assert found["ccc"] == pytest.approx([0, 0], abs=1e-12)
    assert found["balanced_accuracy"] == pytest.approx([0.25, 0.25])
    assert np.isnan(found["spearman"]).all()


def test_of_the_task_a_constant_has_a_rank_correlation_of_0(rng):
    truth = rng.choice(THIRDS, (40, 6))
    rows = Rows(truth, np.full((40, 6), 0.2), np.arange(40) % 4)
    task = Intensities()
    spearman = task.measure(rows, np.ones((1, 4)))[0, list(task.metrics).index("spearman")]
    assert spearman.tolist() == [0] * 7


def test_a_constant_that_meets_a_constant_truth_has_no_ccc(rng):
    speaker = np.repeat(np.arange(5), (3, 7, 11, 2, 5))
    truth = np.where(speaker < 4, 0, 1 / 3)[:, None]
    rows = Rows(truth, np.zeros((28, 1)), speaker)
    weights = np.c_[
        rng.multinomial(5, np.full(4, 1 / 4), size=50), np.zeros(50)
    ]  # without the last
    assert np.isnan(METRICS["ccc"](rows, weights)).all()
    assert METRICS["ccc"](rows, np.ones((1, 5))) == pytest.approx(0, abs=1e-12)


def test_what_does_not_exist_is_nan():
    found = measure(truth=np.zeros((4, 1)), prediction=np.arange(4.0)[:, None])
    assert np.isnan([found["presence_auc"][0], found["spearman"][0]]).all()
    assert found["balanced_accuracy"][0] == 0.25  # the one class there is, met once in four


def test_halves_round_up_and_bins_end_at_the_range():
    assert rounded(np.array([-2.0, 0.49, 0.5, 1.5, 2.5, 9.0])).tolist() == [0, 0, 1, 2, 3, 3]


def test_the_median_is_a_label_that_was_given():
    labels = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 3.0], [1.0, 3.0]])
    assert fit_median(labels).tolist() == [0, 1]


def test_shapes_that_do_not_match_are_refused():
    with pytest.raises(UndertoneError, match=r"\(3, 2\) and \(2, 2\): join"):
        measure(truth=np.zeros((3, 2)), prediction=np.zeros((2, 2)))


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("fit", "mae", "mean_mae"),
    [
        (
            lambda train: np.zeros(train.shape[1]),
            (0.4697, 0.1444, 0.1632, 0.0440, 0.1172, 0.0426),
            0.1635,
        ),
        (fit_median, (0.4449, 0.1444, 0.1632, 0.0440, 0.1172, 0.0426), 0.1594),
        (
            lambda train: train.mean(axis=0),
            (0.4924, 0.2274, 0.2485, 0.0836, 0.1985, 0.0764),
            0.2211,
        ),
    ],
    ids=["always 0", "median", "mean"],
)
def test_the_floors_of_cmu_mosei_to_the_last_digit(mosei, fit, mae, mean_mae):
    train, test = mosei
    found, accuracy = of_constant(test, fit(train))
    assert found.round(4).tolist() == list(mae)
    assert found.mean().round(4) == mean_mae
    assert (100 * accuracy).round(2) == 87.23


@pytest.mark.corpora
def test_the_floor_of_twenty_labels_of_cmu_mosei(mosei, rng):
    train, test = mosei
    draws = [rng.choice(len(train), 20, replace=False) for _ in range(100)]
    found = [of_constant(test, fit_median(train[draw])) for draw in draws]
    mae = np.array([value.mean() for value, _ in found])
    accuracy = np.array([value for _, value in found])
    assert mae.mean() == pytest.approx(0.1625, abs=0.0059)
    assert accuracy.mean() == pytest.approx(0.870, abs=0.011)
    assert 0.003 < mae.std() < 0.009
    assert 0.005 < accuracy.std() < 0.02


@pytest.mark.corpora
def test_halves_decide_the_second_digit_of_the_floor(mosei):
    truth = mosei[1]
    assert (100 * np.mean(np.round(truth) == 0)).round(2) == 87.24  # halves to even
    assert (100 * np.mean(rounded(truth) == 0)).round(2) == 87.23


@pytest.mark.parametrize("wrong", ["much", 3.5, -1.0])
def test_amounts_out_of_range_are_refused_by_name(wrong):
    rows = pd.DataFrame({name: [0.0, None, 3.0] for name in INTENSITIES}, dtype=object)
    rows["utterance"] = ["a", "b", "c"]
    Intensities().check_truth(rows, "mine")
    rows.loc[2, "fear"] = wrong
    with pytest.raises(UndertoneError, match=r"as fear of c \(1 such cells\); .* from 0 to 3"):
        Intensities().check_truth(rows, "mine")
