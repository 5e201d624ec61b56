import numpy as np
import pandas as pd
import pytest

from undertone import audio, synthesis
from undertone.features import f0
from undertone.features.framing import hann, peaks, windows

RATE = audio.SAMPLE_RATE
TIME_S = np.arange(RATE) / RATE


def pulses(f0_hz):
    return 0.1 * (np.diff(np.floor(TIME_S * f0_hz), prepend=0) > 0)


def harmonics(f0_hz):
    return 0.1 * sum(
        np.cos(2 * np.pi * f0_hz * k * TIME_S) / k for k in range(1, int(7500 / f0_hz))
    )


def sine(f0_hz):
    return 0.1 * np.sin(2 * np.pi * f0_hz * TIME_S)


@pytest.mark.parametrize("wave", [pulses, harmonics, sine])
def test_f0_of_a_steady_tone_is_found_within_one_percent(wave):
    for f0_hz in np.geomspace(80, 400, 24):
        found = f0.track(wave(f0_hz)).f0_hz[3:-3]
        np.testing.assert_allclose(found, f0_hz, rtol=0.01)


def test_f0_of_a_glide_is_followed():
    f0_hz = np.geomspace(100, 300, RATE)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    glide = 0.1 * sum(np.cos(k * phase) / k for k in range(1, 20))
    found = f0.track(glide).f0_hz[3:-3]
    np.testing.assert_allclose(found, f0_hz[79::160][3:-3], rtol=0.02)


@pytest.mark.parametrize("f0_hz", [80, 150, 290])
@pytest.mark.parametrize("rd", [0.6, 2.0])
def test_f0_of_a_rough_breathy_voice_is_found(f0_hz, rd):
    voice = synthesis.vowel(f0_hz=f0_hz, rd=rd, jitter=0.02, shimmer=0.04, aspiration=0.05)
    found, truth = f0.track(voice.waveform).f0_hz[5:-5], voice.f0_hz[5:-5]
    assert np.median(np.abs(found / truth - 1)) < 0.03
    assert np.abs(found / truth - 1).max() < 0.1


def test_noise_and_silence_are_unvoiced(rng):
    noise = 0.1 * rng.normal(size=10 * RATE)
    assert f0.track(noise).voiced.mean() < 0.01
    quiet = f0.track(np.append(sine(150), np.zeros(RATE)))
    assert quiet.voiced[5:95].all()
    assert not quiet.voiced[105:].any()
    assert (quiet.voicing[105:] == 0).all()


def test_gain_and_polarity_change_nothing():
    plain, other = f0.track(harmonics(123)), f0.track(-0.003 * harmonics(123))
    np.testing.assert_allclose(plain.f0_hz, other.f0_hz, rtol=1e-5)
    np.testing.assert_allclose(plain.voicing, other.voicing, atol=1e-5)


def test_voicing_falls_with_noise_as_the_signal_does(rng):
    noise = rng.normal(size=RATE)
    at = [f0.track(harmonics(150) + level * noise).voicing.mean() for level in (0.001, 0.05, 0.3)]
    assert at[0] > 0.99
    assert at[0] > at[1] > at[2]


def test_correlation_equals_its_equation(rng):
    config = f0.PitchConfig(band_hz=(0.0, 8000.0, 8000.1))
    width = f0.window_width(config)
    frame = np.convolve(rng.normal(size=width), np.hanning(12), "same")  # no power at 8 kHz
    ours = f0.correlate(frame[None].astype(np.float32), config)[0, ::2]
    window = hann(width).astype(float)
    for lag in (0, 1, 40, 160, 260):
        own = sum(window[i] * window[i + lag] for i in range(width - lag))
        both = frame * window
        product = sum(both[i] * both[i + lag] for i in range(width - lag))
        expected = (product / np.sum(both**2)) / (own / np.sum(window**2))
        assert ours[lag] == pytest.approx(expected, abs=2e-3)


def plain_best_path(strength, octaves, voiced, costs):
    jump, change = costs
    differs = voiced[1:, None, :] != voiced[:-1, :, None]
    distance = np.abs(octaves[1:, None, :] - octaves[:-1, :, None])
    cost = np.where(differs, change, jump * distance * voiced[1:, None, :])
    score, came_from = strength[0], []
    for i in range(len(cost)):
        total = score[:, None] - cost[i]
        came_from.append(total.argmax(axis=0))
        score = total.max(axis=0) + strength[i + 1]
    path = [score.argmax()]
    for back in reversed(came_from):
        path.append(back[path[-1]])
    return np.array(path[::-1])


@pytest.mark.parametrize("frames_a_stretch", [1, 64, 2048])
def test_path_kernel_equals_its_numpy_twin(monkeypatch, rng, frames_a_stretch):
    monkeypatch.setattr(f0, "FRAMES_A_STRETCH", frames_a_stretch)
    strength, octaves = rng.random((200, 6)), 3 * rng.random((200, 6))
    voiced = rng.random((200, 6)) < 0.7
    costs = np.array([0.35, 0.14])
    np.testing.assert_array_equal(
        f0._best_path(strength, octaves, voiced, costs),
        plain_best_path(strength, octaves, voiced, costs),
    )


