"""What it costs to round an encoder's weights to 8 bits, in the headline metric of the task.

In:  a recogniser on the frames of a pre-trained encoder, a labelled corpus with recordings.
Out: ``Rounding``: the exported graph in full precision and in 8 bits on the same recordings, and
     their difference, paired, with intervals over speakers.

Nobody is tested whose speech the model was trained on, told by the audio itself; where that leaves
nobody, its recipe is fitted again in folds of speakers (``stress.trials_of``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from undertone import corpora
from undertone.corpora.corpus import Corpus
from undertone.corpora.proxy import with_labels_of
from undertone.errors import UndertoneError
from undertone.evaluation import intervals
from undertone.evaluation.estimate import Estimate
from undertone.experiment.stress import StressSettings, Trial, trials_of
from undertone.features.store import recordings_of
from undertone.features.workers import Recording
from undertone.pipeline import Resources
from undertone.progress import Progress
from undertone.reading import usable
from undertone.recogniser.folder import Recogniser
from undertone.serving.onnx.alone.run import padded
from undertone.serving.onnx.graphs import OUTPUT, Exported, build
from undertone.serving.onnx.listening import waveform_of
from undertone.tasks import CHOICE, MEAN, Task
from undertone.tasks.rows import Rows

MEGABYTE = 10**6


@dataclass(frozen=True)
class Rounding:
    """The same speech by two graphs.

    Attributes:
        corpus: its name.
        metric: what the headline metric is called.
        whole: in full precision.
        rounded: in 8 bits.
        difference: rounded less whole, paired.
        same: share of the recordings of which both say the same; None of amounts.
        n_utterances: tested.
        size_mb: of both graphs.
        how: sentences on who was tested by whom.
    """

    corpus: str
    metric: str
    whole: Estimate
    rounded: Estimate
    difference: Estimate
    same: float | None
    n_utterances: int
    size_mb: tuple[float, float]
    how: tuple[str, ...]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """For a table: what, full precision, 8 bits, difference."""
        sizes = tuple(f"{size:.1f} MB" for size in self.size_mb)
        cells = (str(self.whole), str(self.rounded), self.difference.signed())
        return [(self.metric, *cells), ("graph", *sizes, "")]

    def sentences(self) -> list[str]:
        """For a card."""
        same = "" if self.same is None else f" Both say the same of {self.same:.1%} of them."
        return [
            f"Rounding to 8 bits on {self.n_utterances} utterances of {self.whole.n_speakers} "
            f"speakers of {self.corpus}: {self.metric} {self.rounded} in place of {self.whole}, a "
            f"difference of {self.difference.signed()}.{same}",
            *self.how,
        ]


def cost_of_rounding(
    recogniser: Recogniser, corpus: str | Corpus, *, folds: int, resources: Resources
) -> Rounding:
    """Measure it.

    Args:
        recogniser: to be exported.
        corpus: labelled, with recordings.
        folds: groups of speakers, where the recipe is fitted again.
        resources: of the machine.

    Raises:
        UndertoneError: nobody can be tested, or no weights are rounded.
    """
    opened = corpora.open(corpus) if isinstance(corpus, str) else corpus
    tested = usable(with_labels_of(opened, recogniser.task), recogniser.task)
    trials, how = trials_of(recogniser, tested, StressSettings(folds=folds), resources)
    heard = _Heard(tested)
    with Progress(shown=resources.progress) as progress:
        progress.add("recordings", sum(len(trial.utterances) for trial in trials))
        for trial in trials:
            heard.add(trial, progress)
    return heard.told(recogniser.task, how)


class _Heard:
    """What both graphs say, trial by trial."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus, self.recordings = corpus, recordings_of(corpus)
        self.names: list[str] = []
        self.values: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        self.sizes_mb = (0.0, 0.0)

    def add(self, trial: Trial, progress: Progress) -> None:
        """Hear the utterances of a trial."""
        graphs = [build(trial.recogniser, int8=int8) for int8 in (False, True)]
        if not graphs[1].n_rounded:
            raise UndertoneError(
                f"the system {trial.recogniser.system} of this model reads no encoder whose "
                "weights could be rounded: leave --int8 out"
            )
        whole, rounded = (session_of(graph) for graph in graphs)
        first, second = (graph.model.ByteSize() / MEGABYTE for graph in graphs)
        self.sizes_mb = (first, second)
        for name in trial.utterances:
            recording: Recording = self.recordings[name]
            waveform = waveform_of(recording)
            for session, values in zip((whole, rounded), self.values, strict=True):
                values.append(values_of(session, waveform))
            self.names.append(name)
            progress.advance("recordings")

    def told(self, task: Task, how: list[str]) -> Rounding:
        rows = self.corpus.table.set_index("utterance").loc[self.names].reset_index()
        truth = task.truth(rows)
        names, speaker = np.unique(rows["speaker"].astype(str), return_inverse=True)
        weights = intervals.resample(len(names), n_replicates=task.n_replicates).with_once
        decided = [task.decide(np.stack(values)) for values in self.values]
        place = list(task.metrics).index(task.headline)
        whole, rounded = (
            task.measure(Rows(truth, of_one, speaker), weights)[:, place, task.position(MEAN)]
            for of_one in decided
        )
        same = float((decided[0] == decided[1]).all(axis=1).mean()) if task.kind == CHOICE else None

        def estimate(measured: np.ndarray) -> Estimate:
            return intervals.summarise(float(measured[0]), measured[1:], n_speakers=len(names))

        return Rounding(
            self.corpus.name,
            task.metrics[task.headline].label,
            estimate(whole),
            estimate(rounded),
            estimate(rounded - whole),
            same,
            len(rows),
            self.sizes_mb,
            tuple(how),
        )


def session_of(exported: Exported) -> Any:
    """A graph in memory, ready to run on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = exported.model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def values_of(session: Any, waveform: np.ndarray) -> np.ndarray:
    """(n_outputs,) of a waveform by a graph that reads waveforms."""
    given = {"waveforms": padded([waveform]), "lengths": np.array([len(waveform)])}
    values: np.ndarray = session.run([OUTPUT], given)[0][0]
    return values
