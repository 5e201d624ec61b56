import shutil
from pathlib import Path

import numpy as np
import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import emobox, iemocap
from undertone.corpora.folds import Fold, speaker_folds
from undertone.errors import UndertoneError
from undertone.tasks import Classes

LABELS = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 3.5000, 1.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral state;\t(a bit tired; she sighs)
C-E4:\tNeutral; Anger;\t()
C-F1:\tExcited;\t()
A-E3:\tval 3; act 4; dom  2;\t()
A-E4:\tval 2; act 3; dom  1;\t(mildly aggravated, but polite)
A-F1:\tval 5; act 5; dom  5;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\txxx\t[2.0000, 2.0000, 2.0000]
C-E2:\tOther;\t(confusion)
C-E3:\tFrustration;\t()
A-E3:\tval 2; act 2; dom  ;\t()

[14.8872 - 18.0175]\tSes01F_impro01_F001\texc\t[4.0000, 4.0000, 3.0000]
C-E2:\tExcited;\t()
A-E3:\tval 4; act 4; dom  3;\t()
"""
SPOKEN = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
M: Yeah.
Ses01F_impro01_M000 [010.0100-011.3925]: Do you have your forms?
Ses01F_impro01_F001 [014.8872-018.0175]:
"""
PLACE = "dialog/EmoEvaluation"


def add_dialog(root: Path, dialog: str, labels: str, spoken: str = "") -> None:
    session = root / f"Session{dialog[4]}"
    for folder, text in ((PLACE, labels), ("dialog/transcriptions", spoken)):
        (session / folder).mkdir(parents=True, exist_ok=True)
        if text:
            (session / folder / f"{dialog}.txt").write_text(text.replace("Ses01F_impro01", dialog))
    for turn in ("F000", "M000", "F001"):
        write_audio(session / "sentences/wav", f"{dialog}/{dialog}_{turn}.wav")


@pytest.fixture
def root(tmp_path) -> Path:
    """Two dialogues of each session, in the layout of the full release."""
    for session in range(1, 6):
        for dialog in (f"Ses0{session}F_impro01", f"Ses0{session}M_script01_1b"):
            add_dialog(tmp_path, dialog, LABELS, SPOKEN)
    attributes = tmp_path / "Session1" / PLACE / "Attribute"
    attributes.mkdir()
    (attributes / "Ses01F_impro01_e3_atr.txt").write_text("Ses01F_impro01_F000 :act 3;")
    (attributes.parent / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "Session1/dialog/transcriptions/._Ses01F_impro01.txt").write_bytes(b"\x00\x05")
    return tmp_path


def test_a_turn_tells_all_that_is_published_of_it(root):
    corpus = corpora.open(f"iemocap={root}")
    assert len(corpus) == 30
    assert corpus.left_out.empty
    assert corpus.scale == (1, 5)
    table = corpus.table.set_index("utterance")
    row = table.loc["Ses01F_impro01_F000"]
    assert row[["valence", "arousal", "dominance"]].tolist() == [2.5, 3.5, 1.5]
    assert row[["emotion", "code", "style", "session"]].tolist() == [
        *("neutral", "neu", "improvised", "session 1")
    ]
    assert row["transcript"] == "Excuse me."
    assert row["file"] == "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert (row["dialog_start_s"], row["dialog_end_s"]) == (6.2901, 8.2357)
    assert np.isnan(row["start_s"])
    assert table.loc["Ses01F_impro01_F001", "emotion"] == "happiness"
    assert table.loc["Ses01F_impro01_F001", "transcript"] is None


def test_a_turn_without_a_class_keeps_its_amounts(root):
    row = iemocap.read(root).table.set_index("utterance").loc["Ses01F_impro01_M000"]
    assert row["emotion"] is None
    assert row[["valence", "arousal", "dominance"]].tolist() == [2, 2, 2]


def test_the_talkers_are_ten_and_the_last_letter_tells_whom(root):
    corpus = iemocap.read(root)
    assert corpus.speakers == tuple(f"Ses0{n}{sex}" for n in range(1, 6) for sex in "FM")
    row = corpus.table.set_index("utterance").loc["Ses01F_impro01_M000"]
    assert (row["speaker"], row["sex"]) == ("Ses01M", "male")
    for turn, speaker in zip(corpus.table["utterance"], corpus.table["speaker"], strict=True):
        assert emobox.speaker_of("iemocap", turn) == speaker


def test_listeners_are_raters_and_the_talkers_are_not(root):
    corpus = iemocap.read(root)
    rated = corpus.ratings[corpus.ratings["utterance"] == "Ses01F_impro01_F000"]
    heard = rated[rated["emotion"].notna()]
    assert list(zip(heard["rater"], heard["emotion"], strict=True)) == [
        *(("E2", "neutral"), ("E3", "neutral"), ("E4", "neutral"), ("E4", "anger"))
    ]
    amounts = rated[rated["valence"].notna()].set_index("rater")
    assert amounts[["arousal", "valence", "dominance"]].to_numpy().tolist() == [
        *([4, 3, 2], [3, 2, 1])
    ]
    mean = amounts[["valence", "arousal", "dominance"]].mean()
    assert mean.tolist() == [2.5, 3.5, 1.5]  # what is published: without the talker's own fives
    table = corpus.table.set_index("utterance")
    shares = table.loc["Ses01F_impro01_F000", ["share_neutral", "share_anger", "share_other"]]
    assert shares.tolist() == pytest.approx([5 / 6, 1 / 6, 0])
    of_man = corpus.ratings[corpus.ratings["utterance"] == "Ses01F_impro01_M000"]
    assert of_man["dominance"].isna().all()


