"""The windows of a timeline as a table on disk: CSV, JSON lines or Parquet.

In:  ``Timeline``, and a path.
Out: a file, whole or absent.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from undertone import atomic
from undertone.errors import UndertoneError, as_text
from undertone.serving.timeline.result import Timeline

TEXTS = ("emotion", "set", "doubt")  # texts even where every cell is empty


def check_table(path: Path) -> None:
    """Refuse a table of another kind, before anything is heard.

    Raises:
        UndertoneError: by the end of its name nobody knows how to write it.
    """
    if path.suffix.lower() not in WRITERS:
        raise UndertoneError(
            f"--table {path}: expected a name that ends in {', '.join(WRITERS)}, as --table "
            f"{path.stem}.csv"
        )


def write_table(timeline: Timeline, path: Path) -> None:
    """Write a row a window; raises as ``check_table`` does."""
    check_table(path)
    atomic.write_bytes(path, WRITERS[path.suffix.lower()](timeline))


def _csv(timeline: Timeline) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, timeline.columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(timeline.rows())
    return text.getvalue().encode("utf-8", "backslashreplace")


def _jsonl(timeline: Timeline) -> bytes:
    lines = (json.dumps(row, ensure_ascii=False) for row in timeline.rows())
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def _parquet(timeline: Timeline) -> bytes:
    import pandas as pd

    rows = [{**row, "file": as_text(row["file"])} for row in timeline.rows()]
    texts = dict.fromkeys([name for name in TEXTS if name in timeline.columns], "string")
    return pd.DataFrame(rows, columns=timeline.columns).astype(texts).to_parquet(index=False)


WRITERS: Mapping[str, Callable[[Timeline], bytes]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
