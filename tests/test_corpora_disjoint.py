"""Folds that share neither voices nor sentences, in a plan too, and when there are none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import fake_corpus, fake_table
from test_cli import run
from test_experiment import TINY, write_tones

from undertone import config, corpora
from undertone.corpora.disjoint import NOBODY_KNOWS, Parting, describe, known_sentences
from undertone.corpora.folds import draw_labels, largest_budget, speaker_folds
from undertone.corpora.pool import TEST_SENTENCE, pool
from undertone.corpora.sentences import sentence_of
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings, curve, open_run
from undertone.pipeline import Resources
from undertone.tasks import Classes


def corpus_of(n_sentences: int, n_speakers: int = 6):
    """Every speaker says every sentence with every emotion."""
    table = fake_table(n_speakers=n_speakers, n_each=n_sentences)
    table["transcript"] = [f"Words {i % n_sentences}!" for i in range(len(table))]
    return fake_corpus(table)


def parting(corpus, n_groups=3, seed=0):
    return Parting(corpus, Classes.of(corpus.table), n_groups, seed)


@pytest.mark.parametrize("n_sentences", [2, 5, 10])
@pytest.mark.parametrize("seed", [0, 7])
def test_no_fold_hears_what_it_tests_and_everything_is_tested_once(n_sentences, seed):
    corpus = corpus_of(n_sentences)
    folds = parting(corpus, seed=seed).part(speaker_folds(corpus, 3, seed))
    table, said = corpus.table, sentence_of(corpus.table)
    assert len(folds) == 3 * min(3, n_sentences)
    assert [fold.index for fold in folds] == list(range(len(folds)))
    times = np.zeros(len(table), dtype=int)
    for fold in folds:
        test, taught = fold.tests(table), fold.teaches(table)
        assert not set(table["speaker"][test]) & set(table["speaker"][taught])
        assert not set(said[test]) & set(said[taught])
        assert set(said[test]) == fold.sentences
        assert taught.any()
        times += test.to_numpy()
    assert (times == 1).all()


def test_groups_of_sentences_are_even():
    corpus = corpus_of(10)
    folds = parting(corpus, n_groups=5).part(speaker_folds(corpus, 3))
    assert {len(fold.sentences) for fold in folds} == {2}


def test_the_order_of_rows_changes_no_fold(rng):
    corpus = corpus_of(5)
    shuffled = fake_corpus(corpus.table.sample(frac=1, random_state=3))
    ours, theirs = (parting(c).part(speaker_folds(c, 3)) for c in (corpus, shuffled))
    assert ours == theirs


def test_free_speech_keeps_its_folds_and_shared_sentences_alone_are_parted():
    table = fake_table(n_speakers=6, n_each=4)
    table["transcript"] = [f"own words {i}" for i in range(len(table))]
    corpus = fake_corpus(table)
    folds = speaker_folds(corpus, 3)
    assert parting(corpus).part(folds) == folds
    shared = table["utterance"].str.endswith(("-0", "-1"))
    table.loc[shared, "transcript"] = table["utterance"].str[-1].map("greeting {}".format)
    corpus = fake_corpus(table)
    parts = parting(corpus).part(folds)
    assert len(parts) == 6
    for fold in parts:  # only shared sentences are unused
        assert set(fold.unused) <= set(table["utterance"][shared])
    assert sum(len(fold.tested) for fold in parts) == len(table)


def test_budgets_and_draws_know_what_is_unused():
    corpus = corpus_of(4)
    task = Classes.of(corpus.table)
    for fold in parting(corpus, n_groups=2).part(speaker_folds(corpus, 3)):
        most = largest_budget(corpus, fold, task)
        assert most == int(fold.teaches(corpus.table).sum()) == 4 * 4 * 2
        drawn = draw_labels(corpus, fold, budget=most, task=task).utterances
        assert not set(drawn) & fold.unused


def test_pools_say_no_tested_sentence():
    corpus = corpus_of(4)
    other = corpus_of(4).table.assign(emotion=None, speaker=None)
    other = replace(fake_corpus(other, name="other", root="/y"))
    for fold in parting(corpus).part(speaker_folds(corpus, 3)):
        parts = pool(corpus, [other], fold).parts
        for part in parts:
            rows = part.corpus.table.set_index("utterance").loc[part.utterances]
            assert not set(sentence_of(rows)) & fold.sentences
            assert TEST_SENTENCE in part.left_out.values()


def test_when_it_cannot_be_done_it_is_said():
    with pytest.raises(UndertoneError, match="cannot be parted by sentence: one alone, 'words 0'"):
        parting(corpus_of(1)).part(speaker_folds(corpus_of(1), 3))
    with pytest.raises(UndertoneError, match=r"does not tell what is said.*column transcript"):
        known_sentences(fake_corpus())
    table = corpus_of(3).table
    table.loc[:4, "transcript"] = None
    kept = known_sentences(fake_corpus(table))
    assert kept.reasons() == {NOBODY_KNOWS: 5}
    with pytest.raises(UndertoneError, match="--disjoint takes speaker, or speaker,sentence"):
        CurveSettings(corpus="x", disjoint=("sentence",))


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Tones with three sentences, and pools that say them too."""
    folder = write_tones(tmp_path_factory.mktemp("disjoint") / "tones")
    table = pd.read_csv(folder / "labels.csv")
    table["transcript"] = [f"sentence {(i // 2) % 3}" for i in range(len(table))]
    table.to_csv(folder / "labels.csv", index=False)
    return folder


def test_the_plan_of_a_curve_shares_neither_voices_nor_sentences(tones, tmp_path):
    values = {
        "corpus": f"tones={tones}/labels.csv",
        "systems": ["scratch", "constant"],
        "disjoint": ["speaker", "sentence"],
        "budgets": [4],
    }
    settings = config.load(CurveSettings, TINY | values)
    resources = Resources(tmp_path / "cache", workers=1, progress=False)
    run_of = open_run(settings, tmp_path / "run", resources)
    plan, table = run_of.plan(), run_of.corpus.table
    said = dict(zip(table["utterance"], sentence_of(table), strict=True))
    assert len(plan.folds) == 4
    for cell in plan.cells:
        fold = plan.folds[cell.fold]
        tested = {said[name] for name in fold.test}
        for names in (cell.labels.utterances, fold.crowd, fold.pool[0][1]):
            assert not tested & {said[name] for name in names}
            assert not {plan.speaker[n] for n in fold.test} & {plan.speaker[n] for n in names}
    page = curve(settings, tmp_path / "run", resources).report.read_text()
    assert "Folds share neither speakers nor sentences: 4 folds" in page


def test_finetune_takes_it_and_its_card_says_so(tones, tmp_path):
    done = run(
        *("finetune", "--corpus", f"tones={tones}/labels.csv", "--out", tmp_path / "m"),
        *("--cache", tmp_path / "cache", "--disjoint", "speaker,sentence", "--set", "folds=2"),
        *("--system", "linear", "--quiet"),
    )
    assert "40 utterances of 4 speakers" in done.stdout
    assert "Folds share neither speakers nor sentences" in (tmp_path / "m/README.md").read_text()


@pytest.mark.corpora
@pytest.mark.parametrize(("name", "n_folds"), [("emodb", 25), ("ravdess", 10)])
def test_real_corpora_can_be_parted(corpora_root, name, n_folds):
    corpus = corpora.open(f"{name}={corpora_root / name}")
    folds = parting(corpus, n_groups=5).part(speaker_folds(corpus, 5))
    assert len(folds) == n_folds
    assert describe(folds, corpus, Classes.of(corpus.table))
