"""The page of a run on amounts stands whatever task, systems and budgets a run held."""

import re

import pytest
from evaluation_fakes import NOISE, Valence, amounts_result, amounts_run
from page_text import fetched, visible

from undertone.evaluation.estimate import decimal
from undertone.evaluation.report.page import render, write_report
from undertone.evaluation.report.tables import (
    along_budgets,
    beside_published,
    differences,
    gains_by_output,
)
from undertone.tasks.intensities import INTENSITIES

CLAIMED = "What was claimed, and what these numbers say"


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


@pytest.mark.parametrize("systems", [("scratch", "always_0"), tuple(NOISE)])
@pytest.mark.parametrize("budgets", [(50,), (20, 200)])
@pytest.mark.parametrize("n_videos", [1, 6])
def test_any_run_gives_a_page(systems, budgets, n_videos):
    noise = {name: NOISE[name][: len(budgets)] for name in systems}
    page = render(amounts_result(amounts_run(noise=noise, budgets=budgets, n_videos=n_videos)))
    assert "A &lt;title&gt;" in page
    assert ".85–.87" in page
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.S).lower()
    assert ("What pre-training is worth" in headings(page)) == ("pretrained_full" in systems)
    assert ("Gain in AUC of presence over" in page) == ("pretrained_full" in systems)
    assert headings(page)[:3] == [
        CLAIMED,
        "Beside the published numbers",
        "MAE against the number of labels",
    ]
    assert not fetched(page)


def test_the_page_holds_every_number_answer_and_condition(tmp_path):
    whole = amounts_result()
    write_report(whole, tmp_path / "report.html")
    assert {p.name for p in tmp_path.iterdir()} == {
        *("report.html", "report.json", "curve.pdf", "curve.png", "curve.svg"),
    }
    text = visible((tmp_path / "report.html").read_text(encoding="utf-8"))
    for metric in whole.task.metrics:
        for system in whole.systems:
            estimate = whole.curves.estimate(system.name, 200, metric)
            assert f"{decimal(estimate.value)} [".replace("-", "−") in text
    assert len(whole.answers) > 8
    for answer in whole.answers:
        assert answer.question in text
    for said in (
        "Lower is better. Every video is scored by models that never heard that video.",
        "One split, by video: tested are 6 videos, 5 draws of the labels",
        "40 bootstrap replicates resample videos and draws",
        "After Nobody and Somebody (2000)",
        "Nobody knows who speaks.",
        "official test 60",
        "600 utterances of 60 videos",
        "scratch minus pre-trained",
        "A constant can win in MAE, 4-class accuracy and 4-class accuracy, ceil.",
        "By emotion, with 200 labels",
    ):
        assert said in text, said
    assert "chance" not in text.replace("misses by chance", "")


def test_a_run_without_a_paper_has_everything_but_the_claims():
    whole = amounts_result()
    page, beside = (render(amounts_result(paper=p)) for p in (None, whole.paper))
    assert headings(page) == headings(beside)[2:]
    assert CLAIMED in headings(beside)
    assert "published" not in visible(page)
    assert amounts_result(paper=None).answers == ()
    assert "By emotion, with 200 labels" in visible(page)


def test_a_toy_task_of_one_output_gives_a_page_in_its_own_words():
    whole = amounts_result(amounts_run(Valence(("valence",))), paper=None, unit="speaker")
    page = render(whole)
    text = visible(page)
    assert headings(page)[:2] == ["CCC against the number of labels", "What pre-training is worth"]
    assert "1 toy · 60 test utterances of 6 speakers" in text
    assert "pre-trained minus scratch" in text
    assert "By dimension" not in text  # its one output is the mean
    for foreign in ("UAR", "MAE", "emotion,", "Confusion", "chance."):
        assert foreign not in text.replace("misses by chance.", ""), foreign
    for budget in (20, 200):
        assert decimal(whole.curves.estimate("scratch", budget).value) in text


def test_two_outputs_are_told_apart():
    whole = amounts_result(amounts_run(Valence(("valence", "arousal"))), paper=None)
    text = visible(render(whole))
    assert "By dimension, with 200 labels" in text
    for output in whole.task.outputs:
        estimate = whole.curves.estimate("scratch", 200, output=output)
        assert f"{decimal(estimate.value)} [{decimal(estimate.low)}" in text


# --- the tables


def test_the_cells_are_the_curves_own():
    whole = amounts_result()
    table = beside_published(whole)
    position = table.headings.index("from scratch") - 1
    rows = {row.name: row for row in table.rows[:7]}
    assert rows["MAE"].cells[position] == whole.curves.estimate("scratch", 200)
    assert rows["fear"].cells[position] == whole.curves.estimate("scratch", 200, output="fear")
    assert rows["fear"].is_part
    assert not rows["MAE"].is_part
    assert rows["MAE"].cells[:2] == ("–", "–")
    assert rows["fear"].cells[:2] == (".50–.59", ".58–.67")
    first = differences(whole).rows[0]
    gain = whole.curves.difference("scratch", "pretrained_frozen", budget=20)
    assert (first.name, first.cells[0]) == ("20", gain)
    assert first.cells[1] == whole.worths[0][1][0].phrase()


def test_every_row_fits_under_its_headings():
    whole = amounts_result()
    tables = (
        along_budgets(whole),
        differences(whole),
        differences(whole, "ccc"),
        beside_published(whole),
        gains_by_output(whole, whole.pairs[0]),
    )
    for table in tables:
        assert {len(row.cells) + 1 for row in table.rows} == {len(table.headings)}
    assert differences(whole, "ccc").headings == (
        "labels",
        "pre-trained, frozen over from scratch",
        "pre-trained, full over from scratch",
    )


def test_the_best_of_a_column_is_the_lowest_error():
    table = along_budgets(amounts_result())
    marked = {row.system: row.best for row in table.rows}
    assert sorted(column for best in marked.values() for column in best) == [0, 1]
    for column in (0, 1):
        best = next(row for row in table.rows if column in row.best)
        assert best.cells[column].value == min(row.cells[column].value for row in table.rows)


def test_gains_are_told_output_by_output():
    whole = amounts_result()
    table = gains_by_output(whole, whole.pairs[0])
    assert table.headings == ("labels", *INTENSITIES)
    gain = whole.curves.difference("scratch", "pretrained_frozen", budget=200, outputs=("fear",))
    assert table.rows[1].cells[-1] == gain
