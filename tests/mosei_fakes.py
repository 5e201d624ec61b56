"""A small CMU-MOSEI as the SDK lays it out, written without the package's own writer."""

import json

import h5py
import numpy as np

HOP_S = 0.01
LABELS = {  # video: (start, end, seven labels) a segment, not in the order of time
    "aaa": [(1.0, 2.0, (1, 2, 0, 0, 0, 1 / 3, 0)), (0.0, 1.0, (-1, 0, 5 / 3, 0, 0, 0, 0))],
    "bbb": [(0.5, 1.25, (0, 0, 0, 1, 0, 0, 0))],
    "ccc": [(0.0, 1.0, (0, 0, 0, 0, 0, 0, 0.5))],
    "ddd": [(0.0, 1.0, (3, 3, 0, 0, 0, 0, 0))],
}
SPLITS = {"aaa": "train", "bbb": "test", "ccc": "valid", "ddd": "train"}


def write_csd(path, entries, *, root="COVAREP", metadata=None, compression="gzip"):
    """Entries: identifier to (features, intervals); metadata as raw text."""
    with h5py.File(path, "w") as file:
        for identifier, (features, intervals) in entries.items():
            group = file.create_group(f"{root}/data/{identifier}")
            group.create_dataset("features", data=features, compression=compression)
            group.create_dataset("intervals", data=intervals)
        for key, text in (metadata or {}).items():
            text_type = h5py.string_dtype("utf-8")
            file.create_dataset(f"{root}/metadata/{key}", (1,), dtype=text_type, data=[text])


def intervals(n_rows, start_s=0.0):
    edges_s = start_s + np.arange(n_rows + 1) * HOP_S
    return np.column_stack([edges_s[:-1], edges_s[1:]])


def label_entries(labels=None):
    return {
        video: (
            np.array([values for _, _, values in rows], dtype=np.float32),
            np.array([(start_s, end_s) for start_s, end_s, _ in rows]),
        )
        for video, rows in (labels or LABELS).items()
    }


def frame_entries(rng, videos=LABELS, n_rows=250, width=74):
    return {
        video: (rng.normal(size=(n_rows, width)).astype(np.float32), intervals(n_rows))
        for video in videos
    }


def write_folder(folder, frames, *, labels=None, splits=None, compression="gzip"):
    """A folder as the reader expects it."""
    folder.mkdir(exist_ok=True)
    write_csd(
        folder / "CMU_MOSEI_Labels.csd",
        label_entries(labels),
        root="All Labels",
        metadata={"root name": json.dumps("All Labels"), "creator": "somebody, in plain text"},
    )
    if frames is not None:
        write_csd(folder / "CMU_MOSEI_COVAREP.csd", frames, compression=compression)
    lines = [f"{video},{split}" for video, split in (splits or SPLITS).items()]
    (folder / "splits.csv").write_text("\n".join(["video,split", *lines]) + "\n")
    return folder
