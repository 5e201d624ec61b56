import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from upstream_fakes import torch, transformers, write_encoder, write_whisper

from undertone import audio, corpora
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.errors import UndertoneError
from undertone.features import extractors, mappings, upstream, workers
from undertone.features.store import extract, extract_file
from undertone.features.upstream import batches
from undertone.features.vectors import FOLDER, mean_sd, summarise

RATE = audio.SAMPLE_RATE


@pytest.fixture
def corpus(tmp_path, rng):
    root = tmp_path / "corpus"
    root.mkdir()
    files = [f"{i:02d}.wav" for i in range(20)]
    for file in files:
        soundfile.write(root / file, 0.1 * rng.normal(size=rng.integers(4000, 8000)), RATE)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, [None] * len(files)))
    table = table.assign(file=files, utterance=[file[:2] for file in files])
    return Corpus("small", root, table, licence="none", citation="none")


@pytest.fixture
def encoder(tmp_path):
    return write_encoder(tmp_path / "hubert", "hubert-layer")


def run(corpus, features, folder, **options):
    return extract(corpus, features, folder=folder, **{"workers": 1, "progress": False} | options)


def test_all_layers_are_computed_once_and_each_is_a_view(tmp_path, corpus, encoder, monkeypatch):
    every = run(corpus, f"upstream:{encoder}@all", tmp_path / "store")
    monkeypatch.setattr(batches, "compute_layers", None)  # nothing is computed from here on
    layers = [run(corpus, f"upstream:{encoder}@{k}", tmp_path / "store") for k in range(4)]
    assert len(list((tmp_path / "store").glob("upstream-*"))) == 1
    for utterance in every.utterances:
        side_by_side = np.concatenate([t.frames(utterance) for t in layers], axis=1)
        np.testing.assert_array_equal(every.frames(utterance), side_by_side)
        assert every.frames(utterance).dtype == np.float32
        assert every.lengths[utterance] == layers[0].lengths[utterance] == len(side_by_side)
    some = run(corpus, f"upstream:{encoder}@1-2", tmp_path / "store")
    both = np.concatenate([layers[k].frames(utterance) for k in (1, 2)], axis=1)
    np.testing.assert_array_equal(some.frames(utterance), both)
    assert some.columns == layers[1].columns + layers[2].columns
    assert every.frames_per_second == 50
    assert every.columns == sum((t.columns for t in layers), ())
    home = next((tmp_path / "store").glob("upstream-*"))
    assert {np.load(path).dtype.str for path in home.glob("*.npy")} == {"<f2"}
    mappings.forget()


def stored(folder, *, frames):
    """Arrays of frames, or of vectors, by path below the encoder's folder."""
    home = next(folder.glob("upstream-*"))
    kind = np.float16 if frames else np.float32
    arrays = {path.relative_to(home): np.load(path) for path in home.rglob("*.npy")}
    return {path: array for path, array in arrays.items() if array.dtype == kind}


def test_for_means_alone_no_frame_is_kept(tmp_path, corpus, encoder):
    features = f"upstream:{encoder}@all"
    table = run(corpus, features, tmp_path / "store", frames=False)
    assert not stored(tmp_path / "store", frames=True)
    means = summarise(table)
    n_bytes = sum(array.nbytes for array in stored(tmp_path / "store", frames=False).values())
    assert n_bytes == len(corpus) * 4 * 2 * 32 * 4  # layers, mean and sd, width, float32
    whole = run(corpus, features, tmp_path / "whole")
    for name in whole.utterances:
        of_layers = whole.frames(name).reshape(-1, 4, 32).transpose(1, 0, 2)
        np.testing.assert_array_equal(means.frames(name), mean_sd(of_layers))
    assert table.lengths == whole.lengths
    assert table.contents == whole.contents, "copies are told from others as before"
    assert table.keys == whole.keys
    with pytest.raises(UndertoneError, match=r"'00' the store keeps means .* frames=True"):
        table.frames("00")


