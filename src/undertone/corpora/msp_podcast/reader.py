"""MSP-Podcast: English, natural, more than a thousand speakers of podcasts.

In:  the user's copy: ``Audios/MSP-PODCAST_0001_0008.wav`` (or ``Audios/Audio/``, or ``Audio/``);
     the labels in ``Labels/`` (or ``Labels/Labels/``), in the newer layout (``consensus``), the
     older one (``lists``), or both where they say the same; and, where they are there, ``raters``
     and ``Transcripts/MSP-PODCAST_0001_0008.txt``.
Out: ``Corpus`` with official folds and the label columns emotion, arousal, valence, dominance (1 to
     7), letter (the class as published), split (train, valid, test1, test2, test3), and, where
     raters are told, ``share_<emotion>`` and ratings.

Utterances without a class (X no agreement, O another emotion) keep their amounts. Labels of Test3
are withheld: such rows are not labelled. A speaker is unknown where the tables say so or say
nothing: ``corpora.official`` has who may then train, and that nobody is tested.
Source: Lotfian and Busso (2019), IEEE Transactions on Affective Computing 10(4).
"""

from pathlib import Path

import pandas as pd

from undertone.audio import POINTER, is_pointer
from undertone.corpora import ratings
from undertone.corpora.corpus import COLUMNS, Corpus, left_out
from undertone.corpora.folder import find_audio, relative_names
from undertone.corpora.msp_podcast import consensus, lists, raters
from undertone.corpora.msp_podcast.agree import check_same
from undertone.corpora.msp_podcast.words import AMOUNTS, LETTERS, SCALE
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError

AUDIO = ("Audios", "Audio")
LABELS = ("Labels/Labels", "Labels", "labels", "label", ".")
TRANSCRIPTS = ("Transcripts/Transcripts", "Transcripts")


def read(path: Path) -> Corpus:
    """The corpus in a folder, or as much of it as has audio.

    Raises:
        UndertoneError: a file of the layout is missing, both layouts are there and disagree, or a
            cell is none of the corpus's.
    """
    root = Path(path)
    labels, rated = _read_labels(root)
    table, excluded = _with_audio(labels, root)
    table["transcript"] = table["utterance"].map(_transcripts(root, set(table["utterance"])))
    table["language"], table["emotion"] = "eng", table["letter"].map(LETTERS)
    own = None if rated is None else rated[rated["utterance"].isin(table["utterance"])]
    if own is not None:
        table = table.join(ratings.shares(ratings.counts(own)), on="utterance")
    names = [*COLUMNS, "emotion", *AMOUNTS, "letter", "split"]
    shares = [name for name in table if str(name).startswith(ratings.SHARE)]
    table = table.reindex(columns=[*names, *shares])
    texts = ["speaker", "sex", "transcript", "emotion", "split"]
    table[texts] = table[texts].astype(object).where(table[texts].notna(), None)
    return Corpus(
        name="msp-podcast",
        root=root,
        table=table,
        official_folds=True,
        scale=SCALE,
        licence="by agreement with the University of Texas at Dallas, for research",
        citation="Lotfian and Busso (2019), Building naturalistic emotionally balanced speech "
        "corpus by retrieving emotional speech from existing podcast recordings, IEEE Transactions "
        "on Affective Computing 10(4).",
        left_out=left_out(excluded),
        ratings=own,
    ).noting(_note_on_unknown(table))


