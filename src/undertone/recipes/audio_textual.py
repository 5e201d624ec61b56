"""Small encoders of voice beside words: the published system B.

De Oliveira, Raj Prabhu and Gerkmann, Interspeech 2023, arXiv 2305.19184. Which layers of an encoder
carry arousal and valence; a small encoder made of it; words beside it; arousal, valence and
dominance of MSP-Podcast, on par at about a fifth of the parameters. The small encoder here is cut
and taught by the whole one, not distilled frame by frame, and a closed-form fit stands in place of
the published network: what is compared is what the two encoders carry. Ours, too, are the numbers
of layers, the teaching, the weights of voice and words, and the controls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from undertone import config, corpora
from undertone.corpora.proxy import with_proxy
from undertone.errors import UndertoneError
from undertone.evaluation.compare import Contestant, compare
from undertone.evaluation.layers.result import LayersResult
from undertone.evaluation.report.result import CurveResult
from undertone.evaluation.report.study import Study
from undertone.experiment import CurveSettings, run_curve
from undertone.experiment.probing import PAGE, LayersSettings, run_layers
from undertone.features.name import EVERY, FeatureName, parse_encoder
from undertone.features.upstream.source import Upstream, find
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.recipes import audio_textual_page as page
from undertone.recipes.audio_textual_lines import WHOLE, folder_of, lines_of
from undertone.recipes.audio_textual_page import Found
from undertone.recipes.audio_textual_words import Words, look_for_words, why_not
from undertone.recipes.command import command_of
from undertone.recipes.reproduction import Reproduction, publish
from undertone.recipes.small_encoders import Size, cut, sizes_of
from undertone.tasks import Task, task_of

CITATION = (
    "de Oliveira, Raj Prabhu and Gerkmann, Leveraging semantic information for efficient "
    "self-supervised emotion recognition with audio-textual distilled models, Interspeech 2023, "
    "arXiv 2305.19184."
)
QUICK: Mapping[str, Any] = {"budgets": [20, 100], "draws": 3}
OWN = ("features", "systems", "teacher", "unlabelled", "transductive")  # the recipe sets these
OF_VOICE = ("taught", "text")  # sections that the probes of single layers do not have
LAYERS, ENCODERS = "layers", "encoders"  # folders, beside one for each run on an encoder
PAPERS_CORPUS = "msp"  # its name begins so


@dataclass(frozen=True)
class Asked:
    """What a user asks of the recipe, looked up and checked before anything is heard.

    Attributes:
        values: settings of a curve, without features and systems.
        features: all layers of the whole encoder.
        source: the whole encoder.
        sizes: cut ones, and the whole last.
        task: what is predicted.
    """

    values: Mapping[str, Any]
    features: FeatureName
    source: Upstream
    sizes: tuple[Size, ...]
    task: Task

    @property
    def whole(self) -> Size:
        return self.sizes[-1]

    @property
    def cuts(self) -> tuple[Size, ...]:
        return self.sizes[:-1]

    def of_layers(self) -> LayersSettings:
        """Of the analysis: the same folds and draws, where words do not narrow these."""
        values = {name: value for name, value in self.values.items() if name not in OF_VOICE}
        return config.load(LayersSettings, {**values, "upstream": str(self.features)})

    def of_run(self, size: Size, features: FeatureName, *, words: bool) -> CurveSettings:
        """Of the curve on an encoder: the systems of its lines."""
        lines = lines_of(self.sizes, self.task.floors, words=words)
        systems = [line.system for line in lines if line.folder == folder_of(size)]
        floors = [name for name in self.task.floors if name not in systems]
        own: dict[str, Any] = {"features": str(features), "systems": [*systems, *floors]}
        if size != self.whole:
            own["taught"] = {"teacher": str(self.features)}
        values = {name: value for name, value in self.values.items() if words or name != "text"}
        return config.load(CurveSettings, config.merge(values, own))


def reproduce(
    values: Mapping[str, Any], out: Path, resources: Resources, *, quick: bool = False
) -> Reproduction:
    """Layers, small encoders, words, parameters beside scores, and the paper's claims.

    Args:
        values: ``corpus`` and ``upstream``; perhaps ``text`` (a section, ``text.model`` an encoder
            of text), ``layers`` (numbers that are kept), ``proxy`` or ``task``, and settings.
        out: folder of the runs.
        resources: of the machine.
        quick: a first look.
    """
    asked = read(values, quick=quick)
    with_words = asked.of_run(asked.whole, asked.features, words=True)
    reason = why_not(with_words)  # what was named and is not there is told before hours of hearing
    analysis = run_layers(asked.of_layers(), out / LAYERS, resources)
    words = Words(reason) if reason else look_for_words(with_words, out / WHOLE, resources)
    run = Run(asked, words, analysis, out, resources)
    study = run.study(command_of("audio-textual", values, quick=quick))
    return publish(study, out / "report.html", summary=run.results[WHOLE].summary)


def read(values: Mapping[str, Any], *, quick: bool = False) -> Asked:
    """What is asked, checked.

    Raises:
        UndertoneError: corpus or encoder are missing or cannot be read, the corpus has no
            dimensions, or something is set that the recipe sets.
    """
    values = dict(values)
    upstream, layers = str(values.pop("upstream", "") or ""), values.pop("layers", None) or ()
    if not upstream or not values.get("corpus"):
        raise UndertoneError(
            "the recipe audio-textual needs --corpus msp-podcast=FOLDER (or another one) and "
            "--upstream: the folder of an encoder, or its name on the hub"
        )
    _refuse_own(values)
    features = parse_encoder(upstream, layers=EVERY)
    if features.layers != EVERY:
        raise UndertoneError(
            f"the recipe audio-textual looks into all layers; found @{features.layers}: leave it "
            f"out, as --upstream {features.model}; --layers says how many a small encoder keeps"
        )
    features = features.settled()
    source = find(features)
    values = config.merge(QUICK if quick else {}, values)
    task = _task(values)
    return Asked({**values, "task": task.name}, features, source, sizes_of(source, layers), task)


def _refuse_own(values: Mapping[str, Any]) -> None:
    given = [name for name in OWN if values.get(name)]
    if values.get("taught", {}).get("teacher"):
        given.append("taught.teacher")
    if given:
        raise UndertoneError(
            f"the recipe audio-textual sets {', '.join(given)} itself: leave it out; undertone "
            "curve takes any features, systems and teacher"
        )


def _task(values: Mapping[str, Any]) -> Task:
    """Dimensions, rated or of a proxy, unless classes are asked for."""
    name = values.get("task") or "dimensions"
    if name not in ("dimensions", "classes"):
        raise UndertoneError(
            f"the recipe audio-textual predicts dimensions, or classes; found --task {name}"
        )
    proxy = values.get("proxy", "")
    corpus = with_proxy(corpora.open(values["corpus"]), proxy, name)
    try:
        return task_of(corpus.table, corpus.name, name).on(corpus.scale, proxy)
    except UndertoneError as error:
        if name == "classes" or not corpus.emotions:
            raise
        raise UndertoneError(
            f"{corpus.name} has emotions and no ratings of arousal, valence and dominance: put "
            "--proxy pad (one value per emotion, which every table says) or --task classes"
        ) from error


@dataclass(frozen=True)
class Run:
    """The runs on all encoders, and what is said of them."""

    asked: Asked
    words: Words
    analysis: LayersResult
    out: Path
    resources: Resources

    @cached_property
    def results(self) -> dict[str, CurveResult]:
        """By folder, the whole encoder's first; run, or gone on with."""
        asked, found = self.asked, {}
        for size in (asked.whole, *reversed(asked.cuts)):
            features = asked.features
            if size in asked.cuts:
                features = cut(features, asked.source, size, self.out / ENCODERS)
            folder = folder_of(size)
            settings = asked.of_run(size, features, words=self.words.are_there)
            found[folder] = run_curve(settings, self.out / folder, self.resources)
        return found

    @cached_property
    def found(self) -> list[Found]:
        """By official test part, the first one of several first."""
        lines = lines_of(self.asked.sizes, self.asked.task.floors, words=self.words.are_there)
        whole = self.results[WHOLE]
        analyses = {self.analysis.curve.part: self.analysis, **dict(self.analysis.of_elsewhere())}
        contestants = [Contestant(one.label, self.out / one.folder, one.system) for one in lines]
        workers = how_many(self.resources.workers)
        return [
            Found(
                part,
                analyses[part],
                compare(contestants, lines[0].label, part=part, workers=workers).curves,
                lines,
                self.words,
            )
            for part in (whole.part, *whole.elsewhere)
        ]

    def study(self, command: str) -> Study:
        """Everything on one page."""
        whole = self.results[WHOLE]
        corpus = whole.sources[0]
        tables = [table for found in self.found for table in found.tables()]
        if corpus.name.startswith(PAPERS_CORPUS):
            tables.append(page.published())
        return Study(
            title=f"Small encoders of voice, and words, on {corpus.name}",
            verdict=" ".join(map(page.verdict, self.found)),
            citation=CITATION,
            tables=tuple(tables),
            answers=tuple(answer for found in self.found for answer in found.answers()),
            runs=(
                (LAYERS, self.out / LAYERS / PAGE),
                *((name, self.out / name / "report.html") for name in self.results),
            ),
            sources=whole.sources,
            command=command,
            notes=page.notes(self.found),
        )
