"""The single steps, from corpora to folders: extract, pretrain, finetune.

In:  corpora by specification (``emodb=PATH``) or as objects, settings, a folder to write to.
Out: a filled frame store, an encoder folder, a model folder.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from undertone import atomic, corpora
from undertone.audio import FRAMES_PER_SECOND
from undertone.config import check_ranges, check_types
from undertone.corpora.audit import Finding, check, left_out_of_copies, refuse
from undertone.corpora.audit.checks import speakers
from undertone.corpora.audit.copies import identical
from undertone.corpora.audit.encoders import heard
from undertone.corpora.corpus import Corpus
from undertone.corpora.disjoint import SENTENCE, SPEAKER, known_sentences
from undertone.corpora.folds import known_speakers, labelled_rows
from undertone.corpora.official import in_official_folds
from undertone.corpora.proxy import with_proxy
from undertone.corpora.transcripts import with_transcripts
from undertone.errors import UndertoneError, tell
from undertone.evaluation.score import Score
from undertone.evaluation.vault import Vault, open_vault
from undertone.features import mosei, store
from undertone.features.name import FeatureName, parse
from undertone.features.store import FrameTable
from undertone.features.text.reader import TextSettings
from undertone.features.upstream.source import find
from undertone.features.vectors import summarise
from undertone.models.encoder import EncoderConfig
from undertone.progress import Progress
from undertone.recogniser.build import (
    Build,
    FinetuneSettings,
    Sealed,
    short_name,
    teaching_warnings,
)
from undertone.recogniser.card import Facts, write_card
from undertone.recogniser.folder import (
    ENCODER,
    RECOGNISER,
    Inputs,
    PretrainedEncoder,
    Recogniser,
    check_free,
    load_encoder,
)
from undertone.systems.layers import Layers
from undertone.systems.plan import Data, prefix_of
from undertone.systems.words import read_words
from undertone.tasks import Dimensions, Task
from undertone.training import references
from undertone.training.identity import speech_of
from undertone.training.normalise import fit_normaliser, normalise
from undertone.training.pretrain import PretrainConfig, check_pool
from undertone.training.pretrain import pretrain as pretrain_encoder

USUAL_FEATURES = "log_mel"
FROZEN_OF = 5  # groups of speakers, of which a vault freezes one where ``folds`` is 0
TOLD_BY_CORPUS = ("left out", "words")  # findings that ``tell`` says


@dataclass(frozen=True)
class Resources:
    """What a step may use of the machine; it never changes a number."""

    cache: Path | None = None  # folder of the frame store; the user's cache folder by default
    workers: int | None = None  # processes; one a core by default
    progress: bool = True


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of the step ``pretrain``."""

    features: str = USUAL_FEATURES
    seed: int = 0
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)

    def __post_init__(self) -> None:
        check_types(self)
        check_ranges(self, seed=(0, 2**62))


def settle(corpus: Corpus, task: str, features: str) -> tuple[Task, FeatureName]:
    """What is predicted and from which frames, where one of them or both are left to the corpus."""
    task = task or (Dimensions.name if corpus.proxy else "")
    usual = mosei.NAME_OF_FRAMES if mosei.holds_frames(corpus) else USUAL_FEATURES
    try:
        chosen = corpus.task(task)
    except UndertoneError as error:
        raise UndertoneError(". ".join([str(error), *corpus.notes])) from None
    return chosen, parse(features or usual).settled()


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
    """

    allow: Sequence[str] = ()
    disjoint: Sequence[str] = (SPEAKER,)
    frozen: Sequence[str] = ()


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

    Raises:
        UndertoneError: a score on it would be a lie, and that is not among what is allowed.
    """
    guard = guard or Guard()
    refuse([*speakers(corpus), *heard(corpus, str(features))], guard.allow)
    own = _hear(in_official_folds(corpus), features, teacher, resources)
    refuse(list(identical(own.corpus, own.table.keys)), guard.allow)
    read = left_out_of_copies(own.corpus, own.table.keys)
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
    beside = [_hear(other, features, teacher, resources) for other in others]
    for other in beside:
        tell_of(other.corpus)
    return _beside(data, beside)


@dataclass(frozen=True)
class _Heard:
    """A corpus without the utterances that have no frames, and its frames."""

    corpus: Corpus
    table: FrameTable
    layers: Layers | None
    teacher: Layers | None


def _hear(
    corpus: Corpus, features: FeatureName, teacher: FeatureName | None, resources: Resources
) -> _Heard:
    layers = _open_layers(corpus, features, resources) if features.is_upstream else None
    read, table = read_frames(corpus, features, resources)
    if teacher is None:
        return _Heard(read, table, layers, None)
    teaching = _open_layers(read, teacher, resources)
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
    corpus: Corpus, features: FeatureName | str, resources: Resources
) -> tuple[Corpus, FrameTable]:
    """Frames of a corpus, and the corpus without the utterances that have none."""
    features = parse(features)
    every = features.every_layer() if features.chooses_layer else features
    table = extract(corpus, every, resources)
    return corpus.drop(table.failures), table


