"""One thing that an audit found: a sentence, and the rows that show it.

A finding is a *lie* where a score on such data would be one: it is refused until it is allowed by
name. Other findings are told and stop nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_ROWS = 20  # that a table of examples shows
ALLOWED: Mapping[str, str] = {  # what --allow takes, and what happens then
    "speakers": "names that look like one speaker count as several",
    "copies": "recordings that stand there under several speakers or labels are left out",
    "encoder": "an encoder that was trained on these labels is used all the same",
}


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        name: one word; of a lie a key of ``ALLOWED``.
        what: a sentence without its full stop.
        is_lie: whether a score would be a lie.
        columns: headings of the rows.
        rows: what shows it, the worst first.
    """

    name: str
    what: str
    is_lie: bool = False
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, with every row."""
        return {
            "name": self.name,
            "what": self.what,
            "is_lie": self.is_lie,
            "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
        }

    @property
    def shown(self) -> tuple[tuple[str, ...], ...]:
        """The rows that a page shows."""
        return self.rows[:MOST_ROWS]
