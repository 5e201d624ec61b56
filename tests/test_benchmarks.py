"""The benchmarks run, and the alternative they measure computes what it should."""

import contextlib
import importlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from undertone.training.team import ALONE

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Five speakers, two pitches."""
    folder = tmp_path_factory.mktemp("tones")
    rows = ["file,speaker,emotion"]
    for number in range(10):
        emotion, f0_hz = (("anger", 300), ("sadness", 110))[number % 2]
        time_s = np.arange(4000 + 400 * number) / 16_000
        name = f"u{number:02d}.wav"
        soundfile.write(folder / name, 0.1 * np.sin(2 * np.pi * f0_hz * time_s), 16_000)
        rows.append(f"{name},s{number // 2},{emotion}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    """Run a benchmark in this process and read its result."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    threads = torch.get_num_threads()

    def run(name: str, *options: str, **smaller: int) -> dict:
        script, out = importlib.import_module(name), tmp_path / "result.json"
        for setting, value in smaller.items():
            monkeypatch.setattr(script, setting, value)
        monkeypatch.setattr(sys, "argv", [name, *options, "--out", str(out)])
        script.main()
        return json.loads(out.read_text())

    yield run
    torch.set_num_threads(threads)


def test_gru(benchmark):
    result = benchmark(
        "gru", "--batch", "2", "--repeats", "1", N_BATCHES=1, N_HIDDEN=64, PRODUCT_ROWS=64
    )
    assert result["ways"]["nn.GRU, random batches"]["ratio"] == 1


def test_training(benchmark, corpus, tmp_path, monkeypatch):
    script = importlib.import_module("training")
    monkeypatch.setattr(script, "ProcessPoolExecutor", _threads)  # a process takes seconds
    where = ["--corpus", f"tones={corpus / 'labels.csv'}", "--cache", str(tmp_path / "cache")]
    result = benchmark("training", "--quick", "--labels", "5", *where, THREADS=1, PATIENCE_S=0)
    assert len(result["tables"]) == 5
    for table in result["tables"]:
        assert next(iter(table["rows"].values()))["ratio"] == 1


def test_pretraining(benchmark, monkeypatch):
    script = importlib.import_module("pretraining")
    monkeypatch.setattr(script.together, "team", lambda *given: contextlib.nullcontext(ALONE))
    small = ["--frames", "500", "--units", "8", "--sizes", "128", "--repeats", "1"]
    more = ["--batches", "4", "--trained", "1", "--processes", "2"]
    result = benchmark("pretraining", *small, *more)
    table, several = result["tables"]
    assert several["rows"].keys() == {"1 process", "2 processes"}
    assert several["rows"]["2 processes"]["ratio"] > 0
    plain = next(iter(table["rows"].values()))
    assert plain["ratio"] == plain["processor_ratio"] == 1
    assert table["rows"].keys() == table["notes"]["share of torch.mm"].keys()
    assert min(table["notes"]["share of torch.mm"].values()) > 0


def test_devices(benchmark):
    result = benchmark("devices", "--seconds", "0.05", "--frames", "500", SIZE={"cpu": 64})
    (table,) = result["tables"]
    row = table["rows"]["cpu, batches of 64"]
    assert row["rate"] > 0
    assert "TFLOP/s that torch.matmul reaches there (measured)" in table["notes"]["shares"][0]


