"""What a teacher taught: who learns from what, against an oracle, and on a planted problem."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from corpora_fakes import fake_corpus, fake_table
from plan_fakes import data_of, frames_of, labelled_table
from systems_fakes import fit, fit_and_predict, teacher_of

from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.experiment import CurveSettings
from undertone.experiment.run import Run
from undertone.features.name import parse
from undertone.features.store import FrameTable
from undertone.models.crowd import Crowd
from undertone.models.crowd_ridge import RidgeConfig, fit_crowd_ridge
from undertone.models.discriminant import DiscriminantConfig, fit_discriminant, surest
from undertone.models.encoder import EncoderConfig
from undertone.recogniser.build import Build, FinetuneSettings
from undertone.systems import taught
from undertone.systems.fitted import View
from undertone.systems.plan import Data, prefix_of
from undertone.systems.problem import Material, Problem
from undertone.systems.table import systems_of
from undertone.tasks import AMOUNTS, CHOICE, Classes, Dimensions
from undertone.tasks.draws import LabelDraw
from undertone.training.normalise import Normaliser, fit_normaliser

CLASSES = Classes(("anger", "neutral", "sadness"))
DIMENSIONS = Dimensions(("arousal", "valence"), low=1.0, high=7.0)
COLUMNS = ("a", "b", "c", "d")
N, N_LABELS, N_KNOWN = 150, 9, 110  # utterances; with a label; of training speakers
NAMES = [f"u{i:03d}" for i in range(N)]


def planted(task, rng, *, elsewhere=0) -> tuple[Problem, dict]:
    """The teacher hears clearly what the student hears in noise: it takes many to learn it."""
    told = rng.integers(0, 3, N) if task.kind == CHOICE else rng.normal(size=(N, 2))
    signal = np.eye(3)[told] if task.kind == CHOICE else told
    width = signal.shape[1]
    clear = 3 + 0.2 * (signal @ rng.normal(size=(width, 8)) * 3 + rng.normal(size=(N, 8)))
    means = {n: v.reshape(2, 4) for n, v in zip(NAMES, clear, strict=True)}
    weak = signal @ np.eye(width, 4) + 0.8 * rng.normal(size=(N, 4))
    frames = {
        n: (3 + 0.2 * (v + 0.1 * rng.normal(size=(12, 4)))).astype(np.float32)
        for n, v in zip(NAMES, weak, strict=True)
    }
    first = [i for k in range(3) for i in np.flatnonzero(told == k)[:3]]
    labelled = [NAMES[i] for i in (first if task.kind == CHOICE else range(N_LABELS))]
    known = list(dict.fromkeys([*NAMES[:N_KNOWN], *labelled]))
    others = [n for n in known if n not in labelled][-elsewhere:] if elsewhere else []
    speaker = {n: f"s{i % 7}" for i, n in enumerate(NAMES)}
    truths = dict(zip(NAMES, signal if task.kind == CHOICE else 4 + signal, strict=True))
    return Problem(
        material=Material(
            frames=frames.__getitem__,
            columns=COLUMNS,
            normaliser=Normaliser(np.zeros(4), np.ones(4)),
            shape=EncoderConfig(),
            crowd={n: speaker[n] for n in known if n not in others},
            teacher=teacher_of(means, n_original=4),
            elsewhere={n: "libri/1" for n in others},
        ),
        task=task,
        labels=LabelDraw(labelled, []),
        test=[n for n in NAMES[N_KNOWN:] if n not in labelled],
        truth={n: truths[n] for n in labelled},
        speaker={n: speaker[n] for n in labelled},
        seed=1,
    ), truths


@pytest.fixture(params=[CLASSES, DIMENSIONS], ids=["classes", "dimensions"])
def task(request):
    return request.param


def right(task, predicted, truths, names) -> float:
    """Share of right classes, or the mean correlation."""
    truth = np.stack([truths[name] for name in names])
    if task.kind == CHOICE:
        return float((predicted.argmax(1) == truth.argmax(1)).mean())
    pairs = zip(predicted.T, truth.T, strict=True)
    return float(np.mean([np.corrcoef(p, t)[0, 1] for p, t in pairs]))


def test_a_student_learns_from_a_teacher_what_labels_alone_do_not_tell(task):
    gains = []
    for seed in range(8):
        problem, truths = planted(task, np.random.default_rng(seed))
        untaught = fit_and_predict(problem, "descriptors")
        found = fit_and_predict(problem, "taught")
        gains.append(
            right(task, found, truths, problem.test) - right(task, untaught, truths, problem.test)
        )
    assert np.mean(gains) > 0.05
    assert np.mean(np.array(gains) > 0) > 0.7


def test_a_teacher_that_knows_nothing_teaches_nothing(task, rng):
    problem, truths = planted(task, rng)
    deaf = {n: rng.normal(3, 0.2, (2, 4)) for n in NAMES}
    deaf = replace(problem, material=replace(problem.material, teacher=teacher_of(deaf)))
    scores = [right(task, fit_and_predict(p, "taught"), truths, p.test) for p in (problem, deaf)]
    assert scores[0] - scores[1] > 0.2


def vectors_of(problem, block, count=0):
    """Vectors of all utterances, each speaker of the crowd centred."""
    vectors = View((block,)).vectors(problem.material, NAMES).astype(float)
    found, crowd = dict(zip(NAMES, vectors, strict=True)), problem.material.crowd
    mean = np.mean([found[n] for n in crowd], axis=0)
    apart = dict(found)
    for who in set(crowd.values()) if count else ():
        own = [n for n in crowd if crowd[n] == who]
        taken = np.mean([found[n] for n in own], axis=0) - mean
        apart |= {n: found[n] - len(own) / (len(own) + count) * taken for n in own}
    return apart


def crowd_of(problem, vectors, seen, spoken=None):
    """Speech of other corpora, of which there is less than of its own, gives its scale alone."""
    own, elsewhere = problem.material.crowd, list(problem.material.elsewhere)
    names = [*own, *elsewhere]
    assert len(elsewhere) < len(own)
    return Crowd(
        np.stack([vectors[n] for n in names]),
        np.array([own.get(n) for n in names], dtype=object),
        np.array([n in own and n not in seen for n in names]),
        None
        if spoken is None
        else np.stack([vectors[n] + np.sqrt(5 / 15) * (spoken[n] - vectors[n]) for n in names]),
    )


@pytest.mark.parametrize(("system", "block"), [("taught", "descriptors"),
                                               ("taught_by_itself", "teacher")])  # fmt: skip
@pytest.mark.parametrize("elsewhere", [0, 30])
def test_teaching_classes_is_its_four_steps(rng, system, block, elsewhere):
    problem, _ = planted(CLASSES, rng, elsewhere=elsewhere)
    budget = problem.budget
    truth = problem.positions(budget)
    by_teacher, by_student = vectors_of(problem, "teacher", 5), vectors_of(problem, block, 5)
    spoken = {name: vectors_of(problem, name) for name in ("teacher", block)}
    triangle = np.repeat(np.array([1 / 3, 2 / 3]) ** 2, 4)  # two of five layers
    teacher = fit_discriminant(
        np.stack([by_teacher[n] for n in budget]),
        truth,
        crowd=crowd_of(problem, by_teacher, budget, spoken["teacher"]),
        n_outputs=3,
        settings=DiscriminantConfig(),
        emphasis=triangle,
    )
    others = [n for n in problem.material.crowd if n not in budget]
    others += list(problem.material.elsewhere)
    scores = teacher.scores(np.stack([by_teacher[n] for n in others]))
    most = int(0.8 * len(others) / 3)
    margin = np.sort(scores, 1)[:, -1] - np.sort(scores, 1)[:, -2]
    chosen = np.concatenate(
        [
            sorted(np.flatnonzero(scores.argmax(1) == k), key=lambda i: -margin[i])[:most]
            for k in range(3)
        ]
    ).astype(int)
    student = fit_discriminant(
        np.stack([by_student[n] for n in [*budget, *(others[i] for i in chosen)]]),
        np.concatenate([truth, scores[chosen].argmax(1)]),
        crowd=crowd_of(problem, by_student, budget, spoken[block]),
        n_outputs=3,
        settings=DiscriminantConfig(rounds=0),
        emphasis=triangle if block == "teacher" else None,
        weights=np.concatenate([np.full(len(budget), 3.0), np.ones(len(chosen))]),
    )
    found = fit(problem, system)
    cooled = student.cooled(found.notes["temperature"])
    expected = cooled.predict(np.stack([by_student[n] for n in problem.test]))
    np.testing.assert_allclose(found.predict(problem.material, problem.test), expected, atol=1e-5)
    assert found.notes["taught"] == len(chosen)
    asked = scores[-elsewhere:] if elsewhere else scores
    assert (
        list(found.notes["guesses"].values()) == np.bincount(asked.argmax(1), minlength=3).tolist()
    )


def test_teaching_amounts_is_a_ridge_on_what_the_teacher_predicts(rng):
    problem, _ = planted(DIMENSIONS, rng)
    budget = problem.budget
    by_teacher, by_student = vectors_of(problem, "teacher"), vectors_of(problem, "descriptors")
    teacher = fit_crowd_ridge(
        np.stack([by_teacher[n] for n in budget]),
        problem.truths(budget),
        crowd=crowd_of(problem, by_teacher, budget),
        settings=RidgeConfig(match_spread=True),
        emphasis=np.repeat(np.array([1 / 3, 2 / 3]) ** 2, 4),
    )
    others = [n for n in problem.material.crowd if n not in budget]
    guesses = teacher.predict(np.stack([by_teacher[n] for n in others]))
    labels = problem.truths(budget)
    np.testing.assert_allclose(guesses.mean(0), labels.mean(0), rtol=1e-4)
    np.testing.assert_allclose(guesses.std(0), labels.std(0), rtol=1e-4)
    names = [*budget, *others]
    student = fit_crowd_ridge(
        np.stack([by_student[n] for n in names]),
        np.concatenate([labels, guesses]),
        crowd=crowd_of(problem, by_student, names),
        settings=RidgeConfig(match_spread=True),
        weights=np.concatenate([np.full(len(budget), 3.0), np.ones(len(others))]),
    )
    expected = student.predict(np.stack([by_student[n] for n in problem.test]))
    found = fit_and_predict(problem, "taught")
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert fit(problem, "taught").notes == {"taught": len(others)}


def test_only_the_labels_of_the_budget_are_asked_for(task, rng):
    """No other label is read, even where one stands beside."""
    problem, truths = planted(task, rng)
    asked: set[str] = set()

    class Watched(dict):
        def __getitem__(self, name):
            asked.add(name)
            return super().__getitem__(name)

    fit(replace(problem, truth=Watched(truths)), "taught")
    assert asked == set(problem.budget)


def test_no_test_utterance_is_heard_while_a_student_is_taught(task, rng):
    problem, _ = planted(task, rng)
    material, heard = problem.material, set()

    def frames(name):
        heard.add(name)
        return material.frames(name)

    class Listening(dict):
        def __getitem__(self, name):
            heard.add(name)
            return super().__getitem__(name)

    vectors = replace(material.teacher.vectors, source=Listening(material.teacher.vectors.source))
    teacher = replace(material.teacher, vectors=vectors)
    fit(replace(problem, material=replace(material, frames=frames, teacher=teacher)), "taught")
    assert heard == set(material.crowd)
    assert not heard & set(problem.test)


def test_a_student_predicts_without_its_teacher(task, rng):
    problem, _ = planted(task, rng)
    fitted = fit(problem, "taught")
    without = replace(problem.material, teacher=None)
    np.testing.assert_array_equal(
        fitted.predict(without, problem.test), fitted.predict(problem.material, problem.test)
    )


def test_with_every_label_given_nothing_is_guessed(task, rng):
    problem, _ = planted(task, rng)
    only = {n: problem.material.crowd[n] for n in problem.budget}
    problem = replace(problem, material=replace(problem.material, crowd=only))
    assert fit(problem, "taught").notes["taught"] == 0


def test_weights_count_as_repeated_labels_do(rng):
    vectors, truth = rng.normal(3, 0.2, (30, 6)), rng.normal(4, 2, (30, 2))
    weights = np.where(np.arange(30) < 7, 3.0, 1.0)
    again = np.repeat(np.arange(30), weights.astype(int))
    crowd = Crowd(rng.normal(3, 0.2, (90, 6)), np.array(["s"] * 90), np.ones(90, bool))
    given = {"crowd": crowd, "settings": RidgeConfig(match_spread=True)}
    weighted = fit_crowd_ridge(vectors, truth, weights=weights, **given)
    repeated = fit_crowd_ridge(vectors[again], truth[again], **given)
    np.testing.assert_allclose(weighted.weight, repeated.weight, rtol=1e-8)
    np.testing.assert_allclose(weighted.bias, repeated.bias, rtol=1e-8)


def test_the_surest_are_taken_alike_of_each_emotion():
    scores = np.array([[0.0, 9], [0, 8], [0, 7], [0, 6], [0, 5], [4, 0], [0, 3], [2, 0.0]])
    positions, guesses = surest(scores, 0.8)
    assert list(zip(positions, guesses, strict=True)) == [(5, 0), (7, 0), (0, 1), (1, 1), (2, 1)]


def taught_data(kind: str, *, others: bool = False) -> Data:
    """Plans' data with a teacher, and perhaps an unlabelled corpus beside."""
    data = data_of(kind)
    everybody = labelled_table(kind)["utterance"]
    data = replace(data, teacher=heard(everybody))
    if not others:
        return data
    rows = labelled_table(kind)
    new = rows.iloc[:1].assign(utterance="u-new", file="new.wav")  # of s00
    again = fake_corpus(pd.concat([rows, new], ignore_index=True))
    more = fake_corpus(fake_table(n_speakers=3).drop(columns="emotion"), "other", "/y")
    tables = [frames_of(again, seed=7), frames_of(more, seed=9)]
    prefixes = [prefix_of(i, corpus) for i, corpus in enumerate((again, more))]
    beside = dict(zip(prefixes, tables, strict=True))
    teachers = {
        prefix: heard(corpus.table["utterance"])
        for prefix, corpus in zip(prefixes, (again, more), strict=True)
    }
    return replace(
        data,
        frames=data.frames.with_others(beside),
        teacher=data.teacher.with_others(teachers),
        others=tuple(zip((again, more), tables, strict=True)),
    )


