"""Where a timeline is written: over nothing that somebody else made."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_timeline import call, model, recogniser, run

__all__ = ["call", "model", "recogniser"]  # fixtures

TURNS = "start,end\n1,8\n10,18\n"


@pytest.fixture
def asked(model, call, tmp_path, monkeypatch, capsys):
    """Runs the command on the call, and gives its exit status and what it said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "turns.csv").write_text(TURNS)

    def ask(*options: object) -> tuple[int, str]:
        status = run(monkeypatch, "timeline", model, call, "--no-sound", "--quiet", *options)
        return status, capsys.readouterr().err

    return ask


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "turns.html"), "--table turns-timeline.csv"),
        (("--out", "sub/../turns.html"), "--table turns-timeline.csv"),
        (("--out", "x.html", "--table", "turns.csv"), "--table turns.csv would replace turns.csv"),
        (("--out", "x.html", "--table", "alias.csv"), "would replace turns.csv"),
    ],
)
def test_the_turns_that_it_is_made_from_stay(asked, tmp_path, options, message):
    (tmp_path / "sub").mkdir()
    (tmp_path / "alias.csv").symlink_to("turns.csv")
    status, said = asked("--segments", "turns.csv", *options)
    assert status == 2
    assert message in said
    assert (tmp_path / "turns.csv").read_text() == TURNS
    assert not list(tmp_path.glob("*.html"))


def test_a_table_of_somebody_else_beside_the_page_stays(asked, tmp_path):
    (tmp_path / "call.csv").write_text("agent,minutes\nAnn,7\n")
    status, said = asked("--out", "call.html", "--detector", "energy")
    assert status == 2
    assert "call.csv is there already" in said
    assert (tmp_path / "call.csv").read_text() == "agent,minutes\nAnn,7\n"
    options = ("--out", "call.html", "--detector", "energy", "--table", "call-timeline.csv")
    assert asked(*options)[0] == 0


def test_a_timeline_replaces_its_own_table(asked, tmp_path):
    options = ("--out", "call.html", "--segments", "turns.csv")
    assert asked(*options)[0] == 0
    first = (tmp_path / "call.csv").read_bytes()
    assert asked(*options)[0] == 0
    assert (tmp_path / "call.csv").read_bytes() == first


@pytest.mark.parametrize("option", ["--out", "--table"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_heard(asked, tmp_path, option):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "d.html").mkdir()
    (tmp_path / "d.csv").mkdir()
    ending = {"--out": "html", "--table": "csv"}[option]
    for place in (f"file/x.{ending}", f"file/deep/x.{ending}", f"d.{ending}"):
        status, said = asked("--segments", "turns.csv", option, place)
        assert status == 2
        assert said.startswith("undertone: ")
        assert place in said
        assert option in said
    assert not [path for path in Path(tmp_path).iterdir() if path.name.startswith(".")]


def test_nothing_stays_of_a_recording_in_which_nobody_speaks(asked, call, tmp_path):
    soundfile.write(call, np.zeros(32000), 16000)
    status, said = asked("--detector", "energy")
    assert status == 2
    assert "no speech was found" in said
    assert {path.name for path in tmp_path.iterdir()} == {"model", "call.wav", "turns.csv"}
