"""Digests of audio files: remembered while nothing speaks of a change, and never longer."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from corruption import damaged

from undertone import audio
from undertone.audio import digests
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.features import extractors
from undertone.features.extractors import Extractor
from undertone.features.store import extract


@pytest.fixture
def corpus(tmp_path, rng) -> Corpus:
    """Six recordings in two folders."""
    root, files = tmp_path / "corpus", [f"{i % 2}/{i}.wav" for i in range(6)]
    for file in files:
        (root / file).parent.mkdir(exist_ok=True, parents=True)
        soundfile.write(root / file, 0.1 * rng.normal(size=4000), audio.SAMPLE_RATE)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, [None] * len(files)))
    table = table.assign(file=files, utterance=[Path(file).stem for file in files])
    return Corpus("small", root, table, licence="none", citation="none")


@pytest.fixture
def later(monkeypatch):
    """Whatever was written is a minute old."""
    now = SimpleNamespace(time_ns=lambda: time.time_ns() + 60 * 10**9)
    monkeypatch.setattr(digests, "time", now)


@pytest.fixture
def one_tick(monkeypatch):
    """A file system whose clock stands still: no change of the same size shows in a state."""
    tick = time.time_ns()
    state = lambda stat: (stat.st_size, stat.st_ino, tick, tick)  # noqa: E731
    monkeypatch.setattr(digests, "_state", state)


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Names of the audio files that are opened from here on, by the store or to be decoded."""
    names, of_path, read = [], Path.open, audio.read

    def opens(path, *arguments, **options):
        names.extend([path.name] * (path.suffix == ".wav"))
        return of_path(path, *arguments, **options)

    def decodes(path, **options):
        names.append(f"{Path(path).name} decoded")
        return read(path, **options)

    monkeypatch.setattr(Path, "open", opens)
    monkeypatch.setattr(audio, "read", decodes)
    level = Extractor(lambda x: np.full((audio.n_frames(len(x)), 1), x.std()), ("level",), 1)
    monkeypatch.setitem(extractors.EXTRACTORS, "level", level)
    return names


def run(corpus, folder, **options):
    return extract(corpus, "level", folder=folder, workers=1, progress=False, **options)


