"""Folders of pre-trained models: where one is, and what names its files wherever they lie.

In:  a folder of the Hugging Face layout, or a name on its hub.
Out: the folder; a digest of the bytes of some of its files.
"""

import contextlib
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from undertone.config import expanded
from undertone.errors import UndertoneError

CONFIG = "config.json"
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the first that is there counts
AGAIN = "fetch or save the model again"
LARGEST_JSON = 16 * 2**20  # bytes
MOST_PARTS = 64  # of a list in a config
HUB_S = 4.0  # that the hub has to answer at all
INDEXES = ("model*.safetensors.index.json", "*.bin.index.json")


def locate(model: str, *, files: Sequence[str], example: str) -> Path:
    """The folder that a path or a name on the hub means; fetched where it is not here yet.

    Args:
        model: a folder, or a name on the hub.
        files: names beside config and weights that are fetched where they exist.
        example: of a name, for the message.
    """
    folder = expanded(model)
    if folder.is_dir():
        return folder.absolute()
    if folder.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise UndertoneError(f"there is no folder {folder} of an encoder")
    return _fetch(model, [CONFIG, *files, *WEIGHTS, *INDEXES], example)


def read_json(path: Path, layout: str) -> dict[str, Any]:
    """A JSON file of such a folder; ``layout`` says what the folder holds, for the message."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UndertoneError(f"{path} is too large to be the config of a model")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UndertoneError(
            f"{path} cannot be read: {error.strerror}; an encoder is a folder with {layout}, as "
            "`save_pretrained` of transformers writes it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UndertoneError(f"{path} is not valid JSON: {error}; {AGAIN}") from None
    if not isinstance(content, dict):
        raise UndertoneError(f"{path} holds no table of names and values; {AGAIN}")
    return content


def read_config(model: Path | str, *, local_files_only: bool = True) -> Any:
    """What transformers reads of a model's config, with the library's own attention.

    A config may name a program on the hub for it, which transformers would fetch and run.
    """
    import transformers

    config = transformers.AutoConfig.from_pretrained(model, local_files_only=local_files_only)
    config._attn_implementation = None
    return config


def whole_number(config: Mapping[str, Any], name: str, where: Path, *, most: int) -> int:
    """A value of a config, from 1 to ``most``.

    Raises:
        UndertoneError: it is not there, or something else.
    """
    value = config.get(name)
    if type(value) is not int or not 1 <= value <= most:
        found = "none" if name not in config else f"{value!r:.60}"
        raise UndertoneError(
            f"{where} must tell {name} as a whole number from 1 to {most:,}, found {found}; {AGAIN}"
        )
    return value


def whole_numbers(config: Mapping[str, Any], name: str, where: Path, *, most: int) -> list[int]:
    """The same of a list of up to ``MOST_PARTS`` numbers."""
    values = config.get(name)
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= MOST_PARTS:
        found = "none" if name not in config else f"{values!r:.60}"
        raise UndertoneError(f"{where} must tell {name} as a list, found {found}; {AGAIN}")
    return [whole_number({name: value}, name, where, most=most) for value in values]


@contextlib.contextmanager
def damage_told(folder: Path, what: str) -> Iterator[None]:
    """Any failure of transformers to load a model as one message; it never advises to trust.

    Args:
        folder: of the model.
        what: the model is, for the message.
    """
    try:
        yield
    except (UndertoneError, MemoryError):
        raise
    except Exception as error:  # a stranger's files may fail anywhere in what reads them
        weights = weights_in(folder)
        if any(path.suffix == ".bin" for path in weights):
            raise UndertoneError(
                f"the {what} in {folder} cannot be loaded ({type(error).__name__}): its "
                f"{weights[0].name} is a pickle, of which tensors alone are read, because a pickle "
                "can run any program; ask for model.safetensors of the same model"
            ) from None
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UndertoneError(f"the {what} in {folder} cannot be loaded: {said}; {AGAIN}") from None


def check_size(folder: Path, network: Any) -> None:
    """Refuse a network of more weights than its files have bytes, before it takes any memory.

    Args:
        folder: of the model.
        network: as the config tells it, without memory behind its weights.
    """
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    n_bytes = sum(path.stat().st_size for path in weights_in(folder))
    if n_weights > n_bytes:
        raise UndertoneError(
            f"{folder / CONFIG} tells of {n_weights:,} weights, and there are {n_bytes:,} bytes of "
            f"them in {folder}: they are not of one model; {AGAIN}"
        )


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


def reach_hub(name: str) -> None:
    """Raise at once where the hub does not answer; its own patience is half a minute and more."""
    import huggingface_hub as hub

    with contextlib.suppress(hub.errors.HfHubHTTPError):  # it answers, if only to refuse
        hub.HfApi().model_info(name, timeout=HUB_S)


def _fetch(name: str, patterns: list[str], example: str) -> Path:
    """The folder of a hub's model in its local cache, fetched if it is not there."""
    import huggingface_hub as hub

    try:
        return Path(hub.snapshot_download(name, allow_patterns=patterns, local_files_only=True))
    except Exception:  # not in the cache, or only in part
        try:
            siblings = hub.HfApi().model_info(name, timeout=HUB_S).siblings or []
            files = [file.rfilename for file in siblings]
            if any(file.startswith("model") and file.endswith(".safetensors") for file in files):
                patterns = [p for p in patterns if ".bin" not in p]
            return Path(hub.snapshot_download(name, allow_patterns=patterns))
        except Exception as error:
            said = (str(error).strip() or "no answer").splitlines()[0]
            raise UndertoneError(
                f"{name} is no folder here, and could not be fetched from the hub under this name "
                f"({type(error).__name__}: {said}); give the folder of a model, or a name such as "
                f"{example}"
            ) from None
