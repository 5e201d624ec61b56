"""System B as a whole: tiny random encoders on made-up files in the exact layout of MSP-Podcast."""

import json
import shutil

import numpy as np
import pytest
from msp_fakes import utterances, write_audios, write_consensus
from page_text import fetched, visible
from recipe_fakes import write_tones
from text_fakes import WORDS, write_text_encoder
from typer.testing import CliRunner
from upstream_fakes import write_encoder

from undertone.cli import app
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.report.paper import NO, NOT_HERE, OPEN, YES
from undertone.features.upstream.size import parameters_by_layers
from undertone.features.upstream.source import find
from undertone.pipeline import Resources
from undertone.recipes import RECIPES, audio_textual
from undertone.recipes import audio_textual_claims as claims
from undertone.recipes.audio_textual_words import look_for_words, why_not
from undertone.recipes.small_encoders import sizes_of

TOLD = utterances(n_speakers=24)  # two speakers a test part
TINY = {"budgets": [12, 24], "draws": 2, "replicates": 50}
NUMBERS = tuple(f"n{i}" for i in range(len(TOLD)))
PARTS = ("test1", "test2")


def write_words(root):
    """A sentence of its own for each utterance but every tenth, whose file is empty."""
    (root / "Transcripts").mkdir()
    for number, said in enumerate(TOLD):
        text = f"i am {WORDS[6 + number % 4]} {NUMBERS[number]}" if number % 10 else ""
        (root / "Transcripts" / f"{said.file[:-4]}.txt").write_text(text)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("msp")
    for name in ("said", "mute"):
        write_audios(folder / name, TOLD)
        write_consensus(folder / name / "Labels/labels_consensus.csv", TOLD)
    write_words(folder / "said")
    write_encoder(folder / "hubert", "hubert-group")
    write_text_encoder(folder / "text", window=32, words=(*WORDS, *NUMBERS))
    return folder


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("store"), workers=1, progress=False)


def values_of(home, corpus="said", **changes):
    values = {"corpus": f"msp-podcast={home / corpus}", "upstream": str(home / "hubert")}
    return TINY | values | {"text": {"model": str(home / "text")}} | changes


