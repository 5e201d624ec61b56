"""The recipe on encoder frames: paired across its two runs, every claim answered."""

import numpy as np
import pytest
import soundfile
from page_text import fetched, visible
from upstream_fakes import write_encoder

from undertone import audio
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.report.tables import Row
from undertone.pipeline import Resources
from undertone.recipes import wav2vec_cnn

TINY = {"folds": 2, "cnn": {"segment_s": 0.5, "channels": 8, "max_epochs": 3}}


def write_shemo(folder, rng):
    """Six speakers who fear, rage and rest in noises of three colours."""
    folder.mkdir()
    for speaker in range(6):
        for kind, letter in enumerate("AFN"):
            for number in range(5):
                noise = rng.normal(0, 0.1, 6000)
                colour = np.convolve(noise, np.ones(1 + 4 * kind) / (1 + 4 * kind), mode="same")
                name = f"{'FM'[speaker % 2]}{speaker:02d}{letter}{number:02d}.wav"
                soundfile.write(folder / name, colour, audio.SAMPLE_RATE)
    return folder


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    shemo = write_shemo(folder / "shemo", np.random.default_rng(0))
    encoder = write_encoder(folder / "wav2vec2", "wav2vec2-layer")
    return TINY | {"corpus": f"shemo={shemo}", "upstream": str(encoder)}


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("store"), workers=1, progress=False)


@pytest.fixture(scope="module")
def run(values, resources, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, wav2vec_cnn.reproduce(values, out, resources)


@pytest.mark.slow
def test_the_two_runs_are_compared_on_the_same_labels(run):
    table = run[1].tables[0]
    assert table.headings == ("UAR with … labels", "45")
    labels = [row.name for row in table.rows]
    assert labels == [
        "CNN on the encoder",
        "SVM on functionals",
        "linear on the encoder",
        "SVM on the encoder",
        "CNN on log-mel",
        "all layers",
        "constant",
        "chance (uniform guesses)",
    ]
    assert table.rows[-2].cells[0].value == pytest.approx(1 / 3)
    assert table.rows[-1].cells == (".333",)


@pytest.mark.slow
def test_the_cnn_less_the_svm_is_what_compare_gives(run):
    out, found = run
    places = (f"a={out / 'upstream'}:cnn", f"b={out / 'log_mel'}:functionals_svm")
    for metric, label in (("uar", "UAR"), ("wa", "WA"), ("macro_f1", "macro-F1")):
        expected = compare([parse(place) for place in places], "b", metric).curves
        table = next(t for t in found.tables if t.headings[0] == f"gain in {label} over …")
        gain = next(row for row in table.rows if row.name == "SVM on functionals").cells[0]
        assert gain == expected.difference("a", "b", budget=45, metric=metric)
    by_emotion = next(t for t in found.tables if t.title.startswith("Gain in recall by emotion"))
    assert by_emotion.headings == ("labels", "anger", "fear", "neutral")
    assert all(isinstance(cell, Estimate) for row in by_emotion.rows for cell in row.cells)


@pytest.mark.slow
def test_every_claim_is_answered(run):
    told = {answer.claim: answer for answer in run[1].answers}
    assert {answer.verdict for answer in told.values()} <= {"yes", "no", "open"}
    assert list(told)[:4] == [
        "a CNN on encoder frames beats an SVM on hand-made features",
        "it beats the SVM in every metric",
        "it beats a transferred picture network",
        "its lead is largest on small segments",
    ]
    assert "--set picture.network=FOLDER" in told["it beats a transferred picture network"].evidence
    assert "0.5 s" in told["its lead is largest on small segments"].evidence
    for claim, answer in list(told.items())[4:]:
        assert answer.evidence.startswith("Gain "), claim


@pytest.mark.slow
def test_what_others_printed_stands_beside_ours_on_their_corpus_alone(run, capsys):
    published = run[1].tables[-1]
    assert Row("Yazdani (2022)", (".783", ".652")) in published.rows
    assert "ours: CNN on the encoder" in [row.name for row in published.rows]
    run[1].show()
    assert "Whisper-large-v3" in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_holds_everything_and_fetches_nothing(run, values):
    out, found = run
    page = found.report.read_text()
    text = visible(page)
    assert not fetched(page.replace(str(out), ""))
    for said in ("arXiv 2309.12714", "upstream/report.html", "log_mel/report.html", "--upstream"):
        assert said in text
    for answer in found.answers:
        assert answer.question in text
    for table in found.tables:
        assert table.title in text
    assert (out / "upstream/report.html").is_file()


@pytest.mark.parametrize("missing", ["corpus", "upstream"])
def test_what_is_missing_is_told(tmp_path, missing):
    values = {"corpus": "shemo=/x", "upstream": "/y"} | {missing: ""}
    with pytest.raises(UndertoneError, match="needs --corpus shemo=FOLDER"):
        wav2vec_cnn.reproduce(values, tmp_path, Resources())


def test_systems_are_the_recipe_s_own(tmp_path):
    values = {"corpus": "shemo=/x", "upstream": "/y", "systems": ["cnn", "constant"]}
    with pytest.raises(UndertoneError, match="sets features and systems itself"):
        wav2vec_cnn.reproduce(values, tmp_path, Resources())
