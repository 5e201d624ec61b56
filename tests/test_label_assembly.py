"""From answers of a page to a curve, a model and predictions, with nothing but the log between."""

import json
import re
import sys

import pandas as pd
import pytest
from label_fakes import EMOTIONS, recordings, truth_of

from undertone.annotation.choosing import Aim
from undertone.annotation.opening import What, opened
from undertone.annotation.session import Session
from undertone.cli import main

pytest.importorskip("fastapi", reason="the extra serve is not installed")
WITHOUT_COPIES = ("--set", "discriminant.nuisance_weight=0")
N_CLIPS, N_ANSWERED = 24, 19


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Answers of a page that were sent twice, changed and taken back, to 19 of 24 clips."""
    from starlette.testclient import TestClient

    from undertone.annotation.running import guarded

    folder = tmp_path_factory.mktemp("assembly")
    table = recordings(folder, n_speakers=6, each=4)
    found = opened(What(folder / "labels.jsonl", str(table), EMOTIONS))
    session = Session(found.clips, found.log, rater="anna", aim=Aim(EMOTIONS))
    app = guarded(session, None, 8765)
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        for i in range(N_ANSWERED + 1):
            clip = client.post("/api/next", json={"tab": "tab-12345", "n": 1}).json()["clips"][0]
            truth = truth_of(found.clips[clip["clip"]].utterance)
            sent = {"id": f"answer-{i}", "tab": "tab-12345", "clip": clip["clip"]}
            sent |= {"answer": "emotion", "shares": {truth: 1}}
            for _ in range(1 + i % 2):
                assert client.post("/api/labels", json=sent).status_code == 200
        undo = {"tab": "tab-12345", "id": "undo-the-last"}
        assert client.post("/api/undo", json=undo).json()["label"]["clip"] == clip["clip"]
    return found.log.path


def run(monkeypatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["undertone", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_curve_finetune_and_predict_read_the_log_as_a_corpus(log, tmp_path, monkeypatch, capsys):
    rest = ("--cache", tmp_path / "cache", "--workers", "1", "--quiet")
    run(monkeypatch, "finetune", "--corpus", log, "--out", tmp_path / "m", *WITHOUT_COPIES, *rest)
    assert f"{N_CLIPS - N_ANSWERED} left out: no emotion label" in capsys.readouterr().err
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{N_ANSWERED} (labels|utterances)", card)
    guesses = tmp_path / "guesses.csv"
    run(monkeypatch, "predict", tmp_path / "m", log, "--out", guesses, "--answer-anyway")
    rows = pd.read_csv(guesses)
    assert len(rows) == N_CLIPS  # those without a label, too
    truth = [truth_of(str(file).removesuffix(".wav")) for file in rows["file"]]
    assert (rows["emotion"] == truth).mean() > 0.9
    of = ("--systems", "descriptors,constant", "--budgets", "4,8,all", "--draws", "1")
    out = tmp_path / "run"
    run(monkeypatch, "curve", "--corpus", log, *of, "--out", out, *WITHOUT_COPIES, *rest)
    results = pd.read_parquet(out / "results.parquet")
    assert {"descriptors", "constant"} <= set(results["system"])
    assert (out / "report.html").exists()
    assert json.loads((out / "audit.json").read_text()) is not None
