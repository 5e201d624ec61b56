"""The recipe of masked pre-training on classes: the same questions as on intensities."""

import numpy as np
import pytest
from corpora_fakes import write_audio
from page_text import visible
from recipe_fakes import write_tones

from undertone.errors import UndertoneError
from undertone.pipeline import Resources
from undertone.recipes import masked_gru

TINY = {
    "features": "log_mel",
    "budgets": [6, 24],
    "draws": 2,
    "folds": 2,
    "replicates": 100,
    "encoder": {"hidden_units": 8, "layers": 1, "stride": 8},
    "pretrain": {"max_epochs": 2, "crop_steps": 20},
    "finetune": {"max_epochs": 2, "epochs_without_validation": 1},
}
EMOTIONS = ("anger", "happiness", "sadness", "fear")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    table = write_tones(folder / "tones", EMOTIONS)
    resources = Resources(folder / "cache", workers=1, progress=False)
    values = TINY | {"corpus": f"tones={table}"}
    return masked_gru.reproduce(values, folder / "run", resources)


def test_the_control_that_decides_is_among_the_systems(run):
    assert "random_frozen" in masked_gru.CLASSES["systems"]
    gains = next(table for table in run.tables if table.headings[0] == "labels")
    assert "pre-trained, frozen over random, frozen" in gains.headings
    decides = next(answer for answer in run.answers if "Is it pre-training" in answer.question)
    assert "“random, frozen” (UAR, mean of all budgets)" in decides.question


def test_every_metric_is_told_by_emotion_along_all_budgets(run):
    for what in ("recall", "F1"):
        title = f"{what[:1].upper()}{what[1:]} by emotion, along the labels"
        table = next(t for t in run.tables if t.title == title)
        assert table.headings[1:] == ("6", "24")
        groups = [row.name for row in table.rows if not row.is_part]
        assert groups == ["all", *sorted(EMOTIONS)]
        systems = {row.system for row in table.rows if row.is_part}
        assert systems == {*masked_gru.CLASSES["systems"], "chance"}
        of_all, *of_each = [row for row in table.rows if row.system == "scratch"]
        assert len(of_each) == len(EMOTIONS)
        means = np.mean([[cell.value for cell in row.cells] for row in of_each], axis=0)
        assert [cell.value for cell in of_all.cells] == pytest.approx(means)
        gains = [t for t in run.tables if t.title.startswith(f"Gain in {what} by emotion")]
        assert [table.title.split(": ")[1] for table in gains] == [
            "pre-trained, frozen over random, frozen",
            "pre-trained, frozen over from scratch",
        ]
        assert all(len(table.rows) == 2 for table in gains)


def test_the_claims_of_the_paper_are_asked_in_the_corpus_s_own_words(run):
    questions = " ".join(answer.question for answer in run.answers)
    for words in (
        "gain in every metric (UAR, WA, macro-F1) with 6 labels",
        "gain in every metric (UAR, WA, macro-F1) with 24 labels",
        "largest with the fewest labels, 6",
        "Do happiness, sadness and anger gain most (UAR, 24 labels",
        "Is there no gain for fear (UAR, 24 labels",
        "meet in UAR",
        "Are encoded features enough",
    ):
        assert words in questions, words
    assert all(answer.claim for answer in run.answers)
    assert len({answer.claim for answer in run.answers}) == len(run.answers)


def test_no_number_of_the_paper_stands_beside_another_corpus(run, capsys):
    run.show()
    printed = capsys.readouterr().out
    text = visible(run.report.read_text())
    for shown in (printed, text):
        assert "Masked pre-training of a GRU on tones" in shown
        assert "ublished" not in shown
        assert ".85–.87" not in shown
    assert "recall by emotion, along the labels" in text.replace("Recall", "recall")
    assert "chance" in printed


def test_a_corpus_without_emotions_is_told(tmp_path):
    write_audio(tmp_path / "audio", "a.wav", "b.wav")
    with pytest.raises(UndertoneError, match="has no emotion labels"):
        masked_gru.reproduce({"corpus": f"x={tmp_path / 'audio'}"}, tmp_path, Resources())
