from collections import Counter

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import EMOTIONS, fake_corpus, fake_table, write_audio

from undertone import corpora
from undertone.corpora import csv
from undertone.corpora.folds import (
    UNKNOWN_SPEAKER,
    draw_labels,
    known_speakers,
    largest_budget,
    speaker_folds,
)
from undertone.errors import UndertoneError
from undertone.tasks import Classes
from undertone.tasks.draws import Asked, draw_anyhow


def lopsided_table(rng: np.random.Generator) -> pd.DataFrame:
    """Speakers who differ much in how often they speak, and how."""
    table = fake_table(n_speakers=13, n_each=20)
    chance = {s: p for s, p in zip(table["speaker"].unique(), rng.uniform(0.1, 1, 13), strict=True)}
    kept = rng.random(len(table)) < table["speaker"].map(chance)
    return table[kept & ~((table["emotion"] == "anger") & (rng.random(len(table)) < 0.6))]


@pytest.mark.parametrize("n_folds", [2, 3, 5, 13])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_speaker_is_tested_once_and_never_trained_on(rng, n_folds, seed):
    corpus = fake_corpus(lopsided_table(rng))
    folds = speaker_folds(corpus, n_folds, seed)
    assert [fold.index for fold in folds] == list(range(n_folds))
    tested = [speaker for fold in folds for speaker in fold.test_speakers]
    assert Counter(tested) == Counter(corpus.speakers)
    for fold in folds:
        assert not set(fold.test_speakers) & set(fold.train_speakers)
        assert set(fold.test_speakers) | set(fold.train_speakers) == set(corpus.speakers)


def test_folds_and_draws_do_not_depend_on_the_order_of_rows(rng):
    table = lopsided_table(rng)
    one = fake_corpus(table)
    other = fake_corpus(table.sample(frac=1, random_state=1))
    assert speaker_folds(one, 4, seed=3) == speaker_folds(other, 4, seed=3)
    fold = speaker_folds(one, 4, seed=3)[2]
    assert draw_labels(one, fold, budget=30, draw=1) == draw_labels(other, fold, budget=30, draw=1)


def test_shuffled_rows_of_a_table_give_the_same_folds_and_draws(rng, tmp_path):
    table = fake_table(n_speakers=4, n_each=2)
    write_audio(tmp_path, *table["file"])
    found = []
    for rows in (table, table.sample(frac=1, random_state=2)):
        rows[["file", "speaker", "emotion"]].to_csv(tmp_path / "t.csv", index=False)
        corpus = csv.read(tmp_path / "t.csv")
        folds = speaker_folds(corpus, 2)
        found.append((folds, [draw_labels(corpus, fold, budget=9, draw=0) for fold in folds]))
    assert found[0] == found[1]


def test_folds_are_more_even_than_chance(rng):
    """The oracle: variation over folds of their utterances and angers, against random groups."""
    table = lopsided_table(rng)

    def unevenness(groups):
        sizes = [table["speaker"].isin(group).sum() for group in groups]
        angers = [(table["speaker"].isin(g) & (table["emotion"] == "anger")).sum() for g in groups]
        return np.std(sizes) / np.mean(sizes) + np.std(angers) / np.mean(angers)

    speakers = table["speaker"].unique()
    by_chance = [unevenness(np.array_split(rng.permutation(speakers), 4)) for _ in range(50)]
    ours = [fold.test_speakers for fold in speaker_folds(fake_corpus(table), 4)]
    assert unevenness(ours) < np.quantile(by_chance, 0.1)


def test_each_fold_tests_every_emotion_where_speakers_have_one_each():
    table = fake_table(n_speakers=8, n_each=5).assign(sex=None)
    number = table["speaker"].rank(method="dense").astype(int) % 2
    table["emotion"] = np.where(number, "anger", "sadness")
    corpus = fake_corpus(table)
    emotion = corpus.table.drop_duplicates("speaker").set_index("speaker")["emotion"]
    for seed in range(5):
        for fold in speaker_folds(corpus, 4, seed):
            assert sorted(emotion[list(fold.test_speakers)]) == ["anger", "sadness"]


def test_each_fold_tests_both_sexes_where_there_are_enough():
    corpus = fake_corpus(fake_table(n_speakers=10))
    sex = corpus.table.drop_duplicates("speaker").set_index("speaker")["sex"]
    for seed in range(5):
        for fold in speaker_folds(corpus, 5, seed):
            assert sorted(sex[list(fold.test_speakers)]) == ["female", "male"]


