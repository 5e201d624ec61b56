import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from undertone.cli import app
from undertone.errors import UndertoneError
from undertone.evaluation import predictions
from undertone.evaluation.compare import Contestant, compare, parse
from undertone.evaluation.many import holm, p_values_against, say_p
from undertone.tasks import Intensities

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


@pytest.fixture
def run_of_amounts(tmp_path, rng):
    """Write a run whose system ``good`` misses every truth by so much, and ``median``."""
    task, n = Intensities(), 40
    truth = rng.choice(np.arange(10) / 3, (n, 6), p=(0.55, *[0.05] * 9))

    def write(name, miss, *, of=task, draws=3, truth=truth, seed=3):
        tested = predictions.Tested(
            task=of,
            utterances=tuple(f"v{i % 5}[{i}]" for i in range(n)),
            speakers=tuple(f"v{i % 5}" for i in range(n)),
            truth=truth,
            folds=(0,) * n,
            unit="video",
        )
        median = np.broadcast_to(of.floors["median"].fit(truth), (draws, *truth.shape))
        values = {
            (system, budget): values
            for budget in (20, 60)
            for system, values in [("good", [truth + miss] * draws), ("median", median)]
        }
        folder = tmp_path / name
        folder.mkdir()
        table = predictions.predictions_table(values, tested)
        table.to_parquet(folder / "predictions.parquet")
        (folder / "config.toml").write_text(f'corpus = "mosei=here"\nseed = {seed}\n')
        return folder

    return write


def test_runs_of_amounts_are_compared_in_their_headline_where_lower_is_better(run_of_amounts):
    near, far = run_of_amounts("near", 0.1), run_of_amounts("far", 0.4)
    found = compare([Contestant("near", near, "good"), Contestant("far", far, "good")])
    assert (found.metric_label, found.lower_is_better, found.budgets) == ("MAE", True, (20, 60))
    assert found.rows() == [
        ("near", *[".100 [.100, .100]"] * 2),
        ("far", *[".400 [.400, .400]"] * 2),
    ]  # and no chance
    assert found.differences() == [("near − far", *["-.300 [-.300, -.300]"] * 2)]


def test_a_floor_of_a_run_of_amounts_is_a_system(run_of_amounts):
    folder = run_of_amounts("one", 0.1)
    pair = [Contestant("a", folder, "good"), Contestant("floor", folder, "median")]
    found = compare(pair, metric="ccc")
    assert found.metric_label == "CCC"
    assert found.curves.estimate("floor", 20, "ccc").value == pytest.approx(0)
    assert found.curves.estimate("a", 20, "ccc").value > 0.9
    assert found.rows()[0][1] == str(found.curves.estimate("a", 20, "ccc"))


def test_another_metric_may_be_asked_for_and_an_unknown_one_is_refused(run):
    folder = run("some", 0.8)
    pair = [Contestant("a", folder, "good"), Contestant("b", folder, "constant")]
    found = compare(pair, metric="wa")
    assert (found.metric_label, found.lower_is_better) == ("WA", False)
    assert found.rows()[1][1].startswith(".500 ")
    with pytest.raises(UndertoneError, match="classes has no metric 'mae'; it has uar, wa, macro"):
        compare(pair, metric="mae")


