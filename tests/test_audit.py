"""What the audit finds on corpora in which it is there to be found, and only there."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from audio_fakes import ffmpeg
from corpora_fakes import fake_corpus, fake_table
from scipy.signal import butter, sosfilt
from test_cli import run
from test_experiment import TINY, write_tones

from undertone import audio, config, corpora
from undertone.corpora.audit import check, refuse
from undertone.corpora.audit.copies import contents_of
from undertone.corpora.audit.encoders import training_of
from undertone.corpora.audit.fingerprints import fingerprint, matches
from undertone.corpora.folds import speaker_folds
from undertone.errors import UndertoneError
from undertone.evaluation.audit import audit, cells_of
from undertone.experiment import CurveSettings, curve
from undertone.pipeline import Resources

RATE = 16_000
EMOTIONS = ("anger", "sadness")


def speech(seed: int, seconds: float = 1.6) -> np.ndarray:
    """Syllables of harmonics whose pitch, colour and loudness wander, each seed in its own way."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    time_s = np.arange(n) / RATE

    def wander(low, high, per_s=5):
        knots = rng.uniform(low, high, round(seconds * per_s) + 2)
        return np.interp(time_s * per_s, np.arange(len(knots)), knots)

    phase = 2 * np.pi * np.cumsum(wander(90, 260)) / RATE
    colour = [wander(0, 1, 9) for _ in range(24)]
    voice = sum(c * np.sin(k * phase) / k**0.5 for k, c in enumerate(colour, start=1))
    sound = voice * wander(0.05, 1, 7) + rng.normal(0, 0.05, n)
    return (0.2 * sound / np.abs(sound).max()).astype(np.float32)


def corpus_of(folder, change=lambda sound, speaker, emotion: sound, n_speakers=4, n_each=5):
    """Speakers with utterances of two emotions that sound alike, changed by whoever asks."""
    rows = []
    for speaker in range(n_speakers):
        for number in range(2 * n_each):
            emotion, seed = EMOTIONS[number % 2], 100 * speaker + number
            name = f"s{speaker}-{number}.wav"
            folder.mkdir(exist_ok=True)
            sound = change(speech(seed), speaker, emotion)
            soundfile.write(folder / name, sound, RATE)
            rows.append({"file": name, "speaker": f"s{speaker}", "emotion": emotion})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return corpora.open(str(folder))


def add(folder, rows):
    """More rows of the table: (file, speaker, emotion)."""
    table = pd.read_csv(folder / "labels.csv")
    more = pd.DataFrame(rows, columns=["file", "speaker", "emotion"])
    pd.concat([table, more]).to_csv(folder / "labels.csv", index=False)
    return corpora.open(str(folder))


def names(findings):
    return {finding.name: finding for finding in findings}


def test_a_clean_corpus_has_nothing_that_is_a_lie(tmp_path):
    found = audit(corpus_of(tmp_path / "a"))
    assert not found.has_lies
    assert set(names(found.findings)) == {"condition"}
    assert "does not measurably tell" in found.findings[0].what


@pytest.mark.parametrize(
    ("spellings", "told"), [(("03", "3"), "03/3"), (("anna", "Anna "), "Anna/anna")]
)
def test_speakers_spelt_in_two_ways_are_named(spellings, told):
    table = fake_table(n_speakers=3)
    is_first = table["speaker"] == "s00"
    table.loc[is_first, "speaker"] = [spellings[i % 2].strip() for i in range(is_first.sum())]
    found = names(check(fake_corpus(table), {}))
    assert found["speakers"].is_lie
    assert found["speakers"].rows == ((told, "10/10"),)
    assert "speakers" not in names(check(fake_corpus(), {}))


