import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from systems_fakes import fit, fit_and_predict
from upstream_fakes import write_encoder, write_resnet

from undertone import audio, config, experiment
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, curve
from undertone.features import extractors, mappings, vectors
from undertone.features.name import parse
from undertone.features.store import FrameTable, extract
from undertone.features.text.reader import Reader
from undertone.features.upstream import batches
from undertone.models.discriminant import Crowd, DiscriminantConfig, fit_discriminant
from undertone.models.encoder import EncoderConfig
from undertone.pipeline import Resources, extract_corpora, finetune
from undertone.reading import read_data
from undertone.recogniser.settings import FinetuneSettings
from undertone.serving.predict import predict
from undertone.systems import layers as layer_choice
from undertone.systems.layers import Layers
from undertone.systems.problem import Material, Problem
from undertone.systems.table import ENCODER, systems_of, usual_systems
from undertone.systems.words import Words
from undertone.tasks import Classes
from undertone.tasks.draws import LabelDraw
from undertone.training.normalise import Normaliser

EMOTIONS = ("anger", "neutral", "sadness")
TASK = Classes(EMOTIONS)
ROWS = systems_of(TASK)
TINY = {
    "steps_per_second": 50.0,
    "segment_s": 1.0,
    "channels": 8,
    "max_epochs": 8,
    "batch_size": 8,
}


def test_mean_and_deviation_leave_out_what_is_not_finite(rng):
    frames = rng.normal(size=(3, 20, 4))
    expected = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)
    np.testing.assert_allclose(vectors.mean_sd(frames), expected, rtol=1e-5)
    frames[1, ::2, 0] = np.nan
    frames[2, :, 1] = np.inf
    described = vectors.mean_sd(frames)
    assert described[1, 0] == pytest.approx(frames[1, 1::2, 0].mean(), rel=1e-5)
    assert described[2, 1] == described[2, 5] == 0


def fake_layers(rng, *, telling=2, n=60, candidates=range(4)):
    """Vectors of four layers, of which one tells the class and the others nothing."""
    names = [f"u{i:02d}" for i in range(n)]
    truth = np.arange(n) % 3
    speakers = np.array([f"s{i // 3 % 6}" for i in range(n)])
    source = {}
    for name, kind in zip(names, truth, strict=True):
        source[name] = rng.normal(size=(4, 6)).astype(np.float32)
        source[name][telling, kind] += 2.5
    columns = tuple(f"0123abcd_{k:02d}_{unit:04d}" for k in range(4) for unit in range(3))
    table = FrameTable("fake", 1, 50, columns, source)
    return Layers(table, table, 4, candidates), names, truth, speakers


def test_the_telling_layer_is_chosen(rng):
    for telling in range(4):
        layers, names, truth, speakers = fake_layers(rng, telling=telling)
        found = layer_choice.choose(layers, names, truth=truth, speakers=speakers, seed=1)
        assert found == telling


def test_only_candidates_are_chosen(rng):
    layers, names, truth, speakers = fake_layers(rng, telling=0, candidates=range(1, 3))
    found = layer_choice.choose(layers, names, truth=truth, speakers=speakers, seed=1)
    assert found in (1, 2)


def test_the_middle_layer_stands_in_where_labels_cannot_tell(rng):
    layers, names, truth, speakers = fake_layers(rng, telling=0)
    few = {"truth": truth[:3], "speakers": speakers[:3], "seed": 1}
    assert layer_choice.choose(layers, names[:3], **few) == 2


def test_the_telling_layer_of_amounts_is_chosen(rng):
    for telling in range(4):
        layers, names, truth, speakers = fake_layers(rng, telling=telling)
        amounts = 3 * np.eye(3)[truth] + 0.1 * rng.normal(size=(len(names), 3))
        chosen = layer_choice.choose(layers, names, truth=amounts, speakers=speakers, seed=1)
        assert chosen == telling
    of_one = np.full(len(names), "s0")
    chosen = layer_choice.choose(layers, names, truth=amounts, speakers=of_one, seed=1)
    assert chosen == 2, "one speaker cannot tell: the middle one"


