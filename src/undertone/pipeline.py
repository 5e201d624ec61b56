"""The single steps, from corpora to folders: extract, pretrain, finetune.

In:  corpora by specification (``emodb=PATH``) or as objects, settings, a folder to write to.
Out: a filled frame store, an encoder folder, a model folder.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from undertone import atomic, corpora, device, jobs
from undertone.config import check_ranges, check_types
from undertone.corpora import across
from undertone.corpora.audit import check
from undertone.corpora.corpus import Corpus
from undertone.corpora.disjoint import SENTENCE
from undertone.corpora.folder import of_files
from undertone.corpora.folds import labelled_rows
from undertone.corpora.proxy import with_proxy
from undertone.corpora.transcripts import with_transcripts
from undertone.errors import UndertoneError, tell
from undertone.evaluation.score import Score
from undertone.evaluation.vault import Vault, open_vault
from undertone.features import frames_out
from undertone.features.name import CHOSEN, EVERY, parse
from undertone.models.encoder import EncoderConfig
from undertone.processes import available_cores
from undertone.progress import Progress
from undertone.reading import (
    USUAL_FEATURES,
    Guard,
    Resources,
    check_encoders,
    of_several_names,
    opened,
    read_data,
    read_frames,
    settle,
    tell_findings,
    tell_of,
    tell_of_encoders,
    with_copies,
    without_frames,
)
from undertone.recogniser.build import (
    Build,
    Sealed,
    short_name,
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
from undertone.recogniser.front_matter import PUBLISHED, published
from undertone.recogniser.settings import FinetuneSettings
from undertone.recogniser.teaching import teaching_warnings
from undertone.systems.table import system_of
from undertone.tasks import Task
from undertone.training import references, together
from undertone.training.identity import speech_of
from undertone.training.normalise import Normaliser, Parts, fit_normaliser, normalise
from undertone.training.pretrain import Epoch, PretrainConfig, Pretraining, check_pool
from undertone.training.pretrain import pretrain as pretrain_encoder
from undertone.training.team import ALONE, Team

__all__ = [
    "FinetuneSettings",
    "PretrainSettings",
    "Resources",
    "extract_corpora",
    "extract_to",
    "finetune",
    "pretrain",
]
EPOCHS = "pre-training epochs"
FROZEN_OF = 5  # groups of speakers, of which a vault freezes one where ``folds`` is 0


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of the step ``pretrain``."""

    features: str = USUAL_FEATURES  # an extractor of frames
    seed: int = 0  # names all randomness
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)

    def __post_init__(self) -> None:
        check_types(self)
        check_ranges(self, seed=(0, 2**62))


def extract_corpora(
    specifications: Sequence[str],
    features: str,
    resources: Resources,
    *,
    every_frame: bool = False,
) -> list[str]:
    """Fill the frame store; one line a corpus says what came out.

    Args:
        specifications: of corpora.
        features: which frames; of all layers of an encoder their means over time are kept.
        resources: of the machine.
        every_frame: whether frames of all layers are kept, too.
    """
    lines, name = [], parse(features)
    frames = every_frame or not (name.is_upstream and name.layers in (EVERY, CHOSEN))
    kept = "" if frames else ", of which means over time of every layer are kept"
    for specification in specifications:
        opened = corpora.open(specification)
        with device.using(resources.device):
            corpus, table = read_frames(opened, features, resources, frames=frames)
        n_frames = sum(table.lengths.values())
        found = f"{len(corpus)} utterances, {n_frames:,} {features} frames{kept}"
        lines.append(f"{corpus.name}: {found}")
        lines += [f"  left out: {name}: {why}" for name, why in table.failures.items()]
        lines += [f"  {line}" for line in opened.told()]
        lines += [f"  {line}" for line in of_several_names(corpus, table.contents)]
    return lines


