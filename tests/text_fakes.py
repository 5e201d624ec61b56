"""Tiny encoders of text with random weights, as folders of the Hugging Face layout."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("i", "you", "am", "are", "so", "very", "happy", "sad", "angry", "fine", "today", "again")
KINDS = {
    "bert": ("Bert", {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}),
    "roberta": ("Roberta", {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}),
    "t5": ("T5", {"d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 24, "num_layers": 2}),
    "gpt2": ("GPT2", {"n_embd": 16, "n_head": 2, "n_layer": 2, "n_positions": 16}),
}


def write_text_encoder(
    folder: Path, kind: str = "bert", *, seed: int = 1, window: int = 16, words: tuple = WORDS
) -> Path:
    """An encoder of two layers, 16 wide, whose window holds so many tokens."""
    family, settings = KINDS[kind]
    torch.manual_seed(seed)
    ends = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    settings = settings | ends | {"vocab_size": len(SPECIAL) + len(words)}
    if kind in ("bert", "roberta"):
        positions = window + (2 if kind == "roberta" else 0)
        settings |= {"num_hidden_layers": 2, "max_position_embeddings": positions}
    config = getattr(transformers, f"{family}Config")(**settings)
    transformers.logging.disable_progress_bar()
    getattr(transformers, f"{family}Model")(config).save_pretrained(folder)
    _tokenizer(words, window, padded=kind != "gpt2").save_pretrained(folder)
    return folder


def _tokenizer(words, window, *, padded):
    """Words in small letters between ``[CLS]`` and ``[SEP]``."""
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *words))}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    model.normalizer = tokenizers.normalizers.Lowercase()
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names |= {"pad_token": "[PAD]"} if padded else {"eos_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=model, model_max_length=window, **names
    )
