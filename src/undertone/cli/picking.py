"""Which recordings to label next."""

from pathlib import Path
from typing import Annotated

import typer

from undertone.cli import printing
from undertone.cli.app import app
from undertone.cli.options import Cache, Quiet, Workers


@app.command()
def pick(
    features: Annotated[
        str, typer.Argument(help="Features to hear with, as log_mel, or a model's folder.")
    ],
    *,
    corpus: Annotated[str, typer.Option(help="Recordings, NAME=PATH.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 50,
    labels: Annotated[
        str, typer.Option(help="emotion (the corpus's own), none, a table, a JSON export.")
    ] = "emotion",
    strategy: Annotated[str | None, typer.Option(help="unsure+spread, spread, …")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Table to fill in (.csv), or Label Studio's tasks (.json).")
    ] = None,
    served_at: Annotated[
        str | None, typer.Option(help="Before files' paths, in tasks for Label Studio.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print tasks for Label Studio.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Names all randomness.")] = 0,
    workers: Workers = None,
    cache: Cache = None,
    quiet: Quiet = False,
) -> None:
    """Which recordings to label next, and why: a list for whoever labels."""
    from undertone.annotation.picking import lists
    from undertone.annotation.picking.of_corpus import PickSettings, pick_of_corpus
    from undertone.annotation.picking.strategies import DEFAULT
    from undertone.errors import tell
    from undertone.pipeline import Resources

    if out is not None:
        lists.check_out(out)
    found = pick_of_corpus(
        features,
        corpus,
        PickSettings(n, labels, strategy or DEFAULT, seed),
        Resources(cache, workers, not quiet),
    )
    for note in found.notes:
        tell(note)
    if out is not None:
        lists.write(found.picks, out, served_at=served_at or lists.LOCAL_FILES)
        printing.say(f"{len(found.picks)} picked, {found.n_labels} counted as labels: {out}")
    elif as_json:
        print(lists.as_tasks(found.picks, served_at=served_at or lists.LOCAL_FILES), end="")
    else:
        printing.print_rows(
            ["utterance", "speaker", "why"],
            [(one.utterance, one.speaker or "?", one.why) for one in found.picks],
        )
