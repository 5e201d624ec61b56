import shutil
from dataclasses import replace

import pytest
from corpora_fakes import fake_corpus, fake_table, write_audio

from undertone.corpora import Corpus, folder
from undertone.corpora.folds import speaker_folds
from undertone.corpora.pool import TEST_SENTENCE, TEST_SPEAKER, pool


@pytest.fixture
def labelled(tmp_path):
    table = fake_table(n_speakers=4, n_each=2)
    write_audio(tmp_path / "labelled", *table["file"])
    return fake_corpus(table, root=str(tmp_path / "labelled"))


def test_the_pool_is_training_speakers_and_the_unlabelled_corpora(labelled):
    other = fake_corpus(fake_table(n_speakers=3).assign(speaker=None), "other", root="/elsewhere")
    fold = speaker_folds(labelled, 2)[0]
    found = pool(labelled, [other], fold)
    ours, theirs = found.parts
    tested = labelled.table["speaker"].isin(fold.test_speakers)
    assert ours.utterances == labelled.table.loc[~tested, "utterance"].tolist()
    assert theirs.utterances == other.table["utterance"].tolist()
    assert len(found) == len(ours.utterances) + len(other)
    assert not found.transductive
    speakers = labelled.table.loc[~tested, "speaker"]
    assert found.speakers == (*(f"{labelled.name}/{s}" for s in speakers), *[None] * len(other))


def test_utterances_without_an_emotion_are_pooled_by_their_speaker():
    table = fake_table(n_speakers=3)
    table.loc[table["speaker"] == "s02", "emotion"] = None
    table.loc[0, "speaker"] = None
    corpus = fake_corpus(table)
    for fold in speaker_folds(corpus, 2):
        (part,) = pool(corpus, [], fold).parts
        assert {u[:3] for u in part.utterances} == {*fold.train_speakers, "s02"}
        assert table.loc[0, "utterance"] not in part.utterances


def test_the_same_folder_as_unlabelled_adds_nothing(labelled):
    fold = speaker_folds(labelled, 2)[0]
    again = folder.read(labelled.root, name="innocent")
    assert pool(labelled, [again], fold).parts[1].utterances == []


def test_a_copy_of_the_audio_elsewhere_is_recognised(labelled, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(labelled.root, copy)
    write_audio(copy, "new.wav")
    fold = speaker_folds(labelled, 2)[0]
    part = pool(labelled, [folder.read(copy, name="innocent")], fold).parts[1]
    assert part.utterances == ["new"]
    assert len(set(part.left_out.values())) == 2


def test_audio_left_out_of_the_labelled_corpus_is_barred_too(labelled, tmp_path):
    fold = speaker_folds(labelled, 2)[0]
    utterance = labelled.table["utterance"].iloc[0]
    shutil.copytree(labelled.root, tmp_path / "copy")
    copy = folder.read(tmp_path / "copy", name="innocent")
    assert pool(labelled.drop({utterance: "who?"}), [copy], fold).parts[1].utterances == []


@pytest.mark.parametrize(
    ("name", "root"), [("fake", "/elsewhere"), ("other", "/x/deeper"), ("other", "/")]
)
def test_more_speech_of_the_labelled_corpus_keeps_its_test_speakers_out(name, root):
    table = fake_table(n_speakers=4)
    labelled = fake_corpus(table)
    more = table.assign(file="more/" + table["file"], utterance="more-" + table["utterance"])
    more.loc[0, "speaker"] = None
    fold = speaker_folds(labelled, 2)[0]
    part = pool(labelled, [fake_corpus(more, name, root)], fold).parts[1]
    speaker = more.set_index("utterance")["speaker"]
    assert set(speaker[part.utterances]) == set(fold.train_speakers)
    assert more.loc[0, "utterance"] in part.left_out


def test_a_test_speaker_spelt_otherwise_stays_out_too(labelled):
    fold = speaker_folds(labelled, 2)[0]
    table = labelled.table.drop(columns="emotion")
    table["speaker"] = table["speaker"].str.upper().str.replace("S0", "S-")
    other = Corpus(labelled.name, labelled.root / "elsewhere", table, "none", "none")
    part = pool(labelled, [other], fold).parts[1]
    assert {u[:3] for u in part.utterances} == set(fold.train_speakers)


def test_what_a_fold_leaves_unused_is_in_no_pool(labelled):
    fold = speaker_folds(labelled, 2)[0]
    spared = labelled.table["utterance"][labelled.table["speaker"].isin(fold.train_speakers)][:3]
    parts = pool(labelled, [], replace(fold, unused=frozenset(spared))).parts
    assert not set(spared) & set(parts[0].utterances)
    assert set(parts[0].left_out.values()) == {TEST_SPEAKER, TEST_SENTENCE}


def test_transductive_by_name_lets_everybody_in_once(labelled):
    fold = speaker_folds(labelled, 2)[0]
    again = folder.read(labelled.root, name="innocent")
    found = pool(labelled, [again], fold, transductive=True)
    assert found.transductive
    assert found.parts[0].utterances == labelled.table["utterance"].tolist()
    assert found.parts[1].utterances == []
