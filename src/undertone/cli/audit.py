"""What is wrong with the data, before anything is trained."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertone.cli import options, printing
from undertone.cli.app import app
from undertone.cli.options import Quiet, SameSpeakers, TestCorpus, Unlabelled, Workers
from undertone.config import load

if TYPE_CHECKING:
    from undertone.evaluation.audit import Audited

MOST_CONDITIONS = 40  # rows, of emotions first


@app.command()
def audit(
    *,
    corpus: Annotated[
        list[str],
        typer.Option(help="Labelled corpus, NAME=PATH; several where others are tested."),
    ],
    test_corpus: TestCorpus = None,
    same_speakers: SameSpeakers = False,
    unlabelled: Unlabelled = None,
    features: Annotated[
        str, typer.Option(help="Features, upstream:MODEL@LAYER: what has the encoder heard?")
    ] = "",
    folds: Annotated[int, typer.Option(min=2, help="Groups of speakers.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Names all randomness.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write it there too: JSON (.json) or Markdown.")
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """What a careful colleague would say of the data; exit status 1 if a score would be a lie."""
    from undertone import atomic, corpora
    from undertone.corpora.across import AcrossSettings, join
    from undertone.evaluation.audit import audit as run
    from undertone.processes import how_many
    from undertone.progress import Progress

    if out is not None:
        atomic.check_replaceable(out, _is_audit, "an audit")
        atomic.check_writable(out)
    settings = load(
        AcrossSettings,
        options.across_of(corpus, test_corpus, one_person=same_speakers) or {},
    )
    labelled = [corpora.open(name) for name in (*corpus, *settings.test)]
    first = labelled[0]
    if settings.asked:
        first = join(labelled, len(corpus), settings=settings)
    opened = [first, *map(corpora.open, unlabelled or [])]
    with Progress(shown=not quiet) as progress:
        progress.add("recordings heard", sum(map(len, opened)))
        found = run(
            opened[0],
            opened[1:],
            features=features,
            n_folds=folds,
            seed=seed,
            workers=how_many(workers),
            advance=lambda n: progress.advance("recordings heard", n),
        )
    text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False)
    if out is not None:
        is_json = out.suffix.lower() == ".json"
        atomic.write_text(out, f"{text}\n" if is_json else found.to_markdown())
    if as_json:
        print(text)
    else:
        _print(found)
    if found.has_lies:
        sys.exit(1)


def _is_audit(path: Path) -> bool:
    """Whether a file begins as audits do, in JSON or in Markdown."""
    with path.open("rb") as file:
        begins = file.read(64)
    return begins.startswith((b'{\n  "corpus": ', b"# Audit of "))


def _print(found: "Audited") -> None:
    from undertone.evaluation.audit import cells_of

    for finding in found.findings:
        printing.say(f"{'! ' if finding.is_lie else '  '}{finding.what}.")
        if finding.rows and finding.name not in ("condition", "sentences"):
            printing.print_rows(list(finding.columns), list(finding.shown))
    if len(found.conditions):
        columns, rows = cells_of(found.conditions)
        printing.print_rows(list(columns), rows[:MOST_CONDITIONS])
        if (more := len(rows) - MOST_CONDITIONS) > 0:
            printing.say(f"and {more} more: --json prints all")
