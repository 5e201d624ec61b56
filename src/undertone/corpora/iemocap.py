"""IEMOCAP: English, ten actors in five dialogues for two, improvised and from scripts.

In:  the user's copy: ``Session1/dialog/EmoEvaluation/Ses01F_impro01.txt`` with the labels of each
     turn, ``Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav``, and where they are
     there ``Session1/dialog/transcriptions/Ses01F_impro01.txt``; any of the five sessions.
Out: ``Corpus`` with the label columns emotion, arousal, valence, dominance (1 to 5), code (the
     emotion as it was published, such as exc), style (improvised or scripted), session, dialog,
     dialog_start_s, dialog_end_s, ``share_<emotion>``, and the ratings of the listeners.

A talker is a session and the last letter of the turn: ``Ses01F_impro01_M000`` is the man of session
1; the first letter tells who wore the markers. Amounts stand in the order valence, arousal,
dominance. Lines ``C-E1:`` and ``A-E1:`` are a listener's; those of F and M are of the talkers, who
judged themselves, and are passed over, as they are in the published means. A turn without a class
(xxx, oth) keeps its amounts. The sessions are the folds where no more than five are asked for.
Source: Busso et al. (2008), Language Resources and Evaluation 42(4).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from undertone.audio import POINTER, is_pointer
from undertone.corpora import ratings
from undertone.corpora.corpus import COLUMNS, Corpus, left_out
from undertone.corpora.scale import amounts
from undertone.corpora.texts import read_text
from undertone.errors import UndertoneError
from undertone.tasks.names import canonical_emotion

SCALE = (1.0, 5.0)
ORDER = ("valence", "arousal", "dominance")  # of the amounts in a line
STYLES: Mapping[str, str] = {"impro": "improvised", "script": "scripted"}
SEXES: Mapping[str, str] = {"F": "female", "M": "male"}
EMOTIONS: Mapping[str, str | None] = {
    **{code: canonical_emotion(code) for code in ("neu", "hap", "exc", "sad", "ang", "fru")},
    **{code: canonical_emotion(code) for code in ("sur", "fea", "dis")},
    **dict.fromkeys(("oth", "xxx"), None),
}
FOUR = ("anger", "happiness", "neutral", "sadness")
TURN = re.compile(
    r"(?P<dialog>Ses0(?P<session>[1-5])[FM]_(?P<style>impro|script)\w*)_(?P<sex>[FM])[A-Z]*\d+"
)
SUMMARY = re.compile(r"\[(\S+) - (\S+)\]\s+(\S+)\s+(\w+)\s+\[([^\]]*)\]\s*")
RATING = re.compile(r"(?P<kind>[CA])-(?P<rater>[A-Z])(?P<number>\d+):(?P<what>[^(]*)")
AMOUNTS = re.compile(r"\s*val([^;]*);\s*act([^;]*);\s*dom([^;]*);\s*")
SPOKEN = re.compile(r"(\S+) \[[^\]]*\]:?(.*)")
WHOLE = "IEMOCAP_full_release"


@dataclass
class Judged:
    """What the files of labels tell.

    Attributes:
        turns: a row a turn.
        ratings: a row a listener and turn; of emotions and of amounts apart.
    """

    turns: list[dict[str, Any]] = field(default_factory=list)
    ratings: list[dict[str, Any]] = field(default_factory=list)


def read(path: Path, *, four: bool = False) -> Corpus:
    """The corpus in a folder, or those of its sessions that are there.

    Args:
        path: the folder that holds ``Session1``.
        four: anger, happiness (with excitement), neutral and sadness alone; other turns keep their
            amounts and have no emotion.
    """
    root = Path(path)
    root = root / WHOLE if (root / WHOLE).is_dir() else root
    judged = Judged()
    for session in _sessions(root):
        for dialog in _files(session / "dialog" / "EmoEvaluation", session):
            _read_labels(dialog, judged)
    table = pd.DataFrame(judged.turns)
    spoken = dict(turn for session in _sessions(root) for turn in _transcripts(session))
    table["transcript"] = table["utterance"].map(spoken).astype(object)
    reasons = _reasons_to_leave_out(table, root)
    rated = ratings.compact(
        pd.DataFrame(judged.ratings, columns=[*ratings.KEYS, "emotion", *ORDER])
    )
    shares = ratings.shares(ratings.counts(rated))
    table = table.join(shares, on="utterance")
    if four:
        table["emotion"] = table["emotion"].where(table["emotion"].isin(FOUR), None)
    labels = [column for column in table if column not in COLUMNS]
    return Corpus(
        name="iemocap4" if four else "iemocap",
        root=root,
        table=table.reindex(columns=[*COLUMNS, *labels])[reasons.isna()],
        licence="on request from the University of Southern California, for research",
        citation="Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee and Narayanan (2008), "
        "IEMOCAP: interactive emotional dyadic motion capture database, Language Resources and "
        "Evaluation 42(4).",
        scale=SCALE,
        left_out=left_out(table.assign(reason=reasons)[reasons.notna()].to_dict("records")),
        fold_by="session",
        ratings=rated,
    )


def read_turn(turn: str) -> dict[str, str] | None:
    """What the name of a turn tells; None where it is no name of IEMOCAP.

    >>> read_turn("Ses01F_impro01_M000")["speaker"], read_turn("Ses05M_script01_1b_F003")["style"]
    ('Ses01M', 'scripted')
    """
    match = TURN.fullmatch(turn)
    if match is None:
        return None
    return {
        "speaker": f"Ses0{match['session']}{match['sex']}",
        "sex": SEXES[match["sex"]],
        "style": STYLES[match["style"]],
        "session": f"session {match['session']}",
    }


def _sessions(root: Path) -> list[Path]:
    sessions = [root / f"Session{n}" for n in range(1, 6) if (root / f"Session{n}").is_dir()]
    if not sessions:
        raise UndertoneError(
            f"expected the folders Session1 to Session5, or some of them, in {root}; found none. "
            f"Is {root} the IEMOCAP folder?"
        )
    return sessions


def _files(folder: Path, session: Path) -> list[Path]:
    """Text files of dialogues directly in a folder; macOS leaves others behind."""
    files = sorted(path for path in folder.glob("Ses*.txt") if path.is_file())
    if not files:
        raise UndertoneError(
            f"expected the labels of {session.name} in {folder}, such as Ses01F_impro01.txt; found "
            "none: copy the folder from the corpus, or leave the session out"
        )
    return files


def _read_labels(path: Path, judged: Judged) -> None:
    """Add the turns of one dialogue and the ratings below each."""
    turn = ""
    for number, line in enumerate(read_text(path, otherwise="latin-1").splitlines(), 1):
        if line.startswith("["):
            judged.turns.append(_turn(line, path, number))
            turn = judged.turns[-1]["utterance"]
        elif turn and (match := RATING.match(line)) and match["rater"] == "E":
            rater = {"utterance": turn, "rater": match["rater"] + match["number"]}
            judged.ratings += [rater | told for told in _told(match, path, number)]


def _turn(line: str, path: Path, number: int) -> dict[str, Any]:
    """The row of a turn."""
    match = SUMMARY.fullmatch(line)
    told = None if match is None else read_turn(match[3])
    cells = [] if match is None else match[5].split(",")
    if match is None or told is None or match[4] not in EMOTIONS or len(cells) != len(ORDER):
        raise UndertoneError(
            f"{path}, line {number}: expected start and end, turn, emotion "
            f"({', '.join(EMOTIONS)}) and three amounts, such as '[6.2901 - 8.2357]\\t"
            f"Ses01F_impro01_F000\\tneu\\t[2.5000, 2.5000, 2.5000]'; found {line!r}: is the copy "
            "damaged?"
        )
    folder = f"Session{match[3][4]}/sentences/wav/{path.stem}"
    return {
        "utterance": match[3],
        "file": f"{folder}/{match[3]}.wav",
        "language": "eng",
        **told,
        "emotion": EMOTIONS[match[4]],
        "code": match[4],
        **dict(zip(ORDER, amounts(cells, SCALE, path, number), strict=True)),
        "dialog": path.stem,
        "dialog_start_s": float(match[1]),
        "dialog_end_s": float(match[2]),
    }


def _told(match: re.Match[str], path: Path, number: int) -> Iterator[dict[str, Any]]:
    """What one line of a listener tells: emotions, a row each, or amounts."""
    if match["kind"] == "C":
        for word in filter(None, map(str.strip, match["what"].split(";"))):
            yield {"emotion": canonical_emotion(word)}
        return
    if (found := AMOUNTS.fullmatch(match["what"])) is None:
        raise UndertoneError(
            f"{path}, line {number}: expected 'val 3; act 2; dom 2;', found "
            f"{match['what'].strip()!r}: is the copy damaged?"
        )
    yield dict(zip(ORDER, amounts(found.groups(), SCALE, path, number), strict=True))


def _transcripts(session: Path) -> Iterator[tuple[str, str]]:
    """Turn and words; lines without the name of a turn are of nobody known."""
    for path in sorted((session / "dialog" / "transcriptions").glob("Ses*.txt")):
        for line in read_text(path, otherwise="latin-1").splitlines():
            if (match := SPOKEN.fullmatch(line)) and (words := match[2].strip()):
                yield match[1], words


def _reasons_to_leave_out(table: pd.DataFrame, root: Path) -> pd.Series:
    def reason(file: str) -> str | None:
        if not (root / file).is_file():
            return "file not found"
        return POINTER if is_pointer(root / file) else None

    reasons = table["file"].map(reason).astype(object)
    if reasons.notna().all():
        raise UndertoneError(
            f"none of the {len(table)} turns in {root} has its audio; "
            f"{root / table['file'].iloc[0]}: {reasons.iloc[0]}"
        )
    return reasons.where(reasons.notna(), None)
