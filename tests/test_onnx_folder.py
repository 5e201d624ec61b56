"""Exported folders: whole or absent, the same as the package, and alone on another machine."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_fakes  # noqa: F401  skips where the extra is missing
import pytest
import scipy.fft
import soundfile
import torch
from serving_fakes import voice, write_voice
from test_cli import run

from undertone import audio
from undertone.audio.streaming import parts_of_waveform
from undertone.errors import UndertoneError
from undertone.features import extractors
from undertone.features.extractors import EXTRACTORS, Extractor
from undertone.models.cnn import Cnn, CnnConfig
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.models.heads import Constant
from undertone.models.network import GruNetwork
from undertone.recogniser.adapted import adapt_to
from undertone.recogniser.folder import Inputs, Recogniser, load
from undertone.serving.onnx import folder, graphs, listening, parity
from undertone.serving.onnx import frames as of_frames
from undertone.serving.onnx.alone import numpy_fft
from undertone.serving.onnx.alone import run as program
from undertone.serving.predict import predict
from undertone.systems.fitted import OnSegments, OnSteps, OnVectors
from undertone.systems.view import View
from undertone.tasks import Classes, Dimensions, Intensities
from undertone.training.normalise import Normaliser

EMOTIONS = ("anger", "joy", "neutral")
COLUMNS = extractors.get("log_mel").columns
ALONE = (
    "import runpy, sys; sys.modules.update({'undertone': None, **dict.fromkeys(%r)});"
    "sys.path.insert(0, ''); sys.argv = ['run.py', *sys.argv[1:]];"
    "runpy.run_path('run.py', run_name='__main__')"
)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Fewer and shorter random recordings; one test asks for all of them."""
    monkeypatch.setattr(parity, "N_RANDOM", 3)
    monkeypatch.setattr(parity, "LONGEST_S", 0.4)


def normaliser(stride=4):
    rng = np.random.default_rng(1)
    n = len(COLUMNS)
    mean, sd = rng.normal(0, 1, n), rng.uniform(0.3, 3, n)
    return Normaliser(mean.astype(np.float32), sd.astype(np.float32), stride)


def gru(task=None) -> Recogniser:
    """A recurrent model of random weights on ``log_mel``."""
    torch.manual_seed(3)
    task, shape = task or Classes(EMOTIONS), EncoderConfig(16, 2, 4, "mean_sd")
    network = GruNetwork(Encoder(len(COLUMNS), 16, 2), "mean_sd", len(task.outputs)).eval()
    with torch.no_grad():
        network.head.weight.mul_(20)
    inputs = Inputs.of(extractors.parse("log_mel"), normaliser())
    return Recogniser(inputs, shape, task, "scratch", OnSteps(View(), network, task))


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """The starter model, exported with as many checks as there are, of shorter recordings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "LONGEST_S", 0.3)
        made = folder.export("starter", tmp_path_factory.mktemp("starter") / "Ärger b")
    assert made.parity.n_random == 50
    return made.folder


def alone(home: Path, *names: object, without: tuple[str, ...] = (), status: int = 0):
    """Rows that a folder prints where Undertone cannot be imported, and what it says beside."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE % (without,), *map(str, names)],
        cwd=home,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == status, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout))), done.stderr


def check_same(rows, model, files):
    for row, expected in zip(rows, predict(model, files), strict=True):
        assert row["file"] == expected.file
        for name, value in expected.values.items():
            assert float(row.get(f"p_{name}", row.get(name))) == pytest.approx(value, abs=1e-4)
        if expected.emotion:
            assert row["emotion"] == expected.emotion


# --- on another machine


