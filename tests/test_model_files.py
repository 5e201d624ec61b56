"""The files of a model: replaced together, and used only as they were written."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from test_recogniser_folder import TASKS, problem_of, recogniser_of, speech  # noqa: F401

from undertone import atomic, seals
from undertone.errors import UndertoneError
from undertone.recogniser import files, folder


def rewrite(model: Path, change_config=None, change_tensors=None) -> None:
    """Change a model as its author could: with digests that fit."""
    config = json.loads((model / "config.json").read_text())
    del config[seals.SEAL]
    tensors = load_tensors((model / "model.safetensors").read_bytes())
    for change, values in ((change_config, config), (change_tensors, tensors)):
        if change is not None:
            change(values)
    weights = save_tensors(tensors)
    (model / "model.safetensors").write_bytes(weights)
    config["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    (model / "config.json").write_text(json.dumps(seals.seal(config)))


@pytest.fixture
def model(speech, tmp_path):  # noqa: F811
    recogniser_of(problem_of(TASKS[0], speech), "combined").save(tmp_path / "model", "# a card")
    return tmp_path / "model"


def test_who_stops_between_two_files_leaves_no_model_of_both(model, speech, monkeypatch):  # noqa: F811
    moved = {name: frames + 1 for name, frames in speech.items()}
    other = recogniser_of(problem_of(TASKS[0], moved), "combined")
    renames, rename = [], Path.replace

    def stop(self, target):
        renames.append(target)
        if len(renames) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        other.save(model, "# another card")
    with pytest.raises(UndertoneError, match="is not the file that its config"):
        folder.load(model)


def test_a_disk_that_fills_up_costs_the_model_that_was_there_nothing(model, speech, monkeypatch):  # noqa: F811
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    write = Path.write_bytes

    def fill_up(self, content):
        if "config" in self.name:
            write(self, content[:20])
            raise OSError(28, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(UndertoneError, match="the disk is full"):
        recogniser_of(problem_of(TASKS[0], speech), "linear").save(model, "# a card")
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


@pytest.mark.parametrize("name", ["model.weight", "normaliser.mean", "encoder.gru.weight_hh_l0"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_no_training_leaves_are_refused(model, name, value):
    rewrite(
        model, None, lambda tensors: tensors[name].__setitem__((0,) * tensors[name].ndim, value)
    )
    with pytest.raises(UndertoneError, match=f"{name} hold values that no training leaves"):
        folder.load(model)


def test_a_constant_column_has_an_infinite_deviation_and_no_other(model, speech):  # noqa: F811
    frames = speech["u30"]
    rewrite(model, None, lambda tensors: tensors["normaliser.sd"].__setitem__(2, np.inf))
    assert np.isfinite(folder.load(model).predict(frames)).all()
    for value in (np.nan, 0.0, -1.0):
        rewrite(model, None, lambda tensors, v=value: tensors["normaliser.sd"].__setitem__(2, v))
        with pytest.raises(UndertoneError, match=r"normaliser\.sd hold values"):
            folder.load(model)


def put(name, change):
    return lambda tensors: tensors.update({name: change(tensors[name])})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.weight", lambda a: a.astype(np.float16)),
        ("model.mean", lambda a: a[:1]),  # which NumPy would repeat
        ("model.bias", lambda a: a[:1]),
        ("model.bias", lambda a: a[None]),
        ("model.weight", lambda a: a[:, :-1]),
        ("encoder.gru.weight_hh_l0", lambda a: a.astype(np.float64)),
        ("encoder.gru.weight_hh_l0", lambda a: a[:-1]),
        ("normaliser.mean", lambda a: a[:, None]),
        ("normaliser.mean", lambda a: a.astype(np.int64)),
    ],
)
def test_weights_of_another_type_or_shape_are_refused(model, name, change):
    rewrite(model, None, put(name, change))
    with pytest.raises(UndertoneError, match=r"is damaged: "):
        folder.load(model)


def test_all_values_of_one_size_are_not_repeated(model):
    def shrink(tensors):
        for name in ("mean", "sd", "emphasis"):
            tensors[f"model.{name}"] = tensors[f"model.{name}"][:1]
        tensors["model.weight"] = tensors["model.weight"][:, :1]

    rewrite(model, None, shrink)
    with pytest.raises(
        UndertoneError, match=r"its vectors have 1 values|compared with is of shape"
    ):
        folder.load(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["model"]["view"].update(blocks=["magic"]),
        lambda config: config.pop("frames_per_second"),
        lambda config: config.update(frames_per_second=0),
        lambda config: config.update(frames_per_second="fast"),
        lambda config: config.update(stride=5),
        lambda config: config.update(columns=config["columns"][:-1]),
        lambda config: config["task"].update(outputs=["anger"]),
        lambda config: config["task"].update(outputs=3),
        lambda config: config.update(model=[]),
        lambda config: config.update(encoder=3),
        lambda config: config.update(notes=3),
        lambda config: config["encoder"].update(hidden_units=9),
        lambda config: config["encoder"].update(layers=2),
    ],
)
def test_a_config_that_its_author_made_wrong_is_one_message(model, change):
    rewrite(model, change)
    with pytest.raises(UndertoneError, match="is damaged") as told:
        folder.load(model)
    assert len(str(told.value).splitlines()) == 1


def test_a_word_changed_in_the_config_is_seen(model):
    text = (model / "config.json").read_text()
    (model / "config.json").write_text(text.replace('"anger"', '"angel"'))
    with pytest.raises(UndertoneError, match=r"its config\.json was changed"):
        folder.load(model)


@pytest.mark.parametrize("content", ["[" * 100_000, "3", "[]", '"x"', "\x00", '{"format": 2}'])
def test_what_is_no_config_is_one_message(model, content):
    (model / "config.json").write_text(content)
    with pytest.raises(UndertoneError, match=r"damaged|format 3") as told:
        folder.load(model)
    assert len(str(told.value)) < 500
    folder.check_free(model, files.ENCODER)


BOMB = """
import resource, sys
from undertone.errors import UndertoneError
from undertone.recogniser import folder
used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
folder.load_encoder(sys.argv[1])
before = used()
try:
    folder.load(sys.argv[2])
