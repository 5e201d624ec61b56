"""How far off a plan is: a curve is foreseen from a small calibration, and then made.

In:  a labelled corpus with recordings; systems, budgets and draws of the curve.
Out: processor seconds foreseen and used, their ratio, and the same of memory and disk.

Both are made on this machine in one call, the curve with one process on an empty cache, so that
what it used is counted whole. Only processor time is compared: other work lengthens wall clocks.

    OMP_NUM_THREADS=1 python benchmarks/plan.py --corpus emodb=PATH [--out FILE.json]
"""

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

import soundfile
from turns import Row, Table, save

from undertone import corpora
from undertone.experiment import CurveSettings, curve
from undertone.experiment.planning import Wanted, plan
from undertone.features.store import recordings_of
from undertone.processes import process_pool
from undertone.reading import Resources

CALIBRATED_ON = 192  # utterances at most, so that the curve is well beyond it
BUDGETS, DRAWS = (20, 100), 3
SYSTEMS = ("descriptors", "functionals_logistic", "constant")


def seconds_of(corpus: str) -> tuple[float, int, int]:
    """Speech, speakers and utterances of a corpus."""
    opened = corpora.open(corpus)
    whole = (
        soundfile.info(str(r.path)).duration if r.end_s is None else r.end_s - r.start_s
        for r in recordings_of(opened).values()
    )
    return sum(whole), len(opened.speakers), len(opened)


def used(settings: CurveSettings, folder: Path) -> tuple[float, int]:
    """Processor seconds and peak bytes of a curve that is made in this process."""
    curve(settings, folder / "run", Resources(folder / "frames", workers=1, progress=False))
    times, unit = os.times(), 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return times.user + times.system + times.children_user + times.children_system, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    settings = CurveSettings(
        corpus=asked.corpus,
        budgets=BUDGETS,
        draws=asked.draws,
        systems=tuple(asked.systems.split(",")),
    )
    speech_s, n_speakers, n_utterances = seconds_of(asked.corpus)
    clip_s = speech_s / n_utterances
    wanted = Wanted(speech_s / 3600, n_speakers, n_utterances, clip_s=clip_s, cores=1)
    outlook = plan(wanted, settings, most=CALIBRATED_ON)
    with tempfile.TemporaryDirectory() as folder:
        with process_pool(1) as pool:
            seconds, peak = pool.submit(used, settings, Path(folder)).result()
        disk = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())
    table = Table(
        f"A plan of {n_utterances} utterances, from {CALIBRATED_ON} at most",
        "",
        {
            "used": Row(seconds, seconds, 1.0, 1.0),
            "foreseen": Row(outlook.core_s, outlook.core_s, *2 * [outlook.core_s / seconds]),
        },
        {
            "memory foreseen / used": outlook.peak / peak,
            "disk foreseen / used": sum(step.disk for step in outlook.steps) / disk,
        },
    )
    table.show()
    for name, value in table.notes.items():
        print(f"{name:50s}{value:9.2f}")
    if asked.out:
        save(asked.out, [table])


if __name__ == "__main__":
    main()