def problem_of(layers, names, truth, speakers, rng):
    known = [name for name, s in zip(names, speakers, strict=True) if s not in ("s4", "s5")]
    frames = {name: rng.normal(size=(60, 6)).astype(np.float32) for name in names}
    for name, kind in zip(names, truth, strict=True):
        frames[name][:, kind] += 1
    material = Material(
        frames=frames.__getitem__,
        columns=tuple("abcdef"),
        normaliser=Normaliser(np.zeros(6), np.ones(6)),
        shape=EncoderConfig(),
        frames_per_second=50,
        layers=layers,
        crowd={n: s for n, s in zip(names, speakers, strict=True) if n in known},
        words=Words(Reader("text:toy", "", 3), {n: rng.normal(4, 0.2, 3) for n in names}),
    )
    return Problem(
        material=material,
        task=TASK,
        labels=LabelDraw(known[:32], known[32:40]),
        test=[name for name in names if name not in known],
        truth={n: np.eye(3)[t] for n, t in zip(names, truth, strict=True) if n in known[:40]},
        speaker={n: s for n, s in zip(names, speakers, strict=True) if n in known[:40]},
        seed=3,
    )


def settings_of(system):
    return TINY if system == "cnn" else {}


@pytest.mark.parametrize("system", ["linear", "svm"])
def test_heads_see_the_layer_and_note_it(rng, system):
    layers, names, truth, speakers = fake_layers(rng)
    problem = problem_of(layers, names, truth, speakers, rng)
    tested = np.array([truth[names.index(name)] for name in problem.test])
    fitted = fit(problem, system)
    predicted = fitted.predict(problem.material, problem.test)
    assert (predicted.argmax(axis=1) == tested).mean() > 0.7
    assert fitted.notes == {"layer": 2}
    silent = replace(layers, candidates=range(1))
    problem = problem_of(silent, names, truth, speakers, rng)
    fitted = fit(problem, system)
    predicted = fitted.predict(problem.material, problem.test)
    assert (predicted.argmax(axis=1) == tested).mean() < 0.7
    assert fitted.notes == {"layer": 0}


OF_FRAMES = [n for n, row in ROWS.items() if not row.hears_audio and n != "image_cnn"]


@pytest.mark.parametrize("system", [name for name in OF_FRAMES if not ROWS[name].sees_pool])
def test_a_system_said_not_to_see_the_pool_does_not_ask_for_its_statistics(rng, system):
    problem = problem_of(*fake_layers(rng), rng)
    problem.material.normaliser = None
    problem.material.teacher = problem.material.layers
    if system == "cnn":
        problem.material.layers = None  # frames of a table on disk: here they stand as they are
    probabilities = fit_and_predict(problem, system, **settings_of(system))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("system", ["scratch", "random_frozen", "combined_random"])
def test_a_system_with_a_gru_sees_the_pool(rng, system):
    problem = problem_of(*fake_layers(rng), rng)
    problem.material.normaliser = None
    with pytest.raises(AttributeError, match="NoneType"):
        fit_and_predict(problem, system)


def test_all_layers_go_into_one_discriminant_with_the_crowd(rng):
    layers, names, truth, speakers = fake_layers(rng)
    problem = problem_of(layers, names, truth, speakers, rng)
    tested = np.array([truth[names.index(name)] for name in problem.test])
    predicted = fit_and_predict(problem, "layers", centring=0.0)
    assert (predicted.argmax(axis=1) == tested).mean() > 0.7
    vectors_of = {n: layers.vectors.frames(n)[:, :3].ravel() for n in names}
    crowd = list(problem.material.crowd)
    fitted = fit_discriminant(
        np.stack([vectors_of[n] for n in problem.budget]),
        problem.positions(problem.budget),
        crowd=Crowd(
            np.stack([vectors_of[n] for n in crowd]),
            np.array(list(problem.material.crowd.values())),
            np.array([n not in problem.budget for n in crowd]),
        ),
        n_outputs=3,
        settings=DiscriminantConfig(),
        emphasis=np.repeat([0.4, 0.8, 0.8, 0.4], 3) ** 2,
    )
    fitted = fitted.cooled(fit(problem, "layers", centring=0.0).notes["temperature"])
    expected = fitted.predict(np.stack([vectors_of[n] for n in problem.test]))
    np.testing.assert_allclose(predicted, expected, atol=1e-5)


