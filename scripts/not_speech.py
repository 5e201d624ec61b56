"""Sounds that nobody speaks, made of sines, noise and pulses: what a check for speech must refuse.

Out: two banks by name, each (n_samples,) at 16 kHz. The bounds of ``features.spoken`` were set on
     sounds such as ``known()``; ``strange()`` was made afterwards and changed none of them.
"""

from collections.abc import Callable

import numpy as np

RATE = 16_000
Sound = np.ndarray
Note = Callable[[float, float], Sound]
SCALE, LEAPS = (0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5), (5, -3, 8, 0, 11, 2, -5, 7, 1, 9, 4, -1)
DIGITS = ((697, 1209), (697, 1336), (697, 1477), (770, 1209), (770, 1336), (941, 1336))


def known() -> dict[str, Sound]:
    """Tones, tunes, noises, clicks and machines."""
    rng = np.random.default_rng(0)
    bank = {f"sine {hz} Hz": sine(hz, 3) for hz in (50, 100, 220, 440, 1000, 3000)}
    bank |= {f"saw {hz} Hz": saw(hz, 3) for hz in (110, 220, 440)}
    bank["sine, 90 s"] = sine(440, 90)
    bank["hum"] = sum(sine(50 * k, 3) / k for k in (1, 2, 3, 5))
    bank |= {f"noise, tilt {t}": noise(3, t, rng) for t in (0.0, 0.5, 1.0)}
    for hz in (1, 4, 8):
        bank[f"noise at {hz} Hz"] = swelling(noise(3, 0.5, rng), hz)
        bank[f"saw at {hz} Hz"] = swelling(saw(150, 3), hz)
    bank["dialled"] = np.concatenate([_dialled(*pair) for pair in DIGITS])
    for name, note in {"sine": sine, "saw": saw, "piano": piano, "string": plucked}.items():
        for hz in (110, 220, 330):
            bank[f"scale, {name} {hz}"] = melody(note, hz, SCALE, 0.25)
            bank[f"tune, {name} {hz}"] = melody(note, hz, LEAPS, 0.18, gap_s=0.05)
    for hz in (110, 220):
        chord = [melody(saw, hz * r, LEAPS[:6], 0.5) for r in (1, 1.26, 1.5)]
        bank[f"chords {hz}"] = sum(chord)
    bank["drums"] = drums(3, rng)
    bank["siren"] = gliding(sine_of, 700, by=0.6, at_hz=0.5, lasts_s=3)
    bank["siren, rich"] = gliding(saw_of, 200, by=0.6, at_hz=0.7, lasts_s=3)
    bank["vibrato, rich"] = gliding(saw_of, 220, by=0.05, at_hz=5, lasts_s=3)
    for n in (5, 50, 500):
        clicks = np.zeros(3 * RATE)
        clicks[rng.integers(0, len(clicks), n)] = 0.9
        bank[f"{n} clicks"] = clicks
    bank["engine"] = gliding(saw_of, 90, by=0.1, at_hz=0.8, lasts_s=3) + noise(3, 0.5, rng)
    bank["wind"] = swelling(noise(3, 1.0, rng), 0.4)
    return bank


def strange() -> dict[str, Sound]:
    """Instruments that glide, bells, modems, motors, waves."""
    rng = np.random.default_rng(1)
    bank: dict[str, Sound] = {}
    for hz in (196, 294, 440):
        bank[f"violin {hz}"] = _bowed(hz, rng)
        bank[f"flute {hz}"] = melody(sine, hz, LEAPS, 0.3) + 0.05 * noise(3.6, 0.3, rng)
        bank[f"theremin {hz}"] = _portamento(sine_of, hz)
        bank[f"synthesiser {hz}"] = _portamento(saw_of, hz / 2)
        bank[f"bells {hz}"] = melody(_bell, hz, LEAPS, 0.4)
        bank[f"brass {hz}"] = melody(_brass, hz, SCALE, 0.35)
    bass = melody(saw, 55, LEAPS, 0.25, gap_s=0.09)[: 4 * RATE]
    bank["drums and bass"] = drums(4, rng) + 0.5 * np.pad(bass, (0, 4 * RATE - len(bass)))
    bank["morse"] = np.concatenate([_beep(d) for d in rng.choice([0.06, 0.18], 16)])
    modem = rng.choice([1070, 1270, 2025, 2225], 300)
    bank["modem"] = 0.3 * np.sin(2 * np.pi * np.cumsum(np.repeat(modem, 160)) / RATE)
    bank["rain"] = _rain(rng)
    bank["waves"] = swelling(noise(6, 0.4, rng), 0.3)
    bank["train"] = swelling(noise(4, 0.8, rng), 3) + 0.2 * swelling(noise(4, 0.0, rng), 6)
    t = time(4)
    rev = saw_of(2 * np.pi * np.cumsum(60 + 80 * np.abs(np.sin(2 * np.pi * 0.4 * t))) / RATE)
    bank["motor revving"] = rev + noise(4, 0.5, rng)
    bank["vacuum cleaner"] = 0.1 * saw(230, 4) + noise(4, 0.3, rng)
    bank["alarm clock"] = np.concatenate([_beep(0.08, 2000) for _ in range(16)])
    bank["crackle"] = noise(3, 0.5, rng) * (rng.random(3 * RATE) < 0.002) * 5
    bank["whistling"] = _portamento(sine_of, 1200)
    return bank


def time(lasts_s: float) -> np.ndarray:
    return np.arange(round(lasts_s * RATE)) / RATE


