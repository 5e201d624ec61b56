"""Voices that are known by a few recordings: a model adapted to one of them."""

from pathlib import Path
from typing import Annotated

import typer

from undertone.cli import printing
from undertone.cli.app import app
from undertone.errors import tell


@app.command()
def adapt(
    model: Annotated[Path, typer.Argument(help="Folder that finetune wrote.")],
    recordings: Annotated[list[Path], typer.Argument(help="Of one voice: files, or folders.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the adapted model.")],
    voice: Annotated[
        str | None, typer.Option(help="Whose; by default what the folder is called.")
    ] = None,
) -> None:
    """A model to one for a single voice, from recordings of it without a label."""
    from undertone.recogniser.adapted import ADAPTED
    from undertone.serving.voices import adapt as run

    adapted, remarks = run(model, recordings, out, voice=voice)
    for remark in remarks:
        tell(remark)
    held = adapted.notes[ADAPTED]
    printing.say(
        f"model in {out}: adapted to the voice of {held['voice']}, by {held['recordings']} "
        "recordings without a label"
    )
