"""Ready-made frames go through the same steps as recordings do."""

import numpy as np
import pytest
from mosei_fakes import frame_entries, write_folder

import undertone
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import PretrainSettings, Resources, extract_corpora
from undertone.training.pretrain import PretrainConfig


@pytest.fixture
def folder(tmp_path, rng):
    entries = frame_entries(rng)
    entries["aaa"][0][3, 7] = -np.inf
    write_folder(tmp_path / "mosei", entries)
    return tmp_path / "mosei"


def test_mosei_frames_fill_the_store_and_pretrain_an_encoder(folder, tmp_path, capfd):
    resources = Resources(tmp_path / "cache")
    lines = extract_corpora([f"mosei={folder}"], "covarep", resources)
    assert lines[0].startswith("mosei: 5 utterances")
    assert "infinite" in capfd.readouterr().err
    settings = PretrainSettings(
        features="covarep",
        encoder=EncoderConfig(hidden_units=8),
        pretrain=PretrainConfig(max_epochs=1),
    )
    encoder = undertone.pretrain([f"mosei={folder}"], tmp_path / "encoder", settings, resources)
    assert encoder.inputs.features == "covarep"
    assert len(encoder.inputs.columns) == 74


def test_other_features_of_frames_that_are_given_are_refused(folder, tmp_path):
    with pytest.raises(undertone.UndertoneError, match="--features covarep, or take an encoder"):
        undertone.extract(f"mosei={folder}", "log_mel", Resources(tmp_path))
