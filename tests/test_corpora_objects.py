"""Data sets of other libraries in memory, to corpora; corpora to Parquet and audformat."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
import tones

import undertone
from undertone import corpora
from undertone.corpora import objects, out
from undertone.errors import UndertoneError
from undertone.reading import opened

datasets = pytest.importorskip("datasets")
ROWS = tones.rows(n_speakers=2, n_each=2)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    datasets.disable_progress_bars()
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tones")
    tones.write(place, n_speakers=2, n_each=2)
    return place


def as_bytes(samples):
    content = io.BytesIO()
    soundfile.write(content, samples, tones.RATE, format="WAV")
    return content.getvalue()


def dataset(audio):
    """Labels as numbers of a ``ClassLabel``, the first of them missing."""
    labels = ["anger", "sadness"]
    found = datasets.Dataset.from_dict(
        {
            "audio": audio,
            "label": [
                labels.index(emotion) if i else -1 for i, (_, _, emotion, _) in enumerate(ROWS)
            ],
            "speaker_id": [speaker for _, speaker, _, _ in ROWS],
            "text": [None] * len(ROWS),
        }
    )
    return found.cast_column("label", datasets.ClassLabel(names=labels))


def check(corpus):
    assert corpus.table["speaker"].tolist() == [speaker for _, speaker, _, _ in ROWS]
    emotions = [emotion for _, _, emotion, _ in ROWS]
    assert corpus.table["emotion"].tolist() == [None, *emotions[1:]]


def test_recordings_in_a_data_set_are_written_once_under_their_content(tmp_path):
    held = [{"bytes": as_bytes(samples), "path": f"{name}.wav"} for name, _, _, samples in ROWS]
    given = dataset(held).cast_column("audio", datasets.Audio(sampling_rate=16_000))
    corpus = opened(given)  # no decoder of the other library is asked for
    check(corpus)
    files = sorted((tmp_path / "cache" / "datasets").iterdir())
    assert len(files) == len(ROWS)
    assert corpus.table["utterance"][0].startswith("s0-anger-0-")
    before = [file.stat().st_mtime_ns for file in files]
    check(opened(given))
    assert [file.stat().st_mtime_ns for file in files] == before
    table = undertone.extract(given, "log_mel", undertone.Resources(workers=1, progress=False))
    assert len(table) == len(ROWS)


def test_recordings_that_a_data_set_names_stay_where_they_are(folder, tmp_path, monkeypatch):
    held = [{"bytes": None, "path": str(folder / f"{name}.wav")} for name, *_ in ROWS]
    corpus = opened(dataset(held).cast_column("audio", datasets.Audio(decode=False)))
    check(corpus)
    assert corpus.table["utterance"].tolist() == [name for name, *_ in ROWS]
    assert not (tmp_path / "cache" / "datasets").exists()
    paths = dataset([one["path"] for one in held]).rename_column("audio", "path")
    check(opened(paths))
    monkeypatch.chdir(folder)
    check(opened(dataset([f"{name}.wav" for name, *_ in ROWS])))


def test_samples_become_recordings():
    held = [{"array": samples.tolist(), "sampling_rate": tones.RATE} for *_, samples in ROWS]
    corpus = objects.of_object(dataset(held), name="mine")
    check(corpus)
    samples, rate = soundfile.read(corpus.root / corpus.table["file"][0])
    assert (corpus.name, rate) == ("mine", tones.RATE)
    np.testing.assert_allclose(samples, ROWS[0][3], atol=1e-7)


def test_splits_streams_and_data_sets_without_audio_are_refused():
    plain = datasets.Dataset.from_dict({"label": ["anger"], "speaker": ["a"]})
    with pytest.raises(UndertoneError, match="has the columns label, speaker, and none of audio"):
        opened(plain)
    with pytest.raises(UndertoneError, match=r"the splits train: give one of them"):
        opened(datasets.DatasetDict({"train": plain}))
    with pytest.raises(UndertoneError, match=r"expected a datasets.Dataset, found a Features"):
        opened(plain.features)
    with pytest.raises(UndertoneError, match="IterableDataset: give it in memory"):
        opened(plain.to_iterable_dataset())
    held = dataset([{"array": [0.1] * 3200, "sampling_rate": None}] * len(ROWS))
    with pytest.raises(UndertoneError, match="without their sampling_rate"):
        opened(held)
    with pytest.raises(UndertoneError, match=r"a Corpus, a datasets\.Dataset or an audformat"):
        opened(3)


@pytest.fixture(scope="module")
def corpus(folder):
    table = corpora.open(str(folder / "labels.csv"))
    rows = table.table.assign(
        sex=np.where(table.table["speaker"] == "s0", "female", "male"),
        language="deu",
        transcript="ja, gut",
        arousal=np.linspace(1, 5, len(table)),
    )
    rows.loc[0, ["emotion", "speaker"]] = None
    return table.with_table(rows).with_source(licence="CC0-1.0", citation="Somebody (2026)")


KEPT = ["utterance", "speaker", "sex", "language", "transcript", "emotion"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_corpus_comes_back_from_parquet(corpus, folder, tmp_path, inside):
    path = (folder if inside else tmp_path) / f"whole{inside}.parquet"
    out.to_parquet(corpus, path)
    again = corpora.open(str(path))
    pd.testing.assert_frame_equal(again.table[KEPT], corpus.table[KEPT])
    np.testing.assert_allclose(again.table["arousal"].astype(float), corpus.table["arousal"])
    assert again.table["file"][0].startswith("/") != inside
    with pytest.raises(UndertoneError, match="overwrite=True"):
        out.to_parquet(corpus, path)
    out.to_parquet(corpus, path, overwrite=True)
    with pytest.raises(UndertoneError, match=r"ends in \.parquet"):
        out.to_parquet(corpus, tmp_path / "x.csv")


def test_a_corpus_comes_back_from_audformat_and_from_its_object(corpus, tmp_path):
    pytest.importorskip("audformat")
    out.to_audformat(corpus, tmp_path / "db")
    again = corpora.open(str(tmp_path / "db"))
    pd.testing.assert_frame_equal(again.table[KEPT[1:]], corpus.table[KEPT[1:]])
    assert (again.name, again.licence, again.citation) == (
        corpus.name,
        "CC0-1.0",
        "Somebody (2026)",
    )
    with pytest.raises(UndertoneError, match="is there already"):
        out.to_audformat(corpus, tmp_path / "db")
    with pytest.raises(UndertoneError, match=r"a Corpus, a datasets\.Dataset or an audformat"):
        opened(out.as_database(corpus, tmp_path)["emotion"])
    of_object = opened(out.as_database(corpus, tmp_path))
    pd.testing.assert_frame_equal(of_object.table[KEPT[1:]], corpus.table[KEPT[1:]])


def test_segments_come_back_from_audformat(corpus, tmp_path):
    pytest.importorskip("audformat")
    rows = corpus.table.assign(file=corpus.table["file"][0], start_s=np.arange(len(corpus)) / 100)
    rows["end_s"] = rows["start_s"] + 0.2
    rows.loc[0, "end_s"] = np.nan
    out.to_audformat(corpus.with_table(rows), tmp_path / "db")
    again = corpora.open(str(tmp_path / "db"))
    np.testing.assert_allclose(again.table["start_s"].fillna(0), rows["start_s"], atol=1e-6)
    np.testing.assert_allclose(again.table["end_s"], rows["end_s"], atol=1e-6)
