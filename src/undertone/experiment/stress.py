"""A model under stress: the same utterances as recorded, and under every condition.

In:  a model folder that ``finetune`` wrote, a labelled corpus, conditions.
Out: ``stress.json`` and ``stress.html`` in a folder, a section in the model's card; the predictions
     of each condition beside them, so that a stopped run goes on.

Nobody is tested whose speech the model was trained on, told by the audio itself. Where that leaves
nobody, its recipe is fitted again in folds of speakers, as for the score on its card, and each
speaker is predicted by a fit that did not know them.
"""

import contextlib
import functools
import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic, audio, config, corpora, seals
from undertone.audio import foreign
from undertone.corpora.corpus import Corpus
from undertone.corpora.proxy import with_labels_of
from undertone.errors import UndertoneError, describe_some, tell
from undertone.evaluation.stress import CONDITIONS, Chance, Condition, Stress, measure
from undertone.evaluation.stress import page as pages
from undertone.evaluation.stress.conditions import CLEAN, N_VOICES, VERSION, chosen
from undertone.features.extractors import get
from undertone.features.name import parse
from undertone.features.store import keys_of, recordings_of
from undertone.features.workers import Recording, compute_waveform
from undertone.pipeline import Resources
from undertone.processes import how_many, process_pool
from undertone.progress import Progress
from undertone.reading import read_data, usable, with_copies
from undertone.recogniser import files
from undertone.recogniser.build import Build, short_name
from undertone.recogniser.folder import PretrainedEncoder, Recogniser, load
from undertone.recogniser.settings import FinetuneSettings
from undertone.seals import UnsoundError
from undertone.systems.problem import PRETRAINED
from undertone.systems.table import system_of
from undertone.training.identity import computed_by

JSON, PAGE, KEPT = "stress.json", "stress.html", "predictions"
CHUNK = 16  # utterances that a process does at a time
AS_RECORDED = Condition(CLEAN, "", "as recorded", lambda waveform, chance: waveform)


@dataclass(frozen=True)
class StressSettings:
    """What is asked of a stress test."""

    conditions: tuple[str, ...] = ()  # names or groups; all by default
    labels: int | None = None  # of a recipe that is fitted again; as many as the model saw
    folds: int = 5  # likewise
    seed: int = 0  # names all chance in the conditions
    card: bool = True  # write a section into the model's card


@dataclass(frozen=True)
class Trial:
    """Somebody who predicts, and utterances of speakers they do not know."""

    recogniser: Recogniser
    utterances: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """What a process needs for some utterances under one condition."""

    recogniser: Recogniser
    condition: str
    recordings: Mapping[str, Recording]
    voices: Mapping[str, tuple[Recording, ...]]
    seed: int


def stress(
    model: Path | str,
    corpus: str | Corpus,
    out: Path | str,
    *,
    settings: StressSettings | None = None,
    resources: Resources | None = None,
) -> Stress:
    """Test a model under conditions, and write what came out.

    Args:
        model: folder that ``finetune`` wrote.
        corpus: labelled, with recordings.
        out: folder; a run that was stopped there goes on.
        settings: of the test.
        resources: of the machine.

    Raises:
        UndertoneError: nobody is left to test, the corpus has no audio, or a condition is unknown.
    """
    settings, resources = settings or StressSettings(), resources or Resources()
    model, out = Path(model), Path(out)
    conditions = _possible(chosen(settings.conditions))
    recogniser = load(model)
    opened = corpora.open(corpus) if isinstance(corpus, str) else corpus
    tested = usable(with_labels_of(opened, recogniser.task), recogniser.task)
    with atomic.held(out):
        trials, how = trials_of(recogniser, tested, settings, resources)
        run = _Run(tested, tuple(trials), out, settings.seed, _digest(model), resources)
        conditions = run.with_voices(conditions)
        result = _result(run, conditions, model.name, how)
        atomic.write_text(out / JSON, f"{_json(result)}\n")
        atomic.write_text(out / PAGE, pages.render(result))
    if settings.card:
        card = model / files.CARD
        atomic.write_text(card, pages.with_section(card.read_text(encoding="utf-8"), result))
    return result


