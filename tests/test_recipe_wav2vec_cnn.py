import numpy as np
import pytest
import soundfile
from upstream_fakes import write_encoder

from undertone import audio
from undertone.errors import UndertoneError
from undertone.evaluation.report.tables import Row
from undertone.pipeline import Resources
from undertone.recipes import wav2vec_cnn

TINY = {"cnn": {"segment_s": 0.5, "channels": 8, "max_epochs": 3}}


@pytest.fixture
def shemo(tmp_path, rng):
    """Six speakers who fear, rage and rest in noises of three colours."""
    folder = tmp_path / "shemo"
    folder.mkdir()
    for speaker in range(6):
        for kind, letter in enumerate("AFN"):
            for number in range(5):
                noise = rng.normal(0, 0.1, 6000)
                colour = np.convolve(noise, np.ones(1 + 4 * kind) / (1 + 4 * kind), mode="same")
                name = f"{'FM'[speaker % 2]}{speaker:02d}{letter}{number:02d}.wav"
                soundfile.write(folder / name, colour, audio.SAMPLE_RATE)
    return folder


@pytest.mark.slow
def test_the_recipe_compares_on_the_same_labels_and_names_what_others_got(tmp_path, shemo, capsys):
    encoder = write_encoder(tmp_path / "wav2vec2", "wav2vec2-layer")
    values = {
        "corpus": f"shemo={shemo}",
        "upstream": str(encoder),
        "folds": 2,
    }
    resources = Resources(tmp_path / "store", workers=1, progress=False)
    found = wav2vec_cnn.reproduce(values | TINY, tmp_path / "run", resources)
    ours, published = found.tables
    rows = [(row.name, *row.cells) for row in ours.rows]
    systems = [(features, system) for features, system, *_ in rows]
    assert systems[:6] == [
        ("upstream", s) for s in ("layers", "linear", "svm", "cnn", "constant", "chance")
    ]
    assert systems[6:] == [("log_mel", s) for s in ("functionals_svm", "cnn", "constant", "chance")]
    floors = [uar.value for _, system, *_, uar in rows if system == "constant"]
    assert floors == pytest.approx([1 / 3, 1 / 3])
    assert {labels for _, system, labels, *_ in rows if system != "chance"} == {"45"}
    assert [row[3:] for row in rows if row[1] == "chance"] == [(".333", ".333")] * 2
    assert Row("Yazdani (2022)", (".783", ".652")) in published.rows
    found.show()
    assert "Whisper-large-v3" in capsys.readouterr().out
    assert found.report.exists()


@pytest.mark.parametrize("missing", ["corpus", "upstream"])
def test_what_is_missing_is_told(tmp_path, missing):
    values = {"corpus": "shemo=/x", "upstream": "/y"} | {missing: ""}
    with pytest.raises(UndertoneError, match="needs --corpus shemo=FOLDER"):
        wav2vec_cnn.reproduce(values, tmp_path, Resources())