def heard(names):
    rng = np.random.default_rng(5)
    return teacher_of({name: rng.normal(3, 0.2, (2, 4)) for name in names})


TEACHING = FinetuneSettings(
    system="taught", folds=3, labels=12, seed=4, of_systems={"taught": {"teacher": "big"}}
)


def build_of(data: Data) -> Build:
    return Build(data, parse("log_mel"), None, TEACHING)


@pytest.mark.parametrize("kind", ["choice", AMOUNTS])
@pytest.mark.parametrize("others", [False, True])
def test_no_test_speaker_teaches_or_is_guessed(kind, others):
    """Whatever reaches a system of a plan, with another corpus beside, or the same one again."""
    data = taught_data(kind, others=others)
    plan = build_of(data).plan
    rows = labelled_table(kind)
    speaker = dict(zip(rows["utterance"], rows["speaker"], strict=True))
    again = fake_corpus(rows)
    for cell in plan.cells:
        fold = plan.folds[cell.fold]
        material = plan.material(cell.fold, fit_normaliser(fold.frames()))
        problem = plan.problem(cell, material)
        tested = {speaker[name] for name in fold.test}
        lesson, _ = taught.prepare_lesson(problem, taught.TaughtConfig(crowd_share=1))
        own = [name for name in lesson.utterances if name in speaker]
        elsewhere = [name for name in lesson.utterances if name not in speaker]
        assert not {speaker[name] for name in own} & tested
        assert None not in {speaker[name] for name in own}
        assert set(own) <= set(fold.crowd)
        assert set(elsewhere) <= set(material.elsewhere) == set(fold.elsewhere)
        assert bool(material.elsewhere) == others
        prefix = prefix_of(0, again)
        new = {n.removeprefix(prefix) for n in material.elsewhere if n.startswith(prefix)}
        assert new == ({"u-new"} if others and "s00" not in tested else set())
        given = lesson.weights == 3
        assert [n for n, g in zip(lesson.utterances, given, strict=True) if g] == problem.budget
        np.testing.assert_allclose(lesson.truth[given], problem.truths(problem.budget))