@pytest.mark.parametrize("system", ["linear", "svm", "cnn"])
def test_heads_work_on_frames_without_layers(rng, system):
    _, names, truth, speakers = fake_layers(rng)
    problem = problem_of(None, names, truth, speakers, rng)
    tested = np.array([truth[names.index(name)] for name in problem.test])
    fitted = fit(problem, system, **settings_of(system))
    predicted = fitted.predict(problem.material, problem.test)
    assert predicted.shape == (len(tested), 3)
    assert (predicted.argmax(axis=1) == tested).mean() > 0.7
    assert fitted.notes == {}


def test_the_picture_network_reads_mel_bands(rng, resnet):
    _, names, truth, speakers = fake_layers(rng)
    problem = problem_of(None, names, truth, speakers, rng)
    with pytest.raises(UndertoneError, match="image_cnn needs --features log_mel"):
        fit(problem, "image_cnn")
    columns = ("mel_00", "mel_01", "mel_02", *"abc")
    material = replace(problem.material, columns=columns)
    problem = replace(problem, material=material)
    predicted = fit_and_predict(problem, "image_cnn", network=str(resnet), max_epochs=1)
    assert predicted.shape == (len(problem.test), 3)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)


def test_the_choice_sees_the_budget_alone(rng, monkeypatch):
    layers, names, truth, speakers = fake_layers(rng)
    problem = problem_of(layers, names, truth, speakers, rng)
    asked = []
    of = Layers.of
    monkeypatch.setattr(Layers, "of", lambda self, k, u: asked.append(set(u)) or of(self, k, u))
    fit_and_predict(problem, "linear")
    assert asked[:-1] == [set(problem.budget)] * 5  # four layers, then the fit itself
    assert asked[-1] == set(problem.test)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return write_resnet(tmp_path_factory.mktemp("resnet"))


@pytest.fixture
def corpus(tmp_path, rng):
    """Twelve speakers whose emotions are noises of three colours."""
    rows = []
    for speaker in range(6):
        for number in range(12):
            kind = number % 3
            noise = rng.normal(0, 0.1, 8000)
            colour = np.convolve(noise, np.ones(1 + 4 * kind) / (1 + 4 * kind), mode="same")
            file = f"s{speaker}-{number:02d}.wav"
            soundfile.write(tmp_path / file, colour, audio.SAMPLE_RATE)
            rows.append((file, f"s{speaker}", EMOTIONS[kind]))
    pd.DataFrame(rows, columns=["file", "speaker", "emotion"]).to_csv(
        tmp_path / "labels.csv", index=False
    )
    return tmp_path / "labels.csv"


def settings(corpus, features, **others):
    values = {"budgets": [12, 30], "draws": 1, "folds": 2, "cnn": TINY} | others
    return config.load(CurveSettings, values | {"corpus": str(corpus), "features": features})


def resolved(asked):
    return asked.resolved(TASK, parse(asked.features))


def test_a_curve_on_an_encoder_chooses_layers_and_says_which(tmp_path, corpus, monkeypatch):
    encoder = write_encoder(tmp_path / "hubert", "hubert-layer")
    features = f"upstream:{encoder}@auto"
    resources = Resources(tmp_path / "store", workers=1, progress=False)
    report = curve(settings(corpus, features), tmp_path / "run", resources).report
    text = report.read_text()
    assert "Each fit chose one of 4 layers of the encoder" in text
    assert "With 12 labels, 2 fits chose: layer" in text
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert set(results["system"]) == set(usual_systems(TASK, ENCODER))
    whole = "undertone.experiment.complete.run_sweep"
    monkeypatch.setattr(whole, lambda *a, **k: None)  # all fits are there
    monkeypatch.setattr(batches, "compute_layers", None)
    assert curve(settings(corpus, features), tmp_path / "run", resources).report == report


