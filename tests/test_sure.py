"""Sure, or silent: sets that hold the truth, what is no speech, what is unlike training."""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from plan_fakes import data_of, finetune_build
from serving_fakes import RATE, tone, voice, write_voice
from typer.testing import CliRunner

from undertone import audio, cli
from undertone.audio import alterations
from undertone.errors import UndertoneError
from undertone.evaluation.coverage import Covered, answered, coverage
from undertone.evaluation.report import sure
from undertone.evaluation.report.advice import Advice
from undertone.evaluation.report.result import Compared
from undertone.evaluation.score import score
from undertone.features import log_mel, spoken
from undertone.models.conformal import HeldOut, effective, in_set, strangeness, threshold
from undertone.models.familiar import Familiar, distance_from
from undertone.recogniser.folder import load
from undertone.serving.predict import Prediction, predict
from undertone.serving.sureness import UNSURE, Answer, Judge, Terms, named
from undertone.systems.fitted import OnVectors
from undertone.systems.held_out import held_out, smaller
from undertone.tasks import Classes, Dimensions

# --- sets


def test_with_independent_scores_the_threshold_is_the_textbooks(rng):
    """Split conformal prediction: the ceil((n + 1) c)-th smallest of n."""
    scores = rng.permutation(np.arange(1.0, 100.0))  # 99 of them
    for c, expected in ((0.9, 90), (0.8, 80), (0.55, 55), (0.99, 99)):
        assert threshold(scores, c, n_effective=99) == expected
    assert threshold(scores, 0.995, n_effective=99) == np.inf
    assert effective(np.arange(99)) == pytest.approx(99), "a recording a speaker is independent"


def test_recordings_of_a_speaker_count_between_one_and_all():
    speaker = np.repeat(np.arange(10), 34)
    assert effective(speaker, alike=0.0) == pytest.approx(340)
    assert effective(speaker, alike=1.0) == pytest.approx(10)
    assert 10 < effective(speaker) < 340
    one_has_all = np.concatenate([np.zeros(331, int), np.arange(1, 10)])
    assert effective(one_has_all) < effective(speaker)


def test_more_speakers_and_less_coverage_never_ask_for_more(rng):
    speaker, scores = np.repeat(np.arange(8), 20), rng.random((160, 1))
    held = HeldOut(scores.astype(np.float32), speaker.astype(np.int32))
    found = [float(held.threshold(c)[0]) for c in (0.5, 0.6, 0.7, 0.8, 0.9, held.most)]
    assert found == sorted(found)
    assert np.isfinite(found).all()
    assert held.threshold(held.most + 0.01)[0] == np.inf
    pooled = threshold(scores[:, 0], 0.9, n_effective=160)
    assert held.threshold(0.9)[0] >= pooled


def test_unheard_speakers_are_covered_as_often_as_promised(rng):
    """Speakers differ: of each the truth is within with a probability of its own."""
    covered, asked = [], 0.85
    for _ in range(400):
        level = rng.normal(0, 0.4, 9)  # of eight speakers, and the one that is tested
        scores = rng.normal(level[:, None], 1, (9, 15))
        held = HeldOut.of(scores[:8].reshape(-1, 1), np.repeat(np.arange(8), 15))
        covered.append((scores[8] <= held.threshold(asked)[0]).mean())
    assert asked - 0.02 < np.mean(covered) < asked + 0.06


@pytest.mark.parametrize(
    ("coverage", "message"),
    [(0.99, "8 speakers.*count as .* promise 0.982 .* --coverage 0.98 or less"),
     (1.0, "below 1, found 1: try --coverage .9"), (0.1, "from 0.5"), (float("nan"), "found nan")],
)  # fmt: skip
def test_what_cannot_be_promised_is_refused(coverage, message, rng):
    held = HeldOut.of(rng.random((160, 1)), np.repeat(np.arange(8), 20))
    with pytest.raises(UndertoneError, match=message):
        held.check(coverage)
    held.check(0.9)


def test_a_set_holds_the_likeliest_and_all_that_are_no_stranger():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25]])
    within = in_set(probabilities, 0.68)
    assert within.tolist() == [[True, False, False], [True, True, False]]
    assert in_set(probabilities, 0.1).sum(axis=1).tolist() == [1, 1]
    assert in_set(probabilities, np.inf).all()
    truth = np.array([1, 2])
    assert strangeness(probabilities, truth)[:, 0] == pytest.approx([0.7, 0.75])


