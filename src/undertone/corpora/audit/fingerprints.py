"""The same recording again, however it was stored: resampled, recoded, quieter, cut at its ends.

In:  waveforms as ``audio`` gives them.
Out: ``Print``: 32 bits a frame of 200 ms; pairs of prints that are one recording, with the share of
     bits that differ.

Bit m of frame n is the sign of [E(n, m) - E(n, m + 1)] - [E(n - 1, m) - E(n - 1, m + 1)], E the
energy in one of 33 logarithmic bands from 300 to 2900 Hz (Haitsma and Kalker, 2002, A highly robust
audio fingerprinting system, ISMIR, eq. 1): a gain changes nothing, and coding little. Our frames
are shorter than the paper's, because utterances are. Candidates share half of the bits of some
frames at one distance in time; they are compared whole at that distance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from undertone.audio import SAMPLE_RATE

RATE = 6_000  # Hz
WINDOW, HOP = 1_200, 120  # samples at RATE: 200 and 20 ms
BAND_EDGES_HZ = 300.0 * (2900 / 300) ** (np.arange(34) / 33)
SPECTRUM_SIZE = 4_096
QUIET = 1e-5  # of the loudest frame's energy; bits of quieter frames mean nothing
MOST_DIFFERENT = 0.245  # of the bits; see docs/audit.md
LEAST_FRAMES = 25  # compared, half a second
LEAST_SHARE = 0.6  # of the shorter print that must lie beside the longer
LEAST_VOTES = 3  # frames that agree on a distance
MOST_ALIKE = 40  # frames with one key that are paired; more say nothing
BLOCK = 2_000  # frames that are transformed at once


@dataclass(frozen=True)
class Print:
    """A fingerprint.

    Attributes:
        codes: (n_frames,) 32 bits each.
        valid: (n_frames,) whether there was sound.
    """

    codes: np.ndarray
    valid: np.ndarray


@dataclass(frozen=True)
class Match:
    """Two prints of one recording.

    Attributes:
        one: name.
        other: name.
        different: share of the bits.
        shift_s: how much later the sound lies in ``one``.
    """

    one: str
    other: str
    different: float
    shift_s: float


def fingerprint(waveform: np.ndarray) -> Print:
    """The print of (n_samples,) at ``audio.SAMPLE_RATE``; empty for less than 220 ms."""
    samples = soxr.resample(waveform, SAMPLE_RATE, RATE)
    if len(samples) < WINDOW + HOP:
        return Print(np.empty(0, np.uint32), np.empty(0, bool))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    blocks = (windows[i : i + BLOCK] for i in range(0, len(windows), BLOCK))
    energy = np.concatenate([_band_energies(block) for block in blocks])
    difference = np.diff(energy, axis=1)
    bits = np.diff(difference, axis=0) < 0
    codes = np.packbits(bits, axis=1, bitorder="little").view("<u4").ravel()
    total = energy.sum(axis=1)
    return Print(codes.astype(np.uint32), total[1:] > QUIET * total.max())


def matches(prints: Mapping[str, Print]) -> list[Match]:
    """Every pair that is one recording, the likeliest first; of each pair the best distance."""
    names = [name for name, of_name in prints.items() if of_name.valid.sum() >= LEAST_FRAMES]
    best: dict[tuple[str, str], Match] = {}
    for i, j, distance in _candidates([prints[name] for name in names]):
        one, other = names[i], names[j]
        for shift in (distance - 1, distance, distance + 1):
            different = _difference(prints[one], prints[other], shift)
            before = best.get((one, other))
            if different <= MOST_DIFFERENT and (before is None or different < before.different):
                shift_s = shift * HOP / RATE
                best[one, other] = Match(one, other, different, shift_s)
    return sorted(best.values(), key=lambda match: (match.different, match.one, match.other))


def _band_energies(windows: np.ndarray) -> np.ndarray:
    """(n, 33) mean power in each band."""
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), SPECTRUM_SIZE)) ** 2
    edges = np.round(BAND_EDGES_HZ * SPECTRUM_SIZE / RATE).astype(int)
    sums = np.add.reduceat(spectrum[:, : edges[-1]], edges[:-1], axis=1)
    return sums / np.diff(edges)


def _candidates(prints: Sequence[Print]) -> Iterator[tuple[int, int, int]]:
    """(one, other, frames by which one is later) for pairs that share keys at one distance."""
    if len(prints) < 2:
        return
    owner = np.concatenate([np.full(len(p.codes), i) for i, p in enumerate(prints)])
    frame = np.concatenate([np.arange(len(p.codes)) for p in prints])
    codes = np.concatenate([p.codes for p in prints])
    kept = np.concatenate([p.valid for p in prints])
    owner, frame, codes = owner[kept], frame[kept], codes[kept]
    n_bits = int(np.clip(np.log2(max(len(codes), 2) / 4), 16, 24))
    pairs = [_pairs(codes >> shift, n_bits, owner, frame) for shift in (0, 32 - n_bits)]
    votes, counts = np.unique(np.concatenate(pairs), axis=0, return_counts=True)
    yield from map(tuple, votes[counts >= LEAST_VOTES].tolist())


def _pairs(codes: np.ndarray, n_bits: int, owner: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """(n_pairs, 3) owners, the first the smaller, and distance of frames with equal keys."""
    keys = codes & np.uint32((1 << n_bits) - 1)
    order = np.argsort(keys, kind="stable")
    keys, owner, frame = keys[order], owner[order], frame[order]
    found = [np.empty((0, 3), dtype=np.int64)]
    for step in range(1, MOST_ALIKE):
        alike = np.flatnonzero((keys[:-step] == keys[step:]) & (owner[:-step] != owner[step:]))
        if not (keys[:-step] == keys[step:]).any():
            break
        i, j = owner[alike], owner[alike + step]
        distance = frame[alike] - frame[alike + step]
        found.append(
            np.stack([np.minimum(i, j), np.maximum(i, j), np.where(i < j, 1, -1) * distance], 1)
        )
    return np.concatenate(found)


def _difference(one: Print, other: Print, shift: int) -> float:
    """Share of the bits that differ where frame n of one lies on frame n - shift of the other."""
    a, b = max(0, shift), max(0, -shift)
    n = min(len(one.codes) - a, len(other.codes) - b)
    if n < LEAST_FRAMES or n < LEAST_SHARE * min(len(one.codes), len(other.codes)):
        return 1.0
    both = one.valid[a : a + n] & other.valid[b : b + n]
    if both.sum() < LEAST_FRAMES:
        return 1.0
    differing = (one.codes[a : a + n] ^ other.codes[b : b + n])[both]
    return float(np.unpackbits(differing.view(np.uint8)).mean())