def extract(
    corpus: str | Corpus,
    features: FeatureName | str = USUAL_FEATURES,
    resources: Resources | None = None,
) -> FrameTable:
    """Frames of every utterance of a corpus, from the store or computed into it."""
    resources = resources or Resources()
    opened = _open(corpus)
    if mosei.holds_frames(opened):
        return _read_frames_given(opened, parse(features), resources)
    return store.extract(
        opened,
        parse(features),
        folder=resources.cache,
        workers=resources.workers,
        progress=resources.progress,
    )


def _open_layers(corpus: Corpus, features: FeatureName, resources: Resources) -> Layers:
    """All layers of the encoder that ``features`` names, and the vectors of them."""
    every = features.every_layer()
    table, model = extract(corpus, every, resources), find(every)
    candidates = model.layers if features.chooses_layer else find(features).layers
    return Layers(table, summarise(table), model.n_layers, candidates, model.n_layers_of_whole)


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


def extract_corpora(
    specifications: Sequence[str], features: str, resources: Resources
) -> list[str]:
    """Fill the frame store; one line a corpus says what came out."""
    lines = []
    for specification in specifications:
        opened = corpora.open(specification)
        corpus, table = read_frames(opened, features, resources)
        n_frames = sum(table.lengths.values())
        lines.append(f"{corpus.name}: {len(corpus)} utterances, {n_frames:,} {features} frames")
        lines += [f"  left out: {name}: {why}" for name, why in table.failures.items()]
        lines += [f"  {line}" for line in opened.told()]
    return lines


def pretrain(
    unlabelled: Sequence[str | Corpus],
    out: Path | str,
    settings: PretrainSettings | None = None,
    resources: Resources | None = None,
) -> PretrainedEncoder:
    """Pre-train an encoder on unlabelled speech and write its folder.

    Args:
        unlabelled: corpora, whose labels, if any, are not looked at.
        out: folder; a run that was stopped there goes on.
        settings: of the step.
        resources: of the machine.
    """
    settings, resources, out = settings or PretrainSettings(), resources or Resources(), Path(out)
    check_free(out, ENCODER)
    with atomic.held(out):
        return _pretrain([_open(corpus) for corpus in unlabelled], out, settings, resources)


def _pretrain(
    opened: Sequence[Corpus], out: Path, settings: PretrainSettings, resources: Resources
) -> PretrainedEncoder:
    check_pool([name for corpus in opened for name in corpus.voices()], settings.pretrain)
    read = [read_frames(corpus, settings.features, resources) for corpus in opened]
    for corpus, _ in read:
        tell_of(corpus)
    parts = [(table, tuple(corpus.table["utterance"])) for corpus, table in read]
    normaliser = fit_normaliser(
        (table.frames(name) for table, names in parts for name in names),
        stride=settings.encoder.stride,
    )
    with Progress(shown=resources.progress) as progress:
        progress.add("pre-training epochs", settings.pretrain.max_epochs)
        result = pretrain_encoder(
            normalise(parts, normaliser),
            shape=settings.encoder,
            settings=settings.pretrain,
            seed=settings.seed,
            speakers=[name for corpus, _ in read for name in corpus.voices()],
            speech=speech_of(parts),
            folder=out,
            report=lambda epoch: progress.advance("pre-training epochs"),
        )
    notes = {
        "pool": [corpus.name for corpus, _ in read],
        "pool_audio": [short_name(key) for _, table in read for key in table.keys.values()],
        "epoch": result.best.epoch,
        "held_out_loss": result.best.held_out_loss,
        "measured": [asdict(one) for one in result.measured],
        "history": [[e.loss, e.held_out_loss] for e in result.history],
    }
    inputs = Inputs.of(parse(settings.features).settled(), normaliser)
    encoder = PretrainedEncoder(inputs, settings.encoder, result.encoder, notes)
    headings, scores = references.table(result.measured)
    missed = f" **Warning:** {w}." if (w := references.warning(result.measured)) else ""
    facts = Facts(
        title="Encoder of speech, pre-trained without labels",
        features=f"{settings.features}, {len(inputs.columns)} columns",
        method=_describe_pretraining(settings),
        headings=headings,
        scores=scores,
        measured=f"Held-out loss {result.best.held_out_loss:.4f} after epoch "
        f"{result.best.epoch + 1} of {len(result.history)}. What it is worth for "
        "emotion is what `undertone curve` measures. On the same held-out speech, behind the same "
        f"masks, stand predictions that take no training.{missed}",
    )
    encoder.save(out, write_card(facts, [corpus for corpus, _ in read]))
    return encoder


