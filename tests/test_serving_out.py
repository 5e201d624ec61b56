"""Tables that are written as they go, go on where they were stopped; rows on several processes."""

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from serving_fakes import listener, write_voice
from typer.testing import CliRunner

from undertone import cli
from undertone.errors import UndertoneError, printable
from undertone.serving import at_work
from undertone.serving.given import Item
from undertone.serving.predict import predict
from undertone.serving.sureness import Terms
from undertone.serving.writing import Table, check_out, write

NAMES = ["ä.wav", 'b,"c".wav', "d\n.wav", "e.wav", "f.wav"]
COLUMNS = ["file", "emotion", "p_anger", "error", "note"]
ROWS = [
    {"file": name, "emotion": "anger", "p_anger": n / 7, "error": None, "note": None}
    for n, name in enumerate(NAMES[:-1])
] + [{"file": "f.wav", "emotion": None, "error": "there is none", "note": None}]


def table_of(out, **identity):
    named = [printable(name) for name in NAMES]
    return Table(out, COLUMNS, named, {"model": "a", "list of recordings": "b", **identity})


def rows_from(first):
    return iter(ROWS[first:])


@pytest.fixture(params=[".csv", ".jsonl"])
def out(request, tmp_path):
    return tmp_path / f"out{request.param}"


def test_a_table_that_is_torn_at_any_byte_becomes_the_same(out, tmp_path):
    written = write(table_of(out), rows_from)
    assert (written.n_rows, written.n_failed, written.n_before) == (5, 1, 0)
    whole = out.read_bytes()
    assert not table_of(out).folder.exists()
    for n in range(0, len(whole) + 1, 3):
        other = tmp_path / f"torn{out.suffix}"
        begin(other)
        other.write_bytes(whole[:n])
        written = write(table_of(other), rows_from)
        assert other.read_bytes() == whole, n
        assert written.n_before == max(0, whole[:n].count(b"\n") - (out.suffix == ".csv"))
        assert (written.n_rows, written.n_failed) == (5, 1)
        other.unlink()


def begin(out, **identity):
    """Leave what a run that was killed leaves."""

    def killed(first):
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(table_of(out, **identity), killed)
    assert out.exists()


def test_what_ends_in_noughts_after_a_power_cut_is_cut_off(out):
    begin(out)
    with out.open("ab") as file:
        file.write(b"\0" * 100 + b"\n")
    assert write(table_of(out), rows_from).n_before == 1
    assert len(out.read_text().splitlines()) == 5 + (out.suffix == ".csv")


@pytest.mark.parametrize("changed", ["model", "list of recordings", "columns"])
def test_a_table_of_something_else_is_refused(out, changed):
    begin(out)
    held = out.read_bytes()
    with pytest.raises(UndertoneError, match=f"was begun with another {changed}; choose another"):
        write(table_of(out, **{changed: "other"}), rows_from)
    assert out.read_bytes() == held


def test_a_table_that_was_changed_or_is_finished_is_refused(out):
    begin(out)
    text = out.read_text()
    out.write_text(text.replace("ä.wav", "x.wav") + text[-3:])
    with pytest.raises(UndertoneError, match=r"line \d of .* is not what was written there"):
        write(table_of(out), rows_from)
    out.write_text(text)
    write(table_of(out), rows_from)
    with pytest.raises(UndertoneError, match="is there already, and it is finished"):
        write(table_of(out), rows_from)


def test_two_processes_do_not_write_one_table(out):
    def meanwhile(first):
        with pytest.raises(UndertoneError, match="another process of Undertone is at work"):
            write(table_of(out), rows_from)
        return rows_from(first)

    assert write(table_of(out), meanwhile).n_rows == 5


def test_a_parquet_table_is_whole_or_absent(tmp_path):
    out = tmp_path / "out.parquet"

    def killed(first):
        yield from ROWS[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(table_of(out), killed)
    assert not out.exists()
    assert write(table_of(out), rows_from).n_before == 2
    frame = pd.read_parquet(out)
    assert list(frame.columns) == COLUMNS
    assert frame["file"].tolist() == [printable(name) for name in NAMES]
    assert frame["p_anger"].dtype == float
    assert frame["error"].isna().tolist() == [True] * 4 + [False]
    assert frame["error"].iloc[-1] == "there is none"
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_names_that_no_table_can_have_are_refused(tmp_path):
    with pytest.raises(UndertoneError, match=r"must end in .csv, .jsonl or .parquet"):
        check_out(tmp_path / "out.txt")
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UndertoneError, match="is a folder; name a file in it"):
        check_out(tmp_path / "a.csv")


