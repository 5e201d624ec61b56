"""Encoders as graphs, from the waveform on: the frames of the package, whoever is in the batch."""

import json

import numpy as np
import pytest
from onnx_fakes import run, session
from upstream_fakes import KINDS, torch, write_encoder, write_whisper

from undertone.errors import UndertoneError
from undertone.features import upstream
from undertone.features.name import parse
from undertone.features.upstream import batches
from undertone.features.upstream.shrink import shrink
from undertone.serving.onnx import graphs
from undertone.serving.onnx.encoders import heard
from undertone.serving.onnx.encoders.layers import Precision
from undertone.serving.onnx.encoders.pieces import Pieces
from undertone.serving.onnx.nodes import FLOAT, WHOLE, Graph

RATE = 16_000
IN_PIECES = ("whisper", "wav2vec2-group", "wavlm-layer")  # the others are cut by the same code
HALF_STEP = 2.0**-10  # relative, of half precision: what a last bit may differ by


def encoder_graph(name, *, int8=False):
    """The frames of an encoder's layers as an exported graph."""
    opened, graph = heard.opened(parse(name)), Graph()
    waveforms = graph.input("waveforms", FLOAT, ["batch", "n_samples"])
    lengths = graph.input("lengths", WHOLE, ["batch"])
    frames = heard.heard(waveforms, lengths, opened, Precision(int8))
    n_columns = len(opened.source.layers) * opened.source.width
    graph.output("frames", frames.values, ["batch", "n", n_columns])
    return graphs.Exported(graph.model(), graphs.WAVEFORM)


def side_by_side(layers):
    return layers.astype(np.float32).transpose(1, 0, 2).reshape(layers.shape[1], -1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    made = {kind: write_encoder(root / kind, kind) for kind in KINDS}
    return made | {"whisper": write_whisper(root / "whisper")}


@pytest.fixture(scope="module")
def voices():
    """Noises that fade, on an offset; the last one is heard in pieces."""
    rng = np.random.default_rng(0)
    sizes = (1_600, 12_077, 20 * RATE + 3_011)
    return [
        (rng.normal(0, 0.1, n) * np.linspace(1, 0.2, n) + 0.05).astype(np.float32) for n in sizes
    ]


@pytest.mark.parametrize("kind", [*KINDS, "whisper", "whisper+padded", "whisper+bare"])
def test_frames_are_those_of_the_package(folders, voices, kind):
    family, _, option = kind.partition("+")
    name = f"upstream:{folders[family]}@all{'+' * bool(option)}{option}"
    exported = encoder_graph(name)
    ready, source = session(exported), upstream.find(name)
    voices = voices if family in IN_PIECES else [*voices[:2], voices[2][: 2 * RATE]]
    together = run(ready, exported, voices, behind=0.5)
    for voice, in_batch in zip(voices, together, strict=True):
        (layers,) = upstream.compute([voice], model=source)
        expected, (found,) = side_by_side(layers), run(ready, exported, [voice])
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=2 * HALF_STEP)
        np.testing.assert_allclose(found.mean(0), expected.mean(0), atol=6e-4)
        in_batch = in_batch[: len(found)]
        np.testing.assert_allclose(in_batch, found, atol=1e-4, rtol=2 * HALF_STEP)


def test_pieces_are_cut_where_the_package_cuts():
    graph = Graph()
    lengths = graph.input("lengths", WHOLE, ["batch"])
    pieces = Pieces.of(lengths, lengths)
    graph.output("first", pieces.first, ["batch", "most"])
    graph.output("last", pieces.last, ["batch", "most"])
    numbers = np.arange(1, 100_000).reshape(1, -1, 1)  # frames that tell their place
    frames = graph.constant(numbers[:, :2000].astype(np.float32))
    shown = frames.rows(pieces.flat(pieces.first), axis=1)
    graph.output("n", shown, [1, "n", 1])
    ready = session(graphs.Exported(graph.model(), graphs.WAVEFORM))
    given = np.array([1, 5, 1000, 1001, 1500, 1601])
    first, last, _ = ready.run(None, {"lengths": given})
    for n, starts, ends in zip(given, first, last, strict=True):
        expected = [piece.seen for piece in batches.plan_pieces(0, int(n))]
        found = list(zip(starts, ends, strict=True))
        assert found[: len(expected)] == expected
        assert all(0 <= start < end <= n for start, end in found), "the others harm nobody"


