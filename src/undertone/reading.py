"""A corpus with its frames: what every step begins with.

In:  a corpus by specification (``emodb=PATH``) or as an object, the name of features.
Out: ``Data``: what is usable of it, counted where it is not, frames and layers; or a refusal before
     any of it is computed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from pathlib import Path

from undertone import corpora
from undertone.audio import FRAMES_PER_SECOND
from undertone.corpora.audit import Finding, left_out_of_copies, refuse
from undertone.corpora.audit.checks import speakers
from undertone.corpora.audit.copies import identical
from undertone.corpora.audit.encoders import heard
from undertone.corpora.corpus import Corpus
from undertone.corpora.disjoint import SENTENCE, SPEAKER, known_sentences
from undertone.corpora.folds import known_speakers, labelled_rows
from undertone.corpora.objects import is_object, of_object
from undertone.corpora.official import in_official_folds
from undertone.errors import DISTRIBUTION, UndertoneError, tell
from undertone.features import given, mosei, store
from undertone.features.copies import copy
from undertone.features.name import FeatureName, parse
from undertone.features.store import FrameTable
from undertone.features.text.reader import TextSettings
from undertone.features.upstream.source import find
from undertone.features.vectors import summarise
from undertone.systems.layers import Layers
from undertone.systems.plan import Data, prefix_of
from undertone.systems.words import read_words
from undertone.tasks import Dimensions, Task

USUAL_FEATURES = "log_mel"
BETTER_FEATURES = "upstream:openai/whisper-base@all"
TOLD_BY_CORPUS = ("left out", "words")  # findings that ``tell_of`` says


@dataclass(frozen=True)
class Resources:
    """What a step may use of the machine; workers never change a number."""

    cache: Path | None = None  # folder of the frame store; the user's cache folder by default
    workers: int | None = None  # processes; by default as ``processes.how_many`` says
    progress: bool = True
    _: KW_ONLY
    verify: bool = False  # read every audio file, also those whose digest is remembered
    device: str = ""  # one of ``device.CHOICES``; a GPU rounds otherwise. $UNDERTONE_DEVICE or auto
    processes: int = 1  # that pre-train one encoder together


def settle(corpus: Corpus, task: str, features: str) -> tuple[Task, FeatureName]:
    """What is predicted and from which frames, where one of them or both are left to the corpus."""
    task = task or (Dimensions.name if corpus.proxy else "")
    usual = mosei.NAME_OF_FRAMES if mosei.holds_frames(corpus) else USUAL_FEATURES
    try:
        chosen = corpus.task(task)
    except UndertoneError as error:
        raise UndertoneError(". ".join([str(error), *corpus.notes])) from None
    return chosen, parse(features or usual).settled()


def tell_of_encoders(corpus: Corpus, features: FeatureName, *, taught: bool = False) -> None:
    """Name what is better than features of our own, where recordings could be heard by it.

    Args:
        corpus: that is heard.
        features: the frames that are asked for.
        taught: whether an encoder teaches them, so that one is at hand and left out on purpose.
    """
    if taught or features.is_upstream or corpus.synthetic or mosei.holds_frames(corpus):
        return
    tell(
        "a pre-trained encoder hears more (RAVDESS, 20 labels: UAR .529, without one .351): "
        f"--features {BETTER_FEATURES}, after pip install '{DISTRIBUTION}[upstream]'"
    )


def tell_of(corpus: Corpus, told: Iterable[str] = ()) -> list[str]:
    """Say on standard error how a corpus was read and what was left out of it; return the lines.

    Args:
        corpus: which was read.
        told: lines that were said before.
    """
    lines = [line for line in corpus.told() if line not in told]
    for line in lines:
        tell(line)
    return lines


@dataclass(frozen=True)
class Guard:
    """What is asked of the data before anything is learned from it.

    Attributes:
        allow: findings of the audit that stop nothing.
        disjoint: what folds keep apart.
        frozen: speakers whose labels a vault withholds.
        transductive: whether more speech may hold what is tested.
    """

    allow: Sequence[str] = ()
    disjoint: Sequence[str] = (SPEAKER,)
    frozen: Sequence[str] = ()
    transductive: bool = False


def read_data(
    corpus: Corpus,
    features: FeatureName,
    task: Task,
    resources: Resources,
    *,
    teacher: FeatureName | None = None,
    others: Sequence[Corpus] = (),
    text: TextSettings | None = None,
    guard: Guard | None = None,
    frames: bool = True,
) -> Data:
    """A labelled corpus with its frames, and those of all layers where an encoder gives them.

    Args:
        corpus: opened.
        features: which frames.
        task: what is predicted.
        resources: of the machine.
        teacher: another encoder, which hears the same utterances.
        others: unlabelled corpora that it may guess.
        text: what reads transcripts; without an encoder of text in it nobody does.
        guard: what is allowed, kept apart and frozen.
        frames: whether a system reads an encoder's frames, and not only means over time.

    Raises:
        UndertoneError: a score on it would be a lie, and that is not among what is allowed.
    """
    guard = guard or Guard()
    refuse([*speakers(corpus), *heard(corpus, str(features))], guard.allow)
    hear = partial(_hear, features=features, teacher=teacher, resources=resources, frames=frames)
    own = hear(in_official_folds(corpus))
    contents = own.table.contents
    refuse(list(identical(own.corpus, contents)), guard.allow)
    read = left_out_of_copies(own.corpus, contents)
    told = tell_of(read)
    labelled = usable(read, task, frozen=guard.frozen)
    unlabelled = _unlabelled(read, labelled)
    if SENTENCE in guard.disjoint:
        labelled = known_sentences(labelled)
        unlabelled = {}  # nobody looks what is said there
    tell_of(labelled, told)
    words = None
    if text is not None and text.model:
        folder, progress = resources.cache, resources.progress
        words = read_words(read, text, folder=folder, progress=progress)
    data = Data(
        *(task, labelled, own.table, own.layers, unlabelled), teacher=own.teacher, words=words
    )
    heard_too = (hear(other) for other in others)
    beside = [
        other
        if guard.transductive
        else replace(other, corpus=without_tested(other.corpus, other.table, of=data))
        for other in heard_too
    ]
    for other in beside:
        tell_of(other.corpus)
    return _beside(data, beside)


def without_tested(pool: Corpus, table: FrameTable, *, of: Data) -> Corpus:
    """More speech without the recordings of a corpus that is tested; they are counted.

    A corpus of the same name is the corpus itself: folds keep its speakers out.
    """
    own = {of.corpus.name, *(member.corpus.name for member in of.corpus.members)}
    known = set(of.frames.contents.values())
    reason = f"a recording of {of.corpus.name}, which is tested"
    copies = [name for name in pool.table["utterance"] if table.contents.get(name) in known]
    return pool if pool.name in own else pool.drop(dict.fromkeys(copies, reason))


@dataclass(frozen=True)
class _Heard:
    """A corpus without the utterances that have no frames, and its frames."""

    corpus: Corpus
    table: FrameTable
    layers: Layers | None
    teacher: Layers | None


def _hear(
    corpus: Corpus,
    *,
    features: FeatureName,
    teacher: FeatureName | None,
    resources: Resources,
    frames: bool,
) -> _Heard:
    read, table = read_frames(corpus, features, resources, frames=frames)
    layers = _layers_of(corpus, features, resources, table) if features.is_upstream else None
    if teacher is None:
        return _Heard(read, table, layers, None)
    teaching = open_layers(read, teacher, resources)
    return _Heard(read.drop(teaching.table.failures), table, layers, teaching)


def _beside(data: Data, others: Sequence[_Heard]) -> Data:
    """The same with the utterances of other corpora among its frames."""
    if not others:
        return data
    by_prefix = {prefix_of(i, other.corpus): other for i, other in enumerate(others)}
    layers = {prefix: h.layers for prefix, h in by_prefix.items() if h.layers is not None}
    teacher = {prefix: h.teacher for prefix, h in by_prefix.items() if h.teacher is not None}
    return replace(
        data,
        frames=data.frames.with_others({prefix: h.table for prefix, h in by_prefix.items()}),
        layers=data.layers and data.layers.with_others(layers),
        teacher=data.teacher and data.teacher.with_others(teacher),
        others=tuple((other.corpus, other.table) for other in others),
    )


def with_copies(data: Data, features: FeatureName, resources: Resources) -> Data:
    """The same with copies of the corpus's recordings, where its features are quick to compute."""
    if mosei.holds_frames(data.corpus):
        return data
    copied = copy(
        *(data.corpus, features),
        folder=resources.cache,
        workers=resources.workers,
        progress=resources.progress,
    )
    return replace(data, copies=copied)