def test_the_starter_runs_alone(starter, tmp_path):
    """One and two channels; also what cannot be used."""
    files = [
        write_voice(tmp_path / "lang ü.wav", 140, seconds=2.5),
        write_voice(tmp_path / "two.wav", seconds=1.5, channels=2),
    ]
    rows, _ = alone(starter, *files)
    check_same(rows, "starter", files)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    soundfile.write(tmp_path / "short.wav", voice(100, 0.05), 16_000)
    soundfile.write(tmp_path / "cd.wav", voice(100, 1), 44_100)
    bad = ["silent.wav", "short.wav", "cd.wav", "none.wav"]
    rows, said = alone(starter, *(tmp_path / n for n in bad), files[1], without=("soxr",), status=1)
    assert [row["file"] for row in rows] == [str(files[1])]
    for words in ("is silent", "is too short", "ffmpeg -i", "none.wav"):
        assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("seconds", [0.2, 60, 69.9, 70, 75, 131, 200])
def test_long_recordings_are_heard_in_the_parts_of_the_package(seconds):
    """And silent parts are passed over."""
    waveform = np.sin(np.arange(round(seconds * 16_000))).astype(np.float32)
    waveform[61 * 16_000 : 121 * 16_000] = 0
    expected = [s.waveform for s in parts_of_waveform(waveform) if s.waveform is not None]
    found = list(program.parts_of(waveform, 16_000))
    assert [len(part) for part in found] == [len(part) for part in expected]
    for part, of_package in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, of_package)


def test_a_long_recording_is_the_mean_of_its_parts(monkeypatch):
    model = object.__new__(program.Model)
    model.config = {"reads": "waveform", "rate": 16_000}
    said = {60 * 16_000: [0.2, 0.8], 20 * 16_000: [0.6, 0.4]}
    monkeypatch.setattr(
        program.Model, "values", lambda self, parts: np.array([said[len(p)] for p in parts])
    )
    found = model.of(np.ones(80 * 16_000, np.float32))
    np.testing.assert_allclose(found, [0.3, 0.7])


@pytest.mark.corpora
@pytest.mark.parametrize("without", [(), ("scipy", "scipy.fft", "soxr", "torch")])
def test_real_clips_alone(starter, corpora_root, without):
    files = sorted((corpora_root / "emodb" / "audio").glob("*.flac"))[::60]
    rows, _ = alone(starter, *files, without=without)
    check_same(rows, "starter", files)


def test_a_network_on_frames_runs_alone(tmp_path):
    task = Intensities()
    made = folder.export(gru(task), tmp_path / "gru")
    assert made.parity.n_random == 3
    assert json.loads((made.folder / "config.json").read_text())["inputs"] == ["frames", "lengths"]
    files = [write_voice(tmp_path / "one.wav", 150, 1.0)]
    rows, _ = alone(made.folder, *files)
    check_same(rows, gru(task), files)


def test_amounts_on_a_scale_that_nobody_tells(tmp_path):
    """They are no part of a scale, and are shown as they are."""
    model = gru(Dimensions(("arousal", "valence")))
    made = folder.export(model, tmp_path / "made")
    assert json.loads((made.folder / "config.json").read_text())["scale"] == [None, None]
    files = [write_voice(tmp_path / "one.wav", 150, 1.0)]
    rows, _ = alone(made.folder, *files)
    check_same(rows, model, files)


def compiled(waveform):
    """Frames of an extractor that no NumPy here repeats."""
    frames = np.outer(np.abs(waveform[::160]), [1.0, 2.0, 0.5, 3.0]).astype(np.float32)
    frames[0, 2] = np.nan
    return frames


