"""Copies that differ by the recording alone: how they are made, kept, chosen, and learned from."""

from dataclasses import replace

import numpy as np
import pytest
import tones
from corpora_fakes import fake_corpus, fake_table, write_audio
from plan_fakes import curve_plan, data_of, frames_of

import undertone
from undertone import audio
from undertone.audio import alterations
from undertone.experiment.run import open_run
from undertone.features import copies, store
from undertone.features.altered import ALTERED, narrow, noisy
from undertone.features.copies import Copied, choose, copy
from undertone.features.name import parse
from undertone.models.crowd import Crowd
from undertone.models.discriminant import DiscriminantConfig, fit_discriminant
from undertone.models.nuisance import Copies
from undertone.systems import own_rows
from undertone.systems.fits import copies_of, vectors_of
from undertone.systems.settings import makes_copies
from undertone.systems.view import View
from undertone.training.normalise import unchanged

RATE = audio.SAMPLE_RATE


@pytest.fixture
def tone():
    """A second of 1 kHz, then a second of silence."""
    sound = 0.2 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    return np.append(sound, np.zeros(RATE)).astype(np.float32)


def power_db(waveform):
    return 10 * np.log10(np.mean(np.asarray(waveform, dtype=float) ** 2))


# --- alterations


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_is_as_loud_as_asked_for_over_the_speech_and_not_over_silence(tone, rng, snr_db):
    added = alterations.with_noise(tone, rng, snr_db=snr_db) - tone
    assert power_db(added) == pytest.approx(power_db(tone[:RATE]) - snr_db, abs=0.1)


def test_tilted_noise_falls_by_its_slope(rng):
    noise = alterations.coloured(4 * RATE, rng, tilt=1.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)
    octaves = [power[(hz >= low) & (hz < 2 * low)].mean() for low in (500, 1000, 2000)]
    np.testing.assert_allclose(10 * np.log10(np.divide(octaves[1:], octaves[:-1])), -6, atol=0.7)


def test_a_line_lets_through_what_lies_within_its_band(rng):
    noise = rng.normal(size=4 * RATE).astype(np.float32)
    heard = alterations.telephoned(noise, quantised=False)
    hz = np.fft.rfftfreq(len(noise), 1 / RATE)
    before, after = (np.abs(np.fft.rfft(x)) ** 2 for x in (noise, heard))
    for low, high, low_db, high_db in (
        (0, 120, -99, -30),
        (500, 3000, -1, 1),
        (4500, 8e3, -99, -40),
    ):
        within = (hz >= low) & (hz < high)
        change_db = 10 * np.log10(after[within].sum() / before[within].sum())
        assert low_db < change_db < high_db


def test_eight_bits_follow_the_law(rng):
    noise = rng.uniform(-0.2, 0.2, size=RATE).astype(np.float32)
    heard = alterations.mu_law(noise)
    assert power_db(heard - noise) - power_db(noise) == pytest.approx(-38, abs=1)
    assert len(np.unique(np.round(heard, 7))) <= 256


def test_a_gate_closes_in_pauses_alone(tone, rng):
    faint = tone + 1e-4 * rng.normal(size=len(tone)).astype(np.float32)
    found = alterations.gated(faint)
    np.testing.assert_array_equal(found[:RATE], faint[:RATE])
    assert not found[RATE:].any()


@pytest.mark.parametrize("name", ALTERED)
def test_the_same_recording_is_altered_alike_and_another_otherwise(tone, name):
    once, again = ALTERED[name](tone), ALTERED[name](tone.copy())
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.float32
    assert once.shape == tone.shape
    other = ALTERED[name](np.roll(tone, 7))
    assert not np.allclose(np.roll(once, 7), other, atol=1e-4)


def test_copies_differ_in_kind(tone):
    assert power_db(noisy(tone)[RATE:]) > -60 > power_db(narrow(tone)[RATE + 400 :])


# --- the store


@pytest.fixture
def recorded(tmp_path):
    table = fake_table(n_speakers=3, n_each=1)
    write_audio(tmp_path / "corpus", *table["file"])
    return fake_corpus(table, root=str(tmp_path / "corpus"))


