"""Distillation from the name of an encoder to a folder, and whether it was worth it.

In:  an encoder, how many layers the student keeps, unlabelled corpora.
Out: a folder that every door takes as an encoder; the loss beside that of saying the mean; and on a
     labelled corpus the student beside its own untouched start, paired.

The pool is cut into pieces of a few seconds, which are utterances of the frame store: an encoder
whose positions begin anew with each recording (Whisper) says other things of a part than of the
whole, so that teacher and student hear the very same piece.
"""

import hashlib
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from undertone import audio, corpora, device
from undertone.atomic import check_free, held
from undertone.config import check_ranges
from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import known_speakers
from undertone.errors import UndertoneError, describe_some
from undertone.evaluation.estimate import Estimate
from undertone.evaluation.worth import no_gain
from undertone.experiment.keep import KeepSettings, Trial, check_labels
from undertone.features.name import EVERY, PREFIX
from undertone.features.upstream.batches import build
from undertone.features.upstream.cut import Distilled
from undertone.features.upstream.shrink import find_whole, shrink, write_trained
from undertone.features.upstream.source import Upstream, find
from undertone.progress import Progress
from undertone.reading import Resources, extract, read_data, settle, tell_of
from undertone.systems.layers import Layers
from undertone.training import distil as training
from undertone.training.distil import Crops, DistilConfig

SHORTEST_S = 0.2  # of a piece at the end of an utterance
SHORT = 16  # characters of a digest that tell recordings apart
STEPS = "distillation"


@dataclass(frozen=True)
class DistilSettings:
    """Settings of the step ``distill``."""

    seed: int = 0
    distil: DistilConfig = field(default_factory=DistilConfig)

    def __post_init__(self) -> None:
        check_ranges(self, seed=(0, 2**62))


@dataclass(frozen=True)
class Made:
    """A distilled encoder.

    Attributes:
        encoder: in its folder.
        start: the untouched one that it began as, kept beside it.
        losses: of the training.
    """

    encoder: Upstream
    start: Upstream
    losses: training.Distilled


def distill(
    name: str,
    unlabelled: Sequence[str],
    out: Path | str,
    *,
    layers: int,
    settings: DistilSettings | None = None,
    resources: Resources | None = None,
) -> Made:
    """Write an encoder of fewer layers that was trained to say what the whole one says.

    Args:
        name: of the whole encoder: ``upstream:MODEL``, or a folder.
        unlabelled: corpora of the pool.
        out: a folder that is not there yet. What a stopped run needs to go on lies beside it.
        layers: that the student keeps.
        settings: of the step.
        resources: of the machine.

    Raises:
        UndertoneError: there is no such encoder, the pool is too small, ``out`` is there, or
            another process distils to it.
    """
    settings, resources, out = settings or DistilSettings(), resources or Resources(), Path(out)
    check_free(out)
    with device.using(resources.device), held(_work(out)):
        return _distill(
            name, unlabelled, out, layers=layers, settings=settings, resources=resources
        )


def _distill(
    name: str,
    unlabelled: Sequence[str],
    out: Path,
    *,
    layers: int,
    settings: DistilSettings,
    resources: Resources,
) -> Made:
    """With the folder of the work held."""
    teacher, work = find_whole(name), _work(out)
    targets = _targets(settings.distil, teacher)
    start = _start(name, work / "start", layers)
    opened = [corpora.open(text) for text in unlabelled]
    for corpus in opened:
        tell_of(corpus)
    pools = [_in_pieces(corpus, settings.distil.crop_s) for corpus in opened]
    crops = _Pool(pools, teacher, targets, resources).crops()
    encoder = build(start)
    with Progress(shown=resources.progress) as progress:
        begun = False

        def tell(done: int, total: int) -> None:
            nonlocal begun
            if begun:
                progress.advance(STEPS)
            else:
                progress.add(STEPS, total, done)
                begun = True

        losses = training.distil(
            encoder,
            crops,
            settings=settings.distil,
            seed=settings.seed,
            folder=work,
            tell=tell,
        )
    made = write_trained(encoder.module, start, _heard(pools, targets, settings.distil.passes), out)
    return Made(made, start, losses)


def clear(out: Path | str) -> None:
    """Take away what a stopped run would have needed, and the untouched start."""
    shutil.rmtree(_work(Path(out)), ignore_errors=True)


def _work(out: Path) -> Path:
    """What a stopped run needs to go on."""
    return out.with_name(f".{out.name}.distilling")


