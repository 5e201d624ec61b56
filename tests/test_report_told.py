"""What a run leaves beside its report, and who reads it: terminal, LaTeX, a notebook."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from evaluation_fakes import BUDGETS, EMOTIONS, result, run
from page_text import visible
from typer.testing import CliRunner

from undertone.cli import app
from undertone.cli.tables import print_table
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.errors import UndertoneError
from undertone.evaluation.estimate import Estimate, decimal
from undertone.evaluation.report.page import render, write_report
from undertone.evaluation.report.told import exported, named_tables
from undertone.experiment.closer import looked_at_closely
from undertone.experiment.learning_curve import LearningCurve


@pytest.fixture(scope="module")
def of():
    return run()


@pytest.fixture(scope="module")
def corpus(of, tmp_path_factory):
    """The utterances of the fakes; two speakers of three are female, two recordings are there."""
    root = tmp_path_factory.mktemp("audio")
    table = pd.DataFrame({"utterance": of.tested.utterances, "speaker": of.tested.speakers})
    table["file"] = table["utterance"] + ".wav"
    table["sex"] = np.where(table["speaker"].astype(int) % 3 < 2, "female", "male")
    table["language"] = "deu"
    return Corpus("twelve", root, table.reindex(columns=COLUMNS), "none", "none")


@pytest.fixture(scope="module")
def close(of, corpus):
    """A result that was looked at closely, the sound of its two worst utterances among it."""
    whole = result(of)
    silent = looked_at_closely(whole, of.predictions, of.tested, corpus, sounds=False)
    for miss, seconds in zip(silent.misses[:2], (0.5, 9), strict=True):
        tone = np.sin(np.arange(int(16000 * seconds)) / 5)
        soundfile.write(corpus.root / f"{miss.utterance}.wav", tone, 16000)
    return silent, looked_at_closely(whole, of.predictions, of.tested, corpus, sounds=True)


@pytest.fixture(scope="module")
def folder(close, tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    write_report(close[1], path / "report.html")
    return path


def test_the_worst_are_those_whose_truth_was_told_least(of, close):
    silent, heard = close
    mean = of.predictions[silent.advice.system, 160].mean(axis=0)
    of_truth = (mean * of.tested.truth).sum(axis=1)
    assert len(silent.misses) == 10
    places = [of.tested.utterances.index(miss.utterance) for miss in silent.misses]
    assert of_truth[places].max() <= np.delete(of_truth, places).min()
    for place, miss in zip(places, silent.misses, strict=True):
        assert miss.truth == EMOTIONS[of.tested.truth[place].argmax()]
        assert not miss.said.startswith(miss.truth)
    assert [bool(miss.sound) for miss in heard.misses] == [True, True] + [False] * 8
    assert [miss.cut for miss in heard.misses[:2]] == [False, True]
    sound, rate = soundfile.read(io.BytesIO(heard.misses[1].sound))
    assert 7.5 < len(sound) / rate < 8.5


def test_the_report_says_whose_voices_it_holds(close):
    silent, heard = (render(one) for one in close)
    assert "data:audio/mpeg" not in silent
    assert "holds names and no voices: their sound was left out, as --no-sounds" in visible(silent)
    assert heard.count("<audio controls") == 2
    assert "The sound of 2 utterances is part of this file" in visible(heard)
    for text in map(visible, (silent, heard)):
        assert "By sex: " in text
        assert "Nothing is said by language" in text
        assert "would have been missed in more than one of five such tests" in text


def test_every_table_lies_beside_the_report_with_its_intervals(close, folder):
    told = json.loads((folder / "report.json").read_text())
    tables = dict(named_tables(close[1]))
    assert list(told["tables"]) == list(tables)
    assert {"leading", "uar", "differences", "pretraining", "by-sex", "by-speaker"} <= set(tables)
    for name, table in tables.items():
        for row, held in zip(table.rows, told["tables"][name]["rows"], strict=True):
            cells = [c.to_dict() if isinstance(c, Estimate) else c for c in row.cells]
            assert held == {"name": row.name, "cells": cells}


@pytest.mark.parametrize("form", ["latex", "markdown", "csv"])
def test_any_table_is_exported_with_intervals(close, folder, form, tmp_path):
    done = _undertone("report", folder, "--table", "uar", "--export", form)
    first = close[1].curves.estimate("svm", 20)
    if form == "csv":
        rows = list(csv.reader(io.StringIO(done)))
        assert rows[0][1:4] == ["20", "20 low", "20 high"]
        (svm,) = (row for row in rows if row[0] == "SVM on functionals")
        assert list(map(float, svm[1:4])) == [first.value, first.low, first.high]
        assert len({len(row) for row in rows}) == 1
    else:
        assert f"SVM on functionals {'&' if form == 'latex' else '|'} {first} " in done
    if form == "latex":
        assert done.startswith("\\begin{table}\n\\caption{UAR, unweighted average recall")
        assert "100 %" not in done
    path = tmp_path / "table"
    _undertone("report", folder, "--table", "uar", "--export", form, "--out", path)
    assert path.read_text() == done


def test_the_report_of_a_run_is_told_on_a_terminal_of_80_columns(close, folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = _undertone("report", folder)
    summary = json.loads((folder / "report.json").read_text())
    assert summary["verdict"] in text
    assert all(sentence in text for sentence in summary["findings"])
    for name in close[1].leading:
        for budget in BUDGETS:
            found = close[1].curves.estimate(name, budget)
            assert all(decimal(end) in text for end in (found.value, found.low, found.high))
    table = text[: text.index("Of seven emotions")]
    assert "…" not in table.replace("UAR with …", "")
    assert max(map(len, table.splitlines())) <= 80


def test_what_cannot_be_told_is_refused(folder, tmp_path):
    for arguments, message in (
        ((tmp_path,), "expected report.json of a finished run .* name the folder that"),
        ((folder, "--table", "wonder"), "the run has no table wonder; --table takes leading, uar"),
        ((folder, "--export", "word"), "--export takes latex, markdown, csv; found word"),
    ):
        with pytest.raises(UndertoneError, match=message):
            _undertone("report", *arguments)
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(UndertoneError, match="cannot be read"):
        _undertone("report", tmp_path)


def test_a_run_that_was_stopped_is_told_how_it_is_finished(tmp_path):
    (tmp_path / "config.toml").touch()
    with pytest.raises(
        UndertoneError, match=r"none: `undertone curve --config .*config\.toml --out"
    ):
        _undertone("report", tmp_path)


@pytest.mark.parametrize("form", ["latex", "markdown", "csv"])
def test_a_table_without_rows_is_exported_too(form):
    """As of a run of one system, which there is nothing to hold against."""
    empty = {"title": "a", "headings": ["over …", "20"], "rows": [], "hint": "", "signed": True}
    assert "20" in exported("differences", empty, form)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_loses_no_digit_however_narrow(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    estimates = [Estimate(-0.1 * i - 0.012, -0.9, 0.0123 * i, 9) for i in range(8)]
    cells = [estimate.signed() for estimate in estimates]
    rows = [["a system with a long name", *cells], ["b", *["no words at all, but many"] * 8]]
    print_table("", ["gain over …", *map(str, range(8))], rows)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    for estimate in estimates:
        for end in (estimate.value, estimate.low, estimate.high):
            assert decimal(end, signed=True) in out
    assert "…" not in out.replace("over …", "").replace("┃ …", "")


def test_a_finished_run_shows_itself(close, folder):
    found = LearningCurve(folder / "report.html", close[1])
    assert found.verdict.startswith("Of seven emotions, “pre-trained, frozen” names about six")
    table = found.table()
    assert len(table) == len(close[1].systems) * len(BUDGETS)
    row = table[(table["system"] == "svm") & (table["budget"] == 40)].iloc[0]
    expected = close[1].curves.estimate("svm", 40)
    assert (row["value"], row["low"], row["high"]) == (expected.value, expected.low, expected.high)
    assert set(found.table("wa")["metric"]) == {"wa"}
    lines = len(found.plot().axes[0].get_lines())
    assert lines < len(found.plot(every_system=True).axes[0].get_lines())
    page = found._repr_html_()
    assert "<svg" in page
    assert "SVM" not in visible(page.partition("<svg")[0])
    assert repr(found).startswith("<LearningCurve 'What pre-training is worth")
    assert len(repr(found)) < 250
    assert Path(found) == folder / "report.html"
    assert found.recommended == close[1].advice.system
    assert replace(close[1], advised=None).advice.system == found.recommended


def _undertone(*arguments: object) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout
