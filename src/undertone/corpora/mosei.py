"""CMU-MOSEI from your own copy: labels and official folds; its frames are ``features.mosei``.

In:  a folder with the labels, ``CMU_MOSEI_Labels.csd`` ("All Labels") or a ``labels.csv`` of the
     columns video, start, end, sentiment, happy, sad, anger, surprise, disgust, fear; with the
     folds, a CSV of the columns video and split (the ``labels.csv`` may hold them); and with
     ``CMU_MOSEI_COVAREP.csd``, which is only named here. Names may differ (``*covarep*.csd*``).
Out: ``Corpus`` with the label columns video, split (train, valid, test or None), sentiment (-3 to
     3) and six intensities (0 to 3); an utterance is ``video[k]``, the k-th label of its video.

The recordings do not tell who speaks: ``speaker`` is the video. Splits by speaker are therefore
splits by video, as the official folds are; one person in two videos cannot be seen. Source: Zadeh
et al. (2018), "Multimodal language analysis in the wild", ACL; the layout: ``corpora.csd``.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from undertone.corpora import columns, csd
from undertone.corpora.corpus import COLUMNS, Corpus, left_out
from undertone.errors import UndertoneError
from undertone.tasks.intensities import INTENSITIES

LABELS = ("sentiment", *INTENSITIES)
FRAMES_FILE = "CMU_MOSEI_COVAREP.csd"
LABELS_TABLE = "labels.csv"
SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    "test": "test",
}
EXPECTED = (
    f"{FRAMES_FILE}, CMU_MOSEI_Labels.csd (or {LABELS_TABLE} with the columns video, start, end, "
    f"{', '.join(LABELS)}), and a CSV with the columns video and split (train, valid, test)"
)


def read(path: Path) -> Corpus:
    """Labels with their folds.

    Raises:
        UndertoneError: labels or folds are not there, or a video is in two folds.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UndertoneError(f"expected a folder with {EXPECTED} at {folder}; there is no folder")
    table = _read_labels(folder)
    table["split"] = table["video"].map(read_splits(folder)).astype(object)
    table["speaker"], table["language"] = table["video"], "eng"
    frames = find(folder, "covarep")
    table["file"] = FRAMES_FILE if frames is None else frames.name
    reasons = _reasons_to_leave_out(table)
    table = table.reindex(columns=[*COLUMNS, "video", "split", *LABELS])
    texts = ["sex", "transcript", "split"]
    table[texts] = table[texts].astype(object).where(table[texts].notna(), None)
    return Corpus(
        name="mosei",
        root=folder,
        table=table[reasons.isna()],
        official_folds=True,
        licence="CC BY-NC 4.0 (the labels)",
        citation="Zadeh et al. (2018), Multimodal language analysis in the wild: CMU-MOSEI dataset "
        "and interpretable dynamic fusion graph, ACL.",
        left_out=left_out(table.assign(reason=reasons)[reasons.notna()].to_dict("records")),
    )


def find(folder: Path, word: str) -> Path | None:
    """The computational sequence whose name holds a word; ``deploy`` writes ``.csd`` twice."""
    paths = sorted(
        path
        for path in folder.iterdir()
        if word in path.name.lower() and ".csd" in path.name.lower() and path.name[0] != "."
    )
    if len(paths) > 1:
        raise UndertoneError(
            f"expected one file *{word}*.csd in {folder}; found "
            f"{', '.join(path.name for path in paths)}: keep one"
        )
    return paths[0] if paths else None


def read_splits(folder: Path) -> dict[str, str]:
    """The official fold of each video; a video of another word, such as "none", is in none."""
    tables = [columns.read_cells(path) for path in sorted(folder.glob("*.csv"))]
    cells = [table for table in tables if {"video", "split"} <= set(table)]
    if not cells:
        raise UndertoneError(
            f"expected a CSV with the columns video and split in {folder}; found "
            f"{', '.join(path.name for path in sorted(folder.glob('*.csv'))) or 'no CSV'}. "
            "The folds are official, by video: write one row a video with train, valid or test, "
            "as the CMU Multimodal SDK lists them"
        )
    together = pd.concat([table[["video", "split"]] for table in cells])
    split = together["split"].str.strip().str.lower().map(SPLITS)
    pairs = together.assign(split=split).drop_duplicates()
    twice = pairs["video"][pairs["video"].duplicated()]
    if len(twice):
        raise UndertoneError(
            f"the video {twice.iloc[0]} is in two folds in {folder} ({len(twice)} such videos)"
        )
    pairs = pairs.dropna()
    return dict(zip(pairs["video"], pairs["split"], strict=True))


def _read_labels(folder: Path) -> pd.DataFrame:
    """Columns utterance, video, start_s, end_s and ``LABELS``."""
    sequence, table = find(folder, "label"), folder / LABELS_TABLE
    if sequence is not None:
        return _labels_of_sequence(sequence)
    if table.is_file():
        return _labels_of_table(table)
    raise UndertoneError(
        f"expected {EXPECTED} in {folder}; found "
        f"{', '.join(sorted(path.name for path in folder.iterdir())[:10]) or 'nothing'}"
    )


def _labels_of_sequence(path: Path) -> pd.DataFrame:
    parts = []
    with csd.open(path) as sequence:
        for identifier in sequence.identifiers:
            entry = sequence.read(identifier)
            if entry.features.shape[1] != len(LABELS):
                raise UndertoneError(
                    f"expected {len(LABELS)} labels a segment ({', '.join(LABELS)}) in {path}; "
                    f"{identifier} has {entry.features.shape[1]}"
                )
            video, index = csd.parted(identifier)
            numbers = range(len(entry.features)) if index is None else [index]
            part = pd.DataFrame(entry.features[: len(numbers)].astype(float), columns=list(LABELS))
            part["utterance"] = [f"{video}[{k}]" for k in numbers]
            part["video"] = video
            part[["start_s", "end_s"]] = entry.intervals_s[: len(numbers)]
            parts.append(part)
    if not parts:
        raise UndertoneError(f"{path} holds no labels; is the download complete?")
    return pd.concat(parts, ignore_index=True)


def _labels_of_table(path: Path) -> pd.DataFrame:
    cells = columns.read_cells(path)  # start and end are start_s and end_s now
    needed = ("video", "start_s", "end_s", *LABELS)
    if missing := [name for name in needed if name not in cells]:
        raise UndertoneError(f"{path} has no column {', '.join(missing)}; expected {EXPECTED}")
    table = cells[["video"]].astype(object)
    for name in needed[1:]:
        table[name] = pd.to_numeric(cells[name], errors="coerce")
    number = table.groupby("video").cumcount().astype(str)
    return table.assign(utterance=table["video"] + "[" + number + "]").reset_index(drop=True)


def _reasons_to_leave_out(table: pd.DataFrame) -> pd.Series:
    """Why a segment cannot be used, None where it can; a start before 0 is taken as 0."""
    intensities = table[list(INTENSITIES)]
    tests = {
        "a label is no number": ~np.isfinite(table[list(LABELS)]).all(axis=1),
        "an intensity lies outside 0 to 3": ((intensities < 0) | (intensities > 3)).any(axis=1),
        "it has no times": ~np.isfinite(table[["start_s", "end_s"]]).all(axis=1),
        "it ends before it starts": table["end_s"] <= table["start_s"].clip(lower=0),
    }
    first = np.select([np.asarray(rows) for rows in tests.values()], list(tests), default="")
    table["start_s"] = table["start_s"].clip(lower=0)
    reasons = pd.Series(first, index=table.index, dtype=object)
    return reasons.where(reasons != "", None)
