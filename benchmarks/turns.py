"""Ways to do one thing take turns, so that a busy machine slows them alike; medians and ratios.

In:  functions by name, the first of which is the base of all ratios.
Out: a ``Table`` that is printed and goes into a dated JSON file with the machine.

Two clocks: wall-clock seconds, which other work on the machine lengthens, and processor seconds of
this process and whatever a way says it used elsewhere, which it lengthens much less. Ratios are
medians over the repeats of base / way, above 1 where the way is the cheaper one.
"""

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

Way = Callable[[], object]  # a float it returns is the processor seconds of its other processes


@dataclass(frozen=True)
class Row:
    """What one way costs."""

    wall_s: float
    processor_s: float
    ratio: float
    processor_ratio: float
    rate: float | None = None


@dataclass
class Table:
    """A comparison: rows by name and what they say of themselves.

    Attributes:
        title: what was compared.
        unit: of the rate, a processor second; empty where there is none.
        rows: what each way costs, the base first.
        notes: settings, counts and sentences.
    """

    title: str
    unit: str
    rows: dict[str, Row]
    notes: Mapping[str, object] = field(default_factory=dict)

    def show(self) -> None:
        """Print the table."""
        print(f"\n{self.title}")
        print(f"{'':50s}{'wall s':>9s}{'ratio':>7s}{'proc. s':>9s}{'ratio':>7s}  {self.unit}")
        for name, row in self.rows.items():
            rate = "" if row.rate is None else f"{row.rate:12,.0f}"
            print(
                f"{name:50s}{row.wall_s:9.3f}{row.ratio:7.2f}"
                f"{row.processor_s:9.3f}{row.processor_ratio:7.2f}{rate}"
            )
        for name, note in self.notes.items():
            print(f"  {name}: {note}")


def take_turns(
    ways: Mapping[str, Way], *, repeats: int, amount: float | None = None, warm: bool = True
) -> dict[str, Row]:
    """Run each way ``repeats`` times, all of them within every repeat.

    Args:
        ways: by name, the base first.
        repeats: that count.
        amount: what one run works off, for the rate a processor second.
        warm: run every way once before, uncounted.
    """
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for repeat in range(repeats + warm):
        for name, way in ways.items():
            found = cost(way)
            if repeat >= warm:
                costs[name].append(found)
    return rows(costs, amount)


def rows(
    costs: Mapping[str, list[tuple[float, float]]], amount: float | None = None
) -> dict[str, Row]:
    """Medians and ratios of (wall-clock, processor) seconds, repeat by repeat."""
    base = next(iter(costs.values()))
    found = {}
    for name, own in costs.items():
        walls, processors = zip(*own, strict=True)
        ratios = [[b[clock] / o[clock] for b, o in zip(base, own, strict=True)] for clock in (0, 1)]
        found[name] = Row(
            wall_s=round(median(walls), 4),
            processor_s=round(median(processors), 4),
            ratio=round(median(ratios[0]), 3),
            processor_ratio=round(median(ratios[1]), 3),
            rate=None if amount is None else round(amount / median(processors), 1),
        )
    return found


def cost(way: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds of one run."""
    began, processor_began = time.perf_counter(), time.process_time()
    used = way()
    wall_s = time.perf_counter() - began
    return wall_s, time.process_time() - processor_began + (
        used if isinstance(used, float) else 0.0
    )


def describe_machine() -> dict[str, object]:
    """Processor, cores, versions, and how busy it is."""
    flags = _processor_line("flags").split()
    return {
        "processor": _processor_line("model name") or platform.processor(),
        "cores": os.cpu_count(),
        "instructions": [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags],
        "python": platform.python_version(),
        "torch": version("torch"),
        "load": round(os.getloadavg()[0], 1),
        "niceness": os.nice(0),
    }


def save(path: Path, tables: list[Table], **more: object) -> None:
    """Write everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = more | {"machine": describe_machine(), "tables": [asdict(table) for table in tables]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _processor_line(name: str) -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(name):
                return line.split(":")[1].strip()
    return ""
