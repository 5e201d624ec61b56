import shutil
from pathlib import Path

import pytest
from corpora_fakes import write_audio

from undertone import corpora
from undertone.corpora import crema_d, csv, folder, ratings
from undertone.corpora.folds import speaker_folds
from undertone.errors import UndertoneError

HEADER = '"","A","D","F","H","N","S","fileName","numResponses","emoVote"\n'
FILES = ("1001_IEO_ANG_HI.wav", "1001_IEO_NEU_XX.wav", "1002_TIE_SAD_LO.wav", "1040_ITH_SAD_X.wav")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 51276\n"


@pytest.fixture
def root(tmp_path) -> Path:
    """The layout of the repository, four files of it."""
    write_audio(tmp_path / "AudioWAV", *FILES)
    write_audio(tmp_path / "AudioMP3", FILES[0])
    (tmp_path / "VideoDemographics.csv").write_text(
        '"ActorID","Age","Sex","Race","Ethnicity"\n'
        '1001,51,"Male","Caucasian","Not Hispanic"\n1002,21,"Female","Asian","Hispanic"\n'
    )
    (tmp_path / "processedResults").mkdir()
    (tmp_path / "processedResults/tabulatedVotes.csv").write_text(
        HEADER
        + '"100004",2,0,0,6,2,0,"1001_IEO_ANG_HI",10,"H"\n'
        + '"200004",9,0,0,0,0,0,"1001_IEO_ANG_HI",9,"A"\n'
        + '"300004",9,0,0,0,0,0,"1001_IEO_ANG_HI",9,"A"\n'
        + '"100001",0,0,0,0,9,0,"1001_IEO_NEU_XX",9,"N"\n'
        + '"100020",4,4,0,0,0,1,"1002_TIE_SAD_LO",9,"A:D"\n'
        + '"100300",0,0,0,0,0,3,"1040_ITH_SAD_XX",3,"S"\n'
    )
    return tmp_path


def test_names_demographics_and_votes_are_read(root):
    corpus = corpora.open(f"crema-d={root}")
    table = corpus.table.set_index("utterance")
    assert table["emotion"].tolist() == ["anger", "neutral", "sadness", "sadness"]
    assert table["level"].tolist() == ["high", None, "low", None]
    assert table["sex"].tolist() == ["male", "male", "female", None]
    assert table["age"].tolist()[:3] == [51, 51, 21]
    assert table.loc["1002_TIE_SAD_LO", ["race", "ethnicity"]].tolist() == ["Asian", "Hispanic"]
    assert table["transcript"].iloc[0] == "It's eleven o'clock."
    assert table["voice_emotion"].tolist() == ["happiness", "neutral", None, "sadness"]
    assert table["share_anger"].round(3).tolist() == [0.2, 0, 0.444, 0]
    assert (ratings.shares_of(table).sum(axis=1) - 1).abs().max() < 1e-12
    assert corpus.acted
    assert len(corpus.ratings) == 10 + 9 + 9 + 3
    assert set(corpus.ratings["utterance"]) == set(table.index)
    assert corpus.left_out.empty  # the same recordings as MP3 are no second corpus


def test_what_was_heard_may_be_the_emotion(root):
    corpus = corpora.open(f"crema-d-voice={root}")
    table = corpus.table.set_index("utterance")
    assert table["emotion"].tolist() == ["happiness", "neutral", None, "sadness"]
    assert table["acted_emotion"].tolist() == ["anger", "neutral", "sadness", "sadness"]
    assert (corpus.name, corpus.acted) == ("crema-d-voice", False)
    assert corpus.notes == (
        "1 utterances have no emotion: as many listeners heard one as another.",
    )


def test_the_folder_of_the_audio_alone_will_do(root):
    from_within = crema_d.read(root / "AudioWAV").table
    assert from_within["voice_emotion"].notna().sum() == 3
    assert from_within["sex"].notna().sum() == 3
    shutil.rmtree(root / "processedResults")
    (root / "VideoDemographics.csv").unlink()
    bare = crema_d.read(root)
    assert bare.ratings is None
    assert bare.table["sex"].isna().all()
    assert "voice_emotion" not in bare.table
    with pytest.raises(UndertoneError, match=r"processedResults/tabulatedVotes\.csv, which is"):
        crema_d.read(root, heard=True)


