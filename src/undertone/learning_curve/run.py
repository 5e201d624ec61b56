"""A learning curve, run or gone on with.

In:  one labelled corpus, any number of unlabelled ones, settings, the folder of the run.
Out: in that folder ``report.html``, ``curve.png``, ``results.parquet`` (one row a fit and metric),
     ``predictions.parquet``, ``config.toml`` that reruns it, and ``test_looks.jsonl``, a line for
     each time that the test speakers' truth was read. A run that was stopped goes on where it was.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from undertone import config, corpora, run_folder
from undertone.corpora import emobox
from undertone.corpora.audit import audit_fold
from undertone.corpora.corpus import Corpus
from undertone.corpora.pool import Pool, pool
from undertone.corpora.splits import Fold, draw_labels, largest_budget, speaker_folds
from undertone.corpora.tasks import classes
from undertone.evaluation.report import write_report
from undertone.evaluation.results import CurveResult, Pair, Source, results_table
from undertone.features import extractors
from undertone.features.store import FrameTable
from undertone.features.upstream.source import asks_to_choose, with_every_layer
from undertone.learning_curve.settings import ALL, CurveSettings
from undertone.pipeline import Resources, open_layers, read_frames, usable
from undertone.processes import available_cores
from undertone.progress import Progress
from undertone.training.layers import Layers
from undertone.training.sweep import (
    Cell,
    Plan,
    collect,
    read_layers,
    read_pretrainings,
    sweep,
)
from undertone.training.systems import SYSTEMS

PAIRS = (
    Pair("combined", "combined_random", "beside descriptors"),
    Pair("pretrained_full", "scratch", "all weights trained"),
    Pair("pretrained_frozen", "random_frozen", "encoder frozen"),
    Pair(  # the published comparison: it also changes what is trained
        "pretrained_frozen", "scratch", "frozen against trained from scratch", like_with_like=False
    ),
)


def curve(settings: CurveSettings, out: Path | str, resources: Resources | None = None) -> Path:
    """Run, or go on with, a learning curve.

    Args:
        settings: of the run.
        out: folder of the run; created, or holding the same run.
        resources: of the machine; they change no number.

    Returns:
        The report.

    Raises:
        UndertoneError: the corpora cannot be read, a budget cannot be met, or the folder holds
            another run.
    """
    resources, seconds = resources or Resources(), {}
    began = time.monotonic()
    run = open_run(settings, out, resources)
    seconds["features"] = time.monotonic() - began
    plan = run.plan()
    run_folder.claim(run.out, run.settings, plan.digest())
    began = time.monotonic()
    with Progress(shown=resources.progress) as progress:
        sweep(plan, workers=resources.workers or available_cores(), progress=progress)
    seconds["training"] = time.monotonic() - began
    return run.write(plan, seconds)


def open_run(settings: CurveSettings, out: Path | str, resources: Resources) -> "Run":
    """Read the corpora and their frames; nothing is trained and nothing written to the folder.

    Raises:
        UndertoneError: as ``curve``.
    """
    settings = _with_absolute_paths(settings)
    run_folder.check(Path(out), settings)
    opened, features = corpora.open(settings.corpus), _frames_name(settings.features)
    layers = open_layers(opened, settings.features, resources)
    labelled, frames = read_frames(opened, features, resources)
    unlabelled = tuple(
        read_frames(corpora.open(name), features, resources) for name in settings.unlabelled
    )
    return Run(settings, Path(out), usable(labelled), frames, unlabelled, layers)


def _with_absolute_paths(settings: CurveSettings) -> CurveSettings:
    """So that the run's settings file repeats it from any folder."""
    files = settings.fold_files
    return replace(
        settings,
        features=extractors.settled(settings.features),
        fold_files=os.path.abspath(Path(files).expanduser()) if files else "",
        corpus=corpora.with_absolute_path(settings.corpus),
        unlabelled=tuple(map(corpora.with_absolute_path, settings.unlabelled)),
    )