except UndertoneError as error:
    print(used() - before, error)
"""


@pytest.mark.parametrize("system", ["scratch", "cnn", "combined"])
def test_a_small_config_does_not_ask_for_a_large_model(speech, tmp_path, system):  # noqa: F811
    problem = problem_of(TASKS[0], speech)
    model = recogniser_of(problem, system)
    model.save(tmp_path / "model", "")
    start = problem.material.encoders["pretrained"]
    folder.PretrainedEncoder(model.inputs, model.shape, start).save(tmp_path / "encoder", "")

    def blow_up(config):
        config["encoder"] |= {"hidden_units": 4096, "layers": 8}
        if system == "cnn":
            config["model"]["settings"] |= {"channels": 8192, "blocks": 8, "kernel": 99}

    rewrite(tmp_path / "model", blow_up)
    done = subprocess.run(
        [sys.executable, "-c", BOMB, tmp_path / "encoder", tmp_path / "model"],
        capture_output=True,
        text=True,
        check=True,
    )
    kilobytes, message = done.stdout.split(" ", 1)
    assert "is damaged" in message
    assert int(kilobytes) < 100_000


def test_a_backbone_of_a_million_layers_is_not_built(speech, tmp_path):  # noqa: F811
    from upstream_fakes import write_resnet

    resnet = write_resnet(tmp_path / "resnet")
    recogniser_of(problem_of(TASKS[0], speech), "image_cnn", resnet).save(tmp_path / "model", "")
    rewrite(tmp_path / "model", lambda c: c["model"]["backbone"].update(depths=[10**9, 1]))
    with pytest.raises(UndertoneError, match="other layers than its backbone"):
        folder.load(tmp_path / "model")


def test_two_processes_do_not_write_to_one_folder(tmp_path):
    with atomic.held(tmp_path / "a" / "b"):
        with (
            pytest.raises(UndertoneError, match="another process of Undertone is at work in"),
            atomic.held(tmp_path / "a" / "b"),
        ):
            raise AssertionError("two are in one folder")
        (tmp_path / "a" / "kept").write_text("")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]
    with atomic.held(tmp_path / "a" / "b"):
        pass


@pytest.mark.parametrize("place", ["file/x", "/proc/nothing/x"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path, place):
    (tmp_path / "file").write_text("")
    told = pytest.raises(UndertoneError, match=r"cannot be made: .*choose another --out")
    with told, atomic.held(tmp_path / place):
        raise AssertionError("the work began")


def test_the_card_does_not_claim_a_test_that_never_was():
    from plan_fakes import data_of, finetune_build

    from undertone.systems.calibrated import HOW, TESTED, UNTESTED

    data = data_of("choice")
    alone = data.corpus.table["speaker"] == "s03"
    one = replace(data.corpus, table=data.corpus.table[alone])
    tested, untested = HOW[TESTED], HOW[UNTESTED]
    for corpus, said, unsaid in ((data.corpus, tested, untested), (one, untested, tested)):
        build = finetune_build(
            replace(data, corpus=corpus), system="descriptors", labels=None, folds=0
        )
        model = build.fit_all()
        method = build.facts(None, model).method
        assert said in method
        assert unsaid not in method
        surest = [model.predict(data.frames.frames(name)).max() for name in data.frames.utterances]
        assert np.median(surest) < (0.6 if corpus is one else 0.95)  # the frames are noise