def test_the_summary_tells_the_majority_where_nobody_counted(root):
    (root / "processedResults/tabulatedVotes.csv").unlink()
    summary = root / "processedResults/summaryTable.csv"
    summary.write_text(
        '"","FileName","VoiceVote","VoiceLevel"\n"1","1001_IEO_ANG_HI","H","63.5"\n'
        '"2","1001_IEO_NEU_XX","N","69"\n"3","1002_TIE_SAD_LO","A:D","50:40"\n'
    )
    corpus = crema_d.read(root)
    heard = corpus.table.set_index("utterance")["voice_emotion"]
    assert heard.tolist() == ["happiness", "neutral", None, None]
    assert corpus.ratings is None
    summary.write_text('"","FileName","VoiceVote"\n"1","1001_IEO_ANG_HI","Q"\n')
    with pytest.raises(UndertoneError, match="found 'Q'"):
        crema_d.read(root)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"400004",2,0,0,6,2,0,"1001_IEO_ANG_HI",10,"H"\n', "found '400004' in line 2"),
        ('"10004",2,0,0,6,2,0,"1001_IEO_ANG_HI",10,"H"\n', "found '10004' in line 2"),
        ('"100004",2,0,,6,2,0,"1001_IEO_ANG_HI",10,"H"\n', "found 2, 0, , 6, 2, 0 for"),
        ('"100004",-2,0,0,6,2,0,"1001_IEO_ANG_HI",10,"H"\n', "found -2, 0, 0"),
        ('"100004",2.5,0,0,6,2,0,"1001_IEO_ANG_HI",10,"H"\n', r"found 2\.5, 0, 0"),
        (2 * '"100004",2,0,0,6,2,0,"1001_IEO_ANG_HI",10,"H"\n', "once a file"),
    ],
)
def test_votes_that_are_none_are_refused_where_they_stand(root, row, message):
    (root / "processedResults/tabulatedVotes.csv").write_text(HEADER + row)
    with pytest.raises(UndertoneError, match=message):
        crema_d.read(root)


def test_a_table_of_other_columns_is_refused(root):
    (root / "processedResults/tabulatedVotes.csv").write_text("fileName,A,D\n1001_IEO_ANG_HI,1,2\n")
    with pytest.raises(UndertoneError, match="no column F and no column H"):
        crema_d.read(root)


# --- what Git LFS has not fetched


def test_pointers_are_left_out_and_a_corpus_of_pointers_is_refused(root):
    (root / "AudioWAV" / FILES[0]).write_bytes(POINTER)
    corpus = crema_d.read(root)
    assert len(corpus) == 3
    assert list(corpus.reasons()) == [
        "a Git LFS pointer, not sound; run `git lfs pull` in its repository"
    ]
    for file in FILES:
        (root / "AudioWAV" / file).write_bytes(POINTER)
    with pytest.raises(UndertoneError, match="a Git LFS pointer"):
        crema_d.read(root)
    with pytest.raises(UndertoneError, match=r"each of the 4 audio files .* a Git LFS pointer"):
        folder.read(root / "AudioWAV")


def test_pointers_are_known_in_tables_and_by_tables(tmp_path):
    (tmp_path / "labels.csv").write_bytes(POINTER)
    with pytest.raises(UndertoneError, match=r"labels\.csv is a Git LFS pointer, not the file"):
        csv.read(tmp_path / "labels.csv")
    (tmp_path / "a.wav").write_bytes(POINTER)
    write_audio(tmp_path, "b.wav")
    (tmp_path / "labels.csv").write_text("file,speaker,emotion\na.wav,1,sad\nb.wav,1,sad\n")
    assert csv.read(tmp_path / "labels.csv").left_out["file"].tolist() == ["a.wav"]
    assert folder.read(tmp_path).left_out["file"].tolist() == ["a.wav"]
    (tmp_path / "b.wav").write_bytes(POINTER)
    with pytest.raises(UndertoneError, match=r"none of the 2 files .* a Git LFS pointer"):
        csv.read(tmp_path / "labels.csv")


# --- the real votes


@pytest.fixture(scope="module")
def real(corpora_root, tmp_path_factory):
    """The corpus's tables, and empty files under the names of its recordings."""
    votes = corpora_root / "crema_d_votes"
    if not votes.is_dir():
        pytest.skip(f"the votes of CREMA-D are not in {corpora_root}")
    root = tmp_path_factory.mktemp("crema_d")
    for name in ("VideoDemographics.csv", "processedResults"):
        (root / name).symlink_to(votes / name)
    (root / "AudioWAV").mkdir()
    for name in crema_d.read_counts(votes / "processedResults/tabulatedVotes.csv").counts.index:
        (root / "AudioWAV" / f"{name}.wav").touch()
    return root


@pytest.mark.corpora
def test_the_real_tables_tell_the_same(real):
    """The first digit is what was shown: the votes so counted are the summary's, file by file."""
    results = real / "processedResults"
    counted = crema_d.read_counts(results / "tabulatedVotes.csv")
    summary = crema_d.read_summary(results / "summaryTable.csv")
    assert counted.emotion.fillna("tie").to_dict() == summary.emotion.fillna("tie").to_dict()
    assert counted.counts.to_numpy().sum() == 68_568
    assert counted.emotion.isna().sum() == 644


@pytest.mark.corpora
def test_the_real_corpus(real):
    corpus = crema_d.read(real)
    assert (len(corpus), len(corpus.speakers), len(corpus.emotions)) == (7442, 91, 6)
    table = corpus.table
    assert table["sex"].value_counts().to_dict() == {"male": 3930, "female": 3512}
    assert table["voice_emotion"].notna().sum() == 7442 - 644
    assert 0.4 < (table["voice_emotion"] == table["emotion"]).mean() < 0.43
    assert len(corpus.ratings) == 68_568
    assert corpus.ratings.memory_usage(deep=True).sum() < 1_000_000
    counted = ratings.counts(corpus.ratings)
    assert (
        ratings.majority(counted).fillna("")
        == table.set_index("utterance")["voice_emotion"].reindex(counted.index).fillna("")
    ).all()
    for fold in speaker_folds(corpus, 5):
        assert not set(fold.test_speakers) & set(fold.train_speakers)
        assert len(fold.test_speakers) in (18, 19)
