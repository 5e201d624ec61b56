"""Texts through a pre-trained encoder, in batches of like length.

In:  texts, none of them empty.
Out: (n_texts, width) float32, the mean over tokens of the last hidden state. The tokens that the
     encoder itself puts at the ends count, padding does not: the pooling of sentence encoders
     (Reimers and Gurevych, "Sentence-BERT", arXiv 1908.10084).

A text longer than the encoder's window is cut into windows, and the mean is over the tokens of all.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from undertone.errors import UndertoneError
from undertone.features.hub import check_size, damage_told, read_config
from undertone.features.text.source import TextEncoder
from undertone.features.upstream.batches import one_thread, quiet

BATCH = 32  # windows of text
LONGEST = 512  # tokens, where the model does not say
MAY_BE_MISSING = "pooler"  # weights behind the last hidden state


def encode(texts: Sequence[str], source: TextEncoder) -> np.ndarray:
    """(n_texts, width) float32 of texts.

    Raises:
        UndertoneError: the encoder cannot be loaded.
    """
    model, tokenizer, window = _load(source)
    tokens = tokenizer(
        list(texts), truncation=True, max_length=window, return_overflowing_tokens=True
    )
    owner = np.array(tokens["overflow_to_sample_mapping"])
    windows = [tokens["input_ids"][i] for i in range(len(owner))]
    sums, counts = np.zeros((len(texts), source.width)), np.zeros(len(texts))
    order = sorted(range(len(windows)), key=lambda i: (len(windows[i]), i))
    with torch.inference_mode(), one_thread():
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            of_each = _sums(model, [windows[i] for i in batch], tokenizer.pad_token_id)
            np.add.at(sums, owner[batch], of_each)
            np.add.at(counts, owner[batch], [len(windows[i]) for i in batch])
    return (sums / counts[:, None]).astype(np.float32)


def count_parameters(source: TextEncoder) -> int:
    """Of the part of the encoder that reads texts."""
    model, *_ = _load(source)
    return sum(parameter.numel() for parameter in model.parameters())


def _sums(model: Any, windows: Sequence[Sequence[int]], padding: int) -> np.ndarray:
    """(n_windows, width) sums over tokens of the last hidden state."""
    longest = max(map(len, windows))
    ids = torch.tensor([[*window, *[padding] * (longest - len(window))] for window in windows])
    real = torch.arange(longest)[None] < torch.tensor(list(map(len, windows)))[:, None]
    states = model(input_ids=ids, attention_mask=real.long()).last_hidden_state
    summed: np.ndarray = (states * real[:, :, None]).sum(dim=1).double().numpy()
    return summed


@functools.lru_cache(maxsize=1)
def _load(source: TextEncoder) -> tuple[Any, Any, int]:
    """The model, its tokenizer, and how many tokens its window holds."""
    import transformers

    with quiet(transformers), damage_told(source.folder, "encoder of text"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            source.folder, local_files_only=True, use_fast=True
        )
        config = read_config(source.folder)
        with torch.device("meta"):
            check_size(source.folder, transformers.AutoModel.from_config(config))
        model, info = transformers.AutoModel.from_pretrained(
            source.folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    if missing := sorted(key for key in info["missing_keys"] if MAY_BE_MISSING not in key):
        raise UndertoneError(
            f"the weights in {source.folder} lack {', '.join(missing[:3])}"
            f"{', …' if len(missing) > 3 else ''}: they are not of the model that its config tells"
        )
    if not tokenizer.is_fast:
        raise UndertoneError(
            f"the tokenizer in {source.folder} has no tokenizer.json, and cannot be turned into "
            "one: save it with `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`"
        )
    if tokenizer.pad_token_id is None:  # of generators; padding is masked whatever it is
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    return model.eval(), tokenizer, _window(model.config, tokenizer)


def _window(config: Any, tokenizer: Any) -> int:
    """Tokens, those at the ends included.

    RoBERTa and its kind count positions from behind the padding's number: two are never used.
    """
    positions = getattr(config, "max_position_embeddings", None) or LONGEST
    if "roberta" in config.model_type or config.model_type in ("camembert", "mpnet"):
        positions -= 2
    return int(min(positions, tokenizer.model_max_length))
