"""Which pre-trained encoders a run hears, and what has to be said of them.

In:  the settings of a run, its corpus and its folds.
Out: encoders; sentences for the report.
"""

from collections.abc import Iterator, Sequence

from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold
from undertone.errors import describe_some
from undertone.experiment.settings import CurveSettings
from undertone.features.name import parse
from undertone.features.upstream.source import Upstream, find


def encoders_of(settings: CurveSettings) -> list[Upstream]:
    """Pre-trained encoders that a run hears: of its frames, and of the teacher."""
    names = [parse(settings.features), settings.teacher]
    return [find(name.every_layer()) for name in names if name and name.is_upstream]


def chosen_on_tested(
    encoders: Sequence[Upstream], corpus: Corpus, folds: Sequence[Fold]
) -> Iterator[str]:
    """A sentence for each encoder whose size was chosen on labels of speakers tested here."""
    tested = {speaker for fold in folds for speaker in fold.test_speakers}
    by_corpus = {corpus.name: tested} | {
        m.corpus.name: set(m.corpus.speakers) for m in corpus.members if m.tested
    }
    for encoder in encoders:
        chosen = encoder.cut.chosen if encoder.cut else None
        if chosen is None:
            continue
        if known := sorted(by_corpus.get(chosen.corpus, set()) & set(chosen.speakers)):
            yield (
                f"the number of layers of the encoder in {encoder.folder} was chosen on "
                f"labels of tested speakers ({describe_some(known)}): scores are optimistic"
            )


def teacher_note(settings: CurveSettings) -> Iterator[str]:
    """Who teaches, and when it is heard."""
    if (name := settings.teacher) is not None:
        teacher = find(name.every_layer())
        yield (
            f"The teacher is {name} (digest {teacher.digest[:16]}): it is heard while taught "
            "systems are fitted, never while they predict. It saw the labels of the budget and "
            "no others."
        )
