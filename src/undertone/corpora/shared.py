"""What several corpora have in common: the task, emotions, amounts on one scale.

In:  corpora that are learned from or tested, as members of a joined one.
Out: the same without what another lacks, counted, and sentences on it; or a refusal.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from undertone.corpora.corpus import Corpus, Member
from undertone.errors import UndertoneError
from undertone.tasks import TASKS, Dimensions, Task, task_of


def tasks_of(members: Sequence[Member], name: str) -> list[Task]:
    """The task of each corpus, all of one kind."""
    corpora = [member.corpus for member in members]
    for member in members:
        if not any(_has(member.corpus, kind) for kind in TASKS):
            use = "learned from" if member.trains else "tested"
            raise UndertoneError(
                f"{member.corpus.name} has no labels, so that it cannot be {use}: name a corpus "
                "with labels, or give it as --unlabelled"
            )
    name = name or (Dimensions.name if all(one.proxy for one in corpora) else "")
    shared = [kind for kind in TASKS if all(_has(one, kind) for one in corpora)]
    if not name and not shared:
        held = "; ".join(
            f"{one.name} has {', '.join(k for k in TASKS if _has(one, k))}" for one in corpora
        )
        raise UndertoneError(
            f"no task has labels in every corpus ({held}): with --proxy pad emotions become "
            "dimensions, else name corpora with labels of one kind"
        )
    return [one.task(name or shared[0]) for one in corpora]


def _has(corpus: Corpus, kind: str) -> bool:
    try:
        task_of(corpus.table, corpus.name, kind)
    except UndertoneError:
        return False
    return True


def check_speakers(members: Sequence[Member], task: str) -> None:
    """Refuse a corpus of which no label would be used, since nobody knows who speaks."""
    for member in members:
        corpus = member.corpus
        is_labelled = corpus.task(task).is_labelled(corpus.table)
        if not corpus.table["speaker"][is_labelled].notna().any():
            use = "learned from" if member.trains else "tested"
            raise UndertoneError(
                f"no labelled utterance of {corpus.name} names its speaker, so that it cannot be "
                f"{use}: give its table a column speaker, or leave {corpus.name} out"
            )


def with_shared_emotions(
    members: Sequence[Member], held: Sequence[Sequence[str]]
) -> tuple[list[Member], list[str]]:
    """The members without emotions that another lacks, and what is to be said of that."""
    shared = sorted(set(held[0]).intersection(*held[1:]))
    if len(shared) < 2:
        lists = "; ".join(
            f"{m.corpus.name} has {', '.join(names)}"
            for m, names in zip(members, held, strict=True)
        )
        found = f"one emotion, {shared[0]}" if shared else "no emotion"
        raise UndertoneError(
            f"the corpora share {found}, and telling emotions apart takes two ({lists}): test a "
            "corpus with the same emotions, or rename its labels to the ones here"
        )
    parts: list[Member] = []
    notes = [f"{len(shared)} emotions are shared: {', '.join(shared)}."]
    for member, own in zip(members, held, strict=True):
        table = member.corpus.table
        label = table.get("emotion", pd.Series(None, index=table.index, dtype=object))
        beyond = label.notna() & ~label.isin(shared)
        reasons = {
            name: f"{emotion} is not an emotion of every corpus"
            for name, emotion in zip(table["utterance"][beyond], label[beyond], strict=True)
        }
        parts.append(replace(member, corpus=member.corpus.drop(reasons)))
        if others := sorted(set(own) - set(shared)):
            notes.append(
                f"{member.corpus.name} also has {', '.join(others)}: {len(reasons)} utterances, "
                "neither learned from nor tested."
            )
    return parts, notes


def on_one_scale(
    members: Sequence[Member], tasks: Sequence[Task], given: tuple[float, ...]
) -> tuple[list[Member], list[str]]:
    """The members with the amounts that all have, on the scale of the tested corpus."""
    shared = [o for o in tasks[0].outputs if all(o in task.outputs for task in tasks)]
    if not shared:
        lists = "; ".join(
            f"{m.corpus.name} has {', '.join(task.outputs)}"
            for m, task in zip(members, tasks, strict=True)
        )
        raise UndertoneError(f"the corpora share no {tasks[0].each} ({lists})")
    scales = [_scale_of(m.corpus, task, given) for m, task in zip(members, tasks, strict=True)]
    low, high = wanted = scales[-1]
    parts, notes = [], [f"{', '.join(shared)} are shared, on a scale from {low:g} to {high:g}."]
    for member, task, scale in zip(members, tasks, scales, strict=True):
        corpus = member.corpus
        task.on(scale, corpus.proxy).check_truth(corpus.table, corpus.name)
        beyond = [name for name in task.outputs if name not in shared]
        table = corpus.table.drop(columns=beyond)
        if scale != wanted:
            share = (table[shared].astype(float) - scale[0]) / (scale[1] - scale[0])
            table = table.assign(**(low + share * (high - low)))
            notes.append(
                f"{corpus.name} was rated from {scale[0]:g} to {scale[1]:g}; its labels were moved "
                "onto that scale in a straight line."
            )
        of_task = wanted if isinstance(task, Dimensions) else corpus.scale
        parts.append(replace(member, corpus=replace(corpus, table=table, scale=of_task)))
    return parts, notes


def _scale_of(corpus: Corpus, task: Task, given: tuple[float, ...]) -> tuple[float, float]:
    """What a corpus tells, or what was said for those that tell nothing."""
    if not isinstance(task, Dimensions):
        return task.low, task.high
    if corpus.scale is not None:
        return corpus.scale
    if not given:
        raise UndertoneError(
            f"{corpus.name} does not tell on which scale its {', '.join(task.outputs)} were rated: "
            f"numbers from {task.low:g} to {task.high:g} occur. Say it for all corpora that do not "
            "tell, as --set across.scale=[1,5]"
        )
    return given[0], given[1]
