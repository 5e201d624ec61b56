"""Distillation: the recipe's loss, resuming to identical losses, folders, refusals."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from upstream_fakes import write_encoder, write_whisper  # noqa: E402

from undertone import atomic, corpora  # noqa: E402
from undertone.cli import app  # noqa: E402
from undertone.errors import UndertoneError  # noqa: E402
from undertone.experiment import distilling  # noqa: E402
from undertone.experiment.distilling import DistilSettings, distill, refuse_heard  # noqa: E402
from undertone.features.upstream.source import find  # noqa: E402
from undertone.pipeline import Resources  # noqa: E402
from undertone.training import distil as training  # noqa: E402
from undertone.training.distil import DistilConfig, distance  # noqa: E402

BRIEF = DistilConfig(passes=3, batch_size=2, crop_s=0.6, learning_rate=2e-3, steps_a_checkpoint=2)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Twelve short recordings of noise and tones, of four speakers."""
    folder, rng, rows = tmp_path_factory.mktemp("pool"), np.random.default_rng(3), []
    for i in range(12):
        time_s = np.arange(12_000 + 800 * (i % 3)) / 16_000
        sound = 0.1 * np.sin(2 * np.pi * (120 + 30 * i) * time_s) + 0.02 * rng.normal(
            size=len(time_s)
        )
        soundfile.write(folder / f"p{i:02d}.wav", sound, 16_000)
        emotion = ("anger", "sadness")[i % 2]
        rows.append({"file": f"p{i:02d}.wav", "speaker": f"s{i % 4}", "emotion": emotion})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