def test_one_layer_of_a_cut_encoder(folders, voices, tmp_path):
    cut = shrink(f"upstream:{folders['whisper']}", tmp_path / "cut", layers=1)
    name = f"upstream:{cut.folder}@1"
    exported = encoder_graph(name)
    first = encoder_graph(f"upstream:{folders['whisper']}@1")
    assert first.model.ByteSize() == exported.model.ByteSize(), "layers behind it are left out"
    (layers,) = upstream.compute(voices[:1], model=upstream.find(name))
    found = run(session(exported), exported, voices[:1])[0]
    np.testing.assert_allclose(found, layers[1].astype(np.float32), atol=1e-4, rtol=HALF_STEP)


def test_rounded_weights_are_near_and_know_nobody_else(folders, voices):
    """Of a small network that was never trained; what it costs in recognition is measured."""
    name = f"upstream:{folders['whisper']}@all"
    whole, rounded = encoder_graph(name), encoder_graph(name, int8=True)
    assert rounded.model.ByteSize() < whole.model.ByteSize()
    ready = session(rounded)
    exact = run(session(whole), whole, voices)
    alone = run(ready, rounded, [voices[1]])[0]
    n = len(alone)
    error = np.abs(alone - exact[1][:n])
    assert 0 < error.mean() < 0.02 * np.abs(exact[1][:n]).mean()
    loud = [voices[1], 20 * voices[2]]
    in_batch = run(ready, rounded, loud)[0][:n]
    assert np.abs(in_batch - alone).mean() < 0.05 * error.mean(), "a loud neighbour is not heard"


def test_networks_with_other_parts_are_refused(tmp_path):
    folder = write_encoder(tmp_path / "other", "wav2vec2-layer")
    encoder = batches.build(upstream.find(f"upstream:{folder}@all"))
    encoder.module.encoder.layers[0].adapter_layer = torch.nn.Identity()
    with pytest.raises(UndertoneError, match="adapters in its layers"):
        heard.waveform.check(encoder, "NAME")
    config = json.loads((folder / "config.json").read_text()) | {"hidden_act": "relu"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UndertoneError, match="the activations gelu, relu"):
        heard.opened(parse(f"upstream:{folder}@all"))


def test_what_pytorch_rounds_its_own_way_is_refused(folders, tmp_path):
    cut = shrink(f"upstream:{folders['whisper']}", tmp_path / "int8", int8=True)
    with pytest.raises(UndertoneError, match=r"shrink it again without --int8"):
        heard.opened(parse(f"upstream:{cut.folder}@all"))
    with pytest.raises(UndertoneError, match=r"train on upstream:.*@all and export that"):
        heard.opened(parse(f"upstream:{folders['whisper']}@all+bfloat16"))


def test_a_window_that_a_piece_would_fill_is_refused(tmp_path):
    folder = write_whisper(tmp_path / "short", seconds=20)
    with pytest.raises(UndertoneError, match="needs more than 1025"):
        heard.opened(parse(f"upstream:{folder}@all"))


def test_a_normalised_waveform(tmp_path, voices):
    """Whisper's do_normalize: mean and variance are of the recording, not of what is behind it."""
    folder = write_whisper(tmp_path / "normalised")
    told = folder / "preprocessor_config.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"do_normalize": True}))
    name = f"upstream:{folder}@all"
    source = upstream.find(name)
    exported = encoder_graph(name)
    found = run(session(exported), exported, voices[:2], behind=3.0)
    for voice, of_one in zip(voices, found, strict=False):
        expected = side_by_side(upstream.compute([voice], model=source)[0])
        np.testing.assert_allclose(of_one[: len(expected)], expected, atol=1e-3, rtol=2 * HALF_STEP)
