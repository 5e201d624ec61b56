"""What an exported folder says of itself.

In:  its config.
Out: Markdown.
"""

from collections.abc import Mapping
from typing import Any

from undertone.recogniser.card import escaped
from undertone.serving.onnx.graphs import FRAMES, LOG_MEL, WAVEFORM

WHAT_IS_READ = {
    WAVEFORM: "The graph goes from the waveform on, the encoder inside.",
    LOG_MEL: "`features/` computes frames of the waveform in NumPy, as Undertone does, and the "
    "graph goes on from there.",
    FRAMES: "The graph reads frames that come from elsewhere: the extractor is compiled code, "
    "which no graph and no NumPy here repeats. `undertone extract one.wav --features NAME --csv` "
    "writes them as `run.py` reads them; a `.npy` of (n_frames, n_features) float32 will do, too.",
}
SCIPY = (
    " Where SciPy is missing NumPy computes the transforms: close, but about one recording in a "
    "thousand has another F0 in a frame or two, and so a slightly other answer."
)
ALL_IT_HEARS = (
    "It answers whatever it hears. That a recording holds no speech, too little of it, too much "
    "noise, or nothing like the training speech is told by `undertone predict` alone, and so are "
    "sets of emotions with a coverage: give it recordings of speech."
)
WAVEFORMS = "(batch, n_samples) float32, full scale 1, 16,000 Hz, anything behind each"
FRAMES_GIVEN = "(batch, n_frames, {n_columns}) float32, anything behind each"
VECTORS = "(batch, n_values) float32, the {vectors} of each"
LENGTHS = "(batch) int64, {unit} of each"
INPUTS = {"waveforms": WAVEFORMS, "frames": FRAMES_GIVEN, "vectors": VECTORS, "lengths": LENGTHS}


def text(config: Mapping[str, Any], *, has_card: bool) -> str:
    """The whole page."""
    outputs = ", ".join(map(escaped, config["outputs"]))
    parts = [
        f"# Recogniser of {outputs}, for onnxruntime\n",
        _origin(config, has_card=has_card),
        "## Use it\n",
        f"    pip install {'numpy scipy' if config['carries_features'] else 'numpy'} onnxruntime "
        "soundfile",
        f"    python run.py {'frames.csv' if config['reads'] == FRAMES else 'one.wav two.wav'}\n",
        f"Nothing of Undertone is needed.{SCIPY * config['carries_features']} In a program:\n",
        "```python",
        "from run import Model",
        "",
        "model = Model()",
        f"values = model.of({'frames' if config['reads'] == FRAMES else 'waveform'})"
        "  # in the order of model.config['outputs']",
        "```\n",
        "## What is in the graph\n",
        f"{WHAT_IS_READ[config['reads']]} Inputs of `model.onnx`:\n",
        *_inputs(config),
        "\nOutput: `values` (batch, n_outputs) float32, "
        + ("probabilities" if config["kind_of_task"] == "choice" else "amounts")
        + f". Batch and length are free. {_batches(config)}\n",
        f"{ALL_IT_HEARS}\n",
        "## Whether it is the same\n",
        _parity(config),
        *(f"\n{line}" for line in config["cost"]),
        "\n`config.json` tells the digests of all files. `run.py` and `features/` are of "
        f"Undertone {config['versions']['undertone']} (MIT licence).",
    ]
    return "\n".join(parts) + "\n"


def _origin(config: Mapping[str, Any], *, has_card: bool) -> str:
    voice = config["voice"]
    adapted = "" if voice is None else f" It is adapted to the voice of {escaped(voice)} alone."
    card = " What it was trained on, what it scores and its limits: [card](MODEL_CARD.md)."
    return (
        f"Exported from a model of the system `{escaped(config['system'])}` on "
        f"{escaped(config['features'])}.{adapted}{card * has_card}\n"
    )


def _inputs(config: Mapping[str, Any]) -> list[str]:
    words = {
        "n_columns": len(config["columns"]),
        "vectors": config["vectors"],
        "unit": "samples" if config["reads"] == WAVEFORM else "frames",
    }
    return [f"* `{name}` {INPUTS[name].format(**words)}" for name in config["inputs"]]


def _batches(config: Mapping[str, Any]) -> str:
    if config["rounding"] is None:
        return "Who else is in a batch changes no answer."
    return (
        "In 8 bits a batch moves an answer as rounding does, by "
        f"{config['rounding']['in_batches']:.2g} at most on the recordings below; one by one, as "
        "`run.py` hears them, an answer is always the same."
    )


def _parity(config: Mapping[str, Any]) -> str:
    found, rounded = config["parity"], config["rounding"]
    clips = f" and {found['n_clips']} real clips" if found["n_clips"] else ""
    said = (
        f"Before it was written it was compared with the package on {found['n_random']} recordings "
        f"of random length{clips}: the largest difference of any output is {found['largest']:.1g}, "
        f"and {found['in_batches']:.1g} between one by one and in batches; above "
        f"{found['tolerance']:g} nothing would have been written."
    )
    if rounded is None:
        return said
    return (
        f"{said} That holds before the weights of the encoder were rounded to 8 bits: the graph "
        f"here differs from the package by {rounded['largest']:.2g} at most on the same recordings."
    )
