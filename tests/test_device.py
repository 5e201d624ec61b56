import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from undertone import device
from undertone.errors import UndertoneError
from undertone.features.upstream import batches
from undertone.models.encoder import EncoderConfig
from undertone.models.gru import GRU, in_use
from undertone.pipeline import Resources, extract_corpora
from undertone.processes import process_pool
from undertone.training import checkpoint
from undertone.training.denormals import are_flushed, flushed
from undertone.training.identity import computed_by
from undertone.training.pretrain import PretrainConfig, pretrain
from undertone.training.supervised import train_epochs

SMALLEST = np.array([1], dtype=np.int32).view(np.float32)


@pytest.fixture
def with_gpus(monkeypatch):
    """PyTorch says that these are there."""

    def there(*, cuda=False, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return there


@pytest.mark.parametrize(
    ("asked", "cuda", "mps", "chosen"),
    [
        ("auto", False, False, "cpu"),
        ("auto", True, False, "cuda"),
        ("auto", False, True, "cpu"),  # where nothing was measured nothing is chosen
        ("cpu", True, True, "cpu"),
        ("cuda", True, False, "cuda"),
        ("mps", False, True, "mps"),
    ],
)
def test_what_is_asked_for_is_used_where_it_is(with_gpus, asked, cuda, mps, chosen):
    with_gpus(cuda=cuda, mps=mps)
    assert device.choose(asked) == chosen


def test_what_is_not_there_is_refused_with_a_way_on(with_gpus, monkeypatch):
    with_gpus()
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UndertoneError, match=r"--device cuda asks for a GPU, and PyTorch .* is bu"):
        device.choose("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(UndertoneError, match="finds none here: take --device auto, which uses"):
        device.choose("cuda")
    with pytest.raises(
        UndertoneError, match="a device is one of auto, cpu, cuda, mps, found 'gpu'"
    ):
        device.choose("gpu")


def test_a_step_asks_before_it_reads_anything(with_gpus, tmp_path):
    with_gpus()
    resources = Resources(tmp_path, device="cuda", progress=False)
    with pytest.raises(UndertoneError, match="--device cuda asks for a GPU"):
        extract_corpora(["synthetic"], "log_mel", resources)
    assert not any(tmp_path.iterdir())


def test_the_environment_speaks_where_no_option_does(with_gpus, monkeypatch):
    with_gpus(cuda=True, mps=True)
    assert device.current() == "cpu", "outside of a step, as where models are served"
    monkeypatch.setenv(device.ASKED, "mps")
    with device.using():
        assert device.current() == "mps"
        with device.using("cpu"):
            assert device.current() == "cpu"
        assert device.current() == "mps"
    assert device.current() == "cpu"
    assert device.IN_USE not in os.environ


def test_processes_that_are_started_compute_in_the_same_place(with_gpus):
    with_gpus(mps=True)
    with device.using("mps"), process_pool(1) as pool:
        assert pool.submit(device.current).result() == "mps"


def test_what_a_gpu_computed_is_not_gone_on_with_on_a_processor(with_gpus):
    with_gpus(cuda=True)
    here = computed_by()
    with device.using("cuda"):
        there = computed_by()
        assert in_use() == "cuda"
    assert checkpoint.differences(here, there) == ["kernel"]


def test_batches_on_the_processor_come_when_they_are_asked_for():
    made = []
    batches_ = (made.append(i) or i for i in range(3))
    coming = device.ahead(batches_, torch.device("cpu"), lambda batch, move: pytest.fail("moved"))
    assert next(coming) == 0
    assert made == [0]
    assert list(coming) == [1, 2]


def test_batches_for_a_gpu_are_made_ahead_in_order_and_moved():
    first_made, go_on = threading.Event(), threading.Event()

    def make():
        for i in range(5):
            yield torch.full((2,), float(i))
            if i == 0:
                first_made.set()

    where = torch.device("meta")  # tensors there have no values, and are told from others

    def moved(batch, move):
        go_on.set()
        return batch, move(batch)

    got = list(device.ahead(make(), where, moved))
    assert first_made.is_set()
    assert go_on.is_set()
    assert [float(before[0]) for before, _ in got] == [0, 1, 2, 3, 4]
    assert all(after.device == where for _, after in got)


def test_the_next_batch_is_made_while_one_is_computed_with():
    second = threading.Event()

    def make():
        yield 1
        second.set()
        yield 2

    coming = device.in_background(make())
    assert next(coming) == 1
    assert second.wait(timeout=60), "nobody asked for it yet"
    assert list(coming) == [2]


def test_a_fault_in_a_batch_is_raised_where_the_batch_is_asked_for():
    def make():
        yield 1
        raise UndertoneError("of the second batch")

    coming = device.in_background(make())
    assert next(coming) == 1
    with pytest.raises(UndertoneError, match="of the second batch"):
        next(coming)


def test_who_stops_asking_leaves_no_thread_behind():
    before = threading.active_count()
    coming = device.in_background(iter(range(100)))
    assert next(coming) == 0
    coming.close()
    assert threading.active_count() == before


def test_the_gru_of_cudnn_gives_what_ours_does(rng):
    """The path of packed sequences, here on the processor."""
    torch.manual_seed(0)
    gru = GRU(5, 7, precision="float32")
    x = torch.from_numpy(rng.normal(size=(4, 9, 5)).astype(np.float32))
    lengths = torch.tensor([3, 9, 1, 6])
    for row, length in enumerate(lengths):
        x[row, length:] = 0
    start = torch.from_numpy(rng.normal(size=(2, 4, 7)).astype(np.float32))
    for hidden in (None, start):
        output, last = gru._forward_packed(x, lengths, hidden)
        expected, expected_last = gru._forward_eager(x, lengths, hidden)
        torch.testing.assert_close(output, expected)
        torch.testing.assert_close(last, expected_last)


def test_more_recordings_share_a_batch_on_a_gpu(with_gpus):
    with_gpus(cuda=True)
    pieces = [batches.Piece(i, (0, 100), (0, 100)) for i in range(200)]
    assert max(map(len, batches.plan_batches(pieces, equal_only=False))) == 10
    with device.using("cuda"):
        assert max(map(len, batches.plan_batches(pieces, equal_only=False))) == 160


@pytest.fixture
def can_flush():
    can = torch.set_flush_denormal(True)
    torch.set_flush_denormal(False)
    if not can:
        pytest.skip("this processor cannot flush denormal numbers")


def denormal_results() -> bool:
    return bool((torch.from_numpy(SMALLEST.copy()) * 1).view(torch.int32).item())


def test_denormals_are_flushed_while_a_network_is_trained_and_not_behind_it(can_flush):
    model = torch.nn.Linear(2, 1)
    seen = []

    def losses(epoch):
        seen.append(are_flushed())
        assert not denormal_results()
        yield model(torch.ones(1, 2)).sum()

    from undertone.models.schedule import Schedule

    assert not are_flushed()
    train_epochs(model, losses=losses, validation_loss=None, schedule=Schedule())
    assert seen
    assert all(seen)
    assert not are_flushed()
    with pytest.raises(ValueError, match="inside"), flushed():
        raise ValueError("inside")
    assert denormal_results()


def test_pretraining_flushes_denormals_in_its_own_thread(monkeypatch, rng, can_flush):
    from undertone.training import pretrain as module

    seen, train = [], module._train_epoch
    monkeypatch.setattr(
        module, "_train_epoch", lambda *given: seen.append(are_flushed()) or train(*given)
    )
    utterances = [rng.normal(size=(9, 2)).astype(np.float32) for _ in range(4)]
    settings = replace(PretrainConfig(), objective="reconstruction", max_epochs=1)
    shape = EncoderConfig(hidden_units=4, layers=1, stride=1)
    pretrain(utterances, shape=shape, settings=settings, seed=0)
    assert seen == [True]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(are_flushed).result() is False
