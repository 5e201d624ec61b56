"""How long a person waits: for help, for an import, for the emotion in one short recording.

Each command is a fresh process; a bare interpreter and a bare ``import torch`` stand beside them as
what cannot be undercut. The model is a GRU of the default shape in a temporary folder, its
weights random: they do not change how long it takes. The ways take turns and medians count.

    python benchmarks/cli.py [--repeats 5] [--out FILE.json]
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from turns import Table, Way, save, take_turns

from undertone import audio
from undertone.features.extractors import get
from undertone.models.encoder import Encoder, EncoderConfig
from undertone.models.network import GruNetwork
from undertone.recogniser.folder import Inputs, Recogniser
from undertone.serving.predict import predict
from undertone.systems.fitted import OnSteps
from undertone.systems.view import View
from undertone.tasks import Classes
from undertone.training.normalise import unchanged

DURATION_S = 2.0
N_KEPT = 10  # times as often as a fresh process, the one that holds the model


def main() -> None:
    """Measure, print and save."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        model, clip = Path(scratch) / "model", Path(scratch) / "clip.wav"
        recogniser = make_recogniser()
        recogniser.save(model, card="# A model of random weights, for timing\n")
        soundfile.write(clip, _tone(), audio.SAMPLE_RATE)
        commands = {
            "undertone predict, one file": ["-m", "undertone", "predict", str(model), str(clip)],
            "python -c pass": ["-c", "pass"],
            "import undertone": ["-c", "import undertone"],
            "import torch": ["-c", "import torch"],
            "undertone --help": ["-m", "undertone", "--help"],
        }
        ways: dict[str, Way] = {name: partial(_start, own) for name, own in commands.items()}
        started = take_turns(ways, repeats=options.repeats, warm=options.repeats > 1)
        loaded: dict[str, Way] = {"predict": lambda: list(predict(recogniser, [clip]))}
        torch.set_num_threads(1)
        kept = take_turns(loaded, repeats=N_KEPT * options.repeats, amount=DURATION_S)
    tables = [
        Table("A fresh process", "", started),
        Table(
            "In a process that holds the model, one thread",
            "x real time, a proc. s",
            kept,
            {"recording_s": DURATION_S},
        ),
    ]
    for table in tables:
        table.show()
    save(options.out, tables)


def make_recogniser() -> Recogniser:
    """A classifier of the default shape on ``log_mel``."""
    shape, task = EncoderConfig(), Classes.among(["anger", "happiness", "neutral", "sadness"])
    extractor = get("log_mel")
    n_features = len(extractor.columns)
    inputs = Inputs(
        "log_mel",
        extractor.version,
        extractor.columns,
        unchanged(n_features, stride=shape.stride),
        extractor.frames_per_second,
    )
    encoder = Encoder(n_features, shape.hidden_units, shape.layers)
    network = GruNetwork(encoder, shape.pooling, len(task.outputs)).eval()
    return Recogniser(inputs, shape, task, "scratch", OnSteps(View(), network, task))


def _options() -> argparse.Namespace:
    today = datetime.date.today().isoformat()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    out = Path(__file__).parent / "results" / f"cli-{today}.json"
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args()


def _start(arguments: list[str]) -> float:
    """Run the interpreter; processor seconds that it used."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def _tone() -> np.ndarray:
    time_s = np.arange(round(DURATION_S * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    phase = 2 * np.pi * 120 * time_s + np.sin(6 * time_s)
    return 0.1 * np.sum([np.cos(k * phase) / k for k in range(1, 20)], axis=0)


if __name__ == "__main__":
    main()
