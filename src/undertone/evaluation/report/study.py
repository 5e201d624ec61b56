"""The report of several runs together: one HTML file that opens anywhere, offline.

In:  ``Study``: what was asked, tables, answers, the reports of its runs.
Out: ``report.html``, styles inside, no script, no address is fetched.
"""

from dataclasses import dataclass
from pathlib import Path

from undertone import atomic
from undertone.evaluation.report.page import filled
from undertone.evaluation.report.paper import Answer
from undertone.evaluation.report.result import Source
from undertone.evaluation.report.tables import Table


@dataclass(frozen=True)
class Study:
    """Several runs on the same question.

    Attributes:
        title: of the page.
        verdict: the answer, in a sentence or two.
        citation: of the paper that is asked after.
        tables: the first stands before the answers, the others fold away behind them.
        answers: to the paper's claims.
        runs: label and report of each run.
        sources: the corpora that were read.
        command: that makes the page.
        notes: sentences on how it was measured.
    """

    title: str
    verdict: str
    citation: str
    tables: tuple[Table, ...]
    answers: tuple[Answer, ...]
    runs: tuple[tuple[str, Path], ...]
    sources: tuple[Source, ...]
    command: str
    notes: tuple[str, ...] = ()


def write_study(study: Study, path: Path) -> None:
    """The page, whole or absent; its runs are named by paths from where it lies."""
    runs = [(label, report.relative_to(path.parent).as_posix()) for label, report in study.runs]
    looks: dict[str, str] = {}  # systems of several runs have no sign in common
    values = {"study": study, "runs": runs, "looks": looks}
    atomic.write_text(path, filled("study.html", values))
