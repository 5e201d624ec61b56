"""The compiled GRU equals ``torch.nn.GRU``, keeps sequences apart, and is never required."""

import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from undertone.errors import UndertoneError
from undertone.models.gru import GRU, available, library

SHAPES = [  # batch, n_frames, n_features, n_hidden
    (1, 1, 3, 16),
    (3, 7, 5, 20),
    (4, 50, 74, 256),
    (5, 90, 41, 33),
    (13, 1, 40, 48),
    (37, 23, 100, 64),
]
compiled = pytest.mark.skipif(not available(), reason="no C++ compiler here, or kernel off")
brain = pytest.mark.skipif(
    not available("bfloat16"), reason="this processor does not multiply bfloat16"
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty kernel cache, and no kernel remembered before or after."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    monkeypatch.delenv("UNDERTONE_KERNEL", raising=False)
    library._load_from.cache_clear()
    yield tmp_path / "kernels"
    library._load_from.cache_clear()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with a library that was built without optimisation, which takes a second."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "FLAGS", (*library.FLAGS, "-O0"))
        library._compile(library._found_compiler(""), folder, folder / "failed")
    return folder


@pytest.fixture
def compile_by_copy(built, monkeypatch):
    """What the compiler would write, at once; returns how often it was asked."""
    asked = []

    def copy(compiler, folder, failure):
        asked.append(folder)
        shutil.copytree(built, folder, dirs_exist_ok=True)

    monkeypatch.setattr(library, "_compile", copy)
    return asked


def tensor(rng, *shape):
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))


def twins(n_features, n_hidden, seed=0, **settings):
    torch.manual_seed(seed)
    theirs = torch.nn.GRU(n_features, n_hidden, 2, batch_first=True)
    ours = GRU(n_features, n_hidden, **({"precision": "float32"} | settings))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def everything(outputs, weights, leaves):
    """Outputs, and the gradients of a weighted sum of them."""
    loss = sum((output * weight).sum() for output, weight in zip(outputs, weights, strict=True))
    return [*(output.detach() for output in outputs), *torch.autograd.grad(loss, leaves)]


def compare(rng, shape, **settings):
    """Largest difference of each output and gradient, relative to its largest value."""
    batch, n_frames, n_features, n_hidden = shape
    theirs, ours = twins(n_features, n_hidden, **settings)
    x = tensor(rng, batch, n_frames, n_features).requires_grad_()
    start = tensor(rng, 2, batch, n_hidden).requires_grad_()
    weights = tensor(rng, batch, n_frames, n_hidden), tensor(rng, 2, batch, n_hidden)
    expected = everything(theirs(x, start), weights, [x, start, *theirs.parameters()])
    found = everything(ours(x, hidden=start), weights, [x, start, *ours.parameters()])
    return [
        float((e - f).abs().max() / e.abs().max()) for e, f in zip(expected, found, strict=True)
    ]


@compiled
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_all_gradients_equal_those_of_pytorch(rng, shape):
    assert max(compare(rng, shape)) < 1e-5


@brain
@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_stays_within_its_rounding(rng, shape):
    differences = compare(rng, shape, precision="bfloat16")
    assert 0 < max(differences) < 2e-2


@brain
def test_without_gradients_bfloat16_computes_in_float32(rng):
    theirs, ours = twins(12, 32, precision="bfloat16")
    x = tensor(rng, 3, 20, 12)
    with torch.no_grad():
        torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-5, atol=1e-6)


@brain
def test_the_environment_can_rule_bfloat16_out(rng, monkeypatch):
    monkeypatch.setenv("UNDERTONE_KERNEL", "float32")
    assert max(compare(rng, SHAPES[1], precision="bfloat16")) < 1e-5


@compiled
def test_large_inputs_saturate_and_stay_finite(rng):
    theirs, ours = twins(5, 16)
    x = 1e4 * tensor(rng, 3, 9, 5)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-5, atol=1e-6)


@compiled
def test_nan_is_passed_on_not_hidden():
    ours = GRU(5, 16)
    assert ours(torch.full((1, 3, 5), float("nan")))[0].isnan().all()


@compiled
def test_gradient_equals_the_slope(rng):
    """Central differences along random directions of each parameter."""
    ours = GRU(6, 16, precision="float32")
    x, weight = tensor(rng, 4, 11, 6), tensor(rng, 4, 11, 16)
    lengths = torch.tensor([11, 3, 1, 7])

    def loss():
        return (ours(x, lengths)[0] * weight).sum()

    gradients = torch.autograd.grad(loss(), list(ours.parameters()))
    for parameter, gradient in zip(ours.parameters(), gradients, strict=True):
        direction = torch.sign(gradient)
        with torch.no_grad():
            values = []
            for step in (5e-3, -1e-2):
                parameter += step * direction
                values.append(loss().double())
            parameter += 5e-3 * direction
        slope = float(values[0] - values[1]) / 1e-2
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-2)


