"""Tested on another corpus: what is shared, who is in which pool, what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from corpora_fakes import fake_corpus, fake_table
from plan_fakes import frames_of
from test_cli import run as run_cli
from test_experiment import TINY

from undertone import config
from undertone.corpora import across
from undertone.corpora.across import AcrossSettings
from undertone.corpora.corpus import Corpus
from undertone.corpora.disjoint import SPEAKER
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.experiment import CurveSettings, curve
from undertone.experiment.run import Run
from undertone.features.name import parse as parse_features
from undertone.pipeline import FinetuneSettings, Resources, finetune
from undertone.reading import usable
from undertone.systems.plan import Data

WIDE = ("anger", "boredom", "happiness", "sadness")
OTHER = ("anger", "happiness", "neutral", "sadness")
SHARED = ("anger", "happiness", "sadness")


def one(name: str = "here", emotions=WIDE, n_speakers: int = 4) -> Corpus:
    return fake_corpus(fake_table(n_speakers, 3, emotions), name, f"/{name}")


def other(name: str = "there", emotions=OTHER, n_speakers: int = 3) -> Corpus:
    return one(name, emotions, n_speakers)


def of_nobody(name: str = "there", emotions=OTHER) -> Corpus:
    corpus = one(name, emotions)
    return corpus.with_table(corpus.table.assign(speaker=None))


def with_unlabelled(corpus: Corpus) -> Corpus:
    """The same, one utterance of the first speaker without a label."""
    extra = corpus.table.iloc[:1].assign(utterance="silent", file="silent.wav", emotion=None)
    return corpus.with_table(pd.concat([corpus.table, extra], ignore_index=True))


def run_of(corpora, folder, n_taught=1, unlabelled=(), **changes) -> Run:
    own = {k: changes.pop(k) for k in ("each", "one_person") if k in changes}
    names = [one.name for one in corpora]
    tested = () if own.get("each") else tuple(names[n_taught:])
    settings = AcrossSettings(test=tested, beside=tuple(names[1 : len(names) - len(tested)]), **own)
    joined = across.join(corpora, n_taught, settings=settings)
    task = joined.task()
    known = usable(joined, task)
    rest = joined.table[~joined.table["utterance"].isin(known.table["utterance"])]
    silent = dict(zip(rest["utterance"], rest["speaker"], strict=True))
    data = Data(task, known, frames_of(joined), None, silent)
    values = {"corpus": "x", "budgets": (6, 12), "draws": 2, "folds": 2, "across": settings}
    curve_settings = CurveSettings(**(values | changes)).resolved(task, parse_features("log_mel"))
    return Run(curve_settings, folder, data, tuple((c, frames_of(c)) for c in unlabelled))


def corpus_of(utterance: str) -> str:
    return utterance.split("/")[0]


def test_shared_emotions_are_found_and_the_others_counted():
    joined = across.join([one(), other()], 1)
    assert joined.emotions == SHARED
    reasons = joined.reasons()
    assert reasons["of here, boredom is not an emotion of every corpus"] == 12
    assert reasons["of there, neutral is not an emotion of every corpus"] == 9
    told = " ".join(joined.notes)
    assert "3 emotions are shared: anger, happiness, sadness." in told
    assert "here also has boredom: 12 utterances" in told
    assert "there also has neutral: 9 utterances" in told
    assert joined.speakers[0] == "here/s00"
    assert set(joined.table["file"].str.split("/").str[1]) == {"here", "there"}


def test_nothing_of_the_tested_corpus_is_learned_from(tmp_path):
    run = run_of([with_unlabelled(one()), with_unlabelled(other())], tmp_path)
    plan = run.plan()
    (fold,) = plan.folds.values()
    assert {corpus_of(name) for name in fold.test} == {"there"}
    assert len(fold.test) == 3 * 3 * 3
    heard = [*fold.crowd, *(name for _, names in fold.pool for name in names)]
    learned = [name for cell in plan.cells for name in cell.labels.utterances]
    assert {corpus_of(name) for name in (*heard, *learned)} == {"here"}
    assert "here/silent" in fold.crowd
    assert {len(cell.labels.utterances) for cell in plan.cells} == {6, 12}
    assert not any("boredom" in name or "neutral" in name for name in (*heard, *fold.test))


def test_the_tested_corpus_under_its_name_is_no_pool(tmp_path):
    """Its test speakers stay out even of recordings that the labelled part does not hold."""
    again = other()
    more = again.table.assign(utterance="x-" + again.table["utterance"])
    more["file"] = "more/" + more["file"]
    run = run_of([one(), other()], tmp_path, unlabelled=[again.with_table(more)])
    (pool,) = run.pools
    assert pool.parts[1].utterances == []
    assert set(pool.parts[1].left_out.values()) == {"a test speaker of this fold"}
    strangers = fake_corpus(more, "strangers", "/strangers")
    (pool,) = run_of([one(), other()], tmp_path, unlabelled=[strangers]).pools
    assert len(pool.parts[1].utterances) == len(more)


def test_the_transductive_pool_has_to_be_asked_for_and_is_never_a_crowd(tmp_path):
    plan = run_of([one(), other()], tmp_path, transductive=True).plan()
    (fold,) = plan.folds.values()
    assert set(fold.test) <= set(fold.pool[0][1])
    assert {corpus_of(name) for name in fold.crowd} == {"here"}


def test_leaving_one_corpus_out_tests_each_by_the_others(tmp_path):
    run = run_of([one("a"), other("b"), other("c")], tmp_path, 3, each=True)
    plan = run.plan()
    assert [fold.name for fold in run.folds] == ["a", "b", "c"]
    for number, name in enumerate("abc"):
        fold = plan.folds[number]
        assert {corpus_of(n) for n in fold.test} == {name}
        assert {corpus_of(n) for n in fold.crowd} == set("abc") - {name}
    tested = run.tested(plan)
    assert set(tested.apart()) == {"a", "b", "c"}
    assert len(tested.utterances) == len(plan.truth)


@pytest.mark.parametrize("one_person", [False, True])
def test_same_names_are_two_people_unless_it_is_said(tmp_path, one_person):
    run = run_of([one(), other()], tmp_path, one_person=one_person, budgets=(6,))
    (fold,) = run.plan().folds.values()
    learned = {name.split("/")[1][:3] for name in fold.crowd}
    assert learned == ({"s03"} if one_person else {"s00", "s01", "s02", "s03"})
    assert {corpus_of(name) for name in fold.test} == {"there"}
    assert any(
        ("one person each" if one_person else "different people") in n for n in run.corpus.notes
    )


def rated(name: str, low: float, high: float, scale=None) -> Corpus:
    table = fake_table(3, 4).drop(columns="emotion")
    rng = np.random.default_rng(len(name))
    table["arousal"] = rng.integers(0, 5, len(table)) / 4 * (high - low) + low
    made = fake_corpus(table, name, f"/{name}")
    return Corpus(**{**vars_of(made), "scale": scale})


def vars_of(corpus: Corpus) -> dict:
    return {f: getattr(corpus, f) for f in corpus.__dataclass_fields__}


def test_amounts_are_moved_onto_the_scale_of_the_tested_corpus():
    seven, five = rated("seven", 1, 7, (1, 7)), rated("five", 1, 5, (1, 5))
    joined = across.join([seven, five], 1)
    moved = joined.table[joined.table["corpus"] == "seven"]["arousal"].to_numpy(float)
    np.testing.assert_allclose(moved, 1 + (seven.table["arousal"] - 1) * 4 / 6)
    kept = joined.table[joined.table["corpus"] == "five"]["arousal"].to_numpy(float)
    np.testing.assert_array_equal(kept, five.table["arousal"])
    assert (joined.task().low, joined.task().high) == (1, 5)
    assert "seven was rated from 1 to 7" in " ".join(joined.notes)


def test_scales_that_nobody_tells_are_asked_for():
    pair = [rated("a", 1, 5), rated("b", 1, 4)]
    with pytest.raises(UndertoneError, match=r"a does not tell .* --set across.scale=\[1,5\]"):
        across.join(pair, 1)
    joined = across.join(pair, 1, settings=AcrossSettings(test=("b",), scale=(1, 5)))
    assert (joined.task().low, joined.task().high) == (1, 5)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ([one(), other(emotions=("calm", "fear"))], "share no emotion.*here has anger"),
        ([one(), other(emotions=("anger", "fear"))], "share one emotion, anger"),
        ([one(), other("here")], "two corpora are called here"),
        (
            [one(), fake_corpus(one().table, "again", "/here")],
            "here and again are the same recordings",
        ),
        (
            [one(), fake_corpus(fake_table().drop(columns="emotion"), "mute", "/mute")],
            "mute has no labels, so that it cannot be tested",
        ),
        ([one(), rated("r", 1, 5)], "no task has labels in every corpus"),
        ([one(), of_nobody()], "no labelled utterance of there names its speaker.*be tested"),
        (
            [of_nobody("here"), other()],
            "of here names its speaker.*be learned from.*leave here out",
        ),
    ],
)
def test_what_cannot_be_tested_is_refused(pair, message):
    with pytest.raises(UndertoneError, match=message):
        across.join(pair, 1)


def test_each_of_several_corpora_must_say_who_speaks():
    with pytest.raises(UndertoneError, match="no labelled utterance of second names its speaker"):
        across.join([one(), of_nobody("second", WIDE), other()], 2)
    half = of_nobody("second", WIDE)
    table = half.table.assign(speaker=[None, *one().table["speaker"][1:]])
    assert "second/s00" in set(across.join([one(), half.with_table(table), other()], 2).speakers)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beside": ("b",)}, "add --test-corpus"),
        ({"each": True}, "needs two corpora or more"),
        ({"each": True, "beside": ("b",), "test": ("c",)}, "leave --test-corpus out"),
        ({"test": ("c",), "back": (20, 10)}, "rising numbers"),
        ({"test": ("c",), "scale": (5.0, 1.0)}, "lowest and highest"),
    ],
)
def test_settings_without_a_meaning_are_refused(values, message):
    with pytest.raises(UndertoneError, match=message):
        AcrossSettings(**values)


def write_corpus(folder, seed: int, emotions=("anger", "sadness"), n_speakers: int = 4) -> str:
    """Tones whose pitch is their emotion, of another level and hiss in each corpus."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = ["file,speaker,sex,emotion"]
    for number in range(12 * n_speakers):
        emotion = emotions[number % len(emotions)]
        seconds = np.arange(int(16_000 * rng.uniform(0.4, 0.6))) / 16_000
        f0_hz = {"anger": 300, "sadness": 110, "fear": 700}[emotion] * rng.uniform(0.9, 1.1)
        tone = sum(np.sin(2 * np.pi * f0_hz * k * seconds) / k for k in range(1, 9))
        tone = 0.1 / seed * tone + rng.normal(scale=0.003, size=len(seconds))
        soundfile.write(folder / f"u{number:03d}.wav", tone, 16_000)
        who = number // 12
        rows.append(f"u{number:03d}.wav,s{who},{('female', 'male')[who % 2]},{emotion}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return f"{folder.name}={folder / 'labels.csv'}"


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    home = tmp_path_factory.mktemp("corpora")
    return (
        write_corpus(home / "near", 1),
        write_corpus(home / "far", 2, ("anger", "sadness", "fear")),
    )


@pytest.fixture(scope="module")
def resources(tmp_path_factory) -> Resources:
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


def settings_of(specs, **changes) -> CurveSettings:
    across_settings = {"test": [specs[1]], "back": [4, 8]} | changes.pop("across", {})
    values = {"corpus": specs[0], "across": across_settings, "systems": ["descriptors", "constant"]}
    return config.load(CurveSettings, TINY | values | changes)


@pytest.fixture(scope="module")
def finished(specs, resources, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "across"
    curve(settings_of(specs), out, resources)
    return out


def test_a_curve_across_corpora_tests_every_speaker_of_the_other(finished):
    table = pd.read_parquet(finished / "predictions.parquet")
    assert set(table["speaker"]) == {f"far/s{i}" for i in range(4)}
    assert set(table["truth"]) == {"anger", "sadness"}
    assert table.groupby(["system", "budget", "draw"])["utterance"].nunique().eq(32).all()
    page = (finished / "report.html").read_text()
    assert "Learning curve of near, tested on far" in page
    assert "No recording of a tested corpus was heard while anything was learned" in page
    assert "near (learned from), far (tested)" in page


def test_it_goes_on_where_it_was_and_repeats_from_its_settings(
    finished, specs, resources, tmp_path
):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*.npz")}
    curve(settings_of(specs), finished, resources)
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*.npz")} == before
    again = config.load(CurveSettings, config.read_toml(finished / "config.toml"))
    curve(again, tmp_path, resources)
    for name in ("results.parquet", "predictions.parquet"):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_systems_of_such_runs_can_be_compared(finished):
    found = compare([parse(f"a={finished}:descriptors"), parse(f"b={finished}:constant")])
    assert found.budgets == (4, 12)


def test_every_corpus_is_tested_in_turn_and_scored_apart(specs, resources, tmp_path):
    changes = {"across": {"test": [], "beside": [specs[1]], "each": True}}
    curve(settings_of(specs, **changes), tmp_path, resources)
    table = pd.read_parquet(tmp_path / "results.parquet")
    assert set(table["part"]) == {"far", "near"}
    page = (tmp_path / "report.html").read_text()
    assert "near + far, each tested by the others" in page
    shifts = json.loads((tmp_path / "shift.json").read_text())
    pairs = [(shift["learned_from"], shift["tested"]) for shift in shifts]
    assert pairs == [("far", "near"), ("near", "far")]
    assert "Tested in turn on near, far, each by labels of the others." in page


def test_a_recording_in_both_corpora_is_refused_by_curve_and_audit(specs, resources, tmp_path):
    near = tmp_path / "near"
    spec = write_corpus(near, 3)
    far = specs[1].split("=")[1].removesuffix("labels.csv")
    shutil.copy(f"{far}u000.wav", near / "u000.wav")
    with pytest.raises(UndertoneError, match=r"several speakers.*--allow copies"):
        curve(settings_of((spec, specs[1])), tmp_path / "run", resources)
    arguments = ["audit", "--corpus", spec, "--test-corpus", specs[1], "--quiet", "--json"]
    done = run_cli(*arguments, code=1)
    assert "copies" in {finding["name"] for finding in json.loads(done.stdout)["findings"]}


def test_a_vault_of_the_tested_corpus_keeps_its_truth(specs, resources, tmp_path):
    vault = tmp_path / "vault.json"
    curve(settings_of(specs, vault=str(vault)), tmp_path / "run", resources)
    frozen = json.loads(vault.read_text())
    assert frozen["corpus"] == "far"
    assert frozen["outputs"] == ["anger", "fear", "sadness"]
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert set(table["speaker"]) == {f"far/{who}" for who in frozen["speakers"]}
    assert table["truth"].isna().all()
    results = pd.read_parquet(tmp_path / "run" / "results.parquet")
    assert set(results["n_utterances"]) == {8 * len(frozen["speakers"])}  # 4 of 12 are fear
    assert "Look 1 at the vault" in (tmp_path / "run" / "report.html").read_text()


def test_finetune_tests_the_model_that_it_saves_on_another_corpus(specs, resources, tmp_path):
    settings = config.load(
        FinetuneSettings, {"across": {"test": [specs[1]]}, "system": "descriptors", "labels": 16}
    )
    model, score = finetune(specs[0], tmp_path / "m", settings=settings, resources=resources)
    assert score.n_speakers == 4
    assert score.n_utterances == 32
    assert model.notes["corpus"] == "near"
    assert model.notes["tested_on"] == ["far"]
    card = (tmp_path / "m" / "README.md").read_text()
    assert "this model learned from near alone" in card
    assert "no recording of far was heard" in card
    assert "* **near**" in card
    assert "* **far**" in card


def test_folds_of_speakers_are_the_default():
    assert CurveSettings("x").disjoint == (SPEAKER,)
    assert not CurveSettings("x").across.asked