@pytest.mark.parametrize("block", ["descriptors", "mean_sd"])
def test_frames_of_elsewhere(tmp_path, monkeypatch, block):
    """A table of them as ``extract --csv`` prints it, or an array."""
    names = ("a", "b", "voiced", "log_f0")
    monkeypatch.setitem(EXTRACTORS, "compiled", Extractor(compiled, names, 1))
    rng = np.random.default_rng(0)
    n_values = 32 if block == "descriptors" else 8
    head = load("starter").fitted.head
    head = replace(
        head,
        **{name: rng.normal(size=n_values) for name in ("mean", "emphasis")},
        sd=rng.uniform(0.5, 2, n_values),
        weight=rng.normal(size=(3, n_values)),
        bias=np.zeros(3),
    )
    inputs = Inputs.of(extractors.parse("compiled"), Normaliser(np.zeros(4), np.ones(4)))
    fitted = OnVectors(View((block,)), head)
    model = Recogniser(inputs, EncoderConfig(stride=1), Classes(EMOTIONS), "linear", fitted)
    clip = audio.from_array(voice(100, 0.5), 16_000)
    made = folder.export(model, tmp_path / "made", clips=[clip])
    assert made.reads == graphs.FRAMES
    assert made.parity.n_clips == 1
    frames = compiled(clip)
    np.save(tmp_path / "frames.npy", frames)
    with (tmp_path / "frames.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time_s", *reversed(names)])
        table.writerows([i / 100, *row[::-1]] for i, row in enumerate(frames.tolist()))
    (tmp_path / "other.csv").write_text("time_s,a\n0,1\n")
    rows, said = alone(
        made.folder,
        *(tmp_path / f"{n}" for n in ("frames.npy", "frames.csv", "other.csv")),
        status=1,
    )
    for row in rows:
        for name, value in zip(EMOTIONS, model.predict(frames), strict=True):
            assert float(row[f"p_{name}"]) == pytest.approx(float(value), abs=1e-4)
    assert len(rows) == 2
    assert "has no columns b" in said


def test_the_folder_tells_what_it_holds(starter):
    config = json.loads((starter / "config.json").read_text())
    held = {p.relative_to(starter).as_posix() for p in starter.rglob("*") if p.is_file()}
    assert held == {*config["files"], "config.json"}
    for name, digest in config["files"].items():
        assert hashlib.sha256((starter / name).read_bytes()).hexdigest() == digest
    assert config["parity"]["largest"] < 1e-4
    assert config["inputs"] == ["vectors"]
    for path in starter.rglob("*.py"):
        assert "import undertone" not in path.read_text()
        assert "from undertone" not in path.read_text()


# --- whether it is the same


def test_the_check_hears_fifty_random_lengths(monkeypatch):
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    seconds = parity._durations(rng, graphs.WAVEFORM)
    assert len(set(seconds)) == len(seconds) == 50
    assert min(seconds) == parity.FEW_FRAMES_S
    assert min(parity._durations(rng, graphs.LOG_MEL)) == audio.MIN_DURATION_S
    assert max(seconds) * 50 > 1000, "an encoder hears one in pieces"
    assert parity.TOLERANCE == 1e-4


def test_a_graph_whose_gru_resets_too_early_is_refused(tmp_path, monkeypatch):
    """The fault of pytorch#189225: the reset gate before the product, every shape as it should."""
    assert folder.export(gru(), tmp_path / "right").parity.largest < 1e-5
    monkeypatch.setattr(of_frames, "BEFORE_RESET", 0)
    with pytest.raises(UndertoneError, match=r"graph and the package differ by 0\.\d+ on 3 rec"):
        folder.export(gru(), tmp_path / "new" / "wrong")
    assert [path.name for path in tmp_path.iterdir()] == ["right"]


def test_a_graph_that_hears_padding_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(of_frames.Frames, "silenced", lambda self: self)
    with pytest.raises(UndertoneError, match="in a batch and the same alone differ"):
        folder.export(gru(), tmp_path / "wrong")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_needs_undertone_is_refused(tmp_path, monkeypatch):
    text = folder.carried.run()
    monkeypatch.setattr(folder.carried, "run", lambda: f"import undertone\n{text}")
    with pytest.raises(UndertoneError, match="does not run without Undertone"):
        folder.export("starter", tmp_path / "wrong")
    assert not list(tmp_path.iterdir())


