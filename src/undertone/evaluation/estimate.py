"""A number that never travels without its uncertainty.

In:  a value, the two ends of its 95 % interval, and the number of speakers behind them.
Out: ``Estimate``, which prints as ``.783 [.741, .820]``.

The ends are NaN where no interval can be given: one speaker says nothing of the next one.
"""

import math
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, repr=False)
class Estimate:
    """A value with the interval that resampling the speakers (and draws) gives it.

    >>> Estimate(0.7834, 0.741, 0.8199, n_speakers=10)
    <Estimate .783 [.741, .820], 10 speakers>
    >>> str(Estimate(0.7834, 0.741, 0.8199, n_speakers=10))
    '.783 [.741, .820]'
    >>> Estimate(0.012, -0.02, 0.041, n_speakers=10).signed()
    '+.012 [-.020, +.041]'
    """

    value: float
    low: float
    high: float
    n_speakers: int

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero; never so without an interval."""
        return self.has_interval and (self.low > 0 or self.high < 0)

    def __repr__(self) -> str:
        noun = "speaker" if self.n_speakers == 1 else "speakers"
        told = str(self) if self.has_interval else decimal(self.value)
        return f"<Estimate {told}, {self.n_speakers} {noun}>"

    def __str__(self) -> str:
        return f"{decimal(self.value)} {self._bracket(signed=False)}"

    def signed(self) -> str:
        """The same with a sign: for a difference."""
        return f"{decimal(self.value, signed=True)} {self._bracket(signed=True)}"

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain JSON: an end that does not exist is null."""
        return {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "n_speakers": self.n_speakers,
        }

    def _bracket(self, *, signed: bool) -> str:
        if self.has_interval:
            return f"[{decimal(self.low, signed=signed)}, {decimal(self.high, signed=signed)}]"
        noun = "speaker" if self.n_speakers == 1 else "speakers"
        return f"(no interval: {self.n_speakers} {noun})"


@dataclass(frozen=True, repr=False)
class Difference(Estimate):
    """An estimate that is told with its sign, also in a table whose other cells have none.

    >>> print(Difference.of(Estimate(0.25, 0.1, 0.41, n_speakers=10)))
    +.250 [+.100, +.410]
    """

    @classmethod
    def of(cls, estimate: Estimate) -> Self:
        """The difference that an estimate is of."""
        return cls(estimate.value, estimate.low, estimate.high, estimate.n_speakers)

    def __str__(self) -> str:
        return self.signed()

    def to_dict(self) -> dict[str, float | int | None]:
        """The same, and that it is a difference."""
        return super().to_dict() | {"signed": True}


def decimal(value: float, *, signed: bool = False) -> str:
    """Three decimals without the leading zero.

    >>> decimal(0.5), decimal(1), decimal(-0.0304), decimal(0.0001, signed=True)
    ('.500', '1.000', '-.030', '.000')
    """
    if math.isnan(value):
        return "n/a"
    text = f"{value:+.3f}" if signed else f"{value:.3f}"
    if float(text) == 0:
        return ".000"
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
