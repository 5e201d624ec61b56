"""Folders that somebody else's files lie in, data sets in memory that lack something."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from undertone import config
from undertone.corpora import objects
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, folder
from undertone.recogniser import files
from undertone.recogniser.folder import check_free


@pytest.mark.parametrize(
    "names",
    [
        {"README.md": "# My project\n"},
        {"model.safetensors": "of another program"},
        {"config.json": json.dumps({"model_type": "whisper"}), "model.safetensors": "x"},
        {"config.json": json.dumps({"name": "my project"})},
    ],
)
def test_a_model_is_not_written_over_somebody_elses_files(tmp_path, names):
    for name, content in names.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UndertoneError, match="is there already, and no model of Undertone wrote"):
        check_free(tmp_path, files.RECOGNISER)


@pytest.mark.parametrize("config", ["", "{", "[1]", "{}", '{"format": 3, "kind": "recogniser"}'])
def test_a_damaged_model_is_trained_again_in_its_place(tmp_path, config):
    for name in ("README.md", "model.safetensors"):
        (tmp_path / name).write_text("ours")
    (tmp_path / "config.json").write_text(config)
    check_free(tmp_path, files.RECOGNISER)
    check_free(tmp_path / "new", files.RECOGNISER)


@pytest.mark.parametrize("name", ["report.html", "results.parquet", "audit.json", "curve.png"])
def test_a_run_is_not_written_over_somebody_elses_files(tmp_path, name):
    settings = CurveSettings(corpus="synthetic")
    folder.check(tmp_path, settings)
    (tmp_path / name).write_text("mine")
    with pytest.raises(UndertoneError, match=f"{name} is there already, and no run of"):
        folder.check(tmp_path, settings)


def test_settings_of_another_program_stay_and_those_of_the_run_are_taken(tmp_path):
    settings, path = CurveSettings(corpus="synthetic", draws=4), tmp_path / "config.toml"
    for text in ("[site]\ntitle = 'mine'\n", "corpus = 'synthetic'\ndraws = 5\n", "no TOML"):
        path.write_text(text)
        with pytest.raises(UndertoneError, match=r"config\.toml is there already"):
            folder.check(tmp_path, settings)
        assert path.read_text() == text
    for text in ("corpus = 'synthetic'\ndraws = 4\n", config.to_toml(replace(settings, draws=9))):
        path.write_text(text)  # laid there for this run; or of one that was stopped at its start
        folder.check(tmp_path, settings)


def dataset_of(audio: list) -> object:
    datasets = pytest.importorskip("datasets", reason="the extra datasets is not installed")
    return datasets.Dataset.from_dict({"audio": audio, "emotion": ["anger"] * len(audio)})


@pytest.mark.parametrize(
    "audio",
    [
        {"array": [0.1] * 9, "sampling_rate": -1},
        {"array": [0.1] * 9, "sampling_rate": 2**40},
        {"array": ["a"] * 9, "sampling_rate": 16_000},
        {"bytes": "no bytes", "path": "x.wav"},
    ],
)
def test_samples_of_a_data_set_that_are_none(tmp_path, audio):
    with pytest.raises(UndertoneError, match="the data set holds"):
        objects.of_dataset(dataset_of([audio]), folder=tmp_path)


def test_long_and_hidden_names_in_a_data_set_become_files(tmp_path):
    paths = [f"a/b{'ü' * 300}.wav", ".wav", "x." + "y" * 300, "", "../../up.wav"]
    rows = []
    for i, path in enumerate(paths):
        noise = 0.1 * np.random.default_rng(i).normal(size=2000)
        soundfile.write(tmp_path / "a.wav", noise, 16_000)
        rows.append({"bytes": (tmp_path / "a.wav").read_bytes(), "path": path})
    corpus = objects.of_dataset(dataset_of(rows), folder=tmp_path / "kept")
    assert len(corpus) == len(paths)
    written = sorted((tmp_path / "kept").iterdir())
    assert len(written) == len(paths)
    assert not any(path.name.startswith(".") for path in written)


def test_a_database_without_a_table_is_refused():
    audformat = pytest.importorskip("audformat", reason="the extra audformat is not installed")
    with pytest.raises(UndertoneError, match="the database mine has no table of files"):
        objects.of_object(audformat.Database("mine"))