def finetune(
    corpus: str | Corpus,
    out: Path | str,
    *,
    encoder: Path | str | None = None,
    unlabelled: Sequence[str | Corpus] = (),
    settings: FinetuneSettings | None = None,
    resources: Resources | None = None,
) -> tuple[Recogniser, Score | None]:
    """Train a recogniser on labels and write its folder.

    Args:
        corpus: with labels.
        out: folder of the model.
        encoder: folder that ``pretrain`` wrote; without it the network starts at random.
        unlabelled: more speech that a teacher may guess; for the system ``taught``.
        settings: of the step.
        resources: of the machine.

    Returns:
        The recogniser, trained on all the labels allowed, and the score of the same recipe on
        speakers it did not know, by cross-validation or on a vault; None where ``folds`` is 0.
    """
    settings, resources, out = settings or FinetuneSettings(), resources or Resources(), Path(out)
    check_free(out, RECOGNISER, beside=None if encoder is None else Path(encoder))
    pretrained = load_encoder(encoder) if encoder is not None else None
    with atomic.held(out):
        return _finetune(
            corpus,
            [_open(other) for other in unlabelled],
            out,
            pretrained=pretrained,
            settings=settings,
            resources=resources,
        )


def _finetune(
    corpus: str | Corpus,
    others: Sequence[Corpus],
    out: Path,
    *,
    pretrained: PretrainedEncoder | None,
    settings: FinetuneSettings,
    resources: Resources,
) -> tuple[Recogniser, Score | None]:
    opened = with_proxy(_open(corpus), settings.proxy, settings.task)
    if settings.text.transcripts:
        opened = with_transcripts(opened, settings.text.transcripts)
    vault = _vault(corpus, settings)
    opened = vault.without_truth(opened) if vault else opened
    wanted = pretrained.inputs.features if pretrained else settings.features
    task, features = settle(opened, settings.task, wanted)
    task = vault.as_task(task) if vault else task
    check_encoders(features, settings.teacher)
    checked = vault is None and SENTENCE not in settings.disjoint
    if checked and not settings.text.model:  # sentences that the test says go with the words
        Build(without_frames(opened, task, others), features, pretrained, settings).check()
    data = read_data(
        *(opened, features, task, resources),
        teacher=settings.teacher,
        others=others,
        text=settings.text,
        guard=Guard(settings.allow, settings.disjoint, vault.speakers if vault else ()),
    )
    sealed = Sealed(vault, str(corpus)) if vault else None
    build = Build(data, features, pretrained, settings, sealed)
    findings = check(data.corpus, data.frames.keys, folds=build.folds[:-1], features=str(features))
    tell_findings(findings)
    with Progress(shown=resources.progress) as progress:
        progress.add("fits", len(build.folds))
        score = build.cross_validate(progress) if settings.folds or vault else None
        recogniser = build.fit_all()
        progress.advance("fits")
    for line in teaching_warnings(recogniser.notes):
        tell(line)
    read = [data.corpus, *(other for other, _ in data.others)]
    recogniser.save(out, write_card(build.facts(score, recogniser, findings), read))
    return recogniser, score


def _vault(corpus: str | Corpus, settings: FinetuneSettings) -> Vault | None:
    """The vault that the settings name; made where there is none."""
    if not settings.vault:
        return None
    if not isinstance(corpus, str):
        raise UndertoneError("a vault reads its corpus itself: name it, as NAME=PATH")
    return open_vault(
        Path(settings.vault),
        corpus,
        task=settings.task,
        n_folds=settings.folds or FROZEN_OF,
        seed=settings.seed,
    )


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


def _open(corpus: str | Path | Corpus) -> Corpus:
    if isinstance(corpus, str | Path):
        return corpora.open(str(corpus))
    if not isinstance(corpus, Corpus):
        raise UndertoneError(
            f"a corpus is a text such as emodb=PATH, a path or a Corpus, found {corpus!r:.60}"
        )
    return corpus


def _describe_pretraining(settings: PretrainSettings) -> str:
    shape, training = settings.encoder, settings.pretrain
    learned = " and ".join(objective.what for objective in training.objectives.values())
    return (
        f"{shape.layers} GRU layers of {shape.hidden_units} units on steps of "
        f"{10 * shape.stride} ms. {training.mask_share:.0%} of the steps of each sequence were "
        f"hidden as {training.mask_spans} consecutive stretch"
        f"{'es' if training.mask_spans > 1 else ''}, after arXiv 2307.12343; a dense layer on the "
        f"GRU learned {learned}."
    )
