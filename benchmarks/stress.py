"""A small model under stress, on the corpora that are there: what recordings cost, with intervals.

    python benchmarks/stress.py [--labels 100] [--conditions silence,telephone] [--out runs/stress]

EmoDB and RAVDESS where the environment variable UNDERTONE_CORPORA names a folder with ``emodb/``
and ``ravdess/``, else synthetic voices, whose numbers say nothing of people. A stopped run goes on.
"""

import argparse
import os
from pathlib import Path

from undertone.cli import printing
from undertone.experiment.stress import StressSettings, stress
from undertone.pipeline import FinetuneSettings, Resources, finetune

NAMES = ("emodb", "ravdess")


def main() -> None:
    """Train a model of each corpus, and test it under every condition."""
    given = _arguments()
    home, resources = os.environ.get("UNDERTONE_CORPORA", ""), Resources(given.cache, given.workers)
    found = [
        f"{name}={Path(home) / name}" for name in NAMES if home and (Path(home) / name).is_dir()
    ]
    conditions = tuple(given.conditions.split(",")) if given.conditions else ()
    for corpus in found or ["synthetic"]:
        folder = given.out / corpus.partition("=")[0]
        if not (folder / "model" / "config.json").is_file():
            settings = FinetuneSettings(system=given.system, labels=given.labels, folds=0)
            finetune(corpus, folder / "model", settings=settings, resources=resources)
        asked = StressSettings(conditions, seed=given.seed)
        result = stress(folder / "model", corpus, folder, settings=asked, resources=resources)
        printing.print_rows([result.corpus, *result.headings[1:]], result.cells)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--system", default="descriptors")
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--conditions", default="")
    parser.add_argument("--out", type=Path, default=Path("runs") / "stress")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