def test_systems_that_read_means_come_to_the_same_without_frames(tmp_path, corpus):
    """From a store that keeps means alone, and from one of all frames as they once were kept."""
    encoder = write_encoder(tmp_path / "hubert", "hubert-layer")
    asked = settings(
        corpus,
        f"upstream:{encoder}@auto",
        systems=("layers", "svm", "constant"),
        budgets=[12],
        replicates=20,
    )
    resources = {n: Resources(tmp_path / n, workers=1, progress=False) for n in ("new", "old")}
    extract_corpora([str(corpus)], asked.features, resources["old"], every_frame=True)
    for vectors_beside in (tmp_path / "old").rglob(vectors.FOLDER):
        shutil.rmtree(vectors_beside)
    mappings.forget()
    tables = {}
    for name, own in resources.items():
        curve(asked, tmp_path / f"run {name}", own)
        tables[name] = (tmp_path / f"run {name}" / "results.parquet").read_bytes()
    assert tables["new"] == tables["old"]
    halves = {n: [p for p in (tmp_path / n).rglob("*.npy") if is_half(p)] for n in resources}
    assert halves["old"]
    assert halves["new"] == []


def is_half(path):
    return np.load(path, mmap_mode="r").dtype == np.float16


def test_a_network_on_an_encoder_asks_for_frames_and_who_reads_means_does_not(tmp_path, corpus):
    encoder = write_encoder(tmp_path / "hubert", "hubert-layer")
    resources = Resources(tmp_path / "store", workers=1, progress=False)

    def fitted(system):
        asked = config.load(
            FinetuneSettings,
            {"features": f"upstream:{encoder}@2", "system": system, "folds": 0, "cnn": TINY},
        )
        finetune(str(corpus), tmp_path / system, settings=asked, resources=resources)
        return {p.parent.name for p in (tmp_path / "store").rglob("*.npy") if is_half(p)}

    assert fitted("layers") == set()
    assert fitted("cnn") == {"layers_02-02"}


@pytest.mark.parametrize(
    "system", [n for n, row in ROWS.items() if row.reads_means and not row.hears_audio]
)
def test_a_system_said_to_read_means_reads_no_frame(rng, system):
    problem = problem_of(*fake_layers(rng), rng)
    problem.material.frames = None
    problem.material.teacher = problem.material.layers
    probabilities = fit_and_predict(problem, system)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_an_unlabelled_corpus_that_no_system_sees_is_refused(corpus):
    pool = {"unlabelled": ("more=/more",)}
    for features, system in (("upstream:x@auto", "linear"), ("log_mel", "functionals_logistic")):
        with pytest.raises(UndertoneError, match="do not use the unlabelled corpora more=/more"):
            resolved(settings(corpus, features, systems=(system, "constant"), **pool))
    for features, system in (("upstream:x@auto", "layers"), ("log_mel", "descriptors")):
        systems = (system, "constant")
        assert resolved(settings(corpus, features, systems=systems, **pool)).unlabelled
    assert resolved(settings(corpus, "log_mel", systems=("scratch", "constant"), **pool)).unlabelled


def test_a_network_needs_one_layer(corpus):
    with pytest.raises(UndertoneError, match="for scratch name one layer, as --features"):
        resolved(settings(corpus, "upstream:x@auto", systems=("linear", "scratch", "constant")))
    usual = usual_systems(TASK, ENCODER)
    assert usual == ("layers", "labels_alone", "linear", "svm", "cnn", "constant")
    assert resolved(settings(corpus, "upstream:x@1")).systems == usual
    assert not {"layers", "cnn"} & set(resolved(settings(corpus, "log_mel")).systems)
    with pytest.raises(UndertoneError, match="layers needs the frames of a pre-trained encoder"):
        resolved(settings(corpus, "log_mel", systems=("layers", "constant")))


