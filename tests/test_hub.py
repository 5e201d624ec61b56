"""Models in the layout of the hub: the card it reads, there and back over a hub on loopback."""

import contextlib
import json
from dataclasses import replace

import hub_fakes
import numpy as np
import pytest
import tones

import undertone
from undertone.errors import UndertoneError
from undertone.recogniser.folder import Recogniser, load
from undertone.recogniser.front_matter import front_matter, without
from undertone.recogniser.hub import FETCHED, PREPROCESSOR
from undertone.recogniser.starter import starter_folder
from undertone.serving.service.card_page import card_page

TOKEN = "hf_this-is-a-secret"
hub = pytest.importorskip("huggingface_hub")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A recogniser that was measured."""
    folder = tmp_path_factory.mktemp("tones")
    corpus = tones.write(folder)
    settings = undertone.FinetuneSettings(system="functionals_logistic", folds=2)
    resources = undertone.Resources(folder / "cache", workers=1, progress=False)
    undertone.finetune(str(corpus), folder / "model", settings=settings, resources=resources)
    return load(folder / "model")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with contextlib.suppress(ImportError):  # what newer versions ask the hub for by themselves
        monkeypatch.setattr(
            "huggingface_hub.utils._detect_agent._registry",
            {"standardEnvVars": [], "harnesses": {}},
        )
    hub.utils.disable_progress_bars()
    with hub_fakes.serving() as running:
        yield running


def test_the_folder_has_the_hubs_layout_and_is_a_model_folder(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "mine", license="cc-by-nc-4.0", tags=["interviews"])
    assert sorted(path.name for path in folder.iterdir()) == sorted(FETCHED)
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "anger", "1": "sadness"}
    assert config["label2id"] == {"anger": 0, "sadness": 1}
    assert (config["problem_type"], config["sampling_rate"]) == (
        "single_label_classification",
        16_000,
    )
    assert json.loads((folder / PREPROCESSOR).read_text())["features"] == "log_mel"
    again = Recogniser.from_pretrained(folder)
    frames = np.random.default_rng(0).normal(3, 0.2, (50, 55)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(frames), model.predict(frames))
    (row,) = undertone.predict(folder, [tones_file(tmp_path)], answer_anyway=True)
    assert set(row.values) == {"anger", "sadness"}
    assert again.card == model.card != ""
    twice = again.save_pretrained(tmp_path / "twice", license="mit")
    assert (twice / "README.md").read_text().count("library_name") == 1


def tones_file(folder):
    (folder / "corpus").mkdir()
    tones.write(folder / "corpus", n_speakers=1, n_each=1)
    return folder / "corpus" / "s0-anger-0.wav"


def test_the_hubs_own_reader_understands_the_card(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "mine", license="mit", tags=["a: b", "# c"])
    card = hub.ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.license, data.library_name) == ("mit", "undertone")
    assert data.pipeline_tag == "audio-classification"
    assert {"speech-emotion-recognition", "classes", "a: b", "# c"} <= set(data.tags)
    assert data.model_name == "mine"
    uar = next(one for one in data.eval_results if one.metric_type == "recall")
    told = next(one for one in model.notes["published"]["scores"] if one["metric"] == "UAR")
    assert uar.metric_value == pytest.approx(told["value"], abs=1e-4)
    assert uar.metric_name.startswith("UAR ")
    assert "95 % interval over 4 speakers" in uar.metric_name
    assert "[" in uar.metric_name
    assert uar.dataset_name == model.notes["published"]["corpora"][0]
    assert "## Scores" in card.text
    assert hub.utils.yaml_dump(data.to_dict())  # what it would send back is whole


def test_an_unmeasured_model_has_no_results_and_a_strange_name_stays_in_its_line(model):
    head = front_matter(replace(model, notes={}), name="x", license='m"it\nevil: 1')
    data = hub.ModelCard(f"{head}\n# x").data.to_dict()
    assert "model-index" not in data
    assert "evil" not in data
    assert data["license"] == 'm"it\nevil: 1'


def test_the_page_of_the_service_shows_no_front_matter(model, tmp_path):
    text = (model.save_pretrained(tmp_path / "mine") / "README.md").read_text()
    assert text.startswith("---")
    page = card_page(text, "mine")
    assert "library_name" not in page
    assert without(text).startswith("# Recogniser of anger, sadness")


def test_a_model_goes_to_a_hub_and_comes_back(model, server, tmp_path, capsys, caplog):
    caplog.set_level("DEBUG")
    url = model.push_to_hub("anna/model", license="mit", token=TOKEN, endpoint=server.endpoint)
    assert url == f"{server.endpoint}/anna/model"
    assert set(FETCHED) <= set(server.files)
    server.files |= {"pytorch_model.bin": b"pickle", "modeling.py": b"raise SystemExit"}
    given = {"token": TOKEN, "endpoint": server.endpoint, "cache_dir": tmp_path / "cache"}
    fetched = undertone.from_pretrained("anna/model", **given)
    frames = np.random.default_rng(0).normal(3, 0.2, (50, 55)).astype(np.float32)
    np.testing.assert_array_equal(fetched.predict(frames), model.predict(frames))
    asked = " ".join(server.asked)
    assert "pytorch_model" not in asked
    assert "modeling" not in asked
    assert server.tokens == {f"Bearer {TOKEN}"}
    told = capsys.readouterr()
    assert TOKEN not in told.out + told.err + caplog.text


def test_what_was_fetched_needs_no_network_again(model, tmp_path, server):
    model.push_to_hub("anna/model", token=TOKEN, endpoint=server.endpoint)
    given = {"endpoint": server.endpoint, "cache_dir": tmp_path / "cache"}
    undertone.from_pretrained("anna/model", **given)
    n_asked = len(server.asked)
    undertone.from_pretrained("anna/model", local_files_only=True, **given)
    assert len(server.asked) == n_asked


def test_a_refusal_is_told_without_the_token(model, server, tmp_path):
    server.refuses = f"the token {TOKEN} may not write"
    with pytest.raises(UndertoneError) as refused:
        model.push_to_hub("anna/model", token=TOKEN, endpoint=server.endpoint)
    assert TOKEN not in str(refused.value)
    assert "does your token (`hf auth login`) allow it?" in str(refused.value)
    assert refused.value.__suppress_context__
    with pytest.raises(UndertoneError, match="could not be fetched from the hub") as refused:
        undertone.from_pretrained(
            "anna/model", token=TOKEN, endpoint=server.endpoint, cache_dir=tmp_path
        )
    assert TOKEN not in str(refused.value)


def test_offline_and_wrong_names_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(UndertoneError, match="local_files_only=True, nor does a folder"):
        undertone.from_pretrained("anna/model", cache_dir=tmp_path, local_files_only=True)
    for name in ("./nowhere", "/nowhere/at/all", "a/b/c"):
        with pytest.raises(UndertoneError, match="there is no folder"):
            undertone.from_pretrained(name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"undertone-ser\[hub\]"):
        undertone.from_pretrained("anna/model")


def test_a_damaged_folder_is_refused_and_another_kind_is_not_overwritten(model, tmp_path):
    folder = model.save_pretrained(tmp_path / "mine")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.py"}}))
    with pytest.raises(UndertoneError, match="was changed"):
        undertone.from_pretrained(folder)
    (tmp_path / "enc").mkdir()
    (tmp_path / "enc" / "config.json").write_text('{"kind": "encoder"}')
    with pytest.raises(UndertoneError, match="holds a model of kind encoder"):
        model.save_pretrained(tmp_path / "enc")


def test_the_starter_can_be_saved_for_the_hub_too(tmp_path):
    folder = load(starter_folder()).save_pretrained(tmp_path / "starter", license="mit")
    data = hub.ModelCard.load(folder / "README.md").data
    assert data.library_name == "undertone"
    assert load(folder).task.outputs == load(starter_folder()).task.outputs
