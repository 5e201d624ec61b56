"""Exported graphs in this process: what they say of frames, vectors and waveforms."""

import numpy as np
import pytest

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from undertone.features.descriptors import describe  # noqa: E402
from undertone.features.functionals import functionals  # noqa: E402
from undertone.serving.onnx.alone.run import padded  # noqa: E402

BLOCKS = {"descriptors": describe, "functionals": functionals}


def session(exported):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(exported.model.SerializeToString(), options)


def run(ready, exported, recordings, columns=(), behind=0.0):
    """(n_recordings, n_outputs) of a batch; ``behind`` stands in the place of what is padded."""
    together = padded(recordings)
    for row, one in zip(together, recordings, strict=True):
        row[len(one) :] = behind
    given = {
        "waveforms": together,
        "frames": together,
        "lengths": np.array([len(one) for one in recordings]),
    }
    if exported.vectors:
        (block,) = exported.vectors
        given["vectors"] = np.stack([BLOCKS[block](one, columns) for one in recordings])
    return ready.run(None, {name: given[name] for name in exported.inputs})[0]
