import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from undertone import audio
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.errors import UndertoneError
from undertone.features import extractors, log_mel, mappings, store, workers
from undertone.features.extractors import Extractor
from undertone.features.store import extract, extract_file

RATE = audio.SAMPLE_RATE
COUNTED: list[int] = []


def counted_levels(waveform):
    """A cheap extractor: the level and the number of samples around each frame."""
    COUNTED.append(len(waveform))
    n = audio.n_frames(len(waveform))
    return np.column_stack([np.arange(n), np.full(n, waveform.std())])


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    COUNTED.clear()
    row = Extractor(counted_levels, ("index", "level"), version=1)
    monkeypatch.setitem(extractors.EXTRACTORS, "cheap", row)
    return row


def corpus_of(root, files, **columns):
    table = pd.DataFrame(dict.fromkeys(COLUMNS, [None] * len(files)))
    stems = [Path(file).stem for file in files]
    table = table.assign(**{"file": files, "utterance": stems} | columns)
    return Corpus("small", root, table, licence="none", citation="none")


def write_noise(root, names, rng):
    for name in names:
        path = root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        soundfile.write(path, 0.1 * rng.normal(size=rng.integers(4000, 8000)), RATE)
    return names


@pytest.fixture
def corpus(tmp_path, rng):
    root = tmp_path / "corpus"
    return corpus_of(root, write_noise(root, [f"{i:02d}.wav" for i in range(40)], rng))


def assert_same(one, other):
    assert one.utterances == other.utterances
    for utterance in one.utterances:
        np.testing.assert_array_equal(one.frames(utterance), other.frames(utterance))


def run(corpus, folder, **options):
    return extract(corpus, "cheap", folder=folder, **{"workers": 1, "progress": False} | options)


def test_frames_equal_those_of_one_file_and_come_from_disk_again(tmp_path, corpus):
    table = run(corpus, tmp_path / "store")
    assert len(COUNTED) == len(table) == 40
    assert table.columns == ("index", "level")
    for utterance in table.utterances:
        frames, times_s = extract_file(corpus.root / f"{utterance}.wav", "cheap")
        np.testing.assert_array_equal(table.frames(utterance), frames)
        assert table.lengths[utterance] == len(frames) == len(times_s)
        assert frames.dtype == np.float32
    COUNTED.clear()
    assert_same(run(corpus, tmp_path / "store"), table)
    assert COUNTED == []


def test_names_places_and_order_do_not_matter(tmp_path, corpus):
    before = run(corpus, tmp_path / "store")
    moved = corpus.root / "other" / "names"
    moved.mkdir(parents=True)
    for file in corpus.table.file:
        (corpus.root / file).rename(moved / f"x{file}")
    files = [f"other/names/x{file}" for file in reversed(corpus.table.file)]
    COUNTED.clear()
    after = run(corpus_of(corpus.root, files), tmp_path / "store")
    assert COUNTED == []
    for utterance in before.utterances:
        np.testing.assert_array_equal(after.frames(f"x{utterance}"), before.frames(utterance))


def test_files_of_one_name_in_two_folders_are_two(tmp_path, rng):
    files = write_noise(tmp_path, ["a/1.wav", "b/1.wav"], rng)
    named = corpus_of(tmp_path, files, utterance=["1", "2"])
    table = run(named, tmp_path / "store")
    assert not np.array_equal(table.frames("1"), table.frames("2"))


def test_changed_audio_under_an_old_name_is_computed_again(tmp_path, corpus, rng):
    before = run(corpus, tmp_path / "store").frames("07").copy()
    write_noise(corpus.root, ["07.wav"], rng)
    COUNTED.clear()
    after = run(corpus, tmp_path / "store").frames("07")
    assert len(COUNTED) == 1
    assert not np.array_equal(before, after)


