import json

import pytest
from corpora_fakes import fake_corpus, fake_table

from undertone import corpora
from undertone.corpora import emobox
from undertone.corpora.audit import audit, audit_fold
from undertone.corpora.folds import speaker_folds
from undertone.errors import UndertoneError


def test_our_own_folds_are_clean():
    corpus = fake_corpus()
    for fold in speaker_folds(corpus, 4):
        found = audit_fold(corpus, fold)
        assert not found.leaks
        assert found.findings() == []
        assert found.n_train + found.n_test == len(corpus)


def test_what_is_shared_is_named():
    table = fake_table(n_speakers=4)
    is_first = table["speaker"] == "s00"
    found = audit(table[is_first | (table["speaker"] == "s01")], table[is_first])
    assert found.leaks
    assert found.shared_speakers == ("s00",)
    assert len(found.shared_utterances) == is_first.sum()
    assert found.findings()[0] == "1 speaker is on both sides: s00"
    assert found.findings()[1].endswith("and 15 more")


def test_unknown_speakers_are_counted_and_leak_if_on_both_sides():
    table = fake_table(n_speakers=2)
    train, test = table[table["speaker"] == "s00"], table[table["speaker"] == "s01"]
    train, test = train.copy(), test.copy()
    train.iloc[:3, train.columns.get_loc("speaker")] = None
    assert not audit(train, test).leaks
    test.iloc[:2, test.columns.get_loc("speaker")] = None
    found = audit(train, test)
    assert found.leaks
    assert (found.n_unknown_speakers_train, found.n_unknown_speakers_test) == (3, 2)


def test_rare_emotions_are_named():
    table = fake_table(n_speakers=4)
    table.loc[0, "emotion"] = "contempt"
    table.loc[1:2, "emotion"] = "calm"
    train, test = table[table["speaker"] != "s00"], table[table["speaker"] == "s00"]
    found = audit(train, test)
    assert found.emotions_of_one_utterance == ("contempt",)
    assert found.emotions_of_one_speaker == ("calm", "contempt")
    assert found.emotions_never_trained == ("calm", "contempt")
    assert not found.leaks
    assert len(found.findings()) == 3


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "n_folds", "n_utterances", "n_shared"),
    [
        ("emodb", 5, 535, 10),
        ("cremad", 1, 7442, 91),
        ("shemo", 1, 2838, 83),
        ("ravdess", 6, 1440, 0),
    ],
)
def test_the_audit_of_published_folds(corpora_root, name, n_folds, n_utterances, n_shared):
    folds = emobox.read_folds(corpora_root / "emobox_folds" / name)
    assert [fold.index for fold in folds] == list(range(1, n_folds + 1))
    found = [audit(fold.train, fold.test) for fold in folds]
    assert {len(one.shared_speakers) for one in found} == {n_shared}
    assert {one.leaks for one in found} == {n_shared > 0}
    assert {one.n_train + one.n_test for one in found} == {n_utterances}
    assert {one.n_unknown_speakers_train + one.n_unknown_speakers_test for one in found} == {0}


@pytest.mark.parametrize(
    ("corpus", "stem", "speaker"),
    [
        ("iemocap", "Ses01F_impro01_M000", "Ses01M"),
        ("iemocap", "Ses01F_script01_1_F012", "Ses01F"),
        ("iemocap", "Ses05M_script03_2_F000", "Ses05F"),
        ("emodb", "16b10Wb", "16"),
        ("ravdess", "03-01-06-01-02-01-12", "12"),
        ("cremad", "1074_IWL_ANG_XX", "1074"),
        ("shemo", "F03S02", "F03"),
        ("shemo", "M03F02", "M03"),
        ("emodb", "something", None),
        ("nobody", "03a01Fa", None),
    ],
)
def test_speakers_by_grammar(corpus, stem, speaker):
    assert emobox.speaker_of(corpus, stem) == speaker


def test_every_talker_of_iemocap_is_one_of_ten():
    stems = [f"Ses0{n}{a}_impro01_{b}000" for n in range(1, 6) for a in "FM" for b in "FM"]
    assert len({emobox.speaker_of("iemocap", stem) for stem in stems}) == 10