def test_speech_of_a_test_speaker_is_not_guessed_in_their_fold():
    """The same voices in a corpus of the same name, in files that the labelled one lacks."""
    data = taught_data("choice", others=True)
    (again, table), other = data.others
    renamed = again.table.assign(file=[f"new-{i}.wav" for i in range(len(again.table))])
    moved = Corpus(again.name, again.root, renamed, licence="none", citation="none")
    data = replace(data, others=((moved, table), other))
    speaker = dict(zip(renamed["utterance"], renamed["speaker"], strict=True))
    plan = build_of(data).plan
    for number, fold in plan.folds.items():
        tested = {plan.speaker[name] for name in fold.test}
        prefix = prefix_of(0, moved)
        voices = {
            speaker[name.removeprefix(prefix)] for name in fold.elsewhere if name.startswith(prefix)
        }
        assert voices == {f"s{i:02d}" for i in range(8)} - tested, number


def test_the_digest_of_a_plan_covers_the_teacher():
    data = taught_data("choice")
    one, same = build_of(data).plan.digest(), build_of(taught_data("choice")).plan.digest()
    assert one == same
    keys = {name: "another" for name in data.teacher.table.keys}
    other = replace(data.teacher, table=replace(data.teacher.table, keys=keys))
    assert build_of(replace(data, teacher=other)).plan.digest() != one
    assert build_of(replace(data, teacher=None)).plan.digest() != one


