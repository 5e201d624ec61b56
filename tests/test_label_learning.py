"""Learning while somebody labels: a model, what more labels promise, and what cannot be told."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from label_fakes import EMOTIONS, label, recordings, said, session_of, truth_of

from undertone import corpora
from undertone.annotation.learning import told
from undertone.annotation.learning.fitting import Lesson, learn
from undertone.annotation.learning.forecast import Forecast, _Rounds
from undertone.annotation.learning.learner import Learner
from undertone.annotation.learning.places import ASKED, HOLDS, HOLDS_OF, TRIED, TRIED_OF
from undertone.annotation.learning.shown import of_now
from undertone.annotation.picking.heard import hear
from undertone.corpora.label_log import reader
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.next_labels import NEXT
from undertone.features.name import parse
from undertone.reading import Resources, read_data, settle
from undertone.recogniser import folder as saved
from undertone.recogniser.build import Build
from undertone.recogniser.settings import FinetuneSettings
from undertone.systems.fits import _given
from undertone.systems.spread import halves


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Six speakers, six clips each, most of them labelled."""
    folder = tmp_path_factory.mktemp("learning")
    session = session_of(folder, corpus=recordings(folder, n_speakers=6, each=6))
    for i, clip in enumerate(session.clips.clips):
        if i % 8 != 7:
            session.label("tab", said(i, truth_of(clip.utterance)))
    return session


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    resources = Resources(tmp_path_factory.mktemp("cache"), workers=1, progress=False)
    settings = FinetuneSettings(of_systems={"discriminant": {"nuisance_weight": 0.0}})
    return Lesson(EMOTIONS, resources=resources, settings=settings)


def test_a_round_saves_a_model_and_says_how_good_it_is(labelled, lesson, tmp_path):
    out = tmp_path / "model"
    (out).mkdir()
    (out / "old").touch()
    learned = learn(labelled.log.path, lesson, out)
    assert (learned.n_labels, learned.n_speakers, learned.model) == (32, 6, True)
    assert not (out / "old").exists()
    recogniser = saved.load(out)
    assert recogniser.task.outputs == EMOTIONS
    score = learned.score.metrics["uar"]
    assert score.low > 0.5  # they are as different as day and night
    told_ = json.loads(json.dumps(learned.to_dict(), allow_nan=False))
    kinds = [sentence["kind"] for sentence in told_["sentences"]]
    assert kinds[:1] == ["score"]
    assert {"next", "speakers"} <= set(kinds)
    assert [point["labels"] for point in told_["curve"]] == sorted(
        point["labels"] for point in told_["curve"]
    )
    assert told_["score"]["chance"] == 0.5


def test_nobody_is_tested_by_a_fit_that_knew_them(labelled, lesson):
    corpus = reader.read(labelled.log.path)
    task, features = settle(corpus, "classes", "")
    data = read_data(corpus, features, task, lesson.resources)
    rounds = _Rounds(Build(data, features, None, replace(lesson.settings, folds=3)))
    plan = rounds.plan
    apart = halves(plan, plan.cells, seed=0, n_draws=2)
    cells = [*plan.cells, *(cell for own in apart.values() for cell in own)]
    speaker = plan.speaker
    for cell in cells:
        tested = {speaker[name] for name in rounds.plan.folds[cell.fold].test}
        assert not tested & {speaker[name] for name in cell.labels.utterances}
    few, spread = apart.values()
    for one, other in zip(few, spread, strict=True):
        assert (one.fold, one.draw) == (other.fold, other.draw)
        emotions = [
            sorted(int(plan.truth[name].argmax()) for name in cell.labels.utterances)
            for cell in (one, other)
        ]
        assert emotions[0] == emotions[1]  # as many labels of each emotion
        assert len({speaker[n] for n in one.labels.utterances}) == 2  # of four


def test_mixed_labels_are_learned_from_in_parts(labelled, lesson, tmp_path):
    session = session_of(tmp_path, corpus=recordings(tmp_path, n_speakers=2, each=4))
    names = [clip.utterance for clip in session.clips.clips]
    for i, name in enumerate(names[:7]):
        session.label("tab", said(i, truth_of(name)))
    heard = session.clips[7].facts
    session.log.label(replace(label("m", names[7], anger=0.25, sadness=0.75), heard=heard))
    corpus = corpora.open(str(session.log.path))
    task, features = settle(corpus, "classes", "")
    data = read_data(corpus, features, task, lesson.resources)
    build = Build(data, parse("log_mel").settled(), None, replace(lesson.settings, folds=0))
    problem = build.problem(build.plan.cells[-1])
    assert list(problem.shares) == [names[7]]
    given = _given(problem, weight=3.0)
    of_mixed = [i for i, name in enumerate(given.utterances) if name == names[7]]
    assert given.truth[of_mixed].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert given.weights[of_mixed].tolist() == [0.75, 2.25]
    assert given.weights.sum() == pytest.approx(3.0 * 8)
    hard = _given(replace(problem, shares={}), weight=3.0)
    assert len(hard.utterances) == 8
    assert problem.truth[names[7]].tolist() == [0.0, 1.0]  # what is tested


