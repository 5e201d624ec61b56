"""Fit the creak network to posteriors of the reference, and say how well it agrees elsewhere.

Usage: python scripts/fit_creak_network.py POSTERIORS.npz AUDIO_FOLDER

POSTERIORS.npz holds a posterior every 10 ms under the path of each recording below AUDIO_FOLDER.
One speaker in five is never fitted on; the agreement is theirs. Writes ``network.safetensors`` into
the package. The original network's weights are under the GPL: neither they nor anything converted
from them takes part, only its outputs.

Speech: Berlin EmoDB (CC0) and LibriSpeech (CC BY 4.0; Panayotov et al., ICASSP 2015).
"""

import argparse
import re
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.numpy import save_file

from undertone.features.covarep.creak.inputs import compute_inputs
from undertone.features.covarep.creak.network import OWN_WEIGHTS, SHAPES, CreakNetwork
from undertone.features.covarep.polarity import detect_polarity
from undertone.features.covarep.srh import sum_harmonics

LONGEST_S = 8
HELD_OUT = 5  # one speaker in so many
SILENCE_S = 0.025  # of exact zeros, after which the reference's posterior is not to be trusted
N_HIDDEN = 64
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("posteriors", type=Path)
    parser.add_argument("audio", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    inputs, truth, speakers = read(arguments.posteriors, arguments.audio)
    names = np.unique(speakers)
    held_out = np.isin(speakers, names[::HELD_OUT])
    print(f"{len(inputs)} rows, {len(names)} speakers, {len(names[::HELD_OUT])} held out")
    fitted = [fit(inputs[~held_out], truth[~held_out], seed=seed) for seed in SEEDS]
    losses = [mean_loss(n.apply(inputs[~held_out]), truth[~held_out]) for n in fitted]
    network = fitted[int(np.argmin(losses))]
    report("fitted speakers", network.apply(inputs[~held_out]), truth[~held_out])
    report("held-out speakers", network.apply(inputs[held_out]), truth[held_out])
    save_file(
        {name: getattr(network, name).astype(np.float32) for name in SHAPES},
        OWN_WEIGHTS,
        metadata={"fitted_to": "posteriors on EmoDB (CC0) and LibriSpeech (CC BY 4.0)"},
    )


def read(posteriors: Path, audio: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (n_rows, 36) inputs, (n_rows,) posteriors and (n_rows,) speakers."""
    inputs, truth, speakers = [], [], []
    with np.load(posteriors) as stored:
        for name in stored.files:
            samples, rate = soundfile.read(audio / name, frames=LONGEST_S * 16_000)
            polarity = detect_polarity(samples, rate)
            found = compute_inputs(
                samples * polarity.sign, polarity.residual, sum_harmonics(samples, rate), rate
            )
            if found is None:
                continue
            target = stored[name]
            n = min(len(found), len(target), first_silence(samples, rate) // round(0.01 * rate))
            inputs.append(found[:n])
            truth.append(target[:n])
            speakers += [speaker_of(name)] * n
    known = np.isfinite(np.concatenate(truth))
    return np.concatenate(inputs)[known], np.concatenate(truth)[known], np.array(speakers)[known]


def first_silence(samples: np.ndarray, rate: int) -> int:
    """Sample at which the first digital silence begins."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], samples == 0, [False]])))
    starts, ends = edges[::2], edges[1::2]
    long = starts[ends - starts >= SILENCE_S * rate]
    return int(long[0]) if len(long) else len(samples)


def speaker_of(name: str) -> str:
    stem = Path(name).stem
    return "emodb-" + stem[:2] if name.startswith("emodb") else re.split("[-_]", stem)[0]


def fit(inputs: np.ndarray, truth: np.ndarray, *, seed: int) -> CreakNetwork:
    """Minimise cross-entropy to the posteriors: Adam, then a falling rate."""
    torch.manual_seed(seed)
    finite = np.where(np.isfinite(inputs), inputs, np.nan)
    lowest, highest = np.nanpercentile(finite, [0.1, 99.9], axis=0)
    highest = np.where(highest > lowest, highest, lowest + 1)  # differences of the mean F0
    network = CreakNetwork(lowest, highest, *(np.zeros(0),) * 4)
    x = torch.tensor(network.scale(inputs).clip(-3, 3), dtype=torch.float32)
    y = torch.tensor(truth, dtype=torch.float32)
    model = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], N_HIDDEN), torch.nn.Tanh(), torch.nn.Linear(N_HIDDEN, 1)
    )
    epochs, size = 120, 512
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-4)
    steps = epochs * (len(x) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for batch in order[: len(x) // size * size].view(-1, size):
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                model(x[batch])[:, 0], y[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    hidden, _, output = model
    arrays = (hidden.weight, hidden.bias, output.weight[0], output.bias)
    return CreakNetwork(lowest, highest, *(a.detach().numpy().astype(float) for a in arrays))


def mean_loss(posterior: np.ndarray, truth: np.ndarray) -> float:
    posterior = posterior.clip(1e-7, 1 - 1e-7)
    return float(-np.mean(truth * np.log(posterior) + (1 - truth) * np.log(1 - posterior)))


def report(name: str, posterior: np.ndarray, truth: np.ndarray) -> None:
    error = np.abs(posterior - truth)
    correlation = np.corrcoef(posterior, truth)[0, 1]
    creaky = np.mean((posterior > 0.3) == (truth > 0.3))
    print(
        f"{name}: {len(truth)} rows, correlation {correlation:.3f}, mean error {error.mean():.4f}, "
        f"median {np.median(error):.4f}, 95th percentile {np.percentile(error, 95):.3f}, "
        f"within 0.05 {np.mean(error < 0.05):.3f}, same side of 0.3 {creaky:.3f}"
    )


if __name__ == "__main__":
    main()