def test_equal_content_is_computed_once(tmp_path, rng):
    write_noise(tmp_path, ["a.wav"], rng)
    (tmp_path / "b.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    table = run(corpus_of(tmp_path, ["a.wav", "b.wav"]), tmp_path / "store")
    assert len(COUNTED) == 1
    np.testing.assert_array_equal(table.frames("a"), table.frames("b"))


@pytest.mark.parametrize("change", [{"version": 2}, {"settings": {"floor": 1}}])
def test_another_version_or_setting_is_computed_again(tmp_path, corpus, cheap, monkeypatch, change):
    run(corpus, tmp_path / "store")
    COUNTED.clear()
    changed = Extractor(**{**vars(cheap), **change})
    monkeypatch.setitem(extractors.EXTRACTORS, "cheap", changed)
    run(corpus, tmp_path / "store")
    assert len(COUNTED) == 40


def test_segments_of_one_file_are_told_apart(tmp_path, rng):
    write_noise(tmp_path, ["a.wav"], rng)
    segments = {"utterance": ["a", "a2"], "start_s": [0.0, 0.1], "end_s": [0.1, np.nan]}
    frames = run(corpus_of(tmp_path, ["a.wav", "a.wav"], **segments), tmp_path / "store")
    whole = audio.read(tmp_path / "a.wav")
    np.testing.assert_allclose(frames.frames("a")[0, 1], whole[:1600].std(), rtol=1e-6)
    np.testing.assert_allclose(frames.frames("a2")[0, 1], whole[1600:].std(), rtol=1e-6)


def test_segments_that_share_a_start_an_end_or_a_length_share_no_frames(tmp_path, rng):
    write_noise(tmp_path, ["a.wav"], rng)
    spans = {
        "whole": (np.nan, np.nan),
        "first": (0.0, 0.1),
        "as long": (0.1, 0.2),
        "same end": (0.05, 0.2),
        "same start": (0.05, 0.15),
        "open end": (0.05, np.nan),
        "again": (0.05, 0.15),
    }
    starts, ends = zip(*spans.values(), strict=True)
    segments = {"utterance": [*spans], "start_s": starts, "end_s": ends}
    found = run(corpus_of(tmp_path, ["a.wav"] * len(spans), **segments), tmp_path / "store")
    samples = audio.read(tmp_path / "a.wav")
    for name, (start_s, end_s) in spans.items():
        first = 0 if np.isnan(start_s) else round(start_s * RATE)
        last = len(samples) if np.isnan(end_s) else round(end_s * RATE)
        assert len(found.frames(name)) == audio.n_frames(last - first)
        np.testing.assert_allclose(found.frames(name)[0, 1], samples[first:last].std(), rtol=1e-5)
    assert len(COUNTED) == len(set(spans.values()))


def test_bad_files_are_recorded_and_cost_the_others_nothing(tmp_path, corpus):
    (corpus.root / "03.wav").write_bytes(b"")
    (corpus.root / "04.wav").unlink()
    soundfile.write(corpus.root / "05.wav", np.zeros(RATE), RATE)
    table = run(corpus, tmp_path / "store")
    assert set(table.failures) == {"03", "04", "05"}
    assert "0 bytes" in table.failures["03"]
    assert "No such file" in table.failures["04"]
    assert "silent" in table.failures["05"]
    assert len(table) == 37
    with pytest.raises(UndertoneError, match=r"'05' has no cheap frames: .*silent"):
        table.frames("05")


def test_an_extractor_that_fails_on_one_recording_fails_on_one_alone(tmp_path, corpus, monkeypatch):
    def fails_once(waveform):
        if not COUNTED:
            COUNTED.append(0)
            raise ZeroDivisionError("what nobody foresaw")
        return counted_levels(waveform)

    row = Extractor(fails_once, ("index", "level"), version=1)
    monkeypatch.setitem(extractors.EXTRACTORS, "cheap", row)
    table = run(corpus, tmp_path / "store")
    assert "ZeroDivisionError: what nobody foresaw" in table.failures["00"]
    assert len(table) == 39


def test_nothing_usable_is_an_error(tmp_path, corpus):
    for file in corpus.table.file:
        (corpus.root / file).write_bytes(b"")
    with pytest.raises(
        UndertoneError, match=r"none of the 40 utterances of small .*00.wav is empty .0 bytes"
    ):
        run(corpus, tmp_path / "store")
    with pytest.raises(UndertoneError, match="no utterances"):
        run(corpus_of(tmp_path, []), tmp_path / "store")


@pytest.mark.parametrize("allowed_writes", [0, 1, 2, 3])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    tmp_path, corpus, monkeypatch, allowed_writes
):
    writes = []
    write_bytes = Path.write_bytes

    def fill_up(path, content):
        if str(path).startswith(str(tmp_path / "store")):
            writes.append(path)
            if len(writes) > allowed_writes:
                write_bytes(path, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", fill_up)
        with pytest.raises(UndertoneError, match=r"disk is full: .*about \d+ MB in .*store"):
            run(corpus, tmp_path / "store")
    assert not [path for path in (tmp_path / "store").rglob("*.partial")]
    COUNTED.clear()
    assert len(run(corpus, tmp_path / "store")) == 40
    assert len(COUNTED) == 40 - workers.CHUNK_RECORDINGS * (allowed_writes // 2)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, corpus):
    (tmp_path / "store").write_text("a file, not a folder")
    with pytest.raises(UndertoneError, match=r"store.* cannot be made .*--cache"):
        run(corpus, tmp_path / "store")


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "garbled", "no json", "odd json"])
def test_damaged_shards_are_computed_again(tmp_path, corpus, damage):
    before = {u: f.copy() for u, f in frames_of(run(corpus, tmp_path / "store")).items()}
    index = sorted((tmp_path / "store").rglob("*.json"))[0]
    array = index.with_suffix(".npy")
    content = array.read_bytes()
    {
        "cut": lambda: array.write_bytes(content[:-40]),
        "empty": lambda: array.write_bytes(b""),
        "gone": array.unlink,
        "garbled": lambda: array.write_bytes(b"x" * len(content)),
        "no json": lambda: index.write_text(index.read_text()[:30]),
        "odd json": lambda: index.write_text(json.dumps([1, 2])),
    }[damage]()
    mappings.forget()
    COUNTED.clear()
    after = frames_of(run(corpus, tmp_path / "store"))
    assert 0 < len(COUNTED) <= workers.CHUNK_RECORDINGS
    for utterance, frames in before.items():
        np.testing.assert_array_equal(after[utterance], frames)


