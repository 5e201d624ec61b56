"""Folders of pre-trained models: where one is, and what names its files wherever they lie.

In:  a folder of the Hugging Face layout, or a name on its hub.
Out: the folder; a digest of the bytes of some of its files.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from undertone.errors import UndertoneError

CONFIG = "config.json"
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the first that is there counts
INDEXES = ("model*.safetensors.index.json", "*.bin.index.json")


def locate(model: str, *, files: Sequence[str], example: str) -> Path:
    """The folder that a path or a name on the hub means; fetched where it is not here yet.

    Args:
        model: a folder, or a name on the hub.
        files: names beside config and weights that are fetched where they exist.
        example: of a name, for the message.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if folder.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise UndertoneError(f"there is no folder {folder} of an encoder")
    return _fetch(model, [CONFIG, *files, *WEIGHTS, *INDEXES], example)


def read_json(path: Path, layout: str) -> dict[str, Any]:
    """A JSON file of such a folder; ``layout`` says what the folder holds, for the message."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UndertoneError(
            f"{path} cannot be read: {error.strerror}; an encoder is a folder with {layout}, as "
            "`save_pretrained` of transformers writes it"
        ) from None
    except ValueError as error:
        raise UndertoneError(f"{path} is not valid JSON: {error}") from None
    return content


def weights_in(folder: Path) -> list[Path]:
    """The files of its weights."""
    weights = next((paths for p in WEIGHTS if (paths := sorted(folder.glob(p)))), None)
    if weights is None:
        raise UndertoneError(f"no weights in {folder}: expected {' or '.join(WEIGHTS)}")
    return weights


def digest_of(files: Sequence[Path]) -> str:
    """Of the bytes of files, in this order; read again only where a file was changed."""
    stats = ((path, path.stat()) for path in files)
    return _digest(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@functools.lru_cache
def _digest(state: tuple[tuple[Path, int, int], ...]) -> str:
    together = hashlib.sha256()
    for path, _, _ in state:
        with path.open("rb") as file:
            together.update(hashlib.file_digest(file, "sha256").digest())
    return together.hexdigest()


def _fetch(name: str, patterns: list[str], example: str) -> Path:
    """The folder of a hub's model in its local cache, fetched if it is not there."""
    import huggingface_hub as hub

    try:
        return Path(hub.snapshot_download(name, allow_patterns=patterns, local_files_only=True))
    except Exception:  # not in the cache, or only in part
        try:
            files = hub.list_repo_files(name)
            if any(file.startswith("model") and file.endswith(".safetensors") for file in files):
                patterns = [p for p in patterns if ".bin" not in p]
            return Path(hub.snapshot_download(name, allow_patterns=patterns))
        except Exception as error:
            raise UndertoneError(
                f"{name} is no folder here, and could not be fetched from the hub under this name "
                f"({type(error).__name__}: {str(error).splitlines()[0]}); give the folder of a "
                f"model, or a name such as {example}"
            ) from None