def test_plain_pretraining_has_our_network_and_its_products_are_counted(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("pretraining")
    from undertone.models.encoder import EncoderConfig
    from undertone.training.pretrain import Pretext

    ours = Pretext(script.N_FEATURES, EncoderConfig(256), script.PUBLISHED.objectives)
    model, flops = script.PlainModel(256), script.flops_per_frame(256)
    assert [p.shape for p in model.parameters()] == [p.shape for p in ours.parameters()]
    weights = sum(own.numel() for name, own in model.named_parameters() if "weight" in name)
    first_inputs = model.gru.weight_ih_l0.numel()
    assert flops == 2 * (3 * weights - first_inputs) == 3_879_936


def test_the_plain_loop_hides_one_stretch_of_each_crop(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("pretraining")
    torch.manual_seed(0)
    hidden = script._hidden([300, 120, 4], 0.1)
    assert hidden.sum(1).tolist() == [30, 12, 1]
    assert not hidden[1, 120:].any()
    assert not hidden[2, 4:].any()
    edges = torch.nn.functional.pad(hidden.int(), (1, 1)).diff(dim=1)
    assert (edges == 1).sum(1).tolist() == [1, 1, 1]


def _threads(n: int, _context: object, begin: object, given: tuple) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n, initializer=begin, initargs=given)


@pytest.mark.slow
def test_cli(benchmark, monkeypatch):
    script = importlib.import_module("cli")
    start = script._start  # an interpreter without us costs a second and cannot fail
    monkeypatch.setattr(script, "_start", lambda own: 1.0 if own[0] == "-c" else start(own))
    result = benchmark("cli", "--repeats", "1", N_KEPT=1, DURATION_S=0.2)
    assert result["tables"][0]["rows"]["undertone --help"]["wall_s"] > 0


@pytest.mark.slow
def test_serving(benchmark):
    result = benchmark("serving", "--repeats", "1", N_KEPT=1, DURATION_S=0.5)
    cold, warm = result["tables"]
    assert cold["rows"]["undertone predict"]["processor_s"] > 0
    assert min(cold["notes"]["most memory, MB"].values()) > 10
    assert warm["rows"]["predict"]["rate"] > 0


def test_stacked_models_score_and_learn_as_each_would_alone(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    stacked = importlib.import_module("stacked")
    from undertone.models.encoder import Encoder
    from undertone.models.network import GruNetwork

    torch.manual_seed(0)
    models = [GruNetwork(Encoder(3, 8), "mean", 2) for _ in range(3)]
    for model in models:
        model.encoder.gru.precision = "float32"
    stack = stacked.Stack(models)
    steps, lengths = torch.randn(3, 4, 9, 3), torch.tensor([[9, 7, 5, 1]] * 3)
    scores = stack(steps, lengths)
    alone = [model(*own) for model, *own in zip(models, steps, lengths, strict=True)]
    torch.testing.assert_close(scores, torch.stack(alone), rtol=1e-4, atol=1e-5)
    (scores**2).sum().backward()
    for model, own in zip(models, alone, strict=True):
        (own**2).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    stack.clip(0.1)
    expected = torch.stack([model.encoder.gru.weight_hh_l0.grad.t() for model in models])
    torch.testing.assert_close(stack.layers[0].w_hh.grad, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_upstream(benchmark, corpus, tmp_path, monkeypatch):
    from upstream_fakes import write_whisper

    script = importlib.import_module("upstream")
    monkeypatch.setattr(script, "_compiled", _is_not_here)  # a compiler takes a minute
    monkeypatch.setattr(script, "_in_onnx", _is_not_here)
    folder = write_whisper(tmp_path / "whisper", "WhisperForAudioClassification", seconds=30)
    where = ["--encoder", str(folder), "--corpus", f"tones={corpus / 'labels.csv'}"]
    result = benchmark("upstream", *where, "--repeats", "1", SECONDS=1.0)
    assert result["ways"]["plain: transformers, padded, eager"]["ratio"] == 1
    assert result["ways"]["the same, SDPA attention"]["distance"] < 1e-4
    assert result["left_out"]["speech alone, torch.compile"] == "ImportError: not here"


@pytest.mark.slow
def test_small_encoders(benchmark, corpus, tmp_path):
    from upstream_fakes import write_whisper

    folder = write_whisper(tmp_path / "whisper", seconds=4)
    where = ["--encoder", str(folder), "--corpus", f"tones={corpus / 'labels.csv'}"]
    result = benchmark("small_encoders", *where, "--repeats", "2", SECONDS=1.0)
    rows = result["encoders"]
    assert list(rows) == ["whole", "whole, int8", "1 of 2 layers", "1 of 2 layers, int8"]
    assert rows["whole"]["ratio"] == 1
    assert rows["1 of 2 layers"]["parameters"] < rows["whole"]["parameters"]
    assert rows["1 of 2 layers"]["distance_of_int8"] == 0
    assert 0 < rows["1 of 2 layers, int8"]["distance_of_int8"] < 0.1
    assert all(len(row["processor_s"]) == 2 for row in rows.values())
    assert result["processor"]


def _is_not_here(*_: object, **__: object) -> None:
    raise ImportError("not here")


@pytest.mark.slow
def test_service(benchmark):
    small = {"CLIENTS": 3, "EACH": 1, "N_CLIPS": 3, "CLIP_S": 0.5, "STREAM_S": 1.0}
    small["DETECTORS"] = ("energy",)  # the other one takes another service
    result = benchmark("service", "--repeats", "1", "--workers", "1", **small)
    warm, load, stream = result["tables"]
    assert load["notes"]["lost or wrong"] == 0
    assert load["notes"]["requests a repeat"] == 3
    for table in (warm, load, stream):
        assert next(iter(table["rows"].values()))["ratio"] == 1
    assert stream["rows"]["WS /stream"]["wall_s"] > 0


def test_exported(benchmark, corpus, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    from undertone.serving.onnx import folder, parity

    monkeypatch.setattr(parity, "N_RANDOM", 1)
    made = folder.export("starter", tmp_path / "made").folder
    where = ["--exported", str(made), "--int8", str(made), "--clips", str(corpus)]
    result = benchmark("exported", *where, "--repeats", "1", SECONDS=1.0)
    (table,) = result["tables"]
    assert next(iter(table["rows"])) == "package"
    assert table["rows"]["package"]["ratio"] == 1
    assert len(table["rows"]) == 4
    assert table["notes"]["MB"]["onnxruntime"] > 0


def test_picks(benchmark):
    small = ["--utterances", "200", "--values", "20", "--repeats", "1"]
    result = benchmark("picks", *small)
    _, without, with_labels = result["tables"]
    assert without["rows"]["unsure+spread"]["ratio"] == 1
    assert {"random", "spread", "unsure"} <= set(with_labels["rows"])
