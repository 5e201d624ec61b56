"""Every kind of stored file, damaged in every way: told, or computed again, never used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corruption import (
    damaged,
    damages,
    summary,
    use_model,
    use_run,
    use_store,
    use_tables,
    used,
)
from test_experiment import TINY, write_tones
from upstream_fakes import write_encoder

from undertone import config, pipeline
from undertone.corpora import synthetic
from undertone.experiment import CurveSettings, complete, curve
from undertone.pipeline import FinetuneSettings, PretrainSettings, Resources

SYSTEMS = ["pretrained_frozen", "functionals_logistic", "constant"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corruption")
    write_tones(folder / "tones", n_a_speaker=4)
    return folder


@pytest.fixture(scope="module")
def resources(home) -> Resources:
    return Resources(home / "cache", workers=1, progress=False)


@pytest.fixture
def work(tmp_path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def assert_never_used(findings, n_at_least: int) -> None:
    assert len(findings) >= n_at_least
    bad = "\n".join(f"{f.file}: {f.damage}: {f.outcome} {f.told}" for f in used(findings))
    assert not bad, bad


def assert_all_told(findings) -> None:
    """What is read is told when it is damaged, were it one bit of the container around an array."""
    words = ("damaged", "aside", "something else", "made again")
    untold = [f for f in findings if not any(w in f.told for w in words) and f.outcome != "refused"]
    assert not untold, "\n".join(f"{f.file}: {f.damage}" for f in untold)


@pytest.mark.parametrize("system", ["descriptors", "combined"])
def test_a_model(home, resources, work, system):
    encoder = None
    if system == "combined":
        encoder = home / "encoder"
        shape = {"hidden_units": 8, "stride": 8}
        settings = config.load(PretrainSettings, {"encoder": shape, "pretrain": {"max_epochs": 1}})
        pipeline.pretrain([f"more={home / 'tones/more'}"], encoder, settings, resources)
    corpus, out = f"tones={home / 'tones/labels.csv'}", home / system
    settings = FinetuneSettings(system=system, folds=0)
    pipeline.finetune(corpus, out, encoder=encoder, settings=settings, resources=resources)
    findings = damaged(out, use_model(home / "tones/u000.wav"), work=work)
    assert_never_used(findings, 40)
    assert "refused" in summary(findings)


@pytest.fixture
def without_page(monkeypatch):
    """A run that draws nothing: its page is half of the work, is written anew, and never read."""
    monkeypatch.setattr(complete, "write_report", lambda *_, **__: None)


@pytest.fixture(scope="module")
def run(home, resources) -> Path:
    values = TINY | {"budgets": [4], "draws": 2, "systems": SYSTEMS}
    names = {"corpus": f"tones={home / 'tones/labels.csv'}"}
    out = home / "run"
    curve(config.load(CurveSettings, values | names), out, resources)
    return out


KINDS = {
    "fits": lambda path: path.parent.parent.name == "fits" and "draw000-fold00" in path.name,
    "encoders": lambda path: path.parent.name == "fold00",
    "settings": lambda path: path.name in ("config.toml", "data.sha256"),
    "tables": lambda path: path.suffix == ".parquet" or path.name == "SHA256SUMS",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("without_page")
def test_a_run_that_goes_on(run, resources, work, kind):
    share = {"fits": 3, "tables": 2}.get(kind, 1)  # three systems' fits are files of one kind
    findings = damaged(run, use_run(resources.cache), files=KINDS[kind], work=work, share=share)
    assert_never_used(findings, 25)
    if kind == "fits":
        assert_all_told(findings)


@pytest.mark.usefixtures("without_page")
def test_a_run_whose_encoders_are_needed_again(run, resources, work, home):
    bare = Path(shutil.copytree(run, home / "bare" / "run"))
    for path in (bare / "fits" / "pretrained_frozen").glob("*fold00*"):
        path.unlink()
    findings = damaged(bare, use_run(resources.cache), files=KINDS["encoders"], work=work)
    assert_never_used(findings, 35)
    assert_all_told(findings)


def test_the_tables_of_a_run(run, work):
    findings = damaged(run, use_tables("functionals_logistic"), files=KINDS["tables"], work=work)
    assert_never_used(findings, 50)
    settings = damaged(
        run,
        use_tables("functionals_logistic"),
        files=lambda path: path.name == "config.toml",
        work=work,
    )
    assert_never_used(settings, 15)
    assert {finding.outcome for finding in settings} == {"refused"}


@pytest.mark.parametrize("features", ["log_mel", "an encoder's"])
def test_a_store(home, work, tmp_path, features):
    if features != "log_mel":
        features = f"upstream:{write_encoder(tmp_path / 'encoder', 'hubert-layer')}@all"
    corpus, store = f"tones={home / 'tones/labels.csv'}", tmp_path / "store"
    use_store(corpus, features)(store)
    findings = damaged(store, use_store(corpus, features), work=work)
    assert_never_used(findings, 35)
    assert all("damaged" in finding.told for finding in findings)


def test_vectors_beside_the_frames(home, work, tmp_path):
    """Of all layers of an encoder: means and deviations that are kept."""
    features = f"upstream:{write_encoder(tmp_path / 'encoder', 'hubert-layer')}@auto"

    def use(store):
        from undertone.corpora import open as open_corpus
        from undertone.features.name import parse
        from undertone.pipeline import read_data, settle

        corpus = open_corpus(f"tones={home / 'tones/labels.csv'}")
        task, name = settle(corpus, "", features)
        data = read_data(corpus, name, task, Resources(store, workers=1, progress=False))
        names = data.corpus.table["utterance"].tolist()
        assert name == parse(features).settled()
        return data.layers.means(names).tobytes()

    use(tmp_path / "store")
    findings = damaged(
        tmp_path / "store", use, files=lambda path: "means" in path.parent.name, work=work
    )
    assert_never_used(findings, 35)


def test_the_synthetic_corpus(work, tmp_path):
    part = synthetic.Part("tiny", first_speaker=0, n_speakers=2, n_utterances=2, labelled=True)

    def use(folder):
        corpus = synthetic.read_part(part, folder)
        sounds = [soundfile.read(corpus.root / file)[0].tobytes() for file in corpus.table["file"]]
        return corpus.table.to_csv(), sounds

    use(tmp_path / "cache")
    assert_never_used(damaged(tmp_path / "cache", use, work=work), 60)


def test_the_harness_sees_what_is_used(tmp_path, work):
    """A use that checks nothing is caught."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.bin").write_bytes(bytes(range(100)))
    (tmp_path / "folder" / "b.bin").write_bytes(b"b" * 50)
    findings = damaged(tmp_path / "folder", lambda f: (f / "a.bin").read_bytes(), work=work)
    assert len(used(findings)) == sum(finding.file == "a.bin" for finding in findings) > 20
    assert {f.outcome for f in findings if f.file == "b.bin"} == {"the same"}
    assert (tmp_path / "folder" / "a.bin").read_bytes() == bytes(range(100))


def test_damages_are_many_and_all_different(rng):
    content = rng.bytes(1000)
    found = dict(damages(content, [b"other"]))
    assert len(found) > 20
    assert len(set(found.values())) == len(found)
    assert content not in found.values()
    assert np.mean([len(changed) == 1000 for changed in found.values()]) > 0.5