def test_the_control_comes_with_the_student(tmp_path):
    data = taught_data("choice")
    given = {"corpus": "x", "budgets": (12,), "of_systems": {"taught": {"teacher": "big"}}}
    settings = CurveSettings(**given, systems=("descriptors", "taught", "constant"))
    settings = settings.resolved(data.task, parse("log_mel"))
    expected = ("descriptors", "labels_alone", "taught", "taught_by_itself", "constant")
    assert settings.systems == expected
    assert settings.of_systems["taught"]["teacher"] == "upstream:big@all"
    by_default = CurveSettings(**given).resolved(data.task, parse("log_mel"))
    assert {"taught", "taught_by_itself", "teacher", "descriptors"} <= set(by_default.systems)
    untaught = CurveSettings("x", budgets=(12,)).resolved(data.task, parse("log_mel"))
    assert not {"taught", "taught_by_itself", "teacher"} & set(untaught.systems)
    plan = Run(settings, tmp_path, data).plan()
    assert plan.teacher is data.teacher


@pytest.mark.parametrize(
    ("systems", "teacher", "message"),
    [
        (("taught", "constant"), "", "needs a teacher: --teacher upstream:MODEL@all"),
        (("descriptors", "constant"), "big", "learn from no teacher: leave upstream:big@all out"),
    ],
)
def test_a_teacher_and_its_pupil_need_each_other(systems, teacher, message):
    task = data_of("choice").task
    given = {"taught": {"teacher": teacher}}
    settings = CurveSettings("x", budgets=(12,), systems=systems, of_systems=given)
    with pytest.raises(UndertoneError, match=message):
        settings.resolved(task, parse("log_mel"))


