"""Emotion over time: a recording to a table and a page."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertone.cli import printing
from undertone.cli.app import app
from undertone.cli.options import AnswerAnyway, Coverage, MinProbability, Quiet
from undertone.errors import UndertoneError, tell

if TYPE_CHECKING:
    from undertone.serving.timeline import Timeline


@app.command()
def timeline(
    names: Annotated[
        list[Path], typer.Argument(help="Model folder (else the starter model), then a recording.")
    ],
    *,
    window: Annotated[float, typer.Option(help="Seconds that are heard at once.")] = 4.0,
    hop: Annotated[float, typer.Option(help="Seconds from window to window.")] = 1.0,
    channel: Annotated[str, typer.Option(help="1, 2, ..., mix or each.")] = "mix",
    segments: Annotated[
        Path | None, typer.Option(help="Turns: .rttm, .TextGrid, .eaf or a table.")
    ] = None,
    detector: Annotated[
        str, typer.Option(help="Of speech: auto, silero (extra speech) or energy.")
    ] = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Page, .html; the table lies beside it as .csv.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Table, .csv, .jsonl or .parquet.")] = None,
    coverage: Coverage = None,
    min_probability: MinProbability = None,
    answer_anyway: AnswerAnyway = False,
    sound: Annotated[bool, typer.Option(help="A copy of the sound inside the page.")] = True,
    quiet: Quiet = False,
) -> None:
    """A recording to emotions over time: a table, and a page that plays it."""
    from undertone.cli.predicting import about_starter, model_and_names
    from undertone.progress import Progress
    from undertone.recogniser.starter import STARTER
    from undertone.serving.predict import loaded
    from undertone.serving.sureness import Terms
    from undertone.serving.timeline import WindowConfig, page
    from undertone.serving.timeline import timeline as run
    from undertone.serving.timeline.listening import Where
    from undertone.serving.timeline.places import check_places, table_beside
    from undertone.serving.timeline.table import check_table, write_table

    model, recordings = model_and_names(names, None)
    if len(recordings) != 1:
        raise UndertoneError(
            f"timeline hears one recording at a time, found {len(recordings)}: "
            "undertone timeline MODEL call.wav"
        )
    recording = recordings[0]
    out = Path(f"{recording.stem}-timeline.html") if out is None else out
    if out.suffix.lower() not in (".html", ".htm"):
        raise UndertoneError(f"--out {out}: expected a page, as --out {out.stem}.html")
    table = table_beside(out) if table is None else table
    check_table(table)
    check_places(out, table, [recording, *([] if segments is None else [segments])])
    kept = out.with_name(f".{out.name}.kept")
    recogniser, terms = loaded(model), Terms(coverage, min_probability, answer_anyway)
    terms.check(recogniser)
    if model is None:
        tell(about_starter(recogniser))
    with Progress(shown=not quiet) as progress:
        heard = run(
            recogniser,
            recording,
            settings=WindowConfig(window, hop),
            where=Where(channel, detector, segments),
            terms=terms,
            kept=kept,
            progress=progress,
        )
    write_table(heard, table)
    named = STARTER if model is None else model.resolve().name
    page.write_page(heard, out, model=named, embed=sound)
    shutil.rmtree(kept, ignore_errors=True)
    _print(heard, out, table)


def _print(heard: "Timeline", out: Path, table: Path) -> None:
    from undertone.serving.timeline.page import sentence

    for note in heard.notes:
        tell(note)
    printing.say(sentence(heard))
    printing.say(f"table in {table}")
    printing.show_report(out)
