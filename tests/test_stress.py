"""A model under stress: conditions, what they cost, and the whole way from a model to its card."""

import json

import numpy as np
import pytest
import soundfile
from corpora_fakes import fake_corpus, fake_table, write_audio

from undertone import audio
from undertone.audio import alterations, foreign, rooms
from undertone.errors import UndertoneError
from undertone.evaluation.stress import CONDITIONS, Chance, Stress, measure
from undertone.evaluation.stress import page as pages
from undertone.evaluation.stress.conditions import chosen
from undertone.experiment import stress as runs
from undertone.experiment.stress import StressSettings, stress
from undertone.pipeline import FinetuneSettings, Resources, finetune
from undertone.tasks import Classes

RATE = audio.SAMPLE_RATE
TASK = Classes(("anger", "neutral", "sadness"))


@pytest.fixture
def voice(rng):
    """Two seconds and a half of pulses that come and go."""
    time_s = np.arange(5 * RATE // 2) / RATE
    pulses = sum(np.cos(2 * np.pi * 150 * k * time_s) / k for k in range(1, 20))
    return (0.03 * pulses * (1.1 + np.sin(2 * np.pi * 3 * time_s))).astype(np.float32)


def chance(rng_seed=0):
    rng = np.random.default_rng(5)
    voices = [rng.normal(0, 0.1, 9000 + 100 * i).astype(np.float32) for i in range(3)]
    return Chance(np.random.default_rng(rng_seed), voices)


# --- conditions


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_gives_sound_that_differs_and_is_seeded(voice, name):
    condition = CONDITIONS[name]
    if condition.needs_ffmpeg and not foreign.is_installed():
        pytest.skip("codecs are ffmpeg's")
    if name == "gated":
        voice[RATE // 2 : RATE] *= 1e-4
    once, again = (condition.apply(voice, chance()) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.float32
    assert np.isfinite(once).all()
    assert len(once) >= RATE
    assert once.shape != voice.shape or not np.array_equal(once, voice)


@pytest.mark.skipif(not foreign.is_installed(), reason="codecs are ffmpeg's")
@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_what_comes_through_a_codec_is_in_time_and_like_what_went_in(voice, codec):
    heard = rooms.coded(voice, codec=codec, kilobits=32)
    middle = slice(RATE // 2, -RATE // 2)
    assert np.corrcoef(heard[middle], voice[middle])[0, 1] > 0.9


def test_a_room_keeps_the_sound_and_adds_its_tail(rng):
    click = np.zeros(2 * RATE, np.float32)
    click[100] = 1
    heard = rooms.reverberant(click, rng, decay_s=0.5).astype(float)
    assert heard[100] == pytest.approx(1, abs=0.01)
    assert (heard[:100] ** 2).sum() == pytest.approx(0, abs=1e-9)
    tail = heard[101:] ** 2
    assert tail.sum() == pytest.approx(1, rel=0.01)
    early, late = tail[800:1600].sum(), tail[4800:5600].sum()
    assert 10 * np.log10(late / early) == pytest.approx(-60 * 4000 / RATE / 0.5, abs=2)


def test_babble_is_of_all_voices_alike(rng):
    loud, faint = np.ones(500), 0.01 * np.tile([1.0, -1.0], 300)
    found = rooms.babble([loud, faint], 2000, rng)
    assert found.mean() == pytest.approx(1, abs=0.01)
    assert found.std() == pytest.approx(1, abs=0.01)


def test_conditions_are_chosen_by_name_and_group_and_others_refused():
    assert chosen(()) == tuple(CONDITIONS.values())
    assert [row.name for row in chosen(("speed", "offset"))] == ["offset", "speed-5", "speed+5"]
    with pytest.raises(UndertoneError, match=r"no condition hum; there are zeros-0.2s.*silence"):
        chosen(("hum",))


# --- what is measured


def measured(altered, n_each=8):
    """Four speakers whose recordings are told rightly, and the same under conditions."""
    truth = np.eye(3)[np.arange(4 * n_each) % 3]
    speakers = np.repeat(["a", "b", "c", "d"], n_each)
    rows = chosen(("offset", "gated"))
    given = dict(zip(rows, altered(truth), strict=True))
    return measure(TASK, truth=truth, speakers=speakers, clean=truth * 0.8 + 0.1, altered=given)


def test_what_changes_nothing_costs_nothing():
    clean, rows = measured(lambda truth: [truth * 0.5 + 0.2, truth * 0.9])
    assert clean.value == 1
    for row in rows:
        for cost in (row.change, row.moved):
            assert (cost.value, cost.low, cost.high) == (0, 0, 0)


def test_costs_are_paired_and_their_intervals_over_speakers():
    """Under one condition one speaker is taken for sad throughout, under the other everybody."""

    def altered(truth):
        one, all_sad = truth.copy(), np.tile([0.0, 0.0, 1.0], (len(truth), 1))
        one[:8] = [0, 0, 1]
        return all_sad, one

    clean, (gated, offset) = measured(altered)
    assert gated.condition.name == "gated"
    assert gated.score.value == pytest.approx(1 / 3)
    assert gated.change.value == pytest.approx(1 / 3 - clean.value)
    assert gated.moved.value == pytest.approx(22 / 32)
    assert offset.moved.value == pytest.approx(6 / 32)
    assert offset.change.low < offset.change.value < offset.change.high == 0
    assert gated.moved.low > offset.moved.value


def test_a_card_holds_one_section_a_corpus_before_its_limits():
    clean, rows = measured(lambda truth: [truth, 1 - truth])
    of = [Stress("m", name, TASK, clean, rows, 32, ("Seeded.",)) for name in ("emodb", "ravdess")]
    card = "# Title\n\n## Scores\n\nx\n\n## Limits\n\n* y\n"
    once = pages.with_section(card, of[0])
    assert pages.with_section(once, of[0]) == once
    both = pages.with_section(once, of[1])
    assert both.count("## Under stress: ") == 2
    assert both.index("## Scores") < both.index("## Under stress: emodb") < both.index("## Limits")
    assert "| zeros in pauses | 1.000 [1.000, 1.000] | .000 [.000, .000] |" in once
    assert both.endswith("* y\n")


def test_the_page_holds_every_condition_and_says_who_is_synthetic():
    clean, rows = measured(lambda truth: [truth, 1 - truth])
    result = Stress("m<b>", "synthetic", TASK, clean, rows, 32, ("Seeded.",), synthetic=True)
    page = pages.render(result)
    assert "synthetic</strong>" in page
    assert "m&lt;b&gt;" in page
    assert all(row.condition.label in page for row in rows)
    assert page.count("<svg") == 2
    assert "worst under offset of 0.05" in page


# --- from a model to its card

RESOURCES = {"workers": 1, "progress": False}


def write_bursts(folder, files):
    """Noise that comes and goes within a second, each file with a slope of its own."""
    write_audio(folder, *files)
    for file in files:
        rng = np.random.default_rng(list(file.encode()))
        noise = alterations.coloured(RATE, rng, tilt=rng.uniform(0, 1))
        burst = 0.1 * noise / np.abs(noise).max() * np.hanning(RATE) ** 2
        soundfile.write(folder / file, burst, RATE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of six speakers, and the corpus."""
    folder = tmp_path_factory.mktemp("stress")
    table = fake_table(n_speakers=6, n_each=2)
    write_bursts(folder / "corpus", table["file"])
    corpus = fake_corpus(table, root=str(folder / "corpus"))
    settings = FinetuneSettings(system="descriptors", labels=12, folds=0)
    resources = Resources(folder / "cache", **RESOURCES)
    finetune(corpus, folder / "model", settings=settings, resources=resources)
    return folder, corpus, resources


def of_speech(folder, corpus, resources, *names, out="out", **changes):
    settings = StressSettings(names, folds=3, **changes)
    return stress(folder / "model", corpus, folder / out, settings=settings, resources=resources)


def test_a_model_that_knows_all_speakers_is_fitted_again_in_folds(trained, monkeypatch):
    folder, corpus, resources = trained
    names = ("zeros-0.2s", "gain-20dB", "babble-0dB")
    found = of_speech(folder, corpus, resources, *names)
    assert found.n_utterances == len(corpus)
    assert "fitted again with 12 labels in 3 folds" in found.notes[0]
    silence, gain, babble = found.rows
    assert silence.moved.value <= 0.05
    assert gain.moved.value <= 0.05
    assert babble.moved.value > 0.2
    written = json.loads((folder / "out" / "stress.json").read_text())
    assert written == json.loads(json.dumps(found.to_dict()))
    assert "## Under stress: fake" in (folder / "model" / "README.md").read_text()
    assert (folder / "out" / "stress.html").read_text() == pages.render(found)

    monkeypatch.setattr(runs, "predict", lambda job: pytest.fail("it was predicted before"))
    again = of_speech(folder, corpus, resources, *names)
    assert again.to_dict() == found.to_dict()


def test_all_conditions_share_processes_that_start_where_something_is_left(trained, monkeypatch):
    folder, corpus, resources = trained
    two, started = Resources(resources.cache, workers=2, progress=False), []
    pool = runs.process_pool
    monkeypatch.setattr(runs, "process_pool", lambda n: started.append(n) or pool(n))
    found = of_speech(folder, corpus, two, "offset", "gain-20dB", out="two", card=False)
    assert started == [2]
    alone = of_speech(folder, corpus, resources, "offset", "gain-20dB", out="one", card=False)
    assert found.to_dict() == alone.to_dict()
    of_speech(folder, corpus, two, "offset", "gain-20dB", out="two", card=False)
    assert started == [2]


def test_what_was_predicted_with_other_labels_is_predicted_again(trained, monkeypatch):
    folder, corpus, resources = trained
    of_speech(folder, corpus, resources, "offset", out="other", card=False)
    asked = []
    predict = runs.predict
    monkeypatch.setattr(runs, "predict", lambda job: asked.append(job) or predict(job))
    found = of_speech(folder, corpus, resources, "offset", out="other", card=False, labels=20)
    assert {job.condition for job in asked} == {"clean", "offset"}
    assert "with 20 labels" in found.notes[0]


def test_speakers_that_it_does_not_know_are_predicted_by_the_model_itself(trained):
    folder, _, resources = trained
    table = fake_table(n_speakers=8, n_each=2)
    new = table[table["speaker"] > "s05"]
    write_bursts(folder / "corpus", new["file"])
    both = fake_corpus(table, root=str(folder / "corpus"))
    card = (folder / "model" / "README.md").read_text()
    found = of_speech(folder, both, resources, "gated", out="both", card=False)
    assert found.n_utterances == len(new)
    assert "Of 6 speakers the model was trained on speech" in found.notes[0]
    assert (folder / "model" / "README.md").read_text() == card
    alone = fake_corpus(new, root=str(folder / "corpus"))
    with pytest.raises(UndertoneError, match="no speaker of fake trained this model"):
        of_speech(folder, alone, resources, "gated", out="alone", labels=12)


def test_codecs_are_left_out_and_told_where_there_is_no_ffmpeg(monkeypatch, capsys):
    monkeypatch.setattr(foreign, "is_installed", lambda: False)
    left = runs._possible(chosen(("line",)))
    assert [row.name for row in left] == ["telephone"]
    assert "mp3-32k, mp3-16k, opus-16k, opus-8k; install ffmpeg" in capsys.readouterr().err


def test_a_missing_ffmpeg_is_named_where_a_codec_is_asked_for(monkeypatch, voice):
    monkeypatch.setattr(rooms, "PROGRAM", "no-such-program")
    with pytest.raises(UndertoneError, match="mp3 is made by ffmpeg, which is not here: install"):
        rooms.coded(voice, codec="mp3", kilobits=32)
