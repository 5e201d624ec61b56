"""Own frames written as a CMU computational sequence (``.csd``), for the CMU Multimodal SDK.

In:  (n_frames, n_features) frames by video or utterance.
Out: one HDF5 file: ``/<name>/data/<id>/{features,intervals}`` and ``/<name>/metadata/<key>``.

Row ``i`` covers the hop around its centre, ``i`` to ``i + 1`` hundredths of a second. Values that
are not finite are written as 0, which is what readers of the published files do with them.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from undertone import __version__
from undertone.corpora import csd
from undertone.errors import UndertoneError

SUFFIX = ".csd"
# The SDK's own template lacks a comma, so its check asks for the two names in one as well.
MERGED_KEY = "dimension namescomputational sequence version"


def write(
    path: Path | str,
    frames: Mapping[str, np.ndarray],
    *,
    columns: tuple[str, ...],
    name: str = "COVAREP",
    starts_s: Mapping[str, float] | None = None,
    frames_per_second: float = 100,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write frames by identifier.

    Args:
        path: of the file, ending in ``.csd``.
        frames: (n_frames, n_features) by video; for segments the SDK expects ``video[0]``, ….
        columns: names of the features.
        name: of the root, under which the SDK finds the sequence.
        starts_s: when each entry starts in its video; 0 by default.
        frames_per_second: of the frames.
        metadata: what is to be added or replaced: dataset, citation, contact, ….

    Raises:
        UndertoneError: a wrong suffix, no entries, or frames that do not fit the columns.
    """
    path = Path(path)
    _check(path, frames, columns)
    csd.write(
        path,
        entries(frames.items(), starts_s=starts_s, frames_per_second=frames_per_second),
        root=name,
        metadata={**metadata_of(columns), **(metadata or {})},
    )


def _check(path: Path, frames: Mapping[str, np.ndarray], columns: tuple[str, ...]) -> None:
    if path.suffix != SUFFIX:
        raise UndertoneError(f"a computational sequence ends in {SUFFIX}, found {path}")
    if not frames:
        raise UndertoneError(f"there are no frames to write to {path}")
    for identifier, rows in frames.items():
        if rows.ndim != 2 or rows.shape[1] != len(columns):
            raise UndertoneError(
                f"{identifier} has frames of shape {rows.shape}; expected (n, {len(columns)})"
            )
        if "/" in identifier:
            raise UndertoneError(f"HDF5 cannot name an entry {identifier!r}: it holds a slash")


def entries(
    frames: Iterable[tuple[str, np.ndarray]],
    *,
    starts_s: Mapping[str, float] | None = None,
    frames_per_second: float,
) -> Iterator[tuple[str, csd.Entry]]:
    """Features and intervals, one identifier in memory at a time."""
    for identifier, rows in frames:
        edges_s = np.arange(len(rows) + 1) / frames_per_second
        edges_s += (starts_s or {}).get(identifier, 0.0)
        finite = np.nan_to_num(np.asarray(rows, dtype=np.float32), nan=0, posinf=0, neginf=0)
        yield identifier, csd.Entry(finite, np.column_stack([edges_s[:-1], edges_s[1:]]))


def metadata_of(columns: tuple[str, ...]) -> dict[str, Any]:
    """What the CMU Multimodal SDK asks of a file, and what it cannot know left empty."""
    return {
        "computational sequence description": f"{len(columns)} features every 10 ms",
        "dimension names": list(columns),
        "computational sequence version": __version__,
        MERGED_KEY: [list(columns), __version__],
        "alignment compatible": False,
        "dataset name": "",
        "dataset version": "",
        "creator": f"undertone {__version__}",
        "contact": "",
        "featureset bib citation": "Degottex et al., COVAREP, ICASSP 2014",
        "dataset bib citation": "",
        "uuid": str(uuid.uuid4()),
        "md5": None,
    }
