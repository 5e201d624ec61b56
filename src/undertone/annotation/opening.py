"""A log and what it is of, opened together: checked before anybody labels.

In:  what the command line says.
Out: ``Opened``: the log, its clips, the emotions asked for; a rater who is alone at work.
"""

import contextlib
import getpass
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock

from undertone import __version__, atomic, corpora
from undertone.annotation.clips import Clips, by_recording, clip_of, clips_of, keep
from undertone.annotation.log import LabelLog
from undertone.annotation.sound import Sounds
from undertone.corpora.label_log.log import (
    DIMENSIONS,
    HEAD_BYTES,
    SUFFIXES,
    Log,
    is_torn_head,
    load,
)
from undertone.corpora.label_log.reader import (
    GIVEN,
    folders_speak,
    kept_of,
    known_clips,
    speakers_assumed,
)
from undertone.errors import UndertoneError, describe_some, printable
from undertone.tasks.names import BETWEEN, canonical_emotion, names_no_emotion

MOST_EMOTIONS = 9  # keys
LONGEST_NAME = 60
LOOKED_AT = 40  # labelled clips whose audio is compared with what was heard
USUAL_RATER = "rater"


@dataclass(frozen=True)
class What:
    """What is to be labelled.

    Attributes:
        log: path of the log.
        corpus: specification; "" for the one that the log was begun with.
        emotions: in the order of the keys; none for those that the log was begun with.
        detector: of speech, in long recordings.
        a_speaker_each: whether each recording is a speaker of its own.
        folders_speak: whether each folder of the corpus holds one speaker.
        progress: whether to show it.
    """

    log: Path
    corpus: str = ""
    emotions: tuple[str, ...] = ()
    detector: str = "auto"
    a_speaker_each: bool = False
    folders_speak: bool = False
    progress: bool = False


@dataclass(frozen=True)
class Opened:
    """What is labelled, and where."""

    log: LabelLog
    clips: Clips
    emotions: tuple[str, ...]
    told: tuple[str, ...]


def opened(what: What) -> Opened:
    """Open a log for labels; it is begun where there is none.

    Raises:
        UndertoneError: it is no log, is of another corpus, or nothing can be heard.
    """
    if what.log.suffix.lower() not in SUFFIXES:
        raise UndertoneError(
            f"--log {what.log}: expected a file of JSON lines, as --log {what.log.stem}.jsonl"
        )
    before = _before(what.log)
    emotions = _emotions(what.emotions, before)
    clips, name = _clips(what, emotions)
    told = [*clips.told, *before.told(), *_check_is_of(before, clips, what.log)]
    atomic.check_writable(what.log, "--log")
    log = LabelLog(
        what.log,
        about={"corpus": name, "emotions": list(emotions), "version": __version__},
    )
    keep(clips, what.log)
    return Opened(log, clips, emotions, tuple(told))


def _before(path: Path) -> Log:
    """What a log says so far; nothing where there is none, or the power went as it was begun."""
    try:
        begun = path.read_bytes()[:HEAD_BYTES] if path.exists() else b""
    except OSError as error:
        raise UndertoneError(f"the log {path} cannot be read: {error.strerror}") from None
    return Log() if is_torn_head(begun) else load(path)


def emotions_asked_for(names: Sequence[str]) -> tuple[str, ...]:
    """Canonical names, in the order given.

    Raises:
        UndertoneError: there are fewer than two, more than there are keys, or one is none.
    """
    if odd := [name for name in names if names_no_emotion(name)]:
        raise UndertoneError(
            f"--emotions holds {odd[0]!r}, which says that there is none: the page has a key for "
            "that; leave it out"
        )
    if odd := [name for name in names if BETWEEN in name]:
        raise UndertoneError(
            f"--emotions holds {odd[0]!r}: {BETWEEN!r} stands between the emotions of a set in "
            "tables; name it without"
        )
    found = tuple(dict.fromkeys(map(canonical_emotion, names)))
    if not 2 <= len(found) <= MOST_EMOTIONS:
        raise UndertoneError(
            f"--emotions takes 2 to {MOST_EMOTIONS} emotions with commas between, as "
            f"anger,happiness,neutral,sadness; found {len(found)}: {', '.join(found) or 'none'}"
        )
    taken = [name for name in found if name in DIMENSIONS]
    if taken or any(len(name) > LONGEST_NAME for name in found):
        raise UndertoneError(
            f"--emotions: {(taken or ['a name of more than 60 letters'])[0]} is no emotion; "
            "--sliders asks for arousal and valence"
        )
    return tuple(map(printable, found))