def test_amounts_are_compared_by_their_range(tmp_path, monkeypatch):
    """Of amounts from 0 to 3 three times as much is allowed as of a probability, and no more."""
    found = parity.Heard([np.zeros((4, 5))], np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]), 1)
    for error, largest in ((2.7e-4, 0.9e-4), (3.3e-4, 1.1e-4)):
        said = found.expected + error
        monkeypatch.setattr(parity, "_as_stranger", lambda *_, said=said: (said, said))
        assert parity.measure(tmp_path, gru(Intensities()), found).largest == pytest.approx(largest)
    nobody_knows = gru(Dimensions(("arousal", "valence")))
    amounts = replace(found, expected=np.array([[1.0, 3.0], [2.0, 1.0]]))
    said = amounts.expected + 2.4e-4
    monkeypatch.setattr(parity, "_as_stranger", lambda *_: (said, said))
    found_here = parity.measure(tmp_path, nobody_knows, amounts).largest
    assert found_here == pytest.approx(1.2e-4), "of the range of the answers"
    none = found.expected * np.nan
    monkeypatch.setattr(parity, "_as_stranger", lambda *_: (none, none))
    assert parity.measure(tmp_path, gru(Intensities()), found).largest == np.inf
    with pytest.raises(UndertoneError, match="differ by inf"):
        parity.check(tmp_path, gru(Intensities()), found)


# --- its place


def test_what_is_there_is_left_as_it_is(tmp_path):
    for name, content in (("notes", "mine"), ("config.json", '{"kind": "recogniser"}')):
        place = tmp_path / f"of {name}"
        place.mkdir()
        (place / name).write_text(content)
        with pytest.raises(UndertoneError, match="no exported model, so it is left as it is"):
            folder.export("starter", place)
        assert (place / name).read_text() == content
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UndertoneError, match="choose another --onnx"):
        folder.export("starter", tmp_path / "file")
    with pytest.raises(UndertoneError, match="choose another --onnx"):
        folder.export("starter", tmp_path / "file" / "below")


def test_an_exported_model_is_replaced_or_kept(tmp_path, monkeypatch):
    place = tmp_path / "made"
    folder.export("starter", place)
    (place / "old").write_text("")
    before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
    monkeypatch.setattr(of_frames, "BEFORE_RESET", 0)
    with pytest.raises(UndertoneError, match="differ"):
        folder.export(gru(), place)
    assert {p: p.read_bytes() for p in place.rglob("*") if p.is_file()} == before
    monkeypatch.setattr(of_frames, "BEFORE_RESET", 1)
    folder.export(gru(), place)
    assert json.loads((place / "config.json").read_text())["system"] == "scratch"
    assert not (place / "old").exists()
    assert list(tmp_path.iterdir()) == [place]


def test_behind_a_link_what_it_leads_to_is_replaced(tmp_path):
    folder.export("starter", tmp_path / "made")
    (tmp_path / "link").symlink_to(tmp_path / "made")
    (tmp_path / "made" / "old").write_text("")
    folder.export("starter", tmp_path / "link")
    assert not (tmp_path / "made" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "made"]


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    write = Path.write_text

    def fill_up(self, text, **options):
        if self.name == "README.md":
            raise OSError(28, "No space left on device")
        return write(self, text, **options)

    monkeypatch.setattr(Path, "write_text", fill_up)
    with pytest.raises(UndertoneError, match="the disk is full"):
        folder.export("starter", tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


# --- the command


def test_the_command_prints_what_was_found(tmp_path):
    clips = tmp_path / "clips"
    write_voice(clips / "deep" / "one.wav", 120, 0.8)
    (clips / "damaged.wav").write_bytes(b"RIFF")
    done = run("export", "starter", "--onnx", tmp_path / "out", "--clips", clips, "--quiet")
    assert "3 recordings of random length and 1 real clips" in done.stdout
    assert f"exported to {tmp_path / 'out'}" in done.stdout
    assert "1 clips cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--int8",), "name a labelled corpus with --corpus NAME=PATH"),
        (("--int8", "--corpus", "x=y"), "this model reads log_mel: leave --int8 out"),
        (("--clips", "none.wav"), "no clip can be used"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, options, said):
    done = run("export", "starter", "--onnx", tmp_path / "out", "--quiet", *options, code=2)
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run("export", "starter", "--onnx", tmp_path / "out", "--quiet", code=2)
    assert "pip install 'undertone-ser[onnx]'" in done.stderr