def check_beside(unlabelled: Sequence[str], corpus: str, settings: KeepSettings) -> None:
    """Refuse, before anything is trained, what ``beside_start`` would refuse after it.

    Raises:
        UndertoneError: the pool holds recordings or speakers of the corpus, or the corpus has too
            few speakers or labels.
    """
    opened = _measured(corpus)
    task, _ = settle(opened, settings.task, "")
    check_labels(opened, task, settings)
    pool = _heard([corpora.open(text) for text in unlabelled], (), 0)
    if shared := _shared(opened, pool):
        raise UndertoneError(
            f"--unlabelled {', '.join(pool.pools)} holds {shared} of {opened.name}: what it is "
            "worth cannot be told on speech that the student hears; name other speech for the pool "
            "or another --corpus"
        )


def beside_start(
    made: Made, corpus: str, settings: KeepSettings, resources: Resources
) -> list[tuple[str, ...]]:
    """Student and untouched start with the recommended system: rows of a table, paired.

    Raises:
        UndertoneError: the pool held recordings or speakers of the corpus.
    """
    opened = _measured(corpus)
    refuse_heard(opened, [made.encoder])
    trials = []
    for encoder in (made.encoder, made.start):
        task, features = settle(opened, settings.task, f"{PREFIX}{encoder.folder}@{EVERY}")
        trials.append(Trial(read_data(opened, features, task, resources), settings))
    with Progress(shown=resources.progress) as progress:
        progress.add("fits", sum(len(trial.plan.cells) for trial in trials))
        student, start = (
            trial.predict(made.encoder.n_layers - 1, lambda: progress.advance("fits"))
            for trial in trials
        )
    gains = trials[0].gains(student, start)
    scores = trials[0].scores({"distilled": student, "untouched start": start})
    rows = [(label, *map(str, estimates)) for label, estimates in scores.items()]
    return [
        *rows,
        ("distilled − untouched start", *(gain.signed() for gain in gains)),
        ("worth it", *(verdict(gain, trials[0].data.task.negligible) for gain in gains)),
    ]


def _measured(corpus: str) -> Corpus:
    """The utterances of known speakers, which are cross-validated whatever partition there is."""
    return replace(known_speakers(corpora.open(corpus)), official_folds=False)


def verdict(gain: Estimate, negligible: float) -> str:
    """Whether a paired gain is one; below ``negligible`` it would not be worth naming.

    >>> verdict(Estimate(0.03, 0.01, 0.05, 10), 0.02), verdict(Estimate(0.0, -0.03, 0.01, 10), 0.02)
    ('worth it', 'worth nothing here (less than .020)')
    """
    if not gain.has_interval:
        return "not known"
    return "worth it" if gain.low > 0 else no_gain(gain, negligible)


def refuse_heard(corpus: Corpus, encoders: Sequence[Upstream]) -> None:
    """Refuse to test speakers whose speech an encoder was distilled on.

    Raises:
        UndertoneError: the pool of an encoder held their recordings, or them by name.
    """
    for encoder in encoders:
        pool = encoder.cut.distilled if encoder.cut else None
        if pool is None:
            continue
        if shared := _shared(corpus, pool):
            raise UndertoneError(
                f"the encoder in {encoder.folder} was distilled on {', '.join(pool.pools)}, which "
                f"held {shared} of {corpus.name}: no score on them would be honest; distil on "
                "other speech, test another corpus, or say --transductive"
            )


def _shared(corpus: Corpus, pool: Distilled) -> str:
    """Speakers or recordings of a corpus that a pool holds, in words; empty where none are."""
    voices = {voice for voice in corpus.voices() if voice is not None}
    if known := sorted(voices & set(pool.speakers)):
        return f"the speakers {describe_some(known)}"
    files = _digests(corpus).keys() & set(pool.audio)
    return f"{len(files)} recordings" if files else ""


def _start(name: str, folder: Path, layers: int) -> Upstream:
    """The cut encoder, untouched; the one that a stopped run left."""
    if not folder.is_dir():
        return shrink(name, folder, layers=layers)
    start, whole = find(f"{PREFIX}{os.path.abspath(folder)}@{EVERY}"), find_whole(name)
    digest = whole.cut.original_digest if whole.cut else whole.digest
    if start.n_layers - 1 != layers or start.cut is None or start.cut.original_digest != digest:
        raise UndertoneError(
            f"{folder.parent} holds a stopped distillation of another encoder or number of layers; "
            "repeat its command, choose another --out, or delete that folder"
        )
    return start


def _targets(settings: DistilConfig, teacher: Upstream) -> tuple[int, ...]:
    """Layers of the teacher, counted as its states are: 0 enters the first layer."""
    last = teacher.n_layers - 1
    thirds = (max(1, round(last * third / 3)) for third in (1, 2, 3))
    targets = settings.targets or tuple(dict.fromkeys(thirds))
    if wrong := [layer for layer in targets if not 0 <= layer <= last]:
        raise UndertoneError(
            f"the teacher has the layers 0 to {last}, found distil.targets "
            f"{', '.join(map(str, wrong))}"
        )
    return targets


