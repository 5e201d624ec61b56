"""What people read of a stress test: one HTML file that opens offline, and a section of a card.

In:  ``Stress``.
Out: text of the page; the text of a model card with its section.
"""

import re

from undertone.evaluation.report.page import filled
from undertone.evaluation.report.tables import Row, Table
from undertone.evaluation.stress.plots import picture
from undertone.evaluation.stress.result import Stress

SECTION = "## Under stress"
BEFORE = "## Limits"
HINT = (
    "Intervals are 95 % over speakers; changes are paired with the same speakers' recordings as "
    "they are."
)


def render(stress: Stress) -> str:
    """The page as text."""
    rows = tuple(
        Row(row.condition.label, (row.score, row.change.signed(), row.moved)) for row in stress.rows
    )
    clean = Row("as recorded", (stress.clean, "", ""), is_part=True)
    table = Table("Every condition", stress.headings, (clean, *rows), HINT)
    values = {"stress": stress, "table": table, "pictures": picture(stress), "looks": {}}
    return filled("stress.html", values)


def with_section(card: str, stress: Stress) -> str:
    """A model card with what was found, in the place of what was found of the same corpus before.

    Sections of other corpora stay.
    """
    heading = f"{SECTION}: {_plain(stress.corpus)}"
    own = re.compile(rf"^{re.escape(heading)}\n.*?(?=^## |\Z)", re.M | re.S)
    rest = own.sub("", card)
    section = f"{heading}\n\n{stress.verdict()} {' '.join(stress.notes)}\n\n{_markdown(stress)}\n\n"
    if (at := rest.find(BEFORE)) < 0:
        return f"{rest.rstrip()}\n\n{section}"
    return rest[:at] + section + rest[at:]


def _markdown(stress: Stress) -> str:
    header = f"| {' | '.join(stress.headings)} |\n|---|---|---|---|\n"
    return header + "\n".join(f"| {' | '.join(cells)} |" for cells in stress.cells)


def _plain(name: str) -> str:
    return " ".join(name.split())
