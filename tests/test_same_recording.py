"""One recording under several names: in other files, in a pool, under speakers spelt otherwise."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from test_cli import run
from test_experiment import TINY, write_tones

from undertone import config, corpora
from undertone.corpora.names import fold
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, keep
from undertone.experiment.keep import KeepSettings
from undertone.experiment.run import open_run
from undertone.features import store
from undertone.pipeline import Resources
from undertone.reading import extract
from undertone.recogniser.card import Facts, write_card

SMALL = TINY | {"budgets": [4]}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("same") / "tones", n_a_speaker=4)


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


def with_copies(tones, folder, speaker, emotion, suffix=".flac"):
    """The corpus and four of its recordings again, the same samples in another format."""
    rows = [f"{tones}/{row}" for row in (tones / "labels.csv").read_text().splitlines()[1:] if row]
    for number in range(4):
        samples, rate = soundfile.read(tones / f"u{number:03d}.wav", dtype="int16")
        soundfile.write(folder / f"again{number}{suffix}", samples, rate)
        rows.append(f"again{number}{suffix},{speaker},{emotion}")
    table = folder / "labels.csv"
    table.write_text("\n".join(["file,speaker,emotion", *rows]) + "\n")
    return table


@pytest.mark.parametrize(
    ("speaker", "emotion", "message"),
    [
        ("somebody", "anger", r"4 under several speakers.* 2 under several labels"),
        ("s0", "anger", r"other facts: 2 under several labels"),
    ],
)
def test_the_same_samples_in_another_format_are_the_same_recording(
    tones, resources, tmp_path, speaker, emotion, message
):
    table = with_copies(tones, tmp_path, speaker, emotion)
    settings = config.load(
        CurveSettings, SMALL | {"corpus": f"tones={table}", "systems": ["constant"]}
    )
    with pytest.raises(UndertoneError, match=message):
        open_run(settings, tmp_path / "run", resources)


def test_what_a_file_holds_tells_recordings_apart_and_its_header_does_not(
    tones, resources, tmp_path
):
    table = extract(
        f"tones={with_copies(tones, tmp_path, 's9', 'anger', '.aiff')}", "log_mel", resources
    )
    same = [name for name in table.utterances if "again" in name]
    assert len(same) == 4
    others = [name for name in table.utterances if "again" not in name]
    assert {table.contents[n] for n in same} == {table.contents[n] for n in others[:4]}
    assert len(set(table.contents.values())) == len(others)
    assert table.keys[same[0]] != table.keys[others[0]]


def test_frames_that_do_not_change_tell_nothing(tmp_path):
    still = np.ones((50, 3), np.float32)
    source = {"a": still, "b": still}
    table = store.FrameTable("x", 1, 100.0, ("a", "b", "c"), source, keys={"a": "k1", "b": "k2"})
    assert table.contents == {"a": "k1", "b": "k2"}


def test_a_pool_is_used_without_recordings_that_are_tested(tones, resources, tmp_path):
    pool = tmp_path / "pool"
    pool.mkdir()
    rng = np.random.default_rng(5)
    for number in range(5):
        samples, rate = soundfile.read(tones / f"u{number:03d}.wav", dtype="int16")
        soundfile.write(pool / f"other-name-{number}.flac", samples, rate)
        soundfile.write(pool / f"own-{number}.wav", 0.1 * rng.normal(size=8000), rate)
    values = {"corpus": f"tones={tones}/labels.csv", "unlabelled": [f"pool={pool}"]}
    settings = config.load(
        CurveSettings, SMALL | values | {"systems": ["pretrained_frozen", "constant"]}
    )
    ((left, _),) = open_run(settings, tmp_path / "run", resources).unlabelled
    assert len(left) == 5
    assert left.reasons() == {"a recording of tones, which is tested": 5}
    settings = config.load(
        CurveSettings,
        SMALL | values | {"systems": ["pretrained_frozen", "constant"], "transductive": True},
    )
    ((left, _),) = open_run(settings, tmp_path / "other", resources).unlabelled
    assert len(left) == 10


def test_extract_and_pretrain_tell_of_copies_and_of_speakers_spelt_twice(
    tones, resources, tmp_path
):
    table = with_copies(tones, tmp_path, "S 0", "sadness")
    cache = ("--cache", resources.cache, "--quiet", "--workers", "1")
    said = run("extract", "--corpus", f"tones={table}", *cache).stdout
    done = run(
        *("pretrain", "--unlabelled", f"tones={table}", "--out", tmp_path / "e", *cache),
        *("--set", "pretrain.max_epochs=1", "--set", "encoder.hidden_units=8"),
    )
    for text in (said, done.stderr):
        assert "1 speaker seems to be spelt in several ways in tones, such as S 0/s0" in text
        assert "4 recordings of tones stand there several times with other facts" in text


def test_letters_without_a_shape_do_not_make_a_speaker():
    for name in ("s\u200b1", "\ufeffs1", "s1\u200e", "S\u00ad1"):
        assert fold(name) == fold("s1")


def test_layers_are_not_chosen_on_labels_of_anybody_who_is_tested(tones, tmp_path):
    rows = (tones / "labels.csv").read_text().splitlines()
    parts = ["train", "test"] * 2 + ["train"] * 8 + ["test"] * 4  # s0 on both sides, s3 tested
    lines = [f"{tones}/{row},{part}" for row, part in zip(rows[1:], parts, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join([f"{rows[0]},split", *lines]) + "\n")
    corpus = corpora.open(f"tones={tmp_path / 'labels.csv'}")
    assert keep._training_part(corpus, ()).speakers == corpus.speakers  # a column of anybody's
    kept = keep._training_part(replace(corpus, official_folds=True), ())
    assert kept.speakers == ("s1", "s2")


def test_what_would_be_refused_after_the_work_is_refused_before_it(tones, tmp_path):
    table = with_copies(tones, tmp_path, "somebody", "anger", ".wav")
    corpus = corpora.open(f"tones={table}")
    settings = KeepSettings(budgets=(4,), folds=2)
    with pytest.raises(UndertoneError, match="4 under several speakers"):
        keep.check_labels(corpus, corpus.task(), settings)


def test_frames_that_vanish_while_they_are_asked_for_are_one_message(tones, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "fill", lambda *_, **__: {})  # as if somebody deleted all shards
    with pytest.raises(UndertoneError, match=r"somebody deletes there\. Run the same command"):
        extract(f"tones={tones}/labels.csv", "log_mel", Resources(tmp_path, 1, False))


def test_what_an_audit_found_is_text_in_a_card(tones):
    corpus = corpora.open(f"tones={tones}/labels.csv")
    card = write_card(Facts("a", "b", "c", audit=["4 labels of [x]<b>y are none"]), [corpus])
    assert r"* 4 labels of \[x\]\<b\>y are none." in card
