"""How far probabilities hold: against the definition, written out."""

import numpy as np
import pytest

from undertone.evaluation.reliability import reliability
from undertone.evaluation.report.reliable import in_markdown, rows_of


def by_definition(probabilities, truth):
    """Expected calibration error over tenths of the likeliest emotion's probability."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth.argmax(axis=1)
    error = 0.0
    for low in np.arange(10) / 10:
        inside = (sure >= low) & ((sure < low + 0.1) | (low > 0.85))
        if inside.any():
            error += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    return error


def drawn(rng, n_draws=3, n=400, k=4, temperature=1.0):
    """Probabilities, and truth that is drawn of them after they are cooled."""
    scores = rng.normal(scale=2, size=(n, k))
    truth = np.eye(k)[(scores / temperature + rng.gumbel(size=scores.shape)).argmax(axis=1)]
    noisy = scores + rng.normal(scale=0.01, size=(n_draws, n, k))
    probabilities = np.exp(noisy) / np.exp(noisy).sum(axis=2, keepdims=True)
    return probabilities, truth, [f"s{i % 8}" for i in range(n)]


def test_the_error_is_that_of_all_draws_together(rng):
    probabilities, truth, speakers = drawn(rng)
    found = reliability(probabilities, truth, speakers)
    expected = by_definition(np.concatenate(list(probabilities)), np.tile(truth, (3, 1)))
    assert found.error.value == pytest.approx(expected, abs=1e-9)
    assert found.error.low <= found.error.value <= found.error.high
    assert found.error.n_speakers == 8
    assert sum(b.share for b in found.bins) == pytest.approx(1)
    assert found.sure == pytest.approx(sum(b.share * b.sure for b in found.bins))
    assert found.right == pytest.approx(sum(b.share * b.right for b in found.bins))


def test_probabilities_that_are_too_sure_are_found_out(rng):
    honest = reliability(*drawn(rng, n=4_000))
    too_sure = reliability(*drawn(rng, n=4_000, temperature=4.0))
    assert honest.error.value < 0.03
    assert too_sure.error.value > 0.2
    assert too_sure.sure > too_sure.right + 0.2


def test_a_certain_answer_is_in_the_last_tenth():
    truth = np.eye(2)[[0, 0, 1, 1]]
    found = reliability(np.eye(2)[[0, 0, 0, 1]][None], truth, list("aabb"))
    assert [(b.low, b.share, b.sure, b.right) for b in found.bins] == [(0.9, 1.0, 1.0, 0.75)]
    assert found.error.value == pytest.approx(0.25)
    assert rows_of(found) == [(".9 to 1", "100.0%", "1.000", ".750")]


def test_a_card_shows_tenths_as_a_table(rng):
    text = in_markdown(reliability(*drawn(rng)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert lines[0].startswith("| probability of the likeliest emotion |")
    assert "expected calibration error ." in text
