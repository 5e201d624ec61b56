"""What a run keeps: its fits and the statistics of its pools, each under what it is.

In:  a ``Sweep``: the plan, which systems with which settings, the run's folder.
Out: ``fits/<system>/<cell>.npz`` in the folder, one file a fit, whole or absent: predictions of the
     test utterances, and what the fit noted; ``encoders/<fold>/`` with a pre-training.

A file names inside what it is of: system, cell, labels, settings, data, this package. One that is
damaged or of something else is set aside, and what it held is computed again.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from undertone import atomic, seals
from undertone.errors import UndertoneError, describe_some, tell
from undertone.evaluation.report.paper import series
from undertone.seals import UnsoundError
from undertone.systems.adapted import ByVoice
from undertone.systems.plan import Cell, Plan
from undertone.systems.table import System, systems_of
from undertone.training.identity import computed_by, identity_of, speech_of
from undertone.training.normalise import Normaliser
from undertone.training.pretrain import PretrainConfig, Pretraining, read_pretraining
from undertone.training.seeds import seed_of


class Fit(NamedTuple):
    """What is kept of a fit.

    Attributes:
        values: (n_test, n_outputs) predictions of the fold's test utterances, in its order.
        notes: what the fit chose on its labels.
    """

    values: np.ndarray
    notes: dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """All that a worker needs to know.

    Attributes:
        plan: who is in which pool, and the draws of labels.
        systems: names in ``systems.table``, or of ``own`` rows.
        settings: of the systems, by section.
        pretraining: settings.
        folder: of the run.
        own: rows that are in no table.
        voiced: rows of these systems, adapted to the tested voices.
    """

    plan: Plan
    systems: tuple[str, ...]
    settings: Mapping[str, Any]
    pretraining: PretrainConfig
    folder: Path
    own: tuple[System, ...] = ()
    voiced: tuple[ByVoice, ...] = ()

    @property
    def rows(self) -> list[System]:
        """The systems' rows."""
        known = systems_of(self.plan.task) | {row.name: row for row in self.own}
        return [known[name] for name in self.systems]

    def rows_with(self, budget: int) -> list[System]:
        """Those that are fitted to so many labels, and then those adapted to tested voices."""
        return [row for row in (*self.rows, *self.voiced) if budget >= row.least_labels]

    @property
    def n_fits(self) -> int:
        return sum(len(self.rows_with(cell.budget)) for cell in self.plan.cells)

    @property
    def pretrains(self) -> bool:
        return any(row.pretrains for row in self.rows)

    def path(self, system: str, cell: Cell) -> Path:
        """Where a fit's predictions lie."""
        return self.folder / "fits" / system / f"{cell.name}.npz"

    def identity(self, row: System, cell: Cell) -> dict[str, Any]:
        """What a fit is, and all that it depends on."""
        settings = row.own(self.settings)
        return {
            "system": row.name,
            "cell": cell.name,
            "labels": seals.digest_of([list(cell.labels.train), list(cell.labels.validation)]),
            "settings": None if settings is None else asdict(settings),
            "shape": asdict(self.plan.shape) if row.sees_pool else None,
            "seed": self.plan.seed,
            "pretraining": self._pretrainings[cell.fold] if row.pretrains else None,
            "data": self._data,
            **({"reads": row.reads} if row.reads else {}),
            **self._computed_by,
        }

    def write_fit(self, row: System, cell: Cell, fit: Fit) -> None:
        """Keep what a fit predicted and noted."""
        arrays = {
            "utterance": np.array(self.plan.folds[cell.fold].test),
            "values": fit.values.astype(np.float32),
            "notes": np.array(json.dumps(fit.notes)),
        }
        seals.write_record(self.path(row.name, cell), arrays, self.identity(row, cell))

    def read_fit(self, row: System, cell: Cell) -> Fit | None:
        """What is kept of a fit; None where nothing is.

        Raises:
            UnsoundError: it is damaged, or of something else.
        """
        found = seals.read_record(self.path(row.name, cell), self.identity(row, cell))
        if found is None:
            return None
        position = {name: i for i, name in enumerate(found["utterance"].tolist())}
        test = self.plan.folds[cell.fold].test
        if set(position) != set(test) or len(found["values"]) != len(test):
            raise UnsoundError("it is of other utterances")
        order = [position[name] for name in test]
        return Fit(found["values"][order], json.loads(str(found["notes"])))

    def missing(self, cell: Cell) -> list[System]:
        """Systems whose fit of this cell is not on disk, or cannot be believed."""
        return [row for row in self.rows_with(cell.budget) if not self._has(row, cell)]

    def set_unsound_aside(self) -> None:
        """Give every fit that cannot be believed another name, and say how many there were."""
        reasons: dict[str, str] = {}
        for cell in self.plan.cells:
            for row in self.rows_with(cell.budget):
                try:
                    self.read_fit(row, cell)
                except UnsoundError as error:
                    path = self.path(row.name, cell)
                    reasons[f"{row.name}/{path.name}"] = str(error)
                    path.replace(path.with_name(path.name + atomic.DAMAGED))
        if reasons:
            tell(
                f"{len(reasons)} fits in {self.folder / 'fits'} are damaged or of something else "
                f"({describe_some(f'{name}: {why}' for name, why in reasons.items())}): they were "
                f"set aside as *{atomic.DAMAGED}, and are computed again"
            )

    def fit(self, system: str, cell: Cell) -> Fit:
        """What a finished fit left."""
        (row,) = (row for row in (*self.rows, *self.voiced) if row.name == system)
        try:
            found, why = self.read_fit(row, cell), "it is gone"
        except UnsoundError as error:
            found, why = None, str(error)
        if found is None:
            raise UndertoneError(
                f"{self.path(system, cell)} was changed while the run was at work ({why}); run the "
                "same command again, which computes it anew"
            )
        return found

    def encoder_folder(self, fold: int) -> Path:
        """Where a fold's pre-training lies."""
        return self.folder / "encoders" / f"fold{fold:02d}"

    def pretraining_identity(self, fold: int) -> dict[str, Any]:
        """What a fold's pre-training depends on."""
        of_fold = self.plan.folds[fold]
        return identity_of(
            self._speech[fold],
            of_fold.voices,
            shape=self.plan.shape,
            settings=self.pretraining,
            seed=seed_of(self.plan.seed, "pretrain", fold),
        )

    def read_pretraining(self, fold: int) -> Pretraining | None:
        """The finished pre-training of a fold; None where there is none."""
        return read_pretraining(
            self.encoder_folder(fold),
            self.pretraining_identity(fold),
            n_features=len(self.plan.frames.columns),
            shape=self.plan.shape,
        )

    def normaliser(self, fold: int, fit: Callable[[], Normaliser]) -> Normaliser:
        """Statistics of a fold's pool, kept beside its encoder: a large pool is read once."""
        path, stride = self.encoder_folder(fold) / "normaliser.npz", self.plan.shape.stride
        identity = {"fold": fold, "speech": self._speech[fold], "stride": stride}
        try:
            if (found := seals.read_record(path, identity)) is not None:
                return Normaliser(found["mean"], found["sd"], stride)
        except UnsoundError as error:
            atomic.set_aside(path, str(error))
        fitted = fit()
        seals.write_record(path, {"mean": fitted.mean, "sd": fitted.sd}, identity)
        return fitted

    def _has(self, row: System, cell: Cell) -> bool:
        try:
            return self.read_fit(row, cell) is not None
        except UnsoundError:
            return False

    @cached_property
    def _data(self) -> str:
        """Digest of what all fits depend on."""
        return self.plan.digest()

    @cached_property
    def _speech(self) -> dict[int, str]:
        return {fold: speech_of(of_fold.pool) for fold, of_fold in self.plan.folds.items()}

    @cached_property
    def _pretrainings(self) -> dict[int, str]:
        """Digest of what each fold's pre-training depends on."""
        folds = self.plan.folds
        return {fold: seals.digest_of(self.pretraining_identity(fold)) for fold in folds}

    @cached_property
    def _computed_by(self) -> dict[str, str]:
        return computed_by()


def layer_notes(sweep: Sweep) -> Iterator[str]:
    """How often the fits chose which layer, a sentence a budget; nothing where none was chosen."""
    layers, counts = sweep.plan.layers, dict[int, Counter[int]]()
    choosing = [row.name for row in sweep.rows if row.one_layer]
    if layers is None or len(layers.candidates) == 1:
        return
    for cell in sweep.plan.cells:
        for system in choosing:
            if "layer" in (notes := sweep.fit(system, cell).notes):  # the same for all of a cell
                counts.setdefault(cell.budget, Counter())[notes["layer"]] += 1
                break
    if counts:
        yield (
            f"Each fit chose one of {len(layers.candidates)} layers of the encoder by "
            "cross-validation of a linear model on its own labels, by speaker where there were "
            f"enough; {series([row.label for row in sweep.rows if row.one_layer])} saw that layer."
        )
    for budget, of_budget in sorted(counts.items()):
        chosen = ", ".join(f"layer {layer} in {n}" for layer, n in sorted(of_budget.items()))
        yield f"With {budget} labels, {of_budget.total()} fits chose: {chosen}."
