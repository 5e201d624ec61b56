"""Dimensions for a corpus that has emotions alone: the place of each emotion in the circumplex.

In:  a corpus with emotions, the name of a proxy.
Out: the same corpus with the columns arousal, valence and dominance, one value an emotion.

It is a proxy: nobody rated the utterances. The corpus says so, and so does every table made of it.
"""

from dataclasses import replace

import numpy as np

from undertone.corpora.corpus import Corpus
from undertone.errors import UndertoneError
from undertone.tasks import CHOICE
from undertone.tasks.dimensions import DIMENSIONS, PROXIES, PROXY_RANGE, Dimensions
from undertone.tasks.task import Task


def with_proxy(corpus: Corpus, name: str, task: str = "") -> Corpus:
    """The corpus with the dimensions that a proxy gives its emotions; itself where none is named.

    An emotion that the proxy does not place leaves its utterances without a label.

    Raises:
        UndertoneError: there is no such proxy, it is none of the task, or the corpus has ratings or
            no emotion that it places.
    """
    if not name:
        return corpus
    if name not in PROXIES:
        raise UndertoneError(f"there is no proxy {name!r}; there are {', '.join(PROXIES)}")
    if task not in ("", Dimensions.name):
        raise UndertoneError(
            f"a proxy is of the task {Dimensions.name}, found the task {task}: leave --proxy out, "
            f"or say --task {Dimensions.name}"
        )
    if (rated := Dimensions.of(corpus.table)) is not None:
        raise UndertoneError(
            f"{corpus.name} has ratings of {', '.join(rated.outputs)}: leave --proxy out"
        )
    places = PROXIES[name]
    emotions = corpus.labelled.table["emotion"]
    if not emotions.isin(list(places)).any():
        raise UndertoneError(
            f"the proxy {name} places {', '.join(places)}; {corpus.name} has "
            f"{', '.join(corpus.emotions) or 'no emotions'}"
        )
    nowhere = (np.nan,) * len(DIMENSIONS)
    values = np.array([places.get(emotion, nowhere) for emotion in corpus.table["emotion"]])
    table = corpus.table.assign(**dict(zip(DIMENSIONS, values.T, strict=True)))
    return replace(corpus, table=table, scale=PROXY_RANGE, proxy=name)


def with_labels_of(corpus: Corpus, task: Task) -> Corpus:
    """The corpus with the labels that a model of a task is measured by, of its proxy if it has one.

    Raises:
        UndertoneError: the corpus has no such labels.
    """
    if isinstance(task, Dimensions) and task.proxy:
        if (rated := Dimensions.of(corpus.table)) is not None:
            raise UndertoneError(
                f"the model learned the places of emotions (proxy {task.proxy}), and {corpus.name} "
                f"has ratings of {', '.join(rated.outputs)}: name a corpus that has emotions alone"
            )
        corpus = with_proxy(corpus, task.proxy)
    own = corpus.task(task.name)
    if task.kind != CHOICE and (missing := [o for o in task.outputs if o not in own.outputs]):
        raise UndertoneError(
            f"the model predicts {', '.join(task.outputs)}, and {corpus.name} has no labels of "
            f"{', '.join(missing)}: name a corpus that has them"
        )
    if not task.is_labelled(corpus.table).any():
        raise UndertoneError(
            f"the model predicts {', '.join(task.outputs)}, and {corpus.name} has labels of "
            f"{', '.join(own.outputs)} alone: name a corpus that has some of the model's"
        )
    return corpus