def test_what_cannot_be_taught_is_told():
    data = taught_data("choice", others=True)
    with pytest.raises(UndertoneError, match="learn from no teacher"):
        Build(data, parse("log_mel"), None, replace(TEACHING, system="descriptors"))
    with pytest.raises(UndertoneError, match="does not use unlabelled corpora"):
        Build(data, parse("log_mel"), None, FinetuneSettings(system="functionals_logistic"))
    data = replace(taught_data("choice"), unlabelled={})
    with pytest.raises(UndertoneError, match="take --features upstream:big@all"):
        Build(data, parse("log_mel"), None, replace(TEACHING, system="teacher"))
    with pytest.raises(UndertoneError, match="nothing for a teacher to guess: give --labels N"):
        Build(data, parse("log_mel"), None, replace(TEACHING, labels=None))


def test_rows_of_teaching_are_of_every_task():
    for task in (CLASSES, DIMENSIONS):
        rows = systems_of(task)
        assert all(rows[n].needs_teacher for n in ("taught", "taught_by_itself", "teacher"))
        assert not rows["taught"].hears_teacher


def test_a_table_with_others_keeps_each_under_its_name(rng):
    tables = [
        FrameTable("x", 1, 50.0, ("a",), {"u": np.full((3, 1), k, np.float32)}, keys={"u": str(k)})
        for k in range(3)
    ]
    whole = tables[0].with_others({"1 ": tables[1], "2 ": tables[2]})
    assert [whole.frames(name)[0, 0] for name in ("u", "1 u", "2 u")] == [0, 1, 2]
    assert whole.keys == {"u": "0", "1 u": "1", "2 u": "2"}
