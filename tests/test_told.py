"""Whatever is passed over is counted and told, by every verb, and in the card and the report."""

import re
import shutil

import numpy as np
import pytest
import soundfile
from test_cli import run
from test_experiment import TINY, write_tones

from undertone import config
from undertone.experiment import CurveSettings, curve
from undertone.pipeline import Resources

LOST = "10 left out: file not found (gone0.wav, gone1.wav, gone2.wav and 7 more)"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = write_tones(tmp_path_factory.mktemp("told") / "tones")
    table = folder / "labels.csv"
    lost = "".join(f"gone{i}.wav,s{i % 4},angerr\n" for i in range(10))
    table.write_text(table.read_text() + lost)
    (folder / "more" / "b.wav").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return ("--cache", tmp_path_factory.mktemp("cache"))


def test_extract_tells(home, cache):
    assert LOST in run("extract", "--corpus", f"tones={home}/labels.csv", *cache, "--quiet").stdout


def test_finetune_and_its_card_tell(home, cache, tmp_path):
    done = run(
        *("finetune", "--corpus", f"tones={home}/labels.csv", "--out", tmp_path / "m", *cache),
        *("--set", "folds=2", "--quiet"),
    )
    card = (tmp_path / "m" / "README.md").read_text()
    assert LOST in done.stderr
    assert "Left out: 10, file not found." in card
    assert done.stderr.count("file not found") == 1
    for text in (done.stderr, card):
        assert "angerr (10 times, perhaps anger)" in text


def test_pretrain_and_its_card_tell(home, cache, tmp_path):
    done = run(
        *("pretrain", "--unlabelled", f"more={home}/more", "--out", tmp_path / "e", *cache),
        *("--set", "pretrain.max_epochs=1", "--set", "encoder.hidden_units=8", "--quiet"),
    )
    assert re.search(r"1 left out: .*b\.wav is empty", done.stderr)
    assert re.search(r"Left out: 1, .*b\.wav is empty", (tmp_path / "e" / "README.md").read_text())


def test_curve_and_its_report_tell(home, cache, tmp_path, capsys):
    settings = config.load(
        CurveSettings,
        TINY | {"corpus": f"tones={home}/labels.csv", "systems": ["linear", "constant"]},
    )
    report = curve(
        settings, tmp_path / "run", Resources(cache[1], workers=1, progress=False)
    ).report
    assert LOST in capsys.readouterr().err
    page = report.read_text()
    assert "file not found" in page
    assert "angerr (10 times, perhaps anger)" in page


def test_too_few_speakers_are_explained_by_what_was_left_out(home, cache, tmp_path):
    shutil.copytree(home, tmp_path / "tones")
    for number in range(20, 40):
        (tmp_path / "tones" / f"u{number:03d}.wav").unlink()
    done = run(
        *("finetune", "--corpus", f"{tmp_path}/tones/labels.csv", "--out", tmp_path / "m", *cache),
        code=2,
    )
    assert "30 utterances were left out, of them 30: file not found" in done.stderr
    assert "--folds 2" in done.stderr
    run(
        *("finetune", "--corpus", f"{tmp_path}/tones/labels.csv", "--out", tmp_path / "m", *cache),
        *("--set", "folds=2"),
    )


def test_predict_tells_that_much_of_a_recording_is_silence(home, cache, tmp_path):
    model, sound = tmp_path / "m", soundfile.read(home / "u000.wav")[0]
    corpus = ("--corpus", f"tones={home}/labels.csv")
    run(
        "finetune",
        *corpus,
        "--out",
        model,
        *cache,
        "--set",
        "folds=0",
        "--system",
        "functionals_logistic",
    )
    soundfile.write(tmp_path / "padded.wav", np.pad(sound, (16_000, 8_000)), 16_000)
    note = "1.5 of"
    assert note in run("predict", model, tmp_path / "padded.wav").stderr
    for form in ("csv", "jsonl"):
        assert note in run("predict", model, tmp_path / "padded.wav", "--format", form).stdout
    assert "silence" not in run("predict", model, home / "u000.wav").stderr