@dataclass(frozen=True)
class Run:
    """A run whose corpora are read and whose frames are there."""

    settings: CurveSettings
    out: Path
    corpus: Corpus  # every utterance with emotion, speaker and frames
    frames: FrameTable
    unlabelled: tuple[tuple[Corpus, FrameTable], ...]
    layers: Layers | None = None  # of the corpus, where a pre-trained encoder gives the frames

    @cached_property
    def folds(self) -> list[Fold]:
        if self.settings.fold_files:
            return emobox.disjoint_folds(Path(self.settings.fold_files), self.corpus)
        return speaker_folds(self.corpus, self.settings.folds, self.settings.seed)

    @cached_property
    def budgets(self) -> tuple[int, ...]:
        """Numbers of labels; all of them by the number of the fold that has the most."""
        asked = self.settings.budgets
        return tuple(dict.fromkeys(self._all if budget == ALL else int(budget) for budget in asked))

    @cached_property
    def _all(self) -> int:
        """The number that stands for all labels; 0 where they are not asked for."""
        if ALL not in self.settings.budgets:
            return 0
        return max(largest_budget(self.corpus, fold) for fold in self.folds)

    @cached_property
    def pools(self) -> list[Pool]:
        others = [corpus for corpus, _ in self.unlabelled]
        transductive = self.settings.transductive
        return [pool(self.corpus, others, fold, transductive=transductive) for fold in self.folds]

    def plan(self) -> Plan:
        """Which labels each fit sees and which utterances it predicts."""
        rows, emotions = self.corpus.table, classes(self.corpus.emotions).outputs
        position = {name: i for i, name in enumerate(emotions)}
        speaker = dict(zip(rows["utterance"], rows["speaker"], strict=True))
        tables = [self.frames, *(table for _, table in self.unlabelled)]
        return Plan(
            frames=self.frames,
            pools={
                fold.index: tuple(
                    (table, tuple(part.utterances))
                    for table, part in zip(tables, pool.parts, strict=True)
                )
                for fold, pool in zip(self.folds, self.pools, strict=True)
            },
            tests={
                fold.index: tuple(
                    sorted(rows.loc[rows["speaker"].isin(fold.test_speakers), "utterance"])
                )
                for fold in self.folds
            },
            cells=tuple(self._cells()),
            systems=self.settings.systems,
            emotion={
                u: position[e] for u, e in zip(rows["utterance"], rows["emotion"], strict=True)
            },
            speaker=speaker,
            n_classes=len(emotions),
            shape=self.settings.encoder,
            pretraining=self.settings.pretrain,
            finetuning=self.settings.finetune,
            discriminant=self.settings.discriminant,
            crowds={
                fold.index: {name: speaker[name] for name in pool.parts[0].utterances}
                for fold, pool in zip(self.folds, self.pools, strict=True)
            },
            seed=self.settings.seed,
            folder=self.out,
            cnn=self.settings.cnn,
            image_network=self.settings.image_network,
            layers=self.layers,
            pool_speakers={
                fold.index: pool.speakers for fold, pool in zip(self.folds, self.pools, strict=True)
            },
        )

    def write(self, plan: Plan, seconds: dict[str, float]) -> Path:
        """Everything a person or a program reads of a finished run."""
        run_folder.log_look(self.out)
        result = self._result(plan, seconds)
        run_folder.write_parquet(self.out / "results.parquet", results_table(result))
        run_folder.write_parquet(self.out / "predictions.parquet", result.predictions)
        write_report(result, self.out / "report.html")
        return self.out / "report.html"

    def _cells(self) -> Iterator[Cell]:
        for fold in self.folds:
            most = largest_budget(self.corpus, fold)
            for draw in range(self.settings.draws):
                for budget in self.budgets:
                    labels = draw_labels(
                        self.corpus,
                        fold,
                        budget=most if budget == self._all else budget,
                        draw=draw,
                        seed=self.settings.seed,
                    )
                    yield Cell(
                        fold.index, draw, budget, tuple(labels.train), tuple(labels.validation)
                    )

    def _result(self, plan: Plan, seconds: dict[str, float]) -> CurveResult:
        settings = self.settings
        return CurveResult(
            title=f"Learning curve of {self.corpus.name}",
            sources=tuple(self._sources()),
            emotions=classes(self.corpus.emotions).outputs,
            predictions=self._predictions(plan),
            systems=tuple(s for s in SYSTEMS if s.name in settings.systems),
            pairs=tuple(p for p in PAIRS if {p.pretrained, p.scratch} <= set(settings.systems)),
            budgets=self.budgets,
            n_draws=settings.draws,
            folds=tuple(fold.test_speakers for fold in self.folds),
            left_out=self._left_out(),
            settings=config.to_toml(settings),
            seeds={"run": settings.seed, "bootstrap": 0},
            versions=run_folder.versions(),
            command=f"undertone curve --config {self.out / 'config.toml'} --out FOLDER",
            pretraining=_pretraining_table(plan),
            seconds=seconds,
            warnings=tuple(self._warnings()),
            transductive=settings.transductive,
            notes=tuple(_layer_notes(plan)),
        )

    def _predictions(self, plan: Plan) -> pd.DataFrame:
        """Predictions with the truth beside them, joined on the utterance."""
        emotions = classes(self.corpus.emotions).outputs
        found = collect(plan)
        found["prediction"] = found["prediction"].map(dict(enumerate(emotions)))
        found = found.rename(columns={f"p_{i}": f"p_{e}" for i, e in enumerate(emotions)})
        truth = self.corpus.table[["utterance", "speaker", "emotion"]]
        truth = truth.rename(columns={"emotion": "truth"})
        return found.merge(truth, on="utterance", how="left", validate="many_to_one")

    def _sources(self) -> Iterator[Source]:
        roles = ["labelled", *["unlabelled pool"] * len(self.unlabelled)]
        for corpus, role in zip(self._corpora(), roles, strict=True):
            yield Source(
                name=corpus.name,
                role=role,
                licence=corpus.licence,
                citation=corpus.citation,
                synthetic=corpus.synthetic,
                n_utterances=len(corpus),
                n_speakers=len(corpus.speakers),
            )

    def _corpora(self) -> list[Corpus]:
        return [self.corpus, *(corpus for corpus, _ in self.unlabelled)]

    def _warnings(self) -> list[str]:
        """What the audit of the folds finds, each finding once."""
        found = [text for fold in self.folds for text in audit_fold(self.corpus, fold).findings()]
        return list(dict.fromkeys(found))

    def _left_out(self) -> pd.DataFrame:
        """One row a corpus and reason; a pool's exclusions are counted over the folds."""
        rows = [
            (corpus.name, reason, count)
            for corpus in self._corpora()
            for reason, count in corpus.reasons().items()
        ]
        counts = Counter(
            (part.corpus.name, f"from the pool: {reason}")
            for pool in self.pools
            for part in pool.parts
            for reason in part.left_out.values()
        )
        rows += [(name, f"{why} (sum over folds)", n) for (name, why), n in counts.items()]
        return pd.DataFrame(rows, columns=["corpus", "reason", "utterances"])


