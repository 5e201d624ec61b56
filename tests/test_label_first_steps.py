"""What somebody who begins is told: whether a model will come, what is missing, what comes next."""

from pathlib import Path

import pytest
from label_fakes import EMOTIONS, label, recordings, said, session_of, truth_of

from undertone import corpora
from undertone.annotation.learning import shown, told
from undertone.annotation.learning.fitting import Lesson, learn
from undertone.annotation.learning.places import HOLDS, HOLDS_OF, MODEL, OFF, TRIED, TRIED_OF
from undertone.annotation.learning.shown import Standing
from undertone.annotation.opening import What, opened
from undertone.corpora import label_log
from undertone.corpora.folds import labelled_rows
from undertone.corpora.label_log.reader import AS_YOU_SAID, IF_SO, kept_of, speakers_assumed
from undertone.errors import UndertoneError
from undertone.reading import Resources


@pytest.fixture
def of_nobody(tmp_path):
    """A log of a folder, which knows no speaker, with six labels."""
    recordings(tmp_path / "voices", n_speakers=2, each=3)
    log = tmp_path / "labels.jsonl"
    (tmp_path / "voices" / "speech.csv").unlink()
    found = opened(What(log, str(tmp_path / "voices"), EMOTIONS))
    for i, clip in enumerate(found.clips.clips):
        found.log.label(label(f"id-{i}", clip.utterance, **{truth_of(clip.utterance): 1.0}))
    return log


def test_a_log_without_speakers_is_refused_with_ways_out_that_work(of_nobody, tmp_path):
    with pytest.raises(UndertoneError) as refused:
        labelled_rows(corpora.open(str(of_nobody)))
    assert f"undertone label --log {of_nobody} --each-recording-a-speaker" in str(refused.value)
    assert "metadata.csv" in str(refused.value)
    labels = of_nobody.read_bytes()
    again = opened(What(of_nobody, a_speaker_each=True))
    assert again.clips.n_speakers == 6
    corpus = corpora.open(str(of_nobody))
    assert labelled_rows(corpus)["speaker"].nunique() == 6
    assert any(AS_YOU_SAID in note for note in corpus.told())
    assert of_nobody.read_bytes() == labels
    for what in (What(of_nobody), What(of_nobody, str(tmp_path / "voices"))):
        assert opened(what).clips.n_speakers == 6  # it holds, and need not be said again
        assert speakers_assumed(of_nobody)


def test_speakers_of_a_table_take_the_place_of_the_assumption(of_nobody, tmp_path):
    opened(What(of_nobody, a_speaker_each=True))
    names = sorted(p.relative_to(tmp_path / "voices") for p in (tmp_path / "voices").rglob("*.wav"))
    rows = "".join(f"{name.as_posix()},{name.name[:2]}\n" for name in names)
    (tmp_path / "voices" / "metadata.csv").write_text(f"file,speaker\n{rows}", encoding="utf-8")
    found = opened(What(of_nobody, str(tmp_path / "voices")))
    assert (found.clips.n_speakers, speakers_assumed(of_nobody)) == (2, False)
    assert labelled_rows(corpora.open(str(of_nobody)))["speaker"].nunique() == 2
    also = opened(What(of_nobody, str(tmp_path / "voices"), a_speaker_each=True))
    assert (also.clips.n_speakers, also.clips.a_speaker_each) == (2, False)  # who is known stays


def test_a_table_is_not_led_into_a_second_refusal(tmp_path):
    table = recordings(tmp_path, n_speakers=1, each=2, labelled=True)
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace(",s0,", ",").replace(",speaker,", ","), encoding="utf-8")
    with pytest.raises(UndertoneError, match="copy the column file into a column speaker"):
        corpora.open(str(table))
    table.write_text(text.replace(",s0,", ",,"), encoding="utf-8")
    with pytest.raises(UndertoneError, match="copy the column file into the column speaker"):
        labelled_rows(corpora.open(str(table)))
    lines = text.splitlines()
    rows = [f"{one.split(',')[0]},{one.replace(',s0,', ',').split(',', 1)[0]}" for one in lines[1:]]
    emotions = [one.rpartition(",")[2] for one in lines[1:]]
    copied = [f"{row},{emotion}" for row, emotion in zip(rows, emotions, strict=True)]
    table.write_text("\n".join([lines[0], *copied]), encoding="utf-8")
    assert labelled_rows(corpora.open(str(table)))["speaker"].nunique() == 2


def test_who_begins_is_told_whether_a_model_will_come(tmp_path):
    before = shown.warning(Path("my labels.jsonl"), 0)
    assert before.startswith("No model will come")
    assert "undertone label --log 'my labels.jsonl' --each-recording-a-speaker" in before
    assert shown.warning(Path("labels.jsonl"), 3) == ""


def of_now(learning, labelled, known, said_="now"):
    return shown.of_now(learning, Standing(labelled, known, sum(labelled.values()), said_))


