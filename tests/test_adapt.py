"""Adapting to a voice, from the command line: a curve's own rows, ``adapt``, ``predict``."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from safetensors.numpy import load_file
from serving_fakes import voice
from test_cli import run

from undertone import audio
from undertone.recogniser import files
from undertone.recogniser.adapted import adapt_to, warning_of
from undertone.recogniser.folder import load
from undertone.serving.predict import predict
from undertone.serving.voices import predict_by_voice
from undertone.systems.fitted import OnVectors

EMOTIONS = ("anger", "neutral", "sadness")
QUIET = ("--quiet", "--workers", "1")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Six speakers, a folder each: emotions are voices of three colours, speakers shift them."""
    folder, rng, rows = tmp_path_factory.mktemp("adapt"), np.random.default_rng(0), []
    for speaker in range(6):
        (folder / f"s{speaker}").mkdir()
        for number in range(12):
            white = 1.4**speaker * (voice(120 + 10 * speaker, 0.5) + rng.normal(0, 0.002, 8000))
            dull = np.convolve(white, np.ones(9) / 9, mode="same")
            share = 0.2 + 0.25 * (number % 3) + rng.normal(0, 0.1) - 0.05 * speaker
            colour = share * dull + (1 - share) * white
            file = f"s{speaker}/{number:02d}.wav"
            soundfile.write(folder / file, colour.clip(-1, 1), audio.SAMPLE_RATE)
            rows.append((file, f"s{speaker}", EMOTIONS[number % 3]))
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion"])
    table.to_csv(folder / "labels.csv", index=False)
    return folder


def curve(home, out, *options, code=0):
    return run(
        *("curve", "--corpus", home / "labels.csv", "--features", "log_mel", "--budgets", "9"),
        *("--draws", "2", "--folds", "3", "--out", out, "--cache", home / "cache", *QUIET),
        *options,
        code=code,
    )


def finetune(home, out, *options):
    run(
        *("finetune", "--corpus", home / "labels.csv", "--features", "log_mel", "--out", out),
        *("--cache", home / "cache", "--set", "folds=0", *QUIET, *options),
    )
    return out


@pytest.fixture(scope="module")
def model(home):
    return finetune(home, home / "model", "--system", "descriptors")


def recordings(home, speaker, n=12):
    return sorted((home / speaker).glob("*.wav"))[:n]


# --- a curve


@pytest.fixture(scope="module")
def runs(home):
    """The same curve without adapted rows, and with them."""
    systems = ("--systems", "descriptors,constant")
    for name, options in (("plain", ()), ("adapted", ("--adapt", "all,3"))):
        curve(home, home / name, *systems, *options)
    return home / "plain", home / "adapted"


def test_adapted_rows_change_no_other_table(runs):
    plain, adapted = runs
    for name in ("results.parquet", "predictions.parquet", "curve.png"):
        assert (adapted / name).read_bytes() == (plain / name).read_bytes()
    assert not (plain / "adapted_predictions.parquet").exists()
    table = pd.read_parquet(adapted / "adapted_predictions.parquet")
    assert list(table["system"].unique()) == ["descriptors_with_3", "descriptors_with_all"]
    assert len(table) == 2 * 2 * 72
    assert table.groupby(["system", "draw"])["utterance"].nunique().eq(72).all()


def test_the_report_holds_them_apart_and_says_that_they_heard_the_voice(runs):
    plain, adapted = ((folder / "report.html").read_text() for folder in runs)
    assert "(transductive" not in plain
    assert "of the tested voice" not in plain
    start = adapted.index("UAR with recordings of the tested voice")
    end = adapted.index("</section>", start)
    section, rest = adapted[start:end], adapted[:start] + adapted[end:]
    for label in ("with 3 unlabelled recordings", "with all unlabelled recordings"):
        assert section.count(label) == 2, "its score and its gain"
    assert "Adapted to the tested voice" in section
    assert "transductive" in section
    said = [line for line in rest.splitlines() if "unlabelled recordings of the voice" in line]
    assert len(said) == 1, "one sentence of the findings"
    assert "transductive, apart from all else here" in said[0]
    verdict = adapted[adapted.index('class="verdict"') :]
    assert "Adapted" not in verdict[: verdict.index("</p>")]


