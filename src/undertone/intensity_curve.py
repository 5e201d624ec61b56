"""Intensities with 20 to 2,000 labels on CMU-MOSEI's official folds: what is pre-training worth?

In:  CMU-MOSEI, settings, the folder of the run.
Out: an ``IntensityResult``, and in the folder ``report.html``, ``results.parquet`` (one row a fit,
     metric and emotion), ``predictions.parquet``, ``config.toml`` that reruns it, and
     ``test_looks.jsonl``. A run that was stopped goes on where it was.

Encoders are pre-trained on the official training videos, labels are drawn from them, validation
inside the budget; the official test videos are predicted. The official validation videos are not
used: whatever is chosen is chosen inside the budget.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from undertone import config, corpora, run_folder
from undertone.config import check_ranges
from undertone.corpora import mosei
from undertone.corpora.corpus import Corpus
from undertone.corpora.splits import draw_anyhow
from undertone.corpora.tasks import INTENSITIES
from undertone.errors import UndertoneError
from undertone.evaluation.intensity_claims import Claims
from undertone.evaluation.intensity_curves import N_REPLICATES, IntensityCurves, Key, trace
from undertone.evaluation.intensity_report import IntensityResult, results_table, write_report
from undertone.evaluation.results import Source
from undertone.features.store import FrameTable
from undertone.pipeline import Resources, read_frames
from undertone.processes import available_cores
from undertone.progress import Progress
from undertone.training.encoder import EncoderConfig
from undertone.training.intensities import FITS, SYSTEMS, IntensityConfig
from undertone.training.pretrain import PretrainConfig
from undertone.training.sweep import Cell, Plan, read_fit, read_pretrainings, sweep

FEATURES = "covarep"
FOLD = 0  # the official one
READING, SCORING = "corpora read", "scores"
NEEDED = frozenset({"scratch", "always_0", "median", "mean"})
BY_VIDEO = (
    "CMU-MOSEI does not say who speaks: videos are resampled, and one person in several videos "
    "would make the intervals too narrow."
)


@dataclass(frozen=True)
class IntensitySettings:
    """Settings of a run on intensities."""

    corpus: str
    budgets: tuple[int, ...] = (20, 50, 100, 200, 500, 1000, 2000)
    draws: int = 10
    seed: int = 0
    replicates: int = N_REPLICATES  # of the bootstrap
    systems: tuple[str, ...] = tuple(FITS)
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(stride=1))
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    finetune: IntensityConfig = field(default_factory=IntensityConfig)

    def __post_init__(self) -> None:
        if unknown := set(self.systems) - set(FITS):
            raise UndertoneError(
                f"there is no system {', '.join(sorted(unknown))}; there are {', '.join(FITS)}"
            )
        if lacking := NEEDED - set(self.systems):
            raise UndertoneError(
                f"systems must hold {', '.join(sorted(lacking))}: no curve without its floors and "
                "the network that was not pre-trained"
            )
        for name in ("systems", "budgets"):
            if len(set(values := getattr(self, name))) < len(values):
                raise UndertoneError(f"{name} holds something twice: {', '.join(map(str, values))}")
        if not self.budgets or min(self.budgets) < 2:
            raise UndertoneError(f"budgets are numbers of labels from 2 on, found {self.budgets}")
        check_ranges(self, draws=(1, math.inf), seed=(0, 2**62), replicates=(2, math.inf))


@dataclass(frozen=True)
class Paper:
    """What a run is set beside."""

    title: str
    citation: str
    command: str  # that reproduces it
    claims: Claims


def intensity_curve(
    settings: IntensitySettings, out: Path | str, paper: Paper, resources: Resources | None = None
) -> IntensityResult:
    """Run, or go on with, a run on intensities.

    Args:
        settings: of the run.
        out: folder of the run; created, or holding the same run.
        paper: what was published and claimed.
        resources: of the machine; they change no number.

    Raises:
        UndertoneError: the corpus cannot be read, a budget cannot be met, or the folder holds
            another run.
    """
    out, resources, seconds = Path(out), resources or Resources(), {}
    settings = replace(settings, corpus=corpora.with_absolute_path(settings.corpus))
    run_folder.check(out, settings)
    began = time.monotonic()
    with Progress(shown=resources.progress) as progress:
        progress.add(READING, 1)
        corpus = corpora.open(settings.corpus)
        progress.advance(READING)
    run = _Run(settings, out, *read_frames(corpus, FEATURES, resources))
    plan = run.plan()
    run_folder.claim(out, settings, plan.digest())
    seconds["features"] = time.monotonic() - began
    workers = resources.workers or available_cores()
    began = time.monotonic()
    with Progress(shown=resources.progress) as progress:
        sweep(plan, workers=workers, progress=progress)
        seconds["training"] = time.monotonic() - began
        began = time.monotonic()
        curves = run.score(plan, workers, progress)
        seconds["evaluation"] = time.monotonic() - began
    return run.write(plan, curves, paper, seconds=seconds)


@dataclass(frozen=True)
class _Run:
    """A run whose corpus is read and whose frames are there."""

    settings: IntensitySettings
    out: Path
    corpus: Corpus
    frames: FrameTable

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Utterances with frames of the official folds."""
        return mosei.by_split(self.corpus)

    def plan(self) -> Plan:
        """Which labels each fit sees and which utterances it predicts."""
        parts, rows = self.parts, self.corpus.table
        for name in ("train", "test"):
            if not parts[name]:
                raise UndertoneError(
                    f"no segment of the official {name} videos in {self.corpus.root} has frames: "
                    "are the features, the labels and the folds of the same release?"
                )
        labels = rows[list(INTENSITIES)].to_numpy(float)
        return Plan(
            frames=self.frames,
            pools={FOLD: ((self.frames, parts["train"]),)},
            pool_speakers={FOLD: self.corpus.voices(parts["train"])},
            tests={FOLD: parts["test"]},
            cells=tuple(self._cells()),
            systems=self.settings.systems,
            emotion=dict(zip(rows["utterance"], map(tuple, labels.tolist()), strict=True)),
            speaker=dict(zip(rows["utterance"], rows["speaker"], strict=True)),
            n_classes=len(INTENSITIES),
            shape=self.settings.encoder,
            pretraining=self.settings.pretrain,
            finetuning=self.settings.finetune,
            seed=self.settings.seed,
            folder=self.out,
            task="intensities",
        )

    def score(self, plan: Plan, workers: int, progress: Progress) -> IntensityCurves:
        """Every system at every budget against the test videos."""
        run_folder.log_look(self.out)
        test = self._rows(plan.tests[FOLD])
        predictions = {
            (system, budget): self._predicted(plan, (system, budget))
            for system in self.settings.systems
            for budget in self.settings.budgets
        }
        progress.add(SCORING, len(predictions))
        return trace(
            predictions,
            truth=test[list(INTENSITIES)].to_numpy(float),
            speakers=test["speaker"].tolist(),
            emotions=INTENSITIES,
            n_replicates=self.settings.replicates,
            workers=workers,
            advance=lambda: progress.advance(SCORING),
        )

    def write(
        self, plan: Plan, curves: IntensityCurves, paper: Paper, *, seconds: dict[str, float]
    ) -> IntensityResult:
        """Everything a person or a program reads of a finished run."""
        result = IntensityResult(
            title=paper.title,
            sources=(self._source(),),
            curves=curves,
            systems=tuple(s for s in SYSTEMS if s.name in self.settings.systems),
            claims=paper.claims,
            citation=paper.citation,
            n_draws=self.settings.draws,
            counts=self._counts(),
            pretraining=_pretraining_table(plan),
            settings=config.to_toml(self.settings),
            versions=run_folder.versions(),
            command=f"{paper.command} --config {self.out / 'config.toml'} --out FOLDER",
            seconds=seconds,
            notes=(BY_VIDEO,),
        )
        run_folder.write_parquet(self.out / "results.parquet", results_table(result))
        run_folder.write_parquet(self.out / "predictions.parquet", self._predictions(plan))
        write_report(result, self.out / "report.html")
        return result

    def _cells(self) -> Iterator[Cell]:
        train = self._rows(self.parts["train"])
        for draw in range(self.settings.draws):
            for budget in self.settings.budgets:
                labels = draw_anyhow(
                    train["utterance"].tolist(),
                    train["speaker"].tolist(),
                    budget=budget,
                    draw=draw,
                    seed=self.settings.seed,
                )
                yield Cell(FOLD, draw, budget, tuple(labels.train), tuple(labels.validation))

    def _rows(self, utterances: tuple[str, ...]) -> pd.DataFrame:
        return self.corpus.table.set_index("utterance", drop=False).loc[list(utterances)]

    def _predicted(self, plan: Plan, key: Key) -> np.ndarray:
        """(n_draws, n_test, n_emotions), the draws in order."""
        cells = sorted((c for c in plan.cells if c.budget == key[1]), key=lambda cell: cell.draw)
        return np.stack([read_fit(plan, key[0], cell) for cell in cells])

    def _predictions(self, plan: Plan) -> pd.DataFrame:
        """One row an utterance of a fit: six predictions beside six labels."""
        test = self._rows(plan.tests[FOLD])[["utterance", "speaker", *INTENSITIES]]
        truth = test.rename(columns={"speaker": "video"} | {e: f"truth_{e}" for e in INTENSITIES})
        tables = [
            pd.DataFrame(read_fit(plan, system, cell), columns=list(INTENSITIES)).assign(
                system=system, budget=cell.budget, draw=cell.draw, utterance=plan.tests[FOLD]
            )
            for system in plan.systems
            for cell in sorted(plan.cells, key=lambda cell: cell.name)
        ]
        found = pd.concat(tables, ignore_index=True)
        found["system"] = pd.Categorical(found["system"], categories=list(plan.systems))
        names = ["system", "budget", "draw", "utterance", *INTENSITIES]
        return found[names].merge(
            truth.reset_index(drop=True), on="utterance", how="left", validate="many_to_one"
        )

    def _source(self) -> Source:
        return Source(
            name=self.corpus.name,
            role="labelled",
            licence=self.corpus.licence,
            citation=self.corpus.citation,
            n_utterances=len(self.corpus),
            n_speakers=len(self.corpus.speakers),
        )

    def _counts(self) -> pd.DataFrame:
        """Segments and videos of each official fold, and what was left out and why."""
        table = self.corpus.table
        uses = {"train": "pre-training, labels", "test": "test", "valid": "not used"}
        rows: list[tuple[str, int, int | str]] = [
            (f"official {name}: {use}", len(part), part["speaker"].nunique())
            for name, use in uses.items()
            for part in [table[table["split"] == name]]
        ]
        rows.append(("in no fold: not used", *_sizes(table[table["split"].isna()])))
        rows += [(f"left out: {why}", n, "") for why, n in self.corpus.reasons().items()]
        return pd.DataFrame(rows, columns=["mosei", "segments", "videos"])


def _sizes(part: pd.DataFrame) -> tuple[int, int]:
    return len(part), part["speaker"].nunique()


def _pretraining_table(plan: Plan) -> pd.DataFrame:
    rows = [
        (len(found.history), found.best.epoch + 1, round(found.best.held_out_loss, 4))
        for found in read_pretrainings(plan).values()
    ]
    return pd.DataFrame(rows, columns=["pre-training epochs", "best epoch", "held-out loss"])
