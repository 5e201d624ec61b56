"""What is wrong with a file of CMU-MOSEI's frames, counted while it is mended.

In:  rows (n_rows, 74) as a computational sequence holds them.
Out: float32 frames whose only mark of what is missing is NaN; ``Repairs``, the counts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from undertone.features.covarep import COLUMNS


@dataclass(frozen=True)
class Repairs:
    """What was wrong in the file; counts are of frames inside the segments.

    Attributes:
        n_frames: kept.
        n_frames_outside: in no segment.
        n_nan: values that were NaN; they stay NaN, and are 0 after z-scoring.
        n_infinite: values that were infinite, or too large for float32; they are NaN now.
        n_constant_rows: frames whose 74 values are all the same; kept.
        n_other_width: rows by their number of features where it is not 74, such as 43; left out.
        n_without_frames: segments for which the file has none, or none that can be used.
        videos_without_labels: identifiers that only the features have.
        videos_without_frames: identifiers that only the labels have.
        hop_s: median distance of the frames.
    """

    n_frames: int = 0
    n_frames_outside: int = 0
    n_nan: int = 0
    n_infinite: int = 0
    n_constant_rows: int = 0
    n_other_width: dict[str, int] = field(default_factory=dict)
    n_without_frames: int = 0
    videos_without_labels: tuple[str, ...] = ()
    videos_without_frames: tuple[str, ...] = ()
    hop_s: float = 0.01

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "Repairs":
        """What ``dataclasses.asdict`` wrote."""
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists})

    def lines(self) -> list[str]:
        """The same for people; what was not met is not mentioned."""
        counts = {
            "frames in no labelled segment, passed over": self.n_frames_outside,
            "values NaN: 0 after z-scoring": self.n_nan,
            "values infinite: NaN, so 0 after z-scoring": self.n_infinite,
            "frames with one and the same value everywhere, kept": self.n_constant_rows,
            **{
                f"rows with {width} features instead of {len(COLUMNS)}, left out": n
                for width, n in self.n_other_width.items()
            },
            "segments without frames, left out": self.n_without_frames,
            f"videos with frames but no label{_some(self.videos_without_labels)}": len(
                self.videos_without_labels
            ),
            f"videos with labels but no frames{_some(self.videos_without_frames)}": len(
                self.videos_without_frames
            ),
        }
        return [f"{self.n_frames:,} frames", *(f"{n:,} {what}" for what, n in counts.items() if n)]


class Tally:
    """Counts while the file is read."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.failures: dict[str, str] = {}
        self.n_other_width: Counter[str] = Counter()
        self.n_frames_outside = 0
        self.hops_s: list[float] = []
        self._counts: Counter[str] = Counter()
        self._videos: dict[str, tuple[str, ...]] = {}

    def compare(self, framed: set[str], labelled: set[str]) -> None:
        """Note the videos that only the features or only the labels have."""
        self._videos = {
            "videos_without_labels": tuple(sorted(framed - labelled)),
            "videos_without_frames": tuple(sorted(labelled - framed)),
        }

    def fail(self, utterances: Iterable[str], reason: str) -> None:
        """Note utterances without frames."""
        self.failures |= dict.fromkeys(utterances, reason)

    def repair(self, utterance: str, rows: np.ndarray) -> np.ndarray:
        """(n_frames, 74) float32; what is infinite, or too large for float32, is NaN."""
        self.kept.add(utterance)
        with np.errstate(over="ignore"):
            frames = rows.astype(np.float32)
        infinite = np.isinf(frames)
        self._counts["n_frames"] += len(frames)
        self._counts["n_nan"] += int(np.isnan(frames).sum())
        self._counts["n_infinite"] += int(infinite.sum())
        self._counts["n_constant_rows"] += int((frames == frames[:, :1]).all(axis=1).sum())
        frames[infinite] = np.nan
        return frames

    def repairs(self) -> Repairs:
        """The counts so far."""
        return Repairs(
            **self._counts,  # type: ignore[arg-type]
            **self._videos,  # type: ignore[arg-type]
            n_frames_outside=self.n_frames_outside,
            n_other_width=dict(self.n_other_width),
            n_without_frames=len(self.failures),
            hop_s=float(np.median(self.hops_s)) if self.hops_s else 0.01,
        )


def _some(videos: tuple[str, ...]) -> str:
    return f" ({', '.join(videos[:3])}{', …' if len(videos) > 3 else ''})" if videos else ""