def test_a_stopped_run_with_adapted_rows_goes_on(home, runs, tmp_path):
    _, whole = runs
    again = tmp_path / "again"
    shutil.copytree(whole, again)
    shutil.rmtree(again / "fits" / "descriptors_with_3")
    for damaged in sorted((again / "fits" / "descriptors").glob("*.npz"))[:2]:
        damaged.unlink()
    curve(home, again, "--systems", "descriptors,constant", "--adapt", "all,3")
    for name in ("adapted_predictions.parquet", "predictions.parquet"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--adapt", "3;10"), "--adapt takes whole numbers, or all"),
        (("--adapt", "2"), "--adapt takes numbers of recordings from 3 on"),
        (("--adapt", "3,3"), "adapt holds something twice"),
        (("--adapt", "3", "--systems", "functionals_svm,constant"), "can be adapted to a voice"),
        (
            (
                "--adapt",
                "3",
                "--systems",
                "descriptors,constant",
                "--set",
                "discriminant.centring=0",
            ),
            "where discriminant.centring is above 0",
        ),
        (("--adapt", "3", "--vault", "vault.json"), "must not listen to its voices"),
        (("--set", "discriminant.centring=-1"), "centring must lie from 0"),
    ],
)
def test_what_cannot_be_adapted_in_a_curve_is_told(home, tmp_path, options, message):
    assert message in curve(home, tmp_path / "out", *options, code=2).stderr


# --- a model of one voice


def test_an_adapted_model_says_to_whom_and_predicts_as_by_speaker(home, model, tmp_path):
    out, files = tmp_path / "s1", recordings(home, "s1")
    done = run("adapt", model, home / "s1", "--out", out)
    assert "adapted to the voice of s1, by 12 recordings without a label" in done.stdout
    card = (out / "README.md").read_text()
    assert "adapted to the voice of **s1**: it heard 12 recordings" in card
    assert "transductive" in card
    assert card.index("## Adapted") < card.index("## Data")
    served = run("predict", out, *files, "--format", "csv").stdout
    assert served == run("predict", model, *files, "--by-speaker", "one", "--format", "csv").stdout
    assert served != run("predict", model, *files, "--format", "csv").stdout
    assert load(out).notes["adapted"] == {"voice": "s1", "recordings": 12}


def test_what_is_saved_adapts_as_what_was_fitted(model, home):
    recogniser = load(model)
    fitted = recogniser.fitted
    assert isinstance(fitted, OnVectors)
    vectors = np.random.default_rng(1).normal(3, 0.2, (5, len(fitted.expected.mean)))
    adapted = adapt_to(recogniser, vectors, "me").fitted
    mean = fitted.expected.given(fitted.heard_in(vectors))
    taken = 5 / 10 * (vectors.mean(axis=0) - mean)
    np.testing.assert_allclose(
        adapted.head.predict(vectors), fitted.head.predict(vectors - taken), atol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda home: (home / "s1", "--out", home / "model"), "the model's own folder"),
        (
            lambda home: (*recordings(home, "s1", 2), "--out", home / "x"),
            "2 usable recordings of x",
        ),
        (lambda home: (home / "nobody.wav", "--out", home / "x"), "could not be used: "),
        (lambda home: (home / "plain" / "fits", "--out", home / "x"), "no recordings in"),
    ],
)
def test_what_cannot_be_adapted_is_told_and_nothing_is_written(home, model, runs, change, message):
    held = {path: path.read_bytes() for path in model.iterdir()}
    assert message in run("adapt", model, *change(home), code=2).stderr
    assert not (home / "x").exists()
    assert {path: path.read_bytes() for path in model.iterdir()} == held


def test_an_adapted_model_is_not_adapted_again(home, model, tmp_path):
    run("adapt", model, home / "s1", "--out", tmp_path / "s1", "--voice", "Ada")
    for verb in (
        ("adapt", tmp_path / "s1", home / "s2", "--out", tmp_path / "s2"),
        ("predict", tmp_path / "s1", *recordings(home, "s2"), "--by-speaker", "one"),
    ):
        assert "adapted already, to Ada" in run(*verb, code=2).stderr


def test_models_that_know_no_voices_say_what_to_train(home, model, tmp_path):
    plain = finetune(home, tmp_path / "p", "--system", "functionals_logistic")
    off = finetune(
        home, tmp_path / "o", "--system", "descriptors", "--set", "discriminant.centring=0"
    )
    old = tmp_path / "old"
    shutil.copytree(model, old)
    without_voices(old)
    for folder, message in (
        (plain, "train combined, descriptors or layers"),
        (off, "without --set discriminant.centring=0"),
        (old, "train it again with `undertone finetune`"),
    ):
        out = run("adapt", folder, home / "s1", "--out", tmp_path / "x", code=2)
        assert message in out.stderr
        files = recordings(home, "s1", 3)
        assert message in run("predict", folder, *files, "--by-speaker", "one", code=2).stderr
        assert run("predict", folder, *files).stdout, "it serves as ever"


