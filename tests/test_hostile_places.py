"""Addresses where a path is asked for, and files of somebody else's where one is to be written."""

import json
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from undertone import mirror
from undertone.cli import app, main
from undertone.errors import UndertoneError


def refused(*arguments: object) -> str:
    """What the command line says of arguments that it refuses."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert isinstance(done.exception, UndertoneError), done.output
    return str(done.exception)


@pytest.fixture
def corpus(tmp_path, rng, monkeypatch) -> Path:
    """A table of three recordings, in the folder where the command works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speech").mkdir()
    lines = ["file,speaker,emotion"]
    for i in range(3):
        soundfile.write(tmp_path / "speech" / f"{i}.wav", 0.1 * rng.normal(size=8000), 16_000)
        lines.append(f"{i}.wav,s{i},{'sadness' if i % 2 else 'anger'}")
    table = tmp_path / "speech" / "speech.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


@pytest.mark.parametrize(
    ("arguments", "next_step"),
    [
        (("finetune", "--corpus", "speech/speech.csv", "--out", "file:///tmp/m"), "give /tmp/m."),
        (("extract", "--corpus", "speech/speech.csv", "--out", "memory://x.npz"), "give a file"),
        (("predict", "s3://bucket/model", "speech/0.wav"), "give a file or folder"),
        (("report", "s3://bucket/run"), "give a file or folder"),
        (("label", "--log", "gs://bucket/labels.jsonl"), "give a file or folder"),
    ],
)
def test_an_address_makes_no_folder_of_its_name(corpus, tmp_path, arguments, next_step):
    before = sorted(tmp_path.rglob("*"))
    said = refused(*arguments)
    address = next(one for one in arguments if "://" in one)
    assert f"found the address {address}: {next_step}" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_refused_address_is_told_without_its_keys(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["undertone", "report", "s3://KEY:SE/CRET@bucket/run"])
    with pytest.raises(SystemExit):
        main()
    assert "found the address s3://bucket/run: give a file" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["file://", "file:///", "s3://", "memory://", "file://."])
def test_an_address_of_nothing_is_not_the_folder_one_works_in(address, tmp_path):
    with pytest.raises(UndertoneError, match=f"{address} names no folder: name one behind it"):
        mirror.place(address, lambda: tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_frames_never_replace_what_they_are_read_from(corpus, tmp_path):
    speech = corpus.parent
    table, sound = corpus.read_bytes(), (speech / "0.wav").read_bytes()
    every = ("extract", "--corpus", "speech/speech.csv", "--cache", "c", "--overwrite")
    for form in ("parquet", "npz"):
        said = refused(*every, "--out", "speech/speech.csv", "--format", form)
        assert "speech/speech.csv is what speech is read from, and stays as it is" in said
    said = refused("extract", "speech/0.wav", "--out", "speech/0.wav", "--format", "npz",
                   "--overwrite")  # fmt: skip
    assert "speech/0.wav is what recordings is read from" in said
    assert (corpus.read_bytes(), (speech / "0.wav").read_bytes()) == (table, sound)
    for name in ("f.parquet", "f.npz", "f.csd"):
        for _ in range(2):  # the second replaces the first
            done = CliRunner().invoke(app, [*every, "--out", name])
            assert done.exit_code == 0, done.exception
    folder = ("--corpus", f"folder={tmp_path / 'speech'}")
    (tmp_path / "speech" / "labels.csv").write_text("file,speaker\n0.wav,s0\n")
    out = ("--out", "speech/labels.csv", "--format", "npz", "--overwrite")
    assert "labels.csv is what speech is read from" in refused("extract", *folder, *out)


def test_what_every_frame_is_kept_of_is_said_of_a_corpus_alone(corpus):
    for rest in (("speech/0.wav", "--csv"), ("speech/0.wav", "--out", "a.npz")):
        assert "leave --frames out" in refused("extract", *rest, "--frames")
    done = CliRunner().invoke(app, ["extract", "speech/0.wav", "--csv", "--device", "banana"])
    assert "a device is one of" in str(done.exception)


def test_an_audit_replaces_an_audit_and_nothing_else(corpus, tmp_path):
    table = corpus.read_bytes()
    every = ("audit", "--corpus", "speech/speech.csv", "--quiet")
    assert "is not an audit, which alone" in refused(*every, "--out", "speech/speech.csv")
    assert corpus.read_bytes() == table
    for name in ("audit.json", "audit.md"):
        written = []
        for _ in range(2):
            done = CliRunner().invoke(app, [*every, "--out", name])
            assert not isinstance(done.exception, UndertoneError), done.exception
            written.append((tmp_path / name).read_bytes())
        assert written[0] == written[1]


def test_a_table_of_a_run_replaces_such_a_table_and_nothing_else(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    cell = {"value": 0.5, "low": 0.4, "high": 0.6, "n_speakers": 3}
    table = {"title": "UAR", "headings": ["UAR with", "20"], "hint": "", "signed": False,
             "rows": [{"name": "constant", "cells": [cell]}]}  # fmt: skip
    told = {"title": "a", "verdict": "b", "findings": [], "tables": {"leading": table}}
    (run / "report.json").write_text(json.dumps(told))
    (run / "results.parquet").write_bytes(b"PAR1")
    for form in ("csv", "latex", "markdown"):
        for name in ("report.json", "results.parquet"):
            said = refused("report", run, "--export", form, "--out", run / name)
            assert f"{name} is there already and is not a table that report exported" in said
        for _ in range(2):
            arguments = ["report", str(run), "--export", form, "--out", str(tmp_path / "t")]
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, done.exception
    assert json.loads((run / "report.json").read_text()) == told
    assert "add --export csv" in refused("report", run, "--out", tmp_path / "t")


def test_a_folder_that_is_no_run_is_not_sent_to_settings_that_are_not_there(tmp_path):
    said = refused("report", tmp_path)
    assert "config.toml" not in said
    assert "name the folder that `undertone curve --out` wrote" in said
    (tmp_path / "config.toml").write_text("")
    assert f"undertone curve --config {tmp_path / 'config.toml'} --out" in refused(
        "report", tmp_path
    )


@pytest.mark.parametrize("given", [("--batch", "5"), ("--eyes", "log_mel")])
def test_what_is_of_a_replay_is_refused_without_one(corpus, given):
    said = refused("curve", "--corpus", "speech/speech.csv", *given, "--out", "run")
    assert f"{' '.join(given)} is of a replay of strategies, and none is named: add --picks" in said


def test_more_processes_than_a_batch_can_be_shared_by_are_not_started(corpus):
    said = refused(
        *("pretrain", "--unlabelled", "speech/speech.csv", "--out", "enc", "--processes", "99"),
    )
    assert "a batch of 32 sequences cannot be shared by 99 processes: --processes" in said
    assert not Path("enc").exists()
