"""Which models there are: the starter, and those in folders; and how to make a better one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undertone.cli import printing
from undertone.cli.app import app
from undertone.errors import UndertoneError, tell

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

COLUMNS = ["model", "predicts", "system", "features", "learned from"]


@app.command()
def models(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of models, or that hold some.")
    ] = None,
) -> None:
    """The starter model and those in folders: what they predict, and how good the starter is."""
    from undertone.recogniser.folder import load
    from undertone.recogniser.starter import BETTER, STARTER, starter_folder

    found = {str(path): path for folder in folders or [] for path in _models_in(folder)}
    rows = []
    for name, path in {STARTER: starter_folder(), **found}.items():
        try:
            rows.append(_row(name, load(path)))
        except UndertoneError as error:
            tell(str(error))
    printing.print_rows(COLUMNS, rows)
    for line in _about_starter(load(starter_folder())):
        printing.say(line)
    printing.say(f"its card: {starter_folder() / 'README.md'}")
    printing.say("a better one, from a few labels and an encoder of the hub (extra upstream):")
    printing.say(f"  {BETTER}")


def _models_in(folder: Path) -> list[Path]:
    """The folder itself where it is a recogniser's, else those inside that are."""
    from undertone.recogniser.files import RECOGNISER, kind_held

    if not folder.is_dir():
        raise UndertoneError(f"{folder} is no folder; a model folder is what `finetune` writes")
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    found = [path for path in (folder, *inside) if kind_held(path) == RECOGNISER]
    if not found:
        raise UndertoneError(
            f"{folder} holds no model, nor does a folder in it; `undertone finetune --out "
            f"{folder / 'NAME'}` makes one"
        )
    return found


def _row(name: str, model: "Recogniser") -> tuple[str, ...]:
    learned_from = f"{model.notes.get('labels', '?')} labels of {model.notes.get('corpus', '?')}"
    outputs = ", ".join(model.task.outputs)
    return (name, outputs, model.system, model.inputs.features, learned_from)


def _about_starter(model: "Recogniser") -> tuple[str, ...]:
    from undertone.cli.predicting import shown

    notes = model.notes
    return (
        f"the starter model answers where no model is named; it knows {notes['knows']}",
        f"  UAR on speakers of that corpus that a fit did not know: {shown(notes['unheard'])}",
        f"  UAR on RAVDESS, of which it heard nothing: {shown(notes['elsewhere'])}",
        f"  UAR of chance: {notes['chance']:.2f}",
    )
