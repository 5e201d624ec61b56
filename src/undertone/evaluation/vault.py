"""Test speakers that are frozen, whose truth nobody reads but a process that logs each look.

In:  the specification of a corpus and the path of a vault; later predictions of its utterances.
Out: ``Vault``: who is frozen, under which digest of audio and truth; after a look the scores, and
     ``Looked``: how many looks there were before, and with which settings.

Whoever trains gets the corpus ``without_truth``: the labels of frozen speakers are taken out before
anything else is done with it. The vault is a JSON file; its log, one look a line, lies beside it,
each line with the digest of the one before, so that a line that was taken out or changed is seen.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

import undertone
from undertone import atomic, corpora
from undertone.config import parse_json
from undertone.corpora.audit.copies import contents_of
from undertone.corpora.corpus import COLUMNS, Corpus
from undertone.corpora.folds import Fold, labelled_rows
from undertone.corpora.official import folds_of, in_official_folds
from undertone.errors import UndertoneError, describe_some
from undertone.evaluation.apart import trace_apart
from undertone.evaluation.curves import Curves, Key
from undertone.evaluation.predictions import Tested, results_table
from undertone.evaluation.score import Score, score_rows
from undertone.processes import process_pool
from undertone.tasks import CHOICE, Task, kind_of

FORMAT = 1
SAYS_NO_LABEL = ("split", "video", "sentence")  # columns that stay, beside the fixed ones
T = TypeVar("T")


@dataclass(frozen=True)
class Vault:
    """Frozen speakers.

    Attributes:
        path: of the file.
        corpus: its name.
        task: its name.
        outputs: what is predicted.
        speakers: who is frozen.
        digest: of the frozen utterances' audio and truth.
        looks: how many there were when the file was read.
    """

    path: Path
    corpus: str
    task: str
    outputs: tuple[str, ...]
    speakers: tuple[str, ...]
    digest: str
    looks: int = 0

    def fold(self, corpus: Corpus) -> Fold:
        """The frozen speakers tested, everybody else learned from."""
        others = set(corpus.table["speaker"].dropna()) - set(self.speakers)
        return Fold(0, self.speakers, tuple(sorted(others)))

    def without_truth(self, corpus: Corpus) -> Corpus:
        """The corpus without a label of a frozen speaker.

        Raises:
            UndertoneError: it is another corpus, or lacks a frozen speaker.
        """
        if corpus.name != self.corpus or not set(self.speakers) <= set(corpus.speakers):
            missing = sorted(set(self.speakers) - set(corpus.speakers))
            raise UndertoneError(
                f"the vault {self.path} froze {len(self.speakers)} speakers of {self.corpus}; "
                f"{corpus.name} lacks {describe_some(missing) or 'none of them, but is another'}: "
                "name the corpus that it was made of"
            )
        table = corpus.table
        frozen = table["speaker"].isin(self.speakers)
        kept = {*COLUMNS, *SAYS_NO_LABEL, corpus.fold_by}
        hidden = {c: table[c].mask(frozen) for c in table.columns if c not in kept}
        without = corpus.with_table(table.assign(**hidden))
        if without.ratings is None:
            return without
        heard = without.ratings["utterance"].isin(table["utterance"][frozen])
        return replace(without, ratings=without.ratings[~heard])

    def as_task(self, task: Task) -> Task:
        """The task with the outputs that were frozen: classes that only the vault has, too."""
        return kind_of(task.name)(self.outputs) if task.kind == CHOICE else task


@dataclass(frozen=True)
class Looked:
    """A look at a vault.

    Attributes:
        number: of the look, from 1.
        others: earlier looks that other settings asked for.
        whole: whether the log is as it was written.
        digest: of the vault.
    """

    number: int
    others: int
    whole: bool
    digest: str

    def sentence(self) -> str:
        """What a reader must know."""
        text = f"Look {self.number} at the vault with the digest {self.digest[:12]}"
        if self.others:
            times = "1 look" if self.others == 1 else f"{self.others} looks"
            text += (
                f": these settings were chosen after {times} with other settings, so that the "
                "score may be too good."
            )
        else:
            text += ": no other settings have looked before."
        return text if self.whole else f"{text} The log of looks was changed since it was written."


def open_vault(path: Path, specification: str, *, task: str, n_folds: int, seed: int) -> Vault:
    """Read a vault, or make it where there is none; its truth is read by a process of its own.

    Args:
        path: of the vault.
        specification: of the corpus.
        task: what is predicted; by default what the corpus has labels for.
        n_folds: a new vault freezes one of so many groups of speakers, or the official test part.
        seed: of the groups.

    Raises:
        UndertoneError: it is no vault, or it was made of another task.
    """
    path = Path(path)
    if not path.exists():
        _in_own_process(
            _seal, path=path, specification=specification, name=task, n_folds=n_folds, seed=seed
        )
    vault = _read(path)
    if task and task != vault.task:
        raise UndertoneError(f"the vault {path} is of the task {vault.task}, found --task {task}")
    return vault


def look_at_curves(
    vault: Vault,
    specification: str,
    asked: str,
    *,
    tested: Tested,
    predictions: Mapping[Key, np.ndarray],
    n_replicates: int,
) -> tuple[dict[str, Curves], pd.DataFrame, Looked]:
    """Scores of a curve's predictions by test part, and its table of results.

    Args:
        vault: whose speakers were predicted.
        specification: of the corpus.
        asked: the settings, as text.
        tested: utterances and speakers; its truth is not looked at.
        predictions: (n_draws, n_rows, n_outputs) by system and budget.
        n_replicates: of the bootstrap.
    """
    return _in_own_process(
        _curves,
        vault=vault,
        specification=specification,
        asked=asked,
        tested=tested,
        predictions=dict(predictions),
        n_replicates=n_replicates,
    )


def look_at_score(
    vault: Vault,
    specification: str,
    asked: str,
    *,
    tested: Mapping[str, str],
    values: np.ndarray,
) -> tuple[Score, Looked]:
    """The score of predictions (n_rows, n_outputs); ``tested`` is speaker by utterance."""
    return _in_own_process(
        _score,
        vault=vault,
        specification=specification,
        asked=asked,
        tested=dict(tested),
        values=values,
    )


def _in_own_process(do: Callable[..., T], **arguments: Any) -> T:
    with process_pool(1) as pool:
        return pool.submit(do, **arguments).result()


def _seal(*, path: Path, specification: str, name: str, n_folds: int, seed: int) -> None:
    """Choose who is frozen and write the vault."""
    corpus = in_official_folds(corpora.open(specification))
    chosen = corpus.task(name)
    fold = folds_of(corpus, n_folds, seed, chosen)[0]
    frozen = _frozen(corpus, chosen, fold.test_speakers)
    content = {
        "format": FORMAT,
        "made": _now(),
        "corpus": corpus.name,
        "task": chosen.name,
        "outputs": chosen.outputs,
        "speakers": fold.test_speakers,
        "utterances": len(frozen),
        "digest": _digest(corpus, chosen, frozen),
        "looks": 0,
        "last_look": "",
    }
    atomic.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _curves(
    *,
    vault: Vault,
    specification: str,
    asked: str,
    tested: Tested,
    predictions: Mapping[Key, np.ndarray],
    n_replicates: int,
) -> tuple[dict[str, Curves], pd.DataFrame, Looked]:
    task, truth, known = _truth(
        vault, specification, tested.utterances, outputs=tested.task.outputs
    )
    looked = _log(vault, asked)
    kept = Tested(
        task=task,
        utterances=tuple(tested.utterances[i] for i in known),
        speakers=tuple(tested.speakers[i] for i in known),
        truth=truth,
        folds=tuple(tested.folds[i] for i in known),
        unit=tested.unit,
        parts=tuple(tested.parts[i] for i in known) if tested.parts else (),
    )
    values = {key: of_key[:, known] for key, of_key in predictions.items()}
    curves = trace_apart(values, kept, n_replicates=n_replicates)
    return curves, results_table(values, kept, next(iter(curves.values()))), looked


def _score(
    *, vault: Vault, specification: str, asked: str, tested: Mapping[str, str], values: np.ndarray
) -> tuple[Score, Looked]:
    task, truth, known = _truth(vault, specification, tuple(tested))
    looked = _log(vault, asked)
    speakers = np.array(list(tested.values()))[known]
    return score_rows(task, truth=truth, values=values[known], speakers=speakers), looked


def _truth(
    vault: Vault, specification: str, utterances: Sequence[str], *, outputs: Sequence[str] = ()
) -> tuple[Task, np.ndarray, list[int]]:
    """(n_known, n_outputs) truth once the digest agrees, and which of the utterances have one.

    ``outputs`` may be fewer than were frozen, where another corpus that is learned from has fewer.
    """
    corpus = in_official_folds(corpora.open(specification))
    task = vault.as_task(corpus.task(vault.task))
    frozen = _frozen(corpus, task, vault.speakers)
    if _digest(corpus, task, frozen) != vault.digest:
        raise UndertoneError(
            f"the vault {vault.path} was made of other audio or labels of its speakers "
            f"({describe_some(vault.speakers)}): undo the change, or make another vault"
        )
    if outputs and tuple(outputs) != task.outputs:
        task = replace(task, outputs=tuple(outputs))
        frozen = frozen[task.is_labelled(frozen)]
    rows = frozen.set_index("utterance", drop=False)
    known = [i for i, name in enumerate(utterances) if name in rows.index]
    return task, task.truth(rows.loc[[utterances[i] for i in known]]), known


def _frozen(corpus: Corpus, task: Task, speakers: Sequence[str]) -> pd.DataFrame:
    rows = labelled_rows(corpus, task)
    return rows[rows["speaker"].isin(speakers)]


def _digest(corpus: Corpus, task: Task, rows: pd.DataFrame) -> str:
    """Of names, speakers, truth and the bytes of the recordings."""
    part = corpus.with_table(corpus.table[corpus.table["utterance"].isin(rows["utterance"])])
    contents = contents_of(part)
    truth = [tuple(map(float, values)) for values in task.truth(rows)]
    names = zip(rows["utterance"], rows["speaker"], truth, strict=True)
    parts = sorted((name, who, values, contents.get(name, "")) for name, who, values in names)
    return hashlib.sha256(repr((task.outputs, parts)).encode()).hexdigest()


def _log(vault: Vault, asked: str) -> Looked:
    """Write a line for this look before anything is answered."""
    held = json.loads(vault.path.read_text(encoding="utf-8"))
    place = log_of(vault.path)
    text = place.read_text(encoding="utf-8") if place.exists() else ""
    lines = text.splitlines()
    settings = hashlib.sha256(asked.encode()).hexdigest()
    look = {
        "look": held["looks"] + 1,
        "time": _now(),
        "undertone": undertone.__version__,
        "settings_sha256": settings,
        "settings": asked,
        "before": _of_line(lines[-1]) if lines else "",
    }
    line, whole = json.dumps(look, ensure_ascii=False), _is_whole(lines, held)
    atomic.write_text(place, f"{text}{line}\n")
    held |= {"looks": held["looks"] + 1, "last_look": _of_line(line)}
    atomic.write_text(vault.path, json.dumps(held, indent=2, ensure_ascii=False) + "\n")
    others = sum(_settings_of(earlier) != settings for earlier in lines)
    return Looked(held["looks"], others, whole, vault.digest)


def log_of(path: Path) -> Path:
    """Where the looks at a vault are logged."""
    return path.with_name(f"{path.name}.looks.jsonl")


def _is_whole(lines: Sequence[str], held: Mapping[str, Any]) -> bool:
    """Whether every line names the digest of the one before, and the vault that of the last."""
    try:
        named = [parse_json(line)["before"] for line in lines] + [held["last_look"]]
    except (ValueError, KeyError, TypeError):
        return False
    return ["", *map(_of_line, lines)] == named and len(lines) == held["looks"]


def _settings_of(line: str) -> str:
    """The digest of the settings of a look; "" where the line was changed."""
    try:
        return str(parse_json(line)["settings_sha256"])
    except (ValueError, KeyError, TypeError):
        return ""


def _of_line(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _read(path: Path) -> Vault:
    try:
        held = parse_json(path.read_text(encoding="utf-8"))
        if held["format"] != FORMAT:
            raise ValueError(f"format {held['format']}")
        names = asdict(Vault(path, "", "", (), (), "")).keys() - {"path"}
        values = {name: held[name] for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UndertoneError(
            f"{path} is no vault that this Undertone can read ({error}); name another file, or one "
            "that is not there yet to make a vault"
        ) from None
    values |= {"outputs": tuple(values["outputs"]), "speakers": tuple(values["speakers"])}
    return Vault(path=path, **values)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
