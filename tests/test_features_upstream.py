import importlib.util
import itertools
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from upstream_fakes import KINDS, torch, transformers, write_encoder, write_whisper

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features import extractors, upstream
from undertone.features.name import parse
from undertone.features.upstream import batches, mel

HALF = 2e-3  # what storage in half precision costs values of a few units


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of each kind."""
    root = tmp_path_factory.mktemp("encoders")
    made = {kind: write_encoder(root / kind, kind) for kind in KINDS}
    return made | {"whisper": write_whisper(root / "whisper", seconds=4)}


@pytest.fixture
def voices(rng):
    """Noises that fade, so that a normalisation over padding would show."""
    sizes = (16_000, 12_077, 15_000, 16_000, 4_000)
    return [
        (rng.normal(0, 0.1, n) * np.linspace(1, 0.2, n) + 0.05).astype(np.float32) for n in sizes
    ]


def layers_of(folder, waveforms, options=""):
    return upstream.compute(waveforms, model=upstream.find(f"upstream:{folder}@all{options}"))


@pytest.mark.parametrize("kind", [*KINDS, "whisper"])
def test_a_batch_of_one_equals_a_batch_of_many(folders, voices, kind):
    together = layers_of(folders[kind], voices)
    for waveform, layers in zip(voices, together, strict=True):
        np.testing.assert_allclose(
            layers, layers_of(folders[kind], [waveform])[0], atol=HALF, rtol=0
        )


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_those_of_transformers_on_the_utterance_alone(folders, voices, kind):
    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    prepare = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    inputs = prepare(voices[1], sampling_rate=audio.SAMPLE_RATE, return_tensors="pt").input_values
    with torch.inference_mode():
        reference = torch.stack(model(inputs, output_hidden_states=True).hidden_states, dim=1)[0]
    ours = layers_of(folders[kind], voices)[1]
    np.testing.assert_allclose(ours, reference.numpy(), atol=HALF, rtol=0)


@pytest.mark.parametrize("kind", ["wav2vec2-group", "hubert-group", "wavlm-group", "data2vec"])
def test_what_padding_would_change_is_never_padded(folders, voices, kind):
    encoder = batches.load(upstream.find(f"upstream:{folders[kind]}@all"))
    prepared = [encoder.prepare(waveform) for waveform in voices[:2]]
    with torch.inference_mode():
        padded, alone = encoder.run(prepared)[1], encoder.run(prepared[1:])[0]
    assert (padded - alone).abs().max() > 0.1  # so it matters
    assert encoder.equal_lengths_only
    pieces = [batches.Piece(i, (0, n), (0, n)) for i, n in enumerate((50, 49, 50, 30))]
    planned = [[p.size for p in b] for b in batches.plan_batches(pieces, equal_only=True)]
    assert planned == [[50, 50], [49], [30]]


@pytest.mark.parametrize("kind", ["wav2vec2-layer", "hubert-layer", "wavlm-layer", "whisper"])
def test_what_has_a_mask_may_be_padded(folders, voices, kind):
    encoder = batches.load(upstream.find(f"upstream:{folders[kind]}@all"))
    assert not encoder.equal_lengths_only
    sizes = [encoder.n_frames(waveform) for waveform in voices]
    prepared = [encoder.prepare(waveform) for waveform in voices]
    pieces = [encoder.cut(p, 0, n) for p, n in zip(prepared, sizes, strict=True)]
    with torch.inference_mode():
        for found, piece in zip(encoder.run(pieces), pieces, strict=True):
            torch.testing.assert_close(found, encoder.run([piece])[0], atol=1e-5, rtol=0)


def test_normalisation_follows_the_preprocessor(tmp_path, voices):
    normalised = write_encoder(tmp_path / "a", "hubert-layer")
    raw = write_encoder(tmp_path / "b", "hubert-layer", do_normalize=False)
    loud, quiet = 0.5 * voices[1], 0.05 * voices[1]
    a, b = layers_of(normalised, [loud, quiet])
    np.testing.assert_allclose(a, b, atol=HALF)
    standard = (loud - loud.mean()) / np.sqrt(loud.var() + 1e-7)
    np.testing.assert_allclose(layers_of(raw, [standard])[0], a, atol=HALF)
    assert not np.allclose(*layers_of(raw, [loud, loud + 0.3]), atol=HALF)


@pytest.mark.parametrize("kind", ["hubert-layer", "data2vec", "whisper"])
def test_long_recordings_are_cut_and_joined(folders, rng, monkeypatch, kind):
    waveform = rng.normal(0, 0.1, 3 * audio.SAMPLE_RATE + 77).astype(np.float32)
    whole = layers_of(folders[kind], [waveform])[0]
    monkeypatch.setattr(batches, "PIECE_FRAMES", 100)
    monkeypatch.setattr(batches, "MARGIN_FRAMES", 25)
    joined = layers_of(folders[kind], [waveform])[0]
    assert joined.shape == whole.shape
    if kind == "whisper":  # its positions begin anew with each piece
        first = next(batches.plan_pieces(0, whole.shape[1])).kept[1]
        np.testing.assert_allclose(joined[0, :first], whole[0, :first], atol=HALF, rtol=0)
        return
    np.testing.assert_allclose(joined[0], whole[0], atol=HALF, rtol=0)
    assert np.corrcoef(joined[-1].ravel(), whole[-1].ravel())[0, 1] > 0.9


def test_pieces_cover_a_recording_once_and_stay_short():
    for n_frames in (1, 999, 1000, 1001, 1600, 90_000):
        pieces = list(batches.plan_pieces(3, n_frames))
        kept = [frame for p in pieces for frame in range(*p.kept)]
        assert kept == list(range(n_frames))
        assert all(p.size <= batches.PIECE_FRAMES and p.recording == 3 for p in pieces)
        for before, after in itertools.pairwise(pieces):
            assert before.seen[1] - before.kept[1] == batches.MARGIN_FRAMES
            assert after.kept[0] - after.seen[0] == batches.MARGIN_FRAMES


@pytest.mark.parametrize("seconds", [0.1, 1.234, 29.99, 30])
def test_log_mel_is_that_of_transformers(rng, seconds):
    n = round(seconds * audio.SAMPLE_RATE)
    waveform = (rng.normal(0, 0.1, n) * np.sin(np.arange(n) / 300)).astype(np.float32)
    for bands in (80, 128):
        extractor = transformers.WhisperFeatureExtractor(feature_size=bands)
        reference = extractor(waveform, sampling_rate=audio.SAMPLE_RATE, return_tensors="np")
        ours = mel.log_mel(waveform, 3000, bands)
        # the last column of a full window sees zeros behind it, not the mirror image
        np.testing.assert_allclose(
            ours[:, :2999], reference["input_features"][0][:, :2999], atol=5e-5
        )


def test_the_frames_are_at_their_true_rate_and_place(folders, voices):
    hubert = upstream.find(f"upstream:{folders['hubert-group']}@all")
    assert (hubert.frames_per_second, hubert.first_centre) == (50, 199.5)
    assert hubert.n_layers == 4
    extractor = extractors.get(f"upstream:{folders['hubert-group']}@2")
    np.testing.assert_allclose(extractor.times_s(3) * audio.SAMPLE_RATE, [199.5, 519.5, 839.5])
    whisper = extractors.get(f"upstream:{folders['whisper']}@2")
    np.testing.assert_allclose(whisper.times_s(3) * audio.SAMPLE_RATE, [0, 320, 640])
    click = np.zeros(8000, np.float32)
    click[320 * 10 + 200] = 0.5  # in the middle of frame 10
    frames = layers_of(folders["wav2vec2-layer"], [click])[0][0].astype(np.float32)
    assert np.abs(np.diff(frames, axis=0)).sum(axis=1).argmax() in (9, 10)


@pytest.mark.parametrize(
    "kind", ["WhisperModel", "WhisperForConditionalGeneration", "WhisperForAudioClassification"]
)
def test_every_kind_of_whisper_gives_its_encoder(tmp_path, voices, kind):
    folder = write_whisper(tmp_path, kind, seconds=4)
    model = getattr(transformers, kind).from_pretrained(folder).eval()
    encoder = model.encoder if hasattr(model, "encoder") else model.get_encoder()
    prepare = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    columns = prepare(voices[1], sampling_rate=audio.SAMPLE_RATE, return_tensors="pt")
    with torch.inference_mode():
        states = encoder(columns.input_features, output_hidden_states=True).hidden_states
    found = layers_of(folder, voices, "+padded")[1]
    reference = torch.stack(states, dim=1)[0, :, : found.shape[1]]
    np.testing.assert_allclose(found, reference.numpy(), atol=HALF, rtol=0)


def test_whisper_sees_the_same_speech_however_much_silence(folders, voices):
    options = ("", "+padded", "+bare")
    thinned, padded, bare = (layers_of(folders["whisper"], voices, o) for o in options)
    for one, exact, other in zip(thinned, padded, bare, strict=True):
        np.testing.assert_allclose(one[0], exact[0], atol=HALF, rtol=0)
        np.testing.assert_allclose(other[0], exact[0], atol=HALF, rtol=0)
        assert np.abs(one[-1] - exact[-1]).max() < 0.2 * np.abs(other[-1] - exact[-1]).max()


def test_thinned_silence_is_exact_where_positions_do_not_differ(tmp_path, voices):
    folder = write_whisper(tmp_path, "WhisperForAudioClassification", seconds=4)
    model = transformers.WhisperForAudioClassification.from_pretrained(folder)
    with torch.no_grad():
        model.encoder.embed_positions.weight.zero_()
    model.save_pretrained(folder)
    thinned, padded = (layers_of(folder, voices, o) for o in ("", "+padded"))
    for one, exact in zip(thinned, padded, strict=True):
        # but for the last position of the window, which sees the edge of the convolution
        np.testing.assert_allclose(one, exact, atol=0.02, rtol=0)


@pytest.mark.corpora
@pytest.mark.weights
def test_thinned_silence_is_close_on_real_speech(corpora_root, weights_root):
    paths = sorted((corpora_root / "emodb" / "audio").iterdir())[::150]
    clips = [audio.read(path) for path in paths]
    folder = weights_root / "whisper-base-encoder"
    thinned, padded, bare = (layers_of(folder, clips, o) for o in ("", "+padded", "+bare"))
    distances = np.array([[_distance(a, b) for a in (one, other)] for one, other, b in
                          zip(thinned, bare, padded, strict=True)]).mean(axis=0)  # fmt: skip
    assert (distances[0, :4] < 0.04).all()
    assert (distances[0] < 0.4).all()
    assert (distances[0, 1:] < 0.7 * distances[1, 1:]).all()


def _distance(found, exact):
    """Of each layer, relative."""
    error, size = (np.square(x.astype(float)).sum(axis=(1, 2)) for x in (found - exact, exact))
    return np.sqrt(error / size)


def test_a_model_is_named_by_its_content_alone(folders, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.symlink_to(folders["hubert-group"])
    here, there = (upstream.find(f"upstream:{f}@1") for f in (folders["hubert-group"], moved))
    assert here.digest == there.digest
    assert here.columns() == there.columns()
    assert here.digest != upstream.find(f"upstream:{folders['hubert-layer']}@1").digest


def test_layers_and_options_are_those_of_the_name(folders):
    folder = folders["whisper"]
    model = upstream.find(f"upstream:{folder}@1+padded+bfloat16")
    assert model.layers == range(1, 2)
    assert model.options == upstream.Options(padded=True, bfloat16=True)
    assert upstream.find(parse(f"upstream:{folder}@0-1")).layers == range(2)
    assert len(extractors.get(f"upstream:{folder}@all").columns) == 3 * 32


@pytest.mark.parametrize(
    ("kind", "rest", "message"),
    [
        ("hubert-group", "@9", "has the layers 0 to 3"),
        ("hubert-group", "@-1", "has the layers 0 to 3"),
        ("hubert-group", "@2-1", "has the layers 0 to 3"),
        ("hubert-group", "@2-4", "for several as 2-4"),
        ("hubert-group", "@auto", "is for `undertone curve`"),
        ("hubert-group", "@1+padded", "are for whisper encoders"),
    ],
)
def test_a_wrong_name_is_told(folders, kind, rest, message):
    with pytest.raises(UndertoneError, match=message):
        upstream.find(f"upstream:{folders[kind]}{rest}")


def test_a_wrong_folder_is_told(tmp_path, folders):
    with pytest.raises(UndertoneError, match="expected upstream:MODEL@LAYER, found 'log_mel'"):
        upstream.find("log_mel")
    with pytest.raises(UndertoneError, match=r"no folder .* of an encoder"):
        upstream.find(f"upstream:{tmp_path / 'nowhere'}@1")
    with pytest.raises(UndertoneError, match=r"config.json cannot be read: No such file"):
        upstream.find(f"upstream:{tmp_path}@1")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UndertoneError, match="model_type 'bert'; encoders are wav2vec2"):
        upstream.find(f"upstream:{tmp_path}@1")
    config = (folders["hubert-group"] / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    with pytest.raises(UndertoneError, match="expects 8000 Hz"):
        upstream.find(f"upstream:{tmp_path}@1")
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(UndertoneError, match="no weights in"):
        upstream.find(f"upstream:{tmp_path}@1")


def test_weights_of_another_model_are_refused(tmp_path, folders, voices):
    write_encoder(tmp_path, "hubert-group")
    weights = (folders["wav2vec2-group"] / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:-100])
    with pytest.raises(UndertoneError, match="cannot be loaded"):
        layers_of(tmp_path, voices)
    write_encoder(tmp_path, "distilhubert")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(UndertoneError, match=r"lack encoder.layers.2"):
        layers_of(tmp_path, voices)


def test_a_name_on_the_hub_is_fetched_once(monkeypatch, folders):
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def snapshot_download(name, *, allow_patterns, local_files_only=False):
        asked.append((local_files_only, tuple(allow_patterns)))
        if local_files_only and len(asked) == 1:
            raise FileNotFoundError("not in the cache")
        return str(folders["hubert-group"])

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    there = [SimpleNamespace(rfilename=name) for name in ("config.json", "model.safetensors")]
    told = SimpleNamespace(siblings=there)
    monkeypatch.setattr(hub.HfApi, "model_info", lambda self, name, **options: told)
    assert upstream.find("upstream:somebody/hubert@1").folder == folders["hubert-group"]
    assert [local for local, _ in asked] == [True, False]
    assert not any(".bin" in pattern for pattern in asked[1][1])
    upstream.find("upstream:somebody/hubert@1")
    assert [local for local, _ in asked] == [True, False, True]

    def fails(name, **options):
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(hub, "snapshot_download", fails)
    with pytest.raises(UndertoneError, match="is no folder here, and could not be fetched"):
        upstream.find("upstream:somebody/else@1")


def test_the_missing_extra_says_what_installs_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[upstream\]'"):
        extractors.get("upstream:x@1")


def test_bfloat16_is_close_to_single_precision(folders, voices):
    exact, rough = (layers_of(folders["hubert-layer"], voices, o) for o in ("", "+bfloat16"))
    for one, other in zip(exact, rough, strict=True):
        assert np.abs(one.astype(np.float32) - other).max() < 0.05 * np.abs(one).max()
        assert not np.array_equal(one, other)


def test_whisper_needs_neither_transformers_nor_a_compiler_at_serving(tmp_path):
    folder = write_whisper(tmp_path / "whisper", seconds=4)
    program = f"""
import sys
import numpy as np
from undertone.features import extractors
extractors.get("upstream:{folder}@all").compute(np.random.default_rng(0).normal(size=8000))
print(sorted({{"transformers", "sympy", "torch._dynamo"}} & set(sys.modules)))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
