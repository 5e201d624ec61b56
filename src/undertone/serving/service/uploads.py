"""A recording out of the body of a request: as it comes, within limits, in a file without a name.

In:  a request whose body is a recording, or a form with a field ``file``.
Out: ``Upload``: a place that the processes of this user can read, and that is gone when closed,
     also where everything is killed.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from undertone.errors import printable
from undertone.serving.service.limits import Limits
from undertone.serving.service.refusals import (
    NO_SOUND,
    TOO_LARGE,
    TOO_SLOW,
    UNAVAILABLE,
    UNUSABLE,
    Refusal,
)

FORM = "multipart/form-data"
SOUND = ("audio/", "video/", "application/octet-stream", "application/ogg", "application/x-flac")
OPEN_FILES = Path("/proc/self/fd")
LONGEST_NAME = 200
AGAIN_S = 10.0
HOW = "as `curl --form file=@my.wav {url}` does"


@dataclass(frozen=True)
class Upload:
    """A recording that was received.

    Attributes:
        path: where it can be read.
        name: that the client gave it.
    """

    path: Path
    name: str


@contextlib.asynccontextmanager
async def received(request: Request, limits: Limits) -> AsyncIterator[Upload]:
    """The recording in the body of a request, for as long as the context lasts.

    Raises:
        Refusal: it is too large, comes too slowly, or is of another kind.
        ClientDisconnect: the client is gone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind and kind != FORM and not kind.startswith(SOUND):
        raise Refusal(
            NO_SOUND,
            f"expected a recording as audio/…, application/octet-stream or {FORM}, "
            f"{_how(request)}; found {printable(kind)}",
        )
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limits.max_bytes:
        raise _too_large(limits)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_nameless())
            async with asyncio.timeout(limits.upload_s):
                name = await (_from_form if kind == FORM else _from_body)(request, limits, file)
            file.flush()
        except TimeoutError:
            raise Refusal(
                TOO_SLOW,
                f"the body was not there after {limits.upload_s:g} s: send it faster, or start the "
                "service with a larger --max-upload-seconds",
            ) from None
        except OSError as error:  # of our disk: the client's end is no OSError
            raise Refusal(
                UNAVAILABLE,
                f"there is no room for the recording while it is heard: {error.strerror or error}; "
                "start the service with TMPDIR set to a folder that can be written",
                AGAIN_S,
            ) from None
        if file.tell() == 0:
            raise Refusal(UNUSABLE, f"the recording is empty (0 bytes): send one, {_how(request)}")
        yield Upload(_place_of(file), name)


async def _from_body(request: Request, limits: Limits, file: IO[bytes]) -> str:
    async for piece in _counted(request, limits):
        file.write(piece)
    return _safe(request.query_params.get("name", "")) or "recording"


async def _from_form(request: Request, limits: Limits, file: IO[bytes]) -> str:
    """The name; the first file of the form, whatever its field is called, is copied."""
    parser = MultiPartParser(request.headers, _counted(request, limits), max_files=1, max_fields=10)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, AssertionError) as error:
        why = getattr(error, "message", "") or "it has no boundary"
        raise Refusal(
            UNUSABLE, f"the form cannot be read ({printable(why)}): send one file, {_how(request)}"
        ) from None
    try:
        uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not uploads:
            raise Refusal(UNUSABLE, f"the form holds no file: send one, {_how(request)}")
        while piece := await uploads[0].read(1 << 20):
            file.write(piece)
        return _safe(uploads[0].filename or "") or "recording"
    finally:
        await form.close()


async def _counted(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    n = 0
    async for piece in request.stream():
        n += len(piece)
        if n > limits.max_bytes:
            raise _too_large(limits)
        yield piece


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        TOO_LARGE,
        f"the body has more than {limits.max_mb:g} MB: send a shorter recording or one of fewer "
        "bytes (FLAC, Opus), or start the service with a larger --max-mb",
    )


def _how(request: Request) -> str:
    return HOW.format(url=request.url.replace(query=""))


def _safe(name: str) -> str:
    """What of a name is shown: the last part of a path, on one line, of a bearable length."""
    return printable(name.replace("\\", "/").rpartition("/")[2])[:LONGEST_NAME].strip()


def _nameless() -> IO[bytes]:
    if OPEN_FILES.is_dir():
        return tempfile.TemporaryFile()
    return tempfile.NamedTemporaryFile()


def _place_of(file: IO[bytes]) -> Path:
    if OPEN_FILES.is_dir():
        return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    return Path(file.name)