def test_frames_are_kept_of_the_layer_that_is_asked_for(tmp_path, corpus, encoder, monkeypatch):
    run(corpus, f"upstream:{encoder}@all", tmp_path / "store", frames=False)
    means = stored(tmp_path / "store", frames=False)
    table = run(corpus, f"upstream:{encoder}@2", tmp_path / "store")
    assert {path.parts[0] for path in stored(tmp_path / "store", frames=True)} == {"layers_02-02"}
    assert stored(tmp_path / "store", frames=False).keys() == means.keys(), "no vector twice"
    whole = run(corpus, f"upstream:{encoder}@2", tmp_path / "fresh")
    every = run(corpus, f"upstream:{encoder}@all", tmp_path / "every")
    for name in table.utterances:
        np.testing.assert_array_equal(table.frames(name), whole.frames(name))
        np.testing.assert_array_equal(table.frames(name), every.frames(name)[:, 64:96])
    run(corpus, f"upstream:{encoder}@1-3", tmp_path / "store")
    monkeypatch.setattr(batches, "compute_layers", None)  # nothing is computed from here on
    inside = run(corpus, f"upstream:{encoder}@3", tmp_path / "store")
    np.testing.assert_array_equal(inside.frames("07"), every.frames("07")[:, 96:])
    assert stored(tmp_path / "store", frames=False).keys() == means.keys()


def test_a_cache_of_frames_without_means_is_read(tmp_path, corpus, encoder, monkeypatch):
    """As every cache was before means were kept."""
    features = f"upstream:{encoder}@all"
    expected = summarise(run(corpus, features, tmp_path / "store"))
    before = {name: expected.frames(name).copy() for name in expected.utterances}
    mappings.forget()
    home = next((tmp_path / "store").glob("upstream-*"))
    shutil.rmtree(home / FOLDER)
    monkeypatch.setattr(batches, "compute_layers", None)
    table = run(corpus, features, tmp_path / "store", frames=False)
    for name, vectors in before.items():
        np.testing.assert_array_equal(summarise(table).frames(name), vectors)


def test_a_table_equals_what_one_file_gives(tmp_path, corpus, encoder):
    features = f"upstream:{encoder}@2"
    table = run(corpus, features, tmp_path / "store")
    frames, times_s = extract_file(corpus.root / "03.wav", features)
    np.testing.assert_allclose(table.frames("03"), frames, atol=2e-3)
    assert times_s[0] == pytest.approx(199.5 / RATE)
    assert len(times_s) == len(frames) == table.lengths["03"]


def test_the_store_knows_weights_by_content(tmp_path, corpus, encoder, monkeypatch):
    run(corpus, f"upstream:{encoder}@1", tmp_path / "store")
    moved = encoder.rename(tmp_path / "moved")
    monkeypatch.setattr(batches, "compute_layers", None)
    run(corpus, f"upstream:{moved}@1", tmp_path / "store")
    monkeypatch.undo()
    write_whisper(tmp_path / "whisper", seconds=4)
    for options in ("", "+bare"):
        run(corpus, f"upstream:{tmp_path / 'whisper'}@1{options}", tmp_path / "store")
    assert len(list((tmp_path / "store").glob("upstream-*"))) == 3


def test_a_recording_that_fails_costs_the_others_nothing(tmp_path, corpus, encoder, monkeypatch):
    (corpus.root / "03.wav").write_bytes(b"")
    compute = batches.compute_layers

    def stumbles(waveforms, model):
        if any(len(waveform) == bad for waveform in waveforms):
            raise MemoryError("too much")
        return compute(waveforms, model)

    bad = len(audio.read(corpus.root / "05.wav"))
    monkeypatch.setattr(batches, "compute_layers", stumbles)
    table = run(corpus, f"upstream:{encoder}@1", tmp_path / "store")
    assert set(table.failures) == {"03", "05"}
    assert "too much" in table.failures["05"]