@pytest.fixture(scope="module")
def run(home, resources, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "b"
    return out, RECIPES["audio-textual"](values_of(home), out, resources)


@pytest.mark.slow
def test_all_runs_are_there_and_the_page_holds_everything(run, home):
    out, found = run
    assert {path.name for path in out.iterdir()} == {
        *("layers", "encoders", "whole", "1-of-3-layers", "2-of-3-layers", "report.html")
    }
    page = found.report.read_text()
    text = visible(page)
    assert not fetched(page.replace(str(out), ""))
    for said in ("arXiv 2305.19184", "layers/layers.html", "whole/report.html", "msp-podcast="):
        assert said in text
    for answer in found.answers:
        assert answer.question in text
    for table in found.tables:
        assert table.title in text
    assert f"text.model={home / 'text'}" in text
    record = json.loads((out / "layers/layers.json").read_text())
    assert record["part"] == "test1"
    assert list(record["elsewhere"]) == ["test2"]
    assert record["elsewhere"]["test2"]["scores"] != record["scores"]
    assert "The same fits, tested on test2" in (out / "layers/layers.html").read_text()


@pytest.mark.slow
def test_test_parts_stand_apart_and_are_what_compare_gives(run):
    out, found = run
    titles = [table.title for table in found.tables]
    for part in PARTS:
        table = found.tables[titles.index(f"{part}: Parameters beside CCC, with 24 labels")]
        rows = {row.name: row.cells for row in table.rows}
        small, whole = (parse(f"{label}={out / f}:{s}") for label, f, s in (
            ("small", "2-of-3-layers", "taught"), ("whole", "whole", "layers")
        ))  # fmt: skip
        curves = compare([small, whole], part=part).curves
        assert rows["2 of 3 layers, taught"][2] == curves.estimate("small", 24)
        assert rows["whole encoder"][3] == curves.estimate("whole", 24, output="arousal")
        gains = found.tables[titles.index(f"{part}: whole encoder over …, CCC, paired")]
        cell = next(row for row in gains.rows if row.name == "2 of 3 layers, taught").cells[0]
        assert cell == curves.gain("whole", "small", budget=12)
    assert titles[-1] == "Published, on other releases and protocols"
    published = found.tables[-1]
    assert all(isinstance(cell, str) for row in published.rows for cell in row.cells)


@pytest.mark.slow
def test_every_claim_is_answered_in_each_part(run):
    told = {answer.claim: answer for answer in run[1].answers}
    assert {answer.verdict for answer in told.values()} <= {YES, NO, OPEN, NOT_HERE}
    for part in PARTS:
        for claim in (claims.SHALLOW, claims.DEPTH, claims.WORDS, claims.PAR):
            assert f"{part}: {claim}" in told
        par = told[f"{part}: {claims.PAR}"]
        assert par.verdict == NOT_HERE, "no cut of so small an encoder is as small as a fifth"
    assert told[f"test1: {claims.WORDS}"].evidence.startswith("Words add")


@pytest.mark.slow
def test_words_stand_beside_the_voice_on_both_encoders(run):
    scores = next(t for t in run[1].tables if t.headings[0] == "CCC with … labels")
    names = [row.name for row in scores.rows]
    for name in ("whole encoder + words", "2 of 3 layers + words", "words alone", "mean"):
        assert name in names


@pytest.mark.slow
def test_it_goes_on_where_it_was_to_the_same_numbers(run, home, resources, tmp_path):
    out, found = run
    shutil.rmtree(out / "2-of-3-layers")
    (out / "report.html").unlink()
    kept = sorted((out / "whole/fits").rglob("*.npz"))
    before = [path.stat().st_mtime_ns for path in kept]
    again = RECIPES["audio-textual"](values_of(home), out, resources)
    assert before
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert again.tables == found.tables
    afresh = RECIPES["audio-textual"](values_of(home), tmp_path / "again", resources)
    assert afresh.tables == found.tables
    assert [a.evidence for a in afresh.answers] == [a.evidence for a in found.answers]


@pytest.mark.slow
def test_without_transcripts_the_rest_is_run_and_it_is_said(home, resources, tmp_path):
    values = values_of(home, "mute", layers=[2], budgets=[12])
    found = RECIPES["audio-textual"](values, tmp_path / "run", resources)
    told = {answer.claim: answer for answer in found.answers}
    assert told[f"test1: {claims.WORDS}"].verdict == NOT_HERE
    assert "has no transcripts" in told[f"test1: {claims.WORDS}"].evidence
    assert "undertone transcribe" in told[f"test2: {claims.WORDS}"].evidence
    assert not any("+ words" in row.name for row in found.tables[0].rows)
    assert not (tmp_path / "run/1-of-3-layers").exists()


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones") / "x", ("anger", "sadness", "fear"))


@pytest.mark.slow
@pytest.mark.parametrize("asked", [["--proxy", "pad"], ["--task", "classes"]], ids=str)
def test_emotions_alone_are_told_as_a_proxy_or_as_classes(asked, tones, home, tmp_path):
    done = CliRunner().invoke(
        app,
        [
            *("reproduce", "audio-textual", "--corpus", f"t={tones}", "--quiet", *asked),
            *("--upstream", str(home / "hubert"), "--layers", "2", "--budgets", "12"),
            *("--draws", "2", "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")),
            *("--set", "folds=2", "--set", "replicates=50"),
        ],
    )
    assert done.exit_code == 0, done.output
    page = visible((tmp_path / "run/report.html").read_text())
    assert f"{asked[0]} {asked[1]}" in page
    assert "--layers 2" in page
    is_proxy = "--proxy" in asked
    assert ("Proxy = pad: one value per emotion, no ratings." in page) == is_proxy
    assert "cannot be asked here" in page
    assert "no encoder of text was named" in page
    assert "MSP-Podcast v1.7" not in page
    record = json.loads((tmp_path / "run/layers/layers.json").read_text())
    assert record["task"] == ("dimensions" if is_proxy else "classes")


