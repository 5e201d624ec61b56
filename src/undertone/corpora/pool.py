"""The speech to pre-train on: whatever a fold allows, and no test speaker in it.

In:  a labelled corpus, unlabelled corpora, a fold.
Out: ``Pool``: utterances by corpus, and what was left out with the reason.

A corpus handed in as unlabelled may be the labelled one under another name. So an utterance stays
out if its file is one of the labelled corpus's, by path or by its bytes, and also if its corpus has
the labelled one's name or shares its folder and its speaker is tested or unknown.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from undertone.audio import digests
from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold
from undertone.corpora.media import is_file
from undertone.corpora.names import fold as fold_name
from undertone.corpora.sentences import sentence_of
from undertone.errors import as_path

TEST_SPEAKER = "a test speaker of this fold"
TEST_SENTENCE = "a sentence that this fold tests"
NOT_TAUGHT = "of speakers that this fold neither tests nor learns from"
UNKNOWN_SPEAKER = "unknown speaker in the corpus under test"
SAME_AUDIO_BARRED = "the same file as an utterance of a test or unknown speaker"
SKEWED = "left out to make the pool lopsided, as asked"
ALREADY_IN = "the same file as an utterance already in the pool"


@dataclass(frozen=True)
class PoolPart:
    """What one corpus gives to the pool."""

    corpus: Corpus
    utterances: list[str]
    left_out: dict[str, str]  # the reason by utterance

    @property
    def skewed_away(self) -> frozenset[str]:
        """Utterances of training speakers that a lopsided pool does without."""
        return frozenset(name for name, why in self.left_out.items() if why == SKEWED)


@dataclass(frozen=True)
class Pool:
    """The labelled corpus's part first, then the unlabelled corpora in the order given."""

    parts: tuple[PoolPart, ...]
    transductive: bool  # whether test speakers are in it

    @property
    def speakers(self) -> tuple[str | None, ...]:
        """Of each utterance, by name of the corpus; None where unknown."""
        return tuple(name for part in self.parts for name in part.corpus.voices(part.utterances))

    def __len__(self) -> int:
        return sum(len(part.utterances) for part in self.parts)


def pool(
    labelled: Corpus, unlabelled: Sequence[Corpus], fold: Fold, *, transductive: bool = False
) -> Pool:
    """The utterances for pre-training in a fold; emotions play no part.

    Args:
        labelled: the corpus under test.
        unlabelled: more speech, of other speakers.
        fold: of the labelled corpus.
        transductive: let the test speakers' audio in, never their labels. To be reported.
    """
    tested = frozenset() if transductive else frozenset(map(fold_name, fold.test_speakers))
    barred = {
        utterance: reason
        for utterance, speaker in _pairs(labelled, "speaker")
        if not transductive and (reason := _reason_by_speaker(speaker, tested))
    }
    present = fold.unused.intersection(labelled.table["utterance"])
    whose, taught = dict(_pairs(labelled, "speaker")), set(fold.train_speakers)
    barred |= {
        name: TEST_SENTENCE if whose[name] in taught else NOT_TAUGHT
        for name in sorted(present - barred.keys())
    }
    guard = _Guard(labelled, barred, bar_left_out=not transductive)
    parts = [_part(labelled, barred)]
    for corpus in unlabelled:
        reasons = guard.by_audio(corpus)
        for behind in () if transductive else _spellings(corpus, labelled):
            for utterance, speaker in _pairs(corpus, "speaker"):
                if reason := _reason_by_speaker(speaker and f"{behind}{speaker}", tested):
                    reasons.setdefault(utterance, reason)
        for utterance in _saying(corpus, fold.sentences):
            reasons.setdefault(utterance, TEST_SENTENCE)
        parts.append(_part(corpus, reasons))
    return Pool(tuple(parts), transductive)


class _Guard:
    """Recognises the labelled corpus's audio, by path or by its bytes."""

    def __init__(self, labelled: Corpus, barred: Mapping[str, str], *, bar_left_out: bool) -> None:
        self.barred_by_path: dict[Path, bool] = {}
        for utterance, path in _paths(labelled):
            self.barred_by_path[path] = self.barred_by_path.get(path, False) or utterance in barred
        if bar_left_out:  # nobody said whose voice is in them
            for file in set(labelled.left_out["file"].dropna()):
                self.barred_by_path.setdefault(labelled.root.resolve() / as_path(str(file)), True)
        self.paths_by_size: dict[int, list[Path]] = defaultdict(list)
        for path in self.barred_by_path:
            if is_file(path):
                self.paths_by_size[path.stat().st_size].append(path)
        self.twins_by_size: dict[int, dict[str, list[Path]]] = {}

    def by_audio(self, corpus: Corpus) -> dict[str, str]:
        """The reason to leave an utterance out, where its audio is the labelled corpus's."""
        twins = {utterance: self._twins(path) for utterance, path in _paths(corpus)}
        return {
            utterance: SAME_AUDIO_BARRED
            if any(self.barred_by_path[path] for path in paths)
            else ALREADY_IN
            for utterance, paths in twins.items()
            if paths
        }

    def _twins(self, path: Path) -> list[Path]:
        """Files of the labelled corpus with the same bytes; content is read only at equal size."""
        if path in self.barred_by_path:
            return [path]
        if not is_file(path):
            return []
        if (size := path.stat().st_size) not in self.paths_by_size:
            return []
        if size not in self.twins_by_size:
            by_digest = self.twins_by_size[size] = defaultdict(list)
            for twin in self.paths_by_size[size]:
                by_digest[digests.of_file(twin)].append(twin)
        return self.twins_by_size[size].get(digests.of_file(path), [])


def _saying(corpus: Corpus, sentences: frozenset[str]) -> list[str]:
    """Utterances that say one of these sentences."""
    if not sentences:
        return []
    said = sentence_of(corpus.table).isin(sentences)
    return [str(name) for name in corpus.table["utterance"][said]]


def _spellings(corpus: Corpus, labelled: Corpus) -> list[str]:
    """Behind what a speaker of this corpus stands in the labelled one; none of another corpus.

    In a joined one speakers stand behind the name of their corpus, or as they fold where the same
    names are the same people.
    """
    if not labelled.members:
        return [""] if _is_same(corpus, labelled) else []
    same = [m.corpus.name for m in labelled.members if _is_same(corpus, m.corpus)]
    return [behind for name in same for behind in (f"{name}/", "")]


def _is_same(corpus: Corpus, labelled: Corpus) -> bool:
    """Whether two corpora have one name, or one lies in the folder of the other."""
    root, other = corpus.root.resolve(), labelled.root.resolve()
    return corpus.name == labelled.name or root.is_relative_to(other) or other.is_relative_to(root)


def _reason_by_speaker(speaker: str | None, tested: frozenset[str]) -> str | None:
    if speaker is None:
        return UNKNOWN_SPEAKER
    return TEST_SPEAKER if fold_name(speaker) in tested else None


def _part(corpus: Corpus, reasons: dict[str, str]) -> PoolPart:
    stays = [utterance for utterance in corpus.table["utterance"] if utterance not in reasons]
    return PoolPart(corpus, stays, reasons)


def _pairs(corpus: Corpus, column: str) -> list[tuple[str, str | None]]:
    return list(zip(corpus.table["utterance"], corpus.table[column], strict=True))


def _paths(corpus: Corpus) -> list[tuple[str, Path]]:
    root = corpus.root.resolve()
    return [(utterance, root / as_path(str(file))) for utterance, file in _pairs(corpus, "file")]
