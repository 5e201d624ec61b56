"""Frames of a corpus in one file, for other programs: Parquet, NPZ or a computational sequence.

In:  a ``FrameTable``.
Out: a file that is whole or absent, read back by ``read``.

* ``.parquet``: a row a frame: ``utterance``, ``time_s`` (the centre of the frame), the features.
* ``.npz``: an array (n_frames, n_features) an utterance, under its name; ``undertone.columns``,
  ``undertone.features`` and ``undertone.frames_per_second`` beside them.
* ``.csd``: the layout of the CMU Multimodal SDK (``csd_writer``), an entry an utterance.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from undertone import atomic
from undertone.corpora import csd
from undertone.errors import UndertoneError, needs
from undertone.features import csd_writer, extractors
from undertone.features.store import FrameTable

FORMS = ("parquet", "npz", "csd")
BESIDE = ("utterance", "time_s")  # columns of a Parquet that are no features
RESERVED = "undertone."  # before names of an NPZ that are no utterance
CITATIONS: Mapping[str, str] = {"covarep": "Degottex et al., COVAREP, ICASSP 2014"}


def form_of(path: Path, form: str | None = None, *, overwrite: bool = False) -> str:
    """The format to write, before anything is computed.

    Args:
        path: of the file.
        form: one of ``FORMS``; told by the ending of the path where it is None.
        overwrite: whether a file that is there may be replaced.

    Raises:
        UndertoneError: there is no such format, its extra is missing, or the path is taken.
    """
    chosen = form or path.suffix.lower().removeprefix(".")
    if chosen not in FORMS:
        raise UndertoneError(
            f"frames are written as {', '.join(f'.{name}' for name in FORMS)}, found {path.name}: "
            f"end --out with one of them, or say --format {FORMS[0]}"
        )
    if chosen == "csd":
        needs("h5py", extra="mosei", what="computational sequences")
        if path.suffix != csd_writer.SUFFIX:
            raise UndertoneError(f"a computational sequence ends in .csd, found {path.name}")
    if os.path.lexists(path) and not overwrite:
        raise UndertoneError(f"{path} is there already: say --overwrite, or choose another --out")
    if path.is_dir():
        raise UndertoneError(f"{path} is a folder; choose another --out")
    atomic.check_writable(path)
    return chosen


def write(path: Path, table: FrameTable, form: str, *, corpus: str) -> None:
    """Write the frames of all utterances.

    Args:
        path: of the file; what is there is replaced.
        table: of the frames.
        form: one of ``FORMS``.
        corpus: its name, for the metadata.

    Raises:
        UndertoneError: the disk is full, or a name cannot stand in the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial.{form}")
    try:
        WRITERS[form](partial, table, corpus)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UndertoneError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Frames by utterance, and the names of their columns, of a file that ``write`` wrote.

    Raises:
        UndertoneError: it is none.
    """
    try:
        return READERS[path.suffix.lower()](path)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise UndertoneError(
            f"{path} holds no frames that `undertone extract --out` wrote: {error}"
        ) from None


def _write_parquet(path: Path, table: FrameTable, corpus: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if clashing := sorted({name for name in table.columns if name in BESIDE}):
        raise UndertoneError(
            f"the features {table.extractor} have a column {clashing[0]!r}, and a Parquet of "
            "frames has one of its own: write .npz or .csd, or give that column another name"
        )
    told = {"features": table.extractor, "version": table.version, "corpus": corpus}
    told["frames_per_second"] = table.frames_per_second
    fields = [("utterance", pa.string()), ("time_s", pa.float64())]
    fields += [(name, pa.float32()) for name in table.columns]
    schema = pa.schema(fields, metadata={"undertone": json.dumps(told)})
    extractor = extractors.get(table.extractor)
    with pq.ParquetWriter(path, schema) as writer:
        for name in table.utterances:
            frames = table.frames(name)
            arrays = [pa.array([name] * len(frames), pa.string())]
            arrays.append(pa.array(extractor.times_s(len(frames))))
            arrays += [pa.array(column, pa.float32()) for column in frames.T]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _read_parquet(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    rows = pd.read_parquet(path)
    columns = tuple(str(name) for name in rows if name not in BESIDE)
    frames = {
        str(name): of_one[list(columns)].to_numpy(np.float32)
        for name, of_one in rows.groupby("utterance", sort=False)
    }
    return frames, columns


def _write_npz(path: Path, table: FrameTable, corpus: str) -> None:
    facts = {
        "columns": np.array(table.columns),
        "features": np.array(table.extractor),
        "frames_per_second": np.array(table.frames_per_second),
        "corpus": np.array(corpus),
    }
    _check_names(table.utterances)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as file:
        for name, array in facts.items():
            _put(file, RESERVED + name, array)
        for name in table.utterances:
            _put(file, name, table.frames(name))


def _check_names(utterances: Sequence[str]) -> None:
    """Refuse names under which an array would not be found again.

    Raises:
        UndertoneError: one is reserved, or is another's with the ending that NumPy adds.
    """
    names = set(utterances)
    reserved = [name for name in utterances if name.startswith(RESERVED)]
    ending = [name for name in utterances if name.removesuffix(".npy") in names - {name}]
    if reserved or ending:
        why = f"begins with {RESERVED!r}" if reserved else "is another's name with .npy behind it"
        raise UndertoneError(
            f"an .npz cannot name the utterance {(reserved or ending)[0]!r}, which {why}: write "
            ".parquet or .csd, or give the corpus a column utterance with other names"
        )


def _put(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
    entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980: the same frames are the same file
    entry.external_attr = 0o600 << 16
    file.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED)


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    with np.load(path, allow_pickle=False) as file:
        columns = tuple(map(str, file[f"{RESERVED}columns"]))
        names = [name for name in file.files if not name.startswith(RESERVED)]
        return {name: file[name] for name in names}, columns


def _write_csd(path: Path, table: FrameTable, corpus: str) -> None:
    if slashed := [name for name in table.utterances if "/" in name]:
        raise UndertoneError(
            f"a computational sequence cannot name {slashed[0]!r}, which holds a slash: write .npz "
            "or .parquet, or give the corpus a column utterance without slashes"
        )
    rate, n = table.frames_per_second, len(table.columns)
    csd.write(
        path,
        csd_writer.entries(
            ((name, table.frames(name)) for name in table.utterances), frames_per_second=rate
        ),
        root=table.extractor.upper() if table.extractor in CITATIONS else "undertone",
        metadata=csd_writer.metadata_of(table.columns)
        | {
            "computational sequence description": f"{n} features of {table.extractor}, {rate:g} "
            "rows a second",
            "dataset name": corpus,
            "featureset bib citation": CITATIONS.get(table.extractor.partition("_")[0], ""),
        },
    )


def _read_csd(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    with csd.open(path) as sequence:
        frames = {name: sequence.read(name).features for name in sequence.identifiers}
        return frames, sequence.dimension_names or ()


WRITERS: Mapping[str, Callable[[Path, FrameTable, str], None]] = {
    "parquet": _write_parquet,
    "npz": _write_npz,
    "csd": _write_csd,
}
READERS: Mapping[str, Callable[[Path], tuple[dict[str, np.ndarray], tuple[str, ...]]]] = {
    ".parquet": _read_parquet,
    ".npz": _read_npz,
    ".csd": _read_csd,
}