def test_frames_of_copies_are_kept_under_keys_of_their_own(recorded, tmp_path):
    def read(**options):
        given = {"folder": tmp_path / "store", "workers": 1, "progress": False} | options
        return store.extract(recorded, "log_mel", **given)

    plain, altered, again = read(), read(altered="noisy"), read(altered="noisy")
    assert not set(plain.keys.values()) & set(altered.keys.values())
    name = plain.utterances[0]
    waveform = audio.read(recorded.root / recorded.table["file"][0])
    expected = store.extractors.get("log_mel").compute(noisy(waveform))
    np.testing.assert_array_equal(altered.frames(name), expected)
    np.testing.assert_array_equal(again.frames(name), expected)
    assert again.source[name] == altered.source[name]
    assert not np.allclose(plain.frames(name), expected)


def test_every_utterance_has_its_copies_under_names_of_their_own(recorded, tmp_path):
    found = copy(recorded, parse("log_mel"), folder=tmp_path, workers=1, progress=False)
    assert set(found.of) == set(recorded.table["utterance"])
    names = [name for of_one in found.of.values() for name in of_one]
    assert len(set(names)) == 2 * len(recorded) == len(found.table)
    assert not set(names) & set(recorded.table["utterance"])
    assert all(name in found.table.keys for name in names)


def test_no_copies_are_made_for_extractors_that_are_slow(recorded, tmp_path):
    assert copy(recorded, parse("covarep"), folder=tmp_path) is None


def test_some_of_many_are_copied_evenly_whatever_their_order(monkeypatch):
    monkeypatch.setattr(copies, "MOST", 20)
    rows = fake_table(n_speakers=6, n_each=5)
    rows = rows[(rows["speaker"] != "s05") | (rows["emotion"] == "anger")].iloc[:-3]
    found = choose(rows)
    assert len(found) == 20
    counts = found["speaker"].value_counts()
    assert counts["s05"] == 2
    assert set(counts.drop("s05")) <= {3, 4}
    again = choose(rows.sample(frac=1, random_state=3))
    assert set(again["utterance"]) == set(found["utterance"])


# --- what is learned from them


@pytest.mark.parametrize("n_values", [6, 60])  # as it stands; by Woodbury
def test_the_covariance_of_recordings_is_added_uncentred(rng, n_values):
    vectors = rng.normal(5, 3, size=(40, n_values))
    truth = np.arange(12) % 3
    altered = vectors[[3, 3, 8, 20]] + rng.normal(2, 1, size=(4, n_values))
    emphasis = rng.uniform(0.5, 2, size=n_values)
    fitted = fit_discriminant(
        vectors[:12],
        truth,
        crowd=Crowd(vectors, np.full(40, None, dtype=object), np.ones(40, dtype=bool)),
        n_outputs=3,
        settings=DiscriminantConfig(0.7, speaker_weight=0, rounds=0, nuisance_weight=0.4),
        emphasis=emphasis,
        copies=Copies(vectors[[3, 3, 8, 20]], altered),
    )
    mean, sd = vectors.mean(axis=0), vectors.std(axis=0)
    z, moved = ((v - mean) / sd * emphasis for v in (vectors[:12], altered))
    moved = moved - (vectors[[3, 3, 8, 20]] - mean) / sd * emphasis
    means = np.stack([z[truth == k].mean(axis=0) for k in range(3)])
    covariance = (z - means[truth]).T @ (z - means[truth]) / 12
    shrunk = 0.3 * covariance + 0.7 * np.trace(covariance) / n_values * np.eye(n_values)
    within = shrunk + 0.4 * moved.T @ moved / 4
    np.testing.assert_allclose(fitted.weight, means @ np.linalg.inv(within), atol=1e-8)


def test_where_copies_differ_nothing_is_looked_at(rng):
    """Two values tell the emotions equally well; copies differ in one of them."""
    truth = np.arange(200) % 2
    vectors = np.column_stack([truth, truth]) + 0.5 * rng.normal(size=(200, 2))
    crowd = Crowd(vectors, np.full(200, None, dtype=object), np.ones(200, dtype=bool))
    moved = vectors + np.array([3.0, 0]) * rng.choice([-1, 1], size=(200, 1))
    given = {"crowd": crowd, "n_outputs": 2, "copies": Copies(vectors, moved)}
    plain, heard = (
        fit_discriminant(vectors, truth, settings=DiscriminantConfig(nuisance_weight=w), **given)
        for w in (0, 1)
    )
    share = [abs(np.diff(f.weight[:, 0]) / np.diff(f.weight[:, 1])).item() for f in (plain, heard)]
    assert share[0] > 0.8
    assert share[1] < 0.2


