"""The corpora that a curve is asked for, opened: one, or several joined where others are tested.

In:  settings of a curve.
Out: the settings with places that hold in any folder; the labelled corpus, and the vault that
     withholds its truth, if one does.
"""

import os
from dataclasses import replace
from pathlib import Path

from undertone import corpora
from undertone.config import expanded
from undertone.corpora import across
from undertone.corpora.corpus import Corpus, Member
from undertone.corpora.proxy import with_proxy
from undertone.corpora.transcripts import with_transcripts
from undertone.errors import UndertoneError
from undertone.evaluation.predictions import Tested
from undertone.evaluation.vault import Vault, open_vault
from undertone.experiment.settings import CurveSettings
from undertone.features import mosei

BY_VIDEO = (
    "The corpus does not say who speaks: videos are resampled, and one person in several videos "
    "would make the intervals too narrow."
)
NOT_FROZEN = "of a speaker outside the vault: neither tested nor learned from"


def with_absolute_paths(settings: CurveSettings) -> CurveSettings:
    """The same settings: their file repeats the run from any folder."""
    files, vault, beside = settings.fold_files, settings.vault, settings.across
    return replace(
        settings,
        fold_files=os.path.abspath(expanded(files)) if files else "",
        vault=os.path.abspath(expanded(vault)) if vault else "",
        corpus=corpora.with_absolute_path(settings.corpus),
        unlabelled=tuple(map(corpora.with_absolute_path, settings.unlabelled)),
        across=replace(
            beside,
            test=tuple(map(corpora.with_absolute_path, beside.test)),
            beside=tuple(map(corpora.with_absolute_path, beside.beside)),
        ),
        text=settings.text.settled(),
    )


def open_corpora(settings: CurveSettings) -> tuple[Corpus, Vault | None]:
    """The labelled corpus, without the truth that a vault withholds.

    Raises:
        UndertoneError: a corpus cannot be read, or several cannot be joined.
    """
    vault = _vault(settings)
    if settings.across.asked:
        return _joined(settings, vault), vault
    opened = with_proxy(corpora.open(settings.corpus), settings.proxy, settings.task)
    if settings.text.transcripts:
        opened = with_transcripts(opened, settings.text.transcripts)
    return vault.without_truth(opened) if vault else opened, vault


def of_vault(settings: CurveSettings) -> str:
    """The corpus whose speakers a vault freezes."""
    return settings.across.test[0] if settings.across.test else settings.corpus


def as_named_at_home(corpus: Corpus, tested: Tested) -> Tested:
    """What is tested with the names that utterances have in their own corpus."""
    if not corpus.members:
        return tested
    named = dict(zip(corpus.table["utterance"], corpus.table[across.MEMBER], strict=True))
    names = (name.removeprefix(f"{named[name]}/") for name in tested.utterances)
    return replace(tested, utterances=tuple(names))


def _joined(settings: CurveSettings, vault: Vault | None) -> Corpus:
    taught = (settings.corpus, *settings.across.beside)
    opened = [
        with_proxy(corpora.open(spec), settings.proxy, settings.task)
        for spec in (*taught, *settings.across.test)
    ]
    for one in opened:
        if mosei.holds_frames(one):
            raise UndertoneError(
                f"{one.name} brings frames and no recordings: it cannot stand beside another "
                "corpus, whose frames would have to be made in the same way"
            )
    if vault is not None:
        opened[-1] = _frozen_part(opened[-1], vault)
    return across.join(
        opened,
        len(taught),
        task=settings.task or (vault.task if vault else ""),
        settings=settings.across,
        outputs=None if vault is None else vault.outputs,
    )


def _frozen_part(corpus: Corpus, vault: Vault) -> Corpus:
    """The speakers of a vault alone, without their truth."""
    hidden = vault.without_truth(corpus)
    outside = ~corpus.table["speaker"].isin(vault.speakers)
    return hidden.drop(dict.fromkeys(corpus.table["utterance"][outside], NOT_FROZEN))


def _vault(settings: CurveSettings) -> Vault | None:
    """The vault that the settings name; made where there is none."""
    if not settings.vault:
        return None
    return open_vault(
        Path(settings.vault),
        of_vault(settings),
        task=settings.task,
        n_folds=settings.folds,
        seed=settings.seed,
    )


def role_of(member: Member) -> str:
    """What a corpus of several was there for."""
    if member.trains and member.tested:
        return "tested by the others"
    return "learned from" if member.trains else "tested"
