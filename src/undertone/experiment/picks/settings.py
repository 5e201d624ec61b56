"""What a replay of labelling is asked for."""

import math
from dataclasses import dataclass

from undertone.annotation.picking.strategies import STRATEGIES
from undertone.config import check_ranges, check_types
from undertone.errors import UndertoneError

RANDOM, BALANCED = "random", "balanced"  # the honest rival; what nobody without the truth can do
BUDGETS = (10, 20, 30, 40, 50, 60, 80, 100)  # labels at which a replay is measured
REPLAYED = (*STRATEGIES, BALANCED)
BATCH = 10  # labels between two picks, where nobody says


@dataclass(frozen=True)
class PicksSettings:
    """Settings of a replay; off while no strategy is named."""

    strategies: tuple[str, ...] = ()  # that pick labels; random is always among them
    batch: int = BATCH  # labels between two picks
    eyes: str = ""  # features that the strategies see, where they differ from those of the system

    def __post_init__(self) -> None:
        check_types(self)
        check_ranges(self, batch=(1, math.inf))
        if unknown := [name for name in self.strategies if name not in REPLAYED]:
            raise UndertoneError(
                f"there is no strategy {', '.join(unknown)}; there are {', '.join(REPLAYED)}"
            )
        if len(set(self.strategies)) < len(self.strategies):
            raise UndertoneError(f"--picks names one twice: {', '.join(self.strategies)}")
        if not self.strategies and (self.eyes or self.batch != BATCH):
            given = f"--eyes {self.eyes}" if self.eyes else f"--batch {self.batch}"
            raise UndertoneError(
                f"{given} is of a replay of strategies, and none is named: add --picks "
                "unsure+spread, or leave it out"
            )

    @property
    def asked(self) -> bool:
        return bool(self.strategies)

    @property
    def rows(self) -> tuple[str, ...]:
        """The strategies, the rival first."""
        return (RANDOM, *(name for name in self.strategies if name != RANDOM))
