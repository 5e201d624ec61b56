"""Addresses where a path is asked for, and files of somebody else's where one is to be written."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from undertone import mirror
from undertone.cli import app
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
        lines.append(f"{i}.wav,s{i},anger")
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


@pytest.mark.parametrize("address", ["file://", "file:///", "s3://", "memory://", "file://."])
def test_an_address_of_nothing_is_not_the_folder_one_works_in(address, tmp_path):
    with pytest.raises(UndertoneError, match=f"{address} names no folder: name one behind it"):
        mirror.place(address, lambda: tmp_path)
    assert list(tmp_path.iterdir()) == []
