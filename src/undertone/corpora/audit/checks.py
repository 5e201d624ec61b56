"""The checks that need no ear: tables and bytes. Every curve and every ``finetune`` makes them.

In:  a corpus, a digest by utterance of what its recording holds, unlabelled corpora, folds, the
     name of the features.
Out: ``Finding`` after finding; ``refuse`` stops at those that would make a score a lie.
"""

from collections.abc import Iterator, Mapping, Sequence

from undertone.corpora.audit import copies, encoders
from undertone.corpora.audit.findings import ALLOWED, Finding
from undertone.corpora.corpus import Corpus
from undertone.corpora.folds import Fold
from undertone.corpora.names import spelt_in_several_ways
from undertone.corpora.sentences import sentence_of
from undertone.errors import UndertoneError, describe_some
from undertone.tasks.words import unknown_words


def check(
    corpus: Corpus,
    contents: Mapping[str, str],
    *,
    unlabelled: Sequence[Corpus] = (),
    folds: Sequence[Fold] = (),
    features: str = "",
) -> list[Finding]:
    """Everything that tables and bytes tell.

    Args:
        corpus: that is learned from and tested on.
        contents: digest of each utterance's recording, as the frame store's keys or
            ``copies.contents_of``.
        unlabelled: more speech; only that of the same corpus shares its speakers.
        folds: who is tested and who is learned from.
        features: whose encoder may have heard the corpus.
    """
    return [
        *speakers(corpus, unlabelled),
        *copies.identical(corpus, contents),
        *encoders.heard(corpus, features),
        *sentences(corpus, folds),
        *emotions(corpus),
        *words(corpus),
        *passed_over([corpus, *unlabelled]),
    ]


def refuse(findings: Sequence[Finding], allow: Sequence[str] = ()) -> None:
    """Stop at what would make a score a lie, unless it is allowed by name.

    Raises:
        UndertoneError: names the first such finding, shows it, and says how to go on.
    """
    if unknown := set(allow) - set(ALLOWED):
        raise UndertoneError(
            f"--allow takes {', '.join(ALLOWED)}, found {', '.join(sorted(unknown))}"
        )
    for finding in findings:
        if finding.is_lie and finding.name not in allow:
            shown = "; ".join(" | ".join(row) for row in finding.rows[:3])
            more = len(finding.rows) - 3
            raise UndertoneError(
                f"{finding.what} ({shown}{f'; and {more} more' if more > 0 else ''}). Mend the "
                f"table; `curve` and `finetune` also go on with --allow {finding.name}: "
                f"{ALLOWED[finding.name]}"
            )


def left_out_of_copies(corpus: Corpus, contents: Mapping[str, str]) -> Corpus:
    """The corpus without recordings that stand there under several speakers or labels; counted."""
    return corpus.drop(dict.fromkeys(copies.disputed_utterances(corpus, contents), copies.COPY))


def speakers(corpus: Corpus, unlabelled: Sequence[Corpus] = ()) -> Iterator[Finding]:
    """Speakers whose names fold alike; names of videos mean what they say."""
    same = [other for other in unlabelled if other.name == corpus.name]
    names = {name for one in (corpus, *same) for name in one.speakers}
    if corpus.unit == "video" or not (alike := spelt_in_several_ways(names)):
        return
    counts = corpus.table["speaker"].value_counts()
    yield Finding(
        "speakers",
        f"{len(alike)} {'speaker seems' if len(alike) == 1 else 'speakers seem'} to be spelt in "
        f"several ways in {corpus.name}, such as {'/'.join(alike[0])}: one and the same would be "
        "on both sides of a fold",
        is_lie=True,
        columns=("spellings", "utterances"),
        rows=tuple(
            ("/".join(group), "/".join(str(counts.get(name, 0)) for name in group))
            for group in alike
        ),
    )


def sentences(corpus: Corpus, folds: Sequence[Fold]) -> Iterator[Finding]:
    """Sentences that both sides of a fold say, and the share of the test that they touch."""
    rows = corpus.table.assign(said=sentence_of(corpus.table))
    rows = rows[rows["said"].notna() & rows["speaker"].notna()]
    touched, tested, shared = 0, 0, set()
    for fold in folds:
        test = rows[fold.tests(rows)]
        is_shared = test["said"].isin(set(rows["said"][fold.teaches(rows)]))
        touched, tested = touched + int(is_shared.sum()), tested + len(test)
        shared |= set(test["said"][is_shared])
    if not touched:
        return
    yield Finding(
        "sentences",
        f"{len(shared)} of {rows['said'].nunique()} sentences are said on both sides of a fold, "
        f"{touched / tested:.0%} of the test utterances: a system that knows the words is tested "
        "on words that it has heard; --disjoint speaker,sentence keeps them apart",
        columns=("sentence", "utterances", "speakers"),
        rows=tuple(
            (str(said), str(n), str(rows["speaker"][rows["said"] == said].nunique()))
            for said, n in rows["said"][rows["said"].isin(shared)].value_counts().items()
        ),
    )


def emotions(corpus: Corpus) -> Iterator[Finding]:
    """Emotions that one speaker alone has."""
    if "emotion" not in corpus.table:
        return
    by_emotion = corpus.labelled.table.groupby("emotion")["speaker"]
    alone = [(name, of[of.notna()].iloc[0]) for name, of in by_emotion if of.nunique() == 1]
    if alone:
        yield Finding(
            "emotions",
            f"{describe_some(name for name, _ in alone)} of {corpus.name}: of one speaker alone, "
            "so that voice and emotion are one",
            columns=("emotion", "speaker"),
            rows=tuple((str(name), str(speaker)) for name, speaker in alone),
        )


def words(corpus: Corpus) -> Iterator[Finding]:
    """Labels that are no emotion known here."""
    if found := unknown_words(corpus.labelled.table["emotion"]):
        yield Finding(
            "words",
            f"{len(found)} labels of {corpus.name} are no emotion known here, each counts as one "
            "of its own",
            columns=("label", "utterances", "perhaps"),
            rows=tuple((word, str(n), near) for word, n, near in found),
        )


def passed_over(corpora: Sequence[Corpus]) -> Iterator[Finding]:
    """What was left out of the corpora, and why."""
    rows = [
        (corpus.name, reason, str(n))
        for corpus in corpora
        for reason, n in corpus.reasons().items()
    ]
    if rows:
        yield Finding(
            "left out",
            f"{sum(int(n) for *_, n in rows)} utterances or files were left out",
            columns=("corpus", "reason", "utterances"),
            rows=tuple(rows),
        )
