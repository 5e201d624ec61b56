"""MSP-Podcast all the way: read in its exact layout, a curve and a model on its official folds."""

import numpy as np
import pandas as pd
import pytest
from msp_fakes import utterances, write_audios, write_consensus, write_details

from undertone.corpora.corpus import ALONE
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.report.tables import along_budgets
from undertone.evaluation.score import score
from undertone.experiment import CurveSettings
from undertone.experiment.complete import run_curve
from undertone.experiment.run import open_run
from undertone.pipeline import Resources, finetune
from undertone.recogniser.settings import FinetuneSettings

TOLD = utterances(n_speakers=24)  # two speakers a test part
PART = {said.file[:-4]: said.split.lower() for said in TOLD}
SPEAKER = {said.file[:-4]: said.speaker for said in TOLD}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("msp")
    write_audios(root, TOLD)
    write_consensus(root / "Labels/labels_consensus.csv", TOLD)
    write_details(root / "Labels/labels_detailed.json", TOLD)
    return root


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)


@pytest.fixture(scope="module", params=["dimensions", "classes"])
def run(request, root, resources, tmp_path_factory):
    """Folder, plan and result of a curve with two systems."""
    out = tmp_path_factory.mktemp(request.param)
    task, floor = request.param, {"dimensions": "mean", "classes": "constant"}[request.param]
    settings = CurveSettings(
        corpus=f"msp-podcast={root}",
        task=task,
        budgets=(12, 24),
        draws=2,
        systems=("descriptors" if task == "classes" else "functionals_ridge", floor),
        replicates=50,
    )
    plan = open_run(settings, out, resources).plan()
    return out, plan, run_curve(settings, out, resources)


def test_the_parts_keep_their_roles(run):
    _, plan, _ = run
    assert list(plan.folds) == [0]
    fold = plan.folds[0]
    assert {PART[name] for name in fold.test} == {"test1", "test2"}
    assert "Unknown" not in {SPEAKER[name] for name in fold.test}
    assert {PART[name] for name in fold.crowd} == {"train"}
    assert {PART[name] for _, names in fold.pool for name in names} == {"train"}
    alone = {who for name, who in fold.crowd.items() if SPEAKER[name] == "Unknown"}
    assert len(alone) > 3
    assert all(who.startswith(ALONE) for who in alone)
    for cell in plan.cells:
        assert {PART[name] for name in cell.labels.utterances} == {"train"}


def test_the_parts_are_scored_apart(run):
    """Each number is that of the predictions of one part alone, by another way."""
    out, _, result = run
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert set(predictions["part"]) == {"test1", "test2"}
    curves = {result.part: result.curves, **result.elsewhere}
    assert list(curves) == ["test1", "test2"]
    system, metric = result.systems[0].name, result.task.headline
    for part, of_part in curves.items():
        rows = predictions[predictions["utterance"].map(PART) == part]
        assert of_part.n_utterances == rows["utterance"].nunique()
        own = rows[(rows["system"] == system) & (rows["budget"] == 24)]
        values = [
            score(truth=one, prediction=one, task=result.task.name).metrics[metric].value
            for _, one in own.groupby("draw")
        ]
        assert of_part.estimate(system, 24).value == pytest.approx(np.mean(values))
    results = pd.read_parquet(out / "results.parquet")
    assert set(results["part"]) == {"test1", "test2"}


def test_the_report_shows_both_and_says_who_is_nobody(run):
    out, _, _ = run
    page = (out / "report.html").read_text()
    assert ", tested on test1</h2>" in page
    assert "<h2>The same fits, tested on test2</h2>" in page
    assert "utterances are of unknown speakers" in page
    assert "in the official validation fold: not used" in page
    assert "unknown speaker: it could be on both sides of a fold" in page


def test_one_rater_stands_beside_the_floors_of_each_part(run):
    out, plan, result = run
    page = " ".join((out / "report.html").read_text().split())
    for part, (of_rater,) in result.ceilings.items():
        tested = [name for name in plan.folds[0].test if PART[name] == part]
        assert of_rater.n_utterances == len(tested)
        assert of_rater.n_ratings <= 3 * len(tested)
        assert f"<p>For comparison, in {part}, one rater against the others: " in page
    rows = [along_budgets(of).rows[-1] for of in (result, *(r for _, r in result.of_elsewhere()))]
    assert [row.name for row in rows] == ["one rater against the others"] * 2
    for row, (of_rater,) in zip(rows, result.ceilings.values(), strict=True):
        assert set(row.cells) == {of_rater.metrics[result.task.headline]}
        assert row.is_floor


def test_runs_are_compared_in_one_part(run):
    out, _, result = run
    contestants = [parse(f"{s.name}={out}:{s.name}") for s in result.systems]
    for part, curves in {"": result.curves, **result.elsewhere}.items():
        found = compare(contestants, part=part)
        assert found.part == (part or "test1")
        ours = result.systems[0].name
        value = found.curves.estimate(ours, 24).value
        assert value == pytest.approx(curves.estimate(ours, 24).value)
    with pytest.raises(UndertoneError, match="there are test1, test2"):
        compare(contestants, part="test3")


def test_a_model_says_how_good_it_is_in_each_part(root, resources, tmp_path):
    settings = FinetuneSettings(system="functionals_ridge", task="dimensions")
    _, measured = finetune(
        f"msp-podcast={root}", tmp_path / "m", settings=settings, resources=resources
    )
    assert (measured.part, [other.part for other in measured.others]) == ("test1", ["test2"])
    names = [name for name, *_ in measured.rows()]
    assert "CCC, test1" in names
    assert "CCC arousal, test2" in names
    assert measured.to_dict()["others"][0]["part"] == "test2"
    card = (tmp_path / "m/README.md").read_text()
    assert "speakers in test1 and" in card
    assert "| CCC, test2 |" in card
    assert "For comparison, in test1, one rater against the others: CCC" in card
    assert [line[:8] for line in measured.about_raters] == ["in test1", "in test2"]
    assert "utterances are of unknown speakers" in card
    n_known = len({said.speaker for said in TOLD if said.split in ("Train", "Test1", "Test2")}) - 1
    assert f"{n_known} known speakers" in card
