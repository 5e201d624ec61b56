"""One page that plays a recording and shows its emotions: opens anywhere, offline.

In:  ``Timeline``.
Out: one HTML file with styles, script, numbers and a small copy of the sound inside; nothing is
     fetched. The copy is left out of a page that would become larger than ``LARGEST``; the page
     then asks for the recording.
"""

import base64
import json
import math
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from undertone import __version__, atomic
from undertone.errors import printable
from undertone.serving.timeline.result import Timeline, Track
from undertone.serving.timeline.sound import write_copy
from undertone.serving.timeline.summary import least_asked, mean, of_the_whole, shares
from undertone.tasks import CHOICE

LARGEST = 100_000_000  # bytes of sound in a page: about four hours
LISTED = 500  # stretches of one emotion
HERE, REPORT = "undertone.serving.timeline", "undertone.evaluation.report"  # with what pages need


def write_page(timeline: Timeline, path: Path, *, model: str, embed: bool = True) -> None:
    """Write the page; it is whole or absent.

    Args:
        timeline: of a recording.
        path: of the page.
        model: what the page calls the recogniser.
        embed: whether the sound is to be in it.
    """
    sound = _sound(timeline.file) if embed else None
    atomic.write_text(path, render(timeline, model=model, sound=sound))


def render(timeline: Timeline, *, model: str, sound: bytes | None) -> str:
    """The page as text; ``sound`` is what the player plays (MPEG layer III)."""
    spells = [
        {
            "start": spell.start_s,
            "from": clock(spell.start_s),
            "to": clock(spell.end_s),
            "channel": track.channel,
            "emotion": printable(spell.emotion),
            "probability": f"{spell.value:.2f}".removeprefix("0"),
        }
        for track in timeline.tracks
        for spell in timeline.spells(track)
    ]
    context = {
        "name": printable(timeline.file.name),
        "model": printable(model),
        "sentence": sentence(timeline).replace(" %", "\u00a0%"),  # one word
        "promise": printable(timeline.promise),
        "late": f"{timeline.settings.window_s / 2:g}",
        "notes": [printable(note) for note in timeline.notes],
        "audio": None if sound is None else _as_address(sound),
        "tracks": timeline.tracks,
        "chooses": timeline.task.kind == CHOICE,
        "chance": f"{1 / len(timeline.task.outputs):.2f}".removeprefix("0"),
        "spells": spells[:LISTED],
        "unlisted": max(0, len(spells) - LISTED),
        "windows": f"{sum(len(track.windows) for track in timeline.tracks):,}",
        "settings": timeline.settings,
        "detector": printable(timeline.detector),
        "version": __version__,
        "css": Markup(_text("report.css", REPORT) + _text("timeline.css")),
        "script": Markup(_text("ribbons.js") + _text("timeline.js")),
        "data": _as_json(drawn(timeline)),
    }
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(_text("timeline.html")).render(context)


def sentence(timeline: Timeline) -> str:
    """What was heard, in a sentence."""
    heard = f"{clock(timeline.speech_s)} of speech in {clock(timeline.lasts_s)}"
    return f"{heard}: {of_the_whole(timeline)}{least_asked(timeline)}."


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> clock(5.4), clock(65), clock(3605)
    ('0:05', '1:05', '1:00:05')
    """
    minutes, rest = divmod(int(seconds + 1e-6), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def drawn(timeline: Timeline) -> dict[str, Any]:
    """What the script draws."""
    outputs = timeline.task.outputs
    low, high = _range(timeline)
    return {
        "lasts": round(timeline.lasts_s, 3),
        "chooses": timeline.task.kind == CHOICE,
        "outputs": [printable(str(output)) for output in outputs],
        "low": [low] * len(outputs),
        "high": [high] * len(outputs),
        "tracks": [_data_of(timeline, track) for track in timeline.tracks],
        "whole": _of_whole(timeline),
    }


def _of_whole(timeline: Timeline) -> dict[str, Any]:
    """What pages show before anything is played: of the whole recording."""
    named = shares(timeline) if timeline.task.kind == CHOICE else {}
    doubts = [d for track in timeline.tracks for d in timeline.doubtful(track)]
    longest = max(doubts, key=lambda doubt: doubt[1] - doubt[0], default=(0, 0, ""))[2]
    return {
        "text": of_the_whole(timeline),
        "emotion": printable(next(iter(named), "")),
        "doubt": printable(longest),
        "values": mean(timeline),
    }


def _range(timeline: Timeline) -> tuple[float, float]:
    """From no ribbon to the widest: of probabilities 0 to 1, of amounts their scale."""
    task = timeline.task
    if task.kind == CHOICE:
        return 0.0, 1.0
    if math.isfinite(task.low) and math.isfinite(task.high):
        return float(task.low), float(task.high)
    values = np.concatenate([track.values for track in timeline.tracks])
    if np.isnan(values).all():
        return 0.0, 1.0
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low, high if high > low else low + 1.0


def _data_of(timeline: Timeline, track: Track) -> dict[str, Any]:
    return {
        "stretches": [[s.start_s, s.end_s] for s in track.stretches],
        "steps": [
            [s.start_s, s.end_s, *(None if np.isnan(v) else round(float(v), 3) for v in s.values)]
            for s in timeline.covering(track)
        ],
        "spells": [
            [spell.start_s, spell.end_s, printable(spell.emotion), round(spell.value, 3)]
            for spell in timeline.spells(track)
        ],
        "doubts": [[start, end, printable(text)] for start, end, text in timeline.doubtful(track)],
    }


def _as_json(values: Any) -> Markup:
    """Inside an element ``script``, where no "<" may stand."""
    return Markup(json.dumps(values, separators=(",", ":")).replace("<", "\\u003c"))


def _sound(recording: Path) -> bytes | None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.mp3"
        write_copy(recording, copy)
        return copy.read_bytes() if copy.stat().st_size <= LARGEST else None


def _as_address(sound: bytes) -> Markup:
    return Markup("data:audio/mpeg;base64," + base64.b64encode(sound).decode())


def _text(name: str, package: str = HERE) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
