"""Code blocks of the pages, and a shell that runs their commands inside this process.

A block of ``bash`` or ``python`` runs, unless its first line says why it cannot, as in
``bash title="needs corpora"``: readers of the site see these words above the block.
"""

import glob
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from typer import Context
from typer.main import get_command
from typer.testing import CliRunner

from undertone import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r'^( *)```(\w+)(?: title="([^"]+)")?\n(.*?)^\1```$', re.M | re.S)
WHY_NOT = {  # the one list of reasons why a block may be read and not run
    "goes on with a model of yours",
    "goes on with a run of yours",
    "goes on with vectors of yours",
    "installs packages",
    "is cut short",
    "needs a browser",
    "needs a corpus that is asked for",
    "needs a microphone",
    "needs a pre-trained encoder",
    "needs a server",
    "needs an account",
    "needs corpora",
    "needs other machines",
    "takes long",
}
FITS = """
[discriminant]
calibrate = false
nuisance_weight = 0.0
"""
TINY = """
[encoder]
hidden_units = 8
stride = 16
[pretrain]
max_epochs = 1
[finetune]
max_epochs = 2
epochs_without_validation = 2
"""
COMMANDS = get_command(cli.app).commands


class Block(NamedTuple):
    """A block of code of a page; ``why_not`` is empty where it runs."""

    page: str
    line: int
    kind: str
    why_not: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*kinds: str) -> Iterator[Block]:
    """The blocks of these kinds on all pages, in their order."""
    for path in PAGES:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        for indent, kind, why_not, code in BLOCK.findall(text):
            line = text[: text.index(code)].count("\n") + 1
            if kind in kinds:
                yield Block(name, line, kind, why_not, re.sub(f"^{indent}", "", code, flags=re.M))


def commands(code: str) -> list[list[str]]:
    """The words of each command of a block, without comments; a pipe parts two commands."""
    lines = re.sub(r"\\\n\s*", " ", code).splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [_plain(some) for some in words if some]


def check_options(words: list[str]) -> None:
    """Fail where ``undertone COMMAND --help`` would not know an option that is used."""
    for part in _parted(words, "|"):
        if "undertone" in part:
            name, *rest = part[part.index("undertone") + 1 :]
            command, asked = COMMANDS[name], [word for word in rest if word not in ("…", "SMALL")]
            command.make_parser(Context(command)).parse_args(next(_parted(asked, ">")))


def write_small_settings(folder: Path) -> None:
    """Files of settings with which a curve and a fit are a matter of seconds."""
    (folder / "finetune.toml").write_text(f"folds = 2\n{FITS}")
    (folder / "curve.toml").write_text(f"folds = 2\ndraws = 1\nreplicates = 20\n{FITS}{TINY}")


def run(words: list[str], settings: Path) -> None:
    """Run one command of a block, in the working folder.

    Args:
        words: of the command.
        settings: the folder with small settings, which curves and fits take as their ``--config``.
    """
    *before, last = _parted(words, "|")
    given = subprocess.run(*before, capture_output=True, check=True).stdout if before else None
    program, *arguments = next(_parted(last, ">"))
    assert program == "undertone", f"{program} is no command of ours: say why it does not run"
    arguments = [name for word in arguments for name in sorted(glob.glob(word)) or [word]]
    if "--workers" in arguments:  # one process here: a machine that tests has no four to spare
        arguments[arguments.index("--workers") + 1] = "1"
    if arguments[0] in ("curve", "finetune"):
        arguments += ["--config", str(settings / f"{arguments[0]}.toml"), "--workers", "1"]
    done = CliRunner().invoke(cli.app, arguments, input=given)
    assert done.exit_code == 0, f"{shlex.join(arguments)}: {done.exception!r}\n{done.output}"
    if ">" in words:
        Path(words[-1]).write_text(done.stdout, encoding="utf-8")


def _plain(words: list[str]) -> list[str]:
    return ["undertone" if word == ".venv/bin/undertone" else word for word in words]


def _parted(words: list[str], by: str) -> Iterator[list[str]]:
    part: list[str] = []
    for word in [*words, by]:
        if word == by:
            yield part
            part = []
        else:
            part.append(word)
