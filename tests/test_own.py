"""Frames of one's own: a function, a folder of arrays, a row in a curve; and eGeMAPS."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tones

import undertone
from undertone import jobs
from undertone.errors import UndertoneError
from undertone.features import egemaps
from undertone.features.extractors import get
from undertone.features.functionals import functionals
from undertone.features.name import parse
from undertone.features.own import add_features
from undertone.features.store import FrameTable
from undertone.reading import Resources
from undertone.systems import system
from undertone.systems.own_rows import add_row

PAGE = Path(__file__).parent.parent / "docs" / "own-encoders.md"


def mean_square(waveform):
    n = len(waveform) // 320
    return np.stack([waveform[: 320 * n].reshape(n, 320).std(axis=1)] * 3, axis=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tones.write(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return undertone.Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


def test_the_page_puts_an_encoder_beside_the_baselines(corpus, tmp_path, monkeypatch):
    """The ten lines of the page, as they stand there."""
    monkeypatch.chdir(corpus.parent)
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    exec(compile(block, PAGE.name, "exec"), {"__name__": "page"})
    predictions = pd.read_parquet("runs/mine/predictions.parquet")
    assert {"functionals_logistic", "mine", "constant"} == set(predictions["system"])
    results = pd.read_parquet("runs/mine/results.parquet")
    of_mine = results[(results["system"] == "mine") & (results["metric"] == "uar")]
    assert of_mine["value"].min() > 0.9  # pitch is the emotion
    assert "Mean and sd over the frames of mine" in Path("runs/mine/report.html").read_text()


def test_a_function_is_known_by_name_and_version(corpus, resources):
    calls = []

    def counted(waveform):
        calls.append(len(waveform))
        return mean_square(waveform)

    name = add_features("counted", counted, version=1, frames_per_second=50)
    assert (name, calls) == ("own:counted", [16_000])
    first = undertone.extract(str(corpus), name, resources)
    n_calls = len(calls)
    assert n_calls == 1 + len(first) == 33
    assert first.frames(first.utterances[0]).shape == (17, 3)
    undertone.extract(str(corpus), name, resources)
    assert len(calls) == n_calls, "kept in the store"
    add_features("counted", counted, version=2, frames_per_second=50)
    undertone.extract(str(corpus), name, resources)
    assert len(calls) == n_calls + 1 + len(first)


def test_a_function_of_this_process_is_not_sent_to_a_cluster(corpus, tmp_path):
    name = add_features(
        "here", lambda waveform: mean_square(waveform), version=1, frames_per_second=50
    )
    with jobs.elsewhere(SimpleNamespace(n_cores=8)):  # which has no pool
        table = undertone.extract(str(corpus), name, Resources(tmp_path, progress=False))
    assert not table.failures


def test_a_model_of_own_frames_is_trained_saved_and_predicts(corpus, resources, tmp_path):
    features = add_features("loud", mean_square, version=1, frames_per_second=50)
    settings = undertone.FinetuneSettings(features=features, folds=0, of_systems=tones.QUICK)
    undertone.finetune(str(corpus), tmp_path / "model", settings=settings, resources=resources)
    wav = corpus.parent / "s0-anger-0.wav"
    (row,) = undertone.predict(tmp_path / "model", [wav], answer_anyway=True)
    assert row.error is None
    assert set(row.values) == set(tones.PITCH_HZ)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a b"}, "letters, digits"),
        ({"version": 0}, "whole number from 1 on"),
        ({"version": "1"}, "whole number from 1 on"),
        ({"frames_per_second": 0}, "above 0"),
        ({"frames_per_second": 16_001}, "above 0 and up to 16000, found 16001"),
        ({"compute": lambda waveform: waveform}, r"expected numbers \(n_frames, n_features\)"),
        ({"compute": lambda waveform: np.full((3, 2), np.nan)}, "not finite"),
        ({"compute": lambda waveform: np.full((3, 2), 1e300)}, "not finite"),
        ({"columns": ("a",)}, r"has the shape \(\d+, 3\).*expected numbers \(n_frames, 1\)"),
    ],
)
def test_what_is_no_function_of_frames_is_refused_at_once(change, message):
    given = {"name": "bad", "compute": mean_square, "version": 1, "frames_per_second": 50}
    given |= change
    with pytest.raises(UndertoneError, match=message):
        add_features(given.pop("name"), given.pop("compute"), **given)
    with pytest.raises(UndertoneError, match="in this process, which knows"):
        get("own:bad")


@pytest.fixture
def arrays(corpus, tmp_path):
    folder = tmp_path / "arrays"
    folder.mkdir()
    for name, _, _, samples in tones.rows():
        np.save(folder / f"{name}.npy", mean_square(samples))
    return folder


def test_arrays_of_a_folder_are_frames(corpus, resources, arrays, capsys):
    (arrays / "frames.json").write_text('{"frames_per_second": 50, "columns": ["a", "b", "c"]}')
    (arrays / "s0-anger-0.npy").unlink()
    np.save(arrays / "s0-anger-1.npy", np.array([{"a": 1}]), allow_pickle=True)
    np.save(arrays / "s0-anger-2.npy", np.full((2, 3), np.inf))
    np.save(arrays / "s0-anger-3.npy", np.ones((2, 4)))
    (arrays / "s1-anger-1.npy").write_bytes(b"PK\x03\x04 no archive")
    np.savez(arrays / "s1-anger-2", np.ones((2, 3)))
    (arrays / "s1-anger-2.npz").rename(arrays / "s1-anger-2.npy")
    np.save(arrays / "nobody.npy", np.ones((2, 3)))
    table = undertone.extract(str(corpus), f"given:{arrays}", resources)
    assert (table.columns, table.frames_per_second, len(table)) == (("a", "b", "c"), 50.0, 26)
    np.testing.assert_allclose(
        table.frames("s1-anger-0"), mean_square(tones.tone("anger", 0, 1)), rtol=1e-6
    )
    for name, said in {
        "s0-anger-0": "has no",
        "s0-anger-1": "cannot be read",
        "s0-anger-2": "not finite",
        "s0-anger-3": "has the shape (2, 4)",
        "s1-anger-1": "cannot be read",
        "s1-anger-2": "is an archive of several",
    }.items():
        assert said in table.failures[name]
    assert "1 arrays of no utterance of" in capsys.readouterr().err


def test_an_array_that_was_changed_is_read_again_and_a_vector_is_one_frame(
    corpus, resources, arrays
):
    np.save(arrays / "s0-anger-0.npy", np.array([1.0, 2.0, 3.0]))
    table = undertone.extract(str(corpus), f"given:{arrays}", resources)
    assert table.frames("s0-anger-0").tolist() == [[1.0, 2.0, 3.0]]
    np.save(arrays / "s0-anger-0.npy", np.array([1.0, 2.0, 4.0]))
    again = undertone.extract(str(corpus), f"given:{arrays}", resources)
    assert again.frames("s0-anger-0").tolist() == [[1.0, 2.0, 4.0]]
    assert again.keys["s0-anger-0"] != table.keys["s0-anger-0"]


def test_no_array_is_looked_for_outside_the_folder(resources, arrays, tmp_path):
    np.save(tmp_path / "secret.npy", np.ones((2, 3)))
    table = pd.DataFrame({"file": ["x.wav"], "speaker": ["a"], "emotion": ["anger"]})
    table["utterance"] = "../secret"
    table.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "x.wav").write_bytes(b"")
    with pytest.raises(UndertoneError, match="holds frames of none of the 1 utterances"):
        undertone.extract(str(tmp_path / "t.csv"), f"given:{arrays}", resources)


def test_a_folder_without_arrays_and_a_wrong_note_are_refused(corpus, resources, arrays, tmp_path):
    with pytest.raises(UndertoneError, match="there is no such folder"):
        undertone.extract(str(corpus), f"given:{tmp_path / 'nowhere'}", resources)
    for told in ('{"rate": 3}', "[1]", '{"frames_per_second": 0}', "{"):
        (arrays / "frames.json").write_text(told)
        with pytest.raises(UndertoneError, match=r"frames\.json must be JSON"):
            undertone.extract(str(corpus), f"given:{arrays}", resources)
    (arrays / "frames.json").write_text('{"columns": ["a"]}')
    with pytest.raises(UndertoneError, match="names 1 columns"):
        get(f"given:{arrays}")


def test_names_of_own_frames_come_apart_and_together():
    for text in ("given:a/b:c", "own:mine-2"):
        assert str(parse(text)) == text
    assert (parse("given:x").is_given, parse("own:x").is_own) == (True, True)


def test_a_row_is_refused_where_it_could_not_be_held_against_others(corpus, resources, tmp_path):
    with pytest.raises(UndertoneError, match="is a system of the package"):
        add_row("descriptors", {})
    with pytest.raises(UndertoneError, match="letters, digits and _"):
        add_row("my row", {})
    with pytest.raises(UndertoneError, match="the array of u holds 1 values that are not finite"):
        add_row("mine", {"u": np.array([np.nan])})
    with pytest.raises(UndertoneError, match=r"the array of v has the shape \(1, 2\).*, 3\)"):
        add_row("mine", {"u": np.ones((4, 3)), "v": np.ones(2)})
    some = {name: mean_square(samples) for name, _, _, samples in tones.rows(n_speakers=3)}
    add_row("mine", some)
    settings = undertone.CurveSettings(
        corpus=str(corpus),
        systems=("mine", "constant"),
        budgets=(8,),
        draws=1,
        folds=2,
        replicates=50,
    )
    with pytest.raises(UndertoneError, match="the row mine has no frames of 8 utterances"):
        undertone.curve(settings, tmp_path / "run", resources)
    with pytest.raises(UndertoneError, match="is for curves"):
        undertone.finetune(
            str(corpus),
            tmp_path / "model",
            settings=undertone.FinetuneSettings(system="mine", folds=0),
            resources=resources,
        )


def test_other_frames_of_a_row_are_other_fits():
    arrays = {name: mean_square(samples) for name, _, _, samples in tones.rows(n_each=1)}
    add_row("mine", arrays)
    (choice, amounts) = system.own_rows()
    assert choice.reads == amounts.reads
    add_row("mine", arrays | {"s0-anger-0": arrays["s0-anger-0"] + 1})
    assert len(system.own_rows()) == 2
    assert system.own_rows()[0].reads != choice.reads


def test_a_table_whose_frames_have_no_keys_is_known_by_the_frames():
    reads = set()
    for value in (3.0, 3.2):
        frames = {"u": np.full((4, 2), value, np.float32)}
        add_row("mine", FrameTable("x", 1, 100.0, ("a", "b"), frames))
        reads.add(system.own_rows()[0].reads)
    assert len(reads) == 2


@pytest.mark.parametrize(("name", "width", "least"), [("egemaps", 88, 1), ("egemaps_lld", 25, 20)])
def test_egemaps_is_opensmiles_and_says_its_licence(name, width, least, capsys):
    opensmile = pytest.importorskip("opensmile")
    egemaps._say_licence.cache_clear()
    extractor = get(name)
    assert "not for commercial products" in capsys.readouterr().err
    frames = extractor.compute(tones.tone("anger", 0, 0))
    assert frames.shape[1] == width == len(extractor.columns)
    assert len(frames) >= least
    level = getattr(opensmile.FeatureLevel, egemaps.LEVELS[name])
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, level)
    theirs = smile.process_signal(tones.tone("anger", 0, 0), 16_000)
    np.testing.assert_allclose(frames, theirs.to_numpy(), rtol=1e-5)
    if name == "egemaps":
        np.testing.assert_array_equal(functionals(frames, extractor.columns), frames[0])
    assert json.dumps(extractor.settings)


def test_egemaps_without_opensmile_names_its_extra(monkeypatch):
    egemaps._smile.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[rivals\]'"):
        get("egemaps")
