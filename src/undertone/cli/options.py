"""Options that several commands share, and what they become: one table of settings."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from undertone.config import cache_folder, merge, override, read_toml
from undertone.errors import UndertoneError
from undertone.mirror import is_address
from undertone.mirror import place as mirror_of

Unlabelled = Annotated[list[str] | None, typer.Option(help="Corpus without labels; repeatable.")]
Task = Annotated[
    str | None,
    typer.Option(
        help="What is predicted: classes, intensities or dimensions.",
        show_default="what the corpus has labels for",
    ),
]
Proxy = Annotated[str | None, typer.Option(help="Dimensions of emotions without ratings: pad.")]
Text = Annotated[
    str | None,
    typer.Option("--text", help="Encoder of transcripts, to use words beside the voice."),
]
Transcripts = Annotated[
    Path | None, typer.Option(help="Table of transcripts, in place of the corpus's own.")
]
TextPrior = Annotated[
    Path | None, typer.Option("--text-prior", help="Table of rated sentences, as emobank.csv.")
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes.", show_default="UNDERTONE_WORKERS, else one a core"),
]
Device = Annotated[
    str | None,
    typer.Option(help="Where networks compute: auto, cpu, cuda or mps.", show_default="auto"),
]
Cluster = Annotated[
    str | None, typer.Option(help="Ray cluster that does the jobs: auto, or HOST:PORT.")
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Read every audio file, and say what differs.")
]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="A setting, section.name=value; repeatable.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Names all randomness.", show_default="0")]
Folds = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Groups of speakers for the score; 0 leaves it unmeasured.",
        show_default="5",
    ),
]
Disjoint = Annotated[
    str | None,
    typer.Option(
        help="What folds keep apart: speaker, or speaker,sentence.", show_default="speaker"
    ),
]
Vault = Annotated[
    Path | None,
    typer.Option(help="File of frozen test speakers; made where there is none."),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(help="What the audit refuses and you accept: speakers, copies, encoder."),
]
Corpora = Annotated[
    list[str] | None,
    typer.Option("--corpus", help="Labelled corpus, NAME=PATH; several where others are tested."),
]
TestCorpus = Annotated[
    list[str] | None,
    typer.Option(help="Another labelled corpus, which is tested and never heard; repeatable."),
]
OneOut = Annotated[
    bool,
    typer.Option("--leave-one-corpus-out", help="Every --corpus is tested by the others in turn."),
]
SameSpeakers = Annotated[
    bool,
    typer.Option("--same-speakers", help="Speakers of one name in two corpora are one person."),
]
Coverage = Annotated[
    float | None,
    typer.Option(help="Sets, or intervals, that hold the truth this often, as .9."),
]
MinProbability = Annotated[
    float | None, typer.Option(help="Of the likeliest emotion, below which none is named.")
]
AnswerAnyway = Annotated[
    bool, typer.Option("--answer-anyway", help="An emotion whatever speaks against it.")
]


def place(path: str | Path) -> Path:
    """A path; of an address such as ``s3://BUCKET/FOLDER`` the folder that stands for it."""
    if not is_address(str(path)):
        return Path(path)
    return mirror_of(str(path), lambda: cache_folder() / "addresses")


Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the frame store, or an address.",
        parser=place,
        metavar="PATH",
        show_default="~/.cache/undertone/frames",
    ),
]
RunFolder = Annotated[
    Path,
    typer.Option(help="Folder of the run, or an address.", parser=place, metavar="PATH"),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]

EXAMPLES = {"budgets": "20,50,all", "adapt": "3,10,all"}


def budgets_of(text: str | None) -> list[int | str] | None:
    return numbers_or_all("budgets", text)


def numbers_or_all(name: str, text: str | None) -> list[int | str] | None:
    """Whole numbers, or all, with commas between."""
    if text is None:
        return None
    try:
        return [part if part == "all" else int(part) for part in text.split(",")]
    except ValueError:
        raise UndertoneError(
            f"--{name} takes whole numbers, or all, with commas between, such as "
            f"{EXAMPLES[name]}; found {text!r}"
        ) from None


def names_of(text: str | None) -> list[str] | None:
    """Names with commas between."""
    return None if text is None else [name.strip() for name in text.split(",")]


def numbers_of(name: str, text: str | None) -> list[int] | None:
    """Whole numbers with commas between."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UndertoneError(
            f"--{name} takes whole numbers with commas between, such as 1,2; found {text!r}"
        ) from None


def picks_of(
    strategies: str | None, *, batch: int | None, eyes: str | None
) -> dict[str, Any] | None:
    """The section ``picks`` of what was given."""
    given = {"strategies": names_of(strategies), "batch": batch, "eyes": eyes}
    return {name: value for name, value in given.items() if value is not None} or None


def beneath_picks(strategies: str | None) -> dict[str, Any]:
    """Numbers of labels at which a replay is measured where none are named."""
    from undertone.experiment.picks.settings import BUDGETS

    return {} if strategies is None else {"budgets": list(BUDGETS)}


def with_teacher(teacher: str | None, assignments: list[str] | None) -> list[str]:
    """The assignments of settings, that of the teacher before them."""
    named = [] if teacher is None else [f"taught.teacher={json.dumps(teacher)}"]
    return [*named, *(assignments or [])]


def across_of(
    corpus: list[str] | None,
    test: list[str] | None,
    *,
    each: bool = False,
    one_person: bool = False,
) -> dict[str, Any] | None:
    """The section ``across`` of what was given: the corpora beside the first."""
    given = {
        "beside": (corpus or [])[1:],
        "test": test,
        "each": each,
        "one_person": one_person,
    }
    return {name: value for name, value in given.items() if value} or None


def text_of(
    model: str | None, *, transcripts: Path | None, prior: Path | None
) -> dict[str, str] | None:
    """The section ``text`` of what was given."""
    given = {"model": model, "transcripts": transcripts, "prior": prior}
    return {name: str(value) for name, value in given.items() if value is not None} or None


def settings_of(
    config: Path | None,
    given: dict[str, Any],
    assignments: list[str] | None,
) -> dict[str, Any]:
    """Values of a settings file, overlaid by the options given, and by --set."""
    values = read_toml(config) if config else {}
    values = merge(values, {name: value for name, value in given.items() if value is not None})
    return override(values, assignments or [])