def test_state_dict_is_that_of_pytorch():
    theirs, ours = twins(7, 16)
    expected = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == expected
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("kernel", ["on", "off"])
@pytest.mark.parametrize("n_hidden", [20, 64])
def test_a_sequence_does_not_depend_on_its_company_or_padding(rng, monkeypatch, kernel, n_hidden):
    monkeypatch.setenv("UNDERTONE_KERNEL", kernel)
    ours = GRU(10, n_hidden)
    lengths = torch.tensor([5, 31, 1, 18, 31, 2, 30])  # in any order
    x = tensor(rng, len(lengths), 40, 10)
    together, last = ours(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, alone_last = ours(x[row : row + 1, :length])
        torch.testing.assert_close(together[row, :length], alone[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(last[:, row], alone_last[:, 0], rtol=0, atol=1e-6)
        assert (together[row, length:] == 0).all()


@pytest.mark.parametrize("kernel", ["on", "off"])
def test_padding_has_no_influence_and_no_gradient(rng, monkeypatch, kernel):
    monkeypatch.setenv("UNDERTONE_KERNEL", kernel)
    ours = GRU(4, 16)
    lengths = torch.tensor([6, 9])
    x = tensor(rng, 2, 12, 4).requires_grad_()
    weights = tensor(rng, 2, 12, 16), tensor(rng, 2, 2, 16)
    leaves = [x, *ours.parameters()]
    before = everything(ours(x, lengths), weights, leaves)
    with torch.no_grad():
        x[0, 6:], x[1, 9:] = 9.0, -9.0
    after = everything(ours(x, lengths), weights, leaves)
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert (after[2][0, 6:] == 0).all()


@compiled
def test_ragged_gradients_equal_those_of_the_fallback(rng, monkeypatch):
    ours = GRU(10, 32, precision="float32")
    lengths = torch.tensor([3, 25, 1, 18])
    x, start = tensor(rng, 4, 25, 10).requires_grad_(), tensor(rng, 2, 4, 32).requires_grad_()
    weights = tensor(rng, 4, 25, 32), tensor(rng, 2, 4, 32)
    leaves = [x, start, *ours.parameters()]
    found = everything(ours(x, lengths, hidden=start), weights, leaves)
    monkeypatch.setenv("UNDERTONE_KERNEL", "off")
    expected = everything(ours(x, lengths, hidden=start), weights, leaves)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@compiled
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_runs_are_equal_to_the_bit(rng, precision):
    ours = GRU(9, 48, precision=precision)
    x, lengths = tensor(rng, 6, 50, 9), torch.tensor([50, 40, 40, 13, 2, 1])
    weights = tensor(rng, 6, 50, 48), tensor(rng, 2, 6, 48)
    first, second = (everything(ours(x, lengths), weights, [*ours.parameters()]) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@compiled
def test_a_retained_graph_gives_the_same_gradients_again(rng):
    ours = GRU(4, 16)
    loss = ours(tensor(rng, 2, 5, 4))[0].square().sum()
    first = torch.autograd.grad(loss, [*ours.parameters()], retain_graph=True)
    second = torch.autograd.grad(loss, [*ours.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("lengths", [[0, 3], [3, 9], [3]])
def test_impossible_lengths_are_refused(lengths):
    with pytest.raises(UndertoneError, match="from 1 to 8"):
        GRU(4, 16)(torch.zeros(2, 8, 4), torch.tensor(lengths))


def test_an_unknown_precision_is_refused():
    with pytest.raises(UndertoneError, match="float16"):
        GRU(4, 16, precision="float16")


def test_double_precision_and_tracing_use_pytorch(rng):
    ours = GRU(4, 16).double()
    assert ours(tensor(rng, 2, 8, 4).double())[0].dtype == torch.float64


def test_no_compiler_is_one_line_in_the_log(rng, cache, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    theirs, ours = twins(4, 16)
    x = tensor(rng, 2, 8, 4)
    with caplog.at_level(logging.INFO, logger="undertone"):
        for _ in range(2):
            torch.testing.assert_close(ours(x), theirs(x))
    assert [record.message for record in caplog.records] == [
        "training runs on torch.nn.GRU, several times slower: "
        "no C++ compiler found (c++, g++, clang++); install g++"
    ]


def test_switched_off_never_builds(cache, monkeypatch):
    monkeypatch.setenv("UNDERTONE_KERNEL", "off")
    GRU(4, 16)(torch.zeros(2, 8, 4))
    assert not available()
    assert not cache.exists()


@compiled
def test_a_failed_build_is_remembered(cache, monkeypatch):
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "--no-such-flag"))
    assert not available()
    assert len(list(cache.glob("*.failed"))) == 1
    library._load_from.cache_clear()
    monkeypatch.setattr(library, "_compile", lambda *_: pytest.fail("built again"))
    assert not available()


@pytest.fixture
def elsewhere(tmp_path_factory, monkeypatch):
    """The user's own places, empty, in the order in which they are tried."""
    places = [tmp_path_factory.mktemp(name) for name in ("home", "temporary")]
    monkeypatch.setenv("HOME", str(places[0]))
    monkeypatch.setattr(tempfile, "tempdir", str(places[1]))
    return places


def test_a_cache_that_cannot_be_written_is_no_error(cache, elsewhere, compile_by_copy):
    cache.write_text("a file where the folder should be")
    assert library._private(cache) == elsewhere[0] / ".cache" / "undertone" / "kernels"
    (elsewhere[0] / ".cache" / "undertone" / "kernels").rmdir()
    (elsewhere[0] / ".cache" / "undertone" / "kernels").write_text("here too")
    (elsewhere[1] / f"undertone-{os.getuid()}").write_text("and here")
    assert not available()
    assert not compile_by_copy


@compiled
@pytest.mark.parametrize("why", ["it is a stranger's", "others may write", "the folder above"])
def test_a_library_that_others_could_have_put_there_is_never_loaded(
    cache, elsewhere, compile_by_copy, monkeypatch, why
):
    """What lies there has the right name, the right digest beside it, and ends the process."""
    assert available()
    (path,) = cache.glob("*/gru.so")
    evil = b"an evil library"
    path.unlink()
    path.write_bytes(evil)
    (path.parent / "gru.sha256").write_text(hashlib.sha256(evil).hexdigest())
    if why == "it is a stranger's":
        if os.getuid() == 0:
            os.chown(path, 4321, -1)
        else:
            monkeypatch.setattr(library, "_user", lambda: 4321)
    else:
        (path if why == "others may write" else cache.parent).chmod(0o777)
    loaded, load = [], library._open
    monkeypatch.setattr(library, "_open", lambda path: loaded.append(path) or load(path))
    library._load_from.cache_clear()
    assert available()
    assert len(compile_by_copy) == 2
    assert path.read_bytes() != evil or path not in loaded


@compiled
@pytest.mark.parametrize("damage", [b"", b"\x7fELF and nothing else"])
def test_a_damaged_library_is_built_again(cache, compile_by_copy, damage):
    assert available()
    (path,) = cache.glob("*/gru.so")
    whole = path.stat().st_size
    path.unlink()  # the loaded file itself must stay as it is
    path.write_bytes(damage)
    library._load_from.cache_clear()
    assert available()
    assert len(compile_by_copy) == 2
    assert path.stat().st_size == whole
    assert not list(cache.glob("building-*"))


@compiled
def test_two_builds_at_once_agree(cache, built, monkeypatch):
    both = threading.Barrier(2, timeout=30)

    def compile_together(compiler, folder, failure):
        shutil.copytree(built, folder, dirs_exist_ok=True)
        both.wait()  # neither is in place before the other is whole

    monkeypatch.setattr(library, "_compile", compile_together)
    compiler = library._found_compiler("")
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: library._built_library(cache, compiler), range(2)))
    assert paths[0] == paths[1]
    assert library._is_whole(paths[0].parent)
    assert library._open(paths[0]).forward


@compiled
@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of x86")
def test_portable_code_equals_pytorch_too(rng, cache, monkeypatch):
    """What a processor without AVX-512 runs."""
    monkeypatch.setattr(library, "FLAGS", (*library.FLAGS, "-mno-avx512f"))
    assert available()
    assert not available("bfloat16")
    for shape in SHAPES:
        assert max(compare(rng, shape, precision="bfloat16")) < 1e-5


@compiled
def test_the_source_compiles_without_warnings():
    flags = [flag for flag in library.FLAGS if flag != "-w"]
    command = [library._found_compiler(""), *flags, "-Wall", "-Wno-psabi", "-Wno-uninitialized"]
    command += ["-Wno-maybe-uninitialized", "-fsyntax-only", str(library.SOURCE)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
