"""Every system as a graph: the same answers, alone and in batches, or a sentence why not."""

from dataclasses import replace

import numpy as np
import pytest
from onnx_fakes import run, session
from test_recogniser_folder import (  # noqa: F401
    CASES,
    COLUMNS,
    problem_of,
    recogniser_of,
    resnet,
    speech,
    words,
)

from undertone.errors import UndertoneError
from undertone.models.heads import SupportVectors
from undertone.serving.onnx import frames as of_frames
from undertone.serving.onnx import graphs, heads
from undertone.serving.onnx.nodes import DOUBLE, FLOAT, WHOLE, Graph
from undertone.systems.table import known_names

TOLERANCE = 1e-4
REFUSED = {
    "audio_text": "reads transcripts",
    "text_alone": "reads transcripts",
    "text_shuffled": "reads transcripts",
    "image_cnn": "pictures of segments",
}
IDS = [f"{task.name}-{system}" for task, system in CASES]


def lengths(rng, n=50):
    return [1, 2, 3, *rng.integers(4, 200, n - 3)]


def noise(rng, n):
    """Frames about as those of ``speech``, some of them no numbers."""
    frames = rng.normal(3, 0.3, (n, 5)).astype(np.float32)
    frames[rng.random(frames.shape) < 0.02] = np.nan
    return frames


@pytest.mark.parametrize(("task", "system"), CASES, ids=IDS)
def test_a_graph_says_what_the_package_says(speech, words, resnet, rng, task, system):  # noqa: F811
    recogniser = recogniser_of(problem_of(task, speech, words), system, resnet)
    if system in REFUSED:
        with pytest.raises(UndertoneError, match=REFUSED[system]) as refusal:
            graphs.build(recogniser)
        assert "undertone finetune" in str(refusal.value), "what to do"
        return
    exported = graphs.build(recogniser)
    ready = session(exported)
    recordings = [noise(rng, n) for n in lengths(rng)]
    expected = np.stack([recogniser.predict(one) for one in recordings])
    alone = np.concatenate([run(ready, exported, [one], COLUMNS) for one in recordings])
    np.testing.assert_allclose(alone, expected, atol=TOLERANCE)
    assert expected.std(axis=0).max() > 0 or not recogniser.fitted.view.blocks
    batch = run(ready, exported, recordings, COLUMNS, behind=9.0)
    np.testing.assert_allclose(batch, alone, atol=1e-5, err_msg="who else is in a batch")


def test_every_system_that_can_be_saved_was_tried():
    tried = {system for _, system in CASES}
    assert known_names()
    assert set(known_names()) - tried == {
        *("teacher", "taught_by_itself"),
        *("encoder_full", "encoder_lora"),  # which hear waveforms: refused
    }
    assert set(REFUSED) <= tried


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(40, 6)).astype(np.float32)


@pytest.mark.parametrize("n_present", [2, 3, 5])
def test_the_support_vector_machine_breaks_ties_as_the_package_does(vectors, rng, n_present):
    """Few support vectors near each other: votes tie, and the sums decide."""
    n_pairs = n_present * (n_present - 1) // 2
    present = np.zeros(6, bool)
    present[rng.permutation(6)[:n_present]] = True
    head = SupportVectors(
        *(rng.normal(size=6), rng.uniform(0.5, 2, 6), rng.normal(size=(7, 6))),
        rng.normal(size=(7, n_pairs)),
        0.1 * rng.normal(size=n_pairs),
        np.array(0.2),
        present,
    )
    graph = Graph()
    given = graph.input("vectors", FLOAT, ["batch", 6])
    graph.output(graphs.OUTPUT, heads.apply(head, given), ["batch", 6])
    exported = graphs.Exported(graph.model(), graphs.FRAMES)
    found = session(exported).run(None, {"vectors": vectors})[0]
    np.testing.assert_allclose(found, head.predict(vectors), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 4, 7])
def test_steps_are_those_of_the_normaliser(speech, rng, stride):  # noqa: F811
    recogniser = recogniser_of(problem_of(CASES[0][0], speech), "scratch")
    mean = np.array([3, 0, 1, 2, 5], np.float32)
    sd = np.array([0.2, np.inf, 3, 1e-3, 1], np.float32)
    normaliser = replace(recogniser.inputs.normaliser, mean=mean, sd=sd, stride=stride)
    graph = Graph()
    given = graph.input("frames", FLOAT, ["batch", "n", 5])
    frames = of_frames.Frames(given, graph.input("lengths", WHOLE, ["batch"]))
    graph.output("steps", of_frames.steps(frames, normaliser).values, ["batch", "m", 5])
    ready = session(graphs.Exported(graph.model(), graphs.FRAMES))
    for n in (1, 3, stride, stride + 1, 50):
        frames = noise(rng, n)
        frames[0, 2] = np.inf
        found = ready.run(None, {"frames": frames[None], "lengths": np.array([n])})[0][0]
        np.testing.assert_allclose(found, normaliser.apply(frames), atol=1e-6)


def test_a_constant_of_a_graph_has_the_type_of_what_it_meets():
    graph = Graph()
    value = graph.input("x", FLOAT, ["n"]).to(DOUBLE)
    assert (value + 1).kind == DOUBLE
    assert (value < 2).kind == np.dtype(bool)
    assert value.size(0).kind == WHOLE


def test_what_no_output_is_made_of_is_left_out():
    graph = Graph()
    value = graph.input("x", FLOAT, ["n"])
    kept = value + np.arange(3, dtype=np.float32)
    _ = kept * np.arange(1000, dtype=np.float32)[:1]
    graph.output("y", kept, ["n"])
    model = graph.model()
    assert [node.op_type for node in model.graph.node] == ["Add", "Identity"]
    assert len(model.graph.initializer) == 1