def _read_labels(root: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """What is told of each file, and the ratings where they are told."""
    newer = _the_one(root, consensus.NAMES)
    names = (lists.LABELS, lists.PARTITIONS, lists.SPEAKERS)
    older = {name: _the_one(root, (name,)) for name in names}
    said = None if (path := older[lists.LABELS]) is None else lists.read_labels(path)
    if newer is not None:
        labels = consensus.read(newer)
        _check_against(labels, newer, said, older)
    else:
        labels = _of_lists(root, said, older)
    detailed = _the_one(root, raters.NAMES[:1]) or _the_one(root, raters.NAMES[1:])
    rows = raters.read(detailed) if detailed is not None else said.ratings if said else []
    columns = [*ratings.KEYS, "emotion", *AMOUNTS]
    return labels, ratings.compact(pd.DataFrame(rows, columns=columns)) if rows else None


def _the_one(root: Path, names: tuple[str, ...]) -> Path | None:
    """The file of one of these names, in any place where labels lie; copies must be the same."""
    places = {(root / place / name).resolve() for place in LABELS for name in names}
    paths = sorted(path for path in places if path.is_file())
    if len(paths) > 1 and len({path.read_bytes() for path in paths}) > 1:
        raise UndertoneError(
            f"{' and '.join(map(str, paths))} are not the same: keep the one of your release"
        )
    return paths[0] if paths else None


def _of_lists(root: Path, said: lists.Labels | None, older: dict[str, Path | None]) -> pd.DataFrame:
    """The labels by the older layout, which needs all its files."""
    missing = [name for name, path in older.items() if path is None]
    if said is None or missing:
        found = [name for name in older if name not in missing]
        raise UndertoneError(
            f"expected in {root} either Labels/{consensus.NAMES[0]}, or Labels/{lists.LABELS} with "
            f"{lists.PARTITIONS} and {lists.SPEAKERS}; "
            + (f"found {', '.join(found)} without {', '.join(missing)}" if found else "found none")
            + ": copy what is missing from your release"
        )
    splits, speakers, sexes = _read_lists(older)
    return lists.together(said.table, splits or {}, speakers or {}, sexes)


def _read_lists(older: dict[str, Path | None]) -> tuple:
    """Parts and speakers by file, None where the list is not there; the sex of each speaker."""
    parts, people = older[lists.PARTITIONS], older[lists.SPEAKERS]
    speakers, sexes = (None, {}) if people is None else lists.read_speakers(people)
    return None if parts is None else lists.read_partitions(parts), speakers, sexes


def _check_against(
    labels: pd.DataFrame, newer: Path, said: lists.Labels | None, older: dict[str, Path | None]
) -> None:
    """Refuse older lists that say something else than the newer table."""
    splits, speakers, _ = _read_lists(older)
    told = {lists.PARTITIONS: ("split", splits), lists.SPEAKERS: ("speaker", speakers)}
    for name, (column, values) in told.items():
        if (path := older[name]) is not None:
            check_same(column, labels[column], values, paths=(newer, path))
    if said is not None and (path := older[lists.LABELS]) is not None:
        for column in ("letter", *AMOUNTS):
            check_same(column, labels[column], said.table[column].to_dict(), paths=(newer, path))


def _with_audio(labels: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """The labels of files that are there, and a record of each that cannot be used."""
    folders = [root / name for name in AUDIO if (root / name).is_dir()]
    if not folders:
        raise UndertoneError(
            f"expected the audio of MSP-Podcast in {root / AUDIO[0]}; there is no "
            f"such folder. Is {root} the folder of the corpus?"
        )
    paths = [path for folder in folders for path in find_audio(folder)]
    files, excluded = {}, []
    told = labels.set_axis([Path(file).stem for file in labels.index])
    known, heard = set(told.index), [path.stem for path in paths]
    for path, stem, file in zip(paths, heard, relative_names(paths, root), strict=True):
        if reason := _reason(path, known=stem in known, again=stem in files):
            excluded.append({"utterance": stem, "file": file, "reason": reason})
        else:
            files[stem] = file
    silent = known.difference(heard)
    excluded += [
        {"utterance": stem, "file": file, "reason": "file not found"}
        for stem, file in zip(told.index, labels.index, strict=True)
        if stem in silent
    ]
    if not files:
        raise UndertoneError(
            f"none of the {len(labels)} utterances with labels has audio in {root}; "
            f"{excluded[0]['file']}: {excluded[0]['reason']}"
        )
    table = told[told.index.isin(files)].rename_axis("utterance").reset_index()
    return table.assign(file=table["utterance"].map(files)), excluded


def _reason(path: Path, *, known: bool, again: bool) -> str | None:
    if not known:
        return "in no table of labels"
    if again:
        return "another file of the same utterance is there"
    return POINTER if is_pointer(path) else None


def _transcripts(root: Path, utterances: set[str]) -> dict[str, str]:
    """What is said, by utterance, where somebody wrote it down."""
    paths = {
        path.stem: path
        for place in TRANSCRIPTS
        for path in (root / place).glob("*.txt")
        if path.stem in utterances
    }
    spoken = {name: " ".join(read_text(path).split()) for name, path in paths.items()}
    return {name: words for name, words in spoken.items() if words}


def _note_on_unknown(table: pd.DataFrame) -> str:
    """How many utterances are of nobody known, and what becomes of them."""
    unknown = table[table["speaker"].isna()]
    if unknown.empty:
        return ""
    counts = unknown["split"].fillna("no part").value_counts().sort_index()
    return (
        f"{len(unknown)} utterances are of unknown speakers "
        f"({', '.join(f'{n} in {part}' for part, n in counts.items())}): they may train on the "
        "official folds, each as a speaker of its own, and are never tested."
    )
