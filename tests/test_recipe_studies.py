"""The studies of the recipes: variants on one set of draws, one table, one verdict."""

import dataclasses

import numpy as np
import pytest
from page_text import fetched, visible
from recipe_fakes import write_tones
from upstream_fakes import write_encoder, write_resnet

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import compare, parse
from undertone.evaluation.curves import Scored
from undertone.evaluation.report.paper import NO, OPEN, YES
from undertone.pipeline import Resources
from undertone.recipes import RECIPES, masking, segments
from undertone.training.masking import draw_hidden

TINY = {
    "features": "log_mel",
    "budgets": [6, 18],
    "draws": 2,
    "folds": 2,
    "encoder": {"hidden_units": 8, "layers": 1, "stride": 8},
    "pretrain": {"max_epochs": 2},
    "finetune": {"max_epochs": 2, "epochs_without_validation": 1},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones") / "t", ("anger", "sadness", "fear"))


@pytest.fixture(scope="module")
def resources(tmp_path_factory):
    return Resources(tmp_path_factory.mktemp("store"), workers=1, progress=False)


@pytest.fixture(scope="module")
def masked(table, resources, tmp_path_factory):
    out = tmp_path_factory.mktemp("masking")
    values = TINY | {"corpus": f"tones={table}", "study": "masking"}
    return out, RECIPES["masked-gru"](values, out, resources)


def moved(curves, by):
    """The same curves, but the means of these systems lie so far above what the first has."""
    first = next(iter(by))
    scored = dict(curves.scored)
    for label, budget in curves.scored:
        if label in by:
            base = curves.scored[first, budget]
            scored[label, budget] = Scored(base.by_draw + by[label], base.replicates + by[label])
    return dataclasses.replace(curves, scored=scored)


# --- masking


@pytest.mark.parametrize("one", masking.MASKINGS, ids=lambda one: one.folder)
def test_a_masking_hides_what_it_is_called(one, rng):
    settings = one.values(300)
    hidden = draw_hidden(
        [300] * 50, share=settings["mask_share"], spans=settings["mask_spans"], rng=rng
    )
    assert (hidden.sum(axis=1) == 300 * one.share).all()
    edges = [np.flatnonzero(np.diff(np.pad(row, 1))) for row in hidden]
    lengths = np.concatenate([e[1::2] - e[::2] for e in edges])
    if one.form == masking.STRETCHES:
        assert set(lengths % 30) == {0}
    else:
        assert (lengths == 1).mean() > 0.5
    assert one.label.startswith(f"{one.share:.0%} in ")


def test_the_masking_study_has_one_table_of_all_on_the_same_draws(masked):
    out, found = masked
    first = found.tables[0]
    published = "10% in stretches of 30 steps"
    names = [row.name for row in first.rows]
    assert names[:6] == [one.label for one in masking.MASKINGS]
    assert names[6:] == ["random, frozen", "from scratch", "constant", "chance (uniform guesses)"]
    assert first.headings[1:] == (
        *("6", "18", f"gain over {published}"),
        *("gain over random, frozen", "gain over from scratch"),
    )
    assert first.rows[0].cells[2] == "–"
    places = [f"{m.label}={out / m.folder}:pretrained_frozen" for m in masking.MASKINGS[:2]]
    curves = compare([parse(place) for place in places]).curves
    one, other = (m.label for m in masking.MASKINGS[:2])
    assert first.rows[1].cells[:2] == tuple(curves.estimate(other, b) for b in (6, 18))
    assert first.rows[1].cells[2] == curves.mean_gain(other, one).signed()


def test_only_the_masking_differs_between_the_runs(masked):
    settings = [config.read_toml(masked[0] / m.folder / "config.toml") for m in masking.MASKINGS]
    for one, of_one in zip(masking.MASKINGS, settings, strict=True):
        assert of_one["pretrain"].pop("mask_share") == one.share
        of_one["pretrain"].pop("mask_spans")
        systems = set(of_one.pop("systems"))
        extra = {"random_frozen", "scratch"} if one == masking.PUBLISHED else set()
        assert systems == {"pretrained_frozen", "constant"} | extra
        of_one.pop("finetune", None)  # of systems that need it
    assert all(of_one == settings[0] for of_one in settings)


def test_the_masking_study_answers_and_shows(masked, capsys):
    _, found = masked
    claims = [answer.claim for answer in found.answers]
    assert len(claims) == len(set(claims)) == 5 + 3
    page = found.report.read_text()
    assert not fetched(page)
    assert "undertone reproduce masked-gru --corpus" in visible(page)
    assert "--study masking" in visible(page)
    found.show()
    assert "Other maskings on tones" in capsys.readouterr().out


def test_the_verdict_on_maskings_names_what_differs(masked):
    out, _ = masked
    places = [f"{m.label}={out / m.folder}:pretrained_frozen" for m in masking.MASKINGS]
    curves = compare([parse(place) for place in places]).curves
    labels = [m.label for m in masking.MASKINGS]
    same = moved(curves, dict.fromkeys(labels, 0.0))
    assert masking.verdict(same).startswith("No other masking can be told apart")
    by = dict.fromkeys(labels, 0.0) | {labels[3]: 0.1, labels[4]: 0.2, labels[5]: -0.1}
    assert masking.verdict(moved(curves, by)) == (
        "Than the published masking, 10% in stretches of 30 steps, 10% in single steps and 20% in "
        "single steps are measurably better; 30% in single steps is measurably worse."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": "maskings"}, "has no study 'maskings'; it has masking"),
        ({"pretrain": {"mask_share": 0.4}}, "several of pretrain.mask_share: leave it out"),
        ({"systems": ["scratch", "constant"]}, "sets the systems itself"),
    ],
)
def test_what_a_study_varies_is_not_the_caller_s(table, resources, tmp_path, changes, message):
    values = TINY | {"corpus": f"tones={table}", "study": "masking"} | changes
    with pytest.raises(UndertoneError, match=message):
        RECIPES["masked-gru"](values, tmp_path, resources)


