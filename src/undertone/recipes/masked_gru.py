"""Self-supervised learning for audio-based emotion recognition: the published system A.

Nimitsurachat and Washington, arXiv 2307.12343 (2023); AI 5(1), 2024. A two-layer GRU learns to
reconstruct masked stretches of 74 COVAREP features of CMU-MOSEI, and is then fine-tuned to six
intensities. What the paper does not say is a default of the settings' own classes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from undertone import config, corpora
from undertone.corpora import mosei
from undertone.errors import UndertoneError, printable
from undertone.evaluation.report.paper import Claims, Paper, Published
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.tables import (
    Table,
    along_budgets,
    beside_published,
    differences,
    of_the_paper,
)
from undertone.experiment import CurveSettings, run_curve
from undertone.pipeline import Resources
from undertone.recipes.reproduction import Reproduction, announce
from undertone.tasks import CHOICE, Task, task_of

PAPER = Paper(
    title="Masked pre-training of a GRU on CMU-MOSEI",
    citation="Nimitsurachat and Washington, Self-supervised learning for audio-based emotion "
    "recognition, arXiv 2307.12343.",
    command="undertone reproduce masked-gru",
    claims=Claims(
        published=(
            Published("accuracy", (0.85, 0.87), (0.81, 0.82), False, "with few labels"),
            Published("mae", (0.50, 0.59), (0.58, 0.67), True, "with 200 labels"),
        ),
        gain_most=("happy", "sad", "anger"),
        gain_none=("surprise", "fear"),
        metrics=("mae", "accuracy"),
        budget=200,
    ),
)
ENCODER = {"hidden_units": 256, "layers": 2, "stride": 1, "pooling": "mean"}
PRETRAIN = {
    "objective": "reconstruction",
    "mask_share": 0.1,
    "mask_spans": 1,
    "crop_steps": 300,
    "distance": "l1",
    "batch_size": 64,
}
AMOUNTS: Mapping[str, Any] = {
    "features": "covarep",
    "full_draws": 0,  # what the paper compares is trained whole
    "budgets": [20, 50, 100, 200, 500, 1000, 2000],
    "encoder": ENCODER,
    "pretrain": PRETRAIN,
}
CLASSES: Mapping[str, Any] = {
    "features": "covarep",
    "full_draws": 0,  # what the paper compares is trained whole
    "systems": [
        *("pretrained_frozen", "pretrained_full", "scratch", "random_frozen"),
        *("functionals_logistic", "constant"),
    ],
    "encoder": ENCODER,
    "pretrain": PRETRAIN,
}
QUICK: Mapping[str, Any] = {
    "budgets": [20, 200],
    "draws": 3,
    "encoder": {**ENCODER, "stride": 4},
    "pretrain": {**PRETRAIN, "max_epochs": 3, "patience": 2},
    "finetune": {"max_epochs": 30, "patience": 8},
}
GET = f"""the recipe masked-gru needs CMU-MOSEI, or a corpus of emotions; it found {{found}}.
Put into one folder, and name it with --corpus mosei=FOLDER:
  {mosei.FRAMES_FILE}  74 COVAREP features every 10 ms: the CMU Multimodal SDK downloads it
      (cmu_mosei, highlevel, COVAREP)
  CMU_MOSEI_Labels.csd  "All Labels", from the same SDK (cmu_mosei, labels);
      or {mosei.LABELS_TABLE} with {", ".join(("video", "start", "end", *mosei.LABELS))}
  splits.csv  video,split with train, valid or test: the SDK's list of standard folds
Licence: the labels are CC BY-NC 4.0. Neither they nor the features are part of Undertone.
For classes: --corpus emodb=FOLDER or ravdess=FOLDER, with --unlabelled as in undertone curve."""


def reproduce(
    values: Mapping[str, Any], out: Path, resources: Resources, *, quick: bool = False
) -> Reproduction:
    """The published protocol on CMU-MOSEI (mosei=FOLDER); on any other corpus the same systems.

    Args:
        values: settings laid over the recipe's; ``corpus`` among them.
        out: folder of the run.
        resources: of the machine.
        quick: a first look.
    """
    settings = settings_of(values, quick=quick)
    paper = paper_beside(settings.corpus)
    tell = announce if resources.progress else None
    result = run_curve(settings, out, resources, paper=paper, announce=tell)
    return Reproduction(
        report=out / "report.html",
        summary=f"{paper.title}: {result.summary}",
        tables=tuple(_tables(result)),
        answers=tuple(result.answers),
        sources=result.sources,
        citation=paper.citation,
    )


def settings_of(values: Mapping[str, Any], *, quick: bool = False) -> CurveSettings:
    """The recipe's settings for a corpus and its task, with ``values`` laid over them."""
    task = task_for(values)
    preset = {**(CLASSES if task.kind == CHOICE else AMOUNTS), "task": task.name}
    return config.load(CurveSettings, config.merge(preset, QUICK if quick else {}, values))


def task_for(values: Mapping[str, Any]) -> Task:
    """What is predicted on the corpus of these values; of CMU-MOSEI its folder is checked."""
    corpus = values.get("corpus") or ""
    if is_the_papers(corpus):
        _check_mosei(corpus, values)
    opened = corpora.open(corpus)
    return task_of(opened.table, opened.name, values.get("task", ""))


def is_the_papers(corpus: str) -> bool:
    """Whether a specification means CMU-MOSEI; nothing at all is taken so, and told."""
    return not corpus or corpus.partition("=")[0].strip() == "mosei"


def paper_beside(corpus: str) -> Paper:
    """The paper as it stands beside a run: without its numbers where the corpus is not its own."""
    if is_the_papers(corpus):
        return PAPER
    name = corpus.partition("=")[0].strip() if "=" in corpus else Path(corpus).stem
    title = f"Masked pre-training of a GRU on {name}"
    return replace(PAPER, title=title, claims=replace(PAPER.claims, published=()))


def _tables(result: CurveResult) -> Iterator[Table]:
    """Every metric that is asked after, along the budgets; gains; outputs; published numbers."""
    assert result.paper is not None
    task, claims = result.task, result.paper.claims
    shown = (task.headline, *filter(None, [task.beside]), *claims.metrics_of(task))
    for metric in dict.fromkeys(shown):
        yield along_budgets(result, metric)
    if result.pairs:
        yield differences(result)
    yield from of_the_paper(result)
    if claims.published:
        yield beside_published(result)


def _check_mosei(corpus: str, values: Mapping[str, Any]) -> None:
    folder = config.expanded(corpus.partition("=")[2])
    if not corpus.partition("=")[2].strip():
        raise _get(f"--corpus {corpus}" if corpus else "no --corpus")
    if not folder.is_dir():
        raise _get(f"no folder {folder}")
    names = {"features": mosei.find(folder, "covarep"), "labels": mosei.find(folder, "label")}
    if (folder / mosei.LABELS_TABLE).is_file():
        names["labels"] = folder / mosei.LABELS_TABLE
    if missing := [what for what, path in names.items() if path is None]:
        raise _get(f"no {' and no '.join(missing)} in {folder}")
    if values.get("unlabelled"):
        raise UndertoneError(
            "--unlabelled is for classes: on CMU-MOSEI the published protocol pre-trains on the "
            "official training videos alone"
        )


def _get(found: str) -> UndertoneError:
    return UndertoneError(*GET.format(found=printable(found)).splitlines())