def of_several_names(corpus: Corpus, contents: Mapping[str, str]) -> list[str]:
    """Sentences on speakers and recordings that a corpus holds under several names."""
    found = [*speakers(corpus), *identical(corpus, contents)]
    return [f"{finding.what} (`undertone audit` shows all)" for finding in found]


def tell_findings(findings: Sequence[Finding]) -> None:
    """Say on standard error what an audit found beside what ``tell_of`` says."""
    for finding in findings:
        if finding.name not in TOLD_BY_CORPUS:
            tell(finding.what)


def without_frames(corpus: Corpus, task: Task, others: Sequence[Corpus] = ()) -> Data:
    """A labelled corpus before its frames are there: whether labels suffice can be told of it."""
    nothing = FrameTable("", 0, float(FRAMES_PER_SECOND), (), {})
    used = in_official_folds(corpus)
    labelled = usable(used, task)
    return Data(
        task,
        labelled,
        nothing,
        unlabelled=_unlabelled(used, labelled),
        others=tuple((other, nothing) for other in others),
    )


def check_encoders(*names: FeatureName | None) -> None:
    """Refuse encoders that are not there or have no such layer, before anything is read."""
    for name in names:
        if name is not None and name.is_upstream:
            find(name.every_layer() if name.chooses_layer else name)