def test_four_emotions_are_the_usual_ones(root):
    corpus = corpora.open(f"iemocap4={root}")
    assert (corpus.name, corpus.emotions) == ("iemocap4", ("happiness", "neutral"))
    labels = LABELS.replace("\tneu\t", "\tfru\t")
    add_dialog(root, "Ses02F_impro01", labels)
    assert iemocap.read(root).emotions == ("frustration", "happiness", "neutral")
    four = iemocap.read(root, four=True)
    assert "frustration" not in four.emotions
    assert four.table["valence"].notna().all()


def test_sessions_are_the_folds_and_ten_are_the_talkers(root):
    corpus, task = iemocap.read(root), Classes(("happiness", "neutral"))
    folds = speaker_folds(corpus, 5, seed=3, task=task)
    # no man has a class here
    assert [(fold.name, fold.test_speakers) for fold in folds] == [
        (f"session {n}", (f"Ses0{n}F",)) for n in range(1, 6)
    ]
    labelled = corpus.with_table(corpus.table.assign(emotion="neutral"))
    labelled.table.loc[::2, "emotion"] = "sadness"
    by_session = speaker_folds(labelled, 5)
    assert by_session[1] == Fold(
        1,
        ("Ses02F", "Ses02M"),
        tuple(f"Ses0{n}{sex}" for n in (1, 3, 4, 5) for sex in "FM"),
        "session 2",
    )
    session = labelled.table.set_index("speaker")["session"].to_dict()
    for n_folds in (2, 3, 4, 5):
        for fold in speaker_folds(labelled, n_folds):
            tested, trained = (
                {session[who] for who in side} for side in (fold.test_speakers, fold.train_speakers)
            )
            assert not tested & trained
            assert tested | trained == set(session.values())
    by_talker = speaker_folds(labelled, 10)
    assert sorted(fold.test_speakers for fold in by_talker) == [(who,) for who in sorted(session)]
    assert all(fold.name == "" for fold in by_talker)


def test_a_speaker_of_two_groups_is_refused(root):
    corpus = iemocap.read(root)
    table = corpus.table.assign(emotion=["neutral", "sadness"] * 15)
    table.loc[0, "speaker"] = "Ses02F"
    with pytest.raises(UndertoneError, match="Ses02F in several groups of the column session"):
        speaker_folds(corpus.with_table(table), 5)


def test_parts_of_the_corpus_will_do(root):
    shutil.rmtree(root / "Session2")
    shutil.rmtree(root / "Session3/dialog/transcriptions")
    (root / "Session4/sentences/wav/Ses04F_impro01/Ses04F_impro01_F000.wav").unlink()
    pointer = root / "Session5/sentences/wav/Ses05F_impro01/Ses05F_impro01_F000.wav"
    pointer.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    corpus = iemocap.read(root)
    assert len(corpus) == 22
    assert sorted(corpus.reasons().values()) == [1, 1]
    assert corpus.left_out["file"].str.contains("F000").all()
    assert "Ses04F_impro01_F000" not in set(corpus.ratings["utterance"])
    (root / "IEMOCAP_full_release").mkdir()
    for session in root.glob("Session*"):
        session.rename(root / "IEMOCAP_full_release" / session.name)
    assert len(iemocap.read(root)) == 22


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("[2.5000, 3.5000, 1.5000]", "[2.5000, 5.5000, 1.5000]", "line 3: .* 1 to 5, found '5.5"),
        ("[2.5000, 3.5000, 1.5000]", "[2.5000, 0.5000, 1.5000]", r"line 3: .* found '0\.5000'"),
        ("[2.5000, 3.5000, 1.5000]", "[2.5000, ?, 1.5000]", r"line 3: .* found '\?'"),
        ("[2.5000, 3.5000, 1.5000]", "[2.5000, 3.5000]", "line 3: .* three amounts"),
        ("\tneu\t", "\tnue\t", "line 3: expected .* found"),
        ("Ses01F_impro01_F000\tneu", "Ses1F_impro_F\tneu", "line 3: expected"),
        ("val 3; act 4; dom  2", "val 3; act 44; dom  2", "line 8: .* found '44'"),
        ("val 3; act 4; dom  2", "act 4; val 3; dom  2", "line 8: expected 'val 3; act 2"),
    ],
)
def test_lines_that_are_damaged_are_refused_where_they_stand(root, right, wrong, message):
    path = root / "Session1" / PLACE / "Ses01F_impro01.txt"
    path.write_text(LABELS.replace(right, wrong))
    with pytest.raises(UndertoneError, match=rf"Ses01F_impro01\.txt, {message}"):
        iemocap.read(root)


def test_other_folders_and_missing_ones_are_named(root, tmp_path):
    with pytest.raises(UndertoneError, match="Session1 to Session5"):
        iemocap.read(root / "Session1")
    for path in (root / "Session1" / PLACE).glob("Ses*.txt"):
        path.unlink()
    with pytest.raises(UndertoneError, match=r"labels of Session1 in .*EmoEvaluation"):
        iemocap.read(root)
    add_dialog(root, "Ses01F_impro01", LABELS)
    for session in root.glob("Session*"):
        shutil.rmtree(session / "sentences")
    with pytest.raises(UndertoneError, match=r"none of the 27 turns .* file not found"):
        iemocap.read(root)