# --- segments


@pytest.fixture(scope="module")
def cut(table, resources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("segments")
    values = {
        "corpus": f"tones={table}",
        "upstream": str(write_encoder(folder / "wav2vec2", "wav2vec2-layer")) + "@1",
        "folds": 2,
        "budgets": [6, 18],
        "cnn": {"channels": 8, "max_epochs": 2},
        "picture": {"network": str(write_resnet(folder / "resnet")), "max_epochs": 1},
        "study": "segments",
    }
    return folder / "run", RECIPES["wav2vec-cnn"](values, folder / "run", resources)


@pytest.mark.slow
def test_the_segment_study_pairs_every_length_with_the_svm(cut):
    out, found = cut
    first = found.tables[0]
    names = [row.name for row in first.rows]
    lengths = ("1 s", "2 s", "4 s", "whole")
    assert names == [
        *(f"CNN on the encoder, {length}" for length in lengths),
        *(f"picture network, {length}" for length in lengths),
        *("SVM on functionals", "constant", "chance (uniform guesses)"),
    ]
    assert first.headings[3:] == (
        "gain over SVM on functionals",
        "gain over CNN on the encoder, whole",
    )
    places = (f"a={out / 'upstream-1s'}:cnn", f"b={out / 'log_mel'}:functionals_svm")
    curves = compare([parse(place) for place in places]).curves
    assert first.rows[0].cells[2] == curves.mean_gain("a", "b").signed()
    seconds = {}
    for folder in ("1s", "2s", "4s", "whole"):
        settings = config.read_toml(out / f"upstream-{folder}" / "config.toml")
        seconds[folder] = settings["cnn"]["segment_s"]
        pictures = config.read_toml(out / f"log_mel-{folder}" / "config.toml")["picture"]
        assert pictures["segment_s"] == seconds[folder]
    assert seconds == {"1s": 1.0, "2s": 2.0, "4s": 4.0, "whole": 600.0}


@pytest.mark.slow
def test_the_segment_study_answers_the_claim(cut):
    told = {answer.claim: answer for answer in cut[1].answers}
    assert [claim for claim in told if "largest on small" in claim] == [
        "its lead over the SVM is largest on small segments",
        "its lead over a picture network is largest on small segments",
    ]
    assert len(told) == 4 + 1 + 4 + 1
    assert "--study segments" in visible(cut[1].report.read_text())


@pytest.mark.slow
def test_the_lead_on_small_segments_is_a_difference_of_leads(cut):
    out, _ = cut
    contestants = [
        *(f"CNN on the encoder, {n}={out / f'upstream-{f}'}:cnn" for n, f in FOLDERS.items()),
        *(f"picture network, {n}={out / f'log_mel-{f}'}:image_cnn" for n, f in FOLDERS.items()),
        f"SVM on functionals={out / 'log_mel'}:functionals_svm",
    ]
    curves = compare([parse(text) for text in contestants]).curves
    cnn, picture = (
        [f"{s}, {n}" for n in FOLDERS] for s in ("CNN on the encoder", "picture network")
    )
    by = dict.fromkeys((cnn[-1], *cnn, *picture, "SVM on functionals"), 0.0)
    level = segments.verdict(moved(curves, by))
    assert level.startswith("The CNN measurably beats the SVM at no length of segments")
    by |= {cnn[0]: 0.3, cnn[1]: 0.1, picture[0]: 0.1, picture[3]: 0.15}
    shifted = moved(curves, by)
    assert (
        "beats the SVM with 1 s and 2 s; with segments of 1 s its lead is larger than that on "
        in (segments.verdict(shifted))
    )
    told = {a.claim: a for a in segments._answers(shifted)}
    assert told["the CNN beats the SVM, segments: 4 s"].verdict == OPEN
    assert told["its lead over the SVM is largest on small segments"].verdict == YES
    of_pictures = told["its lead over a picture network is largest on small segments"]
    assert (of_pictures.verdict, "Gain +.350" in of_pictures.evidence) == (YES, True)
    assert told["the CNN beats the picture network, segments: whole"].verdict == NO


FOLDERS = {"1 s": "1s", "2 s": "2s", "4 s": "4s", "whole": "whole"}


def test_lengths_are_not_the_caller_s(table, resources, tmp_path):
    values = {"corpus": f"tones={table}", "upstream": "/x", "cnn": {"segment_s": 2.0}}
    with pytest.raises(UndertoneError, match="compares several segment_s"):
        segments.reproduce(values, tmp_path, resources)
