"""Names of features: text in, parts out, and the same text back."""

import shlex
import subprocess
import sys

import pytest

from undertone.errors import UndertoneError
from undertone.features.name import OPTIONS, FeatureName, parse, parse_encoder


@pytest.mark.parametrize(
    ("text", "model", "layers", "options"),
    [
        ("upstream:models/whisper-base@6", "models/whisper-base", "6", ()),
        ("upstream:facebook/hubert-base-ls960@2-4", "facebook/hubert-base-ls960", "2-4", ()),
        ("upstream:x@all+padded+bfloat16", "x", "all", ("padded", "bfloat16")),
        (
            "upstream:openai/whisper-base@auto+bfloat16",
            "openai/whisper-base",
            "auto",
            ("bfloat16",),
        ),
        (r"upstream:C:\models\whisper@12", r"C:\models\whisper", "12", ()),
        ("upstream:/home/me@work/a+b/w@6+bare", "/home/me@work/a+b/w", "6", ("bare",)),
        ("upstream:models/a@b@3", "models/a@b", "3", ()),
        ("upstream:models/my encoder@3", "models/my encoder", "3", ()),
        ("upstream:upstream:x@3", "upstream:x", "3", ()),
        ("upstream:x@-1", "x", "-1", ()),  # the model's files tell which layers there are
        *((f"upstream:x@1+{option}", "x", "1", (option,)) for option in OPTIONS),
    ],
)
def test_an_encoders_name_is_taken_apart_and_put_together(text, model, layers, options):
    name = parse(text)
    assert name == FeatureName("upstream", model, layers, options)
    assert name.is_upstream
    assert name.chooses_layer == (layers == "auto")
    assert str(name) == text
    assert parse(name) is name


@pytest.mark.parametrize("text", ["log_mel", "covarep", "upstreams", "x@3", "a:b", ""])
def test_any_other_text_names_a_row_of_the_table(text):
    name = parse(text)
    assert name == FeatureName(text)
    assert not name.chooses_layer
    assert str(name) == text


def test_other_layers_keep_the_model_and_the_options():
    name = parse("upstream:a@b/c@auto+padded+bfloat16")
    assert str(name.every_layer()) == "upstream:a@b/c@all+padded+bfloat16"
    assert str(name.one_layer(4)) == "upstream:a@b/c@4+padded+bfloat16"
    assert not name.every_layer().chooses_layer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("upstream:models/whisper", "found 'upstream:models/whisper'"),
        ("upstream:models/whisper@", "LAYER a number, 2-4, all or auto"),
        ("upstream:models/whisper@six", "expected upstream:FOLDER@LAYER or upstream:NAME@LAYER"),
        ("upstream:/home/me@work/whisper", "found 'upstream:/home/me@work/whisper'"),
        ("upstream", "found 'upstream'"),
        ("upstream:", "found 'upstream:'"),
        ("upstream:@6", "found 'upstream:@6'"),
        ("upstream:x@1+fast", r"no option \+fast; there are \+padded, \+bare, \+bfloat16"),
        ("upstream:x@1+", r"no option \+; there are"),
        ("upstream:x@1+padded+bare", "exclude each other"),
    ],
)
def test_a_wrong_name_is_refused(text, message):
    with pytest.raises(UndertoneError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "model", "options"),
    [
        ("models/whisper", "models/whisper", ()),
        ("models/whisper@", "models/whisper", ()),
        ("models/whisper@six", "models/whisper", ()),
        ("models/whisper+padded+bfloat16", "models/whisper", ("padded", "bfloat16")),
        ("models/whisper@six+bare", "models/whisper", ("bare",)),
        ("/home/me@work/whisper", "/home/me@work/whisper", ()),
        ("my models/it's", "my models/it's", ()),
        ("", "openai/whisper-base", ()),
        ("@6", "openai/whisper-base", ()),
    ],
)
def test_the_value_that_is_proposed_works_when_pasted(text, model, options):
    with pytest.raises(UndertoneError) as caught:
        parse(f"upstream:{text}")
    command = str(caught.value).rpartition("; try ")[2]
    option, value = shlex.split(command)
    assert option == "--features"
    assert parse(value) == FeatureName("upstream", model, "all", options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models/whisper", "upstream:models/whisper@auto"),
        ("models/whisper@6+padded", "upstream:models/whisper@6+padded"),
        ("upstream:models/whisper", "upstream:models/whisper@auto"),
        ("upstream:models/whisper@2-4", "upstream:models/whisper@2-4"),
        ("/home/me@work/whisper", "upstream:/home/me@work/whisper@auto"),
    ],
)
def test_an_encoder_may_lack_prefix_and_layer_where_both_are_clear(text, expected):
    assert str(parse_encoder(text, layers="auto")) == expected
    with pytest.raises(UndertoneError, match="found 'upstream:models/whisper@six'"):
        parse_encoder("models/whisper@six", layers="auto")


def test_a_folder_that_is_there_becomes_absolute(tmp_path, monkeypatch):
    folder = tmp_path / "me@work" / "a+b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    name = parse("upstream:me@work/../me@work/a+b@3+bfloat16").settled()
    assert str(name) == f"upstream:{folder}@3+bfloat16"
    assert parse("upstream:~/me@work/a+b@3+bfloat16").settled() == name
    monkeypatch.chdir(folder)
    assert name.settled() == name
    for text in ("log_mel", "upstream:me@work/a+b@3", "upstream:openai/whisper-base@auto"):
        assert str(parse(text).settled()) == text


def test_a_row_of_the_table_is_no_folder(tmp_path, monkeypatch):
    (tmp_path / "log_mel").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse("log_mel").settled() == FeatureName("log_mel")


def test_reading_names_is_light():
    code = (
        "import sys, undertone.features.name;"
        "print(sorted({'torch', 'numpy', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