def test_what_cannot_be_told_is_said(tmp_path, lesson):
    table = recordings(tmp_path, n_speakers=2, each=4)
    table.write_text(table.read_text().replace(",s0,", ",,").replace(",s1,", ",,"))
    session = session_of(tmp_path, corpus=table)
    session.log.refresh()
    nothing = learn(session.log.path, lesson, tmp_path / "model")
    assert nothing.cannot == (told.NONE_YET,)
    for i in range(4):
        session.label("tab", said(i, EMOTIONS[i % 2]))
    learned = learn(session.log.path, lesson, tmp_path / "model")
    assert learned.cannot == (told.NO_SPEAKER,)
    assert not (tmp_path / "model").exists()
    by_recording = session_of(tmp_path / "b", corpus=recordings(tmp_path / "b", n_speakers=1))
    for i in range(0, 4, 2):
        by_recording.label("tab", said(i, "anger"))
    one_emotion = learn(by_recording.log.path, lesson, tmp_path / "model")
    assert "All labels are anger" in one_emotion.cannot[0]
    by_recording.label("tab", said(1, "sadness"))
    one_speaker = learn(by_recording.log.path, lesson, tmp_path / "model")
    assert one_speaker.cannot == (told.ONE_SPEAKER,)
    assert one_speaker.model
    assert one_speaker.score is None


def _ahead(low: float, high: float, n_speakers: int = 10) -> Forecast:
    return Forecast({}, Estimate((low + high) / 2, low, high, n_speakers), None)


def test_it_says_stop_only_when_the_curve_does():
    flat, many = _ahead(-0.004, 0.006), {"anger": 100, "sadness": 100}
    assert told.may_stop(flat, many)
    assert not told.may_stop(flat, {"anger": 10, "sadness": 10})
    assert not told.may_stop(flat, {**many, "fear": 20})  # of which a curve knows nothing yet
    assert not told.may_stop(_ahead(-0.004, 0.006, n_speakers=3), many)
    assert not told.may_stop(_ahead(-0.004, 0.03), many)
    nan = float("nan")
    assert not told.may_stop(Forecast({}, Estimate(0.0, nan, nan, 1), None), many)
    assert not told.may_stop(Forecast({}, None, None), many)
    texts = [one["text"] for one in told.sentences(None, flat, {"anger": 100, "sadness": 100})]
    assert any(text.startswith(f"You may stop: {NEXT} more labels") for text in texts)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.02, 0.08, "More speakers would help more"),
        (-0.03, 0.01, "help as much as new speakers"),
        (-0.03, 0.08, "cannot be told yet"),
    ],
)
def test_speakers_are_asked_for_where_they_would_help(low, high, words):
    ahead = replace(_ahead(0, 0.1), speakers=Estimate(0.03, low, high, 10))
    texts = [one["text"] for one in told.sentences(None, ahead, {"anger": 9, "sadness": 9})]
    assert any(words in text for text in texts)


def test_emotions_that_lack_labels_are_named():
    assert list(told.lacking({"anger": 50, "fear": 4, "sadness": 50})) == [
        "These emotions lack labels: fear (4)."
    ]
    assert list(told.lacking({"anger": 200, "fear": 60, "sadness": 200})) == [
        "These emotions lack labels: fear (60)."
    ]
    assert list(told.lacking({"anger": 6, "sadness": 6})) == []
    assert list(told.lacking({"anger": 0, "sadness": 0})) == []


def test_the_process_listens_learns_and_ends_with_its_input(tmp_path):
    session = session_of(tmp_path, corpus=recordings(tmp_path, n_speakers=2))
    for i, clip in enumerate(session.clips.clips):
        session.label("tab", said(i, truth_of(clip.utterance)))
    learner = Learner(session.log.path, EMOTIONS, cache=tmp_path / "cache")
    other = Learner(session.log.path, EMOTIONS)
    learner.start()
    try:
        other.tell(99)  # one process a log
        assert other._process is None
        learner.tell(8)
        deadline, heard = time.monotonic() + 90, None
        while time.monotonic() < deadline and not learner.state().get("model"):
            heard = heard or learner.heard()
            time.sleep(0.1)
        state = learner.state()
        assert state["model"], state
        assert heard.vectors.shape[0] == 8
        assert np.isfinite(heard.vectors).all()
        assert learner.heard() is None  # told once
        before = learner.state().get(ASKED)
        standing = session.standing()
        session.undo("tab", "undo-last")  # and the same clip is another emotion: eight again
        session.label("tab", said(7, EMOTIONS[0]))
        assert of_now(learner.state(), session.standing())["behind"]
        learner.finish()
        state = learner.state()
        assert before != state[ASKED]
        assert (state[TRIED], state[HOLDS]) == (8, 8)
        assert state[HOLDS_OF] == state[TRIED_OF] == session.standing().said != standing.said
        assert not of_now(state, session.standing())["behind"]
        learner._process.stdin.close()
        assert learner._process.wait(timeout=30) == 0
        assert learner.state()["state"] == "failed"
    finally:
        learner._process.stdin = open("/dev/null", "wb")  # noqa: SIM115
        learner.stop()


def test_the_script_on_forecasts_measures_what_it_says(labelled, lesson, monkeypatch):
    from test_scripts import SCRIPTS

    monkeypatch.syspath_prepend(str(SCRIPTS))
    import label_forecast

    corpus = reader.read(labelled.log.path)
    task, features = settle(corpus, "classes", "")
    data = read_data(corpus, features, task, lesson.resources)
    heard = hear(data.corpus, features, lesson.resources)
    choices = [label_forecast.Choice(name, heard, data) for name in ("random", "unsure+spread")]
    for choice in choices:
        order = choice.order(list(choice.emotion), 15, [0, 1])
        assert sorted(order) == sorted(choice.emotion)
        assert order != choice.order(list(choice.emotion), 15, [0, 2])
    said_ = label_forecast.one_forecast(data, features, 24, 1, choice=choices[0])
    assert said_["low"] <= said_["value"] <= said_["high"]
    assert not said_["stop"]
    true = label_forecast.true_gain(data, features, 6, 1, choice=choices[1])
    assert -1 <= true <= 1
    row = label_forecast.summary(6, 0.5, [{**said_, "low": 0.4, "high": 0.6}, said_])
    assert row["held"] in ("1 of 2", "2 of 2")
    assert row["stops"] == "0 of 2"
