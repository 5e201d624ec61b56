"""`undertone listen` with a microphone that is made up."""

import io
import sys
import threading
import types

import numpy as np
import pytest
from service_fakes import ENERGY, noise, speech
from serving_fakes import EMOTIONS, RATE, listener

from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.serving import listen as listening
from undertone.serving.live import Ear

SOUND = np.concatenate([noise(1), speech(2, 110), speech(2, 260), noise(1)])
DEVICES = [
    {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 48_000.0},
    {"name": "Built-in Mic ü", "max_input_channels": 2, "default_samplerate": 16_000.0},
    {"name": "USB Mic", "max_input_channels": 1, "default_samplerate": 44_100.0},
]


class PortAudioError(Exception):
    pass


def fake(sound=SOUND, devices=DEVICES, fails=None, interrupts=False) -> types.ModuleType:
    """The package sounddevice, whose microphone hears a sound at once, and then nothing."""
    module = types.ModuleType("sounddevice")

    class RawInputStream:
        def __init__(self, *, samplerate, blocksize, device, channels, dtype, callback):
            if fails:
                raise PortAudioError(fails)
            assert (channels, dtype) == (1, "int16")
            assert module.query_devices()[device]["default_samplerate"] == samplerate
            self._say, self._size, module.closed = callback, blocksize, False

        def __enter__(self):
            threading.Thread(target=self._speak).start()
            return self

        def __exit__(self, *error):
            module.closed = True

        def _speak(self):
            for at in range(0, len(sound), self._size):
                piece = sound[at : at + self._size]
                self._say(piece.tobytes(), len(piece), None, None)

    module.RawInputStream, module.PortAudioError = RawInputStream, PortAudioError
    module.query_devices = lambda: devices
    module.default = types.SimpleNamespace(device=(1, 0))
    return module


def hear(module, **options) -> tuple[str, str]:
    out = io.StringIO()
    microphone = listening.chosen(module, None)
    told = listening.listen(listener(), microphone, ENERGY, sounddevice=module, out=out, **options)
    return out.getvalue(), told


def test_it_follows_the_voice_four_times_a_second():
    out = io.StringIO()
    session = listening._Session(listener(), "m", Ear(RATE, ENERGY), out)
    for piece in np.split(SOUND, len(SOUND) // 2000):
        session._hear(piece)
    lines = out.getvalue().splitlines()
    assert len(lines) == 24
    words = [line.split("▏ ")[1].split()[0] for line in lines]
    assert words[:4] == ["no"] * 4
    assert (words[11], words[19], words[-1]) == ("fear", "anger", "no")
    assert "24 answers" in session.told(listening.chosen(fake(), None))


def test_the_microphone_is_closed_and_nothing_stored():
    module = fake()
    lines, told = hear(module, seconds=len(SOUND) / RATE)
    assert lines
    assert "nothing was stored" in told
    assert module.closed


def test_a_row_is_a_line():
    row = {"time": 1.0, "speech": True, "emotion": "joy", "p_anger": 0.1, "p_fear": 0.2}
    line = listening.line_of({**row, "p_joy": 0.7, "note": "quiet"}, -30, EMOTIONS)
    assert "joy .70" in line
    assert line.endswith("fear .20  anger .10  (quiet)")
    unsure = listening.line_of({**row, "p_joy": 0.7, "emotion": None}, -30, EMOTIONS)
    assert "not sure .70" in unsure
    amounts = {"time": 1.0, "speech": True, "arousal": 0.5, "valence": 1.25}
    assert listening.line_of(amounts, -30, ("arousal", "valence")).endswith(
        "arousal 0.50  valence 1.25"
    )
    evil = listening.line_of({**row, "p_joy": 0.7, "note": "\x1b[31m"}, -30, EMOTIONS)
    assert "\x1b" not in evil


def test_silence_for_ever_is_told_as_such():
    lines, _ = hear(fake(np.zeros(8 * RATE, np.int16)), seconds=8)
    assert "is the microphone muted" in lines.splitlines()[-1]


def test_ctrl_c_ends_it_well(monkeypatch):
    module = fake()

    def interrupted(self, samples):
        raise KeyboardInterrupt

    monkeypatch.setattr(listening._Session, "_hear", interrupted)
    _, told = hear(module)
    assert "listened to Built-in Mic ü" in told
    assert module.closed


def test_a_microphone_that_is_unplugged_is_told(monkeypatch):
    monkeypatch.setattr(listening, "DEAD_S", 0.05)
    with pytest.raises(UndertoneError, match="it is unplugged, or another program holds it"):
        hear(fake(SOUND[:RATE]))


def test_a_microphone_that_cannot_be_opened_is_told():
    with pytest.raises(UndertoneError, match="Built-in Mic ü cannot be used: busy; close other"):
        hear(fake(fails="busy"))


def test_microphones_are_listed_and_chosen():
    module = fake()
    assert listening.microphones(module) == [
        ("1", "Built-in Mic ü (default)", "2", "16000"),
        ("2", "USB Mic", "1", "44100"),
    ]
    assert listening.chosen(module, None).number == 1
    assert listening.chosen(module, "2").name == "USB Mic"
    assert listening.chosen(module, "usb").rate == 44_100
    for wanted, expected in (("mic", "several"), ("9", "no microphone"), ("0", "no microphone")):
        with pytest.raises(UndertoneError, match=expected):
            listening.chosen(module, wanted)
    with pytest.raises(UndertoneError, match="there is no microphone"):
        listening.microphones(fake(devices=DEVICES[:1]))


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["undertone", "listen", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_command(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", fake())
    assert run(monkeypatch, "--devices") == 0
    assert "USB Mic" in capsys.readouterr().out
    assert run(monkeypatch, "--detector", "energy", "--seconds", "2") == 0
    said = capsys.readouterr()
    assert "listened to Built-in Mic ü for" in said.err
    assert " s ▕" in said.out
    assert run(monkeypatch, "--device", "nobody") == 2
    assert "--device takes the number" in capsys.readouterr().err


def test_without_the_package_or_its_library_it_says_how_to_get_them(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(monkeypatch) == 2
    assert "pip install 'undertone-ser[mic]'" in capsys.readouterr().err

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.setattr("undertone.serving.listen.needs", lambda *a, **k: None)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    assert run(monkeypatch) == 2
    assert "apt-get install libportaudio2" in capsys.readouterr().err
