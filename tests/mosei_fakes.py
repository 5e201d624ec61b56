"""A small CMU-MOSEI as the SDK lays it out, written without the package's own writer."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from undertone.features import covarep, csd_writer
from undertone.synthesis import Manner, plan_phrase, synthesise
from undertone.tasks.intensities import INTENSITIES

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


BANK = {  # how the synthetic voice speaks where an emotion is present
    "none": Manner(),
    "happy": Manner(f0_hz=260.0, f0_range_st=9.0, smile=0.12),
    "sad": Manner(f0_hz=140.0, f0_range_st=2.0, syllables_per_s=3.2, rd=2.0),
    "anger": Manner(f0_hz=230.0, rd=0.6, accent_db=8.0),
}


def label_table(rng, *, n_videos):
    """Labels of CMU-MOSEI where they are at hand, else drawn like them; official folds."""
    if root := os.environ.get("UNDERTONE_CORPORA"):
        table = pd.read_csv(Path(root) / "mosei_labels" / "labels.csv", dtype={"video": str})
        return pd.concat(
            table[table["video"].isin(part["video"].drop_duplicates().iloc[:n])]
            for split, n in n_videos.items()
            for part in [table[table["split"] == split]]
        )
    rows = [
        {"video": f"{split}{i}", "start": 4.0 * k, "end": 4.0 * k + 3.5, "split": split}
        for split, n in n_videos.items()
        for i in range(n)
        for k in range(6)
    ]
    present = rng.random((len(rows), 6)) < (0.5, 0.25, 0.2, 0.1, 0.15, 0.08)
    strengths = present * rng.integers(1, 7, size=present.shape) / 3
    table = pd.DataFrame(rows).assign(sentiment=rng.integers(-3, 4, size=len(rows)))
    return table.assign(**dict(zip(INTENSITIES, strengths.T, strict=True)))


def write_voiced_folder(folder, table, rng, *, frames_per_second=10):
    """Labels as a table, and COVAREP frames of a synthetic voice that follows three of them.

    The frames stand for longer speech: they are as many a second as are asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "labels.csv", index=False)
    bank = {
        name: covarep.extract(synthesise(plan_phrase(manner, rng), seed=i).waveform)
        for i, (name, manner) in enumerate(BANK.items())
    }
    frames = {
        video: _speak(rows, bank, rng, frames_per_second)
        for video, rows in table.groupby("video", sort=False)
    }
    csd_writer.write(
        folder / "CMU_MOSEI_COVAREP.csd",
        frames,
        columns=covarep.COLUMNS,
        frames_per_second=frames_per_second,
    )
    return folder


def _speak(rows, bank, rng, frames_per_second):
    """(n_frames, 74) of one video: in each segment the voice of its strongest emotion."""
    n_frames = int(rows["end"].max() * frames_per_second) + 2
    frames = np.resize(bank["none"], (n_frames, bank["none"].shape[1]))
    for row in rows.to_dict("records"):
        first, last = (int(max(0, row[name]) * frames_per_second) for name in ("start", "end"))
        manner = max(("happy", "sad", "anger"), key=lambda name: row[name])
        voice = bank[manner if row[manner] > 0 else "none"]
        shifted = np.roll(voice, int(rng.integers(len(voice))), axis=0)
        frames[first:last] = np.resize(shifted, (last - first, voice.shape[1]))
    return frames + 0.1 * rng.normal(size=frames.shape) * bank["none"].std(axis=0)