def without_voices(folder):
    """As a model folder was before voices were kept in it."""
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    kept = {name: array for name, array in tensors.items() if "expected." not in name}
    assert len(kept) == len(tensors) - 3
    del config["model"]["view"]["centring"]
    files.write(folder, {name: config[name] for name in NAMES}, kept, card="# Old")


NAMES = (
    *("kind", "task", "system", "model", "encoder", "notes", "features", "features_version"),
    *("columns", "frames_per_second", "stride"),
)


# --- recordings of several voices


def test_each_voice_is_predicted_by_a_model_of_its_own(home, model, tmp_path):
    files = [*recordings(home, "s1", 6), *recordings(home, "s2", 6)]
    order = np.random.default_rng(0).permutation(len(files))
    mixed = [files[i] for i in order]
    by_folder = run("predict", model, *mixed, "--by-speaker", "folder", "--format", "jsonl").stdout
    rows = [json.loads(line) for line in by_folder.splitlines()]
    assert [row["file"] for row in rows] == list(map(str, mixed))
    found = {row["file"]: row["p_anger"] for row in rows}
    for who in ("s1", "s2"):
        alone = predict_by_voice(model, recordings(home, who, 6), [who] * 6).predictions
        for one in alone:
            assert found[one.file] == pytest.approx(one.values["anger"], abs=1e-6)
    table = home / "labels.csv"  # whose column file holds paths relative to it
    pd.read_csv(table).assign(
        file=lambda t: [str(home / f) for f in t["file"]], voice=lambda t: "V" + t["speaker"]
    ).to_csv(tmp_path / "voices.csv", index=False)
    by_column = run(
        *("predict", model, *mixed, "--by-speaker", "voice"),
        *("--speakers", tmp_path / "voices.csv", "--format", "jsonl"),
    ).stdout
    assert by_column == by_folder


def test_too_few_recordings_and_bad_files_are_counted_and_predicted_as_they_are(home, model):
    bad = home / "bad.wav"
    bad.write_bytes(b"no sound")
    files = [*recordings(home, "s1", 4), *recordings(home, "s2", 2), bad]
    found = predict_by_voice(model, files, ["a"] * 4 + ["b"] * 2 + [None])
    plain = list(predict(model, files))
    for i in (4, 5):
        assert found.predictions[i].values == pytest.approx(plain[i].values, abs=1e-6)
    assert found.predictions[0].values != pytest.approx(plain[0].values, abs=1e-6)
    assert found.predictions[6].error == plain[6].error is not None
    (remark,) = [line for line in found.remarks if "as if nothing were known" in line]
    assert remark.startswith("2 of 7 recordings")
    assert "b: 2" in remark


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--by-speaker", "speaker"), "takes one (all recordings are of one voice), folder"),
        (("--by-speaker", "one", "--speakers", "t.csv"), "asks no table: leave --speakers out"),
        (("--speakers", "t.csv"), "say with --by-speaker which of its columns"),
        (("--by-speaker", "one", "--transcript", "a"), "--by-speaker is for models of the voice"),
        (
            ("--by-speaker", "mood", "--speakers", "t.csv"),
            "has no column mood; it has file, speaker",
        ),
        (("--by-speaker", "spk", "--speakers", "none.csv"), "there is none"),
        (("--by-speaker", "spk", "--speakers", "other.csv"), "voice of none of the recordings"),
        (("--by-speaker", "spk", "--speakers", "two.csv"), "keep one of them"),
        (("--by-speaker", "spk", "--speakers", "bare.csv"), "neither a column file nor"),
    ],
)
def test_what_is_wrong_with_voices_is_told(home, model, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    rows = {
        "t": "file,spk\n00.wav,a\n",
        "other": "file,spk\nzz.wav,a\n",
        "two": "file,spk\n00.wav,a\n00.wav,b\n",
        "bare": "spk,mood\na,b\n",
    }
    for name, text in rows.items():
        (tmp_path / f"{name}.csv").write_text(text)
    done = run("predict", model, *recordings(home, "s1", 1), *options, code=2)
    assert message in done.stderr


def test_recordings_heard_as_one_emotion_are_warned_of():
    outputs = ("anger", "neutral")
    assert warning_of(np.array([6, 4]), outputs, "me") is None
    warning = warning_of(np.array([8, 2]), outputs, "me")
    assert warning.startswith("the model hears anger in 8 of 10 recordings of me")
