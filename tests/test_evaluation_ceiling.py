"""One rater in the place of a system."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import fake_corpus, fake_table

from undertone.cli import app
from undertone.corpora import crema_d, ratings
from undertone.corpora.corpus import ALONE
from undertone.errors import UndertoneError
from undertone.evaluation.ceiling import (
    ACTED,
    NOBODY_ELSE,
    OTHERS,
    OUTSIDE,
    TIE,
    UNKNOWN,
    ceiling,
    ceilings_of,
)
from undertone.evaluation.score import score
from undertone.tasks import Classes, Dimensions

TASK = Classes(("anger", "fear", "sadness"))
NAMES = [f"u{i:02d}" for i in range(60)]
SPEAKERS = pd.Series({name: f"s{i % 6}" for i, name in enumerate(NAMES)})


def heard(*rows: tuple) -> pd.DataFrame:
    return ratings.compact(pd.DataFrame(rows, columns=["utterance", "rater", "emotion"]))


def noisy(rng, n_raters=4, n_right=0.6) -> list[tuple]:
    """Each rater hears one of three emotions, more often than not the same."""
    return [
        (
            name,
            f"r{r}",
            TASK.outputs[i % 3 if rng.random() < n_right else rng.integers(3)],
        )
        for i, name in enumerate(NAMES)
        for r in range(n_raters)
    ]


def by_definition(rows: list[tuple]) -> tuple[list[tuple[str, str, str]], Counter]:
    """(utterance, what the others heard, what this rater heard), one rating after the other."""
    pairs, left_out = [], Counter()
    for i, (name, _, own) in enumerate(rows):
        others = Counter(said for j, (n, _, said) in enumerate(rows) if n == name and j != i)
        first = others.most_common(2)
        if not first:
            left_out[NOBODY_ELSE] += 1
        elif len(first) > 1 and first[0][1] == first[1][1]:
            left_out[TIE] += 1
        else:
            pairs.append((name, first[0][0], own))
    return pairs, left_out


def test_a_rating_is_held_against_the_majority_of_the_others(rng):
    rows = noisy(rng)
    pairs, left_out = by_definition(rows)
    found = ceiling(heard(*rows), TASK, SPEAKERS, n_replicates=200)
    assert (found.n_ratings, found.left_out) == (len(pairs), dict(left_out))
    assert (found.n_utterances, found.n_speakers) == (len({name for name, *_ in pairs}), 6)
    hits = pd.DataFrame(pairs, columns=["name", "truth", "said"])
    hits["hit"] = hits["truth"] == hits["said"]
    of_each = hits.groupby("name")["hit"].mean()  # every utterance counts once
    assert found.metrics["wa"].value == pytest.approx(of_each.mean())
    assert found.metrics["wa"].low < of_each.mean() < found.metrics["wa"].high
    assert found.metrics["uar"].value == pytest.approx(of_each.mean(), abs=0.05)
    assert (found.what, found.comparable) == (OTHERS, True)


def test_a_rating_is_held_against_the_mean_of_the_others(rng):
    task = Dimensions(("arousal", "valence"), 1, 7)
    rows = [
        (name, f"r{r}", *rng.integers(1, 8, 2).astype(float)) for name in NAMES for r in range(3)
    ]
    table = pd.DataFrame(rows, columns=["utterance", "rater", "arousal", "valence"])
    found = ceiling(ratings.compact(table), task, SPEAKERS, n_replicates=50)
    errors = []
    for (name, rater), own in table.groupby(["utterance", "rater"]):
        others = table[(table["utterance"] == name) & (table["rater"] != rater)]
        errors.append(
            (own[["arousal", "valence"]].mean() - others[["arousal", "valence"]].mean()).abs()
        )
    expected = pd.DataFrame(errors).mean()
    assert found.by_output["mae"]["valence"].value == pytest.approx(expected["valence"])
    assert found.metrics["mae"].value == pytest.approx(expected.mean())
    assert abs(found.metrics["ccc"].value) < 0.2  # they rated at random
    assert found.n_ratings == 180


def test_raters_who_agree_are_right_and_those_who_guess_are_at_chance(rng):
    agree = ceiling(heard(*noisy(rng, n_right=1)), TASK, SPEAKERS, n_replicates=50)
    assert str(agree.metrics["uar"]) == "1.000 [1.000, 1.000]"
    assert agree.left_out == {}
    guess = ceiling(heard(*noisy(rng, n_raters=5, n_right=0)), TASK, SPEAKERS, n_replicates=50)
    assert guess.metrics["uar"].value == pytest.approx(1 / 3, abs=0.1)
    amounts = pd.DataFrame({"utterance": np.repeat(NAMES, 2), "rater": ["a", "b"] * 60})
    amounts["arousal"] = np.repeat(rng.random(60), 2)
    same = ceiling(ratings.compact(amounts), Dimensions(("arousal",)), SPEAKERS, n_replicates=50)
    assert same.metrics["ccc"].value == pytest.approx(1)


def test_the_order_of_ratings_and_the_names_of_raters_change_nothing(rng):
    rows = noisy(rng)
    one = ceiling(heard(*rows), TASK, SPEAKERS, n_replicates=50)
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    assert ceiling(heard(*shuffled), TASK, SPEAKERS, n_replicates=50) == one
    nameless = [(name, None, said) for name, _, said in rows]
    other = ceiling(heard(*nameless), TASK, SPEAKERS, n_replicates=50)
    assert other.n_ratings == one.n_ratings
    assert other.metrics["wa"].value == pytest.approx(one.metrics["wa"].value)


def test_an_utterance_counts_once_however_many_rated_it():
    """Of a hundred raters in one voice half hear another emotion; elsewhere all agree."""
    many = [("u00", f"r{i}", "anger" if i < 75 else "fear") for i in range(100)]
    few = [(name, r, "fear") for name in NAMES[1:4] for r in ("r0", "r1")]
    found = ceiling(heard(*many, *few), TASK, SPEAKERS, n_replicates=50)
    assert found.metrics["wa"].value == pytest.approx((0.75 + 3) / 4, abs=0.01)


def test_a_rater_of_two_emotions_is_not_held_against_herself():
    rows = [("u00", "a", "anger"), ("u00", "a", "fear"), ("u00", "b", "anger")]
    found = ceiling(heard(*rows), TASK, SPEAKERS, n_replicates=10)
    assert found.n_ratings == 2  # both of a against b; of b's others, a is of two minds
    assert found.left_out == {TIE: 1}
    assert found.metrics["wa"].value == 0.5


def test_what_is_outside_the_task_is_wrong_or_no_truth():
    rows = [("u00", r, said) for r, said in zip("abc", ("fear", "fear", "calm"), strict=True)]
    rows += [("u01", r, said) for r, said in zip("abc", ("calm", "calm", "fear"), strict=True)]
    found = ceiling(heard(*rows), TASK, SPEAKERS, n_replicates=10)
    assert found.n_ratings == 1  # calm against two of fear
    assert found.left_out == {OUTSIDE: 1, TIE: 4}
    assert found.metrics["wa"].value == 0
    assert found.by_output["uar"]["fear"].value == 0
    assert set(found.by_output["uar"]) == {"fear"}


def test_unknown_speakers_are_never_one():
    speakers = SPEAKERS.copy()
    speakers["u00"], speakers["u01"] = None, f"{ALONE}u01"
    rows = [(name, r, "fear") for name in NAMES for r in "ab"]
    found = ceiling(heard(*rows), TASK, speakers, n_replicates=10)
    assert (found.n_utterances, found.n_speakers) == (58, 6)
    assert found.left_out == {UNKNOWN: 4}


def test_nothing_to_hold_against_is_nothing():
    alone = heard(*((name, "a", "fear") for name in NAMES))
    assert ceiling(alone, TASK, SPEAKERS) is None
    assert ceiling(alone, Dimensions(), SPEAKERS) is None
    assert ceiling(alone, TASK, SPEAKERS[:0]) is None
    assert ceilings_of(fake_corpus()) == ()


def test_what_was_acted_comes_first_where_it_is_the_truth(rng):
    table = fake_table(n_speakers=3, emotions=("anger", "fear"))
    rated = heard(
        *(
            (n, r, "fear" if r == "c" else n.split("-")[1])
            for n in table["utterance"]
            for r in "abc"
        )
    )
    corpus = replace(fake_corpus(table), ratings=rated)
    (others,) = ceilings_of(corpus, n_replicates=50)
    assert (others.what, others.comparable) == (OTHERS, True)
    first, second = ceilings_of(replace(corpus, acted=True), n_replicates=50)
    assert (first.what, first.comparable) == (ACTED, True)
    assert (second.what, second.comparable) == (OTHERS, False)
    assert first.by_output["uar"]["anger"].value == pytest.approx(2 / 3)
    assert first.by_output["uar"]["fear"].value == 1
    assert ceilings_of(corpus, utterances=table["utterance"][:4])[0].n_utterances == 4


# --- a truth of several raters that somebody hands in


@pytest.fixture
def votes(tmp_path, rng):
    rows = noisy(rng, n_raters=3, n_right=0.7)
    table = pd.DataFrame(rows, columns=["utterance", "rater", "emotion"])
    table.insert(1, "speaker", table["utterance"].map(SPEAKERS))
    table.to_csv(tmp_path / "votes.csv", index=False)
    return rows, tmp_path / "votes.csv"


def test_a_table_of_votes_is_scored_without_predictions(votes, capsys):
    rows, path = votes
    found = score(truth=path, n_replicates=50)
    (of_rater,) = found.ceilings
    pairs, _ = by_definition(rows)
    assert of_rater.n_ratings == len(pairs)
    assert found.metrics == {}
    assert set(found.floors) == {"constant", "chance"}
    n_tied = sum(count == 1 for count in most_votes(rows).values())
    assert found.notes[0].startswith(f"{n_tied} utterances have no emotion")
    assert found.left_out == {f"empty in {path}": n_tied}
    app(["score", "--truth", str(path)], standalone_mode=False)
    out = " ".join(capsys.readouterr().out.split())
    assert str(of_rater).split(": UAR")[0] in out
    assert f"({len(pairs)} ratings of" in out
    app(["score", "--truth", str(path), "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["ceilings"][0]["n_ratings"] == len(pairs)
    assert told["metrics"] == {}


def most_votes(rows: list[tuple]) -> dict[str, int]:
    return {
        name: Counter(said for n, _, said in rows if n == name).most_common(1)[0][1]
        for name in NAMES
    }


def test_predictions_are_scored_against_the_majority_of_the_votes(votes):
    rows, path = votes
    truth = {
        name: Counter(said for n, _, said in rows if n == name).most_common(1)[0][0]
        for name, most in most_votes(rows).items()
        if most > 1
    }
    predicted = pd.DataFrame({"utterance": NAMES, "prediction": "anger"})
    with pytest.raises(UndertoneError, match="drop-missing"):
        score(truth=path, prediction=predicted)
    found = score(truth=path, prediction=predicted, missing="drop", n_replicates=50)
    assert found.n_utterances == len(truth)
    assert found.metrics["wa"].value == pytest.approx(
        np.mean([t == "anger" for t in truth.values()])
    )
    assert found.headings == ("prediction", "constant", "chance")
    assert len(found.ceilings) == 1


def test_shares_of_raters_score_like_their_votes(votes, tmp_path):
    rows, path = votes
    counts = ratings.counts(heard(*rows))
    table = ratings.shares(counts).round(2).reset_index()
    table["speaker"], table["n_raters"] = table["utterance"].map(SPEAKERS), 3
    one, other = (score(truth=truth, n_replicates=50) for truth in (table, path))
    assert one.ceilings[0].n_ratings == other.ceilings[0].n_ratings
    assert one.ceilings[0].metrics["wa"].value == other.ceilings[0].metrics["wa"].value
    without = score(truth=table.drop(columns="n_raters"), n_replicates=50)
    assert without.ceilings == ()


def test_amounts_of_raters_and_names_of_files_are_read(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "file,speaker,annotator,act,val\na/1.wav,x,p,2,3\na/1.wav,x,q,4,3\na/2.wav,y,p,5,1\n"
        "a/2.wav,y,q,5,2\na/3.wav,unknown,p,1,7\na/3.wav,unknown,q,1,7\n"
    )
    found = score(truth=path, n_replicates=50)
    assert found.task.outputs == ("arousal", "valence")
    assert found.n_utterances == 3
    (of_rater,) = found.ceilings
    assert (of_rater.n_utterances, of_rater.left_out) == (2, {UNKNOWN: 2})
    assert of_rater.by_output["mae"]["arousal"].value == 1
    path.write_text(path.read_text().replace("q,4,3", "q,high,3"))
    with pytest.raises(UndertoneError, match="expected finite numbers in the column arousal"):
        score(truth=path)


# --- the real votes


@pytest.mark.corpora
def test_one_listener_of_crema_d(corpora_root):
    """.41 against what was acted: of the order of the 40.9 % that its authors tell of voices."""
    folder = corpora_root / "crema_d_votes/processedResults"
    if not folder.is_dir():
        pytest.skip(f"the votes of CREMA-D are not in {corpora_root}")
    counts = crema_d.read_counts(folder / "tabulatedVotes.csv").counts
    names = pd.Index(counts.index)
    speakers = pd.Series([name[:4] for name in names], index=names)
    acted = pd.Series([crema_d.read_name(name)["emotion"] for name in names], index=names)
    task, rated = Classes(tuple(sorted(counts))), ratings.of_counts(counts)
    others = ceiling(rated, task, speakers, n_replicates=200)
    assert (others.n_ratings, others.n_speakers) == (62_140, 91)
    assert others.left_out == {TIE: 68_568 - 62_140}
    assert others.metrics["uar"].value == pytest.approx(0.470, abs=0.002)
    against = ceiling(rated, task, speakers, acted=acted, n_replicates=200)
    assert (against.n_ratings, against.n_utterances) == (68_568, 7_442)
    assert against.metrics["uar"].value == pytest.approx(0.406, abs=0.002)
    hits = sum(counts[emotion][acted == emotion].sum() for emotion in counts)
    assert against.metrics["wa"].value == pytest.approx(hits / 68_568, abs=0.01)