def rater_named(name: str | None) -> str:
    """Who labels; by default who is logged in.

    Raises:
        UndertoneError: the name cannot be one.
    """
    if name is None:
        try:
            name = getpass.getuser()
        except (OSError, KeyError, ImportError):
            name = USUAL_RATER
        name = USUAL_RATER if name == GIVEN else name
    clean = printable(name.strip())
    if not clean or len(clean) > LONGEST_NAME or clean == GIVEN:
        raise UndertoneError(
            f"--rater takes a name of up to {LONGEST_NAME} letters, and not {GIVEN!r}, which "
            f"stands for labels that were there before; found {name!r}"
        )
    return clean


@contextlib.contextmanager
def alone(log: Path, rater: str) -> Iterator[None]:
    """One process for each rater of a log: two would hand out the same clips.

    Raises:
        UndertoneError: another one is at work.
    """
    folder = kept_of(log)
    safe = hashlib.sha256(rater.encode()).hexdigest()[:16]  # no two raters share it
    lock = filelock.FileLock(folder / f".rater-{safe}{atomic.LOCK}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UndertoneError(
            f"{rater} is at work on {log} already: open the page of that process in another tab, "
            "end it, or start with another --rater NAME"
        ) from None
    except OSError as error:
        if error.errno not in atomic.NO_LOCKS:
            raise UndertoneError(
                f"nothing can be written to {folder}: {error.strerror}; choose another --log"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _emotions(given: Sequence[str], log: Log) -> tuple[str, ...]:
    told = given or log.head.get("emotions", ())
    if not told:
        raise UndertoneError(
            "which emotions are to be told apart? Name them, as --emotions "
            "anger,happiness,neutral,sadness"
        )
    return emotions_asked_for([str(name) for name in told])


def _clips(what: What, emotions: Sequence[str]) -> tuple[Clips, str]:
    """The clips, and the name of their corpus."""
    if what.corpus:
        corpus = corpora.open(what.corpus)
        found = clips_of(
            corpus,
            what.log,
            emotions=emotions,
            detector=what.detector,
            a_speaker_each=what.a_speaker_each,
            folders_speak=what.folders_speak or folders_speak(what.log),
            progress=what.progress,
        )
        return _assumed_before(found, what.log), corpus.name
    if what.folders_speak:
        raise UndertoneError(
            "--each-folder-a-speaker reads who speaks off the folders of a corpus: name it, as "
            "--corpus recordings/"
        )
    facts = known_clips(what.log)
    if not facts:
        raise UndertoneError(
            f"what is to be labelled? Name a corpus, as --corpus recordings/ (nothing is known of "
            f"{what.log} yet)"
        )
    kept = tuple(clip_of(one, what.log.parent) for one in facts)
    clips = Clips(
        kept, a_speaker_each=speakers_assumed(what.log), folders_speak=folders_speak(what.log)
    )
    return by_recording(clips) if what.a_speaker_each else clips, what.log.stem


def _assumed_before(clips: Clips, log: Path) -> Clips:
    """What was said once of the recordings of a log holds until a table names their speakers."""
    return by_recording(clips) if speakers_assumed(log) and not clips.n_speakers else clips


def _check_is_of(log: Log, clips: Clips, path: Path) -> list[str]:
    """Refuse a log of another corpus; say which labels are of clips that are gone.

    Raises:
        UndertoneError: no label of the log is of these clips, or most were given to other audio.
    """
    labels = log.in_force()
    by_name = {clip.utterance: clip for clip in clips.clips}
    lost = [label.utterance for label in labels if label.utterance not in by_name]
    if labels and len(lost) == len(labels):
        raise UndertoneError(
            f"{path} is the log of another corpus: none of its {len(labels)} labels is of these "
            f"{len(clips)} clips (it has {describe_some(map(printable, lost))}). Name another "
            "--log, or the corpus that it was begun with"
        )
    told = []
    if lost:
        told.append(
            f"{len(lost)} labels of the log are of clips that are not among these, and stay there: "
            f"{describe_some(map(printable, lost))}"
        )
    sounds, changed = Sounds(), []
    # A label that was imported tells no digest; what its clip was when it was played holds for it.
    known = {one.utterance: d for one in log.labels.values() if (d := one.heard.get("digest"))}
    looked_at = [label for label in labels if label.utterance in by_name][-LOOKED_AT:]
    for label in looked_at:
        heard = known.get(label.utterance)
        with contextlib.suppress(UndertoneError):  # gone: told when it is to be played
            if heard and sounds.digest(by_name[label.utterance]) != heard:
                changed.append(label.utterance)
    if changed and len(changed) > len(looked_at) / 2:
        raise UndertoneError(
            f"{path} was given to other recordings of the same names: the audio of "
            f"{describe_some(map(printable, changed))} is not what was heard. Name another --log, "
            "or the corpus that it was begun with"
        )
    if changed:
        told.append(
            f"{len(changed)} recordings were changed after somebody labelled them: "
            f"{describe_some(map(printable, changed))}"
        )
    return told
