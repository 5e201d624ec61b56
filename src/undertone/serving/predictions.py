"""Predictions of many recordings: made as they are asked for, and a frame of all of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from undertone.serving.predict import Prediction

if TYPE_CHECKING:
    import pandas as pd


class Predictions(Iterator[Prediction]):
    """An iterator of predictions that remembers those it has made; ``iter`` begins anew.

    Attributes:
        columns: of a table of them.
        remarks: what was passed over, and how much of it.
    """

    def __init__(
        self,
        rows: Iterator[Prediction],
        columns: Sequence[str],
        n_rows: int,
        remarks: Sequence[str] = (),
    ) -> None:
        self.columns, self.remarks = tuple(columns), tuple(remarks)
        self._rows, self._n_rows = rows, n_rows
        self._made: list[Prediction] = []
        self._at = 0

    def __len__(self) -> int:
        return self._n_rows

    def __iter__(self) -> Iterator[Prediction]:
        at = 0
        while at < len(self._made) or self._make():
            yield self._made[at]
            at += 1

    def __next__(self) -> Prediction:
        if self._at == len(self._made) and not self._make():
            raise StopIteration
        self._at += 1
        return self._made[self._at - 1]

    def __repr__(self) -> str:
        failed = sum(row.error is not None for row in self._made)
        of_these = f", {failed} of them failed" if failed else ""
        return f"<Predictions: {len(self._made)} of {self._n_rows} made{of_these}>"

    def to_frame(self) -> "pd.DataFrame":
        """All of them: a row each, by ``file``, ``start``, ``end``, as audformat's index has it.

        Start and end are times since the beginning of the file; end is NaT where it is the file's.
        The columns are those of ``columns`` behind them.
        """
        import pandas as pd

        rows = list(self)
        index = pd.MultiIndex.from_arrays(
            [
                pd.Index([row.file for row in rows], dtype="string"),
                pd.to_timedelta([row.start_s for row in rows], unit="s"),
                pd.to_timedelta([_or_nan(row.end_s) for row in rows], unit="s"),
            ],
            names=["file", "start", "end"],
        )
        columns = [name for name in self.columns if name not in index.names]
        return pd.DataFrame([row.to_dict() for row in rows], index=index).reindex(columns=columns)

    def _make(self) -> bool:
        """Make one more; False where there is none."""
        row = next(self._rows, None)
        if row is not None:
            self._made.append(row)
        return row is not None


def _or_nan(seconds: float | None) -> float:
    return float("nan") if seconds is None else seconds
