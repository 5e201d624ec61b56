"""Folders of encoders that are damaged, made to harm, or not to be reached."""

import json
import os
import pickle
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
from upstream_fakes import torch, transformers, write_encoder, write_resnet, write_whisper

from undertone.errors import UndertoneError
from undertone.features import extractors
from undertone.features.upstream import batches
from undertone.models.picture import load_backbone


@pytest.fixture(params=["hubert-layer", "whisper"])
def encoder(request, tmp_path):
    folder = tmp_path / "encoder"
    if request.param == "whisper":
        return write_whisper(folder, seconds=4)
    return write_encoder(folder, request.param)


def change(folder, name, **values):
    path = folder / name
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


def compute(folder):
    batches._loaded.cache_clear()
    extractor = extractors.get(f"upstream:{folder}@all")
    return extractor.compute(np.random.default_rng(0).normal(0, 0.1, 6000).astype(np.float32))


WIDTH = {"hubert": "hidden_size", "whisper": "d_model"}
LAYERS = {"hubert": "num_hidden_layers", "whisper": "encoder_layers"}


@pytest.mark.parametrize("value", [..., "32", [32], None, 0, -1, 2.5, True, 10**30, {"a": 1}])
@pytest.mark.parametrize("names", [WIDTH, LAYERS], ids=["width", "layers"])
def test_a_config_that_tells_no_number_is_one_message(encoder, names, value):
    family = json.loads((encoder / "config.json").read_text())["model_type"]
    change(encoder, "config.json", **{names[family]: value})
    with pytest.raises(
        UndertoneError, match=f"must tell {names[family]} as a whole number"
    ) as told:
        compute(encoder)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize("name", ["conv_kernel", "conv_stride"])
@pytest.mark.parametrize("value", [..., 5, "ab", [], [1, "x"], [3, 2], [2] * 100, [10**9] * 7])
def test_convolutions_that_are_none_are_one_message(tmp_path, name, value):
    folder = write_encoder(tmp_path / "encoder", "hubert-layer")
    change(folder, "config.json", **{name: value})
    with pytest.raises(UndertoneError, match=r"must tell conv_|kernels and . strides"):
        compute(folder)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"3", b"null", b"{" * 10**5, b"[" * 10**5, b"\xff\xfe", b'{"a": ']
)
def test_what_is_no_config_is_one_message(encoder, name, content):
    (encoder / name).write_bytes(content)
    with pytest.raises(
        UndertoneError, match=r"is not valid JSON|holds no table|model_type"
    ) as told:
        compute(encoder)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("value", [["hubert"], {"a": 1}, 7, None, "bert" * 1000])
def test_a_family_that_is_none_is_one_message(encoder, value):
    change(encoder, "config.json", model_type=value)
    with pytest.raises(UndertoneError, match=r"is of model_type .*; encoders are wav2vec2"):
        compute(encoder)


@pytest.mark.parametrize("how", ["cut", "empty", "noise", "another model's", "gone"])
def test_damaged_weights_are_one_message(encoder, tmp_path, how):
    weights = encoder / "model.safetensors"
    content = weights.read_bytes()
    other = write_encoder(tmp_path / "other", "distilhubert") / "model.safetensors"
    changed = {
        "cut": content[:-100],
        "empty": b"",
        "noise": bytes(range(256)) * 20,
        "another model's": other.read_bytes(),
    }
    if how == "gone":
        weights.unlink()
    else:
        weights.write_bytes(changed[how])
    with pytest.raises(
        UndertoneError, match=r"cannot be loaded|lack|no weights in|not of one model"
    ):
        compute(encoder)


class Attack:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    "content",
    [pickle.dumps({"a": Attack()}), pickle.dumps({"a": torch.zeros(2)}), b"", b"no pickle"],
    ids=["program", "pickle", "empty", "noise"],
)
def test_a_pickle_of_weights_is_refused_without_advice_to_trust_it(encoder, content, capfd):
    (encoder / "model.safetensors").unlink()
    (encoder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(UndertoneError) as told:
        compute(encoder)
    message = str(told.value)
    assert "pytorch_model.bin is a pickle" in message or "not of one model" in message
    assert not re.search("weights_only|trust_remote|add_safe_globals", message)
    assert len(message.splitlines()) == 1
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("name", ["intermediate_size", "hidden_size"])
def test_a_small_folder_does_not_ask_for_a_large_memory(tmp_path, name):
    folder = write_encoder(tmp_path / "encoder", "hubert-layer")
    change(folder, "config.json", **{name: 60_000})
    with pytest.raises(
        UndertoneError, match=r"tells of [\d,]+ weights, and there are [\d,]+ bytes"
    ):
        compute(folder)


def test_whisper_of_a_long_window_does_not_ask_for_a_large_memory(tmp_path):
    folder = write_whisper(tmp_path / "encoder", seconds=4)
    change(folder, "config.json", max_source_positions=10**9, encoder_ffn_dim=10**6)
    with pytest.raises(UndertoneError, match=r"tells of [\d,]+ weights"):
        compute(folder)


def test_an_encoder_in_half_precision_is_no_bomb(tmp_path):
    folder = write_encoder(tmp_path / "encoder", "hubert-layer")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float16)
    model.save_pretrained(folder)
    assert np.isfinite(compute(folder)).all()


@pytest.mark.parametrize("content", [b"{}", b"[]", b"", b'{"model_type": "resnet", "depths": "x"}'])
def test_a_damaged_picture_network_is_one_message(tmp_path, content):
    folder = write_resnet(tmp_path / "resnet")
    (folder / "config.json").write_bytes(content)
    with pytest.raises(UndertoneError, match=r"there is no ResNet|expected a resnet"):
        load_backbone(folder)


HUB = """
import os, sys, time
from undertone.errors import UndertoneError
began = time.monotonic()
try:
    if sys.argv[1] == "encoder":
        from undertone.features import upstream
        import transformers, torch, huggingface_hub
        began = time.monotonic()
        upstream.find("upstream:nobody/nothing@1")
    else:
        from undertone.models.picture import load_backbone
        import transformers, torch, huggingface_hub
        began = time.monotonic()
        load_backbone("nobody/nothing")
except UndertoneError as error:
    print(f"{time.monotonic() - began:.1f}", error)
"""


@pytest.mark.parametrize("what", ["encoder", "picture"])
@pytest.mark.parametrize("how", ["silent", "refused"])
def test_a_hub_that_cannot_be_reached_is_said_within_a_few_seconds(tmp_path, what, how):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = listener.getsockname()
        if how == "silent":
            listener.listen()  # it takes calls, and says nothing
        values = os.environ | {
            "HF_ENDPOINT": f"http://{address[0]}:{address[1]}",
            "HF_HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "0",
        }
        done = subprocess.run(
            [sys.executable, "-c", HUB, what], capture_output=True, text=True, env=values
        )
    seconds, message = done.stdout.split(" ", 1)
    assert float(seconds) < 25  # of a machine that others keep busy; the hub is given four
    assert "nobody/nothing" in message
    assert "give the folder of a model" in message or "give a folder with" in message
