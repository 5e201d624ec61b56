"""One recipe on two corpora: each claim on each, and whether they agree."""

import io
import re
from dataclasses import replace

import pytest
from page_text import fetched, visible
from recipe_fakes import write_tones
from rich.console import Console
from test_recipes_on_classes import TINY
from typer.testing import CliRunner

from undertone.cli import app
from undertone.errors import UndertoneError
from undertone.evaluation.report.paper import NO, OPEN, YES, Answer
from undertone.pipeline import Resources
from undertone.recipes import RECIPES
from undertone.recipes.reproduction import Reproduction, _show_table
from undertone.recipes.several import agreement, verdict


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    emotions = {"first": ("anger", "sadness", "fear"), "second": ("anger", "happiness")}
    return [f"{name}={write_tones(folder / name, of)}" for name, of in emotions.items()]


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("store"), workers=1, progress=False)


@pytest.fixture(scope="module")
def run(corpora, resources, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    values = TINY | {"corpus": corpora, "budgets": [6, 14]}
    return out, RECIPES["masked-gru"](values, out, resources)


@pytest.mark.slow
def test_each_corpus_has_its_own_run_and_every_claim_a_row(run):
    out, found = run
    assert {path.parent.name for path in out.glob("*/report.html")} == {"first", "second"}
    table = found.tables[0]
    assert table.headings == ("claim", "first", "second", "together")
    rows = {row.name: row.cells for row in table.rows}
    asked = [a for a in found.answers if a.question.startswith("second: ")]
    assert len(asked) == len(found.answers) / 2 == len(rows)
    for answer in asked:
        assert rows[answer.claim][1] == answer.verdict
    assert rows["surprise and fear do not gain"][1] == OPEN  # it has neither
    assert any("There are anger and happiness alone." in answer.evidence for answer in asked)


@pytest.mark.slow
def test_the_page_holds_both(run, corpora):
    page = (run[0] / "report.html").read_text()
    text = visible(page)
    assert not fetched(page)
    for said in (*corpora, "first/report.html", "second/report.html", "Each claim on each corpus"):
        assert said in text
    for name in ("first", "second"):
        assert f"{name}: Recall by emotion, along the labels" in text


@pytest.mark.parametrize("width", [50, 80, 170])
def test_long_claims_leave_their_answers_a_place_on_a_narrow_terminal(width):
    claims = {
        "pre-trained, fine-tuned is better than from scratch with the fewest labels": YES,
        "gains most": NO,
    }
    answers = [Answer("?", word, "", claim) for claim, word in claims.items()]
    console = Console(record=True, width=width, file=io.StringIO())
    table = agreement({"berlin": answers, "elsewhere": answers})
    _show_table(console, replace(table, hint=""))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for word, said in ((YES, "agree: yes"), (NO, "agree: no")):
        assert text.count(said) == 1
        assert len(re.findall(rf"\b{word}\b", text)) == 3
    assert all(text.count(part) == text.count("fewest") for part in ("fine-tuned", "scratch"))


def test_a_summary_of_several_lines_is_printed_as_such(tmp_path, capsys):
    Reproduction(tmp_path / "report.html", summary="one\x1b[31m corpus\nanother").show()
    assert capsys.readouterr().out.splitlines()[:2] == ["one\\x1b[31m corpus", "another"]


def test_corpora_agree_where_all_say_the_same():
    told = {
        "a": {"holds": YES, "fails": NO, "turns": YES, "unsure": YES, "missing": YES},
        "b": {"holds": YES, "fails": NO, "turns": NO, "unsure": OPEN},
        "c": {"holds": YES, "fails": NO, "turns": OPEN, "unsure": YES, "missing": YES},
    }
    answers = {
        name: [Answer("?", word, "", claim) for claim, word in of_corpus.items()]
        for name, of_corpus in told.items()
    }
    table = agreement(answers)
    assert {row.name: row.cells[-1] for row in table.rows} == {
        "holds": "agree: yes",
        "fails": "agree: no",
        "turns": "contradict each other",
        "unsure": "open",
        "missing": "open",
    }
    assert verdict(table) == (
        "Of 5 claims 1 holds on every corpus, 1 fails on every one, 1 holds on one and fails on "
        "another and 2 are open on at least one. Contradicted: turns."
    )
    agreed = replace(table, rows=table.rows[:1])
    assert verdict(agreed) == "Of 1 claim 1 holds on every corpus."


def test_what_is_not_there_is_told_before_the_first_run(corpora, resources, tmp_path):
    values = TINY | {"corpus": [corpora[0], "second=/nowhere"]}
    with pytest.raises(UndertoneError, match="there is no file or folder /nowhere"):
        RECIPES["masked-gru"](values, tmp_path / "run", resources)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UndertoneError, match="need different names; found first, first"):
        RECIPES["masked-gru"](values | {"corpus": [corpora[0]] * 2}, tmp_path / "run", resources)


def test_the_command_takes_several(monkeypatch):
    seen = {}

    def recipe(values, out, resources, *, quick):
        seen.update(values)
        raise UndertoneError("enough")

    monkeypatch.setattr("undertone.recipes.RECIPES", {"masked-gru": recipe})
    CliRunner().invoke(app, ["reproduce", "masked-gru", "--corpus", "a=x", "--corpus", "b=y"])
    assert seen == {"corpus": ["a=x", "b=y"]}