def test_counts_are_of_now_and_fits_are_dated():
    learning = {
        "state": "ready",
        TRIED: 4,
        "sentences": [
            {"kind": "nothing", "text": told.NONE_YET},
            {"kind": "lacking", "text": "These emotions lack labels: anger (1)."},
            {"kind": "score", "text": "a score"},
            {"kind": "stop", "text": "You may stop"},
        ],
    }
    now = of_now(learning, {"anger": 3, "sadness": 6}, {"anger": 3, "sadness": 6})
    assert now["now"] == ["These emotions lack labels: anger (3)."]
    assert [one["kind"] for one in now["sentences"]] == ["score"]
    assert (now["of"], now["newer"]) == (4, 5)
    enough = of_now(learning, {"anger": 6, "sadness": 6}, {"anger": 6, "sadness": 6})
    assert enough["now"] == []
    assert [one["kind"] for one in enough["sentences"]] == ["score", "stop"]
    assert of_now({}, {"anger": 0}, {})["now"] == [told.NONE_YET]
    assert of_now({}, {"anger": 1}, {})["now"] == [told.NO_SPEAKER]
    assert "All labels are anger" in of_now({}, {"anger": 1}, {"anger": 1})["now"][0]
    assert of_now({"state": OFF}, {"anger": 0}, {}) == {"state": OFF}


FITTED = {
    "state": "ready",
    **{TRIED: 40, TRIED_OF: "then", HOLDS: 40, HOLDS_OF: "then"},
    **{"score": {"value": 0.8}, "curve": [{"labels": 40}]},
    "sentences": [{"kind": "score", "text": "a score"}, {"kind": "stop", "text": "You may stop"}],
}


def test_what_was_taken_back_leaves_nothing_on_the_page_that_is_no_longer_so():
    nothing = of_now(FITTED, {"anger": 0, "sadness": 0}, {})
    assert nothing["now"][0] == told.NONE_YET
    assert "still that of 40 labels" in nothing["now"][1]
    assert (nothing["sentences"], nothing["score"], nothing["curve"]) == ([], None, [])
    fewer = of_now(FITTED, {"anger": 19, "sadness": 18}, {"anger": 19, "sadness": 18})
    assert [one["kind"] for one in fewer["sentences"]] == ["score"]  # it no longer says stop
    assert (fewer["of"], fewer["newer"], fewer["gone"], fewer["behind"]) == (40, 0, 3, True)
    both = {"anger": 20, "sadness": 20}
    assert not of_now(FITTED, both, both, "then")["behind"]
    other = of_now(FITTED, both, both, "other answers")
    assert (other["newer"], other["gone"], other["behind"]) == (0, 0, True)


def test_what_a_score_lacks_is_said_in_plain_words(tmp_path):
    session = session_of(tmp_path, corpus=recordings(tmp_path, n_speakers=2, each=2))
    for i in (0, 1, 2):  # sadness of the first speaker alone
        session.label("tab", said(i, truth_of(session.clips[i].utterance)))
    lesson = Lesson(EMOTIONS, resources=Resources(tmp_path / "c", workers=1, progress=False))
    learned = learn(session.log.path, lesson, tmp_path / "model")
    assert learned.model
    (why,) = learned.cannot
    assert "labels of each emotion from at least two speakers" in why
    assert "sadness (1 so far)" in why
    assert "budget" not in why


def test_the_assumption_stands_beside_the_score(of_nobody, tmp_path):
    opened(What(of_nobody, a_speaker_each=True))
    lesson = Lesson(EMOTIONS, resources=Resources(tmp_path / "c", workers=1, progress=False))
    learned = learn(of_nobody, lesson, tmp_path / "model")
    texts = [one["text"] for one in learned.to_dict()["sentences"] if one["kind"] == "score"]
    assert texts[0].startswith("If every recording is another person, as you said: on speakers")
    assert learned.score.notes[-1] == IF_SO  # which a table of scores ends with
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert AS_YOU_SAID in card.partition("## Scores")[0]
    assert IF_SO in card.partition("## Scores")[2]


def test_the_end_names_the_model_its_labels_and_commands_that_work(tmp_path):
    log = tmp_path / "my labels.jsonl"
    assert shown.at_the_end(log, {"now": ["why"]}, Standing({}, {}, 3, "")) == [
        "no model was fitted",
        "why",
    ]
    (kept_of(log) / MODEL).mkdir(parents=True)
    ten = Standing({}, {}, 10, "now")
    lines = shown.at_the_end(log, {HOLDS: 6, HOLDS_OF: "then"}, ten)
    assert lines[0].startswith("the model holds 6 of 10 labels: ")
    assert f"undertone predict '{kept_of(log) / MODEL}' new.wav" in lines[1]
    assert f"undertone finetune --corpus '{log}' --out" in lines[2]
    assert "all of 10 labels" in shown.at_the_end(log, {HOLDS: 10, HOLDS_OF: "now"}, ten)[0]
    (before, *_) = shown.at_the_end(log, {HOLDS: 12, HOLDS_OF: "then"}, ten)
    assert "12 labels of before; some were taken back or changed since, and 10 stand now" in before


def test_the_page_is_told_before_the_first_clip(of_nobody):
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    from starlette.testclient import TestClient

    from undertone.annotation.app import application
    from undertone.annotation.choosing import Aim
    from undertone.annotation.session import Session

    for each in (False, True):
        found = opened(What(of_nobody, a_speaker_each=each))
        session = Session(found.clips, found.log, rater="anna", aim=Aim(EMOTIONS))
        with TestClient(application(session)) as client:
            about = client.get("/api/about").json()
            counts = client.post("/api/state", json={"tab": "tab-12345"}).json()["counts"]
        assert bool(about["warning"]) is not each
        assert bool(about["commands"]) is about["assumed"] is each
        assert sum(counts["all_by_emotion"].values()) == 6
    assert len(label_log.load(of_nobody).in_force()) == 6
