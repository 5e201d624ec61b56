import json
import shutil

import numpy as np
import pytest
from text_fakes import KINDS, torch, transformers, write_text_encoder

from undertone.errors import UndertoneError
from undertone.features import extractors, shards, text
from undertone.features.name import parse, parse_text
from undertone.features.text import encode, source
from undertone.features.text.embeddings import holds_words

TEXTS = ["I am happy", "you are so very sad today", "fine"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    return {kind: write_text_encoder(root / kind, kind) for kind in KINDS}


def vectors(folder, texts):
    return encode.encode(texts, source.find(f"text:{folder}"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_is_the_mean_over_the_tokens_of_the_last_hidden_state(folders, kind):
    """The slow, obvious way: one text at a time, no padding."""
    folder = folders[kind]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    model = model.get_encoder() if kind == "t5" else model
    found = vectors(folder, TEXTS)
    for of_one, sentence in zip(found, TEXTS, strict=True):
        ids = torch.tensor([tokenizer(sentence)["input_ids"]])
        with torch.no_grad():
            states = model(input_ids=ids).last_hidden_state[0]
        np.testing.assert_allclose(of_one, states.mean(dim=0).numpy(), atol=1e-5)
    assert found.shape == (3, 16)
    assert found.dtype == np.float32
    assert source.find(str(folder)).width == 16


def test_a_strangers_config_names_no_program_to_run(folders, tmp_path):
    folder = tmp_path / "bert"
    shutil.copytree(folders["bert"], folder)
    config = json.loads((folder / "config.json").read_text())
    changed = config | {"_attn_implementation": "somebody/kernels"}
    (folder / "config.json").write_text(json.dumps(changed))
    np.testing.assert_array_equal(vectors(folder, TEXTS), vectors(folders["bert"], TEXTS))


def test_neither_order_nor_company_changes_a_vector(folders):
    together = vectors(folders["bert"], TEXTS)
    np.testing.assert_allclose(vectors(folders["bert"], TEXTS[::-1])[::-1], together, atol=1e-6)
    for row, sentence in zip(together, TEXTS, strict=True):
        np.testing.assert_allclose(vectors(folders["bert"], [sentence])[0], row, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 0.01


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_long_text_is_cut_into_windows_and_averaged_over_all_its_tokens(folders, kind):
    """Windows of 16 tokens, two of which are ends: 20 words are 14 and 6."""
    words = ["i", "am", "so", "sad"] * 5
    parts = vectors(folders[kind], [" ".join(words[:14]), " ".join(words[14:])])
    expected = (16 * parts[0] + 8 * parts[1]) / 24
    np.testing.assert_allclose(vectors(folders[kind], [" ".join(words)])[0], expected, atol=1e-5)


def test_one_text_is_stored_once_whatever_it_was_said_in_and_two_texts_apart(
    folders, tmp_path, monkeypatch
):
    encoder = source.find(str(folders["bert"]))
    said = {"a.wav": "I am fine", "b.wav": "I am fine", "c.wav": "you are sad"}
    first = text.embed(said.values(), encoder, folder=tmp_path, progress=False)
    (home,) = tmp_path.iterdir()
    assert len(shards.find(home, encoder.width)) == 2
    heard = said | {"a.wav": "I am very fine"}  # a machine's transcript of the same recording
    second = text.embed(heard.values(), encoder, folder=tmp_path, progress=False)
    assert len(shards.find(home, encoder.width)) == 3
    assert set(second) == {"I am fine", "you are sad", "I am very fine"}
    np.testing.assert_array_equal(first["I am fine"], second["I am fine"])
    monkeypatch.setattr(encode, "encode", None)  # from here on everything is found
    text.embed(heard.values(), encoder, folder=tmp_path, progress=False)


def test_a_store_knows_the_encoder_by_its_files_and_not_by_its_place(folders, tmp_path):
    moved = shutil.copytree(folders["bert"], tmp_path / "moved")
    other = write_text_encoder(tmp_path / "other", seed=2)
    found = [source.find(str(folder)) for folder in (folders["bert"], moved, other)]
    for encoder in found:
        text.embed(["I am fine"], encoder, folder=tmp_path / "store", progress=False)
    assert found[0].digest == found[1].digest != found[2].digest
    assert len(list((tmp_path / "store").iterdir())) == 2
    assert not set(found[0].columns()) & set(found[2].columns())
    lines = (moved / "tokenizer.json").read_text()
    (moved / "tokenizer.json").write_text(lines.replace("Lowercase", "Strip"))
    assert source.find(str(moved)).digest != found[0].digest


def test_gaps_hold_no_words():
    assert [holds_words(cell) for cell in ("", "  ", "...", "—", None, float("nan"), 3)] == 7 * [
        False
    ]
    assert holds_words("oh")
    assert holds_words("嗯")


def test_names_of_encoders_of_text(folders):
    name = parse("text:models/a@b+c")
    assert (str(name), name.model) == ("text:models/a@b+c", "models/a@b+c")
    assert parse_text("models/a") == parse("text:models/a")
    settled = parse_text(str(folders["bert"])).settled()
    assert settled.model == str(folders["bert"])
    with pytest.raises(UndertoneError, match="no frames of audio: name it with --text models/a"):
        extractors.get("text:models/a")
    with pytest.raises(UndertoneError, match="found 'upstream:models/a@3'"):
        parse_text("upstream:models/a@3")


def test_what_is_no_encoder_of_text_is_told(folders, tmp_path):
    with pytest.raises(UndertoneError, match="there is no folder"):
        source.find(str(tmp_path / "absent"))
    speech = shutil.copytree(folders["bert"], tmp_path / "speech")
    (speech / "tokenizer.json").unlink()
    with pytest.raises(UndertoneError, match=r"has no tokenizer.*tokenizer\.json"):
        source.find(str(speech))
    odd = shutil.copytree(folders["bert"], tmp_path / "odd")
    (odd / "config.json").write_text(json.dumps({"model_type": "odd"}))
    with pytest.raises(UndertoneError, match="does not tell how wide"):
        source.find(str(odd))
    cut = shutil.copytree(folders["bert"], tmp_path / "cut")
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(UndertoneError, match="cannot be loaded"):
        vectors(cut, ["fine"])


def test_the_real_sentence_encoder_puts_like_sentences_together(sentence_encoder):
    found = vectors(
        sentence_encoder,
        ["What a wonderful day this is!", "Today is lovely.", "The engine needs more oil."],
    )
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[0, 1] > alike[0, 2] + 0.2
