import json

import numpy as np
import pytest
import soundfile
import torch
from upstream_fakes import write_encoder, write_whisper

from undertone import audio
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, curve
from undertone.features import extractors, samples
from undertone.features.name import parse
from undertone.features.upstream.batches import build
from undertone.features.upstream.carried import describe, empty
from undertone.features.upstream.source import find
from undertone.features.workers import Recording
from undertone.pipeline import Resources, finetune
from undertone.recogniser.folder import load
from undertone.recogniser.settings import FinetuneSettings
from undertone.serving.predict import predict
from undertone.systems.problem import Material
from undertone.systems.table import check_frames
from undertone.systems.tuned import _heard
from undertone.tasks import Classes
from undertone.training.finite import NotFiniteError
from undertone.training.outputs import class_outputs
from undertone.training.supervised import Labelled
from undertone.training.tuning import (
    LoraTuningConfig,
    TuningConfig,
    _Run,
    predict_waveforms,
    tune,
)

BRIEF = {"max_epochs": 2, "patience": 1, "epochs_without_validation": 1, "batch_size": 4}


def tone(number: int, n_samples: int = 3200) -> np.ndarray:
    pitch_hz = (300, 110)[number % 2] + 5 * (number // 2)
    time_s = np.arange(n_samples) / audio.SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Five speakers, two pitches."""
    folder = tmp_path_factory.mktemp("tones")
    rows = ["file,speaker,emotion"]
    for number in range(20):
        name = f"u{number:02d}.wav"
        soundfile.write(folder / name, tone(number, 6400 + 160 * (number // 2)), 16_000)
        rows.append(f"{name},s{number // 4},{('anger', 'sadness')[number % 2]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("whisper"), seconds=2)


def labelled(numbers) -> Labelled:
    truth = np.eye(2, dtype=np.float32)[[number % 2 for number in numbers]]
    speakers = np.array([f"s{number // 4}" for number in numbers], dtype=object)
    return Labelled([tone(number) for number in numbers], truth, speakers)


def tuned(folder, settings):
    encoder = build(find(f"upstream:{folder}@all"))
    before = {name: value.clone() for name, value in encoder.module.state_dict().items()}
    outputs = class_outputs(2)
    model, chosen = tune(
        encoder,
        train=labelled(range(8)),
        validation=labelled(range(8, 12)),
        outputs=outputs,
        settings=settings,
        seed=1,
    )
    return before, model, chosen, outputs


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("whisper", LoraTuningConfig),
        ("wav2vec2-group", TuningConfig),
        ("wavlm-layer", LoraTuningConfig),
    ],
)
def test_what_is_to_be_trained_changes_and_nothing_else(tmp_path, kind, how):
    if how is LoraTuningConfig:
        pytest.importorskip("peft")
    write_whisper(tmp_path, seconds=2) if kind == "whisper" else write_encoder(tmp_path, kind)
    before, model, chosen, _ = tuned(tmp_path, how(**BRIEF, learning_rates=(1e-3,)))
    after = model.module.state_dict()
    assert after.keys() == before.keys(), "low-rank changes are merged into plain layers"
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    if how is LoraTuningConfig:
        own = ("intermediate_dense", "output_dense") if "wavlm" in kind else ("q_proj", "v_proj")
        assert changed
        assert all(name.split(".")[-2] in own and name.endswith("weight") for name in changed)
    else:
        assert any("layers." in name for name in changed)
        stem = ("conv1.", "conv2.", "embed_positions.", "feature_extractor.")
        assert not any(name.startswith(stem) for name in changed)
    assert chosen.validated
    assert chosen.epochs in (1, 2)


def test_the_learning_rate_is_the_one_that_held_out_labels_speak_for(whisper):
    rates = (0.9, 1e-3)  # the first spoils everything
    _, _, chosen, _ = tuned(whisper, TuningConfig(**BRIEF, learning_rates=rates))
    assert chosen.learning_rate == 1e-3


def test_a_learning_rate_that_ends_in_no_number_is_never_chosen(whisper, monkeypatch):
    def train(run, n_train, rate, n_epochs):
        if rate == 0.9:
            raise NotFiniteError("of this rate")
        return [0.7, 0.5, 0.6]

    monkeypatch.setattr(_Run, "train", train)
    _, _, chosen, _ = tuned(whisper, TuningConfig(**BRIEF, learning_rates=(0.9, 1e-3)))
    assert (chosen.learning_rate, chosen.epochs) == (1e-3, 2)


@pytest.mark.parametrize("n_labels", [8, 12], ids=["while choosing", "in the end"])
def test_weights_that_are_no_numbers_are_not_kept(whisper, monkeypatch, n_labels):
    """The training on the whole budget may fail where those before it did not."""
    real = _Run._losses

    def broken(run, n_train, epoch):
        for loss in real(run, n_train, epoch):
            yield loss * np.nan if n_train == n_labels else loss

    monkeypatch.setattr(_Run, "_losses", broken)
    with pytest.raises(NotFiniteError, match="not finite in epoch 1 of") as told:
        tuned(whisper, TuningConfig(**BRIEF, learning_rates=(1e-3, 1e-4)))
    assert "--set 'tuning.learning_rates=[0.0001, 1e-05]'" in str(told.value)


def test_a_long_recording_is_heard_in_pieces_and_in_no_other_company(whisper, monkeypatch):
    from undertone.features.upstream import batches

    _, model, _, outputs = tuned(whisper, TuningConfig(**BRIEF, learning_rates=(1e-3,)))
    long = np.concatenate([tone(0, 8000), tone(1, 8000)])
    whole = predict_waveforms(model, [long, tone(3)], outputs.activation)
    alone = predict_waveforms(model, [long], outputs.activation)
    np.testing.assert_array_equal(whole[:1], alone)
    monkeypatch.setattr(batches, "PIECE_FRAMES", 30)
    monkeypatch.setattr(batches, "MARGIN_FRAMES", 5)
    seen = []
    states = model.states
    monkeypatch.setattr(model, "states", lambda pieces: seen.append(len(pieces)) or states(pieces))
    with torch.no_grad():
        pooled = model.pooled(long)
    assert seen == [1, 1, 1]
    source = find(f"upstream:{whisper}@all")
    monkeypatch.setattr(batches, "load", lambda source: model.encoder)
    (layers,) = batches.compute_layers([long], source)
    np.testing.assert_allclose(pooled, layers[-1].astype(float).mean(0), atol=2e-3)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_strangers_config_names_no_program_to_run(tmp_path, key):
    folder = write_encoder(tmp_path, "wav2vec2-layer")
    source = find(f"upstream:{folder}@all")
    told = describe(source, build(source))
    told["config"][key] = "somebody/kernels"
    assert empty(told).module.config._attn_implementation in ("sdpa", "eager")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: "somebody/kernels"}))
    module = build(find(f"upstream:{folder}@all")).module
    assert module.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize(
    ("system", "section", "kind"),
    [("encoder_full", "tuning", "whisper"), ("encoder_lora", "lora", "wav2vec2-layer")],
)
def test_a_model_carries_its_encoder_and_says_the_same_without_the_original(
    corpus, tmp_path, system, section, kind
):
    if system == "encoder_lora":
        pytest.importorskip("peft")
    encoder = tmp_path / "encoder"
    write_whisper(encoder, seconds=2) if kind == "whisper" else write_encoder(encoder, kind)
    settings = FinetuneSettings(
        system=system,
        folds=0,
        labels=8,
        features=f"upstream:{encoder}@all",
        of_systems={section: BRIEF | {"learning_rates": (1e-3,)}},
    )
    out = tmp_path / "model"
    resources = Resources(tmp_path / "cache", workers=1, progress=False)
    made, _ = finetune(f"csv={corpus}/labels.csv", out, settings=settings, resources=resources)
    assert made.notes["tuned"]["epochs"] >= 1
    for path in encoder.iterdir():
        path.unlink()
    read = load(out)
    frames = samples.extract(tone(3))
    np.testing.assert_array_equal(read.predict(frames), made.predict(frames))
    assert read.inputs.features == samples.NAME
    (row,) = predict(out, [corpus / "u03.wav"], answer_anyway=True)
    assert row.emotion in ("anger", "sadness")
    content = json.loads((out / "config.json").read_text())
    assert content["model"]["carried"]["family"] == kind.partition("-")[0]


def test_a_damaged_description_of_the_encoder_is_told(corpus, tmp_path, whisper):
    from undertone.features.upstream.carried import describe, empty

    source = find(f"upstream:{whisper}@all")
    told = json.loads(json.dumps(describe(source, build(source))))
    assert empty(told).module.config.encoder_layers == 2
    with pytest.raises(ValueError, match="an encoder of family 'gpt2'"):
        empty(told | {"family": "gpt2"})
    with pytest.raises(UndertoneError, match="must tell d_model as a whole number"):
        empty(told | {"config": told["config"] | {"d_model": 10**9}})


def test_a_curve_has_them_beside_all_layers_and_says_what_they_are_worth(corpus, tmp_path, whisper):
    pytest.importorskip("peft")
    settings = CurveSettings(
        corpus=f"csv={corpus}/labels.csv",
        features=f"upstream:{whisper}@all",
        systems=("encoder_full", "encoder_lora", "layers", "constant"),
        budgets=(8,),
        draws=1,
        folds=2,
        replicates=20,
        of_systems={
            "tuning": BRIEF | {"learning_rates": [1e-3]},
            "lora": BRIEF | {"learning_rates": [1e-3]},
        },
    )
    resources = Resources(tmp_path / "cache", workers=1, progress=False)
    report = curve(settings, tmp_path / "run", resources)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What training the encoder is worth" in page
    assert "all layers, nothing of the encoder trained" in page
    assert report is not None


def test_what_cannot_be_tuned_is_refused(whisper):
    task = Classes(("anger", "sadness"))
    with pytest.raises(
        UndertoneError, match="encoder_full train a pre-trained encoder: --features"
    ):
        check_frames(task, ("encoder_full",), parse("log_mel"))
    with pytest.raises(UndertoneError, match=r"rounded: name the encoder without int8 and"):
        check_frames(task, ("encoder_full",), parse(f"upstream:{whisper}@all+bfloat16"))
    with pytest.raises(UndertoneError, match="waveform is what a model that carries an encoder"):
        check_frames(task, ("descriptors",), parse("waveform"))
    with pytest.raises(UndertoneError, match="learning_rates are one or more numbers"):
        TuningConfig(learning_rates=())


@pytest.mark.parametrize("n_samples", [1, 79, 80, 239, 240, 16_000])
def test_samples_lie_on_the_frame_grid(rng, n_samples):
    waveform = rng.normal(size=n_samples).astype(np.float32)
    frames = extractors.get("waveform").compute(waveform)
    assert len(frames) == audio.n_frames(n_samples)
    kept = min(n_samples, frames.size)
    np.testing.assert_array_equal(samples.joined(frames)[:kept], waveform[:kept])
    assert not samples.joined(frames)[kept:].any()


def test_compilation_is_asked_for_by_name(whisper, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: asked.append(type(self).__name__))
    assert not TuningConfig().compile
    tuned(whisper, TuningConfig(**BRIEF, learning_rates=(1e-3,), compile=True))
    assert asked == ["Layer", "Layer"], "what is run, layer by layer"


def test_a_recording_without_a_frame_of_the_encoder_is_named(corpus):
    """Nobody looks for it by ear among thousands."""

    class Slow:  # an encoder whose frames are half a second
        def n_frames(self, waveform):
            return len(waveform) // 7000

    paths = {"long": corpus / "u18.wav", "click": corpus / "u00.wav"}
    material = Material(
        frames=dict,
        columns=(),
        normaliser=None,
        shape=None,
        recordings={name: Recording(path) for name, path in paths.items()},
    )
    slow = Slow()
    assert len(_heard(material, "long", slow)) >= 7000
    with pytest.raises(UndertoneError, match=r"the utterance click \(.*u00\.wav\) of 400 ms"):
        _heard(material, "click", slow)
