import multiprocessing
import os
import socket
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from undertone import device, pipeline
from undertone.errors import UndertoneError
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import PretrainSettings, Resources
from undertone.training import together
from undertone.training.cropping import Crop
from undertone.training.losses import OBJECTIVES
from undertone.training.pretrain import Pretext, PretrainConfig
from undertone.training.team import Team
from undertone.training.views import Asks, view_of

SHAPE = EncoderConfig(hidden_units=16, layers=2, stride=1)
SETTINGS = PretrainConfig(
    objective="functionals+contrast",
    crop_steps=40,
    batch_size=4,
    max_epochs=4,
    patience=9,
)
TOLERANCE = 2e-4  # of a loss, relative: sums are made in another order


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("n_crops", [1, 2, 7])
@pytest.mark.parametrize("objective", ["reconstruction", "functionals", "clusters"])
def test_losses_and_gradients_of_the_processes_add_up_to_those_of_one(
    rng, size, n_crops, objective
):
    lengths = sorted(rng.integers(3, 20, size=n_crops).tolist(), reverse=True)
    crops = [Crop(rng.normal(size=(n, 3)).astype(np.float32), i) for i, n in enumerate(lengths)]
    torch.manual_seed(0)
    model = Pretext(3, SHAPE, {objective: OBJECTIVES[objective]})
    if len(model.centroids):
        model.centroids.copy_(torch.randn(model.centroids.shape))
    asks = Asks(model.in_parts, model.by_speaker, model.centroids)
    model.encoder.gru.precision = "float32"

    def loss_and_gradient(team):
        model.team = team
        model.zero_grad()
        loss = model(view_of(asks, crops, SETTINGS, np.random.default_rng(3), team=team))
        loss.backward()
        return float(loss.detach()), model.encoder.gru.weight_hh_l0.grad.clone()

    whole, gradient = loss_and_gradient(Team())
    parts = [loss_and_gradient(Team(rank, size)) for rank in range(size)]
    assert sum(loss for loss, _ in parts) == pytest.approx(whole, rel=1e-5)
    together_ = sum(gradient for _, gradient in parts)
    torch.testing.assert_close(together_, gradient, atol=1e-6, rtol=1e-4)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(1)
    for number in range(12):
        noise = 0.1 * rng.normal(size=5000 + 900 * number)
        soundfile.write(folder / f"u{number:02d}.wav", noise, 16_000)
    return folder


PRETRAIN = PretrainSettings(
    encoder=replace(SHAPE, stride=4), pretrain=replace(SETTINGS, batch_size=3, max_epochs=3)
)


@pytest.fixture(scope="module")
def one_process(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "encoder"
    cache = tmp_path_factory.mktemp("frames")
    resources = Resources(cache, workers=1, progress=False)
    return pipeline.pretrain([f"folder={corpus}"], out, PRETRAIN, resources), cache


def check_history(found, expected):
    np.testing.assert_allclose(found["history"], expected["history"], rtol=TOLERANCE)


def test_a_killed_process_ends_all_with_one_message_and_one_process_goes_on(
    corpus, one_process, tmp_path, monkeypatch
):
    expected, cache = one_process
    resources = Resources(cache, workers=1, progress=False, processes=2)
    told = []

    def kill_after_two(*_):
        told.append(len(multiprocessing.active_children()))
        if len(told) == 2:
            (other,) = multiprocessing.active_children()
            os.kill(other.pid, 9)

    message = r"process 2 of 2 of this pre-training ended before its time \(killed by signal 9\)"
    with monkeypatch.context() as killing:
        killing.setattr(pipeline.Progress, "advance", kill_after_two)
        with pytest.raises(UndertoneError, match=f"{message}: run the same command again: it goes"):
            pipeline.pretrain([f"folder={corpus}"], tmp_path, PRETRAIN, resources)
    assert told == [1, 1], "two epochs, each of two processes"
    assert not multiprocessing.active_children()
    assert "GLOO_SOCKET_IFNAME" not in os.environ
    found = pipeline.pretrain(
        [f"folder={corpus}"], tmp_path, PRETRAIN, replace(resources, processes=1)
    )
    check_history(found.notes, expected.notes)


def test_processes_of_torchrun_go_on_where_one_was_stopped(
    corpus, one_process, tmp_path, monkeypatch
):
    expected, cache = one_process
    out = tmp_path / "encoder"
    resources = Resources(cache, workers=1, progress=False)
    with monkeypatch.context() as stopping:
        stopping.setattr(pipeline.Progress, "advance", lambda *_: stop())
        with pytest.raises(StoppedError):
            pipeline.pretrain([f"folder={corpus}"], out, PRETRAIN, resources)
    settings = tmp_path / "settings.toml"
    from undertone.config import to_toml

    settings.write_text(to_toml(PRETRAIN))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "undertone", "pretrain", "--unlabelled", f"folder={corpus}"]
    command += ["--out", str(out), "--config", str(settings), "--cache", str(cache), "--quiet"]
    environment = os.environ | {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    }
    other = subprocess.Popen(
        [*command, "--workers", "1"],
        env=environment | {"RANK": "1", "LOCAL_RANK": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    for name, value in (environment | {"RANK": "0", "LOCAL_RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    pipeline.pretrain([f"folder={corpus}"], out, PRETRAIN, resources)
    assert other.communicate(timeout=300)[0] == "", "the leader tells"
    assert other.returncode == 0
    found = pipeline.load_encoder(out)
    assert found.notes["history"][0] == expected.notes["history"][0]
    check_history(found.notes, expected.notes)


def stop():
    raise StoppedError


def test_what_torchrun_says_is_not_said_twice(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(UndertoneError, match="has started 2 processes: leave --processes out"),
        together.team(2, print),
    ):
        pass


def test_a_fault_of_another_process_is_told_by_the_leader():
    ended = multiprocessing.Pipe(duplex=False)  # the other end is closed, as that of a process
    ended[1].close()
    process = SimpleNamespace(sentinel=ended[0], exitcode=1, join=lambda timeout: None)
    said, says = multiprocessing.Pipe(duplex=False)
    says.send("there is no such speech")
    assert str(together._lost([together._Other(process, said)])) == "there is no such speech"
    assert "was lost: run the same" in str(together._lost([together._Other(process, said)]))


def test_so_many_processes_need_as_many_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        device.using("cuda"),
        pytest.raises(UndertoneError, match="2 processes need as many GPUs, and there is 1: take"),
        together.team(2, print),
    ):
        pass


def test_a_process_is_named_though_its_status_comes_a_moment_after_its_end(monkeypatch):
    class Killed:
        """Its sentinel is ready before its exit status is known, as on a busy machine."""

        sentinel, exitcode = 7, None

        def join(self, timeout: float) -> None:
            self.exitcode = -9

    said, says = together.CONTEXT.Pipe(duplex=False)
    says.close()
    monkeypatch.setattr("multiprocessing.connection.wait", lambda sentinels, timeout: sentinels)
    error = together._lost([together._Other(Killed(), said)])
    assert "process 2 of 2 of this pre-training ended before its time (killed by signal 9)" in str(
        error
    )