def test_more_folds_than_speakers_says_how_to_mend():
    with pytest.raises(UndertoneError, match="--folds 3"):
        speaker_folds(fake_corpus(fake_table(n_speakers=3)), 5)
    with pytest.raises(UndertoneError, match="needs two or more"):
        speaker_folds(fake_corpus(fake_table(n_speakers=1)), 2)
    with pytest.raises(UndertoneError, match="the number of folds must be 2"):
        speaker_folds(fake_corpus(), 1)


def test_a_corpus_without_emotions_or_speakers_is_refused():
    with pytest.raises(UndertoneError, match="no emotion labels"):
        speaker_folds(fake_corpus(fake_table().assign(emotion=None)), 2)
    with pytest.raises(UndertoneError, match="names its speaker"):
        speaker_folds(fake_corpus(fake_table().assign(speaker=None)), 2)


def test_unknown_speakers_are_neither_tested_nor_drawn_and_are_counted():
    table = fake_table(n_speakers=5)
    table.loc[table["speaker"] == "s04", "speaker"] = None
    corpus = fake_corpus(table)
    folds = speaker_folds(corpus, 4)
    assert folds == speaker_folds(known_speakers(corpus), 4)
    for fold in folds:
        budget = largest_budget(corpus, fold)
        assert budget == 3 * len(EMOTIONS) * 5
        drawn = draw_labels(corpus, fold, budget=budget, draw=0).utterances
        assert not any(utterance.startswith("s04") for utterance in drawn)
    assert known_speakers(corpus).reasons() == {UNKNOWN_SPEAKER: 20}


@pytest.mark.parametrize("draw", [0, 1, 2])
def test_draws_are_nested_balanced_and_of_training_speakers(rng, draw):
    corpus = fake_corpus(lopsided_table(rng))
    table = corpus.table.set_index("utterance")
    fold = speaker_folds(corpus, 3)[1]
    available = table[table["speaker"].isin(fold.train_speakers)]["emotion"].value_counts()
    smaller: set[str] = set()
    for budget in range(len(EMOTIONS), largest_budget(corpus, fold) + 1, 19):
        labels = draw_labels(corpus, fold, budget=budget, draw=draw)
        drawn = labels.utterances
        assert len(drawn) == len(set(drawn)) == budget
        assert smaller <= set(drawn)
        assert set(table.loc[drawn, "speaker"]) <= set(fold.train_speakers)
        counts = table.loc[drawn, "emotion"].value_counts().reindex(EMOTIONS, fill_value=0)
        unfinished = counts[counts < available[list(EMOTIONS)]]
        assert unfinished.empty or counts.max() - unfinished.min() <= 1
        assert set(table.loc[labels.train, "emotion"]) == set(EMOTIONS)
        smaller = set(drawn)


@pytest.mark.parametrize("budget", [20, 40, 80])
def test_validation_is_a_share_of_the_budget_from_speakers_of_its_own(budget):
    corpus = fake_corpus(fake_table(n_speakers=12, n_each=10))
    table = corpus.table.set_index("utterance")
    for fold in speaker_folds(corpus, 4):
        labels = draw_labels(corpus, fold, budget=budget, draw=0)
        assert 0.1 * budget <= len(labels.validation) <= 0.3 * budget
        assert set(table.loc[labels.validation, "emotion"]) == set(EMOTIONS)
        speakers = [set(table.loc[side, "speaker"]) for side in (labels.train, labels.validation)]
        assert not speakers[0] & speakers[1]


def test_validation_is_by_emotion_where_speakers_are_too_few():
    corpus = fake_corpus(fake_table(n_speakers=2, n_each=20))
    fold = speaker_folds(corpus, 2)[0]
    labels = draw_labels(corpus, fold, budget=40, draw=0)
    emotion = corpus.table.set_index("utterance")["emotion"]
    assert Counter(emotion[labels.validation]) == dict.fromkeys(EMOTIONS, 2)


def test_the_smallest_budget_is_all_training():
    corpus = fake_corpus()
    labels = draw_labels(corpus, speaker_folds(corpus, 2)[0], budget=4, draw=0)
    assert (len(labels.train), labels.validation) == (4, [])


