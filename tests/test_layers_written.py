"""What ``undertone layers`` leaves and prints: JSON, tables, page, pictures, the command line."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from layers_fakes import found, planted
from page_text import fetched, visible
from typer.testing import CliRunner
from upstream_fakes import write_encoder

import undertone
from undertone import atomic, cli, config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.estimate import decimal
from undertone.evaluation.layers import page, plots, sentences
from undertone.evaluation.layers.profiles import Probes
from undertone.experiment.probing import LayersSettings
from undertone.tasks import AMOUNTS, MEAN


@pytest.fixture(scope="module", params=["choice", AMOUNTS])
def telling(request, tmp_path_factory):
    """The result where layer 2 of five tells much, its neighbours a little, and the folder."""
    folder = tmp_path_factory.mktemp("telling")
    return found(planted((0.0, 0.7, 2.0, 0.7, 0.0), request.param), folder), folder


# --- what is written


def test_json_holds_every_score_difference_and_finding(telling):
    result, folder = telling
    record = json.loads((folder / "layers.json").read_text())
    assert record["format"] == 1
    assert record["encoder"]["layers"] == 5
    assert record["encoder"]["cut_from"] is None
    assert record["budgets"] == [12, 40]
    assert record["sentences"] == sentences.everything(result)
    task, curves = result.task, result.curve.curves
    keys = ("system", "budget", "metric", "output")
    scores = {tuple(score[key] for key in keys): score for score in record["scores"]}
    assert len(scores) == len(record["scores"])
    for layer, name in enumerate(result.names):
        for budget in (12, 40):
            for output in (MEAN, *task.outputs):
                score = scores[name, budget, task.headline, output]
                expected = curves.estimate(name, budget, output=output)
                assert score["layer"] == layer
                assert score["value"] == pytest.approx(expected.value)
                assert score["n_speakers"] == 9
    assert scores[next(iter(task.floors)), 12, task.headline, MEAN]["layer"] is None
    differences = [d for d in record["behind_the_best"] if d["output"] == MEAN]
    assert len(differences) == 5 * 2
    assert all(d["high"] < 0 for d in differences if d["layer"] in (0, 4))
    finding = record["findings"][-1]
    assert finding["best"] == finding["truncation_is_free_from"] == 2
    assert finding["cannot_be_told_from_the_best"] == []
    assert finding["most_that_a_layer_above_may_add"]["high"] < 0
    assert {gain["output"] for gain in record["gains_from_depth"]} == set(task.outputs)
    assert record["weights"] == {}


def test_the_table_of_fits_has_a_row_a_fit_and_metric(telling):
    result, folder = telling
    fits = pd.read_parquet(folder / "results.parquet")
    names = [*result.names, *result.task.floors]
    assert set(fits["system"]) == set(names)
    n_outputs = 1 if result.task.kind == "choice" else 1 + len(result.task.outputs)
    assert len(fits) == len(names) * 2 * 3 * 3 * len(result.task.metrics) * n_outputs


def test_layers_of_two_runs_can_be_compared(telling):
    _, folder = telling
    of_two = compare([parse(f"a={folder}:layer_02"), parse(f"b={folder}:layer_00")])
    assert of_two.curves.difference("a", "b", budget=40).low > 0


def test_the_settings_file_repeats_the_run(telling):
    result, folder = telling
    again = config.load(LayersSettings, config.read_toml(folder / "config.toml"))
    assert again.upstream == "upstream:/encoders/fake@all"
    assert again.task == result.task.name
    assert again.replicates == 300
    assert again.of_curve().budgets == (12, 40)


def test_every_number_of_every_layer_is_on_the_page(telling):
    result, folder = telling
    written = (folder / "layers.html").read_text()
    text = visible(written)
    assert not fetched(written)
    for budget in result.budgets:
        profile = result.probes.profile(budget)
        for layer, score in enumerate(profile.scores):
            assert f"{decimal(score.value)} [{decimal(score.low)}, {decimal(score.high)}]" in (
                text.replace("−", "-")
            )
            if layer != profile.best:
                assert decimal(profile.behind[layer].value, signed=True).replace("-", "−") in text
    assert "Below zero a layer is worse" in text
    assert page.render(result) == written


def test_a_line_of_the_picture_is_told_by_colour_marker_and_dashes(telling):
    result, _ = telling
    lines = plots.along_budgets(result)
    axes = plots.figure(result, lines).axes[0]
    whole = [line for line in axes.get_lines() if line.get_linestyle() != "None"]
    expected = [[score.value for score in line.profile.scores] for line in lines]
    np.testing.assert_allclose([line.get_ydata() for line in whole[: len(lines)]], expected)
    hollow = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    for trait in ("color", "marker"):
        assert len({getattr(line, f"get_{trait}")() for line in hollow}) == len(lines)
    assert len({str(dash) for dash in plots.DASHES}) == len(plots.DASHES) == len(plots.MARKERS)
    best = [line for line in hollow if len(line.get_xdata()) == 1]
    assert [round(line.get_xdata()[0]) for line in best] == [2, 2]
    assert (axes.get_xlabel(), len(plots.along_outputs(result))) == (
        "layer (0: what enters the first one)",
        len(result.task.outputs),
    )


def test_pictures_are_whole_files(telling):
    _, folder = telling
    assert (folder / "layers.png").read_bytes().startswith(b"\x89PNG")
    drawn = (folder / "layers.svg").read_text()
    assert drawn.startswith("<?xml")
    assert 'xmlns="http://www.w3.org/2000/svg"' in drawn


def test_a_cut_encoder_says_what_it_was_cut_from(telling):
    result, _ = telling
    cut = replace(result, encoder=replace(result.encoder, cut_from=12))
    assert "has the layers 0 to 4; it was cut from an encoder that has the layers 0 to 12" in (
        visible(page.render(cut))
    )
    assert "cut from" not in sentences.of_encoder(result.encoder)


def test_one_speaker_gives_no_sentence_on_layers(telling):
    result, _ = telling
    curves = result.curve.curves
    one = {
        key: replace(scored, replicates=np.full_like(scored.replicates, np.nan))
        for key, scored in curves.scored.items()
    }
    alone = replace(curves, scored=one, behind=np.ones_like(curves.behind))
    result = replace(result, curve=replace(result.curve, curves=alone))
    assert Probes(alone, result.names).profile(12).is_known is False
    assert "but nothing can be said: one speaker gives no interval" in (
        sentences.of_budget(result, 12)
    )
    assert list(sentences.of_depth(result)) == []


def test_layers_are_read_out():
    assert sentences.layers([3]) == "layer 3"
    assert sentences.layers([1, 2]) == "layers 1 and 2"
    assert sentences.layers([2, 3, 4]) == "layers 2 to 4"
    assert sentences.layers([0, 2, 3, 4, 6]) == "layers 0, 2 to 4 and 6"


# --- the command line, with a real encoder of random weights


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Noises of three colours by six speakers, and an encoder of three layers."""
    folder, rng, rows = tmp_path_factory.mktemp("home"), np.random.default_rng(2), []
    for number in range(54):
        kind = number % 3
        noise = rng.normal(0, 0.1, 6000)
        colour = np.convolve(noise, np.ones(1 + 4 * kind) / (1 + 4 * kind), mode="same")
        soundfile.write(folder / f"u{number:02d}.wav", colour, 16_000)
        emotion = ("anger", "neutral", "sadness")[kind]
        rows.append((f"u{number:02d}.wav", f"s{number // 3 % 6}", emotion))
    table = pd.DataFrame(rows, columns=["file", "speaker", "emotion"])
    table.to_csv(folder / "labels.csv", index=False)
    write_encoder(folder / "hubert", "hubert-layer")
    return folder