def extract_to(
    out: Path | str,
    given: str | Corpus | Sequence[Path],
    features: str,
    resources: Resources | None = None,
    *,
    form: str | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write the frames of a corpus, or of recordings, into one file; lines say what came out.

    Args:
        out: the file: ``.parquet``, ``.npz`` or ``.csd``.
        given: a corpus, or recordings.
        features: which frames.
        resources: of the machine.
        form: where the ending of the file does not tell it.
        overwrite: whether a file that is there may be replaced.

    Raises:
        UndertoneError: the file is there, or cannot be written; nothing could be read.
    """
    path = Path(out)
    chosen = frames_out.form_of(path, form, overwrite=overwrite)
    files = given if isinstance(given, list | tuple) else None
    whole = opened(given) if files is None else of_files(list(map(Path, files)))  # type: ignore[arg-type]
    corpora.check_is_not_read(path, whole, given if isinstance(given, str) else "")
    resources = resources or Resources()
    with device.using(resources.device):
        corpus, table = read_frames(whole, features, resources)
    frames_out.write(path, table, chosen, corpus=whole.name)
    n_frames = sum(table.lengths.values())
    lines = [f"{path}: {len(corpus)} utterances, {n_frames:,} {features} frames"]
    lines += [f"  left out: {name}: {why}" for name, why in table.failures.items()]
    return [*lines, *(f"  {line}" for line in whole.told())]


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
    if settings.pretrain.shared_pool:
        raise UndertoneError(
            "pretrain.shared_pool is of curves, whose folds share what they learn of other "
            "corpora; one encoder has one pool: leave the setting out"
        )
    _check_processes(resources.processes, settings.pretrain.batch_size)
    check_free(out, ENCODER)
    own = atomic.held(out) if together.leads() else contextlib.nullcontext()
    with device.using(resources.device), own:
        return _pretrain([opened(corpus) for corpus in unlabelled], out, settings, resources)


def _check_processes(processes: int, batch_size: int) -> None:
    """Refuse more processes than a batch has sequences to share, before one is started."""
    if processes > batch_size:
        raise UndertoneError(
            f"a batch of {batch_size} sequences cannot be shared by {processes} processes: "
            f"--processes {min(available_cores(), batch_size)} is one a core"
        )


def _pretrain(
    pools: Sequence[Corpus], out: Path, settings: PretrainSettings, resources: Resources
) -> PretrainedEncoder:
    check_pool([name for corpus in pools for name in corpus.voices()], settings.pretrain)
    read = [read_frames(corpus, settings.features, resources) for corpus in pools]
    for corpus, table in read:
        tell_of(corpus)
        for line in of_several_names(corpus, table.contents):
            tell(line)
    parts = [(table, tuple(corpus.table["utterance"])) for corpus, table in read]
    normaliser = fit_normaliser(
        (table.frames(name) for table, names in parts for name in names),
        stride=settings.encoder.stride,
    )
    job = _Job(parts, normaliser, settings, [v for corpus, _ in read for v in corpus.voices()])
    with (
        _team(resources.processes, job) as team,
        Progress(shown=resources.progress and team.leads) as progress,
    ):
        progress.add(EPOCHS, settings.pretrain.max_epochs)
        result = _train(job, team, out, progress)
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
    if team.leads:
        encoder.save(out, write_card(facts, [corpus for corpus, _ in read]))
    return encoder


@dataclass(frozen=True)
class _Job:
    """A pre-training, as every process of a team does it."""

    parts: Parts
    normaliser: Normaliser
    settings: PretrainSettings
    speakers: list[str | None]

    def run(
        self, team: Team, folder: Path, report: Callable[[Epoch], None] = lambda epoch: None
    ) -> Pretraining:
        """Only the leader reads and writes the folder."""
        return pretrain_encoder(
            normalise(self.parts, self.normaliser),
            shape=self.settings.encoder,
            settings=self.settings.pretrain,
            seed=self.settings.seed,
            speakers=self.speakers,
            speech=speech_of(self.parts),
            folder=folder if team.leads else None,
            report=report,
            team=team,
        )


def _pretrain_beside(team: Team, job: _Job) -> None:
    job.run(team, Path())


def _team(processes: int, job: _Job) -> contextlib.AbstractContextManager[Team]:
    """The processes that train together; on a cluster one, on one of its nodes.

    Raises:
        UndertoneError: several are asked for there.
    """
    if not jobs.cores_elsewhere():
        return together.team(processes, _pretrain_beside, job)
    if processes > 1 or together.started_by_torchrun():
        raise UndertoneError(
            "--cluster pre-trains by one process of one node: leave --processes out, or leave "
            "--cluster out and start the processes of several machines by torchrun"
        )
    return contextlib.nullcontext(ALONE)


def _train(job: _Job, team: Team, out: Path, progress: Progress) -> Pretraining:
    """The one place that says where a pre-training runs: here, or on a node of a cluster."""
    if jobs.cores_elsewhere():
        return jobs.one(_train_there, job, out, advance=progress.advance, folder=out)
    return job.run(team, out, lambda epoch: progress.advance(EPOCHS))


def _train_there(job: _Job, out: Path) -> Pretraining:
    return job.run(ALONE, out, lambda epoch: jobs.report(EPOCHS))


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
        unlabelled: more speech: for the scale of a crowd, and for a teacher to guess.
        settings: of the step.
        resources: of the machine.

    Returns:
        The recogniser, trained on all the labels allowed, and the score of the same recipe on
        speakers it did not know, by cross-validation or on a vault; None where ``folds`` is 0.
    """
    settings, resources, out = settings or FinetuneSettings(), resources or Resources(), Path(out)
    check_free(out, RECOGNISER, beside=None if encoder is None else Path(encoder))
    pretrained = load_encoder(encoder) if encoder is not None else None
    with device.using(resources.device), atomic.held(out):
        return _finetune(
            corpus,
            [opened(other) for other in unlabelled],
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
    heard = with_proxy(opened(corpus), settings.proxy, settings.task)
    if settings.across.asked:
        heard = _beside_tested(heard, settings)
    if settings.text.transcripts:
        heard = with_transcripts(heard, settings.text.transcripts)
    vault = _vault(corpus, settings)
    heard = vault.without_truth(heard) if vault else heard
    wanted = pretrained.inputs.features if pretrained else settings.features
    task, features = settle(heard, settings.task, wanted)
    task = vault.as_task(task) if vault else task
    check_encoders(features, settings.teacher)
    if pretrained is None and resources.progress:
        tell_of_encoders(heard, features, taught=bool(settings.teacher))
    settings = _unmeasured_of_one_speaker(heard, task, settings)
    checked = vault is None and SENTENCE not in settings.disjoint
    if checked and not settings.text.model:  # sentences that the test says go with the words
        Build(without_frames(heard, task, others), features, pretrained, settings).check()
    system = system_of(
        *(task, settings.system, features),
        pretrained=pretrained is not None,
        words=bool(settings.text.model),
    )
    data = read_data(
        *(heard, features, task, resources),
        frames=not system.reads_means,
        teacher=settings.teacher,
        others=others,
        text=settings.text,
        guard=Guard(settings.allow, settings.disjoint, vault.speakers if vault else ()),
    )
    sealed = Sealed(vault, str(corpus)) if vault else None
    build = Build(data, features, pretrained, settings, sealed)
    if build.makes_copies:
        build = replace(build, data=with_copies(data, features, resources))
    findings = check(
        data.corpus, data.frames.contents, folds=build.folds[:-1], features=str(features)
    )
    tell_findings(findings)
    with Progress(shown=resources.progress) as progress:
        progress.add("fits", len(build.folds))
        score = build.cross_validate(progress) if settings.folds or vault else None
        recogniser = build.fit_all()
        progress.advance("fits")
    for line in teaching_warnings(recogniser.notes):
        tell(line)
    joined = [m.corpus for m in data.corpus.members]
    read = [*(joined or [data.corpus]), *(other for other, _ in data.others)]
    notes = recogniser.notes | {PUBLISHED: published(score, read)}
    card = write_card(build.facts(score, recogniser, findings), read)
    recogniser = replace(recogniser, notes=notes, card=card)
    recogniser.save(out, card)
    return recogniser, score


def _unmeasured_of_one_speaker(
    corpus: Corpus, task: Task, settings: FinetuneSettings
) -> FinetuneSettings:
    """The same without a score, where there is nobody else to test it on."""
    if settings.vault or settings.across.asked or not settings.folds:
        return settings
    known = labelled_rows(corpus, task)["speaker"].dropna().unique()
    if len(known) != 1:
        return settings
    tell(
        f"warning: all labels of {corpus.name} are of one speaker, {known[0]}: the model is made, "
        "and how good it is for any other voice cannot be measured and may be little; labels of "
        "a second speaker give it a score"
    )
    return replace(settings, folds=0)


def _beside_tested(first: Corpus, settings: FinetuneSettings) -> Corpus:
    """The corpora to learn from and those to test, joined."""
    across_ = settings.across
    others = [
        with_proxy(corpora.open(spec), settings.proxy, settings.task)
        for spec in (*across_.beside, *across_.test)
    ]
    taught = 1 + len(across_.beside)
    return across.join([first, *others], taught, task=settings.task, settings=across_)


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