def test_shared_sentences_are_the_reason_why_words_are_not_used(home, resources, tmp_path):
    """Where speakers say each other's sentences, an encoder of text changes nothing."""
    root = tmp_path / "acted"
    shutil.copytree(home / "mute", root)
    (root / "Transcripts").mkdir()
    for number, said in enumerate(TOLD):
        path = root / "Transcripts" / f"{said.file[:-4]}.txt"
        path.write_text(f"i am {WORDS[6 + number % 2]}")
    said = "acted speech with given sentences cannot show"
    settings = {}
    for model in (str(home / "text"), ""):
        changes = {"corpus": f"msp-podcast={root}", "text": {"model": model}}
        asked = audio_textual.read(values_of(home, layers=[2]) | changes)
        settings[model] = asked.of_run(asked.whole, asked.features, words=True)
    assert said in why_not(settings.pop(""))
    (with_words,) = settings.values()
    assert why_not(with_words) == ""
    assert said in look_for_words(with_words, tmp_path / "run", resources).reason


def test_parameters_of_a_cut_encoder_are_those_of_its_folder(home, tmp_path):
    from undertone.features.upstream.shrink import shrink

    source = find(f"upstream:{home / 'hubert'}@all")
    counted = parameters_by_layers(source)
    assert len(counted) == 4
    assert (np.diff(counted) > 0).all()
    for kept in (1, 2):
        cut = shrink(str(home / "hubert"), tmp_path / str(kept), layers=kept)
        assert parameters_by_layers(cut)[-1] == counted[kept]
    assert [size.layers for size in sizes_of(source)] == [1, 2, 3]
    assert [size.layers for size in sizes_of(source, [2])] == [2, 3]


def test_whisper_s_fixed_positions_are_not_counted(tmp_path):
    from upstream_fakes import write_whisper

    one, two = (
        parameters_by_layers(find(f"upstream:{write_whisper(tmp_path / str(s), seconds=s)}@all"))
        for s in (10, 30)
    )
    assert one == two


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"upstream": ""}, "needs --corpus msp-podcast=FOLDER"),
        ({"corpus": ""}, "--upstream: the folder of an encoder"),
        ({"upstream": "/nowhere/at/all"}, "there is no folder /nowhere/at/all"),
        ({"layers": [3]}, "--layers takes numbers from 1 to 2"),
        ({"layers": [0, 2]}, "found 0"),
        ({"task": "intensities"}, "predicts dimensions, or classes"),
        ({"features": "log_mel"}, "sets features itself"),
        ({"taught": {"teacher": "upstream:x@all"}}, "sets taught.teacher itself"),
        ({"text": {"model": "/no/such"}}, "there is no folder /no/such"),
        ({"proxy": "pad"}, "has ratings of arousal, valence, dominance"),
        ({"study": "masking"}, "has no study 'masking'; it has none"),
        ({"against": "upstream:x@all"}, "has no --against"),
        ({"colour": 3}, "colour"),
    ],
)
def test_what_can_be_mended_is_told_before_anything_is_heard(home, tmp_path, changes, said):
    cache = tmp_path / "cache"
    values = values_of(home) | changes
    with pytest.raises(UndertoneError) as told:
        RECIPES["audio-textual"](values, tmp_path / "run", Resources(cache, 1, progress=False))
    assert said in str(told.value)
    assert not cache.exists()
    assert not (tmp_path / "run").exists()


def test_a_layer_is_not_the_whole_encoder(home, tmp_path):
    values = values_of(home, upstream=f"{home / 'hubert'}@2")
    with pytest.raises(UndertoneError, match="--layers says how many"):
        RECIPES["audio-textual"](values, tmp_path, Resources())


def test_emotions_without_a_proxy_are_refused_with_both_ways_out(tones, home, tmp_path):
    values = values_of(home) | {"corpus": f"t={tones}"}
    with pytest.raises(UndertoneError, match=r"--proxy pad .* or --task classes"):
        RECIPES["audio-textual"](values, tmp_path, Resources())


@pytest.mark.parametrize("recipe", ["masked-gru", "wav2vec-cnn"])
def test_other_recipes_have_neither_words_nor_small_encoders(recipe, home, tmp_path):
    with pytest.raises(UndertoneError, match=f"the recipe {recipe} has no --text, --layers"):
        RECIPES[recipe](values_of(home, layers=[1]), tmp_path, Resources())
