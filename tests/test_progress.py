"""What a person sees of long work: the first line soon, and a sign of life from then on."""

import itertools
import re
import subprocess
import sys
import time

import pytest

from undertone import progress
from undertone.progress import Progress, alive

LINE = re.compile(r"\[ *(\d+) s\] (.*)")


@pytest.fixture(autouse=True)
def ten_times_as_fast(monkeypatch):
    for name in (
        "FIRST_LINE_S",
        "SHORTEST_GAP_S",
        "LONGEST_GAP_S",
        "LOOK_S",
        "AGAIN_S",
        "RENEWED_S",
    ):
        monkeypatch.setattr(progress, name, getattr(progress, name) / 10)


def texts(capsys) -> list[str]:
    return [LINE.fullmatch(line)[2] for line in capsys.readouterr().err.splitlines()]


def test_work_that_counts_nothing_says_that_it_goes_on(capsys):
    with alive("thinking"):
        time.sleep(1.65)
    said = texts(capsys)
    assert said == ["thinking"] * 2  # after a second, and ten later
    time.sleep(0.4)
    assert not texts(capsys)


def test_what_is_quick_says_nothing(capsys):
    with alive("thinking"):
        time.sleep(0.02)
    assert not texts(capsys)


def test_a_long_piece_repeats_what_is_known(capsys):
    with alive("thinking"), Progress() as shown:
        shown.add("files", 3)
        shown.advance("files")
        time.sleep(1.2)
        shown.advance("files", 2)
    said = texts(capsys)
    assert said[0] == "files 0/3"
    assert said.count("files 1/3") >= 1
    assert said[-1] == "files 3/3"


def test_what_is_finished_is_told_once(capsys):
    with Progress() as shown:
        shown.add("seconds searched", 1)
        for count in (1, 0, 0):
            shown.advance("seconds searched", count)
        shown.add("windows heard", 2)
        shown.advance("windows heard", 2)
    expected = ["seconds searched 0/1", "seconds searched 1/1"]
    assert texts(capsys) == [*expected, "windows heard 0/2", "windows heard 2/2"]


def test_on_a_terminal_one_line_is_renewed_and_gives_way(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    streams = sys.stdout, sys.stderr
    with alive("thinking"):
        time.sleep(0.5)
        print("an answer", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == streams
    shown = capsys.readouterr().err
    assert shown.count("thinking") >= 2
    lines = [line.split("\r\x1b[K")[-1] for line in shown.split("\n")]
    assert lines == ["an answer", ""]  # what a terminal shows in the end


def test_lines_grow_rarer_as_work_grows_longer(monkeypatch):
    heart, now, lines = progress._Heart(), [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    heart._began = heart._last = 0.0
    for tenth in range(6000):
        now[0] = tenth / 10
        if heart.is_due():
            lines.append(now[0])
            heart._last = now[0]
    gaps = [b - a for a, b in itertools.pairwise(lines)]
    assert lines[0] <= 0.2
    scale = 10  # as the constants were divided
    for at, gap in zip(lines, gaps, strict=False):
        assert scale * gap <= max(2.0, min(15.0, scale * 0.1 * (at + gap))) + 1.5


def test_bars_move_by_themselves_and_nobody_speaks_beside_them(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Progress() as shown:
        shown.add("files", 3)
        time.sleep(0.5)
    assert "] at work" not in capsys.readouterr().err


def test_silent_progress_is_silent(capsys):
    with Progress(shown=False) as shown:
        shown.add("files", 1)
        time.sleep(0.3)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("quiet", [True, False])
def test_a_command_gives_a_sign_while_it_imports(tmp_path, quiet):
    """Of a corpus that is not there, so that nothing but imports takes time."""
    code = (
        "import sys, time; from undertone import cli, corpora;"
        "corpora.open = lambda name: time.sleep(2.5) or sys.exit(3);"
        "sys.argv[1:] = sys.argv[1:]; cli.main()"
    )
    arguments = ["curve", "--corpus", "x=/", "--out", str(tmp_path / "run"), *["--quiet"] * quiet]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert ("undertone curve is at work" in done.stderr) != quiet