def copied(data) -> Copied:
    table = frames_of(data.corpus, seed=5)
    names = {f"noisy copy of {u}": u for u in table.utterances}
    own = replace(
        table,
        source={name: table.source[u] for name, u in names.items()},
        keys={name: f"copy {u}" for name, u in names.items()},
    )
    return Copied(own, {u: (name,) for name, u in names.items()})


def test_no_copy_of_a_test_speaker_is_learned_from(tmp_path):
    data = data_of("choice")
    plan = curve_plan(replace(data, copies=copied(data)), tmp_path)
    for cell in plan.cells:
        material = plan.material(cell.fold, unchanged(len(plan.frames.columns), stride=4))
        found = copies_of(plan.problem(cell, material), View(("descriptors",)))
        crowd = [name for name in plan.folds[cell.fold].crowd if name in plan.copies.of]
        assert 0 < len(found.clean) == len(found.altered) == len(crowd)
        names = [plan.copies.of[name][0] for name in crowd]
        problem = plan.problem(cell, material)
        expected = vectors_of(problem, View(("descriptors",)), names)
        np.testing.assert_array_equal(found.altered, expected)
        speakers = {plan.speaker[n] for n in plan.folds[cell.fold].test}
        assert not speakers & {plan.speaker[n] for n in crowd if n in plan.speaker}
        assert not set(names) & set(plan.folds[cell.fold].test)


def test_of_a_copy_is_taken_off_what_is_taken_off_its_utterance(tmp_path):
    """Who is centred differs from their copy by the recording alone, as who is not."""
    data = data_of("choice")
    plan = curve_plan(replace(data, copies=copied(data)), tmp_path)
    cell = plan.cells[0]
    material = plan.material(cell.fold, unchanged(len(plan.frames.columns), stride=4))
    problem = plan.problem(cell, material)
    plain, centred = (
        copies_of(problem, View(("descriptors",), centring=count)) for count in (0.0, 5.0)
    )
    assert np.abs(plain.clean - centred.clean).max() > 1e-3
    np.testing.assert_allclose(
        centred.altered - centred.clean, plain.altered - plain.clean, atol=1e-6
    )


def test_what_a_teacher_hears_of_copies_is_not_asked(tmp_path):
    data = data_of("choice")
    plan = curve_plan(replace(data, copies=copied(data)), tmp_path)
    material = plan.material(0, unchanged(len(plan.frames.columns), stride=4))
    problem = plan.problem(plan.cells[0], material)
    assert copies_of(problem, View(("teacher",))) is None
    assert copies_of(problem, View(("descriptors", "words"))) is None
    assert copies_of(problem, View(("descriptors", "pooled"), "random", "mean_sd")) is not None


def test_a_plan_with_other_copies_is_another(tmp_path):
    data = data_of("choice")
    copies_made = copied(data)
    keys = {**copies_made.table.keys, next(iter(copies_made.table.keys)): "another"}
    other = replace(copies_made, table=replace(copies_made.table, keys=keys))
    digests = {
        curve_plan(replace(data, copies=c), tmp_path).digest() for c in (None, copies_made, other)
    }
    assert len(digests) == 3


def test_copies_are_made_for_a_discriminant_that_weighs_them():
    assert makes_copies({"discriminant": {}})
    assert makes_copies({"discriminant": DiscriminantConfig()})
    assert not makes_copies({"discriminant": {"nuisance_weight": 0.0}})
    assert not makes_copies({"finetune": {}})


def test_no_copies_are_made_for_a_row_that_brings_its_own_frames(tmp_path):
    """Nothing hears them; beside a row that learns from them they are made."""
    corpus = tones.write(tmp_path)
    arrays = {name: samples[:100, None] for name, _, _, samples in tones.rows()}
    own_rows.add_row("mine", arrays)
    resources = undertone.Resources(tmp_path / "cache", workers=1, progress=False)
    for systems, made in ((("mine",), False), (("mine", "descriptors"), True)):
        settings = undertone.CurveSettings(
            str(corpus), systems=(*systems, "constant"), budgets=(8,), folds=2
        )
        run = open_run(settings, tmp_path / "run", resources)
        assert "discriminant" in run.settings.of_systems
        assert (run.data.copies is not None) == made