def sine(hz: float, lasts_s: float) -> Sound:
    return sine_of(2 * np.pi * hz * time(lasts_s))


def saw(hz: float, lasts_s: float) -> Sound:
    k = np.arange(1, int(7000 / hz) + 1)[:, None]
    return 0.2 * (np.sin(2 * np.pi * hz * k * time(lasts_s)) / k).sum(axis=0)


def sine_of(phase: np.ndarray) -> Sound:
    return 0.3 * np.sin(phase)


def saw_of(phase: np.ndarray) -> Sound:
    return 0.2 * sum(np.sin(k * phase) / k for k in range(1, 20))


def piano(hz: float, lasts_s: float) -> Sound:
    t = time(lasts_s)
    return 0.3 * sum(np.exp(-t * (3 + k)) * np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 8))


def plucked(hz: float, lasts_s: float) -> Sound:
    """Karplus and Strong's string."""
    ring = np.random.default_rng(int(hz)).uniform(-1, 1, int(RATE / hz))
    n_periods = int(lasts_s * hz) + 1
    periods = []
    for _ in range(n_periods):
        periods.append(ring)
        ring = 0.498 * (ring + np.roll(ring, -1))
    return 0.3 * np.concatenate(periods)[: round(lasts_s * RATE)]


def noise(lasts_s: float, tilt: float, rng: np.random.Generator) -> Sound:
    """Power falls as f^-(2 tilt)."""
    n = round(lasts_s * RATE)
    hz = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 50)
    x = np.fft.irfft(np.fft.rfft(rng.normal(size=n)) / hz**tilt, n)
    return 0.2 * x / np.abs(x).max()


def swelling(sound: Sound, hz: float) -> Sound:
    return sound * (0.5 + 0.5 * np.sin(2 * np.pi * hz * np.arange(len(sound)) / RATE))


def gliding(
    of: Callable[[np.ndarray], Sound], hz: float, *, by: float, at_hz: float, lasts_s: float
) -> Sound:
    f0_hz = hz * (1 + by * np.sin(2 * np.pi * at_hz * time(lasts_s)))
    return of(2 * np.pi * np.cumsum(f0_hz) / RATE)


def melody(
    note: Note, hz: float, steps: tuple[int, ...], lasts_s: float, *, gap_s: float = 0.0
) -> Sound:
    parts = []
    for step in steps:
        sound = note(hz * 2 ** (step / 12), lasts_s)
        rise = np.minimum(1, np.arange(len(sound)) / 160)
        parts += [
            sound * rise * np.minimum(1, rise[::-1] * 0.2 + rise[::-1]),
            np.zeros(int(gap_s * RATE)),
        ]
    return np.concatenate(parts)


def drums(lasts_s: float, rng: np.random.Generator) -> Sound:
    sound, t = np.zeros(round(lasts_s * RATE)), time(0.2)
    for i, begin in enumerate(np.arange(0, lasts_s - 0.3, 0.25)):
        kick = np.exp(-20 * t) * np.sin(90 * np.pi * 2 * t * np.exp(-3 * t)) * 0.6
        hit = np.exp(-30 * t) * rng.normal(size=len(t)) * 0.3 if i % 2 else kick
        sound[int(begin * RATE) :][: len(t)] += hit
    return sound


def _dialled(low_hz: float, high_hz: float) -> Sound:
    return np.concatenate([sine(low_hz, 0.1) + sine(high_hz, 0.1), np.zeros(RATE // 10)])


def _beep(lasts_s: float, hz: float = 700) -> Sound:
    return np.concatenate([sine(hz, lasts_s), np.zeros(round(0.06 * RATE))])


def _bowed(hz: float, rng: np.random.Generator) -> Sound:
    steps = np.repeat(hz * 2 ** (np.array(LEAPS) / 12), int(0.3 * RATE))
    t = np.arange(len(steps)) / RATE
    phase = 2 * np.pi * np.cumsum(steps * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * t))) / RATE
    return saw_of(phase) + 0.02 * noise(len(t) / RATE, 0.0, rng)


def _portamento(of: Callable[[np.ndarray], Sound], hz: float) -> Sound:
    """A tune whose notes run into each other."""
    steps = np.repeat(np.array(LEAPS, float), int(0.3 * RATE))
    smooth = (
        np.convolve(steps, np.hanning(int(0.15 * RATE)), "same")
        / np.hanning(int(0.15 * RATE)).sum()
    )
    return of(2 * np.pi * np.cumsum(hz * 2 ** (smooth / 12)) / RATE)


def _bell(hz: float, lasts_s: float) -> Sound:
    t = time(lasts_s)
    partials = (
        (0.56, 1),
        (0.92, 0.7),
        (1.19, 1),
        (1.71, 0.6),
        (2.0, 0.8),
        (2.74, 0.4),
        (3.76, 0.3),
    )
    return 0.2 * sum(a * np.exp(-4 * r * t) * np.sin(2 * np.pi * hz * r * t) for r, a in partials)


def _brass(hz: float, lasts_s: float) -> Sound:
    """Overtones come with the loudness."""
    t = time(lasts_s)
    swell = np.sin(np.pi * t / lasts_s)
    return 0.2 * sum(swell ** (k / 2) * np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 16))


def _rain(rng: np.random.Generator) -> Sound:
    drops = np.zeros(3 * RATE)
    drops[rng.integers(0, len(drops), 3000)] = rng.normal(size=3000)
    t = np.arange(80) / RATE
    return 0.1 * np.convolve(drops, np.exp(-1500 * t) * np.sin(2 * np.pi * 3000 * t), "same")
