"""What the paper of system C claims of small segments: 1, 2 and 4 s, and whole utterances.

In:  the values of the recipe ``wav2vec-cnn``.
Out: the CNN on the encoder on segments of each length, paired with an SVM on functionals of whole
     utterances, and, where a picture network is named, with it on segments of the same length.

An utterance is the mean of its segments whatever their length, so that all are scored on the same
utterances. The SVM knows no segments: what it scores is the same at every length, and the lead over
it is largest where the CNN scores best.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from undertone import config
from undertone.errors import UndertoneError
from undertone.evaluation.compare import Contestant, compare
from undertone.evaluation.curves import Curves
from undertone.evaluation.report.paper import OPEN, YES, Answer, series, verdict_on
from undertone.evaluation.report.side_by_side import all_in_one, is_better, leads, mean_lead
from undertone.evaluation.report.study import Study
from undertone.experiment import CurveSettings, run_curve
from undertone.pipeline import Resources
from undertone.processes import how_many
from undertone.recipes import wav2vec_cnn
from undertone.recipes.command import command_of
from undertone.recipes.reproduction import Reproduction, publish
from undertone.recipes.wav2vec_cnn import CONSTANT, ON_ENCODER, ON_LOG_MEL, RIVAL

LENGTHS_S: Mapping[str, float] = {"1 s": 1.0, "2 s": 2.0, "4 s": 4.0, "whole": 600.0}  # the longest
SMALLEST, WHOLE = "1 s", "whole"
CNN, PICTURES = "CNN on the encoder", "picture network"


def reproduce(
    values: Mapping[str, Any], out: Path, resources: Resources, *, quick: bool = False
) -> Reproduction:
    """Every length on the same folds and labels; arguments as of ``wav2vec_cnn.reproduce``."""
    if any("segment_s" in values.get(section, {}) for section in ("cnn", "picture")):
        raise UndertoneError(
            "--study segments compares several segment_s; leave cnn.segment_s and "
            "picture.segment_s out, or leave --study out"
        )
    settings = dict(_settings(values, quick=quick))
    results = {name: run_curve(one, out / name, resources) for name, one in settings.items()}
    contestants = list(_contestants(settings, out))
    labels = [contestant.label for contestant in contestants]
    workers = how_many(resources.workers)
    curves = compare(contestants, RIVAL, workers=workers).curves
    result = results[ON_LOG_MEL]
    study = Study(
        title=f"Segments of 1 s to whole utterances on {result.sources[0].name}",
        verdict=verdict(curves),
        citation=wav2vec_cnn.CITATION,
        tables=tuple(
            all_in_one(
                curves,
                labels,
                over=(RIVAL, of_length(CNN, WHOLE)),
                title=curves.task.metrics[metric].description,
                metric=metric,
            )
            for metric in curves.task.metrics
        ),
        answers=tuple(_answers(curves)),
        runs=tuple((name, out / name / "report.html") for name in results),
        sources=result.sources,
        command=command_of("wav2vec-cnn", {**values, "study": "segments"}, quick=quick),
        notes=(result.summary, wav2vec_cnn.NOTE, NOTE),
    )
    return publish(study, out / "report.html", summary=result.summary)


NOTE = (
    "An utterance is the mean of its segments. A shorter utterance is one segment: where they are "
    "hardly longer than 4 s, segments of 4 s and whole utterances are nearly the same."
)


def of_length(system: str, length: str) -> str:
    """What a system on segments of a length is called.

    >>> of_length(CNN, "1 s"), of_length(CNN, WHOLE)
    ('CNN on the encoder, 1 s', 'CNN on the encoder, whole')
    """
    return f"{system}, {length}"


def verdict(curves: Curves) -> str:
    """Where the CNN beats the SVM, and whether its lead is larger on small segments."""
    told = {n: is_better(curves, of_length(CNN, n), RIVAL).verdict for n in LENGTHS_S}
    beaten = [length for length, word in told.items() if word == YES]
    lead = mean_lead(curves, [of_length(CNN, SMALLEST)], [of_length(CNN, WHOLE)])
    says = {YES: "larger than", "no": "smaller than", OPEN: "not to be told apart from that"}
    where = f"with {series(beaten)}" if beaten else "at no length of segments"
    word = says[verdict_on(lead)]
    than = word if word.endswith("that") else f"{word} that"
    return (
        f"The CNN measurably beats the SVM {where}; with segments of {SMALLEST} its lead is {than} "
        f"on whole utterances ({lead.signed()})."
    )


def _settings(values: Mapping[str, Any], *, quick: bool) -> Iterator[tuple[str, CurveSettings]]:
    """Of a run on the encoder for each length, and on log-mel once, or for each if it has pictures.

    Folders are named by run and length.
    """
    has_pictures = bool(values.get("picture", {}).get("network"))
    for length, seconds in LENGTHS_S.items():
        of_length = {"cnn": {"segment_s": seconds}}
        if has_pictures:
            of_length["picture"] = {"segment_s": seconds}
        runs = wav2vec_cnn.settings_of(config.merge(values, of_length), quick=quick)
        name = length.replace(" ", "")
        yield f"{ON_ENCODER}-{name}", _with(runs[ON_ENCODER], ("cnn", "constant"))
        if has_pictures:
            yield f"{ON_LOG_MEL}-{name}", _with(runs[ON_LOG_MEL], ("image_cnn", "constant"))
    yield ON_LOG_MEL, _with(runs[ON_LOG_MEL], ("functionals_svm", "constant"))


def _with(settings: CurveSettings, systems: tuple[str, ...]) -> CurveSettings:
    return replace(settings, systems=systems)


def _contestants(settings: Mapping[str, CurveSettings], out: Path) -> Iterator[Contestant]:
    for system, run, name in ((CNN, ON_ENCODER, "cnn"), (PICTURES, ON_LOG_MEL, "image_cnn")):
        for length in LENGTHS_S:
            folder = f"{run}-{length.replace(' ', '')}"
            if folder in settings:
                yield Contestant(of_length(system, length), out / folder, name)
    yield Contestant(RIVAL, out / ON_LOG_MEL, "functionals_svm")
    yield Contestant(CONSTANT, out / ON_LOG_MEL, "constant")


def _answers(curves: Curves) -> Iterator[Answer]:
    """The lead over the SVM at each length; whether small segments are where it is largest."""
    for length in LENGTHS_S:
        yield is_better(
            curves,
            of_length(CNN, length),
            RIVAL,
            claim=f"the CNN beats the SVM, segments: {length}",
        )
    yield leads(
        curves,
        [of_length(CNN, SMALLEST)],
        [of_length(CNN, WHOLE)],
        question=f"Is its lead over the SVM larger with segments of {SMALLEST} than on whole "
        "utterances?",
        claim="its lead over the SVM is largest on small segments",
    )
    claim = "its lead over a picture network is largest on small segments"
    question = (
        f"Is its lead over a picture network larger with segments of {SMALLEST} than on whole "
        "utterances?"
    )
    if not curves.has(of_length(PICTURES, WHOLE), curves.budgets[-1]):
        evidence = "Not run: no picture network was named; --set picture.network=FOLDER does."
        yield Answer(question, OPEN, evidence, claim)
        return
    for length in LENGTHS_S:
        ours, other = (of_length(system, length) for system in (CNN, PICTURES))
        claim_here = f"the CNN beats the picture network, segments: {length}"
        yield is_better(curves, ours, other, claim=claim_here)
    ahead = [(CNN, SMALLEST), (PICTURES, WHOLE)]
    behind = [(CNN, WHOLE), (PICTURES, SMALLEST)]
    named = [[of_length(*pair) for pair in pairs] for pairs in (ahead, behind)]
    yield leads(curves, *named, question=question, claim=claim, summed=True)
