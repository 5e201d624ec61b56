"""Compiled leaves and matrix forms of the COVAREP columns against the plain equation."""

import numpy as np
import pytest
from scipy import linalg, ndimage, optimize, signal

from undertone.features.covarep import (
    envelope,
    folding,
    hmpd,
    iaif,
    kernels,
    lf_model,
    matlab,
    peak_slope,
    pulse,
    rd,
    sinusoids,
    srh,
    tilt,
    warped_cepstrum,
    wavelets,
    zoom,
)
from undertone.features.covarep.creak import frames, resonators


def test_prediction_solves_the_normal_equations(rng):
    frame = rng.normal(size=200)
    lags = np.array([frame[: 200 - k] @ frame[k:] for k in range(13)])
    expected = np.concatenate([[1], -linalg.solve_toeplitz(lags[:12], lags[1:])])
    np.testing.assert_allclose(kernels.predict_linearly(frame, 12), expected, rtol=1e-8)


def test_prediction_of_silence_is_unknown():
    assert np.isnan(kernels.predict_linearly(np.zeros(50), 4)[1:]).all()


def test_fir_filter_starts_from_rest(rng):
    taps, frame, out = rng.normal(size=7), rng.normal(size=60), np.empty(60)
    kernels.filter_fir(taps, frame, out)
    np.testing.assert_allclose(out, signal.lfilter(taps, [1], frame), atol=1e-12)


@pytest.mark.parametrize("n", [20, 151, 400, 1000])
def test_centred_filter_compensates_its_delay(rng, n):
    taps, frame, out = rng.normal(size=301), rng.normal(size=n), np.empty(n)
    iaif._filter_centred(frame, taps, out)
    expected = np.convolve(frame, taps)[150 : 150 + n]
    np.testing.assert_allclose(out, expected, atol=1e-10)


def test_halves_round_away_from_zero():
    np.testing.assert_array_equal(matlab.round_half_away(np.array([0.5, -0.5, 2.5])), [1, -1, 3])
    assert [matlab.round_int(v) for v in (0.5, -0.5, 2.5, -2.4)] == [1, -1, 3, -2]


def test_plateaus_are_found_at_their_first_sample():
    np.testing.assert_array_equal(matlab.local_maxima(np.array([3, 1, 2, 2, 1, 5, 0, 9])), [2, 5])
    silent = np.array([-np.inf, -np.inf, 1, 0, -np.inf, -np.inf, 2, 1])
    np.testing.assert_array_equal(matlab.local_maxima(silent), [2, 6])
    np.testing.assert_array_equal(tilt.peak_bins(np.array([3.0, 1, 2, 2, 2, 1, 5, 5, 0])), [3, 6])


def test_interpolation_is_unknown_outside_its_nodes():
    found = matlab.interpolate(np.array([1, 3]), np.array([2.0, 4.0]), np.array([0, 1, 2, 3, 4]))
    np.testing.assert_array_equal(found, [np.nan, 2, 3, 4, np.nan])


def test_close_peaks_are_thinned_all_at_once():
    values = np.array([0.0, 3, 0, 2, 0, 1, 0, 0, 0, 5, 0])
    np.testing.assert_array_equal(tilt.thin_peaks(values, np.array([1, 3, 5, 9]), 2.0), [1, 9])