def test_held_out_speakers_are_nobody_that_their_fit_knew():
    build = finetune_build(data_of("choice"), system="descriptors", labels=24)
    cell = build.plan.cells[-1]
    problem, parts = build.plan.problem(cell, build._material(cell)), []

    def spy(part, settings):
        parts.append(part)
        return build.row.fit(part, settings)

    found = held_out(problem, spy, build._settings)
    assert found.n_speakers == len({problem.speaker[name] for name in problem.budget})
    assert len(found.scores) == sum(len(part.test) for part in smaller(problem))
    for part in {id(p): p for p in parts if p.test}.values():
        tested = {build.plan.speaker[name] for name in part.test}
        assert not tested & {build.plan.speaker[name] for name in part.budget}


# --- a model folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder of a model of descriptors, with a card."""
    build = finetune_build(data_of("choice"), system="descriptors", labels=None, folds=2)
    folder, recogniser = tmp_path_factory.mktemp("models") / "m", build.fit_all()
    score = build.cross_validate(Silent())
    from undertone.recogniser.card import write_card

    recogniser.save(folder, write_card(build.facts(score, recogniser), [build.data.corpus]))
    return folder


class Silent:
    def advance(self, *args):
        pass


def test_scores_survive_their_folder_and_hold_no_names(model):
    found = load(model)
    assert found.held_out is not None
    assert found.familiar is not None
    assert found.held_out.speaker.max() + 1 == found.held_out.n_speakers == 8
    names = {f"s{n:02d}" for n in range(8)}
    told = json.dumps(json.loads((model / "config.json").read_text()))
    assert not any(f'"{name}"' in told for name in names)
    again = model.parent / "again"
    found.save(again, "card")
    np.testing.assert_array_equal(load(again).held_out.scores, found.held_out.scores)
    assert load(again).familiar == found.familiar


def test_a_folder_without_scores_is_served_and_says_how_to_get_them(model, tmp_path):
    old = replace(load(model), held_out=None, familiar=None)
    old.save(tmp_path / "old", "card")
    loaded = load(tmp_path / "old")
    assert loaded.held_out is None
    Terms(min_probability=0.5).check(loaded)
    with pytest.raises(UndertoneError, match=r"made before .*make it again with `undertone finet"):
        Terms(coverage=0.9).check(loaded)


@pytest.mark.parametrize(
    "changed",
    [
        {"held_out.speaker": np.zeros(3, np.int32)},
        {"held_out.speaker": None},
        {"held_out.scores": np.zeros((4, 2), np.float32)},
        {"familiar.farthest": np.array([-1.0])},
        {"familiar.farthest": np.array([1.0, 2.0])},
    ],
)
def test_scores_that_fit_nothing_are_damage(changed, model):
    held = load(model).held_out
    own = {f"held_out.{name}": array for name, array in held.tensors().items()}
    tensors = {**own, "familiar.farthest": np.array([1.0]), **changed}
    tensors = {name: array for name, array in tensors.items() if array is not None}
    held_out, familiar = (
        {n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}
        for prefix in ("held_out.", "familiar.")
    )

    def restored():
        return HeldOut.restore(held_out, 1), Familiar.restore(familiar)

    with pytest.raises((ValueError, KeyError)):
        restored()


def test_the_card_tells_sets_silence_and_speakers(model):
    card = (model / "README.md").read_text()
    assert "## When it is silent, and how sure it can be" in card
    assert "`--coverage 0.9` gives sets of emotions" in card
    assert "Each speaker's share" in card
    assert "| .900 |" in card
    assert "Without being asked it is silent on" in card


# --- coverage and silence, measured


def test_coverage_is_counted_by_speaker():
    task = Classes(("a", "b"))
    values = np.array([[[0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.2, 0.8]]])
    truth = np.eye(2)[[0, 1, 0, 0]]
    found = coverage(values, np.full((1, 4, 1), 0.7), truth, ["x", "x", "y", "y"], task=task)
    assert found.by_speaker == (0.5, 1.0)  # of y its second is missed
    assert found.reached.value == 0.75
    assert found.size == 1.5
    assert (found.alone, found.right_alone) == (0.5, 0.5)
    nothing = np.full((1, 4, 1), np.nan)
    assert coverage(values, nothing, truth, ["x", "x", "y", "y"], task=task) is None


