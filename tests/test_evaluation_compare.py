import numpy as np
import pandas as pd
import pytest

from undertone.errors import UndertoneError
from undertone.evaluation.compare import Contestant, compare, parse

EMOTIONS = ("anger", "sadness")


@pytest.fixture
def run(tmp_path, rng):
    """Write a run whose system ``good`` is right with a given chance, and ``constant``."""

    def write(name, right, budgets=(10, 20), seed=3):
        rows = []
        for budget in budgets:
            for draw in range(3):
                for i in range(40):
                    truth = EMOTIONS[i % 2]
                    guess = truth if rng.random() < right else EMOTIONS[(i + 1) % 2]
                    key = (budget, draw, 0, f"u{i}", f"s{i % 5}", truth)
                    rows += [("good", *key, guess), ("constant", *key, "anger")]
        columns = ("system", "budget", "draw", "fold", "utterance", "speaker", "truth")
        folder = tmp_path / name
        folder.mkdir()
        pd.DataFrame(rows, columns=[*columns, "prediction"]).to_parquet(
            folder / "predictions.parquet"
        )
        (folder / "config.toml").write_text(
            f'corpus = "tones"\ndraws = 3\nfolds = 5\nseed = {seed}\nfeatures = "{name}"\n'
        )
        return folder

    return write


def test_differences_are_paired_and_signed(run):
    best, worst = run("best", 1.0), run("worst", 0.0)
    found = compare([Contestant("a", best, "good"), Contestant("b", worst, "good")], against="b")
    assert found.budgets == (10, 20)
    assert [row[0] for row in found.rows()] == ["a", "b", "chance"]
    assert found.curves.estimate("a", 10).value == 1
    assert found.curves.estimate("b", 10).value == 0
    assert found.differences() == [("a − b", *["+1.000 [+1.000, +1.000]"] * 2)]


def test_a_run_compared_with_itself_shows_no_difference(run):
    folder = run("some", 0.7)
    found = compare([Contestant("a", folder, "good"), Contestant("b", folder, "good")])
    difference = found.curves.difference("a", "b", budget=10)
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_only_common_budgets_are_compared(run):
    one, other = run("one", 0.8), run("other", 0.8, budgets=(20, 50))
    found = compare([Contestant("a", one, "good"), Contestant("b", other, "good")])
    assert found.budgets == (20,)


def test_runs_with_other_draws_are_refused(run):
    one, other = run("one", 0.8), run("other", 0.8, seed=4)
    with pytest.raises(UndertoneError, match="seed is 3 in one and 4 in the other"):
        compare([Contestant("a", one, "good"), Contestant("b", other, "good")])


def test_runs_on_other_folds_are_refused(run):
    one, other = run("one", 0.8), run("other", 0.8)
    settings = other / "config.toml"
    contestants = [Contestant("a", one, "good"), Contestant("b", other, "good")]
    settings.write_text('fold_files = ""\n' + settings.read_text())  # as if it were not there
    compare(contestants)
    settings.write_text(settings.read_text().replace('""', '"/emobox"'))
    with pytest.raises(UndertoneError, match="fold_files is None in one and /emobox in the other"):
        compare(contestants)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=runs/x:good", ("a", "runs/x", "good")),
        ("runs/x:good", ("runs/x:good", "runs/x", "good")),
    ],
)
def test_contestants_are_read(text, expected):
    found = parse(text)
    assert (found.label, str(found.folder), found.system) == expected


@pytest.mark.parametrize("text", ["runs/x", "a=:good", "a=runs/x:"])
def test_what_is_no_contestant_is_refused(text):
    with pytest.raises(UndertoneError, match="LABEL=FOLDER:SYSTEM"):
        parse(text)


def test_what_is_missing_is_named(run, tmp_path):
    folder = run("one", 0.8)
    with pytest.raises(UndertoneError, match="no system 'magic'; it holds good, constant"):
        compare([Contestant("a", folder, "good"), Contestant("b", folder, "magic")])
    with pytest.raises(UndertoneError, match="holds no finished run"):
        compare([Contestant("a", folder, "good"), Contestant("b", tmp_path / "no", "good")])
    with pytest.raises(UndertoneError, match="two systems or more"):
        compare([Contestant("a", folder, "good")])
    with pytest.raises(UndertoneError, match="no 'c' to compare with"):
        compare([Contestant("a", folder, "good"), Contestant("b", folder, "good")], "c")
    assert np.isfinite(
        compare([parse(f"a={folder}:good"), parse(f"{folder}:constant")]).budgets
    ).all()