def test_the_command_heads_its_tables_with_the_metric(run, run_of_amounts, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    for folder, heads in [
        (run("some", 0.8), ("UAR with … labels ", "difference in UAR", "chance")),
        (run_of_amounts("one", 0.1), ("MAE with … labels, lower is better", "difference in MAE")),
    ]:
        systems = [f"a={folder}:good", f"b={folder}:good"]
        done = CliRunner().invoke(app, ["compare", *systems, "--workers", "1"])
        assert done.exit_code == 0
        assert all(head in done.output for head in heads)
    done = CliRunner().invoke(app, ["compare", *systems, "--metric", "spearman", "--workers", "1"])
    assert "Spearman with … labels" in done.output


def test_runs_that_tested_something_else_are_refused(run, run_of_amounts, tmp_path):
    def compared(one, other):
        compare([Contestant("a", one, "good"), Contestant("b", other, "good")])

    amounts, classes = run_of_amounts("one", 0.1), run("two", 0.8)
    (classes / "config.toml").write_text((amounts / "config.toml").read_text())
    with pytest.raises(UndertoneError, match="task is intensities in one and classes in"):
        compared(amounts, classes)
    fewer = run_of_amounts("fewer", 0.1)
    drawn = pd.read_parquet(fewer / "predictions.parquet")
    drawn[drawn["draw"] > 0].to_parquet(fewer / "predictions.parquet")  # and not the first of them
    with pytest.raises(UndertoneError, match=r"draws .* at budget 20, .* a: 0, 1, 2; b: 1, 2: "):
        compared(amounts, fewer)
    with pytest.raises(UndertoneError, match=r"one truth, video and fold .* v0.* have several"):
        compared(amounts, run_of_amounts("zeros", 0.1, truth=np.zeros((40, 6))))
    table = pd.read_parquet(amounts / "predictions.parquet")
    without = run_of_amounts("without", 0.1)
    table[table["utterance"] != "v3[3]"].to_parquet(without / "predictions.parquet")
    with pytest.raises(
        UndertoneError, match=r"system b at budget 20, .*39 utterances, not so v3\[3\]"
    ):
        compared(amounts, without)
    table.rename(columns={"video": "speaker"}).to_parquet(without / "predictions.parquet")
    with pytest.raises(UndertoneError, match="unit is video in one and speaker in"):
        compared(amounts, without)


def test_runs_that_tell_other_emotions_apart_are_refused(run):
    one, other = run("one", 0.8), run("other", 0.8)
    table = pd.read_parquet(other / "predictions.parquet")
    table["truth"] = table["truth"].replace("sadness", "fear")
    table["prediction"] = table["prediction"].replace("sadness", "fear")
    table.to_parquet(other / "predictions.parquet")
    with pytest.raises(UndertoneError, match="anger, sadness in one and anger, fear in the other"):
        compare([Contestant("a", one, "good"), Contestant("b", other, "good")])


def test_differences_are_paired_and_signed(run):
    best, worst = run("best", 1.0), run("worst", 0.0)
    found = compare([Contestant("a", best, "good"), Contestant("b", worst, "good")], against="b")
    assert found.budgets == (10, 20)
    assert [row[0] for row in found.rows()] == ["a", "b", "chance"]
    assert found.curves.estimate("a", 10).value == 1
    assert found.curves.estimate("b", 10).value == 0
    assert found.differences() == [("a − b", *["+1.000 [+1.000, +1.000]"] * 2)]


def test_several_differences_are_taken_together_as_in_the_report(run, monkeypatch):
    """After Holm, in the metric and the output that were asked for; one alone says it itself."""
    rights = {"best": 0.95, "near": 0.9, "far": 0.55}
    three = [Contestant(name, run(name, right), "good") for name, right in rights.items()]
    found = compare(three, against="best")
    alone = {
        name: p_values_against(found.curves, "best", [name], budget=20)[name]
        for name in ("near", "far")
    }
    assert found.p_values == holm(alone)
    assert found.p_values["far"] < 0.05 < found.p_values["near"]
    assert found.headings == ("difference in UAR", "10", "20", "p with 20, Holm")
    assert [row[-1] for row in found.differences()] == list(map(say_p, found.p_values.values()))
    assert found.together.endswith(
        "take all 2 with 20 labels together (Holm), and by them 1 of 2 differ at 5 %: far."
    )
    recall = compare(three, against="best", output="anger")
    assert recall.p_values == p_values_against(
        recall.curves, "best", ["near", "far"], budget=20, output="anger"
    )
    assert recall.p_values != found.p_values != compare(three, "best", "macro_f1").p_values
    pair = compare(three[:2])
    assert (pair.p_values, pair.together, pair.headings[-1]) == ({}, "", "20")

    monkeypatch.setenv("COLUMNS", "80")
    systems = [f"{name}={of.folder}:good" for name, of in zip(rights, three, strict=True)]
    done = CliRunner().invoke(app, ["compare", *systems, "--workers", "1", "--against", "best"])
    assert "p with 20, Holm" in done.output
    assert found.together in done.output


def test_a_run_compared_with_itself_shows_no_difference(run):
    folder = run("some", 0.7)
    found = compare([Contestant("a", folder, "good"), Contestant("b", folder, "good")])
    difference = found.curves.difference("a", "b", budget=10)
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_only_common_budgets_are_compared(run):
    one, other = run("one", 0.8), run("other", 0.8, budgets=(20, 50))
    found = compare([Contestant("a", one, "good"), Contestant("b", other, "good")])
    assert found.budgets == (20,)
    with pytest.raises(UndertoneError, match="a, b have no budget in common"):
        compare([Contestant("a", run("early", 0.8, (10,)), "good"), Contestant("b", other, "good")])


def test_the_script_shows_the_gain_of_each_emotion(run, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "scripts"))
    best, worst = run("best", 1.0), run("worst", 0.0)
    monkeypatch.setattr(sys, "argv", ["emotion_gains", f"{best}:good", f"{worst}:constant"])
    importlib.import_module("emotion_gains").main()
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| anger | .000 [.000, .000] | .000 [.000, .000] |",
        "| sadness | +1.000 [+1.000, +1.000] | +1.000 [+1.000, +1.000] |",
    ]


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


def test_a_damaged_table_of_predictions_is_told(run):
    folder = run("one", 0.8)
    path = folder / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UndertoneError, match="repeat the run's command, which writes it again"):
        compare([Contestant("a", folder, "good"), Contestant("b", folder, "constant")])
