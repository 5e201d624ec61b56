"""Smaller encoders: what is kept is that of the whole, and what is not is told."""

import errno
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner
from upstream_fakes import KINDS, torch, transformers, write_encoder, write_whisper

from undertone import audio, cli
from undertone.errors import UndertoneError
from undertone.features import extractors, upstream
from undertone.features.descriptors import emphasis
from undertone.features.upstream import batches
from undertone.features.upstream import shrink as shrinking
from undertone.features.upstream.shrink import shrink
from undertone.systems.layers import Layers

LAYERS = {kind: settings.get("num_hidden_layers", 3) for kind, (_, settings) in KINDS.items()}
LAYERS["whisper"] = 2


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A whole encoder of each kind."""
    root = tmp_path_factory.mktemp("whole")
    made = {kind: write_encoder(root / kind, kind) for kind in KINDS}
    return made | {"whisper": write_whisper(root / "whisper", seconds=4)}


@pytest.fixture
def voices(rng):
    """Noises that fade."""
    sizes = (16_000, 12_077, 4_000)
    return [
        (rng.normal(0, 0.1, n) * np.linspace(1, 0.2, n) + 0.05).astype(np.float32) for n in sizes
    ]


def states(folder: Path | str, waveform: np.ndarray, options: str = "") -> torch.Tensor:
    """(n_layers, n_frames, width) in single precision, before they are stored."""
    encoder = batches.load(upstream.find(f"upstream:{folder}@all{options}"))
    prepared = encoder.prepare(waveform)
    with torch.inference_mode():
        return encoder.run([encoder.cut(prepared, 0, encoder.n_frames(waveform))])[0]


@pytest.mark.parametrize("kind", [*KINDS, "whisper"])
def test_the_states_are_those_of_the_whole(folders, voices, tmp_path, kind):
    for kept in range(1, LAYERS[kind]):
        made = shrink(f"upstream:{folders[kind]}", tmp_path / str(kept), layers=kept)
        assert made.n_layers == kept + 1
        for waveform in voices:
            whole = states(folders[kind], waveform)[: kept + 1]
            found = states(made.folder, waveform)
            torch.testing.assert_close(found, whole, atol=1e-6, rtol=0)


def test_without_what_the_config_says_the_last_state_is_another(folders, voices, tmp_path):
    folder = shrink(str(folders["whisper"]), tmp_path / "cut", layers=1).folder
    config = json.loads((folder / "config.json").read_text())
    assert config["undertone"]["raw_last_state"] is True
    whole = states(folders["whisper"], voices[0])
    config["undertone"]["raw_last_state"] = False
    (folder / "SHA256SUMS").unlink()
    (folder / "config.json").write_text(json.dumps(config))
    found = states(folder, voices[0])
    torch.testing.assert_close(found[0], whole[0], atol=1e-6, rtol=0)
    assert (found[1] - whole[1]).abs().max() > 0.01


@pytest.mark.parametrize("kind", ["wav2vec2-layer", "hubert-layer", "wavlm-layer"])
def test_what_comes_behind_the_last_layer_is_gone(folders, voices, tmp_path, kind):
    """Whatever a version of transformers calls the last state."""
    for layers, same in ((None, False), (2, True)):
        made = shrink(str(folders[kind]), tmp_path / f"{layers}", layers=layers, int8=not same)
        encoder = batches.load(made)
        samples = torch.from_numpy(encoder.prepare(voices[0]))[None]
        with torch.inference_mode():
            last = encoder.module(samples).last_hidden_state[0]
            found = states(made.folder, voices[0])[-1]
        assert bool((last - found).abs().max() < 1e-6) == same


@pytest.mark.parametrize("kind", [*KINDS, "whisper"])
def test_eight_bits_are_close_to_single_precision(folders, voices, tmp_path, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = shrink(str(folders[kind]), tmp_path / "int8", int8=True)
        small = states(made.folder, voices[0])
    linear = [m for m in batches.load(made).module.modules() if "dynamic" in type(m).__module__]
    assert len(linear) >= 2 * LAYERS[kind], "the feed-forward layers at least"
    whole = states(folders[kind], voices[0])
    assert small.shape == whole.shape
    error, size = ((x**2).mean(dim=(1, 2)).sqrt() for x in (small - whole, whole))
    assert (error[-1] > 0).all()
    assert (error < 0.05 * size).all()
    assert made.n_layers == LAYERS[kind] + 1


def test_eight_bit_frames_do_not_depend_on_the_company(folders, voices, tmp_path):
    loud = [*voices, 20 * voices[0]]
    for kind in ("hubert-layer", "whisper"):
        made = shrink(str(folders[kind]), tmp_path / kind, int8=True)
        for alone, together in zip(loud, upstream.compute(loud, model=made), strict=True):
            np.testing.assert_array_equal(together, upstream.compute([alone], model=made)[0])


def test_each_folder_is_another_encoder(folders, tmp_path):
    whole = upstream.find(f"upstream:{folders['hubert-layer']}@all")
    made = [
        shrink(str(folders["hubert-layer"]), tmp_path / "1", layers=1),
        shrink(str(folders["hubert-layer"]), tmp_path / "2", layers=2),
        shrink(str(folders["hubert-layer"]), tmp_path / "3", layers=2, int8=True),
        shrink(str(folders["hubert-layer"]), tmp_path / "4", int8=True),
    ]
    encoders = [whole, *made]
    assert len({one.digest for one in encoders}) == 5
    shown = [extractors.get(f"upstream:{one.folder}@1") for one in encoders]
    assert len({extractor.columns for extractor in shown}) == 5
    assert len({str(extractor.settings) for extractor in shown}) == 5  # they name its place


def test_a_cut_of_a_cut_keeps_the_first_originals_numbers(folders, voices, tmp_path):
    first = upstream.find(f"upstream:{folders['wav2vec2-layer']}@all")
    once = shrink(str(folders["wav2vec2-layer"]), tmp_path / "once", layers=2, int8=True)
    twice = shrink(str(once.folder), tmp_path / "twice", layers=1)
    for made in (once, twice):
        assert made.cut.original_layers == 3
        assert made.cut.original_digest == first.digest
        assert made.cut.original_name == "wav2vec2-layer"
        assert made.int8
        assert made.n_layers_of_whole == 4
    straight = shrink(str(folders["wav2vec2-layer"]), tmp_path / "straight", layers=1, int8=True)
    torch.testing.assert_close(states(twice.folder, voices[0]), states(straight.folder, voices[0]))
    assert twice.digest == straight.digest


def test_layers_weigh_what_they_weigh_in_the_whole(folders, tmp_path):
    made = shrink(str(folders["hubert-group"]), tmp_path / "cut", layers=2)
    whole = extractors.get(f"upstream:{folders['hubert-group']}@all").columns
    cut = extractors.get(f"upstream:{made.folder}@all").columns
    weights = emphasis(whole, len(whole))
    found = emphasis(cut, len(cut), n_layers=made.n_layers_of_whole)
    np.testing.assert_array_equal(found, weights[: len(cut)])
    assert not np.allclose(emphasis(cut, len(cut)), found), "a new triangle is another"
    layers = Layers(None, None, made.n_layers, made.layers, made.n_layers_of_whole)
    assert layers.n_layers_of_whole == 4
    assert Layers(None, None, 4, range(4)).n_layers_of_whole == 4


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_floats_keep_the_precision_of_the_source(tmp_path, precision, form):
    folder = write_encoder(tmp_path / "whole", "hubert-layer")
    path = folder / "model.safetensors"
    stored = {name: tensor.to(precision) for name, tensor in load_file(path).items()}
    save_file(stored, path, metadata={"format": "pt"})
    if form == "bin":
        torch.save(stored, folder / "pytorch_model.bin")
        path.unlink()
    made = shrink(str(folder), tmp_path / "cut", layers=2)
    found = load_file(made.folder / "model.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {precision}
    layer = "encoder.layers.1.attention.k_proj.weight"
    torch.testing.assert_close(found[layer], stored[layer], rtol=0, atol=0)
    assert not any("encoder.layers.2" in name for name in found)
    assert (made.folder / "model.safetensors").stat().st_size < sum(
        p.stat().st_size for p in folder.glob("*model*")
    )


def test_transformers_takes_the_folder(folders, voices, tmp_path):
    made = shrink(str(folders["wavlm-group"]), tmp_path / "cut", layers=2)
    model = transformers.AutoModel.from_pretrained(made.folder)
    assert len(model.encoder.layers) == model.config.num_hidden_layers == 2


def test_a_model_with_a_head_gives_its_encoder(tmp_path, voices):
    folder = write_encoder(tmp_path / "whole", "wav2vec2-group")
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    made = shrink(str(folder), tmp_path / "cut", layers=1)
    whole = states(folder, voices[0])[:2]
    torch.testing.assert_close(states(made.folder, voices[0]), whole, atol=1e-6, rtol=0)


def test_the_card_says_what_was_cut_from_what(folders, tmp_path):
    source = upstream.find(f"upstream:{folders['hubert-layer']}@all")
    made = shrink(str(folders["hubert-layer"]), tmp_path / "cut", layers=2, int8=True)
    card = (made.folder / "README.md").read_text()
    for told in ("2 of 3 layers", source.digest, "State 2", "8 bits", "hubert-layer", "licence"):
        assert told in card
    assert str(tmp_path) not in card
    assert {path.name for path in made.folder.iterdir()} == {
        *("README.md", "SHA256SUMS", "config.json", "model.safetensors"),
        "preprocessor_config.json",
    }


@pytest.mark.parametrize(
    ("layers", "int8", "message"),
    [
        (0, False, "has 3 transformer layers, found --layers 0; take --layers 1 to 2, or --int8"),
        (4, True, "has 3 transformer layers, found --layers 4"),
        (3, False, "has 3 layers already: nothing would be smaller; take --layers 1 to 2, or"),
        (None, False, "has 3 layers already"),
    ],
)
def test_what_is_no_smaller_encoder_is_refused(folders, tmp_path, layers, int8, message):
    with pytest.raises(UndertoneError, match=message):
        shrink(str(folders["hubert-group"]), tmp_path / "cut", layers=layers, int8=int8)
    assert not list(tmp_path.iterdir())


def test_nothing_is_cut_twice_for_nothing(folders, tmp_path):
    made = shrink(str(folders["distilhubert"]), tmp_path / "cut", layers=1, int8=True)
    with pytest.raises(UndertoneError, match=r"int8 weights already: .* it cannot be made smaller"):
        shrink(str(made.folder), tmp_path / "again", int8=True)


def test_a_folder_that_is_there_is_left_alone(folders, tmp_path):
    (tmp_path / "cut").mkdir()
    with pytest.raises(UndertoneError, match="is there already; choose another --out"):
        shrink(str(folders["hubert-group"]), tmp_path / "cut", layers=1)
    assert not list((tmp_path / "cut").iterdir())


def test_what_is_no_encoder_is_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UndertoneError, match=r"config\.json cannot be read"):
        shrink(str(tmp_path / "empty"), tmp_path / "cut", layers=1)
    with pytest.raises(UndertoneError, match="shrunk as a whole: expected upstream:"):
        shrink(f"upstream:{folders['hubert-group']}@2", tmp_path / "cut", layers=1)
    with pytest.raises(UndertoneError, match="shrunk as a whole"):
        shrink(f"upstream:{folders['whisper']}@all+bare", tmp_path / "cut", layers=1)
    assert not (tmp_path / "cut").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_changed_bit_of_a_cut_encoder_is_refused(folders, tmp_path, name):
    made = shrink(str(folders["hubert-layer"]), tmp_path / "cut", layers=1)
    path = made.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UndertoneError, match=rf"{name} is not the file that .*SHA256SUMS tells of"):
        upstream.find(f"upstream:{made.folder}@all")
    assert (
        upstream.find(f"upstream:{folders['hubert-layer']}@all").n_layers > 1
    )  # others have no digests


def test_a_folder_is_whole_or_absent(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(shrinking, "_card", lambda *told: 1 / 0)  # the last thing written
    with pytest.raises(ZeroDivisionError):
        shrink(str(folders["hubert-group"]), tmp_path / "cut", layers=1)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(folders, tmp_path, monkeypatch):
    write_bytes = Path.write_bytes

    def fail_half_way(self, content):
        write_bytes(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail_half_way)
    with pytest.raises(UndertoneError, match=r"the disk is full: .*cut does not fit"):
        shrink(str(folders["hubert-group"]), tmp_path / "cut", layers=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "section",
    [
        {"original_layers": 3},
        {"original_layers": 1, "original_name": "a", "original_digest": "b"},
        {"original_layers": 3, "original_name": "a", "original_digest": "b", "more": 1},
        "text",
    ],
)
def test_a_section_that_is_not_ours_is_told(folders, tmp_path, section):
    folder = shrink(str(folders["hubert-group"]), tmp_path / "cut", layers=2).folder
    config = json.loads((folder / "config.json").read_text()) | {"undertone": section}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(UndertoneError, match="is not as `undertone shrink` writes it"):
        upstream.find(f"upstream:{folder}@all")


def test_eight_bits_exclude_bfloat16(folders, tmp_path):
    made = shrink(str(folders["hubert-group"]), tmp_path / "cut", int8=True)
    with pytest.raises(UndertoneError, match=r"\+bfloat16 is not for the encoder"):
        upstream.find(f"upstream:{made.folder}@all+bfloat16")


def test_the_command_says_what_it_made(folders, tmp_path):
    arguments = ["shrink", f"upstream:{folders['whisper']}", "--layers", "1", "--int8"]
    done = CliRunner().invoke(cli.app, [*arguments, "--out", str(tmp_path / "cut")])
    assert done.exit_code == 0, done.output
    assert "layers 0 to 1 of 0 to 2 of whisper, int8" in done.output
    assert f"--features upstream:{tmp_path / 'cut'}@all" in done.output
    with pytest.raises(UndertoneError, match="--layers takes a whole number"):
        CliRunner().invoke(
            cli.app,
            ["shrink", str(folders["whisper"]), "--layers", "few", "--out", str(tmp_path / "b")],
            catch_exceptions=False,
        )


@pytest.mark.corpora
@pytest.mark.weights
def test_a_cut_whisper_hears_what_the_whole_one_hears(corpora_root, weights_root, tmp_path):
    folder = weights_root / "whisper-base-encoder"
    clips = [audio.read(p) for p in sorted((corpora_root / "emodb" / "audio").iterdir())[::250]]
    for kept in (1, 3, 5):
        made = shrink(f"upstream:{folder}", tmp_path / f"{kept}", layers=kept)
        small = shrink(f"upstream:{folder}", tmp_path / f"{kept}-int8", layers=kept, int8=True)
        for clip in clips:
            whole = states(folder, clip)[: kept + 1]
            torch.testing.assert_close(states(made.folder, clip), whole, atol=1e-6, rtol=0)
            rounded = states(small.folder, clip).mean(dim=1)
            error = (rounded - whole.mean(dim=1)).norm(dim=1) / whole.mean(dim=1).norm(dim=1)
            assert (error[:4] < 0.05).all(), error
            assert (error < 0.25).all(), error
