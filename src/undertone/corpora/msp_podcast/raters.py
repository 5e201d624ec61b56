"""What each rater said, where a table of its own tells it.

In:  ``labels_detailed.json``: ``{file: {rater: {EmoClass_Major, EmoAct, EmoVal, EmoDom}}}``; or
     ``labels_detailed.csv`` with a row a rater: FileName, the rater (Workers, Worker or WorkerID),
     EmoClass_Major, EmoAct, EmoVal, EmoDom; or FileName and EmoDetail, a line as of ``lists``.
Out: a row a rater and utterance. The first choice of a rater counts; a second one is passed over.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from undertone.config import parse_json
from undertone.corpora import columns
from undertone.corpora.msp_podcast.consensus import OF_AMOUNTS
from undertone.corpora.msp_podcast.lists import Rating, parts_of, rating_of
from undertone.corpora.msp_podcast.words import SCALE, emotion_of
from undertone.corpora.scale import amounts
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError

NAMES = ("labels_detailed.json", "labels_detailed.csv")
MAJOR, DETAIL = "EmoClass_Major", "EmoDetail"
N_PARTS = 5  # of a line: rater, first choice and three amounts, at least
RATERS = ("workers", "worker", "workerid", "worker_id", "rater", "annotator")


def read(path: Path) -> list[Rating]:
    """The ratings of one table.

    Raises:
        UndertoneError: it is another table, or a number is off the scale.
    """
    return list(_of_json(path) if path.suffix == ".json" else _of_table(path))


def _of_json(path: Path) -> Iterator[Rating]:
    text = read_text(path)
    try:
        for file, raters in parse_json(text).items():
            for rater, said in raters.items():
                cells = [str(said[name]) for name in (MAJOR, *OF_AMOUNTS)]
                yield _rating(file, rater, cells, path=path, line=f"{file} by {rater}")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UndertoneError(
            f"{path} is not the table of raters: {what}; expected {MAJOR} and "
            f"{', '.join(OF_AMOUNTS)} by file and rater"
        ) from None


def _of_table(path: Path) -> Iterator[Rating]:
    cells = columns.read_cells(path)  # FileName is file now
    if DETAIL in cells:
        columns.require(cells, ("file",), path)
        for row, file, line in zip(cells.index, cells["file"], cells[DETAIL], strict=True):
            if len(parts := parts_of(line)) < N_PARTS:
                raise UndertoneError(
                    f"{path}, line {row + 2}: expected 'WORKER0000001; Neutral; Neutral; A:2.0; "
                    f"V:4.0; D:3.0;' in the column {DETAIL}, found {line!r}"
                )
            yield rating_of(PurePosixPath(file).stem, parts, path, row + 2)
        return
    raters = [name for name in cells if str(name).strip().lower() in RATERS]
    if not raters:
        raise UndertoneError(
            f"{path} has no column of raters ({', '.join(RATERS)}) and no column {DETAIL}; it has "
            f"{', '.join(map(str, cells.columns))}"
        )
    columns.require(cells, ("file", MAJOR, *OF_AMOUNTS), path)
    rows = cells[["file", raters[0], MAJOR, *OF_AMOUNTS]]
    for line, file, rater, *said in rows.itertuples(name=None):
        yield _rating(file, rater, said, path=path, line=line + 2)


def _rating(file: str, rater: str, cells: Sequence[str], *, path: Path, line: int | str) -> Rating:
    """Of the cells of first choice, arousal, valence and dominance."""
    arousal, valence, dominance = amounts(cells[1:], SCALE, path, line)
    utterance = PurePosixPath(file.strip()).stem
    return utterance, rater.strip(), emotion_of(cells[0]), arousal, valence, dominance
