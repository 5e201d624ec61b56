"""Laws of the COVAREP columns: what must not change them, and what cannot be computed."""

import logging

import numpy as np
import pytest

from undertone import audio
from undertone.errors import UndertoneError
from undertone.features import covarep
from undertone.features.covarep import COLUMNS, CovarepConfig, extraction
from undertone.features.covarep.creak.network import SHAPES, load_network
from undertone.features.covarep.srh import HarmonicSums, track_pitch
from undertone.features.extractors import EXTRACTORS
from undertone.synthesis import vowel

RATE = audio.SAMPLE_RATE


@pytest.fixture(scope="module")
def waveform():
    return vowel(f0_hz=[110, 150], rd=1.0, duration_s=1.5, aspiration=0.02).waveform


@pytest.fixture(scope="module")
def frames(waveform):
    return covarep.extract(waveform)


def _column(frames, name):
    return frames[:, COLUMNS.index(name)]


def test_rows_lie_on_the_shared_grid(frames, waveform):
    assert frames.shape == (audio.n_frames(len(waveform)), 74)
    assert frames.dtype == np.float32
    times = extraction.analyse(waveform, RATE).times_s
    np.testing.assert_allclose(times, EXTRACTORS["covarep"].times_s(len(frames)), atol=1e-12)


def test_an_inverted_recording_has_the_same_columns(frames, waveform):
    np.testing.assert_allclose(covarep.extract(-waveform), frames, atol=1e-4)


def test_half_the_level_changes_levels_only(frames, waveform):
    quieter = covarep.extract(waveform / 2)
    same = [i for i, name in enumerate(COLUMNS) if not name.startswith("MCEP")]
    inner = slice(14, -15)  # at the ends the trend of the phase is undefined
    np.testing.assert_allclose(quieter[inner][:, same], frames[inner][:, same], atol=5e-3)
    # the true envelope's step depends on the level a little
    change = quieter - frames
    voiced = _column(frames, "VUV") == 1
    np.testing.assert_allclose(_column(change, "MCEP_0")[voiced], -np.log(2), atol=0.05)
    np.testing.assert_allclose(_column(change, "MCEP_5")[voiced], 0, atol=0.05)


@pytest.mark.parametrize("f0_hz", [90, 130, 210, 300])
def test_f0_follows_the_truth(f0_hz):
    voice = vowel(f0_hz=[f0_hz, 1.2 * f0_hz], rd=1.0, duration_s=1.0)
    found = _column(covarep.extract(voice.waveform), "F0")
    inner = slice(8, -8)
    assert np.nanmedian(np.abs(found / voice.f0_hz - 1)[inner]) < 0.02


def test_published_rd_follows_the_truth():
    found = [
        np.median(_column(covarep.extract(voice.waveform, covarep.PUBLISHED), "Rd")[10:-10])
        for voice in (vowel(f0_hz=110, rd=rd, duration_s=1.0) for rd in (0.5, 1.0, 1.8))
    ]
    assert found[0] < found[1] < found[2]
    np.testing.assert_allclose(found, [0.5, 1.0, 1.8], atol=0.1)


def test_without_voice_the_rest_is_kept_and_the_log_says_so(waveform, monkeypatch, caplog):
    voiceless = track_pitch(HarmonicSums(np.arange(800, 24_000, 160), np.full((145, 481), 0.01)))
    monkeypatch.setattr(extraction, "track_pitch", lambda harmonics: voiceless)
    with caplog.at_level(logging.WARNING):
        found = covarep.extract(waveform)
    assert "NAQ … MDQ" in caplog.text
    assert "no voiced frame" in caplog.text
    for name in ("NAQ", "QOQ", "H1H2", "PSP", "MDQ"):
        assert np.isnan(_column(found, name)).all()
    for name in ("F0", "VUV", "peakSlope", "Rd", "creak", "MCEP_3", "HMPDM_9", "HMPDD_2"):
        assert np.isfinite(_column(found, name)).all()


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.5, 0.8])
def test_short_recordings_give_what_can_be_computed(waveform, seconds):
    found = extraction.analyse(waveform[: int(seconds * RATE)], RATE)
    assert np.isfinite(_column(found.frames, "peakSlope")).all()
    assert np.isnan(found.frames).any(axis=0).sum() == len(found.missing)
    assert ("HMPDM_4" in found.missing) == (seconds < 0.4)