def test_the_same_bytes_under_two_speakers_or_labels_are_a_lie_and_repeats_are_not(tmp_path):
    folder = tmp_path / "a"
    corpus_of(folder)
    for copy in ("x.wav", "y.wav", "z.wav"):
        number = "xyz".index(copy[0])
        shutil.copy(folder / f"s0-{number}.wav", folder / copy)
    corpus = add(
        folder, [("x.wav", "s1", "anger"), ("y.wav", "s0", "anger"), ("z.wav", "s0", "anger")]
    )
    found = names(check(corpus, contents_of(corpus)))
    assert found["copies"].is_lie
    assert found["copies"].rows == (
        ("s0-0, x", "s0, s1", "anger"),
        ("s0-1, y", "s0", "sadness, anger"),
    )
    assert not found["repeats"].is_lie
    assert found["repeats"].rows == (("s0-2, z", "s0", "anger"),)


def test_segments_of_one_file_are_no_copies(tmp_path):
    corpus_of(tmp_path / "a")
    rows = [f"s0-0.wav,{i / 4},{(i + 1) / 4},s{i},anger" for i in range(4)]
    (tmp_path / "a" / "labels.csv").write_text("\n".join(["file,start,end,speaker,emotion", *rows]))
    corpus = corpora.open(str(tmp_path / "a"))
    assert "copies" not in names(check(corpus, contents_of(corpus)))


def resampled(sound):
    return soxr.resample(soxr.resample(sound, RATE, 8_000), 8_000, RATE)


