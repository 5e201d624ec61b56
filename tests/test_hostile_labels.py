"""Labels of other tools that are empty, mangled or at odds with themselves."""

import json
from pathlib import Path

import pytest
from label_fakes import label, session_of
from typer.testing import CliRunner

from undertone.annotation.exchange.forms import form_to_read
from undertone.annotation.exchange.rows import matched
from undertone.annotation.log import now
from undertone.annotation.picking.given import _spellings
from undertone.cli import app
from undertone.corpora.label_log import load
from undertone.errors import UndertoneError
from undertone.serving import given

EMOTIONS = ("anger", "sadness")


def imported(session, path):
    """What a file brings, and what is told of it."""
    rows = form_to_read(path, None).read(path)
    clips = session.clips.clips
    return matched(rows, clips, emotions=EMOTIONS, at=now(), source=path.name)


@pytest.fixture
def session(tmp_path):
    return session_of(tmp_path)


@pytest.mark.parametrize("rows", ["", "a.wav,\nb.wav,\n"])
def test_a_table_without_a_label_is_refused(session, tmp_path, rows):
    (tmp_path / "given.csv").write_text(f"file,emotion\n{rows}")
    with pytest.raises(UndertoneError, match=r"given\.csv holds no label: .* Fill in the column"):
        imported(session, tmp_path / "given.csv")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "metadata.csv").write_text("file_name,emotion\n")
    with pytest.raises(UndertoneError, match="holds no label"):
        imported(session, folder)


def test_rows_without_an_emotion_and_second_answers_are_counted(session, tmp_path):
    one, two, three = (str(clip.file) for clip in session.clips.clips[:3])
    lines = [f"{one},anger,", f"{one},sadness,", f"{two},,", f"{three},anger,a",
             f"{three},sadness,b"]  # fmt: skip
    (tmp_path / "given.csv").write_text("\n".join(["file,emotion,rater", *lines]) + "\n")
    labels, told = imported(session, tmp_path / "given.csv")
    assert [(found.rater, found.emotion) for found in labels] == [
        ("imported", "anger"),
        ("imported", "sadness"),
        ("a", "anger"),
        ("b", "sadness"),
    ]
    assert "1 rows without an emotion were passed over" in told
    name = session.clips.clips[0].utterance
    assert any(line.startswith("1 clips have several answers") and name in line for line in told)


@pytest.mark.parametrize(
    ("audio", "start"),
    [("http://[half/{}", 0), ("{}", 10**400), ("{}", -(10**400))],
)
def test_addresses_and_times_that_are_none_end_in_no_traceback(session, tmp_path, audio, start):
    name = session.clips.clips[0].file.name
    value = {"start": start, "end": 10**400, "labels": ["anger"]}
    result = [{"type": "labels", "value": value}]
    task = {"data": {"audio": audio.format(name)}, "annotations": [{"result": result}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    labels, _ = imported(session, tmp_path / "tasks.json")
    assert [found.utterance for found in labels] == [session.clips.clips[0].utterance]


def test_a_slider_beyond_all_numbers_is_passed_over_and_the_label_stays(session):
    given = label("a", session.clips.clips[0].utterance, anger=1.0).to_dict()
    line = json.dumps({**given, "arousal": 10**400, "valence": 2})
    with session.log.path.open("a") as file:
        file.write(line + "\n")
    (found,) = load(session.log.path).in_force()
    assert (found.emotion, dict(found.amounts)) == ("anger", {"valence": 2})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--detector", "banana"), "there is no detector of speech 'banana'"),
        (("--features", "banana"), "there are no features 'banana'"),
        (("--features", "log_mel", "--no-learning"), "and --no-learning has none"),
    ],
)
def test_what_nothing_hears_with_is_refused_before_the_page(session, options, message):
    done = CliRunner().invoke(app, ["label", "--log", str(session.log.path), *options])
    assert isinstance(done.exception, UndertoneError), done.output
    assert message in str(done.exception)


def test_an_address_with_half_a_bracket_is_matched_by_its_last_part():
    assert list(_spellings("http://[half/x.wav"))[-1] == "x.wav"


def test_what_a_log_names_and_is_gone_is_told_where_it_is_predicted(session, capsys):
    session.clips.clips[0].file.unlink()
    names = [Path(item.file).name for item in given._of_log(session.log.path)]
    assert len(names) == len(session.clips) - 1
    assert "1 left out: file not found" in capsys.readouterr().err