def _in_pieces(corpus: Corpus, most_s: float) -> Corpus:
    """The corpus with each utterance cut into pieces of at most so many seconds."""
    rows = []
    for row in corpus.table.to_dict("records"):
        start_s = 0.0 if math.isnan(row["start_s"]) else row["start_s"]
        end_s = row["end_s"]
        if math.isnan(end_s):
            waveform = audio.read(corpus.root / row["file"], start_s=start_s)
            end_s = start_s + len(waveform) / audio.SAMPLE_RATE
        n_pieces = max(1, math.ceil((end_s - start_s) / most_s))
        bounds = np.linspace(start_s, end_s, n_pieces + 1).round(3)
        for i in range(n_pieces):
            if bounds[i + 1] - bounds[i] >= SHORTEST_S:
                piece = {"start_s": float(bounds[i]), "end_s": float(bounds[i + 1])}
                rows.append(row | piece | {"utterance": f"{row['utterance']}#{i}"})
    if not rows:
        raise UndertoneError(
            f"{corpus.name} holds no piece of {SHORTEST_S:g} s or longer: give more speech"
        )
    return replace(corpus, table=pd.DataFrame(rows), official_folds=False)


class _Pool:
    """Pieces of all corpora with what the teacher says of them."""

    def __init__(
        self,
        pools: Sequence[Corpus],
        teacher: Upstream,
        targets: tuple[int, ...],
        resources: Resources,
    ) -> None:
        every = f"{PREFIX}{teacher.folder}@{EVERY}"
        self.targets, self.pieces = targets, list[tuple[Path, float, float, Layers, str]]()
        keys = []
        for pool in pools:
            table = extract(pool, every, resources)
            layers = Layers(table, table, teacher.n_layers, range(teacher.n_layers))
            for row in pool.table.to_dict("records"):
                if (name := row["utterance"]) in table.source:
                    place = (pool.root / row["file"], row["start_s"], row["end_s"])
                    self.pieces.append((*place, layers, name))
                    keys.append(table.keys[name])
        self.identity = hashlib.sha256(repr((teacher.digest, targets, keys)).encode()).hexdigest()
        self.mean, self.sd = self._moments()

    def crops(self) -> Crops:
        """What training reads."""
        return Crops(
            lengths=[self._states(i).shape[1] for i in range(len(self.pieces))],
            waveform=self._waveform,
            target=self._target,
            identity=self.identity,
        )

    def _waveform(self, i: int) -> np.ndarray:
        path, start_s, end_s, _, _ = self.pieces[i]
        return audio.read(path, start_s=start_s, end_s=end_s)

    def _states(self, i: int) -> np.ndarray:
        *_, layers, name = self.pieces[i]
        return np.stack([layers.frames(layer, name) for layer in self.targets])

    def _target(self, i: int) -> np.ndarray:
        """(n_targets, n_frames, width) z-scores, cut off."""
        scored = (self._states(i) - self.mean) / self.sd
        return np.clip(scored, -training.FURTHEST, training.FURTHEST).astype(np.float32)

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """(n_targets, 1, width) mean and standard deviation over all frames."""
        count, total, squares = 0, 0.0, 0.0
        for i in range(len(self.pieces)):
            states = self._states(i).astype(np.float64)
            count += states.shape[1]
            total = total + states.sum(axis=1, keepdims=True)
            squares = squares + (states**2).sum(axis=1, keepdims=True)
        mean = np.asarray(total / max(count, 1))
        variance = np.maximum(squares / max(count, 1) - mean**2, 1e-12)
        return mean, np.sqrt(variance)


def _heard(pools: Sequence[Corpus], targets: tuple[int, ...], passes: int) -> Distilled:
    voices = {voice for pool in pools for voice in pool.voices() if voice is not None}
    digests = {digest for pool in pools for digest in _digests(pool)}
    return Distilled(
        pools=tuple(pool.name for pool in pools),
        speakers=tuple(sorted(voices)),
        audio=tuple(sorted(digests)),
        targets=targets,
        passes=passes,
    )


def _digests(corpus: Corpus) -> dict[str, str]:
    """File by a short digest of its bytes."""
    files = sorted(set(corpus.table["file"]))
    return {digest: file for file in files for digest in _digest(corpus.root / file)}


def _digest(path: Path) -> Iterator[str]:
    if path.is_file():
        with path.open("rb") as file:
            yield hashlib.file_digest(file, "sha256").hexdigest()[:SHORT]