def test_intervals_of_amounts_are_counted_output_by_output():
    task = Dimensions(("arousal", "valence"), low=1.0, high=5.0)
    values, truth = np.full((1, 2, 2), 3.0), np.array([[3.4, 3.6], [2.0, 3.0]])
    found = coverage(values, np.full((1, 2, 2), 0.5), truth, ["x", "y"], task=task)
    assert found.by_speaker == (0.5, 0.5)
    assert found.size == pytest.approx(0.25)  # one of four
    assert np.isnan(found.alone)


def test_the_report_shows_every_speaker_of_what_we_would_use(rng):
    task = Classes(("a", "b"))
    values = rng.dirichlet((1, 1), (2, 60))
    truth, who = np.eye(2)[rng.integers(0, 2, 60)], [f"s{i % 5}" for i in range(60)]
    of = coverage(values, np.full((2, 60, 1), 0.6), truth, who, task=task)
    silence = answered(values, truth, who)
    systems = [Compared(n, f"the {n}", "classic", "") for n in ("x", "ours")]
    by_name = {system.name: system for system in systems}
    result = SimpleNamespace(
        covered=[Covered(n, b, of, silence) for n in by_name for b in (20, 50, 100)],
        systems=systems, budgets=(20, 50, 100), unit="speaker",
        label=lambda name: by_name[name].label, advice=Advice("ours", "x", 0),
    )  # fmt: skip
    table = sure.sets(result)
    assert [row.name for row in table.rows][::5] == ["the x", "the ours"]
    titles = [table.title for table in sure.details(result)]
    assert len(titles) == 4
    assert all("the ours with" in title for title in titles)
    *_, last = sure.details(result)
    assert len(last.rows) == 5
    many = replace(of, by_speaker=tuple(np.linspace(0.5, 1, 300)))
    assert len(sure.by_speaker(many)) == len(sure.PERCENTILES)


def test_silence_answers_less_and_all_of_it_at_nought(rng):
    sure = rng.random((2, 200))
    probabilities = np.stack([0.5 + sure / 2, 0.5 - sure / 2], axis=2)
    truth = np.eye(2)[(rng.random(200) > 0.8).astype(int)]
    rows = answered(probabilities, truth, [f"s{i % 5}" for i in range(200)])
    shares = [row.share.value for row in rows]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert all(row.right.low <= row.right.value <= row.right.high for row in rows)


# --- what is no speech


def evidence(samples):
    return spoken.hear(audio.from_array(samples.astype(np.float32), RATE, name="it"))


def doubt(samples):
    found = spoken.doubt_of(evidence(samples))
    return found and found.what


def test_a_voice_is_speech_however_it_is_recorded(rng):
    said = voice(150, 2).astype(np.float32)
    assert doubt(said) is None
    assert doubt(0.01 * said) is None
    assert doubt(said + 0.05) is None
    assert doubt(alterations.telephoned(said)) is None
    assert doubt(alterations.with_noise(said, rng, snr_db=10)) is None
    assert doubt(np.concatenate([np.zeros(RATE), said, np.zeros(3 * RATE)])) is None


