"""Stored content that tells when it is not what was written, or not what it is taken for.

In:  values that JSON can hold; arrays by name, and the identity of what they are.
Out: the same with a digest inside, and back; what was changed on the disk is never handed out.

A digest is SHA-256. It guards against disks, copies and mistakes, not against an author.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from undertone import atomic, mirror
from undertone.errors import UndertoneError

SUMS = "SHA256SUMS"
SEAL = "sha256"  # the name of the digest among the values
HEX_DIGITS = 64  # of a digest
NO_COMMENT = bytes(2)  # the length of an archive's comment, at its end
END_OF_ARCHIVE, END_SIGNATURE = 22, b"PK\5\6"  # bytes of the last record, and how it begins


class UnsoundError(Exception):
    """Why what was read is not to be used; each reader says what becomes of it."""


def digest_of(values: Any) -> str:
    """Hexadecimal digest of what JSON can hold; the order of names does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def seal(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their digest behind them."""
    return {**values, SEAL: digest_of(values)}


def unseal(text: str | bytes) -> dict[str, Any]:
    """The values that ``seal`` was given, from their JSON.

    Raises:
        UnsoundError: it is no JSON, or not what was written.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnsoundError(f"no JSON: {error}") from None
    if not isinstance(values, dict) or values.pop(SEAL, None) != digest_of(values):
        raise UnsoundError("it does not have its own digest")
    return values


def read(path: Path) -> bytes | None:
    """The content of a file of ours; None where there is none.

    Raises:
        UndertoneError: it is there and cannot be opened: no sign of damage, and nothing to delete.
    """
    mirror.refresh(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UndertoneError(
            f"{path} cannot be read: {error.strerror}; nothing was changed: mend that and run the "
            "same command again"
        ) from None


def digest_of_file(path: Path) -> str:
    """Hexadecimal digest of a file's content, which need not fit into memory.

    Raises:
        UndertoneError: it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UndertoneError(f"{path} cannot be read: {error.strerror}") from None


def write_record(path: Path, arrays: Mapping[str, np.ndarray], identity: Mapping[str, Any]) -> None:
    """Keep arrays under the identity of what they are.

    Args:
        path: of an ``.npz`` file.
        arrays: by name; none of objects.
        identity: what JSON can hold.
    """
    named = {**arrays, "identity": np.array(json.dumps(identity, sort_keys=True))}
    content = io.BytesIO()
    np.savez(content, **named, **{SEAL: np.array(_digest_of_arrays(named))})  # type: ignore[arg-type]
    atomic.write_bytes(path, _with_comment(content.getvalue()))


def read_record(path: Path, identity: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The arrays of a record; None where there is none.

    Raises:
        UnsoundError: it is damaged, or the record of something else.
        UndertoneError: it cannot be opened.
    """
    if (content := read(path)) is None:
        return None
    _check_comment(content)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        sealed, told = str(arrays.pop(SEAL)), arrays.pop("identity")
    except Exception as error:  # damage may fail anywhere in the machine that reads it
        raise UnsoundError(f"no record: {type(error).__name__}: {error}") from None
    if _digest_of_arrays({**arrays, "identity": told}) != sealed:
        raise UnsoundError("it does not have its own digest")
    if json.loads(str(told)) != json.loads(json.dumps(identity)):
        raise UnsoundError("it is the record of something else")
    return arrays


def _with_comment(archive: bytes) -> bytes:
    """A ZIP archive whose comment is the digest of all bytes before it.

    An archive ends with the length of its comment, two bytes, and the comment (APPNOTE.TXT 4.3.16).
    The digest of the arrays would not see a bit of the container around them.
    """
    assert archive.endswith(NO_COMMENT), "NumPy writes archives without a comment"
    before = archive[: -len(NO_COMMENT)] + HEX_DIGITS.to_bytes(2, "little")
    return before + hashlib.sha256(before).hexdigest().encode()


def _check_comment(content: bytes) -> None:
    """See that all bytes are those that were written; of an archive with a comment.

    Raises:
        UnsoundError: they are not.
    """
    before, comment = content[:-HEX_DIGITS], content[-HEX_DIGITS:]
    if hashlib.sha256(before).hexdigest().encode() != comment and not _has_no_comment(content):
        raise UnsoundError("its bytes do not have their digest")


def _has_no_comment(content: bytes) -> bool:
    """Whether it is a whole archive of before there were comments."""
    end = content[-END_OF_ARCHIVE:]
    return end.startswith(END_SIGNATURE) and end.endswith(NO_COMMENT)


def write_sums(paths: Sequence[Path]) -> None:
    """Note the digests of files in ``SHA256SUMS`` beside them, as ``sha256sum`` does.

    Those of other files that it holds stay.
    """
    sums_path = paths[0].with_name(SUMS)
    sums = _read_sums(sums_path)
    for path in paths:
        if (content := read(path)) is not None:
            sums[path.name] = hashlib.sha256(content).hexdigest()
    lines = (f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    atomic.write_text(sums_path, "".join(lines))


def check_sums(paths: Sequence[Path], then: str) -> None:
    """See that files are those that ``SHA256SUMS`` beside them tells, where it is there.

    Args:
        paths: of the files.
        then: what the caller of a damaged one can do.

    Raises:
        UndertoneError: one was changed, or is not told.
    """
    sums_path = paths[0].with_name(SUMS)
    if not sums_path.exists():
        return
    sums = _read_sums(sums_path)
    for path in paths:
        if not path.exists() or digest_of_file(path) != sums.get(path.name):
            raise UndertoneError(
                f"{path} is not the file that {sums_path} tells of: one of them was changed; {then}"
            )


def _read_sums(path: Path) -> dict[str, str]:
    lines = (read(path) or b"").decode("utf-8", "replace").splitlines()
    pairs = (line.partition("  ") for line in lines)
    return {name: digest for digest, _, name in pairs if name}


def _digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    together = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        together.update(f"{name} {array.dtype.str} {arrays[name].shape}\0".encode())
        together.update(array.tobytes())
    return together.hexdigest()