def run(home, *arguments, columns=80):
    given = ["layers", "--cache", home / "cache", "--workers", 1, *arguments]
    environment = {"COLUMNS": str(columns), "LINES": "50"}
    return CliRunner().invoke(cli.app, list(map(str, given)), env=environment)


def ask(home, out, *more):
    return (
        *("--corpus", home / "labels.csv", "--upstream", home / "hubert", "--out", out),
        *("--budgets", "12,24", "--draws", 2, "--folds", 3, "--set", "replicates=200", *more),
    )


def test_the_command_prints_one_table_and_the_sentences(home, tmp_path):
    done = run(home, *ask(home, tmp_path / "run"))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, (line for line in lines if line[:1] in "│┃┏└"))) <= 80
    for name in ("layer 0", "layer 3", "constant", "chance"):
        assert sum(line.startswith(f"│ {name} ") for line in lines) == 1
    record = json.loads((tmp_path / "run" / "layers.json").read_text())
    for sentence in record["sentences"]:
        assert sentence in lines
    assert record["encoder"]["layers"] == 4
    assert lines[-1].endswith("layers.html")
    assert record["findings"][-1]["best"] in range(4)
    assert run(home, *ask(home, tmp_path / "run")).stdout == done.stdout
    refused = run(home, *ask(home, tmp_path / "run", "--seed", 7))
    assert isinstance(refused.exception, UndertoneError)
    assert "holds a run with other settings" in str(refused.exception)


