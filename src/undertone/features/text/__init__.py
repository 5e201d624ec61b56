"""Transcripts as vectors of a pre-trained encoder of text, frozen.

In:  transcripts, and a folder of the Hugging Face layout (``config.json``, a tokenizer, weights),
     or a name on its hub.
Out: one vector (width,) a transcript: the mean over its tokens of the last hidden state. What holds
     no word has none.

``source`` says which model a name means, ``encode`` runs it, ``embeddings`` keeps what came out.
Torch and transformers are imported where a model is loaded, never before.
"""

from undertone.features.text.embeddings import embed
from undertone.features.text.source import TextEncoder, find

__all__ = ["TextEncoder", "embed", "find"]
