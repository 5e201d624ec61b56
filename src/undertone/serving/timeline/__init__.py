"""Emotion over time: a recording of any length, listened to through windows inside its speech.

In:  a model folder, and a recording.
Out: ``Timeline``; a table and a page of it.

``sound`` streams, ``speech`` and ``turns`` say where somebody speaks, ``windows`` where to listen,
``listening`` listens, ``result`` holds what was heard, ``page`` shows it, ``truth`` measures it on
recordings whose emotions are known.
"""

from undertone.serving.timeline.listening import timeline
from undertone.serving.timeline.result import Timeline
from undertone.serving.timeline.windows import WindowConfig

__all__ = ["Timeline", "WindowConfig", "timeline"]
