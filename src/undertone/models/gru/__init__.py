"""A GRU with the parameters and maths of ``torch.nn.GRU`` that trains faster on a CPU.

``module.py`` is the layer people use, ``packed.py`` takes ragged batches apart and knows the
gradients, ``library.py`` builds and loads ``kernel.cpp``, which holds the mathematics. Without a
C++ compiler everything still runs, on ``torch.nn.GRU``.
"""

from undertone.models.gru.library import available, in_use
from undertone.models.gru.module import GRU

__all__ = ["GRU", "available", "in_use"]
