"""Any system as a folder: what was fitted, what is loaded and what is served are one."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from systems_fakes import fit, teacher_of
from text_fakes import WORDS, write_text_encoder
from upstream_fakes import write_resnet

from undertone.errors import UndertoneError
from undertone.features.text import source
from undertone.features.text.reader import Reader
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.models.network import encode
from undertone.recogniser import folder
from undertone.recogniser.folder import Inputs, PretrainedEncoder, Recogniser
from undertone.systems.problem import PRETRAINED, RANDOM, Material, Problem
from undertone.systems.table import systems_of
from undertone.systems.words import Words
from undertone.tasks import CHOICE, Classes, Dimensions, Intensities
from undertone.tasks.draws import LabelDraw
from undertone.training.normalise import fit_normaliser

COLUMNS = ("mel_00", "mel_01", "mel_02", "pitch", "level")
SHAPE = EncoderConfig(hidden_units=8, layers=1, stride=4, pooling="mean_sd")
TASKS = (
    Classes(("anger", "neutral", "sadness")),
    Intensities(),
    Dimensions(("arousal", "valence"), low=1.0, high=5.0, proxy="pad"),
)
BRIEF = {
    "finetune": {"max_epochs": 2, "epochs_without_validation": 2},
    "cnn": {"max_epochs": 2, "channels": 8, "blocks": 1, "segment_s": 0.2},
    "picture": {"max_epochs": 1, "segment_s": 0.4},
    "discriminant": {},
    "ridge": {},
    "taught": {},
}
CASES = [  # what hears audio has its own in test_encoders_tuned
    (task, name)
    for task in TASKS
    for name, row in systems_of(task).items()
    if not (row.hears_teacher or row.hears_audio)
]


@pytest.fixture(scope="module")
def speech():
    """Frames of mean 3 and deviation .2, raised in the column of the class."""
    rng = np.random.default_rng(2)
    frames = {f"u{i:02d}": rng.normal(3, 0.2, (40 + i % 9, 5)) for i in range(36)}
    for i, name in enumerate(frames):
        frames[name][:, i % 3] += 0.4
    return {name: of_one.astype(np.float32) for name, of_one in frames.items()}


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return write_resnet(tmp_path_factory.mktemp("resnet"))


@pytest.fixture(scope="module")
def words(speech, tmp_path_factory):
    """What each utterance says: words by their number, and one that says nothing."""
    root = tmp_path_factory.mktemp("words")
    encoder = source.find(str(write_text_encoder(root / "encoder")))
    reader = Reader(f"text:{encoder.folder}", encoder.digest, encoder.width)
    said = {name: f"{WORDS[i % 12]} {WORDS[i // 12]} again" for i, name in enumerate(speech)}
    said[list(speech)[-1]] = "…"
    texts = {name: text for name, text in said.items() if text != "…"}
    values = reader.read(texts.values(), folder=root / "store", progress=False)
    return Words(reader, {name: values[text] for name, text in texts.items()}, said)


def problem_of(task, speech, words=None) -> Problem:
    torch.manual_seed(0)
    names, rng = list(speech), np.random.default_rng(3)
    labelled = names[:24]
    speaker = {name: f"s{i % 4}" for i, name in enumerate(names)}
    truth = (
        {name: np.eye(3)[i % 3] for i, name in enumerate(labelled)}
        if task.kind == CHOICE
        else {name: rng.integers(0, 10, len(task.outputs)) / 3 for name in labelled}
    )
    return Problem(
        Material(
            frames=speech.__getitem__,
            columns=COLUMNS,
            normaliser=fit_normaliser(speech.values(), stride=4),
            shape=SHAPE,
            encoders={PRETRAINED: Encoder(5, 8, 1).eval()},
            seed=5,
            crowd={name: speaker[name] for name in names[:30]},
            frames_per_second=100.0,
            teacher=teacher_of({n: speech[n].mean(axis=0).reshape(1, 5) for n in names}),
            words=words,
        ),
        task,
        LabelDraw(labelled[:20], labelled[20:]),
        names[30:],
        truth,
        {name: speaker[name] for name in labelled},
        seed=7,
    )


def recogniser_of(problem, system, resnet=None) -> Recogniser:
    row = systems_of(problem.task)[system]
    values = {} if row.settings is None else BRIEF[row.settings.name]
    values = values | ({"network": str(resnet)} if system == "image_cnn" else {})
    fitted = fit(problem, system, **values)
    material = problem.material
    start = fitted.view.start
    return Recogniser(
        Inputs("toy", 1, COLUMNS, material.normaliser, 100.0),
        SHAPE,
        problem.task,
        system,
        fitted,
        {start: material.encoder(start)} if start else {},
        {"labels": 24, **fitted.notes},
        material.words.reader if fitted.reads_words else None,
    )


@pytest.mark.parametrize(("task", "system"), CASES, ids=[f"{t.name}-{s}" for t, s in CASES])
def test_what_the_curve_predicts_is_what_the_folder_serves(
    speech, words, tmp_path, resnet, task, system
):
    problem = problem_of(task, speech, words)
    saved = recogniser_of(problem, system, resnet)
    in_the_curve = saved.fitted.predict(problem.material, problem.test)
    saved.save(tmp_path / "model", "# a card")
    loaded = folder.load(tmp_path / "model")
    said = words.sentences
    if system == "text_shuffled":
        said = said | {name: said[other] for name, other in words.partners.items()}
    served = np.stack([loaded.predict(speech[name], said[name]) for name in problem.test])
    np.testing.assert_allclose(served, in_the_curve, atol=2e-6 if loaded.reader is None else 2e-4)
    assert served.dtype == np.float32
    assert (loaded.task, loaded.system, loaded.shape) == (task, system, SHAPE)
    assert loaded.notes == saved.notes
    assert loaded.fitted.config() == saved.fitted.config()
    assert (tmp_path / "model" / "README.md").read_text() == "# a card"


@pytest.mark.parametrize("system", ["scratch", "pretrained_frozen", "random_frozen", "combined"])
@pytest.mark.parametrize("of", ["mean", "sd"])
def test_a_saved_model_keeps_its_normaliser(speech, tmp_path, system, of):
    """With another mean or deviation the same frames are other steps."""
    problem = problem_of(TASKS[0], speech)
    model = recogniser_of(problem, system)
    model.save(tmp_path, "")
    loaded = folder.load(tmp_path)
    kept = loaded.inputs.normaliser
    np.testing.assert_array_equal(getattr(kept, of), getattr(model.inputs.normaliser, of))
    assert kept.stride == 4
    bent = replace(kept, **{of: getattr(kept, of) * np.float32(1.5)})
    other = replace(loaded, inputs=replace(loaded.inputs, normaliser=bent))
    frames = speech[problem.test[0]]
    assert (other.predict(frames) != loaded.predict(frames)).any()


def test_emphasis_is_of_descriptors_first_and_of_the_encoder_behind(speech):
    problem = problem_of(TASKS[0], speech)
    emphasis = fit(problem, "combined", encoder_emphasis=0.3).head.emphasis
    n_descriptors = problem.material.descriptors(problem.budget[:1]).shape[1]
    assert len(emphasis) == n_descriptors + 2 * SHAPE.hidden_units
    np.testing.assert_array_equal(emphasis[n_descriptors:], 0.3)
    own = problem.material.emphasis(n_descriptors)
    np.testing.assert_array_equal(emphasis[:n_descriptors], own)


def test_the_encoder_that_is_saved_is_the_one_that_was_read(speech, tmp_path):
    problem = problem_of(TASKS[0], speech)
    for start, system in ((PRETRAINED, "pretrained_frozen"), (RANDOM, "random_frozen")):
        recogniser_of(problem, system).save(tmp_path / start, "")
        loaded = folder.load(tmp_path / start)
        weights = loaded.encoders[start].state_dict()
        for name, tensor in problem.material.encoder(start).state_dict().items():
            assert torch.equal(weights[name], tensor)


def test_an_encoder_survives_its_folder_and_is_no_recogniser(speech, tmp_path):
    problem = problem_of(TASKS[0], speech)
    encoder, normaliser = problem.material.encoder(PRETRAINED), problem.material.normaliser
    inputs = Inputs("toy", 3, COLUMNS, normaliser, 80.0)
    PretrainedEncoder(inputs, SHAPE, encoder, {"pool": ["x"]}).save(tmp_path, "# a card")
    loaded = folder.load_encoder(tmp_path)
    steps = [normaliser.apply(frames) for frames in speech.values()]
    np.testing.assert_allclose(
        encode(loaded.encoder, steps, "mean"), encode(encoder, steps, "mean")
    )
    assert loaded.notes == {"pool": ["x"]}
    read = loaded.inputs
    assert (read.features, read.version, read.columns) == ("toy", 3, COLUMNS)
    assert (read.frames_per_second, read.normaliser.stride, loaded.shape) == (80.0, 4, SHAPE)
    with pytest.raises(UndertoneError, match="kind encoder, expected recogniser"):
        folder.load(tmp_path)


def test_frames_of_other_columns_are_refused(speech, rng):
    model = recogniser_of(problem_of(TASKS[0], speech), "descriptors")
    with pytest.raises(UndertoneError, match=r"5 toy columns, found an array of shape \(9, 6\)"):
        model.predict(rng.normal(size=(9, 6)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{", "is damaged"),
        ("config.json", b"{}", "is not of an Undertone model of format 3; train it again"),
        ("config.json", None, "holds no config.json; a model folder is what `undertone finetune`"),
        ("model.safetensors", b"short", "is damaged"),
        ("model.safetensors", None, "is damaged"),
    ],
)
def test_a_damaged_folder_is_named(speech, tmp_path, name, content, message):
    recogniser_of(problem_of(TASKS[0], speech), "functionals_logistic").save(tmp_path, "")
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UndertoneError, match=message):
        folder.load(tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("task", "name"), "weather"),
        (("task", "outputs"), ["anger"]),
        (("model", "kind"), "magic"),
        (("model", "head"), "magic"),
        (("model", "view"), {"blocks": 3}),
        (("encoder", "stride"), 5),
        (("columns",), ["a"]),
        (("notes",), 3),
    ],
)
def test_a_config_that_does_not_fit_its_weights_is_told(speech, tmp_path, path, value):
    recogniser_of(problem_of(TASKS[0], speech), "combined").save(tmp_path, "")
    config = json.loads((tmp_path / "config.json").read_text())
    place = config
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UndertoneError, match=r"is damaged|do not fit"):
        folder.load(tmp_path).predict(next(iter(speech.values())))


def test_weights_of_another_model_of_the_same_shape_are_refused(speech, tmp_path):
    for name, shift in (("one", 0), ("other", 1)):
        moved = {utterance: frames + shift for utterance, frames in speech.items()}
        recogniser_of(problem_of(TASKS[0], moved), "linear").save(tmp_path / name, "")
    weights = (tmp_path / "other" / "model.safetensors").read_bytes()
    (tmp_path / "one" / "model.safetensors").write_bytes(weights)
    with pytest.raises(UndertoneError, match=r"model\.safetensors is not the file that its config"):
        folder.load(tmp_path / "one")


def test_a_model_is_not_written_over_a_model_of_another_kind(speech, tmp_path):
    recogniser_of(problem_of(TASKS[0], speech), "linear").save(tmp_path / "model", "")
    folder.check_free(tmp_path / "model", folder.RECOGNISER)
    folder.check_free(tmp_path / "new", folder.ENCODER)
    with pytest.raises(UndertoneError, match="holds a model of kind recogniser, which `undertone"):
        folder.check_free(tmp_path / "model", folder.ENCODER)
    with pytest.raises(UndertoneError, match="is the encoder's own folder; choose another --out"):
        folder.check_free(tmp_path / "x", folder.RECOGNISER, beside=tmp_path / "y" / ".." / "x")
