"""Words from a table to a report and to people: tones in which the words tell valence."""

import csv
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from plan_fakes import data_of
from serving_fakes import voice
from text_fakes import WORDS, write_text_encoder
from typer.testing import CliRunner

from undertone import audio, cli, config, corpora, seals
from undertone.corpora.folds import Fold
from undertone.corpora.sentences import sentence_of
from undertone.errors import UndertoneError
from undertone.evaluation.report import tables
from undertone.experiment import CurveSettings, run_curve
from undertone.features.text.reader import Reader, TextSettings
from undertone.pipeline import Resources
from undertone.recogniser.folder import load
from undertone.serving.predict import predict
from undertone.serving.said import What
from undertone.systems.plan import Data
from undertone.systems.words import Words
from undertone.tasks import CHOICE, task_of

GOOD, BAD = ("happy", "fine"), ("sad", "angry")
N_SPEAKERS, N_EACH = 6, 12
MISSING = ("s0-03", "s2-05", "s4-07")
BRIEF = {  # the networks are not what is tested here
    "encoder": {"hidden_units": 8, "stride": 8},
    "pretrain": {"max_epochs": 1},
    "finetune": {"max_epochs": 1, "epochs_without_validation": 1},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A tone whose level is the arousal; words, one of which is the valence."""
    folder, rng = tmp_path_factory.mktemp("words"), np.random.default_rng(1)
    encoder = write_text_encoder(folder / "encoder", window=64, words=(*WORDS, *numbers()))
    rows = []
    for speaker in range(N_SPEAKERS):
        for number in range(N_EACH):
            name, good = f"s{speaker}-{number:02d}", rng.random() < 0.5
            arousal = float(rng.uniform(-1, 1))
            tone = 10 * voice(200 + 20 * speaker, 0.4)
            noise = rng.normal(0, 0.004, 6400)
            soundfile.write(
                folder / f"{name}.wav", 0.3 * 10 ** (arousal / 2) * tone + noise, audio.SAMPLE_RATE
            )
            text = f"i am {(GOOD if good else BAD)[number % 2]} {(GOOD if good else BAD)[0]} "
            text += f"{numbers()[N_EACH * speaker + number]}"
            valence = (4.0 if good else 2.0) + 0.1 * rng.normal()
            told = "" if name in MISSING else text
            rows.append((f"{name}.wav", f"s{speaker}", told, arousal, valence))
    columns = ["file", "speaker", "transcript", "arousal", "valence"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "labels.csv", index=False)
    return folder, encoder


def numbers():
    return tuple(f"n{i}" for i in range(N_SPEAKERS * N_EACH))


def run(*arguments):
    done = CliRunner().invoke(cli.app, [*map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def model(home):
    folder, encoder = home
    run(
        *("finetune", "--corpus", f"w={folder / 'labels.csv'}", "--text", encoder, "--quiet"),
        *("--out", folder / "model", "--cache", folder / "cache", "--set", "folds=3"),
    )
    return folder / "model"


def test_a_curve_weighs_voice_and_words_by_dimension_and_says_so(home):
    folder, encoder = home
    text = {"model": str(encoder)}
    values = {"corpus": f"w={folder / 'labels.csv'}", "text": text, "budgets": (24,), "draws": 2}
    settings = config.load(CurveSettings, BRIEF | values | {"folds": 3, "replicates": 100})
    resources = Resources(folder / "cache", 1, progress=False)
    result = run_curve(settings, folder / "run", resources)
    curves = result.curves
    systems = [system.name for system in result.systems]
    assert {"audio_text", "text_alone", "text_shuffled", "audio_text_train", "descriptors"} <= set(
        systems
    )
    recommended = [system.name for system in result.systems if system.recommended]
    assert recommended[0] == "audio_text"

    def ccc(system, output):
        return curves.estimate(system, 24, output=output).value

    assert ccc("audio_text", "valence") > 0.7
    assert ccc("audio_text", "arousal") > 0.7
    assert ccc("descriptors", "valence") < 0.4
    assert ccc("text_alone", "arousal") < 0.4
    assert ccc("text_shuffled", "valence") < 0.4
    notes = " ".join(result.notes)
    assert "of 72 utterances 3 have no transcript with a word in it" in notes
    assert "69 different sentences" in notes
    assert "With 24 labels, fits chose for valence: " in notes
    (worth,) = tables.contrasts(result)
    gains = {row.name: row.cells[0] for row in worth.rows}
    assert worth.title == "What words are worth"
    for other in ("the voice alone", "somebody else's words"):
        assert gains[f"voice + words over {other}, valence"].value > 0.3
        assert abs(gains[f"voice + words over {other}, arousal"].value) < 0.2
    assert "What words are worth" in (folder / "run" / "report.html").read_text()
    again = run_curve(settings, folder / "again", resources)
    for key, scored in curves.scored.items():
        np.testing.assert_array_equal(scored.by_draw, again.curves.scored[key].by_draw)


def test_other_transcripts_are_another_run(home, tmp_path):
    folder, encoder = home
    table = pd.read_csv(folder / "labels.csv", keep_default_na=False)
    said = pd.DataFrame({"utterance": [f[:-4] for f in table["file"]]})
    said["transcript"] = table["transcript"].str.replace("happy", "sad")
    said.to_csv(tmp_path / "said.csv", index=False)
    corpus = f"w={folder / 'labels.csv'}"
    settings = {"corpus": corpus, "budgets": (24,), "draws": 1, "folds": 3, "replicates": 50}
    settings |= {"systems": ("text_alone", "mean")}
    text = {"model": str(encoder), "transcripts": str(tmp_path / "said.csv")}
    resources = Resources(folder / "cache", 1, progress=False)
    first = config.load(CurveSettings, settings | {"text": text})
    run_curve(first, tmp_path / "run", resources)
    said["transcript"] = table["transcript"]
    said.to_csv(tmp_path / "said.csv", index=False)
    with pytest.raises(UndertoneError, match="holds"):
        run_curve(first, tmp_path / "run", resources)


def test_a_model_that_reads_words_is_told_them_one_way_or_another(model, home, tmp_path):
    folder, _ = home
    loaded = load(model)
    assert loaded.system == "audio_text"
    table = pd.read_csv(folder / "labels.csv", keep_default_na=False).set_index("file")
    files = [folder / f"s1-{i:02d}.wav" for i in range(4)]
    texts = [table.loc[file.name, "transcript"] for file in files]
    told = list(predict(loaded, files, What(tuple(texts))))
    pd.DataFrame({"utterance": [f.stem for f in files], "transcript": texts}).to_csv(
        tmp_path / "said.csv", index=False
    )
    looked_up = list(predict(loaded, files, What(table=tmp_path / "said.csv")))
    assert told == looked_up
    for prediction, text in zip(told, texts, strict=True):
        assert (prediction.values["valence"] > 3) == any(word in text for word in GOOD)
        assert not prediction.instead
    alone = list(predict(loaded, files))
    assert {prediction.instead for prediction in alone} == {"the voice alone"}
    assert alone[0].values["valence"] != told[0].values["valence"]


def test_how_many_recordings_had_no_words_is_said(model, home):
    folder, _ = home
    files = [folder / f"s1-0{i}.wav" for i in range(2)]
    done = run("predict", model, *files, "--transcript", "i am happy", "--transcript", "...")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
    assert "1 of 2 recordings had no transcript: the voice alone answered" in done.stderr
    done = run("predict", model, *files, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [set(row) for row in rows] == [
        {"file", "arousal", "valence", "doubt", "error", "note"}
    ] * 2
    assert "2 of 2 recordings had no transcript" in done.stderr


class Listener:
    languages = ("en",)

    def hear(self, waveform, language):
        from undertone.features.asr import Heard

        assert language == "en"
        return Heard("i am happy", "en", -0.1)


def test_a_speech_recogniser_may_hear_what_is_said(model, home, monkeypatch):
    folder, _ = home
    monkeypatch.setattr("undertone.features.asr.load", lambda name: Listener())
    file = folder / "s1-00.wav"
    heard = list(predict(model, file, What(asr="toy", language="en")))
    assert heard == list(predict(model, file, What(("i am happy",))))
    done = run("predict", model, file, "--asr", "toy", "--language", "en")
    assert "had no transcript" not in done.stderr
    with pytest.raises(UndertoneError, match="does not know the language 'xx'"):
        list(predict(model, file, What(asr="toy", language="xx")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--transcript", "a", "--asr", "toy"], "--transcript and --asr exclude each other"),
        (["--transcript", "a", "--transcript", "b"], "there are 1 recordings and 2 transcripts"),
        (["--language", "en"], "give --asr as well"),
        (["--transcripts", "absent.csv"], "expected a table of utterances at absent.csv"),
    ],
)
def test_what_is_told_of_words_must_fit(model, home, options, message):
    with pytest.raises(UndertoneError, match=message):
        run("predict", model, home[0] / "s1-00.wav", *options)


def test_an_encoder_of_text_that_was_changed_is_told(model, home, tmp_path):
    folder, encoder = home
    moved = shutil.copytree(model, tmp_path / "model")
    settings = seals.unseal((moved / "config.json").read_text())
    settings["reader"]["name"] = f"text:{tmp_path / 'other'}"
    (moved / "config.json").write_text(json.dumps(seals.seal(settings)))
    write_text_encoder(tmp_path / "other", seed=5, window=64, words=(*WORDS, *numbers()))
    (told,) = predict(moved, folder / "s1-00.wav", What(("i am happy",)))
    assert "was trained with other files of text:" in told.error
    shutil.rmtree(tmp_path / "other")
    shutil.copytree(encoder, tmp_path / "other")
    assert not next(predict(moved, folder / "s1-00.wav", What(("i am happy",)))).error


def test_the_card_says_who_reads_the_words_and_how_much_they_count(model, home):
    card = (model / "README.md").read_text()
    assert "Words were read by text:" in card
    assert "3 have no transcript" in card
    weights = json.loads((model / "config.json").read_text())["notes"]["weights"]
    assert set(weights) == {"arousal", "valence"}


def test_options_that_need_each_other_are_told(home):
    folder, encoder = home
    corpus = f"w={folder / 'labels.csv'}"
    for options, message in (
        (["--transcripts", "x.csv"], "--transcripts is for words"),
        (["--text-prior", "x.csv"], "--text-prior is for words"),
        (["--text", encoder, "--systems", "descriptors,mean"], "read no transcripts: leave --text"),
        (
            ["--systems", "audio_text,mean"],
            "audio_text, text_shuffled read transcripts: name an enc",
        ),
    ):
        with pytest.raises(UndertoneError, match=message):
            run("curve", "--corpus", corpus, "--out", folder / "x", *options)
    silent = pd.read_csv(folder / "labels.csv").drop(columns="transcript")
    silent.to_csv(folder / "silent.csv", index=False)
    options = ["--corpus", f"w={folder / 'silent.csv'}", "--text", encoder, "--quiet"]
    options += ["--budgets", "12"]
    with pytest.raises(UndertoneError, match="no utterance of w has a transcript for --text"):
        run("curve", *options, "--cache", folder / "cache", "--out", folder / "x")
    plain = folder / "plain"
    arguments = ["--corpus", corpus, "--out", plain, "--cache", folder / "cache", "--quiet"]
    run("finetune", *arguments, "--set", "folds=0")
    with pytest.raises(UndertoneError, match="of this model reads no words: leave --transcript"):
        run("predict", plain, folder / "s1-00.wav", "--transcript", "hello")


# --- sentences are kept apart


def with_sentences(sentences):
    values = {name: np.ones(2, np.float32) for name, said in sentences.items() if said}
    return Words(Reader("text:x", "", 2), values, sentences)


def with_words(data, sentences):
    return replace(data, words=with_sentences(sentences))


@pytest.fixture
def data():
    return data_of(CHOICE)


def everything(data):
    names = [*data.corpus.table["utterance"], *data.unlabelled]
    return {name: f"of {name}" for name in names}


def test_no_sentence_of_the_test_is_learned_from_or_heard(data, tmp_path):
    """s07 repeats two sentences of s00 and one of everybody."""
    from plan_fakes import curve_plan

    said = everything(data)
    for one, other in (("s07-anger-0", "s00-anger-0"), ("s07-neutral-1", "s00-neutral-1")):
        said[one] = said[other]
    for i in range(8):
        said[f"s{i:02d}-sadness-0"] = "oh"
    said["u-unlabelled"] = said["s07-happiness-2"]
    plan = curve_plan(with_words(data, said), tmp_path)
    before = curve_plan(data, tmp_path)
    for number, fold in plan.folds.items():
        tested = {said[name] for name in fold.test}
        assert not tested & {said[name] for name in fold.crowd}
        assert fold.test == before.folds[number].test
        missing = set(before.folds[number].crowd) - set(fold.crowd)
        assert missing
        assert {said[name] for name in missing} <= tested
    for cell in plan.cells:
        assert set(cell.labels.utterances) <= set(plan.folds[cell.fold].crowd)
    assert plan.digest() != before.digest()


def test_unknown_sentences_are_not_one_sentence(data, tmp_path):
    from plan_fakes import curve_plan

    plan = curve_plan(with_words(data, dict.fromkeys(everything(data))), tmp_path)
    assert plan.folds[0].crowd == curve_plan(data, tmp_path).folds[0].crowd


def test_speakers_who_all_say_the_same_are_refused_with_the_number_of_sentences(data, tmp_path):
    from plan_fakes import curve_plan, finetune_build

    said = {name: f"sentence {i % 5}" for i, name in enumerate(everything(data))}
    silly = with_words(data, said)
    with pytest.raises(
        UndertoneError, match=r"5 sentences of fake are said by training and test speakers of fold"
    ):
        curve_plan(silly, tmp_path)
    with pytest.raises(UndertoneError, match=r"leave --text out.*--folds 0"):
        _ = finetune_build(silly, system="audio_text").plan
    everyone = finetune_build(silly, system="audio_text", folds=0).plan
    assert len(everyone.folds[0].crowd) == len(said)
    fold = Fold(0, ("s00",), tuple(f"s{i:02d}" for i in range(1, 8)))
    assert data.said_in_test(fold) == set()


@pytest.mark.corpora
@pytest.mark.parametrize(("name", "n"), [("emodb", 10), ("ravdess", 2)])
def test_corpora_of_ten_sentences_and_of_two_are_refused(corpora_root, name, n):
    corpus = corpora.open(f"{name}={corpora_root / name}").labelled
    sentences = dict(zip(corpus.table["utterance"], sentence_of(corpus.table), strict=True))
    data = Data(task_of(corpus.table, name), corpus, None, words=with_sentences(sentences))
    first, *others = corpus.speakers
    with pytest.raises(UndertoneError, match=f"^{n} sentences of {name} are said by training"):
        data.said_in_test(Fold(0, (first,), tuple(others)))


# --- rated sentences


def rated(folder, n=160):
    """Every other one is good; the last five are said by the corpus, spelt otherwise."""
    rng = np.random.default_rng(4)
    words = [(GOOD if i % 2 else BAD)[i // 2 % 2] for i in range(n)]
    others = [" ".join(rng.permutation(WORDS)[:3]) for _ in range(n)]
    texts = [
        f"i am {word} {more} n{i}" for i, (word, more) in enumerate(zip(words, others, strict=True))
    ]
    table = pd.DataFrame({"text": texts})
    table["V"] = [4.0 if i % 2 else 2.0 for i in range(n)] + 0.1 * rng.normal(size=n)
    table.to_csv(folder / "rated.csv", index=False)
    return folder / "rated.csv", table


def test_a_prior_is_one_value_and_knows_no_sentence_of_the_corpus(home, tmp_path):
    from undertone.corpora.sentences import fold
    from undertone.features.text import source
    from undertone.features.text.prior import fit_prior

    path, table = rated(tmp_path)
    encoder = source.find(str(home[1]))
    said = {fold(text.upper() + "!") for text in table["text"][:5]}
    prior = fit_prior(path, encoder, said=said, folder=tmp_path / "store", progress=False)
    assert (prior.n_sentences, prior.n_said) == (155, 5)
    assert prior.correlation > 0.6
    twice = table.assign(V=np.where(table.index < 5, 1e6, table["V"]))
    twice.to_csv(path, index=False)
    same = fit_prior(path, encoder, said=said, folder=tmp_path / "store", progress=False)
    np.testing.assert_array_equal(same.scorer.weight, prior.scorer.weight)
    reader = Reader(str(home[1]), encoder.digest, encoder.width, prior.scorer)
    values = reader.read(["i am happy again", "i am sad again"], folder=tmp_path, progress=False)
    assert values["i am happy again"].shape == (1,)
    assert values["i am happy again"] > values["i am sad again"]
    np.testing.assert_allclose(
        reader.read_one("i am happy again"), values["i am happy again"], rtol=1e-4
    )
    assert reader.read_one(" … ") is None


def test_leaving_one_out_of_a_prior_is_a_fit_without_it(home, tmp_path):
    from sklearn.linear_model import Ridge

    from undertone.features.text import prior

    rng = np.random.default_rng(2)
    vectors = rng.normal(3, 0.2, size=(40, 6))
    valence = vectors @ rng.normal(size=6) + rng.normal(size=40)
    _, correlation = prior._fit(vectors, valence)
    z = (vectors - vectors.mean(0)) / vectors.std(0)
    found = []
    for penalty in prior.PENALTIES:
        left = [
            Ridge(penalty).fit(np.delete(z, i, 0), np.delete(valence, i)).predict(z[[i]])[0]
            for i in range(40)
        ]
        found.append((((left - valence) ** 2).mean(), np.corrcoef(left, valence)[0, 1]))
    assert correlation == pytest.approx(min(found)[1], rel=1e-6)


def test_a_model_with_a_prior_is_served_with_it(home, tmp_path):
    folder, encoder = home
    path, _ = rated(tmp_path)
    run(
        *("finetune", "--corpus", f"w={folder / 'labels.csv'}", "--text", encoder, "--quiet"),
        *("--text-prior", path, "--out", tmp_path / "model", "--cache", folder / "cache"),
        *("--set", "folds=0"),
    )
    path.unlink()  # what it knows lies in the model
    card = (tmp_path / "model" / "README.md").read_text()
    assert "a scorer of valence fitted on 160 rated sentences" in card
    files = [folder / "s1-00.wav"] * 2
    good, bad = predict(tmp_path / "model", files, What(("i am happy", "i am sad")))
    assert good.values["valence"] > bad.values["valence"] + 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,words,V\n1,a,2\n", "is no table of rated sentences: expected the columns text and V"),
        ("id,text,A\n1,a,2\n", "is no table of rated sentences"),
        ("text,V\na,high\n", "has no row with both a sentence and a number in V"),
        ("text,valence\na,2\nb,3\n", "has 2 rated sentences, 2 of which the corpus does not say"),
    ],
)
def test_what_is_no_table_of_rated_sentences_is_told(home, tmp_path, content, message):
    from undertone.features.text import source
    from undertone.features.text.prior import fit_prior

    (tmp_path / "rated.csv").write_text(content)
    encoder = source.find(str(home[1]))
    with pytest.raises(UndertoneError, match=message):
        fit_prior(tmp_path / "rated.csv", encoder, said=(), folder=tmp_path, progress=False)


def test_settings_of_text_are_paths_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "encoder").mkdir()
    settled = TextSettings("encoder", "said.csv", "rated.csv").settled()
    assert settled == TextSettings(
        f"text:{tmp_path / 'encoder'}", f"{tmp_path / 'said.csv'}", f"{tmp_path / 'rated.csv'}"
    )
    assert settled.settled() == settled
    assert TextSettings("some/name").settled().model == "text:some/name"