def frames_of(table):
    return {utterance: table.frames(utterance) for utterance in table.utterances}


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path, corpus):
    run(corpus, tmp_path / "store")
    home = next((tmp_path / "store").glob("cheap-*"))
    for name, age_s in ((".a.npy.9.partial", 1e6), (".b.npy.9.partial", 0), ("c.npy", 1e6)):
        (home / name).write_bytes(b"")
        os.utime(home / name, (time.time() - age_s,) * 2)
    run(corpus, tmp_path / "store")
    left = {path.name for path in home.iterdir()}
    assert ".b.npy.9.partial" in left
    assert not left & {".a.npy.9.partial", "c.npy"}


SLOW_RUN = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sys.path[:0] = [sys.argv[1]]
import test_features_store as tests
from undertone.features import extractors

def slow(waveform):
    time.sleep(0.1)
    return tests.counted_levels(waveform)

extractors.EXTRACTORS["cheap"] = extractors.Extractor(slow, ("index", "level"), version=1)
root = Path(sys.argv[2])
corpus = tests.corpus_of(root, sorted(path.name for path in root.iterdir()))
tests.run(corpus, sys.argv[3])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_where_it_was(tmp_path, corpus, how):
    arguments = [str(Path(__file__).parent), str(corpus.root), str(tmp_path / "store")]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_RUN, *arguments], stderr=subprocess.DEVNULL
    )
    while not (done := list((tmp_path / "store").rglob("*.json"))):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(how)
    assert process.wait() != 0
    done = list((tmp_path / "store").rglob("*.json"))
    resumed = run(corpus, tmp_path / "store")
    assert len(COUNTED) == 40 - workers.CHUNK_RECORDINGS * len(done) > 0
    assert_same(resumed, run(corpus, tmp_path / "fresh"))


def test_several_processes_give_the_same_as_one(tmp_path, corpus, monkeypatch, capfd):
    (corpus.root / "03.wav").write_bytes(b"")
    monkeypatch.setattr(workers, "SECONDS_ALONE", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    many = extract(corpus, "log_mel", folder=tmp_path / "many", workers=2, progress=False)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    one = extract(corpus, "log_mel", folder=tmp_path / "one", workers=1, progress=False)
    assert_same(many, one)
    assert set(many.failures) == set(one.failures) == {"03"}
    assert many.columns == log_mel.COLUMNS
    assert capfd.readouterr() == ("", "")


def test_a_table_survives_being_sent_to_another_process(tmp_path, corpus):
    import pickle

    table = run(corpus, tmp_path / "store")
    content = pickle.dumps(table)
    assert len(content) < 20_000
    assert_same(pickle.loads(content), table)


def test_progress_goes_to_standard_error(tmp_path, corpus, capfd):
    run(corpus, tmp_path / "store", progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "cheap of small 40/40" in shown.err


def test_default_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.delenv("UNDERTONE_CACHE", raising=False)
    assert store.default_folder() == Path("/x/undertone/frames")
    monkeypatch.setenv("UNDERTONE_CACHE", "/u")
    assert store.default_folder() == Path("/u/frames")


def test_times_of_one_file_are_the_centres(tmp_path, rng):
    write_noise(tmp_path, ["a.wav"], rng)
    _, times_s = extract_file(tmp_path / "a.wav", "cheap", start_s=0.1)
    np.testing.assert_allclose(times_s[:2] * RATE, [79, 239])


@pytest.mark.corpora
def test_real_speech_gives_finite_frames(tmp_path, corpora_root):
    files = sorted(path.name for path in (corpora_root / "emodb" / "audio").iterdir())[::20]
    table = extract(
        corpus_of(corpora_root / "emodb" / "audio", files),
        "log_mel",
        folder=tmp_path,
        workers=1,
        progress=False,
    )
    assert not table.failures
    assert all(np.isfinite(table.frames(utterance)).all() for utterance in table.utterances)
