"""What a GPU computes beside the processor: `make test-gpu`.

Nothing here grows with the machine: networks are tiny, and what is timed ends by the clock, so that
all of it takes less than two minutes.
"""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from upstream_fakes import write_encoder, write_whisper

from undertone import device
from undertone.features.upstream import batches
from undertone.features.upstream.source import find
from undertone.models.cnn import CnnConfig
from undertone.models.encoder import EncoderConfig
from undertone.models.gru import GRU
from undertone.pipeline import Resources, finetune
from undertone.recogniser.folder import load
from undertone.recogniser.settings import FinetuneSettings
from undertone.training.outputs import class_outputs
from undertone.training.pretrain import PretrainConfig, pretrain
from undertone.training.segments import fit_cnn, predict_segments
from undertone.training.supervised import Labelled

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
OF_FRAMES = 2e-2  # frames of an encoder are of the order of 1, and kept in half precision
OF_LOSSES = 2e-2  # relative: products in TF32 on one side, in bfloat16 or float32 on the other
SECONDS = 6.0  # of each of three measurements

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def on_gpu():
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU that computes with CUDA: torch.cuda.is_available() is false")
    with device.using("cuda"):
        yield


def on_processor(compute):
    with device.using("cpu"):
        return compute()


def test_the_gru_of_cudnn_gives_what_ours_does(rng):
    torch.manual_seed(0)
    gru = GRU(40, 64, precision="float32")
    x = torch.from_numpy(rng.normal(size=(6, 50, 40)).astype(np.float32))
    lengths = torch.tensor([50, 50, 31, 20, 7, 1])
    expected, expected_last = gru(x, lengths)
    output, last = gru.to("cuda")(x.to("cuda"), lengths)
    torch.testing.assert_close(output.cpu(), expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(last.cpu(), expected_last, atol=1e-2, rtol=0)


@pytest.mark.parametrize("objective", ["functionals", "functionals+contrast", "clusters"])
def test_losses_of_pretraining_are_those_of_the_processor(rng, objective, tmp_path):
    utterances = [rng.normal(size=(n, 8)).astype(np.float32) for n in rng.integers(20, 90, 40)]
    settings = PretrainConfig(objective=objective, max_epochs=2, batch_size=8, crop_steps=60)
    given = {"shape": EncoderConfig(32, 2, 1), "settings": settings, "seed": 1}
    found = pretrain(utterances, **given, folder=tmp_path)
    expected = on_processor(lambda: pretrain(utterances, **given))
    for ours, theirs in zip(found.history, expected.history, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=OF_LOSSES)
        assert ours.held_out_loss == pytest.approx(theirs.held_out_loss, rel=OF_LOSSES)
    again = pretrain(utterances, **given, folder=tmp_path)
    assert again.history == found.history, "a checkpoint of a GPU is read on one"


@pytest.mark.parametrize("kind", ["whisper", "wav2vec2-group", "hubert-layer", "wavlm-layer"])
def test_frames_of_an_encoder_are_those_of_the_processor(tmp_path, rng, kind):
    write_whisper(tmp_path, seconds=2) if kind == "whisper" else write_encoder(tmp_path, kind)
    source = find(f"upstream:{tmp_path}@all")
    waveforms = [0.1 * rng.normal(size=n).astype(np.float32) for n in (8000, 12_000, 8000)]
    found = batches.compute_layers(waveforms, source)
    expected = on_processor(lambda: batches.compute_layers(waveforms, source))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=OF_FRAMES)


def test_a_cnn_is_trained_and_predicts(rng):
    truth = np.eye(2, dtype=np.float32)[np.arange(20) % 2]
    steps = [rng.normal(size=(30, 6)).astype(np.float32) + i % 2 for i in range(20)]
    labelled = Labelled(steps, truth, np.array(["s"] * 20, dtype=object))
    settings = CnnConfig(channels=16, max_epochs=10, epochs_without_validation=10)
    network = fit_cnn(
        labelled,
        replace(labelled, steps=[], truth=truth[:0]),
        outputs=class_outputs(2),
        steps_per_second=25,
        settings=settings,
        seed=1,
    )
    found = predict_segments(
        network, steps, class_outputs(2).activation, steps_per_second=25, settings=settings
    )
    assert (found.argmax(1) == truth.argmax(1)).mean() > 0.9


@pytest.mark.parametrize("system", ["encoder_full", "encoder_lora"])
def test_a_model_that_a_gpu_trained_is_served_by_a_processor(tmp_path, rng, system):
    if system == "encoder_lora":
        pytest.importorskip("peft")
    encoder, rows = write_whisper(tmp_path / "encoder", seconds=2), ["file,speaker,emotion"]
    for number in range(16):
        name = f"u{number:02d}.wav"
        soundfile.write(tmp_path / name, 0.1 * rng.normal(size=6400), 16_000)
        rows.append(f"{name},s{number // 4},{('anger', 'sadness')[number % 2]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    settings = FinetuneSettings(system=system, folds=0, features=f"upstream:{encoder}@all")
    resources = Resources(tmp_path / "cache", workers=1, progress=False, device="cuda")
    made, _ = finetune(
        f"csv={tmp_path}/labels.csv", tmp_path / "model", settings=settings, resources=resources
    )
    frames = rng.normal(size=(40, 160)).astype(np.float32)
    with device.using("cpu"):
        read = load(tmp_path / "model")
    assert device.place_of(read.fitted.network).type == "cpu"
    np.testing.assert_allclose(read.predict(frames), made.predict(frames), atol=OF_FRAMES)


def test_frames_a_second_and_share_of_the_peak(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("devices")
    found = script.compare("cuda", SECONDS, 60_000)
    with capsys.disabled():
        print("", torch.cuda.get_device_name(), *found, sep="\n")
        print(f"GPU over one core: {found[-1].frames_a_second / found[0].frames_a_second:.1f}")
    assert found[-1].frames_a_second > found[0].frames_a_second
    assert 0 < found[-1].share < 1
