"""Transcripts: written as they are heard, gone on with, read back by utterance or by file."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from undertone import audio
from undertone.cli import app
from undertone.corpora import transcripts
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.errors import UndertoneError
from undertone.features import asr as asr_module
from undertone.features.asr import Heard, heard_of
from undertone.features.transcribe import transcribe

SECONDS = (0.3, 0.4, 0.5, 0.6)


@dataclass
class Listener:
    """Hears how long a recording is; stops where it is told to."""

    digest: str = "first"
    stops_at: int = 99
    languages: tuple[str, ...] = ("en", "de")
    asked: list = field(default_factory=list)

    def hear(self, waveform, language):
        if len(self.asked) == self.stops_at:
            raise KeyboardInterrupt
        self.asked.append(language)
        seconds = round(len(waveform) / audio.SAMPLE_RATE, 1)
        if seconds == 0.6:
            return Heard("", language or "en", float("nan"))
        return Heard(f'{seconds} "s", {self.digest}', language or "en", -seconds)


@pytest.fixture
def corpus(tmp_path, rng):
    root = tmp_path / "corpus"
    root.mkdir()
    for i, seconds in enumerate(SECONDS):
        noise = 0.1 * rng.normal(size=round(seconds * audio.SAMPLE_RATE))
        soundfile.write(root / f"{i}.wav", noise, audio.SAMPLE_RATE)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, [None] * 4))
    names = [str(i) for i in range(4)]
    table = table.assign(utterance=names, file=[f"{n}.wav" for n in names])
    table["language"] = ["deu", "eng", "fra", None]
    return Corpus("small", root, table, licence="none", citation="none")


def run(corpus, listener, tmp_path, **options):
    return transcribe(corpus, listener, folder=tmp_path / "store", progress=False, **options)


def test_what_is_heard_is_a_table_that_comes_back_by_utterance(corpus, tmp_path):
    listener = Listener()
    done = run(corpus, listener, tmp_path)
    assert listener.asked == ["de", "en", None, None]  # French it does not know
    assert done.path.parent == tmp_path / "store" / "transcripts"
    table = pd.read_csv(done.path, dtype={"utterance": str}, keep_default_na=False)
    assert table["utterance"].tolist() == ["0", "1", "2", "3"]
    assert table["transcript"].tolist()[:2] == ['0.3 "s", first', '0.4 "s", first']
    assert table["log_probability"].tolist() == ["-0.3000", "-0.4000", "-0.5000", ""]
    assert set(table["model"]) == {"first"}
    back = transcripts.with_transcripts(corpus, done.path).table
    assert back["transcript"].tolist() == [*table["transcript"][:3], None]
    assert next(iter(done.lines("small"))) == (
        "small: 4 transcripts, 4 of them heard now; 1 without a word; mean log probability of a "
        "token -0.40"
    )


def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(corpus, tmp_path):
    whole = run(corpus, Listener(), tmp_path / "whole").path.read_text()
    with pytest.raises(KeyboardInterrupt):
        run(corpus, Listener(stops_at=2), tmp_path)
    assert not list(tmp_path.glob("store/transcripts/*.csv")), "half a table is no table"
    (partial,) = tmp_path.glob("store/transcripts/*.partial")
    text = partial.read_text()
    partial.write_text(text[: text.rindex(",")])  # killed within a line
    listener = Listener()
    done = run(corpus, listener, tmp_path)
    assert len(listener.asked) == 3
    assert done.path.read_text() == whole
    assert not partial.exists()
    assert run(corpus, listener, tmp_path).n_heard == 0
    assert len(listener.asked) == 3


def test_two_processes_do_not_write_one_table(corpus, tmp_path):
    @dataclass
    class Meeting(Listener):
        def hear(self, waveform, language):
            with pytest.raises(UndertoneError, match=r"another process [\s\S]*said\.csv"):
                run(corpus, Listener(), tmp_path, out=tmp_path / "said.csv")
            return super().hear(waveform, language)

    assert run(corpus, Meeting(), tmp_path, out=tmp_path / "said.csv").n_heard == 4
    assert not list(tmp_path.glob(".said*"))


@pytest.mark.parametrize("name", ["../../out", "a/b", "x" * 400, "..", "caf\udce9"])
def test_no_name_of_a_corpus_leads_out_of_the_folder(corpus, tmp_path, name):
    done = run(replace(corpus, name=name), Listener(), tmp_path)
    assert done.path.parent == tmp_path / "store" / "transcripts"
    assert done.path.is_file()
    assert len(done.path.name) < 100


def test_other_audio_another_model_and_another_language_are_heard_again(corpus, tmp_path):
    out = tmp_path / "said.csv"
    run(corpus, Listener(), tmp_path, out=out)
    soundfile.write(corpus.root / "1.wav", 0.1 * np.ones(8000), audio.SAMPLE_RATE)
    assert run(corpus, Listener(), tmp_path, out=out).n_heard == 1
    assert run(corpus, Listener("second"), tmp_path, out=out).n_heard == 4
    german = Listener("second")
    assert run(corpus, german, tmp_path, out=out, language="de").n_heard == 3
    assert german.asked == ["de"] * 3


def test_what_cannot_be_read_is_told_and_stops_nothing(corpus, tmp_path):
    (corpus.root / "0.wav").unlink()
    (corpus.root / "1.wav").write_bytes(b"no sound")
    done = run(corpus, Listener(), tmp_path)
    assert [row["utterance"] for row in done.rows] == ["2", "3"]
    assert set(done.failures) == {"0", "1"}
    assert any("left out: 1: " in line for line in done.lines("small"))
    for name in ("2.wav", "3.wav"):
        (corpus.root / name).unlink()
    with pytest.raises(UndertoneError, match="none of the 4 utterances of small"):
        run(corpus, Listener(), tmp_path)


def test_a_table_of_somebody_else_is_never_written_over(corpus, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,speaker,emotion\n")
    with pytest.raises(UndertoneError, match="choose another --out"):
        run(corpus, Listener(), tmp_path, out=labels)
    assert labels.read_text() == "file,speaker,emotion\n"
    with pytest.raises(UndertoneError, match="is a folder: name the table"):
        run(corpus, Listener(), tmp_path, out=tmp_path)
    with pytest.raises(UndertoneError, match="does not know the language 'xx'; it knows en, de"):
        run(corpus, Listener(), tmp_path, language="xx")


def test_each_token_counts_alike():
    segments = [
        SimpleNamespace(text=" So\n good.", tokens=[1] * 3, avg_logprob=-1.0),
        SimpleNamespace(text=" Yes!", tokens=[1], avg_logprob=-3.0),
    ]
    assert heard_of(segments, "en") == Heard("So good. Yes!", "en", -1.5)
    nothing = heard_of([], "en")
    assert nothing.text == ""
    assert np.isnan(nothing.log_probability)


def test_a_table_of_transcripts_must_be_of_the_corpus(corpus, tmp_path):
    path = tmp_path / "said.csv"
    path.write_text("utterance;text\n1;Hello\n0;\n9;of a larger corpus\n")
    table = transcripts.with_transcripts(corpus, path).table
    assert table["transcript"].tolist() == [None, "Hello", None, None]
    path.write_text("utterance,text\na,Hello\n")
    with pytest.raises(UndertoneError, match="of a, and none of small's utterances, as 0, 1, 2"):
        transcripts.with_transcripts(corpus, path)
    path.write_text("utterance,text\n1,Hello\n1,Hi\n")
    with pytest.raises(UndertoneError, match="has 1 in the rows 2 and 3"):
        transcripts.with_transcripts(corpus, path)
    path.write_text("utterance,words\n1,Hello\n")
    with pytest.raises(UndertoneError, match="no column transcript"):
        transcripts.with_transcripts(corpus, path)


def test_transcripts_of_recordings_are_found_by_file_and_by_stem(tmp_path):
    path = tmp_path / "said.csv"
    files = [Path("a/one.wav"), Path("b/two.wav"), Path("b/three.wav")]
    path.write_text("file,utterance,text\na/one.wav,x,first\n,two,second\n")
    assert transcripts.of_files(path, files) == ["first", "second", None]
    path.write_text("utterance,text\none,first\n")
    with pytest.raises(UndertoneError, match=r"2 recordings have that name, a/one\.wav among"):
        transcripts.of_files(path, [*files, Path("b/one.wav")])
    path.write_text("text\nfirst\n")
    with pytest.raises(UndertoneError, match="neither a column file nor a column utterance"):
        transcripts.of_files(path, files)


def test_the_command_prints_where_the_table_is(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(asr_module, "load", lambda name: Listener())
    out = tmp_path / "said.csv"
    arguments = ["transcribe", "--corpus", f"small={corpus.root}", "--asr", "x", "--quiet"]
    (corpus.root / "lost.wav").symlink_to(corpus.root / "nowhere.wav")
    app([*arguments, "--out", str(out)], standalone_mode=False)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == f"transcripts: {out}"
    assert pd.read_csv(out)["language"].tolist() == ["en"] * 4
    assert "1 left out: a link to a file that is not there (lost.wav)" in printed.err


def test_what_is_no_speech_recogniser_is_told(tmp_path):
    pytest.importorskip("faster_whisper")
    with pytest.raises(UndertoneError, match="there is no folder"):
        asr_module.load(str(tmp_path / "absent"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UndertoneError, match=r"has no model\.bin and no tokenizer\.json"):
        asr_module.load(str(tmp_path))


def test_without_the_extra_its_command_is_told(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UndertoneError, match=r"pip install 'undertone-ser\[asr\]'"):
        asr_module.load("base")


@pytest.mark.slow
def test_a_real_speech_recogniser_hears_words_alike_twice(asr_model, corpora_root):
    listener = asr_module.load(str(asr_model))
    row = pd.read_csv(corpora_root / "ravdess" / "labels.csv").iloc[0]
    waveform = audio.read(corpora_root / "ravdess" / row["file"])
    first, again = (listener.hear(waveform, "en") for _ in range(2))
    assert first == again
    assert {"talking", "door", "sitting"} & set(first.text.lower().replace(".", "").split())
    assert -3 < first.log_probability < 0
