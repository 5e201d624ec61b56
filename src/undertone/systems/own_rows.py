"""Own rows in a curve: any frames by utterance beside the baselines, on the same draws of labels.

In:  a name, frames by utterance (of an encoder, of another program, of ``undertone.extract``).
Out: a row in the table of systems of this process: mean and standard deviation over the frames, in
     the discriminant analysis, self-trained, that the recommended systems are made of; of amounts
     in their ridge regression.

The row sees the folds, labels and unlabelled training speech that all other rows see, so that what
differs is what it hears. Its fits are kept under the content of its frames.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from undertone.errors import UndertoneError, describe_some
from undertone.features.extractor import as_frames
from undertone.features.store import FrameTable
from undertone.features.vectors import mean_sd
from undertone.models.crowd_ridge import RidgeConfig
from undertone.models.discriminant import NOTHING, DiscriminantConfig
from undertone.systems import fits, table
from undertone.systems.calibrated import calibrated
from undertone.systems.fitted import Fitted
from undertone.systems.problem import Material, Problem
from undertone.systems.system import (
    DISCRIMINANT,
    ENCODER,
    FRAMES,
    RIDGE,
    System,
    own_rows,
    put_own_rows,
)
from undertone.systems.view import View
from undertone.tasks import AMOUNTS, CHOICE

BLOCK = "own"
Frames = FrameTable | Mapping[str, np.ndarray]


@dataclass(frozen=True)
class OwnView(View):
    """What a row of one's own reads: frames that no other row does.

    Attributes:
        name: of the row.
        frames: of an utterance.
        digest: of all that is read.
    """

    name: str = field(default="", kw_only=True)
    frames: Frames = field(default_factory=dict, kw_only=True, repr=False)
    digest: str = field(default="", kw_only=True)

    def _where(self, name: str, material: Material) -> tuple[object, Callable[..., np.ndarray]]:
        key, compute = super()._where(name, material)
        return (key, self.digest), compute

    def _block(self, name: str, material: Material, utterances: Sequence[str]) -> np.ndarray:
        kind = f"{BLOCK} {self.digest}"
        for utterance in utterances:
            if (kind, utterance) not in material.described:
                material.described[kind, utterance] = mean_sd(_frames_of(self.frames, utterance))
        return np.stack([material.described[kind, utterance] for utterance in utterances])


def add_row(name: str, frames: Frames, *, label: str = "", description: str = "") -> None:
    """Put a row into the table of systems of this process, in place of one of that name before.

    Args:
        name: for ``systems=`` of a curve's settings.
        frames: by utterance: a ``FrameTable``, or arrays (n_frames, n_features), or (n_features,)
            of one vector an utterance, by their names in the corpus.
        label: what people read in tables and plots; the name by default.
        description: a sentence for the report.

    Raises:
        UndertoneError: the name is one of the package's, or the arrays will not do.
    """
    own = {row.name for row in own_rows()}
    if not isinstance(name, str):
        raise UndertoneError(f"a row is named with letters, digits and _, found {name!r}")
    if name in set(table.known_names()) - own:
        raise UndertoneError(f"{name} is a system of the package: give your row another name")
    if not name.isidentifier():
        raise UndertoneError(f"a row is named with letters, digits and _, found {name!r}")
    if not isinstance(frames, FrameTable):
        frames = _checked(name, frames)
    view = OwnView((BLOCK,), name=name, frames=frames, digest=_digest(frames))
    told = description or f"Mean and sd over the frames of {name}, brought by the user"
    row = partial(
        System,
        name,
        label or name,
        "classic",
        usual=(FRAMES, ENCODER),
        stands_alone=True,
        reads=view.digest,
    )
    put_own_rows(
        name,
        (
            row(
                f"{told.rstrip('.')}, in a shrunk linear discriminant analysis, self-trained.",
                calibrated(partial(_fit_choice, view=view)),
                DISCRIMINANT,
                tasks=(CHOICE,),
            ),
            row(
                f"{told.rstrip('.')}, in a ridge regression with a fixed penalty.",
                partial(_fit_amounts, view=view),
                RIDGE,
                tasks=(AMOUNTS,),
            ),
        ),
    )


def _fit_choice(problem: Problem, settings: DiscriminantConfig, *, view: OwnView) -> Fitted:
    _check_all_there(problem, view)
    settings = replace(settings, other_speech=NOTHING)  # of which the row has no frames
    return fits.fit_combined(problem, settings, view=_centred(view, settings.centring))


def _fit_amounts(problem: Problem, settings: RidgeConfig, *, view: OwnView) -> Fitted:
    _check_all_there(problem, view)
    problem = replace(problem, material=replace(problem.material, elsewhere={}))
    return fits.fit_ridge_in_crowd(problem, settings, view=_centred(view, settings.centring))


def _centred(view: OwnView, centring: float) -> OwnView:
    return replace(view, centring=centring)


def _check_all_there(problem: Problem, view: OwnView) -> None:
    wanted = [*problem.budget, *problem.test, *problem.material.crowd]
    known = view.frames.source if isinstance(view.frames, FrameTable) else view.frames
    if missing := sorted({name for name in wanted if name not in known}):
        raise UndertoneError(
            f"the row {view.name} has no frames of {len(missing)} utterances, such as "
            f"{describe_some(missing)}: give it those of the whole corpus, or leave these "
            "utterances out of the corpus"
        )


def _frames_of(frames: Frames, utterance: str) -> np.ndarray:
    if isinstance(frames, FrameTable):
        return np.asarray(frames.frames(utterance))
    return frames[utterance]


def _checked(name: str, frames: object) -> dict[str, np.ndarray]:
    """(n_frames, n_features) float32 by utterance of arrays that somebody gave, all as wide."""
    if not isinstance(frames, Mapping) or not frames:
        raise UndertoneError(
            f"the row {name} takes arrays by utterance, as {{'a1': array}}, or a FrameTable; found "
            + ("none" if isinstance(frames, Mapping) else f"a {type(frames).__name__}")
        )
    checked, width = dict[str, np.ndarray](), None
    for utterance, array in frames.items():
        if not isinstance(utterance, str):
            raise UndertoneError(f"utterances are named by texts, found {utterance!r} of {name}")
        found = np.asarray(array)
        found = found[None] if found.ndim == 1 else found
        checked[utterance] = as_frames(found, f"the array of {utterance}", width=width)
        width = found.shape[1]
    return checked


def _digest(frames: Frames) -> str:
    """Of all that a row reads, by utterance."""
    together = hashlib.sha256()
    if isinstance(frames, FrameTable) and frames.keys.keys() >= frames.source.keys():
        together.update(
            repr((frames.extractor, frames.version, sorted(frames.keys.items()))).encode()
        )
        return together.hexdigest()
    for utterance in sorted(frames.source if isinstance(frames, FrameTable) else frames):
        array = _frames_of(frames, utterance)
        together.update(f"{utterance} {array.shape} ".encode())
        together.update(np.ascontiguousarray(array).tobytes())
    return together.hexdigest()
