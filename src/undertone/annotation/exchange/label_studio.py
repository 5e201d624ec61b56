"""Label Studio's JSON, as it exports and imports tasks.

In:  utterances with their labels; or an export, JSON or JSON-MIN.
Out: the one or the other. A whole file has ``choices``, a segment is a region with ``labels``;
     sliders are ``number``. The rater stands in the note of each result, since the numbers of Label
     Studio's users mean nothing elsewhere. Of mixed feelings the emotions are told, the largest
     first, and come back in equal parts: it knows no shares.

Audio is named as Label Studio serves local files, ``/data/local-files/?d=PATH``.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from undertone import atomic
from undertone.annotation.exchange.rows import Exported, Row
from undertone.annotation.exchange.table import amounts_in
from undertone.corpora.label_log.log import CANNOT_TELL, EMOTION, NOT_SPEECH, Label
from undertone.errors import UndertoneError
from undertone.tasks.names import canonical_emotion, names_no_emotion

LOCAL = "/data/local-files/"
UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # before the name of an uploaded file
NOTE = "rater: "
KEPT = "surrogateescape"  # bytes of a path that are no UTF-8
OTHERS = {CANNOT_TELL: CANNOT_TELL, NOT_SPEECH: NOT_SPEECH}
MOST_BYTES = 500_000_000
AUDIO_KEYS = ("audio", "sound", "file", "url", "wav", "speech")


def write(rows: Sequence[Exported], out: Path) -> str:
    """Write the tasks; return what is to be said."""
    tasks = [_task(number, row) for number, row in enumerate(rows, start=1)]
    atomic.write_text(out, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    return f"{len(tasks)} tasks in {out}"


def _task(number: int, row: Exported) -> dict[str, Any]:
    clip = row.clip
    return {
        "id": number,
        "data": {
            "audio": f"{LOCAL}?d={quote(os.fsencode(str(clip.file).lstrip('/')))}",
            "utterance": clip.utterance,
            **({"speaker": clip.speaker} if clip.speaker else {}),
        },
        "annotations": [
            {
                "result": list(_results(label, clip.start_s, clip.end_s)),
                **({"created_at": label.at} if label.at else {}),
            }
            for label in row.labels
        ],
    }


def _results(label: Label, start_s: float | None, end_s: float | None) -> Iterator[dict[str, Any]]:
    named = sorted(label.shares, key=lambda name: -label.shares[name]) or [label.answer]
    both = {"to_name": "audio", "meta": {"text": [f"{NOTE}{label.rater}"]}}
    if start_s is None and end_s is None:
        yield {"from_name": "emotion", "type": "choices", "value": {"choices": named}, **both}
    else:
        value = {"start": start_s or 0.0, "end": end_s, "labels": named}
        yield {"from_name": "emotion", "type": "labels", "value": value, **both}
    for name, amount in label.amounts.items():
        yield {"from_name": name, "type": "number", "value": {"number": amount}, **both}


def read(path: Path) -> list[Row]:
    """The labels of an export.

    Raises:
        UndertoneError: it is no export, or holds no label.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UndertoneError(f"{path} holds more than {MOST_BYTES:,} bytes: export it in parts")
        tasks = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UndertoneError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise UndertoneError(f"{path} is no export of Label Studio: expected a list of tasks")
    rows = [row for task in tasks for row in _rows_of(task)]
    if not rows:
        raise UndertoneError(
            f"{path} holds no label that is read: choices or labels of audio, in "
            f"{len(tasks)} tasks; export it as JSON or JSON-MIN"
        )
    return rows


def _rows_of(task: Mapping[str, Any]) -> Iterator[Row]:
    data = task.get("data")
    if not isinstance(data, dict):  # JSON-MIN
        yield from _rows_of_minimal(task)
        return
    for annotation in _dicts(task.get("annotations", task.get("completions"))):
        if annotation.get("was_cancelled"):
            continue
        results = _dicts(annotation.get("result"))
        rater = _rater(annotation, results)
        amounts = amounts_in(
            {
                str(one.get("from_name")): str(_dict(one.get("value")).get("number", ""))
                for one in results
                if one.get("type") == "number"
            }
        )
        for one in results:
            yield from _row(data, one, rater, amounts)


def _row(
    data: Mapping[str, Any], result: Mapping[str, Any], rater: str, amounts: Mapping[str, float]
) -> Iterator[Row]:
    value = _dict(result.get("value"))
    named = value.get("choices") or value.get("labels")
    if not isinstance(named, list) or not named:
        return
    start_s, end_s = _seconds(value.get("start")), _seconds(value.get("end"))
    utterance = data.get("utterance")
    yield from _of_names(
        list(map(str, named)),
        _audio(data),
        start_s=start_s,
        end_s=end_s,
        utterance=utterance if isinstance(utterance, str) else "",
        rater=rater,
        amounts=amounts,
    )


def _rows_of_minimal(task: Mapping[str, Any]) -> Iterator[Row]:
    """JSON-MIN: the data beside the results, which are texts, lists or regions."""
    rater, file = str(task.get("annotator") or ""), _audio(task)
    skipped = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")
    for key, value in task.items():
        if key in skipped or key in AUDIO_KEYS or not file:
            continue
        if isinstance(value, str) and key in ("emotion", "choice", "sentiment", "label"):
            yield from _of_names([value], file, rater=rater)
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            yield from _of_names(list(map(str, value["choices"])), file, rater=rater)
        for region in _dicts(value):
            named = region.get("labels")
            if isinstance(named, list) and named:
                start_s, end_s = _seconds(region.get("start")), _seconds(region.get("end"))
                names = list(map(str, named))
                yield from _of_names(names, file, start_s=start_s, end_s=end_s, rater=rater)


def _of_names(names: Sequence[str], file: str, **facts: Any) -> Iterator[Row]:
    if not file and not facts.get("utterance"):
        return
    answer = OTHERS.get(names[0].strip().lower(), EMOTION)
    emotions = [canonical_emotion(name) for name in names if not names_no_emotion(name)]
    if answer == EMOTION and not emotions:
        return
    shares = {name: 1 / len(set(emotions)) for name in emotions} if answer == EMOTION else {}
    place = Path(file) if file.startswith("/") else None
    yield Row(file, place, shares=shares, answer=answer, **facts)


def _audio(data: Mapping[str, Any]) -> str:
    """The path that a task's audio names; of an uploaded file, its name."""
    texts = {str(k).lower(): v for k, v in data.items() if isinstance(v, str)}
    url = next((texts[key] for key in AUDIO_KEYS if key in texts), "")
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that stand for no host: a plain path, if anything
        return url.rpartition("/")[2]
    if parts.path == LOCAL and (told := parse_qs(parts.query, errors=KEPT).get("d")):
        return "/" + told[0].lstrip("/")
    path = unquote(parts.path, errors=KEPT)
    if "/data/upload/" in path:
        return UPLOADED.sub("", path.rpartition("/")[2])
    return path.rpartition("/")[2] if parts.scheme else path


def _rater(annotation: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    for one in results:
        notes = _dict(one.get("meta")).get("text")
        for note in notes if isinstance(notes, list) else []:
            if isinstance(note, str) and note.startswith(NOTE):
                return note.removeprefix(NOTE)
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return "" if who is None else f"rater {who}" if isinstance(who, int) else str(who)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _seconds(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e9 else None  # type: ignore[arg-type, operator]
