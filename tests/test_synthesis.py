"""Laws of the LF voice: what it returns as truth is what its waveform holds."""

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid
from scipy.signal import lfilter

from undertone.audio import HOP_LENGTH, SAMPLE_RATE
from undertone.errors import UndertoneError
from undertone.synthesis import (
    PLAN_RATE,
    VOWEL_FORMANTS_HZ,
    Manner,
    lf_pulse,
    lf_shape,
    plan_phrase,
    synthesise,
    vowel,
)
from undertone.synthesis.glottis import flow_at_edges
from undertone.synthesis.voice import _resonate

RDS = (0.3, 0.5, 0.8, 1.1, 1.6, 2.2, 2.7)
FINE = 1_600_000  # Hz


@pytest.mark.parametrize("rd", RDS)
def test_shape_satisfies_the_two_implicit_equations(rd):
    shape = lf_shape(rd)
    closed = 1 - shape.te
    assert shape.epsilon * shape.ta == pytest.approx(1 - np.exp(-shape.epsilon * closed), abs=1e-12)
    assert shape.epsilon > 0
    assert abs(lf_pulse(100, rd, FINE).mean()) < 1e-6


@pytest.mark.parametrize("rd", RDS)
def test_timing_is_fants_regression_on_rd(rd):
    shape = lf_shape(rd)
    rk = shape.te / shape.tp - 1
    rg = 1 / (2 * shape.tp)
    assert rk == pytest.approx(0.224 + 0.118 * rd)
    assert shape.ta == pytest.approx(-0.01 + 0.048 * rd)
    # Fant (1995): Rd = (1 / 0.11) (0.5 + 1.2 Rk) (Rk / (4 Rg) + Ra), which inverts the regression.
    assert (0.5 + 1.2 * rk) * (rk / (4 * rg) + shape.ta) / 0.11 == pytest.approx(rd)


@pytest.mark.parametrize("rd", RDS)
def test_derivative_flow_is_minus_one_at_closure_and_flow_peaks_at_tp(rd):
    shape = lf_shape(rd)
    pulse = lf_pulse(100, rd, FINE)
    time = np.arange(len(pulse)) / len(pulse)
    assert np.interp(shape.te, time, pulse) == pytest.approx(-1, abs=2e-3)
    assert time[np.argmax(np.cumsum(pulse))] == pytest.approx(shape.tp, abs=1e-3)
    assert abs(pulse[-1]) < 1e-3


@pytest.mark.parametrize("rd", [0.3, 0.5, 0.8, 1.1, 1.6, 2.2])
def test_negative_peak_is_at_closure(rd):
    pulse = lf_pulse(100, rd, FINE)
    assert pulse.argmin() / len(pulse) == pytest.approx(lf_shape(rd).te, abs=1e-3)


def test_greater_rd_is_laxer():
    first_over_second_db, tilt_db = [], []
    for rd in np.linspace(0.3, 2.7, 13):
        harmonics_db = 20 * np.log10(np.abs(np.fft.rfft(lf_pulse(100, rd, FINE)))[1:60])
        first_over_second_db.append(harmonics_db[0] - harmonics_db[1])
        tilt_db.append(harmonics_db[0] - harmonics_db[20:60].mean())
    assert np.all(np.diff(first_over_second_db) > 0)
    assert np.all(np.diff(tilt_db) > 0)


@pytest.mark.parametrize("rd", [0.1, 0.29, 2.71, np.nan])
def test_rd_outside_the_regression_is_refused(rd):
    with pytest.raises(UndertoneError, match="Rd"):
        lf_shape(rd)