def test_digital_silence_does_not_spoil_the_rest(frames, waveform):
    silence = np.zeros(RATE // 2, dtype=np.float32)
    found = covarep.extract(np.concatenate([waveform, silence]))
    assert np.isfinite(found).all()
    n = len(frames) - 10
    for name in ("F0", "VUV", "NAQ", "QOQ", "MDQ", "peakSlope"):
        np.testing.assert_allclose(
            _column(found, name)[10:n], _column(frames, name)[10:n], atol=1e-3
        )
    assert np.abs(_column(found, "creak")[10:n] - _column(frames, "creak")[10:n]).mean() < 0.1


def test_silence_is_not_an_error():
    found = extraction.analyse(np.zeros(RATE), RATE)
    assert np.isnan(_column(found.frames, "NAQ")).all()
    assert not np.isinf(found.frames).any()


def test_a_clip_longer_than_the_recording_changes_nothing(frames, waveform):
    config = CovarepConfig(frames_to_clip=1000)
    np.testing.assert_array_equal(covarep.extract(waveform, config), frames)


def test_clips_fill_every_row(frames, waveform):
    clipped = covarep.extract(waveform, CovarepConfig(frames_to_clip=70))
    assert clipped.shape == frames.shape
    np.testing.assert_array_equal(_column(clipped, "F0")[10:-10], _column(frames, "F0")[10:-10])


def test_long_recordings_are_refused_with_advice():
    long = np.zeros(int(extraction.LONGEST_S * RATE) + RATE, dtype=np.float32)
    with pytest.raises(UndertoneError, match="covarep_clips"):
        covarep.extract(long)


def test_low_rates_are_refused():
    with pytest.raises(UndertoneError, match="8000 Hz"):
        extraction.analyse(np.zeros(4000), 4000)


def test_settings_are_checked():
    with pytest.raises(UndertoneError, match="published"):
        CovarepConfig(rd="paper")
    with pytest.raises(UndertoneError, match="frames_to_clip"):
        CovarepConfig(frames_to_clip=0)


def test_both_variants_of_rd_differ_only_in_rd(frames, waveform):
    other = covarep.extract(waveform, covarep.PUBLISHED)
    same = [i for i, name in enumerate(COLUMNS) if not name.startswith("Rd")]
    np.testing.assert_array_equal(other[:, same], frames[:, same])
    assert not np.array_equal(_column(other, "Rd"), _column(frames, "Rd"))


def test_variants_have_cache_keys_of_their_own():
    rows = [EXTRACTORS[name] for name in ("covarep", "covarep_clips", "covarep_published")]
    assert len({str(sorted(row.settings.items(), key=str)) for row in rows}) == 3
    assert all(row.columns == COLUMNS for row in rows)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    (tmp_path / "network.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(UndertoneError, match=r"network\.mat"):
        load_network(str(tmp_path / "network.mat"))


def test_a_network_in_matlabs_files_is_read(tmp_path):
    from scipy.io import savemat

    own = load_network()
    cells = {name: np.empty((2, 2), dtype=object) for name in ("IW", "LW", "b")}
    for cell in cells.values():
        for place in np.ndindex(cell.shape):
            cell[place] = np.zeros((0, 0))
    cells["IW"][0, 0], cells["LW"][1, 0] = own.hidden_weight, own.output_weight[None]
    cells["b"][0, 0], cells["b"][1, 0] = own.hidden_bias[:, None], own.output_bias[:, None]
    savemat(tmp_path / "system_net_creak.mat", {"net": cells})
    savemat(tmp_path / "minis_creak.mat", {"minis": own.lowest})
    savemat(tmp_path / "maxis_creak.mat", {"maxis": own.highest})
    found = load_network(str(tmp_path / "system_net_creak.mat"))
    for name in SHAPES:
        np.testing.assert_array_equal(getattr(found, name), getattr(own, name))


def test_another_network_can_be_named(frames, waveform, tmp_path):
    from safetensors.numpy import save_file

    own = load_network()
    arrays = {name: getattr(own, name).astype(np.float32) for name in SHAPES}
    arrays["output_bias"] += 5
    save_file(arrays, tmp_path / "network.safetensors")
    config = CovarepConfig(creak_network=str(tmp_path / "network.safetensors"))
    other = covarep.extract(waveform, config)
    assert (_column(other, "creak")[2:-2] > _column(frames, "creak")[2:-2]).all()