# --- processes


@pytest.fixture
def recordings(tmp_path):
    return [write_voice(tmp_path / f"{n}.wav", f0_hz=100 + 20 * n) for n in range(7)]


@pytest.mark.slow
def test_processes_change_neither_rows_nor_their_order(recordings):
    alone = list(predict(listener(), recordings))
    assert list(predict(listener(), recordings, workers=2)) == alone
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_row_that_ends_its_process_costs_itself_alone(recordings, tmp_path):
    deadly = [write_voice(tmp_path / f"deadly{n}.wav", f0_hz=400) for n in range(2)]
    files = [*recordings[:2], deadly[0], *recordings[2:4], deadly[1], *recordings[4:]]
    rows = list(predict(listener(deadly_hz=350), files, workers=2))
    assert [row.file for row in rows] == [str(file) for file in files]
    assert [bool(row.error) for row in rows] == [file in deadly for file in files]
    assert "ended the process that read it" in rows[2].error


@pytest.mark.slow
def test_where_every_process_dies_the_end_is_told(recordings):
    with pytest.raises(UndertoneError, match="processes died one after the other"):
        list(predict(listener(deadly_hz=50), recordings, workers=2))


def test_a_row_made_in_a_process_is_as_here(recordings):
    at_work._begin(listener(), "m", Terms())
    (here,) = predict(listener(), recordings[0])
    assert at_work._predict(Item(str(recordings[0])), None) == here


# --- the command


def run(*arguments, code=0):
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def test_the_command_writes_what_it_prints(recordings, tmp_path):
    folder = recordings[0].parent
    printed = run("predict", folder, "--format", "csv").stdout
    out = tmp_path / "more/out.csv"
    done = run("predict", folder, "--out", out, "--quiet")
    assert f"7 rows in {out}" in done.stdout
    assert out.read_text() == printed
    assert len(list(csv.DictReader(out.read_text().splitlines()))) == 7
    with pytest.raises(UndertoneError, match="is there already"):
        run("predict", folder, "--out", out)
    with pytest.raises(UndertoneError, match="leave one of them out"):
        run("predict", folder, "--out", out, "--format", "csv")


def test_a_bad_row_is_told_in_the_table_and_by_the_status(recordings, tmp_path):
    out = tmp_path / "out.jsonl"
    done = run("predict", *recordings, tmp_path / "absent.wav", "--out", out, code=1)
    assert "1 could not be used, the column error says why" in done.stdout
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [bool(row["error"]) for row in rows] == [False] * 7 + [True]


def test_segments_and_channels_have_their_columns(recordings, tmp_path):
    (tmp_path / "t.csv").write_text("file,start,end\n0.wav,0,0.25\n1.wav,0.25,\n")
    printed = run("predict", "--segments", tmp_path / "t.csv", "--format", "csv").stdout
    rows = list(csv.DictReader(printed.splitlines()))
    assert [(row["start"], row["end"]) for row in rows] == [("0.0", "0.25"), ("0.25", "")]
    assert "channel" not in rows[0]
    printed = run("predict", recordings[0], "--channel", "1", "--format", "csv").stdout
    assert next(csv.DictReader(printed.splitlines()))["channel"] == "1"
    frame = tmp_path / "out.parquet"
    run("predict", "--segments", tmp_path / "t.csv", "--channel", "each", "--out", frame)
    assert pd.read_parquet(frame)["channel"].tolist() == [1, 1]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_table(recordings, tmp_path):
    names = tmp_path / "list.txt"
    names.write_text("".join(f"{file}\n" for file in recordings) * 1)
    command = [sys.executable, "-m", "undertone", "predict", "--files-from", str(names), "--out"]
    subprocess.run([*command, str(tmp_path / "whole.csv"), "--quiet"], check=True)
    out = tmp_path / "out.csv"
    process = subprocess.Popen([*command, str(out), "--quiet"])
    while not (out.exists() and out.stat().st_size > 100) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if (tmp_path / "out.csv.unfinished").exists():  # it was not quicker than we
        subprocess.run([*command, str(out), "--quiet"], check=True)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
