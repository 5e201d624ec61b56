"""Picks of a corpus: its utterances heard, its labels counted, a list of what to label next.

In:  a corpus, features or a model whose features they are, labels that are there.
Out: ``OfCorpus``: picks by name with their reasons, and in sentences what was passed over or cannot
     be told.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from undertone.annotation.picking.given import OWN, Given, labels_of
from undertone.annotation.picking.heard import Heard, hear
from undertone.annotation.picking.lists import Listed
from undertone.annotation.picking.pick import pick
from undertone.annotation.picking.strategies import DEFAULT, strategy_of
from undertone.corpora.corpus import Corpus, knows
from undertone.errors import UndertoneError, as_path, describe_some
from undertone.features.name import FeatureName, parse
from undertone.reading import Resources, opened

USUAL_N = 50


@dataclass(frozen=True)
class PickSettings:
    """What is asked for.

    Attributes:
        n: how many picks.
        labels: where labels are: ``emotion``, ``none``, or a file.
        strategy: by which is picked.
        seed: names all randomness.
    """

    n: int = USUAL_N
    labels: str = OWN
    strategy: str = DEFAULT
    seed: int = 0


@dataclass(frozen=True)
class OfCorpus:
    """What to label next.

    Attributes:
        picks: the most useful first.
        n_labels: that counted.
        notes: what was passed over or cannot be told, in sentences.
    """

    picks: tuple[Listed, ...]
    n_labels: int
    notes: tuple[str, ...]


def features_named(text: str) -> FeatureName:
    """Features by their name, or those of a model's folder; of an encoder all layers.

    Raises:
        UndertoneError: it is neither.
    """
    from undertone.recogniser.files import CONFIG
    from undertone.recogniser.folder import load

    folder = Path(text)
    name = parse(load(folder).inputs.features if (folder / CONFIG).is_file() else text).settled()
    return name.every_layer() if name.is_upstream else name


def pick_of_corpus(
    features: str | FeatureName,
    corpus: str | Path | Corpus,
    settings: PickSettings | None = None,
    resources: Resources | None = None,
) -> OfCorpus:
    """Which utterances of a corpus to label next.

    Args:
        features: their name, or a model's folder.
        corpus: a specification, or opened.
        settings: what is asked for.
        resources: of the machine.

    Raises:
        UndertoneError: nothing is left to pick, or something cannot be read.
    """
    settings = settings or PickSettings()
    strategy_of(settings.strategy)
    if settings.n < 1:
        raise UndertoneError(f"--n is a number of picks from 1 on, found {settings.n}")
    name = features_named(features) if isinstance(features, str) else features
    read = opened(corpus)
    given = labels_of(read, settings.labels)
    heard = hear(read, name, resources or Resources())
    names = list(heard.corpus.table["utterance"])
    positions = {utterance: i for i, utterance in enumerate(names)}
    labels = {positions[u]: emotion for u, emotion in given.labels.items() if u in positions}
    skip = [positions[u] for u in given.skip if u in positions]
    left = len(names) - len(labels) - len(skip)
    if left < 1:
        raise UndertoneError(
            f"nothing is left to label in {read.name}: {len(labels)} of {len(names)} utterances "
            "have a label"
            + (
                "; to pick as if there were none, add --labels none"
                if settings.labels == OWN and labels
                else ""
            )
        )
    picks = pick(
        heard.space(names, recordings=list(heard.corpus.table["file"])),
        labels=labels,
        n=settings.n,
        strategy=settings.strategy,
        skip=skip,
        seed=settings.seed,
    )
    rows = heard.corpus.table.to_dict("records")
    listed = tuple(_listed(rows[one.index], heard.corpus.root, one.why) for one in picks)
    notes = (*heard.corpus.told(), *given.notes, *_notes(heard, given, settings, left=left))
    return OfCorpus(listed, len(labels), notes)


def _listed(row: Mapping[Any, Any], root: Path, why: str) -> Listed:
    file, speaker = str(row["file"]), row["speaker"]
    return Listed(
        utterance=str(row["utterance"]),
        file=file,
        path=str(root.resolve() / as_path(file)),
        start_s=_seconds(row["start_s"]),
        end_s=_seconds(row["end_s"]),
        speaker=speaker if isinstance(speaker, str) and knows(speaker) else None,
        why=why,
    )


def _seconds(value: object) -> float | None:
    """A time; None for the end of a file, or where there is none."""
    number = float(value) if isinstance(value, int | float | np.floating) else float("nan")
    return number if np.isfinite(number) else None


def _notes(heard: Heard, given: Given, settings: PickSettings, *, left: int) -> Iterator[str]:
    """What cannot be told of these utterances and labels."""
    who = heard.corpus.voices()
    unknown = sum(name is None for name in who)
    if unknown == len(who):
        yield (
            "nobody knows who speaks: what is a speaker's own is not taken off, and what sounds "
            "alike may be one voice; a column speaker makes better picks"
        )
    elif unknown:
        yield f"of {unknown} of {len(who)} utterances nobody knows who speaks"
    unheard = set(given.labels) - set(heard.corpus.table["utterance"])
    if unheard:
        yield (
            f"{len(unheard)} labels are of utterances that cannot be heard "
            f"({describe_some(sorted(unheard))}): they do not count"
        )
    counts = Counter(given.labels.values())
    if len(counts) == 1:
        (emotion,) = counts
        yield (
            f"all {counts[emotion]} labels are {emotion}: no model can be asked what it does not "
            "know; what is picked is spread"
        )
    if given.skip:
        yield f"{len(given.skip)} utterances that somebody could not label are not picked again"
    if left < settings.n:
        yield f"{settings.n} picks were asked for; {left} utterances have no label: these are all"