def _possible(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Those that this machine can make; the others are told."""
    if foreign.is_installed() or not any(row.needs_ffmpeg for row in conditions):
        return tuple(conditions)
    left_out = [row.name for row in conditions if row.needs_ffmpeg]
    tell(f"left out, since there is no ffmpeg: {', '.join(left_out)}; {foreign.INSTALL}")
    return tuple(row for row in conditions if not row.needs_ffmpeg)


def trials_of(
    recogniser: Recogniser, corpus: Corpus, settings: StressSettings, resources: Resources
) -> tuple[list[Trial], list[str]]:
    """Who predicts whom, so that nobody is known to who predicts them, and sentences on it.

    Raises:
        UndertoneError: nobody can be tested so.
    """
    if "heard" not in recogniser.notes:
        raise UndertoneError(
            "the model does not tell whose speech it was trained on: an older Undertone made it; "
            "train it again with `undertone finetune`"
        )
    heard, rows = set(recogniser.notes["heard"]), corpus.table
    keys, _ = keys_of(recordings_of(corpus), Progress(shown=False))
    known = {
        who
        for name, who in zip(rows["utterance"], rows["speaker"], strict=True)
        if short_name(keys.get(name, "")) in heard
    }
    names = tuple(rows["utterance"][~rows["speaker"].isin(known) & rows["utterance"].isin(keys)])
    if names and settings.labels is None:
        met = f" Of {len(known)} speakers the model was trained on speech: they are left out."
        return [Trial(recogniser, names)], [
            f"Predicted by the model itself; it knows none of the speakers.{met * bool(known)}"
        ]
    if not known:
        raise UndertoneError(
            f"no speaker of {corpus.name} trained this model, which predicts them itself: leave "
            "--labels out"
        )
    return _fitted_again(recogniser, corpus, settings, resources)


def _fitted_again(
    recogniser: Recogniser, corpus: Corpus, settings: StressSettings, resources: Resources
) -> tuple[list[Trial], list[str]]:
    """The recipe in folds of speakers."""
    given = config.load(FinetuneSettings, tomllib.loads(recogniser.notes["recipe"]))
    if given.vault:
        raise UndertoneError(
            f"the model was trained beside a vault ({given.vault}), whose looks are counted: "
            "stress it on another corpus, or train one without --vault"
        )
    given = replace(
        given,
        labels=settings.labels or given.labels,
        folds=settings.folds,
        system=recogniser.system,
        features="" if PRETRAINED in recogniser.encoders else given.features,
    )
    features = parse(given.features or recogniser.inputs.features).settled()
    pretrained = None
    if PRETRAINED in recogniser.encoders:
        nothing: dict[str, list[str]] = {"pool": [], "pool_audio": []}
        encoder = recogniser.encoders[PRETRAINED]
        pretrained = PretrainedEncoder(recogniser.inputs, recogniser.shape, encoder, nothing)
    system = system_of(recogniser.task, given.system, features, pretrained=pretrained is not None)
    data = read_data(
        *(corpus, features, recogniser.task, resources),
        teacher=given.teacher,
        text=given.text,
        frames=not system.reads_means,
    )
    build = Build(data, features, pretrained, given)
    if build.makes_copies:
        build = replace(build, data=with_copies(data, features, resources))
    with Progress(shown=resources.progress) as progress:
        progress.add("fits", len(build.folds) - 1)
        trials = []
        for fold, cell in zip(build.folds[:-1], build.plan.cells[:-1], strict=True):
            names = build.plan.folds[fold.index].test
            trials.append(Trial(build.recogniser_of(cell), names))
            progress.advance("fits")
    n_labels = given.labels or "all"
    return trials, [
        f"The model's recipe was fitted again with {n_labels} labels in {len(trials)} folds of "
        "speakers, and each speaker predicted by a fit that did not know them."
    ]


Predicted = Callable[[Sequence[Job]], Iterable[list[np.ndarray]]]


@dataclass(frozen=True)
class _Run:
    corpus: Corpus
    trials: tuple[Trial, ...]
    out: Path
    seed: int
    model: str
    resources: Resources

    @property
    def tested(self) -> list[str]:
        return [name for trial in self.trials for name in trial.utterances]

    def with_voices(self, conditions: Sequence[Condition]) -> tuple[Condition, ...]:
        """Those for which enough people speak; the others are told."""
        if len(self.corpus.speakers) > 1 or not any(row.needs_voices for row in conditions):
            return tuple(conditions)
        left_out = [row.name for row in conditions if row.needs_voices]
        tell(f"left out, since {self.corpus.name} has one speaker: {', '.join(left_out)}")
        return tuple(row for row in conditions if not row.needs_voices)

    @contextlib.contextmanager
    def processes(self) -> Iterator[Predicted]:
        """What predicts jobs, in processes of all conditions that start with the first job."""
        n_jobs = sum(math.ceil(len(trial.utterances) / CHUNK) for trial in self.trials)
        workers = min(how_many(self.resources.workers), n_jobs)
        with contextlib.ExitStack() as at_the_end:

            @functools.cache
            def pool() -> ProcessPoolExecutor:
                return at_the_end.enter_context(process_pool(workers))

            yield lambda jobs: (map if workers == 1 else pool().map)(predict, jobs)

    def predictions(
        self, condition: Condition, predicted: Predicted, progress: Progress
    ) -> np.ndarray:
        """(n_tested, n_outputs) as kept, or made and kept."""
        path, what = self.out / KEPT / f"{condition.name}.npz", self._identity(condition)
        try:
            if (found := seals.read_record(path, what)) is not None:
                progress.advance("predictions", len(self.tested))
                return found["values"]
        except UnsoundError as error:
            atomic.set_aside(path, str(error))
        jobs, values = list(self._jobs(condition)), []
        for job, of_job in zip(jobs, predicted(jobs), strict=True):
            values += of_job
            progress.advance("predictions", len(job.recordings))
        seals.write_record(path, {"values": np.stack(values)}, what)
        return np.stack(values)

    def _jobs(self, condition: Condition) -> Iterator[Job]:
        recordings = recordings_of(self.corpus)
        for trial in self.trials:
            for first in range(0, len(trial.utterances), CHUNK):
                names = trial.utterances[first : first + CHUNK]
                yield Job(
                    trial.recogniser,
                    condition.name,
                    {name: recordings[name] for name in names},
                    {
                        name: tuple(recordings[other] for other in self._others(name))
                        for name in names
                        if condition.needs_voices
                    },
                    self.seed,
                )

    def _others(self, utterance: str) -> list[str]:
        """Utterances of other speakers, which babble behind this one."""
        rows = self.corpus.table
        own = rows["speaker"][rows["utterance"] == utterance].iloc[0]
        names = sorted(rows["utterance"][rows["speaker"] != own])
        drawn = rng_of(self.seed, "voices", utterance).permutation(len(names))[:N_VOICES]
        return [names[i] for i in drawn]

    def _identity(self, condition: Condition) -> dict[str, Any]:
        keys, _ = keys_of(recordings_of(self.corpus), Progress(shown=False))
        return {
            "condition": condition.name,
            "version": VERSION,
            "model": self.model,
            "tested": seals.digest_of([(name, keys.get(name)) for name in self.tested]),
            "fits": seals.digest_of([_digest_of_fit(trial.recogniser) for trial in self.trials]),
            "seed": self.seed,
            **computed_by(),
        }


def predict(job: Job) -> list[np.ndarray]:
    """(n_outputs,) of each utterance of a job."""
    recogniser = job.recogniser
    extractor = get(recogniser.inputs.features)
    condition = CONDITIONS.get(job.condition, AS_RECORDED)
    found = []
    for name, recording in job.recordings.items():
        voices = [_heard(other) for other in job.voices.get(name, ())]
        chance = Chance(rng_of(job.seed, job.condition, name), voices)
        altered = condition.apply(_heard(recording), chance)
        found.append(recogniser.predict(compute_waveform(altered, extractor)))
    return found


def rng_of(seed: int, *names: str) -> np.random.Generator:
    """Chance of its own for every utterance and purpose, whatever else is asked for."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, *digest[:16]])


def _heard(recording: Recording) -> np.ndarray:
    return audio.read(recording.path, start_s=recording.start_s, end_s=recording.end_s)


def _result(run: _Run, conditions: Sequence[Condition], model: str, how: Sequence[str]) -> Stress:
    rows, task = run.corpus.table.set_index("utterance"), run.trials[0].recogniser.task
    tested = rows.loc[run.tested]
    with Progress(shown=run.resources.progress) as progress:
        progress.add("predictions", len(run.tested) * (1 + len(conditions)))
        with run.processes() as predicted:
            of = partial(run.predictions, predicted=predicted, progress=progress)
            clean, altered = of(AS_RECORDED), {row: of(row) for row in conditions}
    found, measured = measure(
        task,
        truth=task.truth(tested.reset_index()),
        speakers=tested["speaker"].to_numpy(str),
        clean=clean,
        altered=altered,
    )
    return Stress(
        model=model,
        corpus=run.corpus.name,
        task=task,
        clean=found,
        rows=measured,
        n_utterances=len(tested),
        notes=(*how, *_notes(run)),
        synthetic=run.corpus.synthetic,
    )


def _notes(run: _Run) -> Iterator[str]:
    recogniser = run.trials[0].recogniser
    yield (
        f"{len(run.tested)} utterances of {run.corpus.name}; noise, rooms and cuts are seeded "
        f"({run.seed}), each utterance has its own; levels are over the level of its speech."
    )
    if recogniser.reader is not None:
        yield "No transcript is given: the voice alone answers."
    if reasons := run.corpus.reasons():
        left_out = describe_some(f"{n}, {reason}" for reason, n in reasons.items())
        yield f"Left out of the corpus: {left_out}."


def _digest(model: Path) -> str:
    return seals.digest_of_file(model / files.CONFIG)


def _digest_of_fit(recogniser: Recogniser) -> str:
    return hashlib.sha256(
        b"".join(np.ascontiguousarray(a).tobytes() for a in recogniser.fitted.tensors().values())
    ).hexdigest()


def _json(result: Stress) -> str:
    return json.dumps(result.to_dict(), indent=2, ensure_ascii=False)