def test_what_nobody_speaks_is_no_speech(rng):
    t = np.arange(2 * RATE) / RATE
    siren = np.sin(2 * np.pi * np.cumsum(600 + 300 * np.sin(2 * np.pi * t)) / RATE)
    beeps = tone(800, 2) * (np.sin(2 * np.pi * 2 * t) > 0)
    notes = np.concatenate([tone(220 * 2 ** (k / 12), 0.25) for k in (0, 4, 7, 12, 7, 4, 0, 2)])
    hum = sum(tone(50 * k, 2) / k for k in (1, 2, 3, 5))
    for sound in (tone(220, 2), siren, beeps, notes, hum, rng.normal(0, 0.1, 2 * RATE)):
        assert doubt(sound) == spoken.NO_SPEECH
    assert doubt(tone(220, 0.2)) == spoken.TOO_SHORT
    click = np.zeros(RATE)
    click[RATE // 2] = 0.9
    assert doubt(click) == spoken.TOO_SHORT


def test_noise_as_loud_as_the_voice_is_too_noisy(rng):
    said = voice(150, 3).astype(np.float32)
    loud = alterations.with_noise(said, rng, snr_db=-4)
    assert doubt(loud) in (spoken.TOO_NOISY, spoken.NO_SPEECH)
    faint, louder = (
        evidence(alterations.with_noise(said, rng, snr_db=snr)).floor_db for snr in (15, 5)
    )
    assert faint < louder


def test_frames_tell_the_same_as_their_waveform():
    waveform = audio.from_array(voice(120, 1.5).astype(np.float32), RATE, name="it")
    frames = log_mel.extract(waveform)
    np.testing.assert_array_equal(frames[:, : log_mel.N_OF_VOICE], log_mel.of_voice(waveform))
    assert spoken.evidence_of(frames, log_mel.COLUMNS) == spoken.hear(waveform)


def test_what_is_far_from_all_training_speech_is_unlike(rng):
    vectors = rng.normal(3, 0.2, (60, 80)) * np.arange(1, 81)
    mean, sd = vectors.mean(axis=0), vectors.std(axis=0)
    own = distance_from(vectors, mean=mean, sd=sd)
    familiar = Familiar.of(own, np.repeat(np.arange(6), 10), np.zeros(0))
    assert (familiar.away(own) < 1).all()
    strange = distance_from(vectors + 8 * sd, mean=mean, sd=sd)
    assert (familiar.away(strange) > 1).all()
    copies = Familiar.of(own, np.repeat(np.arange(6), 10), strange)
    assert (copies.away(strange) <= 1).mean() >= 0.98
    constant = np.append(sd, np.inf)
    still = distance_from(np.column_stack([vectors, own]), mean=np.append(mean, 0), sd=constant)
    np.testing.assert_allclose(still, own)


# --- answers


def judge(**terms):
    held = HeldOut.of(np.linspace(0, 0.8, 81)[:, None], np.arange(81))
    found = held.threshold(terms["coverage"]) if "coverage" in terms else None
    return Judge(Classes(("anger", "joy", "fear")), Terms(**terms), found)


SURE, OPEN = np.array([0.95, 0.03, 0.02]), np.array([0.5, 0.4, 0.1])
NO = spoken.Doubt(spoken.NO_SPEECH, "because")


def test_below_the_probability_there_is_no_emotion_and_its_probabilities():
    assert judge(min_probability=0.6).answer(SURE).emotion == "anger"
    held = judge(min_probability=0.6).answer(OPEN)
    assert (held.emotion, held.doubt, held.values["joy"]) == (None, UNSURE, 0.4)
    anyway = judge(min_probability=0.6, anyway=True).answer(OPEN)
    assert (anyway.emotion, anyway.doubt) == ("anger", UNSURE)


def test_what_is_doubted_says_nothing_unless_anyway():
    held = judge().answer(SURE, NO)
    assert (held.emotion, held.values, held.doubt) == (None, {}, spoken.NO_SPEECH)
    anyway = judge(anyway=True).answer(SURE, NO)
    assert (anyway.emotion, anyway.doubt) == ("anger", spoken.NO_SPEECH)


def test_sets_grow_with_the_coverage_and_begin_with_the_likeliest():
    sets = [judge(coverage=c).answer(OPEN).within for c in (0.5, 0.6, 0.8, 0.95)]
    assert sets[0] == ("anger",)
    assert sets[-1] == ("anger", "joy")
    assert all(set(a) <= set(b) for a, b in itertools.pairwise(sets))


def test_amounts_have_intervals_within_their_scale():
    task = Dimensions(("arousal", "valence"), low=1.0, high=5.0)
    found = Judge(task, Terms(coverage=0.9), np.array([0.5, 3.0])).answer(np.array([4.8, 2.0]))
    assert found.intervals["arousal"] == pytest.approx((4.3, 5.0))
    assert found.intervals["valence"] == (1.0, 5.0)
    recogniser = type("Of", (), {"task": task})()
    with pytest.raises(UndertoneError, match=r"amounts of arousal, valence: --coverage \.9"):
        Terms(min_probability=0.5).check(recogniser)


# --- the command


def run(*arguments, code=0):
    done = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    if isinstance(done.exception, Exception):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def recordings(tmp_path):
    write_voice(tmp_path / "a ä.wav", 130, 1.0)
    soundfile.write(tmp_path / "sine.wav", tone(440, 2), RATE)
    return [tmp_path / "a ä.wav", tmp_path / "sine.wav"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_tables_hold_the_doubt_and_the_set(recordings, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    options = ("--coverage", ".8", "--answer-anyway", "--quiet")
    done = run("predict", *recordings, "--out", out, *options)
    assert "1 of 2 recordings give cause for doubt: no speech 1" in done.stderr
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}
    table = pd.read_json(out, lines=True) if ending == "jsonl" else read[ending](out)
    assert table["doubt"].isna().tolist() == [True, False]
    assert table["emotion"].notna().all()
    assert all(e in s.split("|") for e, s in zip(table["emotion"], table["set"], strict=True))


def test_a_tone_is_no_sadness(recordings):
    spoken_one, sine = predict(files=recordings)
    assert spoken_one.emotion is not None
    assert (sine.emotion, sine.values, sine.error, sine.doubt) == (None, {}, None, "no speech")
    assert sine.to_dict() == {
        "file": str(recordings[1]), "emotion": None, "doubt": "no speech", "error": None,
        "note": "no voiced speech was found in it",
    }  # fmt: skip
    told = run("predict", *recordings).stdout.splitlines()
    assert told[1] == f"{recordings[1]}  no answer (no speech)"
    frame = predict(files=recordings, coverage=0.8).to_frame()
    assert frame["doubt"].isna().tolist() == [True, False]
    assert {"set", "p_anger"} <= set(frame.columns)


def test_what_is_held_back_is_scored_as_no_answer(tmp_path):
    probabilities = pd.DataFrame({"p_anger": [0.9, 0.6, None], "p_joy": [0.1, 0.4, None]})
    told = pd.DataFrame({"file": ["a.wav", "b.wav", "c.wav"], "emotion": ["anger", None, None]})
    told = told.assign(**probabilities, doubt=[None, "unsure", "no speech"])
    told.to_csv(tmp_path / "p.csv", index=False)
    truth = told[["file"]].assign(speaker=["x", "y", "z"], emotion=["anger", "joy", "joy"])
    truth.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UndertoneError, match=r"2 empty in .*p\.csv"):
        score(truth=tmp_path / "t.csv", prediction=tmp_path / "p.csv")
    found = score(truth=tmp_path / "t.csv", prediction=tmp_path / "p.csv", missing="drop")
    assert found.n_utterances == 1


def test_a_table_of_other_terms_is_not_gone_on_with(recordings, tmp_path):
    out = tmp_path / "out.csv"
    run("predict", *recordings, "--out", out, "--quiet")
    text = out.read_text()
    out.with_name("out.csv.unfinished").mkdir()
    out.unlink()
    from undertone.cli import predicting
    from undertone.serving.given import gather
    from undertone.serving.said import What

    rows = predicting.rows_of(None, gather(recordings), What(), terms=Terms(), workers=1)
    other = replace(rows, terms=Terms(min_probability=0.5))
    assert predicting._identity(rows) != predicting._identity(other)
    assert text.splitlines()[0].endswith(",doubt,error,note")


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--coverage", "2"), "--coverage is the share"), (("--coverage", ".999"), "promise"),
     (("--min-probability", "0"), "above 0 and at most 1"),
     (("--min-probability", "nan"), "above 0 and at most 1")],
)  # fmt: skip
def test_terms_that_make_no_sense_are_one_message(
    recordings, capsys, monkeypatch, options, message
):
    monkeypatch.setattr("sys.argv", ["undertone", "predict", str(recordings[0]), *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_amounts_anyway_are_printed_as_an_answer():
    from undertone.cli.printing import _said

    anyway = Prediction("a.wav", {"arousal": 0.5}, None, doubt="no speech")
    assert list(_said(anyway)) == [None, "(no speech)", "arousal 0.500"]
    assert anyway.to_dict()["arousal"] == 0.5
    held = Prediction("a.wav", doubt="no speech")
    assert list(_said(held)) == [None, "no answer (no speech)"]


def test_a_head_without_a_scale_knows_no_distance(model):
    found = load(model)
    assert isinstance(found.fitted, OnVectors)
    vectors = found.fitted.head.mean[None]
    _, doubted = found.judge_vector(vectors[0])
    assert doubted is None
    _, doubted = found.judge_vector(found.fitted.head.mean + 1e6)
    assert doubted is not None
    assert doubted.what == "unlike training"


def test_a_set_of_one_emotion_is_not_taken_for_two():
    answer = Answer({"an|ger": 0.7, "joy": 0.3}, "an|ger", within=("an|ger", "joy"))
    assert named(answer, is_choice=True)["set"] == "an/ger|joy"