def test_layers_can_be_asked_what_they_carry_to_another_corpus(home, tmp_path):
    """The same kinds of noise, half as loud, are the other corpus."""
    there = tmp_path / "there"
    there.mkdir()
    table = pd.read_csv(home / "labels.csv")
    for name in table["file"]:
        samples, rate = soundfile.read(home / name)
        soundfile.write(there / name, samples / 2, rate)
    table.to_csv(there / "labels.csv", index=False)
    tested = ("--corpus", f"here={home / 'labels.csv'}", "--test-corpus")
    given = ask(home, tmp_path / "run", "--set", "across.shift=false")[2:]
    done = run(home, *tested, f"there={there / 'labels.csv'}", *given)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "run" / "layers.json").read_text())["corpus"] == "here → there"
    predicted = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert set(predicted["speaker"]) == {f"there/s{i}" for i in range(6)}


def test_two_processes_do_not_work_in_one_folder(home, tmp_path):
    with atomic.held(tmp_path / "run"):
        done = run(home, *ask(home, tmp_path / "run"))
    assert isinstance(done.exception, UndertoneError)
    assert "another process of Undertone is at work in" in str(done.exception)


def test_the_function_does_what_the_command_does(home, tmp_path):
    settings = undertone.LayersSettings(
        corpus=str(home / "labels.csv"),
        upstream=str(home / "hubert"),
        budgets=(12,),
        draws=1,
        folds=2,
        replicates=50,
    )
    resources = undertone.Resources(home / "cache", 1, progress=False)
    assert undertone.layers(settings, tmp_path, resources) == tmp_path / "layers.html"
    assert (tmp_path / "layers.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--corpus", "labels.csv"), "layers needs a labelled corpus and an encoder"),
        (("--upstream", "hubert"), "layers needs a labelled corpus and an encoder"),
        (("--corpus", "labels.csv", "--upstream", "/nowhere/x"), "there is no folder /nowhere/x"),
        (("--corpus", "labels.csv", "--upstream", "{home}"), "config.json cannot be read"),
        (("--corpus", "labels.csv", "--upstream", "log_mel@2"), "found @2"),
        (
            ("--corpus", "labels.csv", "--upstream", "{home}/hubert", "--task", "dimensions"),
            "has no labels for the task dimensions",
        ),
        (
            ("--corpus", "labels.csv", "--upstream", "{home}/hubert", "--budgets", "12,90"),
            "a budget of 90 labels cannot be drawn",
        ),
        (
            ("--corpus", "labels.csv", "--upstream", "{home}/hubert", "--budgets", "few"),
            "--budgets takes whole numbers",
        ),
    ],
)
def test_what_can_be_mended_is_told(home, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(home)
    given = [argument.format(home=home) for argument in arguments]
    done = run(home, *given, "--out", tmp_path / "run")
    assert isinstance(done.exception, UndertoneError), done.output
    assert said in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_an_encoder_without_layers_is_refused(home, tmp_path):
    folder = tmp_path / "shallow"
    folder.mkdir()
    for file in (home / "hubert").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    values = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 0}
    (folder / "config.json").write_text(json.dumps(values))
    done = run(home, "--corpus", home / "labels.csv", "--upstream", folder)
    assert "as a whole number from 1 to 1,000, found 0" in str(done.exception)
    assert str(folder / "config.json") in str(done.exception)


def test_a_cut_folder_is_shown_with_its_own_layers(home, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    for file in (home / "hubert").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    made = {"original_layers": 12, "original_name": "whole", "original_digest": "0" * 64}
    values = json.loads((folder / "config.json").read_text()) | {"undertone": made}
    (folder / "config.json").write_text(json.dumps(values))
    arguments = ("--budgets", "12", "--draws", 1, "--folds", 2, "--set", "replicates=50")
    done = run(
        *(home, "--corpus", home / "labels.csv", "--upstream", folder, "--out", tmp_path / "run"),
        *arguments,
    )
    assert done.exit_code == 0, done.output
    said = "has the layers 0 to 3; it was cut from an encoder that has the layers 0 to 12."
    assert said in done.stdout
    record = json.loads((tmp_path / "run" / "layers.json").read_text())
    assert record["encoder"]["cut_from"] == 12
    assert len(record["findings"]) == 1