@pytest.fixture(scope="module", params=["hubert-group", "wav2vec2-layer", "whisper"])
def teacher(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    if request.param == "whisper":
        return write_whisper(folder)
    return write_encoder(folder, request.param)


def run(teacher, speech, out, resources, settings=BRIEF):
    return distill(
        str(teacher),
        [f"pool={speech}"],
        out,
        layers=1,
        settings=DistilSettings(seed=5, distil=settings),
        resources=resources,
    )


@pytest.fixture(scope="module")
def made(teacher, speech, resources, tmp_path_factory):
    return run(teacher, speech, tmp_path_factory.mktemp("out") / "student", resources)


def test_the_loss_is_that_of_the_recipe(rng):
    prediction, target = rng.normal(size=(2, 3, 7, 5))
    cosine = (prediction * target).sum(-1) / (
        np.linalg.norm(prediction, axis=-1) * np.linalg.norm(target, axis=-1)
    )
    expected = np.abs(prediction - target).mean() + 0.4 * np.log1p(np.exp(-cosine)).mean()
    found = distance(torch.from_numpy(prediction), torch.from_numpy(target), cosine_weight=0.4)
    assert found.item() == pytest.approx(expected)


def test_it_learns_and_is_another_encoder(made, teacher):
    assert made.losses.held_out_loss < made.losses.start_loss
    assert made.losses.mean_loss > math.log(2)
    whole = find(f"upstream:{teacher}@all")
    assert made.encoder.n_layers == made.start.n_layers == 2
    assert len({made.encoder.digest, made.start.digest, whole.digest}) == 3
    assert not set(made.encoder.columns()) & set(made.start.columns())
    assert made.encoder.cut.original_digest == whole.digest


def test_heads_are_gone_and_the_stem_is_as_it_was(made):
    from safetensors.numpy import load_file

    before, after = (load_file(e.folder / "model.safetensors") for e in (made.start, made.encoder))
    assert before.keys() == after.keys()
    same = {name for name in before if np.array_equal(before[name], after[name])}
    stem = {n for n in before if n.removeprefix("encoder.").startswith(training.STEM)}
    assert stem <= same
    assert before.keys() - same


def test_the_folder_names_its_pool(made, speech):
    pool = made.encoder.cut.distilled
    assert pool.pools == ("pool",)
    assert pool.speakers == ("pool/s0", "pool/s1", "pool/s2", "pool/s3")
    assert len(pool.audio) == 12
    card = (made.encoder.folder / "README.md").read_text()
    assert "pool/s3" in card
    assert "Nothing was trained" not in card
    config = json.loads((made.encoder.folder / "config.json").read_text())
    assert config["undertone"]["distilled"]["passes"] == 3


def test_a_stopped_run_goes_on_to_the_losses_it_would_have_had(
    made, teacher, speech, resources, tmp_path, monkeypatch
):
    step, calls = training._Run.step, []

    def stopping(self, batch):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(1)
        step(self, batch)

    out = tmp_path / "student"
    with monkeypatch.context() as patch:
        patch.setattr(training._Run, "step", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(teacher, speech, out, resources)
    assert not out.exists()
    repeated = []
    monkeypatch.setattr(training._Run, "step", lambda s, b: (repeated.append(1), step(s, b)))
    again = run(teacher, speech, out, resources)
    assert len(repeated) == len(again.losses.losses) - 4  # kept after every second step
    assert again.losses == made.losses
    assert again.encoder.digest == made.encoder.digest


@pytest.mark.parametrize("at", [1, 5, 10**9])
def test_a_loss_that_is_not_finite_leaves_no_encoder(
    teacher, speech, resources, tmp_path, monkeypatch, at
):
    real, seen = training.distance, []

    def broken(prediction, target, **settings):
        seen.append(prediction.requires_grad)  # none does of what is held out
        loss = real(prediction, target, **settings)
        last = at > 1e6 and sum(seen) and not seen[-1]
        return loss * np.nan if last or (seen[-1] and sum(seen) == at) else loss

    monkeypatch.setattr(training, "distance", broken)
    with pytest.raises(
        UndertoneError, match=r"not finite in pass [1-3] of 3 over the pool"
    ) as told:
        run(teacher, speech, tmp_path / "student", resources)
    assert "`--set distil.learning_rate=0.0002`" in str(told.value)
    assert not (tmp_path / "student" / "config.json").exists()


def test_other_settings_do_not_go_on_with_it(teacher, speech, resources, tmp_path):
    out = tmp_path / "student"
    run(teacher, speech, out, resources)
    (tmp_path / "student").rename(tmp_path / "moved")  # its work lies there still
    with pytest.raises(UndertoneError, match="holds a distillation with another"):
        run(teacher, speech, out, resources, DistilConfig(passes=4, batch_size=2, crop_s=0.6))
    distilling.clear(out)
    assert not list(tmp_path.glob(".student*"))


def test_who_was_heard_is_not_tested(made, speech, tmp_path):
    labelled = corpora.open(str(speech / "labels.csv"))
    with pytest.raises(UndertoneError, match=r"12 recordings of .*--transductive"):
        refuse_heard(labelled, [made.encoder])
    named = corpora.open(f"pool={speech}")
    with pytest.raises(UndertoneError, match="the speakers pool/s0"):
        refuse_heard(named, [made.encoder])
    refuse_heard(labelled, [made.start])
    command = ["curve", "--corpus", str(speech / "labels.csv"), "--out", str(tmp_path / "run")]
    command += ["--features", f"upstream:{made.encoder.folder}@all", "--quiet", "--workers", "1"]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, UndertoneError)
    assert "distilled on pool" in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_targets_are_states_of_the_pieces_as_z_scores(teacher, speech, resources):
    source = find(f"upstream:{teacher}@all")
    pool = distilling._in_pieces(corpora.open(f"pool={speech}"), 0.6)
    assert (pool.table["end_s"] - pool.table["start_s"]).max() <= 0.6
    pieces = distilling._Pool([pool], source, (1, source.n_layers - 1), resources)
    crops = pieces.crops()
    targets = np.concatenate([crops.target(i) for i in range(len(crops.lengths))], axis=1)
    np.testing.assert_allclose(targets.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(np.median(targets.std(axis=1)), 1, atol=0.05)
    for i in (0, len(crops.lengths) - 1):
        encoder = distilling.build(source)
        assert encoder.n_frames(crops.waveform(i)) == crops.lengths[i] == crops.target(i).shape[1]


def test_the_command_says_whether_it_was_worth_it(teacher, speech, resources, tmp_path):
    others = tmp_path / "others"
    others.mkdir()
    rng, rows = np.random.default_rng(9), []
    for i in range(24):
        time_s = np.arange(11_000) / 16_000
        tone = 0.1 * np.sin(2 * np.pi * (150 + 200 * (i % 2)) * time_s)
        soundfile.write(others / f"q{i:02d}.wav", tone + 0.01 * rng.normal(size=11_000), 16_000)
        rows.append({"file": f"q{i:02d}.wav", "speaker": f"t{i % 4}"})
        rows[-1]["emotion"] = ("anger", "sadness")[i % 2]
    pd.DataFrame(rows).to_csv(others / "labels.csv", index=False)
    command = ["distill", str(teacher), "--layers", "1", "--unlabelled", f"pool={speech}"]
    command += ["--out", str(tmp_path / "student"), "--passes", "1", "--set", "distil.crop_s=.6"]
    command += ["--corpus", str(others / "labels.csv"), "--budgets", "8", "--draws", "2"]
    command += ["--folds", "2", "--cache", str(resources.cache), "--quiet", "--workers", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "saying the mean" in done.output
    assert "untouched start" in done.output
    assert "worth it" in done.output
    assert not list(tmp_path.glob(".student*"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--budgets", "4", "--folds", "2"], "holds the speakers pool/s0"),
        (["--budgets", "9000", "--folds", "2"], "9000 labels|budget"),
        (["--budgets", "8", "--folds", "40"], "40 folds need 40 speakers"),
        (["--budgets", "8", "--task", "vad"], "vad"),
    ],
)
def test_what_cannot_be_told_at_the_end_is_refused_before_anything_is_trained(
    teacher, speech, resources, tmp_path, monkeypatch, changed, message
):
    monkeypatch.setattr(distilling, "distill", lambda *_, **__: pytest.fail("it was trained"))
    command = ["distill", str(teacher), "--layers", "1", "--unlabelled", f"pool={speech}"]
    command += ["--out", str(tmp_path / "student"), "--corpus", f"pool={speech}", *changed]
    done = CliRunner().invoke(app, [*command, "--cache", str(resources.cache), "--quiet"])
    with pytest.raises(UndertoneError, match=message):
        raise done.exception


def test_two_processes_do_not_distil_to_one_folder(teacher, speech, resources, tmp_path):
    message = "another process of Undertone is at work in"
    with (
        atomic.held(tmp_path / ".student.distilling"),
        pytest.raises(UndertoneError, match=message),
    ):
        run(teacher, speech, tmp_path / "student", resources)
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 3}, "nothing would be smaller|has 2 transformer layers"),
        ({"unlabelled": ["pool=/nowhere"]}, "no file or folder"),
        ({"settings": DistilSettings(distil=DistilConfig(targets=(9,)))}, "distil.targets 9"),
    ],
)
def test_bad_input_is_told(teacher, speech, resources, tmp_path, change, message):
    given = {"unlabelled": [f"pool={speech}"], "layers": 1, "resources": resources} | change
    with pytest.raises(UndertoneError, match=message):
        distill(str(teacher), given.pop("unlabelled"), tmp_path / "student", **given)
    assert not (tmp_path / "student").exists()


def test_a_folder_that_is_there_is_kept(teacher, speech, resources, tmp_path):
    (tmp_path / "student").mkdir()
    with pytest.raises(UndertoneError, match="student"):
        run(teacher, speech, tmp_path / "student", resources)
