"""The Python of the pages on other libraries runs as it stands there."""

import re
from pathlib import Path

import pytest
import tones

import undertone

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with labels and a model, as the pages take for granted."""
    folder = tmp_path_factory.mktemp("home")
    corpus = tones.write(folder)
    settings = undertone.FinetuneSettings(system="functionals_logistic", folds=0)
    resources = undertone.Resources(folder / "cache", workers=1, progress=False)
    undertone.finetune(str(corpus), folder / "models/mine", settings=settings, resources=resources)
    return folder


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("hub.md", "from_pretrained"),
        ("sklearn.md", "EmotionClassifier"),
        ("corpora.md", "to_parquet"),
    ],
)
def test_the_block_runs(home, monkeypatch, page, said):
    monkeypatch.chdir(home)
    monkeypatch.setenv("UNDERTONE_CACHE", str(home / "cache"))
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.S)
    (block,) = [block for block in blocks if said in block]
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(block, page, "exec"), names)
    if page == "hub.md":
        assert names["again"].task == names["recogniser"].task
    if page == "sklearn.md":
        assert names["scores"].min() > 0.9