def _unlabelled(corpus: Corpus, labelled: Corpus) -> dict[str, str]:
    """Speaker by utterance without a label."""
    rest = corpus.table[corpus.table["speaker"].notna()]
    rest = rest[~rest["utterance"].isin(labelled.table["utterance"])]
    return dict(zip(rest["utterance"], rest["speaker"], strict=True))


def read_frames(
    corpus: Corpus, features: FeatureName | str, resources: Resources, *, frames: bool = True
) -> tuple[Corpus, FrameTable]:
    """Frames of a corpus, and the corpus without the utterances that have none."""
    features = parse(features)
    every = features.every_layer() if features.chooses_layer else features
    table = extract(corpus, every, resources, frames=frames)
    return corpus.drop(table.failures), table


def extract(
    corpus: str | Corpus,
    features: FeatureName | str = USUAL_FEATURES,
    resources: Resources | None = None,
    *,
    frames: bool = True,
) -> FrameTable:
    """Frames of every utterance of a corpus, from the store or computed into it.

    Args:
        corpus: by specification or as an object.
        features: which frames.
        resources: of the machine.
        frames: whether an encoder's frames are kept, or means over time of its layers alone.
    """
    resources = resources or Resources()
    read = opened(corpus)
    if mosei.holds_frames(read):
        return _read_frames_given(read, parse(features), resources)
    if (name := parse(features)).is_given:
        return given.read(read, name, resources.cache)
    return store.extract(
        read,
        name,
        folder=resources.cache,
        workers=resources.workers,
        progress=resources.progress,
        frames=frames,
        verify=resources.verify,
    )


def open_layers(corpus: Corpus, features: FeatureName, resources: Resources) -> Layers:
    """The vectors of all layers of the encoder that ``features`` names; no frames."""
    return _layers_of(corpus, features, resources, None)


def _layers_of(
    corpus: Corpus, features: FeatureName, resources: Resources, read: FrameTable | None
) -> Layers:
    """The vectors of all layers, and the frames of some that were read before, if any."""
    every = features.every_layer()
    known = resources if read is None else replace(resources, verify=False)  # it was read
    table, model = extract(corpus, every, known, frames=False), find(every)
    candidates = model.layers if features.chooses_layer else find(features).layers
    return Layers(
        *(table, summarise(table), model.n_layers, candidates, model.n_layers_of_whole),
        spoken=read,
        first=candidates.start,
    )


def _read_frames_given(corpus: Corpus, features: FeatureName, resources: Resources) -> FrameTable:
    """The frames that a corpus without recordings brings, and what was repaired in them."""
    if str(features) != mosei.NAME_OF_FRAMES:
        raise UndertoneError(
            f"{corpus.name} holds covarep frames and no recordings: ask for --features covarep, "
            f"or take an encoder that was pre-trained on them; found {features}"
        )
    table, repairs = mosei.read(corpus, folder=resources.cache, progress=resources.progress)
    for line in repairs.lines() if resources.progress else ():
        tell(f"{corpus.name}: {line}")
    return table


def usable(corpus: Corpus, task: Task, *, frozen: Sequence[str] = ()) -> Corpus:
    """The utterances with label and speaker; the others are counted in ``left_out``.

    Args:
        corpus: as it was read.
        task: whose labels count.
        frozen: speakers whose labels a vault withholds: they are predicted all the same.
    """
    task.check_truth(corpus.table, corpus.name)
    withheld = corpus.table["speaker"].isin(frozen)
    names = corpus.table["utterance"][~task.is_labelled(corpus.table) & ~withheld]
    if len(names) == len(corpus):
        raise UndertoneError(
            f"no utterance of {corpus.name} has a label for the task {task.name}: it can only be a "
            "pool"
        )
    labelled = corpus.drop(dict.fromkeys(names, "no emotion label"))
    labelled_rows(labelled, task)  # refuses one of which no speaker is known
    return known_speakers(labelled)


def opened(corpus: str | Path | Corpus) -> Corpus:
    if isinstance(corpus, str | Path):
        return corpora.open(str(corpus))
    if is_object(corpus):
        return of_object(corpus)
    if not isinstance(corpus, Corpus):
        raise UndertoneError(
            "a corpus is a text such as emodb=PATH, a path, a Corpus, a datasets.Dataset or an "
            f"audformat.Database, found {corpus!r:.60}"
        )
    return corpus
