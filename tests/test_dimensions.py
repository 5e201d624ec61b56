"""Dimensions along the whole path: curve, report, compare, finetune, card, predict, score."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

import undertone
from undertone import config
from undertone.cli import app
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.experiment import CurveSettings, curve
from undertone.pipeline import Resources
from undertone.recogniser.settings import FinetuneSettings

SYSTEMS = ["descriptors", "functionals_ridge", "scratch", "mean"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Tones of six speakers: the louder the more aroused, the higher the more pleasant."""
    folder, rng, rows = tmp_path_factory.mktemp("voices"), np.random.default_rng(5), []
    emotions = ("anger", "sadness", "happiness")
    for number in range(60):
        aroused, pleasant = 1 + 6 * rng.random(2)
        time_s = np.arange(6400 + 160 * (number % 7)) / 16_000
        tone = 0.02 * aroused * np.sin(2 * np.pi * (100 + 40 * pleasant) * time_s)
        noise = 0.003 * rng.normal(size=len(time_s))
        soundfile.write(folder / f"u{number:02d}.wav", tone + noise, 16_000)
        rows.append({"file": f"u{number:02d}.wav", "speaker": f"s{number % 6}"})
        rows[-1] |= {"EmoVal": f"{pleasant:.3f}", "activation": f"{aroused:.3f}"}
        rows[-1]["emotion"] = emotions[int(aroused > 4) if pleasant < 4 else 2]
    table = pd.DataFrame(rows)
    table.loc[7, "EmoVal"] = ""
    table.drop(columns="emotion").to_csv(folder / "rated.csv", index=False)
    table[["file", "speaker", "emotion"]].to_csv(folder / "named.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


def settings_of(corpus, **values):
    common = {
        "budgets": [16, 36],
        "draws": 2,
        "folds": 3,
        "systems": SYSTEMS,
        "replicates": 100,
        "encoder": {"hidden_units": 8, "layers": 1, "stride": 4},
        "finetune": {"max_epochs": 3},
    }
    return config.load(CurveSettings, common | {"corpus": str(corpus)} | values)


@pytest.fixture(scope="module")
def rated(corpus, resources, tmp_path_factory):
    run = tmp_path_factory.mktemp("rated") / "run"
    curve(settings_of(corpus / "rated.csv"), run, resources)
    return run


@pytest.fixture(scope="module")
def proxied(corpus, resources, tmp_path_factory):
    run = tmp_path_factory.mktemp("proxied") / "run"
    curve(
        settings_of(corpus / "named.csv", proxy="pad", systems=["descriptors", "mean"]),
        run,
        resources,
    )
    return run


def test_a_curve_learns_both_dimensions(rated):
    results = pd.read_parquet(rated / "results.parquet")
    ccc = results[(results["metric"] == "ccc") & (results["budget"] == 36)]
    ccc = ccc.groupby(["system", "emotion"])["value"].mean()
    assert ccc["descriptors", "arousal"] > 0.8
    assert ccc["descriptors", "valence"] > 0.8
    assert ccc["mean", "mean"] == pytest.approx(0, abs=0.02)
    predictions = pd.read_parquet(rated / "predictions.parquet")
    assert predictions["utterance"].nunique() == 59  # one has no valence
    assert not predictions["arousal"].between(1, 7).all()  # scored before they are clipped


def test_the_report_tells_of_them(rated):
    page = (rated / "report.html").read_text()
    for text in ("CCC", "Pearson", "MAE", "arousal", "valence", "Correlation of the dimensions"):
        assert text in page
    assert "proxy" not in page.split("<h3>Settings")[0].replace("proxy = &#34;&#34;", "")
    assert "no emotion label" in page


def test_a_proxy_is_named_in_every_table(proxied):
    page = re.sub(r"data:[^\"]*", "", (proxied / "report.html").read_text())
    tables = [table.split("</table>")[0] for table in page.split("<table")[1:]]
    told = [table for table in tables if "CCC" in table or "MAE" in table or "Pearson" in table]
    assert told
    for table in told:
        assert "of a proxy" in table.split("</table>")[0]
    assert "one value per emotion, no ratings" in page
    assert config.read_toml(proxied / "config.toml")["proxy"] == "pad"


def test_runs_are_compared_by_dimension(rated, proxied):
    of = [parse(f"{name}={rated}:{name}") for name in ("descriptors", "functionals_ridge")]
    both = compare(of, output="valence")
    assert both.metric_label == "CCC valence"
    assert both.rows() != compare(of).rows()
    assert (
        "of a proxy"
        in compare([parse(f"{n}={proxied}:{n}") for n in ("descriptors", "mean")]).metric_label
    )
    for output, metric, message in (
        ("fear", None, "no output 'fear'; it has arousal, valence"),
        ("valence", "uar", "no metric 'uar'"),
    ):
        with pytest.raises(UndertoneError, match=message):
            compare(of, metric=metric, output=output)
    with pytest.raises(
        UndertoneError, match=r"proxy is None in one and pad in the other|corpus is"
    ):
        compare([parse(f"a={rated}:mean"), parse(f"b={proxied}:mean")])


def test_compare_prints_the_proxy(proxied):
    arguments = [f"{name}={proxied}:{name}" for name in ("descriptors", "mean")]
    done = CliRunner().invoke(app, ["compare", *arguments, "--output", "valence", "--workers", "1"])
    assert done.exit_code == 0
    assert "no ratings" in done.output


@pytest.fixture(scope="module")
def model(corpus, resources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "of_rated"
    values = {"folds": 3, "task": "dimensions"}
    undertone.finetune(
        str(corpus / "rated.csv"),
        folder,
        settings=config.load(FinetuneSettings, values),
        resources=resources,
    )
    return folder


def test_the_card_and_the_folder_say_what_is_predicted(model):
    saved = json.loads((model / "config.json").read_text())
    assert saved["system"] == "descriptors"
    assert saved["task"]["outputs"] == ["arousal", "valence"]
    assert 1 <= saved["task"]["low"] < saved["task"]["high"] <= 7
    card = (model / "README.md").read_text()
    assert "CCC" in card
    assert "proxy" not in card


def test_what_is_served_is_kept_in_range_and_scored_as_it_stands(model, corpus, tmp_path):
    files = sorted(corpus.glob("*.wav"))
    served = list(undertone.predict(model, files, answer_anyway=True))  # tones
    assert all(p.emotion is None and set(p.values) == {"arousal", "valence"} for p in served)
    values = [value for p in served for value in p.values.values()]
    assert min(values) >= 1
    assert max(values) <= 7
    pd.DataFrame([p.to_dict() for p in served]).to_csv(tmp_path / "served.csv", index=False)
    found = undertone.score(
        truth=corpus / "rated.csv",
        prediction=tmp_path / "served.csv",
        n_replicates=50,
        missing="drop",
    )
    assert found.task.name == "dimensions"
    assert found.metrics["ccc"].value > 0.9
    assert found.floors["mean"]["ccc"].value == pytest.approx(0, abs=1e-9)
    assert any("Correlation of the dimensions" in note for note in found.notes)


def test_a_model_of_a_proxy_says_so_on_its_card(corpus, resources, tmp_path):
    values = {"folds": 0, "proxy": "pad", "system": "functionals_ridge"}
    undertone.finetune(
        str(corpus / "named.csv"),
        tmp_path / "model",
        settings=config.load(FinetuneSettings, values),
        resources=resources,
    )
    assert "one value per emotion, no ratings" in (tmp_path / "model" / "README.md").read_text()
    served = next(iter(undertone.predict(tmp_path / "model", corpus / "u00.wav")))
    assert all(-1 <= value <= 1 for value in served.values.values())


def test_a_short_name_whose_cells_are_no_numbers_is_another_column(corpus, tmp_path):
    table = pd.read_csv(corpus / "named.csv", dtype=str).assign(act="greeting", val="train")
    table["file"] = [str(corpus / name) for name in table["file"]]
    table.to_csv(tmp_path / "speech_acts.csv", index=False)
    opened = undertone.corpora.open(str(tmp_path / "speech_acts.csv"))
    assert opened.task().name == "classes"
    assert "arousal" not in opened.table
    table.assign(valence="pleasant").to_csv(tmp_path / "words.csv", index=False)
    with pytest.raises(UndertoneError, match=r"'pleasant' in the column valence, line 2"):
        undertone.corpora.open(str(tmp_path / "words.csv"))
