"""Problems without files, and any system of the table fitted to them."""

from collections.abc import Mapping

import numpy as np

from undertone.features.store import FrameTable
from undertone.systems.layers import Layers
from undertone.systems.settings import bag_of
from undertone.systems.table import systems_of


def fit(problem, system, **settings):
    """What the system leaves; ``settings`` are of its own section."""
    row = systems_of(problem.task)[system]
    if row.settings is None:
        return row.fit(problem, None)
    section = row.settings.name
    return row.fit(problem, bag_of(problem.task, (system,), {section: settings})[section])


def fit_and_predict(problem, system, **settings):
    """(n_test, n_outputs) of the test utterances."""
    return fit(problem, system, **settings).predict(problem.material, problem.test)


def teacher_of(means: Mapping[str, np.ndarray], n_original: int = 0) -> Layers:
    """All layers of an encoder that hears these means (n_layers, width) over time."""
    n_layers, width = next(iter(means.values())).shape
    columns = tuple(f"beef0123_{k:02d}_{i:04d}" for k in range(n_layers) for i in range(width))
    vectors = {name: np.concatenate([m, 0 * m], axis=1) for name, m in means.items()}
    keys = {name: f"teacher {name}" for name in means}
    table = FrameTable("upstream:big@all", 1, 50.0, columns, {}, keys=keys)
    heard = FrameTable("upstream:big@all", 1, 50.0, (), vectors, keys=keys)
    return Layers(table, heard, n_layers, range(n_layers), n_original)
