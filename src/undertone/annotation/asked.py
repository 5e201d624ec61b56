"""What a page sends, checked to the letter: a number is a number, and nothing is left over.

In:  JSON.
Out: ``Next``, ``Given``, ``Undo``; what somebody said, or why it makes no sense.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from undertone.annotation.session import Said, Session
from undertone.corpora.label_log.log import DIMENSIONS, EMOTION, SCALE
from undertone.errors import printable

Name = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[\w.-]+$")]
Number = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e6)]


class Asked(BaseModel):
    """What every request of a page tells.

    Attributes:
        tab: which sends it.
        of: the session that the page was opened on; None where a program does not say.
    """

    model_config = ConfigDict(extra="forbid", strict=True)  # true is no 1

    tab: Name
    of: str | None = Field(default=None, max_length=64)


class Next(Asked):
    """A tab wants clips besides those it has."""

    have: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list, max_length=20)
    n: int = Field(default=2, ge=1, le=5)


class Given(Asked):
    """A label."""

    id: Name
    clip: int = Field(ge=0)
    answer: Literal["emotion", "cannot tell", "not speech"]
    shares: dict[str, Number] = Field(default_factory=dict, max_length=9)
    arousal: float | None = Field(default=None, ge=SCALE[0], le=SCALE[1], allow_inf_nan=False)
    valence: float | None = Field(default=None, ge=SCALE[0], le=SCALE[1], allow_inf_nan=False)
    plays: int = Field(default=0, ge=0, le=1_000_000)
    seconds: Number = 0.0
    speed: Number = 1.0
    width: int = Field(default=0, ge=0, le=100_000)


class Undo(Asked):
    """Take back the last label."""

    id: Name


def why_not(session: Session, given: Given) -> str | None:
    """Why a label makes no sense here."""
    if given.clip >= len(session.clips):
        return "there is no such clip"
    if odd := set(given.shares) - set(session.aim.emotions):
        return printable(f"{', '.join(sorted(odd))} is not among the emotions asked for")
    if (given.answer == EMOTION) != (sum(given.shares.values()) > 0):
        return "an emotion needs shares above 0, and another answer has none"
    return None


def said(given: Given) -> Said:
    whole = sum(given.shares.values())
    amounts = {name: getattr(given, name) for name in DIMENSIONS}
    return Said(
        given.id,
        given.clip,
        given.answer,
        {name: share / whole for name, share in given.shares.items() if share > 0},
        {name: value for name, value in amounts.items() if value is not None},
        {
            "plays": given.plays,
            "seconds": round(given.seconds, 2),
            "speed": given.speed,
            "width": given.width,
        },
    )
