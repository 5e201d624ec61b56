"""Times in tables, as people and programs write them.

In:  the text of a cell.
Out: seconds.

Read are numbers (``1.5``, ``1,5``, ``1.5 s``, ``1500 ms``), clocks (``01:05`` is a minute and five
seconds, ``0:01:05,250``), and timedeltas (``0 days 00:00:01.5``). A comma before the last digits is
a decimal comma. What could mean two things, such as ``1 000`` or ``1,000.5``, is refused.
"""

import re

from undertone.errors import UndertoneError

NUMBER = re.compile(r"(?P<value>[+-]?\d*[.,]?\d+([eE][+-]?\d+)?|\d+[.,])\s*(?P<unit>s|sec|ms|min)?")
CLOCK = re.compile(
    r"((?P<days>\d+) days? \+?)?((?P<hours>\d+):)?"
    r"(?P<minutes>\d{1,3}):(?P<seconds>\d{1,2}([.,]\d+)?)"
)
LONGEST_S = 1e7  # sixteen weeks; no recording is longer
WHOLE_DAYS = re.compile(r"(?P<days>\d{1,4}) days?")
UNITS = {None: 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "min": 60.0}


def seconds(text: str) -> float:
    """Seconds that a cell tells.

    >>> [seconds(text) for text in ("1.5", "1,5", "1500 ms", "00:00:01,500", "01:05")]
    [1.5, 1.5, 1.5, 1.5, 65.0]
    >>> seconds("0 days 00:00:01.500000"), seconds("0 days")
    (1.5, 0.0)
    """
    plain = text.strip()
    if match := NUMBER.fullmatch(plain):
        value = float(match["value"].replace(",", ".")) * UNITS[match["unit"]]
        if abs(value) < LONGEST_S:
            return value
    if match := WHOLE_DAYS.fullmatch(plain):  # as pandas writes a column of nothing else
        return 86_400.0 * int(match["days"])
    if match := CLOCK.fullmatch(plain):
        hours, minutes = 24 * int(match["days"] or 0) + int(match["hours"] or 0), match["minutes"]
        rest = float(match["seconds"].replace(",", "."))
        if rest < 60 and (match["hours"] is None or int(minutes) < 60):
            return 3600.0 * hours + 60 * int(minutes) + rest
    raise UndertoneError(
        f"expected seconds (1.5) or a time (0:01:05.5), found {text!r}: write seconds without "
        "blanks or marks between thousands"
    )