@pytest.mark.parametrize("kind", ["hubert-layer", "whisper"])
def test_neither_processes_nor_a_stopped_run_change_a_bit(tmp_path, rng, monkeypatch, kind):
    """Which recordings share a batch, and so how sums are rounded, hangs on the corpus alone."""
    root = tmp_path / "many"
    root.mkdir()
    files = [f"{i:02d}.wav" for i in range(40)]
    for file in files:  # of lengths that are alike, so that they are padded together
        soundfile.write(root / file, 0.1 * rng.normal(size=rng.integers(6000, 6800)), RATE)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, [None] * len(files)))
    table = table.assign(file=files, utterance=[file[:2] for file in files])
    corpus = Corpus("many", root, table, licence="none", citation="none")
    folder = tmp_path / kind
    (write_whisper(folder, seconds=4) if kind == "whisper" else write_encoder(folder, kind))
    features = f"upstream:{folder}@all"
    one = run(corpus, features, tmp_path / "one")
    monkeypatch.setattr(workers, "SECONDS_ALONE", 0)
    two = run(corpus, features, tmp_path / "two", workers=2)
    before = {utterance: one.frames(utterance).copy() for utterance in one.utterances}
    for shard in sorted(path for path in (tmp_path / "one").rglob("*.*") if path.is_file())[2:4]:
        shard.unlink()  # as if it had been stopped before
    stopped = run(corpus, features, tmp_path / "one")
    alone = [extract_file(root / file, features)[0] for file in files]
    for (utterance, frames), of_one in zip(before.items(), alone, strict=True):
        np.testing.assert_array_equal(two.frames(utterance), frames)
        np.testing.assert_array_equal(stopped.frames(utterance), frames)
        np.testing.assert_allclose(frames, of_one, atol=5e-3)


def test_an_extractor_can_be_sent_to_another_process(encoder, rng):
    extractor = extractors.get(f"upstream:{encoder}@1")
    content = pickle.dumps(extractor)
    assert len(content) < 5000  # no weights go with it
    waveform = rng.normal(0, 0.1, 4000).astype(np.float32)
    np.testing.assert_array_equal(
        pickle.loads(content).compute(waveform), extractor.compute(waveform)
    )


def test_a_model_is_loaded_once(encoder, monkeypatch, rng):
    model = upstream.find(f"upstream:{encoder}@all")
    waveform = rng.normal(0, 0.1, 4000).astype(np.float32)
    upstream.compute([waveform], model=model)
    monkeypatch.setattr(batches, "read_module", None)
    upstream.compute([waveform, waveform], model=model)


def test_an_unknown_extractor_is_refused():
    with pytest.raises(UndertoneError, match="log_mel, waveform, upstream:MODEL@LAYER"):
        extractors.get("nothing")


@pytest.mark.corpora
@pytest.mark.weights
def test_learned_weights_beat_random_ones(corpora_root, weights_root, tmp_path):
    folder = weights_root / "whisper-base-encoder"
    config = transformers.AutoConfig.from_pretrained(folder)
    config.dtype = "float32"
    torch.manual_seed(0)
    transformers.WhisperForAudioClassification(config).save_pretrained(tmp_path)
    prepare = (folder / "preprocessor_config.json").read_text()
    (tmp_path / "preprocessor_config.json").write_text(prepare)
    table = _one_sentence(corpora.open(f"ravdess={corpora_root / 'ravdess'}"))
    learned, random = (_probe(table, f) for f in (folder, tmp_path))
    assert learned > 0.6  # chance is 0.13
    assert random < learned - 0.2


def _one_sentence(corpus):
    """One sentence, said once in each of eight emotions by eight actors, strongly where told."""
    rows, of_name = corpus.table, corpus.table["utterance"].str
    strong = (of_name[9:11] == "02") | (rows["emotion"] == "neutral")
    chosen = rows["speaker"].astype(int).le(8) & (of_name[12:17] == "01-01") & strong
    return rows[chosen].assign(path=[corpus.root / file for file in rows["file"][chosen]])


def _probe(table, folder):
    """Share of right answers of a linear probe on layer 3, on speakers it did not know."""
    spoken = slice(round(0.9 * audio.SAMPLE_RATE), round(2.6 * audio.SAMPLE_RATE))
    waveforms = [audio.read(path)[spoken] for path in table["path"]]
    layers = upstream.compute(waveforms, model=upstream.find(f"upstream:{folder}@3"))
    vectors = np.stack([layer[3].astype(np.float32).mean(axis=0) for layer in layers])
    known = (table["speaker"].astype(int) <= 4).to_numpy()
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    right = []
    for train in (known, ~known):
        probe.fit(vectors[train], table["emotion"][train])
        right.append(probe.score(vectors[~train], table["emotion"][~train]))
    return np.mean(right)