@pytest.mark.parametrize("fold", ["fold1", "fold_1"])
@pytest.mark.parametrize(("audio", "label"), [("wav", "emo"), ("audio", "label")])
def test_both_spellings_and_both_formats(tmp_path, fold, audio, label):
    place = tmp_path / fold
    place.mkdir()
    record = {audio: "x/u1.wav", label: "ang", "start_time": 1.0, "end_time": 2.5}
    (place / f"mine_train_{fold}.json").write_text(json.dumps({"u1": record}))
    lines = [{"key": "u2", audio: "x/u2.wav", label: "xxx"}, {"key": "u3", audio: "y", label: "A"}]
    (place / f"mine_test_{fold}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (place / f"mine_valid_{fold}.jsonl").write_text(json.dumps(lines[:1]))
    (tmp_path / "label_map.json").write_text('{"ang": "Angry"}')
    (tmp_path / "data.seg.wrd.stm").write_text("u1 1 anna 0 2 <id=u1> ang\n")
    (found,) = emobox.read_folds(tmp_path)
    assert found.train.to_dict("records") == [
        {
            "utterance": "u1",
            "file": "x/u1.wav",
            "start_s": 1.0,
            "end_s": 2.5,
            "speaker": "anna",
            "emotion": "anger",
        }
    ]
    assert found.test["emotion"].dropna().tolist() == ["anger"]
    assert found.test["speaker"].isna().all()
    assert found.validation["utterance"].tolist() == ["u2"]


def test_a_folder_without_folds_is_refused(tmp_path):
    with pytest.raises(UndertoneError, match="fold_1"):
        emobox.read_folds(tmp_path)
    (tmp_path / "fold_1").mkdir()
    with pytest.raises(UndertoneError, match="no test and no train list"):
        emobox.read_folds(tmp_path)


def write_folds(folder, table, *, tested):
    """Published folds that test these groups of speakers, their names as those of emodb are."""
    for index, speakers in enumerate(tested, start=1):
        place = folder / f"fold_{index}"
        place.mkdir(parents=True)
        for side, rows in (
            ("test", table[table["speaker"].isin(speakers)]),
            ("train", table[~table["speaker"].isin(speakers)]),
        ):
            records = {
                f"fake-{row.utterance}": {"wav": f"x/{row.utterance}.wav", "emo": row.emotion}
                for row in rows.itertuples()
            }
            (place / f"fake_{side}_fold_{index}.json").write_text(json.dumps(records))
    return folder


def test_published_folds_that_keep_speakers_apart_can_be_used(tmp_path):
    corpus = fake_corpus(fake_table(n_speakers=4))
    tested = [("s00", "s02"), ("s01",), ("s03",)]
    found = emobox.disjoint_folds(write_folds(tmp_path, corpus.table, tested=tested), corpus)
    assert [fold.test_speakers for fold in found] == tested
    assert found[1].train_speakers == ("s00", "s02", "s03")
    assert [fold.index for fold in found] == [0, 1, 2]


def test_published_folds_that_share_speakers_are_refused(tmp_path):
    corpus = fake_corpus(fake_table(n_speakers=3))
    folder = write_folds(tmp_path, corpus.table, tested=[("s00", "s01"), ("s01", "s02")])
    with pytest.raises(UndertoneError, match=r"1 of 3 speakers in several folds \(s01\)"):
        emobox.disjoint_folds(folder, corpus)


def test_published_folds_of_other_utterances_are_refused(tmp_path):
    table = fake_table(n_speakers=3)
    folder = write_folds(tmp_path, table.iloc[1:], tested=[("s00",), ("s01", "s02")])
    with pytest.raises(UndertoneError, match="test 59 utterances, fake has 60 with"):
        emobox.disjoint_folds(folder, fake_corpus(table))


@pytest.mark.corpora
def test_the_published_folds_of_real_corpora(corpora_root):
    published = corpora_root / "emobox_folds"
    folds = emobox.disjoint_folds(
        published / "ravdess", corpora.open(f"ravdess={corpora_root / 'ravdess'}")
    )
    assert [len(fold.test_speakers) for fold in folds] == [4] * 6
    with pytest.raises(UndertoneError, match="10 of 10 speakers in several folds"):
        emobox.disjoint_folds(published / "emodb", corpora.open(f"emodb={corpora_root / 'emodb'}"))
