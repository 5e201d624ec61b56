"""Every code block of README and docs runs, or says above itself why not and is read all the same.

Commands run through the command line itself on a folder of small files with the names that the
pages use. Curves and fits take one more ``--config``, which makes them small.
"""

import ast
import dataclasses
import importlib
import json
import shutil
import tomllib
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from docs_blocks import WHY_NOT, Block, blocks, check_options, commands, run, write_small_settings
from label_fakes import label, recordings, session_of, truth_of

import undertone
from undertone.audio import SAMPLE_RATE
from undertone.config import load
from undertone.corpora.synthetic import EMOTIONS, invent_speaker, utter

CODE = list(blocks("bash", "python"))
AS_NOTEBOOK = "docs/tutorial.md"  # whose blocks run in tests/test_docs.py
RUNS = [block for block in CODE if not block.why_not and block.page != AS_NOTEBOOK]
READ = [block for block in CODE if block.why_not]
PAGES_THAT_RUN = {
    kind: sorted({block.page for block in RUNS if block.kind == kind})
    for kind in ("bash", "python")
}
NAMES = ("my", "one", "two", "three", "new", "recording", "clip_1", "interview", "call")
SHORT = ("recordings/a.wav", "recordings/b.wav", "recordings/more/c.wav")
VOICES = ("ada/1.wav", "ada/2.wav", "ada/3.wav", "calls/x/1.wav", "calls/x/2.wav", "calls/x/3.wav")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    write_small_settings(folder)
    for i, name in enumerate([*(f"{name}.wav" for name in NAMES), *SHORT, *VOICES, "two.mp3"]):
        write(folder / name, speaker=i, emotion=EMOTIONS[i % 4])
    shutil.copy(folder / "two.mp3", folder / "clip_2.mp3")
    write_tables(folder)
    write_log(folder)
    return folder


@pytest.fixture(scope="module")
def with_models(home) -> Path:
    """The folder, with the models that the pages name."""
    values = {"folds": 0, "discriminant": {"calibrate": False, "nuisance_weight": 0.0}}
    settings = load(undertone.FinetuneSettings, values)
    undertone.finetune(str(home / "labels.csv"), home / "models/mine", settings=settings)
    for name in ("models/emodb", "models/emodb-3", "labels.kept/model"):
        shutil.copytree(home / "models/mine", home / name)
    return home


@pytest.fixture
def here(with_models, tmp_path, monkeypatch) -> Path:
    """A copy to work in."""
    folder = tmp_path / "here"
    shutil.copytree(with_models, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("page", PAGES_THAT_RUN["bash"])
def test_commands_of_the_pages_run(page, here):
    for block in RUNS:
        if (block.kind, block.page) == ("bash", page):
            for words in commands(block.code):
                run(words, here)


@pytest.mark.parametrize("page", PAGES_THAT_RUN["python"])
def test_python_of_the_pages_runs(page, here):
    rng = np.random.default_rng(0)
    waveform, _ = soundfile.read("one.wav", dtype="float32")
    amounts = {name: rng.uniform(0, 3, size=(30, 6)) for name in ("truth", "prediction")}
    names = {"undertone": undertone, "waveform": waveform, "samples": waveform, **amounts}
    small = {kind: small_settings(kind, here) for kind in ("Curve", "Finetune")}
    for block in RUNS:
        if (block.kind, block.page) == ("python", page):
            code = block.code.replace("workers=4", "workers=1")
            for kind in small:
                code = code.replace(f"undertone.{kind}Settings(", f"small['{kind}'](")
            exec(compile(code, str(block), "exec"), {**names, "small": small})


def small_settings(kind: str, folder: Path) -> partial:
    """Settings that make a curve or a fit a matter of seconds, as its small file of them does."""
    values = tomllib.loads((folder / f"{kind.lower()}.toml").read_text())
    settings = getattr(undertone, f"{kind}Settings")
    fields = {field.name for field in dataclasses.fields(settings)}
    loaded = load(settings, values | ({"corpus": "labels.csv"} if "corpus" in fields else {}))
    known = {"of_systems", *values} & fields
    return partial(settings, **{name: getattr(loaded, name) for name in known})


@pytest.mark.parametrize("block", READ, ids=str)
def test_blocks_that_cannot_run_say_why_and_are_read(block: Block):
    assert block.why_not in WHY_NOT
    if block.kind == "bash":
        for words in commands(block.code):
            check_options(words)
        return
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("undertone"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(
                    f"{node.module}.{alias.name}"
                )


def test_most_kinds_of_blocks_are_known_and_data_can_be_read():
    readers = {"json": json.loads, "toml": tomllib.loads, "xml": ElementTree.fromstring}
    for block in blocks(*readers):
        readers[block.kind](block.code)
    assert len(RUNS) > 20
    for block in READ:
        check = " ".join(word for words in commands(block.code) for word in words)
        if block.kind == "bash" and block.why_not == "needs corpora":
            assert "=" in check or "/data" in check


def write(path: Path, *, speaker: int, emotion: str, seed: int = 0) -> str:
    """A made-up voice, about a second long; the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, utter(invent_speaker(speaker), emotion, [speaker, seed]), SAMPLE_RATE)
    return path.name


def write_tables(folder: Path) -> None:
    rows = []
    for i in range(24):
        write(folder / f"clips/{i:02}.wav", speaker=i // 4, emotion=EMOTIONS[i % 4], seed=i)
        rows.append(f"clips/{i:02}.wav,s{i // 4},{EMOTIONS[i % 4]}")
    tables = {
        "labels.csv": ["file,speaker,emotion", *rows],
        "who.csv": ["file,speaker", *(f"{name}.wav,{'ab'[i % 2]}" for i, name in enumerate(NAMES))],
    }
    emotions = [*EMOTIONS, "fear"]
    truth = [f"u{i},s{i % 6},{emotions[i % 5]}" for i in range(60)]
    said = [f"u{i},{emotions[(i + i % 3 // 2) % 5]}" for i in range(60)]
    for truth_name, name in (("truth", "prediction"), ("T", "P")):
        tables[f"{truth_name}.csv"] = ["utterance,speaker,emotion", *truth]
        tables[f"{name}.csv"] = ["utterance,prediction", *said]
    votes = [
        f"u{i},s{i % 6},r{rater},{emotions[(i + (i + rater) % 4 // 3) % 5]}"
        for i in range(60)
        for rater in range(3)
    ]
    tables["votes.csv"] = ["utterance,speaker,rater,emotion", *votes]
    tables["mine.csv"] = tables["labels.csv"]
    (folder / "turns.rttm").write_text("SPEAKER call 1 0.0 0.9 <NA> <NA> ada <NA> <NA>\n")
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_log(folder: Path) -> None:
    """Labels of a session on a page, and an export of another tool of the same clips."""
    recordings(folder, n_speakers=4, each=6)
    log = session_of(folder)
    for i, clip in enumerate(log.clips.clips):
        log.log.label(label(f"id-{i}", clip.utterance, **{truth_of(clip.utterance): 1.0}))
    clip = log.clips.clips[0]
    task = {"audio": clip.file.name, "emotion": "anger", "annotator": 3}
    (folder / "export.json").write_text(json.dumps([task]), encoding="utf-8")
