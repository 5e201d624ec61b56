"""Which of the names on a command line is the model, and which are recordings.

In:  names, the first of which may be a model's folder.
Out: the model, None for the starter, and the recordings.
"""

from collections.abc import Sequence
from pathlib import Path

from undertone.errors import UndertoneError

MADE_BY = "a model folder is what `undertone finetune` writes"


def told_apart(names: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """The model and the recordings among names.

    A folder that holds a model's files is a model, and a recording or a folder of recordings is
    not; ``starter`` is the starter model, unless something is called so.

    Raises:
        UndertoneError: the first name may be both, or is neither.
    """
    if not names:
        return None, []
    first, others = names[0], list(names[1:])
    if _is_model(first):
        _check_only_model(first)
        return first, others
    _check_recording(first, alone=not others)
    return None, list(names)


def _is_model(path: Path) -> bool:
    from undertone.recogniser.files import CONFIG, WEIGHTS
    from undertone.recogniser.starter import folder_of

    folder = folder_of(path)
    try:
        return any((folder / name).is_file() for name in (CONFIG, WEIGHTS))
    except (OSError, ValueError):
        return False


def _check_only_model(path: Path) -> None:
    from undertone.corpora import media

    if n := len(media.find(path, recursive=False).audio):
        raise UndertoneError(
            f"{path} holds a model and {n} recording{'s' * (n > 1)}: say with --model {path} that "
            "it is the model, or name the recordings themselves"
        )


def _check_recording(path: Path, *, alone: bool) -> None:
    """Refuse what is no recording and was perhaps meant as a model."""
    from undertone.audio.kinds import FOREIGN_SUFFIXES, SUFFIXES
    from undertone.corpora import media

    if path.suffix.lower() in SUFFIXES + FOREIGN_SUFFIXES:
        return
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError):
        is_folder = is_there = False
    if is_folder:
        found = media.find(path)
        if found.audio or found.passed_over:
            return
        raise UndertoneError(
            f"{path} holds no config.json and no recording: the first name is a model folder, or "
            f"the first recording for the starter model; {MADE_BY}"
        )
    if is_there and alone:
        return
    what = "is neither a model folder nor a recording by its name" if is_there else "is not there"
    raise UndertoneError(
        f"{path} {what} (it holds no config.json): the first name is a model folder, or the first "
        f"recording for the starter model; {MADE_BY}"
    )
