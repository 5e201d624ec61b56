"""The COVAREP columns of four made-up voices stay what they were, on any processor.

The values are of this package (``scripts/make_covarep_regression.py``), not of the reference: where
that is at hand, ``test_covarep_golden.py`` compares with it.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest

from undertone.features.covarep import COLUMNS

TESTS = Path(__file__).parent
VOICES = ("modal", "breathy", "creaky", "paused")
ALMOST_ALL = 0.99  # of the frames, in which a decision must stay
CLOSE = 1e-4  # of a column's standard deviation over all voices
RD_STEP = 1e-4  # the path of the search is the same on any processor
QOQ_STEP = 0.05  # a sample at half height, to rounding, moves a crossing by one sample
TREND_END = 0.1  # of a standard deviation: at the ends the trend of the phase is undefined
PAUSED = 0.01  # and where the voice pauses
INNER = slice(14, -15)


@pytest.fixture(scope="module")
def expected():
    with np.load(TESTS / "regression" / "covarep_voices.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TESTS.parent / "scripts"))
        yield importlib.import_module("make_covarep_regression")


@pytest.fixture(scope="module")
def found(script, expected):
    return script.stored({name: expected[name] for name in VOICES})


@pytest.fixture(scope="module")
def spread(expected):
    """(74,) standard deviations of the stored columns."""
    return np.concatenate([expected[f"{name} default"] for name in VOICES]).std(axis=0)


def _angle(difference):
    return np.abs(difference - 2 * np.pi * np.round(difference / (2 * np.pi)))


def test_the_file_holds_what_the_script_writes(expected, found, script):
    assert expected.keys() == found.keys()
    assert script.make_voices().keys() == set(VOICES)


@pytest.mark.parametrize("voice", VOICES)
def test_decisions_stay(expected, found, voice):
    ours, theirs = found[f"{voice} default"], expected[f"{voice} default"]
    voiced, creak = (COLUMNS.index(name) for name in ("VUV", "creak"))
    assert np.mean(ours[:, voiced] == theirs[:, voiced]) >= ALMOST_ALL
    assert np.mean((ours[:, creak] > 0.5) == (theirs[:, creak] > 0.5)) >= ALMOST_ALL


@pytest.mark.parametrize("voice", VOICES)
def test_columns_stay(expected, found, spread, voice):
    error = found[f"{voice} default"] - expected[f"{voice} default"]
    moved = [
        name
        for column, name in enumerate(COLUMNS)
        if not _stays(name, voice, error=error[:, column], spread=spread[column])
    ]
    assert not moved


def _stays(name, voice, *, error, spread):
    error = _angle(error) if name.startswith("HMPDM") else np.abs(error)
    close = CLOSE * spread + 1e-7  # several columns are 0 throughout
    if name == "QOQ":
        return np.mean(error <= close) > 0.95 and error.max() <= QOQ_STEP
    if name == "Rd":
        return error.max() <= RD_STEP
    if name.startswith("HMPDD"):
        inner = close if voice != "paused" else PAUSED * spread
        return error[INNER].max() <= inner and error.max() <= TREND_END * spread
    return error.max() <= close


@pytest.mark.parametrize("voice", VOICES)
def test_the_published_rd_stays(expected, found, voice):
    ours, theirs = found[f"{voice} published"], expected[f"{voice} published"]
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], atol=RD_STEP, rtol=0)
    np.testing.assert_allclose(ours[:, 1], theirs[:, 1], atol=5e-5, rtol=0)
    assert not np.allclose(theirs[:, 0], expected[f"{voice} default"][:, COLUMNS.index("Rd")])


def test_the_voices_are_modal_breathy_creaky_and_paused(expected):
    """So that the values say something about each kernel."""
    columns = {name: expected[f"{name} default"] for name in VOICES}
    middle = {name: np.median(found, axis=0) for name, found in columns.items()}
    f0, creak, tilt = (COLUMNS.index(name) for name in ("F0", "creak", "H1H2"))
    assert middle["breathy"][f0] > 2 * middle["modal"][f0] > 3 * middle["creaky"][f0]
    assert (columns["creaky"][:, creak] > 0.5).mean() > 0.2 > columns["modal"][:, creak].max()
    assert middle["breathy"][tilt] > middle["modal"][tilt]
    samples = expected["paused"]
    assert not samples[:600].any()
    assert not samples[-600:].any()
    assert samples[1000:-1000].astype(bool).mean() > 0.9
