"""A service on this machine: files and streams of speech in, emotions out; and a page for people.

In:  HTTP requests and WebSockets, from anybody who reaches the port: all of it is distrusted.
Out: the same answers as ``predict`` and ``timeline`` give; nothing is stored.

``limits`` says how much is taken, ``guard`` from whom, ``connections`` how slowly, ``admission``
how many at once. ``uploads`` receives a recording, ``workers`` are the processes that hear it,
``jobs`` what they do, ``stream`` answers a microphone. ``about`` tells of the model, ``app`` joins
them, ``running`` opens the port and ends gracefully. ``page`` is what browsers get.
"""
