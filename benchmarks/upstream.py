"""Speed of a pre-trained Whisper encoder, in seconds of audio a processor second, and its price.

The plain way is what a user of transformers writes: one clip at a time, padded to 30 seconds, eager
attention, single precision. The others differ from it by what their names say. All take turns
within every repeat; the median over repeats counts. Beside the speed: the distance of the layers
from those of the plain way, relative to their size, of the worst layer. A way that fails or takes
longer than ``PATIENCE_S`` to prepare is left out, with the reason.

With ``--probe`` the ways that the package offers are also scored: all utterances of the corpus,
mean and standard deviation over frames, a logistic regression on each layer, leave one speaker out.

    OMP_NUM_THREADS=1 python benchmarks/upstream.py --encoder FOLDER --corpus emodb=PATH

ONNX needs the extra: pip install 'undertone-ser[onnx]'.
"""

import argparse
import datetime
import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import transformers
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from undertone import audio, corpora
from undertone.features import upstream
from undertone.features.upstream import batches
from undertone.features.vectors import mean_sd

SECONDS = 60.0  # of audio, about
PATIENCE_S = 120.0
PLAIN = "plain: transformers, padded, eager"
BARE = "speech alone, SDPA, one by one"
Way = Callable[[list[np.ndarray]], list[np.ndarray]]  # clips to (n_layers, n_frames, width) each


def main() -> None:
    """Measure, print and save."""
    arguments = _arguments()
    torch.set_num_threads(1)
    corpus = corpora.open(arguments.corpus)
    paths = [corpus.root / file for file in corpus.table["file"]]
    clips = _some([audio.read(path) for path in paths])
    with tempfile.TemporaryDirectory() as scratch:
        ways, left_out = _prepare(arguments.encoder, clips, Path(scratch))
        rows = _measure(ways, clips, arguments.repeats)
    for name, row in rows.items():
        print(
            f"{name:<44}{row['seconds_a_second']:8.1f}{row['ratio']:7.1f}{row['distance']:9.4f}"
            f"{row['distance_of_speech_alone']:9.4f}"
        )
    for name, reason in left_out.items():
        print(f"{name:<44}left out: {reason}")
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, torch {torch.__version__}",
        "load": os.getloadavg()[0],
        "seconds": round(sum(map(len, clips)) / audio.SAMPLE_RATE, 1),
        "ways": rows,
        "left_out": left_out,
    }
    if arguments.probe:
        result["uar"] = _probe(arguments.encoder, corpus)
        for options, scores in result["uar"].items():
            print(f"{options or 'the default':<24}{scores}")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _some(clips: list[np.ndarray]) -> list[np.ndarray]:
    """Clips from all over the corpus, ``SECONDS`` together."""
    mean_s = np.mean([len(clip) for clip in clips]) / audio.SAMPLE_RATE
    return clips[:: max(1, round(len(clips) * mean_s / SECONDS))]


def _prepare(
    folder: Path, clips: list[np.ndarray], scratch: Path
) -> tuple[dict[str, Way], dict[str, str]]:
    """Every way that works here, and why the others do not."""
    makers: dict[str, Callable[[], Way]] = {
        PLAIN: lambda: _in_transformers(folder, "eager"),
        "the same, SDPA attention": lambda: _in_transformers(folder, "sdpa"),
        "the same, bfloat16 (+padded+bfloat16)": lambda: _ours(folder, "+padded+bfloat16"),
        "silence thinned, SDPA, one by one": lambda: _ours(folder, ""),
        "silence thinned, batches (the default)": lambda: _ours(folder, "", batch=True),
        "silence thinned, bfloat16 (+bfloat16)": lambda: _ours(folder, "+bfloat16", batch=True),
        BARE: lambda: _ours(folder, "+bare"),
        "speech alone, batches (+bare)": lambda: _ours(folder, "+bare", batch=True),
        "speech alone, +bare+bfloat16": lambda: _ours(folder, "+bare+bfloat16", batch=True),
        "speech alone, torch.compile": lambda: _compiled(folder),
        "speech alone, ONNX Runtime float32": lambda: _in_onnx(folder, scratch, int8=False),
        "speech alone, ONNX Runtime int8": lambda: _in_onnx(folder, scratch, int8=True),
    }
    ways, left_out = {}, {}
    for name, make in makers.items():
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                way = make()
                way(clips[:2])  # two lengths: a frozen time axis shows
        except Exception as error:  # whatever a compiler or an exporter throws
            left_out[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            continue
        if (took_s := time.perf_counter() - began) > PATIENCE_S:
            left_out[name] = f"took {took_s:.0f} s to prepare"
            continue
        ways[name] = way
    return ways, left_out


def _measure(ways: dict[str, Way], clips: list[np.ndarray], repeats: int) -> dict[str, Any]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, list[np.ndarray]] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.process_time()
            found[name] = way(clips)
            taken[name].append(time.process_time() - began)
    seconds = sum(map(len, clips)) / audio.SAMPLE_RATE
    plain_s = median(taken[PLAIN])
    return {
        name: {
            "seconds_a_second": round(seconds / median(times), 2),
            "ratio": round(plain_s / median(times), 2),
            "distance": round(_distance(found[name], found[PLAIN]), 5),
            "distance_of_speech_alone": round(_distance(found[name], found[BARE]), 5),
            "distance_of_vectors": [
                round(float(d), 5) for d in _distances_of_vectors(found[name], found[PLAIN])
            ],
        }
        for name, times in taken.items()
    }


