"""What an answer costs: an exported folder under onnxruntime, and the package, on the same clips.

Both hold the model and answer recordings one at a time on one thread, features included; one more
way answers all of them in one padded batch. They take turns within every repeat, and ratios are
package / onnxruntime. With ``--int8`` a folder of the same model in 8 bits takes its turns, too.
(The file is not called ``onnx.py``, which would stand in the way of the package of that name.)

    undertone export MODEL --onnx FOLDER
    OMP_NUM_THREADS=1 python benchmarks/exported.py --model MODEL --exported FOLDER \
        --clips RECORDINGS
"""

import argparse
import datetime
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from turns import Table, Way, save, take_turns

from undertone import audio
from undertone.serving.onnx.alone.run import Model
from undertone.serving.onnx.listening import clips_named
from undertone.serving.predict import loaded, predict

SECONDS = 60.0  # of audio, about
LONGEST_S = 15.0


def main() -> None:
    """Measure, print and save."""
    options = _options()
    torch.set_num_threads(1)
    clips = _clips(options.clips)
    model, ours = loaded(options.model), Model(options.exported, threads=1)
    sys.path.insert(0, str(options.exported))  # where its features are
    ways: dict[str, Way] = {
        "package": lambda: list(predict(model, clips, rate=audio.SAMPLE_RATE)),
        "onnxruntime": partial(_one_by_one, ours, clips),
        "onnxruntime, one batch": partial(ours.values, clips),
    }
    sizes = {"onnxruntime": options.exported}
    if options.int8:
        rounded = Model(options.int8, threads=1)
        ways["onnxruntime, int8"] = partial(_one_by_one, rounded, clips)
        sizes["onnxruntime, int8"] = options.int8
    seconds = sum(map(len, clips)) / audio.SAMPLE_RATE
    rows = take_turns(ways, repeats=options.repeats, amount=seconds)
    notes = {
        "recordings": len(clips),
        "seconds": round(seconds, 1),
        "system, features": f"{model.system}, {model.inputs.features.rpartition('/')[2]}",
        "MB": {
            name: round((folder / "model.onnx").stat().st_size / 1e6, 2)
            for name, folder in sizes.items()
        },
    }
    table = Table("Exported and in the package", "x real time, a proc. s", rows, notes)
    table.show()
    save(options.out, [table])


def _one_by_one(model: Model, clips: list[np.ndarray]) -> None:
    for clip in clips:
        model.of(clip)


def _clips(names: list[Path]) -> list[np.ndarray]:
    """Recordings of at most ``LONGEST_S``, about ``SECONDS`` of them."""
    chosen: list[np.ndarray] = []
    for clip in clips_named(names)[0]:
        if sum(map(len, chosen)) < SECONDS * audio.SAMPLE_RATE:
            chosen.append(clip[: round(LONGEST_S * audio.SAMPLE_RATE)])
    return chosen


def _options() -> argparse.Namespace:
    today = datetime.date.today().isoformat()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--exported", type=Path, required=True)
    parser.add_argument("--int8", type=Path, help="the same model, exported with --int8")
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    out = Path(__file__).parent / "results" / f"exported-{today}.json"
    parser.add_argument("--out", type=Path, default=out)
    return parser.parse_args()


if __name__ == "__main__":
    main()
