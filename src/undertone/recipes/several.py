"""A recipe on several corpora: each claim answered on each, and whether they agree.

In:  a recipe for one corpus, several specifications of corpora.
Out: a run for each in a folder of its own, and one page: claims by corpus, and each one's tables.

What is read off is whether a claim holds twice, not a number averaged over corpora: they differ in
language, speakers, emotions and budgets.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from undertone import corpora
from undertone.errors import UndertoneError
from undertone.evaluation.report.paper import NO, OPEN, YES, Answer, series
from undertone.evaluation.report.result import count
from undertone.evaluation.report.study import Study, write_study
from undertone.evaluation.report.tables import NOTHING, Row, Table
from undertone.pipeline import Resources
from undertone.recipes.reproduction import Reproduction

AGREED, CONTRADICTED = "agree", "contradict each other"


def reproduce(
    of_one: Callable[..., Reproduction],
    values: Mapping[str, Any],
    out: Path,
    resources: Resources,
    *,
    command: str,
    quick: bool = False,
) -> Reproduction:
    """Run a recipe on each corpus of ``values``, and set the answers side by side.

    Args:
        of_one: the recipe, or one of its studies.
        values: as the recipe takes them, but ``corpus`` a list.
        out: each corpus has a folder in it.
        resources: of the machine.
        command: that repeats the whole.
        quick: a first look.
    """
    folders = _folders(values["corpus"])
    for corpus in folders.values():
        corpora.open(corpus)  # what is not there is told before hours of the first one's run
    found = {
        name: of_one({**values, "corpus": corpus}, out / name, resources, quick=quick)
        for name, corpus in folders.items()
    }
    answers = {name: of_corpus.answers for name, of_corpus in found.items()}
    table = agreement(answers)
    study = Study(
        title=f"The same claims on {series(list(found))}",
        verdict=verdict(table),
        citation=next(iter(found.values())).citation,
        tables=(table, *(t for name, one in found.items() for t in _named(name, one.tables))),
        answers=tuple(a for name, of_corpus in answers.items() for a in _asked_of(name, of_corpus)),
        runs=tuple((name, one.report) for name, one in found.items()),
        sources=tuple(source for one in found.values() for source in one.sources),
        command=command,
        notes=tuple(one.summary for one in found.values()),
    )
    write_study(study, out / "report.html")
    shown = (table, *(t for name, one in found.items() for t in _named(name, one.tables[:1])))
    return Reproduction(
        report=out / "report.html",
        summary="\n".join((*study.notes, study.verdict)),
        tables=shown,
        answers=study.answers,
        sources=study.sources,
        citation=study.citation,
    )


def agreement(answers: Mapping[str, Sequence[Answer]]) -> Table:
    """A row a claim: the verdict on each corpus, and whether they agree."""
    told = {name: {a.claim: a.verdict for a in of_corpus} for name, of_corpus in answers.items()}
    claims = dict.fromkeys(claim for of_corpus in told.values() for claim in of_corpus)
    rows = []
    for claim in claims:
        verdicts = [of_corpus.get(claim, NOTHING) for of_corpus in told.values()]
        rows.append(Row(claim, (*verdicts, _together(verdicts))))
    return Table(
        title="Each claim on each corpus",
        headings=("claim", *told, "together"),
        rows=tuple(rows),
        hint="Corpora agree on a claim where it is yes on all, or no on all. Open on one is open "
        "on the whole; a dash stands where the claim could not be asked.",
    )


def verdict(table: Table) -> str:
    """How many claims hold everywhere, fail everywhere, and are contradicted; of none no word."""
    counts = Counter(str(row.cells[-1]) for row in table.rows)
    against = [row.name for row in table.rows if row.cells[-1] == CONTRADICTED]
    said = {
        f"{AGREED}: {YES}": ("holds on every corpus", "hold on every corpus"),
        f"{AGREED}: {NO}": ("fails on every one", "fail on every one"),
        CONTRADICTED: ("holds on one and fails on another", "hold on one and fail on another"),
        OPEN: ("is open on at least one", "are open on at least one"),
    }
    parts = [f"{n} {said[kind][n > 1]}" for kind in said if (n := counts[kind])]
    text = f"Of {count(len(table.rows), 'claim')} {series(parts)}."
    return text + (f" Contradicted: {series(against)}." if against else "")


def _together(verdicts: Sequence[str]) -> str:
    if {YES, NO} <= set(verdicts):
        return CONTRADICTED
    if set(verdicts) <= {YES} or set(verdicts) <= {NO}:
        return f"{AGREED}: {verdicts[0]}"
    return OPEN


def _folders(specifications: Sequence[str]) -> dict[str, str]:
    """Specification by the name of the corpus's folder."""
    names = [c.partition("=")[0].strip() if "=" in c else Path(c).stem for c in specifications]
    if len(set(names)) < len(names):
        raise UndertoneError(
            f"corpora that stand side by side need different names; found {', '.join(names)}: name "
            "them, as first=PATH and second=PATH"
        )
    return dict(zip(names, specifications, strict=True))


def _named(name: str, tables: Sequence[Table]) -> list[Table]:
    return [replace(table, title=f"{name}: {table.title}") for table in tables]


def _asked_of(name: str, answers: Sequence[Answer]) -> list[Answer]:
    return [replace(answer, question=f"{name}: {answer.question}") for answer in answers]
