"""Problems without files, and any system of the table fitted to them."""

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