def test_candidate_kernel_equals_its_numpy_twin(rng):
    correlation = np.cumsum(rng.normal(size=(50, 536)), axis=1).astype(np.float32)
    correlation /= np.abs(correlation).max(axis=1, keepdims=True) * 1.5
    f0_hz, strength = np.zeros((50, 5)), np.full((50, 5), -1e9)
    f0._pick_candidates(correlation, (64, 534), f0_hz, strength)
    for r, found_hz, found in zip(correlation.astype(float), f0_hz, strength, strict=True):
        lags = np.arange(64, 535)
        left, middle, right = r[lags - 1], r[lags], r[lags + 1]
        top = (middle > 0) & (middle > left) & (middle >= right)
        slope, bend = (right - left)[top] / 2, (2 * middle - left - right)[top]
        height = middle[top] + slope**2 / bend / 2
        best = np.argsort(height)[::-1][:4]
        order = np.argsort(-found[1:])[: len(best)] + 1
        np.testing.assert_allclose(found[order], height[best], rtol=1e-5)
        np.testing.assert_allclose(
            found_hz[order], (32_000 / (lags[top] + slope / bend))[best], 1e-5
        )


@pytest.mark.parametrize(("batch", "batches"), [(5, 3), (64, 1), (128, 8)])
def test_how_many_frames_are_taken_at_a_time_changes_nothing(monkeypatch, rng, batch, batches):
    wave = harmonics(150) + 0.01 * rng.normal(size=RATE)
    expected = f0.track(wave)
    monkeypatch.setattr(f0, "BATCH", batch)
    monkeypatch.setattr(f0, "BATCHES", batches)
    found = f0.track(wave)
    np.testing.assert_allclose(found.f0_hz, expected.f0_hz, rtol=1e-5)
    np.testing.assert_allclose(found.voicing, expected.voicing, atol=1e-5)


def test_gaps_are_filled_with_straight_lines():
    filled = f0.fill_gaps(np.array([0, 100, 0, 0, 0, 200, 0.0]))
    np.testing.assert_allclose(filled[[0, 1, 5, 6]], np.log([100, 100, 200, 200]))
    np.testing.assert_allclose(np.diff(filled[1:6]), np.log(2) / 4)


def test_without_voice_log_f0_is_the_middle_of_the_range():
    np.testing.assert_allclose(f0.fill_gaps(np.zeros(3)), np.log(np.sqrt(60 * 500)))


def test_window_has_its_centre_on_the_grid():
    ramp = np.arange(1, 1001, dtype=np.float32)
    frames = np.concatenate(list(windows(ramp, 401)))
    np.testing.assert_array_equal(frames[:, 200], ramp[79::160])
    assert frames[0, 0] == 0


@pytest.mark.parametrize("n_samples", [80, 1000, 16_000])
def test_windows_by_number_and_their_peaks_are_those_of_all_windows(rng, n_samples):
    waveform = rng.normal(size=n_samples)
    every = np.concatenate(list(windows(waveform, 801)))
    np.testing.assert_array_equal(peaks(waveform, 801), np.abs(every).max(axis=1))
    some = np.flatnonzero(rng.random(len(every)) < 0.5)
    found = list(windows(waveform, 801, 7, frames=some))
    np.testing.assert_array_equal(np.concatenate([every[:0], *found]), every[some])


def test_where_it_is_too_silent_for_a_voice_nothing_is_looked_for_and_nothing_is_missed(rng):
    """Between two voices a faint hum, which would be voiced if it were louder."""
    hum = 0.004 * sine(150)
    wave = np.concatenate([sine(150), hum, sine(200)]) + 1e-4 * rng.normal(size=3 * RATE)
    heard = np.concatenate([np.full(100, of) for of in (True, False, True)])
    whole, asked = f0.track(wave), f0.track(wave, asked=heard)
    np.testing.assert_array_equal(asked.f0_hz, whole.f0_hz)
    np.testing.assert_array_equal(asked.voicing[heard], whole.voicing[heard])
    assert (asked.voicing[110:190] == 0).all()  # nothing was looked for,
    assert (whole.voicing[110:190] > 0.9).all()  # where there was something


@pytest.mark.corpora
def test_f0_of_real_speakers_is_plausible(corpora_root):
    folder = corpora_root / "emodb"
    table = pd.read_csv(folder / "labels.csv")
    table = table[table.emotion == "neutral"].groupby("speaker").head(3)
    pitches = [f0.track(audio.read(folder / file)) for file in table.file]
    table["f0_hz"] = [np.median(p.f0_hz[p.voiced]) for p in pitches]
    table["share"] = [p.voiced.mean() for p in pitches]
    by_speaker = table.groupby(["sex", "speaker"]).f0_hz.median()
    assert by_speaker["male"].between(75, 165).all()
    assert by_speaker["female"].between(150, 280).all()
    assert table.share.between(0.3, 0.9).all()