def rewrite(path: Path) -> None:
    """Other samples, the same size, and the same time of the last change."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[-4000:] = bytes(4000)
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.usefixtures("later")
def test_a_second_start_opens_no_audio_and_finds_the_same(tmp_path, corpus, opened):
    first = run(corpus, tmp_path / "store")
    assert len({*opened}) == 2 * len(corpus), "each was read, and decoded"
    opened.clear()
    again = run(corpus, tmp_path / "store")
    assert opened == []
    assert again.keys == first.keys
    assert again.source == first.source


@pytest.mark.usefixtures("later")
def test_a_changed_file_is_noticed(tmp_path, corpus, opened, rng):
    before = run(corpus, tmp_path / "store")
    soundfile.write(corpus.root / "0/2.wav", 0.3 * rng.normal(size=5000), audio.SAMPLE_RATE)
    opened.clear()
    after = run(corpus, tmp_path / "store")
    assert {*opened} == {"2.wav", "2.wav decoded"}
    changed = {name for name in after.keys if after.keys[name] != before.keys[name]}
    assert changed == {"2"}


@pytest.mark.usefixtures("later")
def test_a_change_that_keeps_size_and_time_is_noticed(tmp_path, corpus, opened):
    before = run(corpus, tmp_path / "store")
    rewrite(corpus.root / "1/3.wav")
    opened.clear()
    after = run(corpus, tmp_path / "store")
    assert {*opened} == {"3.wav", "3.wav decoded"}
    assert after.keys["3"] != before.keys["3"]
    moved = corpus.root / "1/3.wav"
    (corpus.root / "1/5.wav").replace(moved)  # another inode
    assert run(corpus, tmp_path / "store").keys["3"] == before.keys["5"]


@pytest.mark.usefixtures("one_tick")
def test_what_changed_within_a_tick_of_the_clock_is_not_taken_for_the_old(tmp_path, corpus, opened):
    before = run(corpus, tmp_path / "store")
    rewrite(corpus.root / "1/3.wav")
    opened.clear()
    after = run(corpus, tmp_path / "store")
    assert {*opened} == {*(f"{i}.wav" for i in range(6)), "3.wav decoded"}, "none is remembered"
    assert after.keys["3"] != before.keys["3"]


@pytest.mark.usefixtures("one_tick", "later")
def test_verifying_reads_all_and_says_what_differs(tmp_path, corpus, opened, capsys):
    before = run(corpus, tmp_path / "store")
    run(corpus, tmp_path / "store", verify=True)
    found = "6 audio files of small were read: 6 are what was remembered, none differs"
    assert found in capsys.readouterr().err
    rewrite(corpus.root / "1/3.wav")  # on a disk that tells nothing of it
    assert run(corpus, tmp_path / "store").keys == before.keys
    opened.clear()
    after = run(corpus, tmp_path / "store", verify=True)
    assert {*opened} == {*(f"{i}.wav" for i in range(6)), "3.wav decoded"}
    said = capsys.readouterr().err
    assert "5 are what was remembered, 1 differ, though their size, times and inode" in said
    assert "3.wav): what depends on them is computed anew" in said
    assert after.keys["3"] != before.keys["3"]
    assert run(corpus, tmp_path / "store").keys == after.keys, "it is remembered from now on"


@pytest.mark.usefixtures("later")
def test_damaged_memory_is_never_used(tmp_path, corpus):
    paths = [corpus.root / file for file in corpus.table["file"]]
    expected = digests.read(paths, tmp_path / "store").digests
    assert len(list((tmp_path / "store").iterdir())) == 2
    (tmp_path / "work").mkdir()

    def use(folder):
        return digests.read(paths, folder).digests == expected

    findings = damaged(tmp_path / "store", use, work=tmp_path / "work")
    assert len(findings) > 30
    assert {finding.outcome for finding in findings} == {"the same"}
    assert any("the audio that it told of is read again" in finding.told for finding in findings)


@pytest.mark.usefixtures("later")
def test_memory_that_cannot_be_kept_stops_nothing(tmp_path, corpus, capsys):
    paths = [corpus.root / file for file in corpus.table["file"]]
    (tmp_path / "store").write_text("a file, not a folder")
    assert len(digests.read(paths, tmp_path / "store").digests) == 6
    assert "is not remembered in" in capsys.readouterr().err


@pytest.mark.usefixtures("later")
def test_what_is_gone_is_forgotten_and_a_missing_file_has_its_reason(tmp_path, corpus):
    paths = [corpus.root / file for file in corpus.table["file"]]
    digests.read(paths, tmp_path / "store")
    paths[0].unlink()
    soundfile.write(paths[2], np.ones(100), audio.SAMPLE_RATE)  # in the same folder
    done = digests.read(paths, tmp_path / "store")
    assert "No such file" in done.reasons[paths[0]]
    text = "".join(path.read_text() for path in (tmp_path / "store").iterdir())
    assert paths[0].name not in text
    assert paths[2].name in text


TWO = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from undertone.audio import digests
digests.time = SimpleNamespace(time_ns=lambda: time.time_ns() + 60 * 10**9)
root, store, own = map(Path, sys.argv[1:4])
paths = sorted(root.rglob("*.wav"))
for turn in range(40):
    digests._known.clear()
    some = [p for p in paths if (int(p.stem) + turn) % 2 == int(str(own))]
    done = digests.read(some, store)
    assert len(done.digests) == len(some) and not done.reasons
"""


@pytest.mark.usefixtures("later")
def test_two_processes_remember_at_once(tmp_path, corpus):
    arguments = [sys.executable, "-c", TWO, str(corpus.root), str(tmp_path / "store")]
    both = [subprocess.Popen([*arguments, own], stderr=subprocess.PIPE) for own in "01"]
    said = [process.communicate(timeout=300)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said == ["", ""], "nothing was found damaged"
    for path in (tmp_path / "store").iterdir():
        assert digests.seals.unseal(path.read_bytes())["format"] == digests.FORMAT
        assert json.loads(path.read_text())["files"]
    paths = [corpus.root / file for file in corpus.table["file"]]
    assert digests.read(paths, tmp_path / "store").digests == digests.read(paths).digests