def test_layers_are_those_of_the_store(tmp_path, corpus):
    from undertone import corpora

    encoder = write_encoder(tmp_path / "hubert", "hubert-layer")
    read, resources = corpora.open(str(corpus)), Resources(tmp_path / "store", 1, progress=False)

    def layers_of(features):
        return read_data(read, parse(features), TASK, resources).layers

    layers = layers_of(f"upstream:{encoder}@auto")
    one = extract(
        read, f"upstream:{encoder}@2", folder=tmp_path / "store", workers=1, progress=False
    )
    name = one.utterances[3]
    np.testing.assert_array_equal(layers.frames(2, name), one.frames(name))
    np.testing.assert_allclose(
        layers.of(2, [name])[0], vectors.mean_sd(one.frames(name)), rtol=1e-5, atol=1e-6
    )
    assert layers.candidates == range(4)
    assert layers_of(f"upstream:{encoder}@2").candidates == range(2, 3)
    assert layers_of(f"upstream:{encoder}@1-2").candidates == range(1, 3)
    assert layers_of("log_mel") is None
    means = layers.means([name])[0]
    two = layers_of(f"upstream:{encoder}@1-2")
    width = len(means) // 4
    np.testing.assert_array_equal(two.means([name])[0], means[width : 3 * width])
    assert two.columns == layers.columns[width : 3 * width]
    assert extractors.get(f"upstream:{encoder}@2").columns == one.columns


def test_all_labels_are_a_budget_of_each_folds_own_size(tmp_path, corpus):
    encoder = write_encoder(tmp_path / "hubert", "hubert-layer")
    rows = pd.read_csv(corpus)
    rows.drop(index=range(5)).to_csv(corpus, index=False)  # the first speaker has fewer
    resources = Resources(tmp_path / "store", workers=1, progress=False)
    asked = settings(
        corpus, f"upstream:{encoder}@auto", budgets=[12, "all"], systems=("layers", "constant")
    )
    run = experiment.open_run(asked, tmp_path / "run", resources)
    sizes = {c.fold: len(c.labels.utterances) for c in run.plan().cells if c.budget != 12}
    assert sorted(sizes.values()) == [31, 36]
    curve(asked, tmp_path / "run", resources)
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert set(results["budget"]) == {12, 36}
    more = replace(asked, budgets=(40, "all"))
    with pytest.raises(UndertoneError, match=r"40 labels cannot be drawn .* largest possible"):
        experiment.open_run(more, tmp_path / "x", resources)
    with pytest.raises(UndertoneError, match="from 2 on, or all"):
        settings(corpus, "log_mel", budgets=["most"])


def test_a_recogniser_on_all_layers_is_trained_saved_and_served(tmp_path, corpus):
    encoder = write_encoder(tmp_path / "hubert", "hubert-layer")
    resources = Resources(tmp_path / "store", workers=1, progress=False)
    features = f"upstream:{encoder}@all"
    alone = {"discriminant": {"centring": 0.0}}
    asked = FinetuneSettings(features=features, folds=2, of_systems=alone)
    _, score = finetune(str(corpus), tmp_path / "model", settings=asked, resources=resources)
    assert score.metrics["uar"].value > 0.6  # the colours of noise are easy
    card = (tmp_path / "model" / "README.md").read_text()
    assert "System `layers` (all layers): Means over time of all layers" in card
    files = [tmp_path / name for name in pd.read_csv(corpus)["file"][:6]]
    predicted = list(predict(tmp_path / "model", files, answer_anyway=True))  # noises
    assert [p.error for p in predicted] == [None] * 6
    assert all(sum(p.values.values()) == pytest.approx(1) for p in predicted)
    right = [p.emotion == EMOTIONS[i % 3] for i, p in enumerate(predicted)]
    assert sum(right) >= 5
