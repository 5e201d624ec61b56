"""The report on intensities stands whatever systems and budgets a run held."""

import re

import numpy as np
import pandas as pd
import pytest

from undertone.corpora.tasks import INTENSITIES
from undertone.evaluation.intensity_claims import Claims, Published
from undertone.evaluation.intensity_curves import trace
from undertone.evaluation.intensity_report import (
    IntensityResult,
    beside_published,
    differences,
    render,
    results_table,
)
from undertone.evaluation.results import Source, System

SYSTEMS = (
    System("pretrained_frozen", "pre-trained, frozen", "pretrained", ""),
    System("scratch", "from scratch", "scratch", ""),
    System("always_0", "always 0", "floor", ""),
)
CLAIMS = Claims(
    published=(Published("accuracy", (0.85, 0.87), (0.81, 0.82), False, "somewhere"),),
    gain_most=("happy",),
    budget=200,
    floors=("always_0",),
)


@pytest.fixture
def result_of(rng):
    def make(systems, budgets, n_videos=6):
        truth = np.clip(rng.normal(0.3, 0.8, size=(10 * n_videos, 6)), 0, 3)
        predictions = {
            (system, budget): np.clip(truth + 0.5 * rng.normal(size=(2, *truth.shape)), 0, 3)
            for system in systems
            for budget in budgets
        }
        curves = trace(
            predictions,
            truth=truth,
            speakers=[f"v{i // 10}" for i in range(len(truth))],
            emotions=INTENSITIES,
            n_replicates=40,
        )
        return IntensityResult(
            title="A <title>",
            sources=(Source("toy", "labelled", "none", "Nobody (2000)"),),
            curves=curves,
            systems=tuple(s for s in SYSTEMS if s.name in systems),
            claims=CLAIMS,
            citation="a paper",
            n_draws=2,
            counts=pd.DataFrame({"toy": ["test"], "segments": [60]}),
            pretraining=pd.DataFrame(),
            settings="seed = 0\n",
            versions={"undertone": "0"},
            command="undertone reproduce toy",
            seconds={"training": 60.0},
        )

    return make


@pytest.mark.parametrize("systems", [("scratch", "always_0"), tuple(s.name for s in SYSTEMS)])
@pytest.mark.parametrize("budgets", [(50,), (20, 200)])
@pytest.mark.parametrize("n_videos", [1, 6])
def test_any_run_gives_a_page(result_of, systems, budgets, n_videos):
    result = result_of(systems, budgets, n_videos)
    text = render(result)
    assert "A &lt;title&gt;" in text
    assert ".85–.87" in text
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.S).lower()
    assert ("Gain over" in text) == ("pretrained_frozen" in systems)
    assert len(text.split("<h2>")) == 8


def test_the_cells_are_the_curves_own(result_of):
    result = result_of(tuple(s.name for s in SYSTEMS), (20, 200))
    table = beside_published(result)
    position = table.headings.index("from scratch")
    rows = {row[0]: row for row in table.rows[:7]}
    assert rows["MAE"][position] == result.curves.estimate("scratch", 200)
    assert rows["  fear"][position] == result.curves.estimate("scratch", 200, emotion="fear")
    first = differences(result).rows[0]
    gain = result.curves.difference("scratch", "pretrained_frozen", budget=20)
    assert (first[0], first[1]) == ("20", gain)


def test_the_table_of_results_averages_to_the_curves(result_of):
    result = result_of(tuple(s.name for s in SYSTEMS), (20, 200))
    table = results_table(result)
    assert len(table) == 3 * 2 * 2 * 7 * 7
    at = table.query("system == 'scratch' and budget == 20 and metric == 'ccc'")
    means = at.groupby("emotion")["value"].mean()
    for emotion in (*INTENSITIES, "mean"):
        found = result.curves.estimate("scratch", 20, "ccc", emotion=emotion).value
        assert means[emotion] == pytest.approx(found)