def _distance(found: list[np.ndarray], plain: list[np.ndarray]) -> float:
    """Of the worst layer, over all clips."""
    errors = sum(((a - b) ** 2).sum(axis=(1, 2)) for a, b in _in_double(found, plain))
    sizes = sum((b**2).sum(axis=(1, 2)) for _, b in _in_double(found, plain))
    return float(np.sqrt(errors / sizes).max())


def _distances_of_vectors(found: list[np.ndarray], plain: list[np.ndarray]) -> np.ndarray:
    """Of each layer's mean and standard deviation over time."""
    pairs = [(mean_sd(a), mean_sd(b)) for a, b in _in_double(found, plain)]
    errors = sum(((a - b) ** 2).sum(axis=1) for a, b in pairs)
    return np.sqrt(errors / sum((b**2).sum(axis=1) for _, b in pairs))


def _in_double(
    found: list[np.ndarray], plain: list[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(a.astype(np.float64), b.astype(np.float64)) for a, b in zip(found, plain, strict=True)]


def _in_transformers(folder: Path, attention: str) -> Way:
    """What a user of transformers writes, and the frames of the clip cut out of it."""
    encoder = transformers.WhisperForAudioClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention
    ).encoder.eval()
    prepare = transformers.WhisperFeatureExtractor.from_pretrained(folder)

    @torch.inference_mode()
    def run(clips: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        for clip in clips:
            inputs = prepare(clip, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt")
            states = encoder(inputs.input_features, output_hidden_states=True).hidden_states
            found.append(torch.stack(states, dim=1)[0, :, : -(-len(clip) // 320)].numpy())
        return found

    return run


def _ours(folder: Path, options: str, *, batch: bool = False) -> Way:
    model = upstream.find(f"upstream:{folder}@all{options}")

    def run(clips: list[np.ndarray]) -> list[np.ndarray]:
        if batch:
            return batches.compute_layers(clips, model)
        return [batches.compute_layers([clip], model)[0] for clip in clips]

    return run


class _OwnLength(torch.nn.Module):
    """The encoder on one clip's columns, as ``upstream.whisper`` runs it."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        """(n_layers, n_frames, width) of (1, n_bands, 2 * n_frames + 4)."""
        module = self.module
        inputs = torch.nn.functional.gelu(module.conv1(columns))
        inputs = torch.nn.functional.gelu(module.conv2(inputs)).transpose(1, 2)[:, :-2]
        states = [inputs + module.embed_positions.weight[: inputs.shape[1]]]
        for layer in module.layers:
            states.append(layer(states[-1], None))
        states[-1] = module.layer_norm(states[-1])
        return torch.cat(states)


def _compiled(folder: Path) -> Way:
    encoder = batches.load(upstream.find(f"upstream:{folder}@all"))
    compiled = torch.compile(_OwnLength(encoder.module), dynamic=True)

    @torch.inference_mode()
    def run(clips: list[np.ndarray]) -> list[np.ndarray]:
        return [compiled(torch.from_numpy(encoder.prepare(c))[None]).numpy() for c in clips]

    return run


def _in_onnx(folder: Path, scratch: Path, *, int8: bool) -> Way:
    import onnxruntime
    from onnxruntime.quantization import quantize_dynamic

    encoder = batches.load(upstream.find(f"upstream:{folder}@all"))
    path = scratch / "encoder.onnx"
    if not path.exists():
        _export(encoder.module, path)
    if int8:
        quantize_dynamic(path, path := scratch / "int8.onnx", op_types_to_quantize=["MatMul"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(clips: list[np.ndarray]) -> list[np.ndarray]:
        return [session.run(None, {"columns": encoder.prepare(clip)[None]})[0] for clip in clips]

    return run


def _export(module: Any, path: Path) -> None:
    torch.onnx.export(
        _OwnLength(module).eval(),
        (torch.zeros(1, module.config.num_mel_bins, 204),),
        path,
        input_names=["columns"],
        dynamic_shapes={"columns": {2: 2 * torch.export.Dim("frames", min=4, max=1500)}},
        dynamo=True,
        verbose=False,
    )


def _probe(folder: Path, corpus: corpora.Corpus) -> dict[str, list[float]]:
    """UAR of a linear probe on each layer, by how the encoder is run."""
    waveforms = [audio.read(corpus.root / file) for file in corpus.table["file"]]
    emotion, speaker = (corpus.table[name].to_numpy(str) for name in ("emotion", "speaker"))
    found = {}
    for options in ("", "+bfloat16", "+bare", "+padded+bfloat16"):
        model = upstream.find(f"upstream:{folder}@all{options}")
        layers = (batches.compute_layers([w], model)[0] for w in waveforms)
        vectors = np.stack([mean_sd(of_one) for of_one in layers])
        found[options] = [_uar(vectors[:, k], emotion, speaker) for k in range(model.n_layers)]
    return found


def _uar(vectors: np.ndarray, emotion: np.ndarray, speaker: np.ndarray) -> float:
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=500))
    told = cross_val_predict(probe, vectors, emotion, groups=speaker, cv=LeaveOneGroupOut())
    return round(float(recall_score(emotion, told, average="macro")), 3)


if __name__ == "__main__":
    main()
