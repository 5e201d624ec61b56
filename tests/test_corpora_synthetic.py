"""Laws of the embedded corpus: whole or absent, always the same, hard in the ways it claims."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from undertone.corpora import synthetic
from undertone.errors import UndertoneError

TINY = synthetic.Part("tiny", 4, 4, first_speaker=0, labelled=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def corpus(cache):
    return synthetic.read(cache)


@pytest.fixture(scope="module")
def waveforms(corpus):
    return {row.utterance: soundfile.read(corpus.root / row.file)[0] for row in _rows(corpus)}


def _rows(corpus):
    return list(corpus.table.itertuples())


def _digests(root):
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*.*"))
    }


def test_sizes_and_balance(corpus):
    assert len(corpus) == 24 * 16
    assert corpus.synthetic
    counts = corpus.table.groupby(["speaker", "emotion"]).size()
    assert len(counts) == 24 * 4
    assert set(counts) == {4}
    assert corpus.table.groupby("sex").speaker.nunique().to_dict() == {"female": 12, "male": 12}


def test_unlabelled_part_shares_no_speaker_and_tells_no_emotion(cache, corpus, monkeypatch):
    monkeypatch.setattr(synthetic, "UNLABELLED", replace(synthetic.UNLABELLED, n_utterances=2))
    unlabelled = synthetic.read_unlabelled(cache / "few")
    assert unlabelled.table.speaker.nunique() == 30
    assert not set(unlabelled.table.speaker) & set(corpus.table.speaker)
    assert "emotion" not in unlabelled.table or unlabelled.table.emotion.isna().all()
    assert b"anger" not in (unlabelled.root / synthetic.INDEX).read_bytes()


def test_files_are_16_khz_mono_16_bit_of_a_phrase_each(corpus):
    for row in _rows(corpus)[::20]:
        info = soundfile.info(corpus.root / row.file)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert 0.8 < info.duration < 4


def test_second_reading_generates_nothing(cache, corpus, monkeypatch):
    monkeypatch.setattr(synthetic, "_generate", None)
    again = synthetic.read(cache)
    assert again.table.equals(corpus.table)


def test_two_generations_have_the_same_bytes(tmp_path):
    first, second = (synthetic.read_part(TINY, tmp_path / name) for name in ("one", "two"))
    assert _digests(first.root) == _digests(second.root)
    assert len(_digests(first.root)) == 4 * 4 + 2


def test_interrupted_generation_leaves_nothing(tmp_path, monkeypatch):
    write = synthetic._write_utterance

    def interrupted(root, row):
        if row["index"] == 2:
            raise KeyboardInterrupt
        write(root, row)

    monkeypatch.setattr(synthetic, "_write_utterance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        synthetic.read_part(TINY, tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert len(synthetic.read_part(TINY, tmp_path)) == 16


def test_what_a_killed_process_left_is_not_taken_for_the_corpus(tmp_path):
    left = tmp_path / f"tiny-v{synthetic.VERSION}.partial-abc"
    left.mkdir()
    (left / synthetic.INDEX).write_text("half")
    assert len(synthetic.read_part(TINY, tmp_path)) == 16


def test_slower_of_two_processes_keeps_the_files_of_the_faster(tmp_path):
    root = synthetic.read_part(TINY, tmp_path).root
    before = {file: file.stat().st_mtime_ns for file in root.rglob("*.wav")}
    synthetic._generate(TINY, root)
    assert before == {file: file.stat().st_mtime_ns for file in root.rglob("*.wav")}
    assert list(tmp_path.iterdir()) == [root]


@pytest.mark.parametrize("damage", ["no index", "another emotion", "flipped", "no sums", "gone"])
def test_a_damaged_folder_is_set_aside_and_generated_again(tmp_path, capsys, damage):
    root = synthetic.read_part(TINY, tmp_path).root
    before = {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
    index, sound = root / synthetic.INDEX, next(root.rglob("*.wav"))
    flipped = bytearray(sound.read_bytes())
    flipped[-3] ^= 1
    {
        "no index": index.unlink,
        "another emotion": lambda: index.write_text(index.read_text().replace("anger", "danger")),
        "flipped": lambda: sound.write_bytes(flipped),
        "no sums": (root / synthetic.SUMS).unlink,
        "gone": sound.unlink,
    }[damage]()
    assert len(synthetic.read_part(TINY, tmp_path)) == 16
    assert {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")} == before
    assert "is damaged" in (said := capsys.readouterr().err)
    assert f"set aside as {root.name}.damaged, and it is generated again" in said


def test_unwritable_cache_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UndertoneError, match="UNDERTONE_CACHE"):
        synthetic.read_part(TINY, tmp_path / "file")


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "ours"))
    assert synthetic.read_part(TINY).root.parent == tmp_path / "ours"
    monkeypatch.delenv("UNDERTONE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert synthetic.read_part(TINY).root.parent == tmp_path / "xdg" / "undertone"


def test_level_is_no_cue(corpus, waveforms):
    level_db = corpus.table.utterance.map(
        lambda utterance: 10 * np.log10(np.mean(waveforms[utterance] ** 2))
    )
    of_emotion = level_db.groupby(corpus.table.emotion).mean()
    assert np.ptp(of_emotion) < 0.6  # random gain: standard deviation 1.4 dB, 96 utterances each
    assert max(np.abs(waveform).max() for waveform in waveforms.values()) < 0.99


def test_speakers_differ():
    speakers = [synthetic.invent_speaker(number) for number in range(24)]
    assert synthetic.invent_speaker(3) == speakers[3]
    for trait in ("f0_hz", "tract_scale", "microphone_tilt"):
        assert len({getattr(speaker, trait) for speaker in speakers}) == 24
    of_sex = {
        sex: np.mean([s.tract_scale for s in speakers if s.sex == sex])
        for sex in ("female", "male")
    }
    assert of_sex["female"] > 1.1 * of_sex["male"]


def test_emotions_follow_their_rules_on_average():
    rng = np.random.default_rng(0)
    manners = {
        emotion: [
            synthetic.perform(synthetic.invent_speaker(number), emotion, rng)
            for number in range(200)
        ]
        for emotion in synthetic.EMOTIONS
    }

    def mean(emotion, trait):
        return np.mean([getattr(manner, trait) for manner in manners[emotion]])

    assert mean("anger", "rd") < mean("neutral", "rd") < mean("sadness", "rd")
    assert mean("happiness", "f0_range_st") > mean("neutral", "f0_range_st")
    assert mean("sadness", "syllables_per_s") < mean("neutral", "syllables_per_s")
    assert mean("sadness", "aspiration") > mean("neutral", "aspiration")
    assert mean("happiness", "smile") > mean("anger", "smile")


def test_file_names_do_not_tell_the_emotion(corpus):
    position = corpus.table.utterance.str[-2:].astype(int)
    assert np.ptp(position.groupby(corpus.table.emotion).mean()) < 4
    assert corpus.table.groupby(position).emotion.nunique().min() >= 2


def test_documented_rules_are_the_rules():
    lines = Path("docs/synthesis.md").read_text().splitlines()
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    documented = {
        row[0]: [float(value) for value in row[1:]]
        for row in cells
        if row[0] in synthetic.DIMENSIONS
    }
    expected = {
        name: [d.rest, d.between_speakers, d.within_speaker, d.anger, d.happiness, d.sadness]
        for name, d in synthetic.DIMENSIONS.items()
    }
    assert documented == expected