def test_no_validation_where_none_is_asked_for():
    corpus = fake_corpus()
    fold = speaker_folds(corpus, 2)[0]
    assert draw_labels(corpus, fold, budget=40, draw=0, validation_share=0).validation == []


def test_draws_differ_by_number_fold_and_seed():
    corpus = fake_corpus()
    one, two = speaker_folds(corpus, 2)
    draws = [
        frozenset(draw_labels(corpus, fold, budget=12, draw=draw, seed=seed).utterances)
        for fold, draw, seed in ((one, 0, 0), (one, 1, 0), (one, 0, 1), (two, 0, 0))
    ]
    assert len(set(draws)) == 4


def test_the_remainder_falls_on_any_emotion():
    corpus = fake_corpus()
    emotion = corpus.table.set_index("utterance")["emotion"]
    fold = speaker_folds(corpus, 2)[0]
    favoured = {
        Counter(emotion[draw_labels(corpus, fold, budget=5, draw=draw).utterances]).most_common(1)[
            0
        ][0]
        for draw in range(40)
    }
    assert favoured == set(EMOTIONS)


def test_a_task_draws_its_own_emotions_only():
    corpus = fake_corpus()
    task = Classes.among(["anger", "sadness"])
    fold = speaker_folds(corpus, 2)[0]
    drawn = draw_labels(corpus, fold, budget=2, draw=0, task=task).utterances
    assert {utterance.split("-")[1] for utterance in drawn} == {"anger", "sadness"}
    assert largest_budget(corpus, fold, task) == 40


def test_impossible_budgets_name_the_possible_ones():
    corpus = fake_corpus()
    fold = speaker_folds(corpus, 2)[0]
    with pytest.raises(UndertoneError, match="less than one for each of 4 emotions"):
        draw_labels(corpus, fold, budget=3, draw=0)
    with pytest.raises(UndertoneError, match="the largest possible is 80"):
        draw_labels(corpus, fold, budget=81, draw=0)


@pytest.mark.corpora
def test_folds_of_emodb_hold_a_man_a_woman_and_every_emotion(corpora_root):
    corpus = corpora.open(f"emodb={corpora_root / 'emodb'}")
    for fold in speaker_folds(corpus, 5):
        tested = corpus.table[corpus.table["speaker"].isin(fold.test_speakers)]
        assert set(tested["sex"]) == {"female", "male"}
        assert set(tested["emotion"]) == set(corpus.emotions)
        assert 55 <= len(tested) <= 80


def test_draws_of_any_utterances_are_nested_and_do_not_depend_on_the_order(rng):
    utterances = [f"v{i // 4}[{i % 4}]" for i in range(200)]
    speakers = [name.split("[")[0] for name in utterances]
    order = rng.permutation(200)
    rows = pd.DataFrame({"utterance": utterances, "speaker": speakers})
    shuffled = rows.iloc[order]
    seen: set[str] = set()
    for budget in (5, 20, 60, 200):
        labels = draw_anyhow(rows, Asked(budget, draw=1, seed=3))
        assert labels == draw_anyhow(shuffled, Asked(budget, draw=1, seed=3))
        assert len(set(labels.utterances)) == budget
        assert seen < set(labels.utterances)
        seen = set(labels.utterances)
        videos = [
            {name.split("[")[0] for name in part} for part in (labels.train, labels.validation)
        ]
        assert not videos[0] & videos[1]
        assert 0.1 * budget <= len(labels.validation) <= 0.2 * budget
    drawn = [
        set(draw_anyhow(rows, Asked(20, draw=draw, seed=seed)).utterances)
        for draw, seed in ((1, 3), (2, 3), (1, 4))
    ]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


def test_one_speaker_leaves_no_validation_of_others():
    labels = draw_anyhow(pd.DataFrame({"utterance": list("abcde"), "speaker": "v"}), Asked(5))
    assert (len(labels.train), labels.validation) == (5, [])


@pytest.mark.parametrize("budget", [0, 6])
def test_a_budget_beyond_the_utterances_is_refused(budget):
    with pytest.raises(UndertoneError, match=f"{budget} labels cannot be drawn from the 5"):
        draw_anyhow(
            pd.DataFrame({"utterance": list("abcde"), "speaker": list("vvwwx")}), Asked(budget)
        )