CHANGES = {
    "resampled": resampled,
    "quieter": lambda sound: 0.05 * sound,
    "padded": lambda sound: np.pad(sound, (4_321, 1_000)),
    "cut": lambda sound: sound[1_500:-2_500],
    "noisy": lambda sound: sound + np.random.default_rng(9).normal(0, 0.003, len(sound)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_that_was_changed_is_found_and_no_other(change):
    sounds = {f"u{seed}": speech(seed) for seed in range(30)}
    prints = {name: fingerprint(sound) for name, sound in sounds.items()}
    copy = CHANGES[change](sounds["u7"]).astype(np.float32)
    found = matches(prints | {"copy": fingerprint(copy)})
    assert [(match.one, match.other) for match in found] == [("u7", "copy")]
    shift_s = {"padded": -4_321 / RATE, "cut": 1_500 / RATE}.get(change, 0.0)
    assert found[0].shift_s == pytest.approx(shift_s, abs=0.021)


@pytest.mark.parametrize("options", [("-b:a", "32k", "a.mp3"), ("-c:a", "libopus", "a.webm")])
def test_a_copy_that_was_recoded_is_found(tmp_path, options):
    sounds = {f"u{seed}": speech(seed) for seed in range(10)}
    soundfile.write(tmp_path / "a.wav", sounds["u3"], RATE)
    ffmpeg("-i", tmp_path / "a.wav", *options[:-1], tmp_path / options[-1])
    copy = audio.read(tmp_path / options[-1])
    prints = {name: fingerprint(s) for name, s in (sounds | {"copy": copy}).items()}
    assert [(match.one, match.other) for match in matches(prints)] == [("u3", "copy")]


def test_prints_of_too_little_sound_match_nothing():
    assert matches({"a": fingerprint(speech(0, 0.3)), "b": fingerprint(speech(0, 0.3))}) == []
    assert matches({"a": fingerprint(np.zeros(800, np.float32))}) == []


def test_near_copies_are_told_within_a_corpus_and_in_the_pool(tmp_path):
    folder, pool = tmp_path / "a", tmp_path / "pool"
    corpus_of(folder)
    pool.mkdir()
    for name, source in {"x.wav": "s0-0", "y.wav": "s1-2"}.items():
        sound = soundfile.read(folder / f"{source}.wav")[0]
        soundfile.write(folder / name, resampled(sound), RATE)
    soundfile.write(pool / "p.wav", 0.3 * soundfile.read(folder / "s2-1.wav")[0], RATE)
    corpus = add(folder, [("x.wav", "s3", "sadness"), ("y.wav", "s1", "anger")])
    found = names(audit(corpus, [corpora.open(str(pool))]).findings)
    assert found["near copies"].is_lie
    assert found["near copies"].rows[0][:3] == ("s0-0", "x", "speaker and label")
    assert found["near repeats"].rows[0][:2] == ("s1-2", "y")
    assert found["heard in the pool"].rows[0][:2] == ("s2-1", "p")


def muffled(sound, speaker, emotion):
    """Anger was recorded through a telephone."""
    if emotion == "sadness":
        return sound
    return sosfilt(butter(8, 3_000, fs=RATE, output="sos"), sound).astype(np.float32)


def cut_late(sound, speaker, emotion):
    """Sadness begins after half a second."""
    return np.pad(sound, (8_000 * (emotion == "sadness"), 0))


@pytest.mark.parametrize(
    ("change", "measure", "apart"),
    [(muffled, "band_hz", 2_000), (cut_late, "before_s", 0.3)],
)
def test_a_recording_condition_that_tells_the_emotion_is_told(tmp_path, change, measure, apart):
    found = audit(corpus_of(tmp_path / "a", change))
    assert found.without_level.uar.low > 0.9
    assert found.without_level.chance == 0.5
    assert "the recording condition tells the emotion" in names(found.findings)["condition"].what
    by_emotion = found.conditions[found.conditions["by"] == "emotion"].set_index("group")
    assert abs(by_emotion.loc["anger", measure] - by_emotion.loc["sadness", measure]) > apart
    assert by_emotion["n"].tolist() == [20, 20]
    (head, *_), rows = cells_of(found.conditions)  # a table that is split repeats its first column
    assert (head, [name for name, *_ in rows[:2]]) == ("of", ["emotion anger", "emotion sadness"])
    assert len({name for name, *_ in rows}) == len(rows)


def test_sentences_on_both_sides_are_told_with_the_share_that_they_touch():
    table = fake_table(n_speakers=4, n_each=2)
    table["transcript"] = [f"sentence {i}" for i in range(len(table))]  # each said once
    corpus = fake_corpus(table)
    folds = speaker_folds(corpus, 2)
    assert "sentences" not in names(check(corpus, {}, folds=folds))
    first = table.groupby("speaker").head(2).index  # of each speaker's eight
    table.loc[first, "transcript"] = ["Go on!", "go on"] * (len(first) // 2)
    found = names(check(fake_corpus(table), {}, folds=folds))["sentences"]
    assert not found.is_lie
    assert "1 of 25 sentences" in found.what
    assert "25% of the test utterances" in found.what
    assert found.rows == (("go on", "8", "4"),)


def test_emotions_of_one_speaker_and_unknown_words_are_told():
    table = fake_table(n_speakers=3)
    table.loc[(table["speaker"] == "s01") & (table["emotion"] == "anger"), "emotion"] = "wut"
    found = names(check(fake_corpus(table), {}))
    assert found["emotions"].rows == (("wut", "s01"),)
    assert found["words"].rows == (("wut", "5", "anger"),)


@pytest.mark.parametrize(
    ("features", "corpus", "is_lie", "word"),
    [
        (
            "upstream:audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim@12",
            "msp-podcast",
            True,
            "taught",
        ),
        ("upstream:facebook/wav2vec2-base@6", "librispeech", False, "has heard"),
        ("upstream:/models/wav2vec2-base@auto", "emodb", False, "is known not to have heard"),
        ("upstream:openai/whisper-base@all", "emodb", False, "not published"),
        ("upstream:somebody/else@3", "emodb", False, "nothing is known"),
    ],
)
def test_what_an_encoder_has_heard(features, corpus, is_lie, word):
    found = names(check(fake_corpus(name=corpus), {}, features=features))["encoder"]
    assert found.is_lie == is_lie
    assert word in found.what
    assert "encoder" not in names(check(fake_corpus(name=corpus), {}, features="log_mel"))


def test_wavlm_base_and_base_plus_are_told_apart():
    assert training_of("upstream:microsoft/wavlm-base@3").without_labels == ("librispeech",)
    assert "gigaspeech" in training_of("upstream:microsoft/wavlm-base-plus@3").without_labels


def test_what_is_allowed_is_known_by_name():
    with pytest.raises(UndertoneError, match="--allow takes speakers, copies, encoder"):
        refuse([], ["everything"])


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def doubled(folder, *, speaker=None, emotion=None):
    """Tones with copies of the first ten under another speaker or label."""
    write_tones(folder)
    rows = (folder / "labels.csv").read_text().splitlines()
    for row in rows[1:11]:
        name, who, felt = row.split(",")
        shutil.copy(folder / name, folder / f"copy-{name}")
        rows.append(f"copy-{name},{speaker or who},{emotion or felt}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return f"tones={folder}/labels.csv"


@pytest.mark.parametrize("other", [{"speaker": "s3"}, {"emotion": "fear"}])
def test_copies_stop_finetune_until_they_are_allowed_and_then_never_cross_a_fold(
    tmp_path, cache, other
):
    corpus = doubled(tmp_path / "tones", **other)
    verb = ("finetune", "--corpus", corpus, "--out", tmp_path / "m", "--cache", cache)
    verb += ("--set", "folds=2", "--quiet")
    refused = run(*verb, code=2).stderr
    assert "10 recordings of tones stand there several times" in refused
    assert "copy-u000" in refused
    assert "--allow copies" in refused
    assert not (tmp_path / "m").exists()
    told = run(*verb, "--allow", "copies").stderr
    assert "20 left out: the same recording stands there under another" in told
    card = (tmp_path / "m" / "README.md").read_text()
    assert "Left out: 20, the same recording stands there" in card


def test_speakers_stop_a_curve_until_they_are_allowed_and_the_report_says_so(tmp_path, cache):
    folder = write_tones(tmp_path / "tones")
    rows = (folder / "labels.csv").read_text().splitlines()
    rows = [row.replace(",s3,", (",03,", ",3.0,")[i % 2]) for i, row in enumerate(rows)]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    values = {"corpus": f"tones={folder}/labels.csv", "systems": ["linear", "constant"]}
    resources = Resources(cache, workers=1, progress=False)
    settings = config.load(CurveSettings, TINY | values)
    with pytest.raises(UndertoneError, match=r"03/3\.0.*--allow speakers"):
        curve(settings, tmp_path / "run", resources)
    assert not (tmp_path / "run").exists()
    settings = config.load(CurveSettings, TINY | values | {"allow": ["speakers"]})
    page = curve(settings, tmp_path / "run", resources).report.read_text()
    assert "Allowed by name, and a score may be a lie" in page
    assert "03/3.0" in page
    found = json.loads((tmp_path / "run" / "audit.json").read_text())
    assert {"name": "speakers", "is_lie": True}.items() <= found[0].items()


def test_the_command_prints_a_table_or_json_and_its_status_tells_of_lies(tmp_path):
    corpus_of(tmp_path / "a", n_speakers=3)
    clean = ("audit", "--corpus", tmp_path / "a", "--quiet", "--workers", "1")
    printed = run(*clean, "--out", tmp_path / "audit.md").stdout
    assert "level, band and silence alone reach UAR" in printed
    assert "# Audit of a" in (tmp_path / "audit.md").read_text()
    shutil.copy(tmp_path / "a" / "s0-0.wav", tmp_path / "a" / "x.wav")
    add(tmp_path / "a", [("x.wav", "s1", "anger")])
    done = run(*clean, "--json", "--out", tmp_path / "audit.json", code=1)
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "audit.json").read_text())
    lies = [finding["name"] for finding in found["findings"] if finding["is_lie"]]
    assert lies == ["copies", "near copies"]
    assert len(found["conditions"]) == 5
    assert "! 1 recordings of a stand there several times" in run(*clean, code=1).stdout


def test_the_number_of_processes_changes_nothing(tmp_path):
    corpus = corpus_of(tmp_path / "a", n_speakers=4, n_each=5)
    assert audit(corpus, workers=1).to_dict() == audit(corpus, workers=2).to_dict()


@pytest.mark.corpora
@pytest.mark.slow
def test_the_real_corpora_are_as_we_know_them(corpora_root):
    found = names(audit(corpora.open(f"emodb={corpora_root / 'emodb'}"), workers=2).findings)
    assert set(found) == {"sentences", "condition"}
    assert "10 of 10 sentences" in found["sentences"].what
