"""Names out of file systems and tables: whatever is in them, they end no run and move no cursor."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import run
from test_experiment import write_tones

from undertone import config
from undertone.corpora import Corpus
from undertone.corpora import open as open_corpus
from undertone.corpora.corpus import COLUMNS
from undertone.errors import UndertoneError, as_path, printable
from undertone.experiment import CurveSettings, curve
from undertone.pipeline import Resources
from undertone.reading import extract
from undertone.recogniser.card import Facts, escaped, write_card

ODD = (  # as the file system has them
    b"caf\xe9.wav",
    b"two\nlines.wav",
    b"red\x1b[31m.wav",
    b"[red]x[bold].wav",
    b"a|b.wav",
    b"$x_{$.wav",
    b"<b>&amp;.wav",
    b"del\x7f.wav",
    "turned\u202egnp.wav".encode(),
    b"=cmd.wav",
    b":smile:.wav",
)
UNSAFE = [chr(code) for code in (*range(9), *range(11, 32), 127)]
SMALL = (
    *("--set", "encoder.hidden_units=16", "--set", "encoder.stride=8"),
    *("--set", "pretrain.max_epochs=1"),
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """Recordings with odd names, in a folder with another."""
    home = tmp_path_factory.mktemp("odd")
    tones = write_tones(home / "tones")
    folder = home / "a folder\x1b[31m[bold]|$"
    folder.mkdir()
    for source, name in zip(sorted(tones.glob("u*.wav")), ODD, strict=False):
        shutil.copy(source, os.fsencode(folder) + b"/" + name)
    return folder


@pytest.fixture(scope="module")
def tones(odd) -> Path:
    """A corpus whose emotions, speakers and files are what a hostile table holds."""
    folder = odd.parent / "tones"
    emotions = {"anger": "[/red]x", "sadness": "$\\frac{|</script>"}
    table = pd.read_csv(folder / "labels.csv")
    table["emotion"] = table["emotion"].map(emotions)
    table["speaker"] = table["speaker"].map(lambda name: f"{name}[bold]\x1b[31m|<i>")
    table.to_csv(folder / "odd.csv", index=False)
    return folder / "odd.csv"


def assert_harmless(text: str) -> None:
    assert not [c for c in UNSAFE if c in text]
    assert "\u202e" not in text
    text.encode()


def test_what_a_terminal_obeys_is_shown_and_all_else_left_alone():
    assert printable("Ärger 怒り غضب نیم‌فاصله 😀") == "Ärger 怒り غضب نیم‌فاصله 😀"
    assert printable("\x9b31m\u2028\u0085") == "\\x9b31m\\u2028\\x85"
    for name in ODD:
        assert_harmless(printable(os.fsdecode(name)))


def test_extract_and_pretrain_take_any_name(odd, tmp_path):
    (odd / "broken\x1b[31m\n.wav").write_bytes(b"")
    cache = ("--cache", tmp_path / "cache")
    done = run("extract", "--corpus", odd, *cache)
    assert f"{len(ODD)} utterances" in done.stdout
    assert "left out: broken\\x1b[31m\\x0a: " in done.stdout
    assert_harmless(done.stdout.replace("\n", ""))
    done = run("pretrain", "--unlabelled", odd, "--out", tmp_path / "encoder", *cache, *SMALL)
    assert "held-out loss" in done.stdout
    for text in ((tmp_path / "encoder" / n).read_text() for n in ("README.md", "config.json")):
        assert_harmless(text.replace("\n", ""))
    (odd / "broken\x1b[31m\n.wav").unlink()


def test_utterances_are_named_so_that_tables_can_hold_them(odd, tmp_path):
    corpus = open_corpus(str(odd))
    names = corpus.table["utterance"].tolist()
    assert {"caf\\xe9", "two\\x0alines", "red\\x1b[31m", "a|b"} < set(names)
    assert corpus.name == "a folder\\x1b[31m[bold]|$"
    table = extract(corpus, resources=Resources(tmp_path, workers=1, progress=False))
    assert not table.failures
    corpus.table.drop(columns="file").to_parquet(tmp_path / "names.parquet")


@pytest.fixture(scope="module")
def model(odd, tones, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("model") / "model"
    arguments = ("--corpus", f"odd[/red]|={tones}", "--out", out, "--set", "folds=2")
    done = run("finetune", *arguments, "--cache", odd.parent / "cache")
    assert "recall [/red]x" in done.stdout
    assert f"model in {out}" in done.stdout
    return out


def test_a_card_shows_names_as_they_are(model):
    card = (model / "README.md").read_text()
    assert "\\[/red\\]x" in card
    rows = [line for line in card.splitlines() if line.startswith("| ") and "recall" in line]
    assert len(rows) == 2
    line_of_the_head = next(line for line in card.splitlines() if line.startswith("|---"))
    for row in rows:
        assert row.replace("\\|", "").count("|") == line_of_the_head.count("|")
    assert "</script>" not in card
    assert_harmless(card.replace("\n", ""))


@pytest.mark.parametrize("form", ["table", "csv", "jsonl"])
def test_predict_takes_any_name_and_prints_none_raw(model, odd, form):
    files = sorted(odd.glob("*.wav"))
    options = ("--format", form, "--answer-anyway")  # its emotions are tones
    done = run("predict", model, *files, odd / "absent\x1b[31m\n.wav", *options, code=1)
    assert_harmless(done.stdout.replace("\n", "") + done.stderr.replace("\n", ""))
    assert "caf\\xe9.wav" in done.stdout.replace("\\\\", "\\")
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert {row["emotion"] for row in rows[:-1]} == {"[/red]x", "$\\frac{|</script>"}
    elif form == "jsonl":
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(rows) == len(ODD) + 1
    else:
        assert len(done.stdout.splitlines()) == len(ODD)


def test_a_curve_of_odd_names_is_drawn(odd, tones, tmp_path):
    settings = CurveSettings(
        corpus=f"odd $x_{{[/red]|<b>={tones}",
        budgets=(4,),
        draws=1,
        folds=2,
        systems=("functionals_logistic", "constant"),
    )
    resources = Resources(odd.parent / "cache", workers=1, progress=False)
    page = curve(settings, tmp_path / "run", resources).report.read_text()
    assert "</script>" not in page
    assert "&lt;/script&gt;" in page
    assert "<i>" not in page
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert set(table["truth"]) == {"[/red]x", "$\\frac{|</script>"}
    assert all("\\x1b[31m" in name for name in table["speaker"])
    again = config.load(CurveSettings, config.read_toml(tmp_path / "run" / "config.toml"))
    assert again.corpus == settings.corpus


def test_tables_on_a_terminal_hold_text_and_no_markup(odd, tones, tmp_path, model):
    truth = pd.read_csv(tones)
    truth["utterance"] = [Path(file).stem for file in truth["file"]]
    truth.to_csv(tmp_path / "truth.csv", index=False)
    truth[["utterance"]].assign(prediction=truth["emotion"]).to_csv(tmp_path / "p.csv", index=False)
    paths = ("--truth", tmp_path / "truth.csv", "--prediction", tmp_path / "p.csv")
    assert "recall [/red]x" in run("score", *paths).stdout


@pytest.mark.parametrize("name", ["[/red]", "a\x1bb", "a\nb", "a\tb", "$", ":smile:", "{x}", "%s"])
def test_progress_shows_names_as_text(name, capsys, monkeypatch):
    from undertone.progress import Progress

    for terminal in (True, False):
        monkeypatch.setattr("sys.stderr.isatty", lambda is_one=terminal: is_one, raising=False)
        with Progress(shown=True) as progress:
            progress.add(name, 2)
            progress.advance(name, 2)
        said = capsys.readouterr().err
        if not terminal:
            assert printable(name) in said
            assert_harmless(said.replace("\n", ""))


def test_settings_hold_any_text_and_refuse_what_is_none():
    for path in ("a\x7fb", "a\x1bb", 'a"\\b', "a\nb", "é", "\u2028"):
        settings = CurveSettings(corpus=f"x={path}")
        text = config.to_toml(settings)
        values = config.tomllib.loads(text)
        assert config.load(CurveSettings, values) == settings
    with pytest.raises(UndertoneError, match=r"caf\\xe9 is not written in UTF-8, as settings are"):
        config.to_toml(CurveSettings(corpus="x=caf\udce9"))


def test_a_corpus_of_a_path_that_is_no_text_is_refused_before_the_work(odd, tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    shutil.copytree(odd.parent / "tones", folder / "tones")
    settings = CurveSettings(corpus=f"x={folder / 'tones' / 'labels.csv'}", budgets=(4,), folds=2)
    with pytest.raises(UndertoneError, match="make a link to it with a plain name"):
        curve(settings, tmp_path / "run", Resources(tmp_path / "c", workers=1, progress=False))
    assert not (tmp_path / "c").exists()


def test_columns_of_a_corpus_are_printable_and_its_files_are_found():
    columns = {
        "utterance": ["a\n", "b\uefe9"],
        "file": ["x/a\n.wav", "x/b\uefe9.wav"],
        "speaker": ["s\x1b", "t"],
        "emotion": ["anger\u202e", None],
        "transcript": ["two\nlines", "half"],
    }
    table = pd.DataFrame({n: [None, None] for n in COLUMNS} | columns)
    corpus = Corpus("n\n", Path("x"), table, licence="", citation="")
    assert corpus.table["utterance"].tolist() == ["a\\x0a", "b\\xe9"]
    files = corpus.table["file"].tolist()
    assert [as_path(file) for file in files] == ["x/a\n.wav", "x/b\udce9.wav"]
    assert corpus.table["speaker"].tolist() == ["s\\x1b", "t"]
    assert corpus.table["emotion"].tolist() == ["anger\\u202e", None]
    assert corpus.table["transcript"].tolist() == ["two\nlines", "half"]
    assert corpus.name == "n\\x0a"


def test_a_card_escapes_what_markdown_obeys():
    assert escaped("a|b") == "a\\|b"
    assert escaped("[x](http://y) <img>\n# big") == "\\[x\\](http://y) \\<img\\>\\x0a# big"
    facts = Facts("t\n# t", "f", "m", ("a|b",), [("r|s", "1", "2")], "measured")
    card = write_card(facts, [])
    assert "# t\\x0a# t\n" in card
    assert "| r\\|s | 1 | 2 |" in card


def test_messages_are_one_line_each_whatever_they_name(tmp_path):
    odd = tmp_path / "no\x1b[31m\nsuch"
    done = subprocess.run(
        [sys.executable, "-m", "undertone", "extract", odd, "--csv", "--quiet"], capture_output=True
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
    assert b"no\\x1b[31m\\x0asuch" in done.stderr


def test_letters_that_a_locale_lacks_are_escaped(odd, tmp_path, rng):
    shutil.copy(next(odd.glob("a|b.wav")), tmp_path / "Ärger.wav")
    (tmp_path / "leer-ö.wav").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "undertone", "extract", "--corpus", tmp_path, "--quiet"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "UNDERTONE_CACHE": str(tmp_path / "c")},
        check=True,
    )
    assert b"leer-\\xf6" in done.stdout
    assert np.all(np.frombuffer(done.stdout + done.stderr, np.uint8) < 128)