def _frames_name(features: str) -> str:
    """The extractor whose frames are read: of all layers where one is to be chosen."""
    return with_every_layer(features) if asks_to_choose(features) else features


def _layer_notes(plan: Plan) -> Iterator[str]:
    """How often the fits chose which layer, a sentence a budget; nothing where none was chosen."""
    found = read_layers(plan)
    if plan.layers is None or len(plan.layers.candidates) == 1 or found.empty:
        return
    yield (
        f"Each fit chose one of {len(plan.layers.candidates)} layers of the encoder by "
        "cross-validation of a linear model on its own labels, by speaker where there were enough; "
        "linear, SVM and CNN saw that layer."
    )
    cells = found.drop_duplicates(["fold", "draw", "budget"])
    for budget, rows in cells.groupby("budget"):
        counts = rows["layer"].value_counts().sort_index()
        chosen = ", ".join(f"layer {layer} in {count}" for layer, count in counts.items())
        yield f"With {budget} labels, {len(rows)} fits chose: {chosen}."


def _pretraining_table(plan: Plan) -> pd.DataFrame:
    rows = [
        (fold, len(found.history), found.best.epoch + 1, round(found.best.held_out_loss, 4))
        for fold, found in read_pretrainings(plan).items()
    ]
    return pd.DataFrame(rows, columns=["fold", "epochs", "best epoch", "held-out loss"])
