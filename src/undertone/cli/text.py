"""What is said: transcripts by a speech recogniser."""

from pathlib import Path
from typing import Annotated

import typer

from undertone.cli import printing
from undertone.cli.app import app
from undertone.cli.options import Cache, Quiet

Asr = Annotated[str, typer.Option(help="Speech recogniser: a folder, or a name on the hub.")]


@app.command()
def transcribe(
    *,
    corpus: Annotated[str, typer.Option(help="Corpus, NAME=PATH.")],
    asr: Asr,
    language: Annotated[
        str | None, typer.Option(help="Of all utterances, as en; else the corpus's, or as heard.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The table; default: in the store.")] = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Recordings to a table of transcripts; a stopped run goes on where it was."""
    from undertone import corpora
    from undertone.features.asr import load
    from undertone.features.transcribe import transcribe as run
    from undertone.reading import tell_of

    opened = corpora.open(corpus)
    tell_of(opened)
    done = run(opened, load(asr), out=out, language=language, folder=cache, progress=not quiet)
    for line in done.lines(opened.name):
        printing.say(line)
