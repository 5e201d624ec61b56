"""The single steps around a model: what pre-training hears, and what is told of a recording."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile
import torch
from corpora_fakes import fake_corpus, fake_table
from plan_fakes import Echo, frames_of, steps_by
from serving_fakes import voice

from undertone import pipeline
from undertone.errors import UndertoneError
from undertone.features import extractors, log_mel
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.pipeline import PretrainSettings, Resources, finetune, pretrain
from undertone.recogniser.build import short_name
from undertone.recogniser.folder import Inputs, PretrainedEncoder, Recogniser
from undertone.serving.predict import Prediction, predict
from undertone.systems.view import View
from undertone.tasks import Classes, Intensities
from undertone.training.normalise import Normaliser
from undertone.training.pretrain import Epoch, Pretraining

SHAPE = EncoderConfig(hidden_units=4, layers=1, stride=4)
N = len(log_mel.COLUMNS)


def test_a_pool_of_two_corpora_is_heard_as_one(monkeypatch, tmp_path):
    corpora = [
        fake_corpus(fake_table(n_speakers=n, n_each=1), name, f"/{name}")
        for n, name in ((2, "one"), (3, "other"))
    ]
    frames = [frames_of(corpus, seed) for seed, corpus in enumerate(corpora)]
    of_other = {name: of_one + 2 for name, of_one in frames[1].source.items()}
    frames[1] = replace(frames[1], source=of_other, keys={name: f"b {name}" for name in of_other})
    found = {corpus.name: table for corpus, table in zip(corpora, frames, strict=True)}
    monkeypatch.setattr(pipeline, "read_frames", lambda c, f, r: (c, found[c.name]))
    given = {}

    def training(steps, **options):
        given.update(options, steps=steps)
        torch.manual_seed(1)
        return Pretraining(Encoder(N, 4, 1).eval(), (Epoch(0, 0.5, 0.4),))

    monkeypatch.setattr(pipeline, "pretrain_encoder", training)
    settings = PretrainSettings(encoder=SHAPE, seed=6)
    model = pretrain(corpora, tmp_path, settings, Resources(tmp_path, progress=False))
    pool = [of_one for table in frames for of_one in table.source.values()]
    assert len(given["steps"]) == len(pool) == 20
    for steps, of_one in zip(given["steps"], pool, strict=True):
        np.testing.assert_allclose(steps, steps_by(pool)(of_one), atol=1e-4)
    speakers = [f"{c.name}/{s}" for c in corpora for s in c.table["speaker"]]
    assert list(given["speakers"]) == speakers
    assert (given["shape"], given["seed"]) == (SHAPE, 6)
    keys = [key for table in frames for key in table.keys.values()]
    assert model.notes["pool_audio"] == [short_name(key) for key in keys]
    assert model.notes["pool"] == ["one", "other"]


class AskedError(Exception):
    """Which features were asked for."""


def test_an_encoder_says_which_features_it_wants(monkeypatch, tmp_path):
    normaliser = Normaliser(np.zeros(74, np.float32), np.ones(74, np.float32), 4)
    inputs = Inputs("covarep", 1, (), normaliser, 100.0)
    encoder = PretrainedEncoder(inputs, SHAPE, Encoder(74, 4, 1))
    monkeypatch.setattr(pipeline, "load_encoder", lambda folder: encoder)

    def asked(corpus, features, task, resources, **teaching):
        raise AskedError(str(features))

    monkeypatch.setattr(pipeline, "read_data", asked)
    with pytest.raises(AskedError, match="covarep"):
        finetune(fake_corpus(), tmp_path / "model", encoder=tmp_path)


# --- what is told of a recording


@dataclass(frozen=True)
class Sure(Echo):
    """The same of everything."""

    values: tuple[float, ...] = ()

    def predict(self, material, utterances):
        return np.tile(np.array(self.values, np.float32), (len(utterances), 1))


def model_of(task, values, **changes) -> Recogniser:
    extractor = extractors.get("log_mel")
    normaliser = Normaliser(np.full(N, 3, np.float32), np.full(N, 0.2, np.float32), 4)
    inputs = Inputs("log_mel", extractor.version, extractor.columns, normaliser, 100.0)
    return Recogniser(
        replace(inputs, **changes), SHAPE, task, "sure", Sure(View(), 1, len(values), tuple(values))
    )


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, voice(150, 0.5), 16_000)
    return path


def test_each_output_is_told_by_its_name_to_six_digits(recording):
    values = (0.1234567, 0.6543211, 0.2222222)
    (told,) = predict(model_of(Classes(("anger", "fear", "joy")), values), [recording])
    assert told.emotion == "fear"
    assert told.to_dict() == {
        "file": str(recording),
        "emotion": "fear",
        "p_anger": 0.123457,
        "p_fear": 0.654321,
        "p_joy": 0.222222,
        "doubt": None,
        "error": None,
        "note": None,
    }
    values = (0.1234567, 2.6543211, 0, 1.5, 3, 0.25)
    task = Intensities()
    (told,) = predict(model_of(task, values), [str(recording)])
    assert told.emotion is None
    expected = dict(zip(task.outputs, (0.123457, 2.654321, 0, 1.5, 3, 0.25), strict=True))
    nothing = {"doubt": None, "error": None, "note": None}
    assert told.to_dict() == {"file": str(recording), **expected, **nothing}


def test_one_recording_may_stand_alone(recording):
    model = model_of(Classes(("anger", "fear")), (0.25, 0.75))
    assert [told.file for told in predict(model, recording)] == [str(recording)]
    assert list(predict(model, str(recording))) == list(predict(model, [recording]))


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(
        UndertoneError, match="a corpus is a text such as emodb=PATH, a path, a Corpus"
    ):
        finetune(3, tmp_path / "model")


def test_what_cannot_be_read_is_told_in_its_place(recording, tmp_path):
    model = model_of(Classes(("anger", "fear")), (0.25, 0.75))
    first, second = predict(model, [tmp_path / "absent.wav", recording])
    assert first.to_dict() == {
        "file": str(tmp_path / "absent.wav"),
        "emotion": None,
        "doubt": None,
        "error": first.error,
        "note": None,
    }
    assert second == Prediction(str(recording), {"anger": 0.25, "fear": 0.75}, "fear")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "trained on version 99 of log_mel"),
        ({"columns": (*log_mel.COLUMNS[:-1], "x")}, "trained on other columns"),
    ],
)
def test_a_model_of_other_features_is_refused(recording, changes, message):
    model = model_of(Classes(("anger", "fear")), (0.25, 0.75), **changes)
    with pytest.raises(UndertoneError, match=message):
        predict(model, [recording])
