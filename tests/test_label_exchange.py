"""Labels to other tools and back: what goes out comes in as it was."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from label_fakes import EMOTIONS, label, said, session_of

from undertone import corpora
from undertone.annotation.exchange import audiofolder
from undertone.annotation.exchange.forms import FORMS, form_to_read, form_to_write
from undertone.annotation.exchange.rows import exported, matched, not_said_yet
from undertone.annotation.log import now
from undertone.cli import main
from undertone.corpora.label_log import load
from undertone.errors import UndertoneError

ENDING = {"csv": "labels.csv", "label-studio": "tasks.json"}


@pytest.fixture
def session(tmp_path):
    session = session_of(tmp_path)
    for clip in range(4):
        session.label("tab", said(clip, EMOTIONS[clip % 2]))
    names = [clip.utterance for clip in session.clips.clips]
    session.log.label(label("m-1", names[4], sadness=0.5, anger=0.5))
    session.log.label(label("b-1", names[0], rater="bert", sadness=1.0))
    session.log.label(label("c-1", names[5]))  # can't tell
    return session


def _out(tmp_path, form):
    return tmp_path / "out" / ENDING.get(form, "folder")


def _lines(session, rows):
    labels, told = matched(
        rows, session.clips.clips, emotions=EMOTIONS, at=now(), source="elsewhere"
    )
    return labels, told


@pytest.mark.parametrize("form", FORMS)
def test_what_goes_out_comes_back(session, tmp_path, form):
    if form == "audformat":
        pytest.importorskip("audformat", reason="the extra audformat is not installed")
    out = _out(tmp_path, form)
    assert str(out) in FORMS[form].write(exported(load(session.log.path), session.log.path), out)
    labels, told = _lines(session, form_to_read(out, form).read(out))
    in_a_table = ["1 rows without an emotion were passed over"]  # that nobody could tell
    assert told == (in_a_table if form in ("csv", "audiofolder") else [])
    by_name = {}
    for one in labels:
        by_name.setdefault(one.utterance, []).append(one)
    for clip in range(1, 4):
        (one,) = by_name[session.clips[clip].utterance]
        assert dict(one.shares) == {EMOTIONS[clip % 2]: 1.0}
    if form == "label-studio":  # it knows raters, and answers that are no emotion
        assert {one.rater for one in by_name[session.clips[0].utterance]} == {"anna", "bert"}
        assert by_name[session.clips[5].utterance][0].answer == "cannot tell"
    if form != "audformat":
        assert by_name[session.clips[4].utterance][0].shares == {"anger": 0.5, "sadness": 0.5}


@pytest.mark.parametrize("form", ["csv", "audiofolder", "audformat"])
def test_what_goes_out_is_a_corpus(session, tmp_path, form):
    if form == "audformat":
        pytest.importorskip("audformat", reason="the extra audformat is not installed")
    out = _out(tmp_path, form)
    FORMS[form].write(exported(load(session.log.path), session.log.path), out)
    corpus = corpora.open(f"mine={out}")
    assert list(corpus.labelled.table["emotion"]) == ["sadness", "anger", "sadness"]
    assert set(corpus.speakers) == {"s0", "s1"}
    assert not corpus.reasons()


def test_importing_twice_changes_nothing(session, tmp_path, capsys):
    table = tmp_path / "given.csv"
    names = [str(clip.file) for clip in session.clips.clips]
    pd.DataFrame(
        {"file": [*names[6:9], "nowhere.wav"], "emotion": ["Angry", "sad", "boredom", "anger"]}
    ).to_csv(table, index=False)
    before = len(session.log.path.read_bytes().splitlines())
    for told in ("2 labels of", "0 labels of"):
        _run("label", "--log", session.log.path, "--import", table)
        said_ = capsys.readouterr()
        assert told in said_.out
        assert "1 labels are of no clip" in said_.err
        assert "1 boredom" in said_.err
    assert len(session.log.path.read_bytes().splitlines()) == before + 2


def test_label_studio_in_its_several_spellings(session):
    clip = session.clips[7]
    result = {"type": "choices", "value": {"choices": ["Sad"]}}
    tasks = [
        {
            "data": {"audio": f"/data/upload/3/0a1b2c3d-{clip.file.name}"},
            "annotations": [{"result": [result], "completed_by": 7}],
        },
        {
            "data": {"sound": f"http://host/files/{clip.file.name}"},
            "completions": [{"result": [result]}],
        },
        {"audio": f"/data/local-files/?d={str(clip.file)[1:]}", "emotion": "anger", "annotator": 3},
        {"audio": clip.file.name, "mood": {"choices": ["anger", "sad"]}, "id": 4},
        {"audio": clip.file.name, "regions": [{"start": 0, "end": 0.1, "labels": ["anger"]}]},
        {"data": {"audio": 3}, "annotations": [{"result": [result]}, {"result": None}, 5]},
        {
            "data": {"audio": clip.file.name},
            "annotations": [{"was_cancelled": True, "result": [result]}],
        },
    ]
    place = session.log.path.with_name("export.json")
    place.write_text(json.dumps(tasks))
    labels, _ = _lines(session, form_to_read(place, None).read(place))
    assert [one.emotion for one in labels] == ["sadness", "sadness", "anger", "anger", "anger"]
    assert {one.utterance for one in labels} == {clip.utterance}
    assert labels[0].rater == "rater 7"
    assert labels[3].shares == {"anger": 0.5, "sadness": 0.5}


@pytest.mark.parametrize("text", ["{}", "[1]", "[]", "{", '[{"data": {}}]', "[" * 9_999])
def test_what_is_no_export_is_refused(tmp_path, text):
    place = tmp_path / "export.json"
    place.write_text(text)
    with pytest.raises(UndertoneError, match="export"):
        form_to_read(place, None).read(place)


def test_segments_are_matched_by_their_times(tmp_path):
    session = session_of(tmp_path)
    table = tmp_path / "given.csv"
    name = session.clips[0].file
    table.write_text(f"file,start,end,emotion\n{name},0.0,0.2,anger\n{name},0,,sad\n")
    labels, told = _lines(session, FORMS["csv"].read(table))
    assert [one.emotion for one in labels] == ["anger", "sadness"]  # the whole clip is all there is
    assert ["several answers of one rater" in line for line in told] == [True]


def test_forms_are_told_by_what_a_path_is(tmp_path):
    assert form_to_write(tmp_path / "a.csv", None).name == "csv"
    assert form_to_write(tmp_path / "a.json", None).name == "label-studio"
    assert form_to_write(tmp_path / "a", "audformat").name == "audformat"
    with pytest.raises(UndertoneError, match="--form audformat or --form audiofolder"):
        form_to_write(tmp_path / "a", None)
    with pytest.raises(UndertoneError, match="--form takes csv"):
        form_to_write(tmp_path / "a", "excel")
    with pytest.raises(UndertoneError, match="no such file"):
        form_to_read(tmp_path / "a", None)
    with pytest.raises(UndertoneError, match=r"holds no metadata.csv"):
        form_to_read(tmp_path, None).read(tmp_path)


def test_an_audiofolder_counts_what_could_not_be_read(session, tmp_path):
    session.clips[1].file.unlink()
    out = tmp_path / "folder"
    told = audiofolder.write(exported(load(session.log.path), session.log.path), out)
    assert "1 could not be read" in told
    with pytest.raises(UndertoneError, match="is there already"):
        audiofolder.write(exported(load(session.log.path), session.log.path), out)


def test_the_command_exports_and_tells_agreement(session, tmp_path, capsys):
    out = tmp_path / "labels.csv"
    _run("label", "--log", session.log.path, "--export", out)
    assert "6 utterances in" in capsys.readouterr().out
    _run("label", "--log", session.log.path, "--agreement")
    assert "Krippendorff's alpha of emotions" in capsys.readouterr().out
    for arguments in (
        ["--export", session.log.path, "--form", "csv"],
        ["--export", out],  # what is there may be the only table of the speakers
        ["--export", out, "--agreement"],
        ["--export", tmp_path / "x.doc"],
    ):
        with pytest.raises(SystemExit) as end:
            _run("label", "--log", session.log.path, *arguments)
        assert end.value.code == 2


def test_what_a_log_exported_tells_it_nothing_new(session, tmp_path, capsys):
    out, before = tmp_path / "labels.csv", session.log.path.read_bytes()
    _run("label", "--log", session.log.path, "--export", out)
    labels = load(session.log.path).in_force()
    again = [replace(one, id="another", heard={}) for one in labels]
    assert not_said_yet(again, load(session.log.path)) == []
    other = replace(labels[0], id="another", answer="?")
    assert not_said_yet([other], load(session.log.path)) == [other]
    assert session.log.path.read_bytes() == before


def _run(*arguments):
    """The command line in this process."""
    import sys
    from unittest import mock

    with mock.patch.object(sys, "argv", ["undertone", *map(str, arguments)]):
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--export", "o.csv", "--rater", "anna"],
            "--export opens no page, and has no use for --r",
        ),
        (["--export", "o.csv", "--corpus", "c=d", "--seed", "0"], "for --corpus, --seed: leave th"),
        (["--agreement", "--form", "csv"], "--agreement opens no page, and has no use for --form"),
        (["--agreement", "--open", "--again", "0.5"], "for --again, --open: leave them out"),
        (["--agreement", "--emotions", "anger,sadness"], "for --emotions: leave it out"),
        (["--import", "i.csv", "--strategy", "random"], "has no use for --strategy: leave it out"),
        (["--import", "i.csv", "--no-learning"], "has no use for --no-learning"),
        (["--form", "csv"], "--form is of --export and --import"),
    ],
)
def test_an_option_that_is_of_no_use_is_refused(session, tmp_path, capsys, arguments, message):
    before = session.log.path.read_bytes()
    arguments = [str(tmp_path / one) if one.endswith(".csv") else one for one in arguments]
    with pytest.raises(SystemExit) as told:
        _run("label", "--log", session.log.path, *arguments)
    assert told.value.code == 2
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert session.log.path.read_bytes() == before
    assert not (tmp_path / "o.csv").exists()


def test_options_of_use_are_taken(session, tmp_path):
    out = tmp_path / "a.txt"
    _run("label", "--log", session.log.path, "--export", out, "--form", "csv", "--quiet")
    _run("label", "--log", session.log.path, "--agreement", "--quiet")
    again = ["--detector", "energy", "--form", "csv", "--emotions", ",".join(EMOTIONS), "--quiet"]
    _run("label", "--log", session.log.path, "--import", out, *again)
