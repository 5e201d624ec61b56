"""Who speaks when, as other programs tell it: turns in place of the detector of speech.

In:  a file: RTTM (NIST, 2009), a TextGrid of Praat (either form), an ELAN document (``.eaf``), or a
     table with the columns start and end or duration, perhaps speaker and channel.
Out: ``Stretch``, sorted; what is passed over is told.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from undertone.errors import UndertoneError, describe_some, tell
from undertone.features.speech import Stretch

LARGEST = 64 * 2**20  # bytes
STARTS, ENDS = ("start", "start_s", "begin", "onset", "from"), ("end", "end_s", "offset", "to")
LASTS = ("duration", "duration_s", "length")
SPEAKERS, CHANNELS = ("speaker", "who", "tier"), ("channel",)


def read_turns(path: Path, recording: Path) -> list[Stretch]:
    """The turns of a recording.

    Args:
        path: of the file of turns.
        recording: whose turns are wanted where the file names several.

    Raises:
        UndertoneError: the file cannot be read, or holds no turn of this recording.
    """
    if not path.is_file():
        raise UndertoneError(f"there is no file of turns {path}")
    if path.stat().st_size > LARGEST:
        raise UndertoneError(f"{path} has {path.stat().st_size:,} bytes, too many for turns")
    read = READERS.get(path.suffix.lower(), _table)
    found = list(read(path, recording))
    turns = sorted((t for t in found if t.end_s > t.start_s), key=lambda t: (t.start_s, t.end_s))
    if passed_over := len(found) - len(turns):
        tell(f"{path}: {passed_over} turns that end before they begin, or with it, are passed over")
    if not turns:
        raise UndertoneError(
            f"{path} tells of no turns of {recording.name}: expected {', '.join(READERS)}, or a "
            "table with the columns start and end in seconds"
        )
    return turns


def _rttm(path: Path, recording: Path) -> Iterator[Stretch]:
    """``SPEAKER file channel start duration <NA> <NA> name ...``; other kinds of lines are none."""
    lines = [line.split() for line in _text(path).splitlines()]
    speakers = [fields for fields in lines if fields and fields[0] == "SPEAKER"]
    for number, fields in enumerate(lines, 1):
        if fields and fields[0] == "SPEAKER" and len(fields) < 8:
            raise UndertoneError(f"{path}, line {number}: expected at least 8 fields of RTTM")
    named = {fields[1] for fields in speakers}
    wanted = named & {recording.stem, recording.name} or (named if len(named) == 1 else set())
    if named and not wanted:
        raise UndertoneError(
            f"{path} tells of the recordings {describe_some(sorted(named))}, and not of "
            f"{recording.stem}: name the recording as the file does"
        )
    for fields in speakers:
        if fields[1] in wanted:
            start = _number(fields[3], path)
            yield Stretch(start, start + _number(fields[4], path), fields[7], fields[2])


def _textgrid(path: Path, recording: Path) -> Iterator[Stretch]:
    """Intervals with a text, of every tier of intervals; the name of the tier is the speaker.

    Both forms are the same values in the same order; the long one has their names between them.
    """
    text = re.sub(r'(?<=")\s*!.*$', "", _text(path), flags=re.MULTILINE)
    values = iter(
        re.findall(r'"(?:[^"]|"")*"|(?<![\w\[."])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w\]])', text)
    )
    try:
        if next(values) != '"ooTextFile"' or next(values) != '"TextGrid"':
            raise ValueError("it does not begin as one")
        next(values), next(values)  # of the whole
        for _ in range(int(next(values))):
            kind, name = next(values), _unquoted(next(values))
            next(values), next(values)  # of the tier
            for _ in range(int(next(values))):
                if kind != '"IntervalTier"':
                    next(values), next(values)
                    continue
                start, end, said = float(next(values)), float(next(values)), next(values)
                if _unquoted(said).strip():
                    yield Stretch(start, end, name)
    except (StopIteration, ValueError) as error:
        raise UndertoneError(f"{path} is no whole TextGrid: {error or 'it ends early'}") from None


def _elan(path: Path, recording: Path) -> Iterator[Stretch]:
    """Annotations that stand at times of their own; the participant or the tier is the speaker."""
    text = _text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UndertoneError(f"{path} defines entities, which no ELAN document does")
    try:
        document = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        raise UndertoneError(f"{path} is no ELAN document: {error}") from None
    slots = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", -1)) / 1000
        for slot in document.iter("TIME_SLOT")
    }
    for tier in document.iter("TIER"):
        speaker = tier.get("PARTICIPANT") or tier.get("TIER_ID") or ""
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            ends = [slots.get(annotation.get(f"TIME_SLOT_REF{i}"), -1.0) for i in (1, 2)]
            if min(ends) >= 0:
                yield Stretch(ends[0], ends[1], speaker)


def _table(path: Path, recording: Path) -> Iterator[Stretch]:
    from undertone.corpora import tables
    from undertone.corpora.times import seconds

    cells = tables.read(path, (*STARTS, *ENDS, *LASTS)).cells
    by_name = {str(name).strip().lower(): name for name in cells.columns}

    def column(names: tuple[str, ...]) -> str | None:
        return next((by_name[name] for name in names if name in by_name), None)

    start, end, lasts = column(STARTS), column(ENDS), column(LASTS)
    if start is None or (end is None and lasts is None):
        raise UndertoneError(
            f"{path} has the columns {', '.join(map(str, cells.columns))}: expected start and end, "
            "or start and duration, in seconds"
        )
    speaker, channel, file = column(SPEAKERS), column(CHANNELS), column(("file", "recording"))
    for index, row in cells.iterrows():
        if file is not None and row[file] and Path(row[file]).name != recording.name:
            continue
        try:
            begins = seconds(row[start])
            ends = seconds(row[end]) if end is not None else begins + seconds(row[str(lasts)])
        except UndertoneError as error:
            raise UndertoneError(f"{path}, line {int(str(index)) + 2}: {error}") from None
        who, where = (row[name] if name is not None else "" for name in (speaker, channel))
        yield Stretch(begins, ends, who, where)


def _text(path: Path) -> str:
    from undertone.corpora.tables import decode

    return decode(path)[0]


def _number(text: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise UndertoneError(f"{path}: expected seconds, found {text!r}")
    return value


def _unquoted(text: str) -> str:
    return text[1:-1].replace('""', '"')


READERS: Mapping[str, Callable[[Path, Path], Iterator[Stretch]]] = {
    ".rttm": _rttm,
    ".textgrid": _textgrid,
    ".eaf": _elan,
}
