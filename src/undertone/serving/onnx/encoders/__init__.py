"""Pre-trained encoders in a graph: from the waveform to the frames that a model reads.

``pieces`` cuts long recordings as ``features.upstream.batches`` does, ``mel`` is Whisper's input,
``whisper`` and ``waveform`` are the two kinds of encoders, ``layers`` what both are made of.
``heard`` puts them together.
"""