# --- kinds of models


def test_an_adapted_model(tmp_path):
    recogniser = load("starter")
    rng = np.random.default_rng(0)
    n = len(recogniser.fitted.head.mean)
    vectors = recogniser.fitted.head.mean + rng.normal(size=(4, n))
    adapted = adapt_to(recogniser, vectors, "Ann*e")
    made = folder.export(adapted, tmp_path / "adapted")
    assert json.loads((made.folder / "config.json").read_text())["voice"] == "Ann*e"
    assert r"the voice of Ann\*e alone" in (made.folder / "README.md").read_text()
    files = [write_voice(tmp_path / "one.wav", 150, 1.0)]
    rows, _ = alone(made.folder, *files)
    check_same(rows, adapted, files)
    (of_adapted,), (before,) = predict(adapted, files), predict("starter", files)
    assert of_adapted.values != before.values


def test_a_convolutional_network_on_long_and_short(tmp_path):
    torch.manual_seed(0)
    settings, task = CnnConfig(channels=8, blocks=3, segment_s=0.4), Classes(EMOTIONS)
    network = Cnn(len(COLUMNS), 3, settings)
    for block in network.blocks:  # statistics that are not those of a fresh network
        torch.nn.init.uniform_(block.normalisation.running_mean, -1, 1)
        torch.nn.init.uniform_(block.normalisation.running_var, 0.3, 3)
    fitted = OnSegments(View(), network.eval(), task, normaliser(4), 100.0, settings)
    inputs = Inputs.of(extractors.parse("log_mel"), normaliser(4))
    model = Recogniser(inputs, EncoderConfig(stride=4), task, "cnn", fitted)
    assert folder.export(model, tmp_path / "cnn").parity.largest < 1e-5


def test_a_constant(tmp_path):
    fitted = OnVectors(View(), Constant(np.array([0.5, 0.3, 0.2])))
    inputs = Inputs.of(extractors.parse("log_mel"), normaliser(1))
    model = Recogniser(inputs, EncoderConfig(stride=1), Classes(EMOTIONS), "constant", fitted)
    assert folder.export(model, tmp_path / "constant").parity.largest == 0


# --- parts


@pytest.mark.parametrize("n", [8, 801, 1352])
def test_numpys_transforms_are_scipys(rng, n):
    x = rng.normal(size=(3, n))
    size = numpy_fft.next_fast_len(n, real=True)
    assert size == scipy.fft.next_fast_len(n, real=True)
    for ours, theirs in (
        (numpy_fft.rfft(x, size), scipy.fft.rfft(x, size)),
        (numpy_fft.irfft(numpy_fft.rfft(x), n), x),
        (numpy_fft.dct(x, type=1, overwrite_x=True), scipy.fft.dct(x, type=1)),
        (numpy_fft.dct(x, axis=1, norm="ortho"), scipy.fft.dct(x, norm="ortho")),
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_clips_are_spread_and_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "MOST_CLIPS", 3)
    monkeypatch.setattr(listening, "MOST_S", 0.5)
    for i in range(7):
        write_voice(tmp_path / f"{i}.wav", 100 + 10 * i, 0.4 + 0.1 * i)
    waveforms, remarks = listening.clips_named([tmp_path])
    assert [len(one) for one in waveforms] == [6400, 8000, 8000]
    assert "of 7 clips 3 were heard" in remarks[-1]
