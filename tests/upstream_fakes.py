"""Tiny encoders with random weights, as folders of the Hugging Face layout."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embedding_groups": 2,
}
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
POSITIONS = {"num_conv_pos_embeddings": 16}
KINDS = {
    "wav2vec2-group": ("Wav2Vec2", POSITIONS),
    "wav2vec2-layer": ("Wav2Vec2", POSITIONS | LAYER_NORM),
    "hubert-group": ("Hubert", POSITIONS),
    "hubert-layer": ("Hubert", POSITIONS | LAYER_NORM),
    "distilhubert": ("Hubert", POSITIONS | {"num_hidden_layers": 2}),
    "wavlm-group": ("WavLM", POSITIONS),
    "wavlm-layer": ("WavLM", POSITIONS | LAYER_NORM),
    "data2vec": ("Data2VecAudio", {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}),
}


def write_encoder(folder: Path, kind: str, **inputs: object) -> Path:
    """A waveform encoder; ``inputs`` go into its preprocessor's config."""
    family, settings = KINDS[kind]
    torch.manual_seed(1)
    config = getattr(transformers, f"{family}Config")(**(SHAPE | settings))
    _save(getattr(transformers, f"{family}Model")(config), folder)
    told = {"sampling_rate": 16_000, "do_normalize": True} | inputs
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def write_whisper(folder: Path, kind: str = "WhisperModel", seconds: int = 30) -> Path:
    """A Whisper of two encoder layers whose window is so long."""
    torch.manual_seed(1)
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    config = transformers.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        vocab_size=100,
        max_source_positions=50 * seconds,
        **tokens,
    )
    _save(getattr(transformers, kind)(config), folder)
    extractor = transformers.WhisperFeatureExtractor(chunk_length=seconds)
    (folder / "preprocessor_config.json").write_text(extractor.to_json_string())
    return folder


def write_resnet(folder: Path) -> Path:
    """A picture network of two small stages."""
    torch.manual_seed(0)
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    )
    _save(transformers.ResNetModel(config), folder)
    return folder


def _save(model: object, folder: Path) -> None:
    transformers.logging.disable_progress_bar()
    model.save_pretrained(folder)