def test_flow_is_the_integral_of_the_pulse():
    start, period, rd, strength, n_samples = 7.3, 133.7, 0.9, 1.4, 160
    flow, openness, closures = flow_at_edges(np.array([[start, period, rd, strength]]), n_samples)
    pulse = lf_pulse(1, rd, 500_000)
    time = np.arange(len(pulse)) / len(pulse)
    integral = cumulative_trapezoid(pulse, time, initial=0)
    at_edges = (np.arange(n_samples + 1) - 0.5 - start) / period
    expected = strength * period * np.interp(at_edges, time, integral, left=0, right=0)
    np.testing.assert_allclose(flow, expected, atol=1e-3)
    assert closures[0] == pytest.approx(start + period * lf_shape(rd).te)
    assert openness[at_edges < 0] == pytest.approx(1)
    inside = (at_edges > 0) & (at_edges < 1)
    np.testing.assert_allclose(
        openness[inside],
        (integral / integral.max())[np.round(at_edges[inside] * len(pulse)).astype(int)],
        atol=1e-3,
    )


def test_resonators_of_fixed_formants_are_linear_filters(rng):
    noise = rng.normal(size=800)
    formants_hz, bandwidths_hz = np.array([500.0, 1500.0]), np.array([60.0, 90.0])
    expected = noise
    for formant_hz, bandwidth_hz in zip(formants_hz, bandwidths_hz, strict=True):
        pole = np.exp((-np.pi * bandwidth_hz + 2j * np.pi * formant_hz) / SAMPLE_RATE)
        denominator = np.array([1, -2 * pole.real, abs(pole) ** 2])
        expected = lfilter([denominator.sum()], denominator, expected)
    found = _resonate(noise, np.tile(formants_hz, (50, 1)), np.tile(bandwidths_hz, (50, 1)))
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("f0_hz", [73.0, 120.5, 211.0, 333.3])
def test_f0_is_what_autocorrelation_measures(f0_hz):
    voice = vowel(f0_hz=f0_hz, duration_s=0.5, aspiration=0.005)
    assert voice.f0_hz[10] == pytest.approx(f0_hz, rel=1e-9)
    stretch = voice.waveform[2000:6000].astype(float)
    correlation = np.correlate(stretch, stretch, mode="full")[len(stretch) - 1 :]
    lags = np.arange(SAMPLE_RATE // 400, SAMPLE_RATE // 60)
    lags = lags[correlation[lags] > 0.85 * correlation[lags].max()]
    lag = _peak_near(correlation, lags[correlation[lags[:10]].argmax()])
    assert SAMPLE_RATE / lag == pytest.approx(f0_hz, rel=0.01)


def _peak_near(values, index):
    """Of the parabola through three values."""
    before, here, after = values[index - 1 : index + 2]
    return index + 0.5 * (before - after) / (before - 2 * here + after)


def test_periods_are_exact_and_areas_balance():
    voice = vowel(f0_hz=117.3, duration_s=1.0)
    np.testing.assert_allclose(voice.periods_s, 1 / 117.3, rtol=1e-12)
    np.testing.assert_allclose(np.diff(voice.closure_instants), SAMPLE_RATE / 117.3, rtol=1e-9)
    assert abs(voice.derivative_flow.sum()) < 1e-9


def test_contours_are_followed():
    voice = vowel(f0_hz=np.array([100.0, 200.0]), rd=np.array([0.5, 2.0]), duration_s=1.0)
    centres = np.arange(HOP_LENGTH // 2 - 1, SAMPLE_RATE, HOP_LENGTH) / SAMPLE_RATE
    voiced = voice.voiced
    assert voiced.mean() > 0.98
    np.testing.assert_allclose(voice.f0_hz[voiced], 100 + 100 * centres[voiced], rtol=0.01)
    np.testing.assert_allclose(voice.rd[voiced], 0.5 + 1.5 * centres[voiced], atol=0.02)


@pytest.mark.parametrize("rd", [0.4, 1.0, 2.0])
def test_closure_instants_are_the_negative_peaks_of_the_source(rd):
    voice = vowel(f0_hz=101.7, rd=rd, duration_s=0.5)
    for instant in voice.closure_instants[1:-1]:
        around = np.arange(int(instant) - 40, int(instant) + 40)
        assert abs(around[voice.derivative_flow[around].argmin()] - instant) <= 1.5


def test_jitter_and_shimmer_are_as_set():
    voice = vowel(f0_hz=300, duration_s=10, jitter=0.02, shimmer=0.08)
    for values, share in ((voice.periods_s, 0.02), (voice.strengths, 0.08)):
        local = np.abs(np.diff(values)).mean() / values.mean()
        assert local == pytest.approx(share, rel=0.06)


def test_steady_voice_has_neither_jitter_nor_shimmer():
    voice = vowel(duration_s=0.5)
    assert np.ptp(voice.periods_s) < 1e-12
    assert np.ptp(voice.strengths) == 0


def test_aspiration_is_noise_stronger_in_the_open_phase():
    quiet, breathy = vowel(f0_hz=100, duration_s=4), vowel(f0_hz=100, duration_s=4, aspiration=0.1)
    np.testing.assert_array_equal(quiet.derivative_flow, breathy.derivative_flow)
    periods = breathy.waveform[160:-160].reshape(-1, 160).astype(float)
    deviation = periods.std(axis=0)
    assert deviation.min() > 10 * quiet.waveform[160:-160].reshape(-1, 160).std(axis=0).max()
    assert deviation.max() > 1.5 * deviation.min()


@pytest.mark.parametrize("name", VOWEL_FORMANTS_HZ)
def test_vowel_has_its_formants(name):
    voice = vowel(f0_hz=60, rd=0.4, duration_s=1.0, name=name)
    spectrum = np.abs(np.fft.rfft(voice.waveform)) ** 2
    envelope = np.convolve(spectrum, np.hanning(181), mode="same")  # over three harmonics
    first_hz, second_hz, _ = VOWEL_FORMANTS_HZ[name]
    between = round((first_hz + second_hz) / 2)
    assert abs(envelope[150:between].argmax() + 150 - first_hz) < 70
    around = slice(round(second_hz) - 150, round(second_hz) + 150)
    valley = envelope[between : round(second_hz) + 1].min()
    assert envelope[around].max() > valley


def test_same_seed_same_samples_other_seed_other_samples():
    first, again, other = (vowel(aspiration=0.02, jitter=0.01, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.waveform, again.waveform)
    assert not np.array_equal(first.waveform, other.waveform)


def test_phrase_has_syllables_and_unvoiced_stretches():
    plan = plan_phrase(Manner(), np.random.default_rng(3), n_syllables=8)
    voice = synthesise(plan)
    assert len(voice.waveform) == len(plan.f0_hz) * SAMPLE_RATE // PLAN_RATE
    assert len(voice.f0_hz) == len(range(HOP_LENGTH // 2 - 1, len(voice.waveform), HOP_LENGTH))
    assert 0.4 < voice.voiced.mean() < 0.95
    assert np.array_equal(np.isnan(voice.f0_hz), ~voice.voiced)
    assert np.array_equal(np.isnan(voice.rd), ~voice.voiced)
    assert np.abs(voice.waveform).max() == pytest.approx(0.5)
    assert np.all(np.diff(voice.closure_instants) > 0)


def test_tempo_and_range_are_heard():
    slow, fast = (
        plan_phrase(Manner(syllables_per_s=rate), np.random.default_rng(0)) for rate in (3.5, 6.0)
    )
    assert len(slow.f0_hz) > 1.3 * len(fast.f0_hz)
    flat, lively = (
        plan_phrase(Manner(f0_range_st=range_st), np.random.default_rng(0)) for range_st in (1, 8)
    )
    assert lively.f0_hz.std() > 2 * flat.f0_hz.std()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"f0_hz": 20.0}, "F0"),
        ({"f0_hz": np.array([100.0, np.nan])}, "F0"),
        ({"rd": 3.0}, "Rd"),
        ({"jitter": 0.5}, "jitter"),
        ({"shimmer": -0.1}, "shimmer"),
        ({"duration_s": 0.01}, "0.1 s"),
        ({"name": "x"}, "no vowel"),
    ],
)
def test_impossible_voices_are_refused(settings, reason):
    with pytest.raises(UndertoneError, match=reason):
        vowel(**settings)