def test_few_bins_decide_as_the_full_circle_does(rng):
    for period in (60, 110, 250):
        n = 3 * period
        frame = np.tile(rng.normal(size=period), 3) + 0.1 * rng.normal(size=n)
        power = np.abs(np.fft.fft(frame * matlab.hamming(n), 16_000)) ** 2
        f0_hz = 16_000 / period
        peaks = tilt.thin_peaks(power, tilt.peak_bins(power), f0_hz / 2)
        first, second = (peaks[np.argmin(np.abs(peaks + 1 - k * f0_hz))] for k in (1, 2))
        expected = 10 * np.log10(power[first] / power[second])
        found = tilt._compare_harmonics(power[None, : 9 * 16_000 // period], np.array([f0_hz]))[0]
        assert found == pytest.approx(expected)
        whole = tilt._compare_on_the_circle(frame * matlab.hamming(n), 16_000, f0_hz)
        assert whole == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n_samples", "period", "n_bins"),
    [(1598, 16_000, 2500), (301, 16_000, 1408), (1000, 8000, 4000), (501, 11_025, 5512)],
)
def test_power_between_bins_is_of_the_padded_transform(rng, n_samples, period, n_bins):
    for block in (rng.normal(size=(3, n_samples)), np.hanning(n_samples)[None]):
        expected = np.abs(np.fft.rfft(block, period, axis=1)[:, :n_bins])
        found = np.sqrt(zoom.measure_power(block, period, n_bins))
        np.testing.assert_allclose(found, expected, atol=1e-12 * expected.max())


def test_harmonic_sums_follow_the_equation(rng):
    block = rng.normal(size=(2, 1598))
    spectra = np.fft.rfft(block, 16_000, axis=1)
    magnitude = np.abs(spectra[:, :8000])
    power = magnitude**2
    magnitude /= np.linalg.norm(magnitude, axis=1, keepdims=True)
    np.testing.assert_allclose(
        srh._norms(block, 16_000), np.linalg.norm(np.abs(spectra[:, :8000]), axis=1)
    )
    candidates = np.array([100, 117])
    plus = np.arange(1, 6)[:, None] * candidates - 1
    minus = matlab.round_half_away(np.arange(1.5, 5)[:, None] * candidates) - 1
    sums = np.empty((2, 2))
    srh._score(
        power,
        srh._norms(block, 16_000),
        (plus.astype(np.int32), minus.astype(np.int32)),
        sums,
    )
    expected = magnitude[:, plus].sum(axis=1) - magnitude[:, minus].sum(axis=1)
    np.testing.assert_allclose(sums, expected, atol=1e-12)


def test_wavelets_by_blocks_equal_plain_convolution(rng):
    samples = rng.normal(size=20_000)
    for scale, band in zip((0, 6), wavelets.convolve(samples, (0, 6)), strict=True):
        expected = np.convolve(samples, wavelets.wavelet(scale))[1000:-1000]
        np.testing.assert_allclose(band, expected, atol=1e-10)


def test_direct_sums_equal_convolution(rng):
    samples = rng.normal(size=3000)
    kernels_ = np.stack([wavelets.wavelet(scale) for scale in peak_slope.SCALES])
    reaches = np.array([wavelets.support(scale) for scale in peak_slope.SCALES])
    starts = np.array([0, 700])
    direct = peak_slope._sum_directly(samples, starts, kernels_, (reaches, 640))
    bands = wavelets.convolve(samples, peak_slope.SCALES)
    np.testing.assert_allclose(direct, peak_slope._window_peaks(bands, starts, 640))


def test_parabola_of_a_parabola():
    level = 5 - 0.01 * np.arange(300.0) ** 2
    assert pulse._fit_parabola(10 ** (level / 20) + 0j) == pytest.approx(-0.01)


def test_lf_spectrum_is_the_integral_of_the_pulse():
    for shape in (0.4, 1.0, 2.3):
        te, ta, decay, growth, omega = lf_model._solve(*lf_model.instants(shape))
        t = (np.arange(400_000) + 0.5) / 400_000
        start = -1 / (np.exp(growth * te) * np.sin(omega * te))
        opening = start * np.exp(growth * t) * np.sin(omega * t)
        closing = -(np.exp(-decay * (t - te)) - np.exp(-decay * (1 - te))) / (decay * ta)
        pulse_ = np.where(t < te, opening, closing)
        assert abs(pulse_.mean()) < 1e-5
        for k in (1, 2, 7):
            expected = np.mean(pulse_ * np.exp(-2j * np.pi * k * t))
            found = lf_model.pulse_spectra(np.array([shape]), np.array([k]))[0, 0]
            assert abs(found - expected) < 1e-4 * abs(expected) + 1e-6


def test_minimum_phase_matrix_equals_folding_the_cepstrum(rng):
    n = 20
    log_magnitude = rng.normal(size=n + 1)
    cepstrum = np.fft.ifft(np.concatenate([log_magnitude, log_magnitude[-2:0:-1]])).real
    cepstrum[1:n] *= 2
    cepstrum[n + 1 :] = 0
    expected = np.fft.fft(cepstrum).imag[:9]
    np.testing.assert_allclose(rd._minimum_phase(n) @ log_magnitude, expected, atol=1e-12)


def test_rd_search_is_brents(rng):
    model = rd._model_phases(40, True)
    for _ in range(20):
        observed = rng.uniform(-np.pi, np.pi, 9)
        place, error = rd._minimise(observed, model)
        expected = optimize.fminbound(
            lambda shape, o=observed: rd._error(shape, o, model), 0.3, 2.5, xtol=0.01, maxfun=32
        )
        assert place == pytest.approx(expected, abs=1e-9)
        assert error == rd._error(place, observed, model)


def test_rd_does_not_hang_on_the_last_bit(rng):
    """A vertex that was tried, and forgotten as too bad, is found again at the bracket's end."""
    model = rd._model_phases(17, True)
    for observed in rng.uniform(-np.pi, np.pi, (1000, 9)):
        noise = 1e-13 * rng.standard_normal((4, 9))
        found = [rd._minimise(observed + rounding, model)[0] for rounding in noise]
        assert np.ptp(found) < 1e-6


@pytest.mark.parametrize("n", [2, 7, 128])
def test_folded_strands_hold_the_cosine_coefficients(rng, n):
    target, given = rng.normal(size=(2, 2049))
    cosines = np.cos(np.pi * np.arange(2049)[:, None] * np.arange(16 * n) / 2048)
    ends = np.where(np.arange(2049) % 2048 == 0, 0.5, 1)
    raised, strands = folding.lay_out(target), folding.nowhere()
    above, power = folding.lift(strands, raised, folding.lay_out(given), 0.0)
    assert above == folding.POSITIONS.size  # bins where strands meet count twice
    assert power == pytest.approx(np.sum(ends * target**2))
    parts, found = np.empty((16, n)), np.empty(16 * n)
    highest = folding.transform(strands, parts)
    assert highest == pytest.approx(np.sum(ends * target * (-1.0) ** np.arange(2049)) / 2048)
    folding.gather(parts, found)
    np.testing.assert_allclose(found, (ends * target) @ cosines / 2048, atol=1e-12)
    folding.spread(found, parts)
    folding.transform_back(parts, strands)
    np.testing.assert_allclose(folding.unfold(strands), cosines @ found, atol=1e-11)


def test_lifting_raises_to_the_curve_and_folds_again(rng):
    target, coefficients = rng.normal(size=2049), rng.normal(size=32)
    given = np.cos(np.pi * np.arange(2049)[:, None] * np.arange(32) / 2048) @ coefficients
    parts, strands = np.empty((16, 2)), np.empty((16, 129))
    folding.spread(coefficients, parts)
    folding.transform_back(parts, strands)
    raised, aim = folding.lay_out(target), folding.lay_out(target)
    above, power = folding.lift(strands, raised, aim, 0.5)
    expected = np.maximum(target, given)
    np.testing.assert_allclose(raised, folding.lay_out(expected), atol=1e-12)
    assert above == np.count_nonzero(aim - folding.lay_out(given) > 0.5)
    assert power == pytest.approx(np.sum(expected**2) - (expected[0] ** 2 + expected[-1] ** 2) / 2)
    again = folding.nowhere()
    folding.lift(again, folding.lay_out(expected), aim, 0.0)
    np.testing.assert_allclose(strands, again, atol=1e-11)


def test_true_envelope_follows_the_equation(rng):
    log_spectrum = np.log(np.abs(np.fft.rfft(rng.normal(size=400), 4096)))
    window = matlab.hamming(61)[30:]
    found = envelope._raise_to_version(log_spectrum, envelope._half_window(30))
    raised, smooth = log_spectrum.copy(), np.zeros(31)
    for _ in range(200):
        cepstrum = np.fft.irfft(raised)
        new = np.concatenate([cepstrum[:1], 2 * cepstrum[1:31]])
        inside, outside = np.linalg.norm(new), np.linalg.norm(2 * cepstrum[31:2048])
        smooth += (inside + outside) / inside * window * (new - smooth)
        version = np.fft.fft(smooth, 4096).real[:2049]
        raised = np.maximum(raised, version)
        if np.max(log_spectrum - version) <= np.log(10) / 10:
            break
    np.testing.assert_allclose(found, version, atol=1e-9)


def test_cepstra_of_a_flat_envelope_hold_only_its_level():
    cepstra = warped_cepstrum.compute_cepstra(np.full((2, 513), np.e), 16_000, 12)
    np.testing.assert_allclose(cepstra, [[1] + [0] * 12] * 2, atol=1e-12)


def test_warping_interpolates_between_the_bins_mel_values(rng):
    envelope_ = rng.uniform(1, 2, size=(2, 513))
    hertz = np.arange(513) * 8000 / 512
    mel = np.log(1 + hertz / 700)
    warped = np.array([np.interp(hertz, 8000 * mel / mel[-1], row) for row in envelope_])
    expected = np.fft.irfft(np.log(warped))[:, :13] * np.where(np.arange(13) == 0, 1, 2)
    found = warped_cepstrum.compute_cepstra(envelope_, 16_000, 12)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("n", [25, 40])
def test_smoothing_reflects_even_a_recording_shorter_than_its_taps(rng, n):
    values = rng.normal(size=(n, 3))
    expected = signal.filtfilt(np.ones(25) / 25, [1.0], values, axis=0, padlen=24)
    np.testing.assert_allclose(hmpd.smooth(values, hmpd._box(25)), expected, atol=1e-12)


def test_lagged_level_is_of_the_autocorrelations_spectrum(rng):
    frame, window, turn = rng.normal(size=200), matlab.hanning(200), 0.3
    lags = np.correlate(frame * window, frame * window, "full")[200:]
    expected = abs(lags @ np.exp(-1j * turn * np.arange(1, 200)))
    assert resonators._lagged_level(frame, window, turn) == pytest.approx(expected)


def test_autocorrelation_is_the_plain_sum(rng):
    block = rng.normal(size=(2, 50))
    expected = [np.correlate(row, row, "full")[49:69] for row in block]
    np.testing.assert_allclose(frames.autocorrelate(block, 19), expected, atol=1e-12)


def test_smoothing_over_time_is_filtfilt(rng):
    values = rng.normal(size=(150, 3))
    expected = signal.filtfilt(np.ones(25) / 25, [1.0], values, axis=0, padlen=72)
    np.testing.assert_allclose(hmpd.smooth(values, hmpd._box(25)), expected, atol=1e-12)


def test_exchanges_sort_the_median_into_the_middle(rng):
    values = rng.normal(size=(40, 5))
    expected = ndimage.median_filter(values, (9, 1), mode="constant")
    np.testing.assert_array_equal(hmpd._median_over_time(values), expected)


def test_phases_of_more_harmonics_than_bins_are_those_of_each_alone(rng):
    """As at 1 Hz, the F0 of digital silence."""
    spectrum = rng.normal(size=2049) + 1j * rng.normal(size=2049)
    at_bins = sinusoids._phases_at_bins(spectrum, 24_000, 8_000)
    assert len(sinusoids._phases_at_bins(spectrum, 24_000, 80)) == 0
    assert len(at_bins) == len(spectrum)
    for place in rng.uniform(0, 2048, 50):
        alone = sinusoids._phase_at(spectrum, place, 24_000, np.empty(0))
        assert sinusoids._phase_at(spectrum, place, 24_000, at_bins) == alone
