"""The compiled kernel: built once a machine with its C++ compiler, or absent.

In:  ``kernel.cpp`` and ``products.cpp`` beside this file.
Out: a ``Kernel`` of C functions, or None where it is switched off or cannot be had; never an
     error, and one line in the log says why.

The library lies in ``$UNDERTONE_CACHE/kernels/<key>`` (``~/.cache/undertone`` by default), the
key being a hash of source, flags, compiler, torch version and processor. It is built in a private
folder and moved into place by one rename, so that two processes may build at once; its own hash
lies beside it, so that a damaged file is built again rather than loaded. A failed build is
remembered for a day. A library is a program: it is loaded only from a place in which nobody but
its user and root can write, all folders above it included. Where the cache is shared the user's own
cache takes its place, or else a folder of the user's in that of temporary files.

Environment: ``UNDERTONE_KERNEL=off`` switches the kernel off and ``UNDERTONE_KERNEL=float32``
keeps it from bfloat16; ``CXX`` names the compiler.
"""

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISVTX, S_IWGRP, S_IWOTH

import torch

from undertone import device
from undertone.config import cache_folder
from undertone.errors import UndertoneError

SOURCE = Path(__file__).with_name("kernel.cpp")  # includes products.cpp
FLAGS = ("-std=gnu++17", "-O3", "-march=native", "-shared", "-fPIC", "-w")
COMPILERS = ("c++", "g++", "clang++")
BUILD_LIMIT_S = 120
FAILURE_REMEMBERED_S = 24 * 3600

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kernel:
    """C functions by precision; hidden rows are padded to a multiple of ``lanes`` units."""

    lanes: int
    forward: dict[str, Callable[..., int]]
    backward: dict[str, Callable[..., int]]


class _NoKernelError(Exception):
    """Why there is no kernel; never leaves this module."""


def available(precision: str = "float32") -> bool:
    """Whether the compiled kernel serves this precision here."""
    kernel = load()
    return kernel is not None and precision in kernel.forward


def in_use() -> str:
    """What trains a GRU here: the GPU, ``torch``, or the precision of the kernel's products."""
    if device.current() != device.CPU:
        return device.current()
    kernel = load()
    return "torch" if kernel is None else permitted("bfloat16", kernel)


def load() -> Kernel | None:
    """The kernel, built if need be; None where it is switched off or cannot be had."""
    if os.environ.get("UNDERTONE_KERNEL") == "off":
        return None
    return _load_from(_cache(), os.environ.get("CXX", ""))


def _cache() -> Path:
    try:
        return cache_folder() / "kernels"
    except UndertoneError:  # a user without a home
        return _of_user()


@functools.cache
def _load_from(cache: Path, compiler: str) -> Kernel | None:
    try:
        return _open(_built_library(_private(cache), _found_compiler(compiler)))
    except (_NoKernelError, OSError, subprocess.SubprocessError) as error:
        _log.info("training runs on torch.nn.GRU, several times slower: %s", error)
        return None


def permitted(precision: str, kernel: Kernel) -> str:
    """The precision, or float32 where processor or environment rule it out."""
    exact = os.environ.get("UNDERTONE_KERNEL") == "float32" or precision not in kernel.forward
    return "float32" if exact else precision


def _found_compiler(named: str) -> str:
    for name in (named,) if named else COMPILERS:
        if path := shutil.which(name):
            return path
    raise _NoKernelError(f"no C++ compiler found ({named or ', '.join(COMPILERS)}); install g++")


def _private(cache: Path) -> Path:
    """The folder of libraries, or another in whose place nobody else can write."""
    places = [cache, _of_user()]
    with contextlib.suppress(RuntimeError):
        places.insert(1, Path.home() / ".cache" / "undertone" / "kernels")
    for place in places:
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=0o700, exist_ok=True)
            if _is_mine(place):
                return place
    raise _NoKernelError(f"others can write to {', '.join(map(str, places))}, or nobody can")


def _of_user() -> Path:
    name = f"undertone-{_user()}" if _user() is not None else "undertone"
    return Path(tempfile.gettempdir()) / name / "kernels"


def _is_mine(path: Path) -> bool:
    """Whether nobody but this user and root can put anything at this path."""
    if (user := _user()) is None:
        return True
    resolved = path.resolve(strict=True)
    for stat in (place.stat() for place in (resolved, *resolved.parents)):
        others = stat.st_mode & (S_IWGRP | S_IWOTH) and not stat.st_mode & S_ISVTX
        if stat.st_uid not in (user, 0) or others:
            return False
    return True


def _user() -> int | None:
    """Number of the user; None where the system has none."""
    return os.getuid() if hasattr(os, "getuid") else None


def _built_library(cache: Path, compiler: str) -> Path:
    folder = cache / _key(compiler)
    if _is_whole(folder):
        return folder / "gru.so"
    failure = folder.with_suffix(".failed")
    if failure.exists() and time.time() - failure.stat().st_mtime < FAILURE_REMEMBERED_S:
        raise _NoKernelError(f"an earlier build failed; delete {failure} to try again")
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as temporary:
        built = Path(temporary) / "built"
        built.mkdir()
        _compile(compiler, built, failure)
        _put_in_place(built, folder, Path(temporary) / "damaged")
    return folder / "gru.so"


def _key(compiler: str) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    sources = b"".join(path.read_bytes() for path in sorted(SOURCE.parent.glob("*.cpp")))
    parts = (sources, version, " ".join((compiler, *FLAGS)).encode())
    machine = f"{torch.__version__} {platform.machine()} {_processor()}".encode()
    return hashlib.sha256(b"\0".join((*parts, machine))).hexdigest()[:20]


def _processor() -> str:
    """What ``-march=native`` depends on."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        kinds = ("flags", "Features", "model", "cpu family", "vendor_id")
        return " ".join(sorted({line for line in lines if line.startswith(kinds)}))
    return platform.processor()


def _is_whole(folder: Path) -> bool:
    """Whether a library of ours is there, as it was built; raises where it cannot be opened."""
    try:
        if not _is_mine(folder / "gru.so"):
            return False
        digest = hashlib.sha256((folder / "gru.so").read_bytes()).hexdigest()
        return digest == (folder / "gru.sha256").read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def _compile(compiler: str, folder: Path, failure: Path) -> None:
    library = folder / "gru.so"
    command = [compiler, *FLAGS, str(SOURCE), "-o", str(library)]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=True)
    except subprocess.SubprocessError as error:
        failure.write_text(
            f"{' '.join(command)}\n{error}\n{error.__dict__.get('stderr')}\n", "utf-8", "replace"
        )
        raise _NoKernelError(f"{compiler} failed; its message is in {failure}") from error
    (folder / "gru.sha256").write_text(hashlib.sha256(library.read_bytes()).hexdigest())


def _put_in_place(built: Path, folder: Path, damaged: Path) -> None:
    """One rename; where another process came first, its whole library stays."""
    if folder.exists() and not _is_whole(folder):
        folder.rename(damaged)
    try:
        built.rename(folder)
    except OSError:
        if not _is_whole(folder):
            raise


def _open(path: Path) -> Kernel:
    library = ctypes.CDLL(str(path))
    kernel = Kernel(lanes=_function(library, "lanes", 0)(), forward={}, backward={})
    for precision in ("float32", "bfloat16"):
        if hasattr(library, f"undertone_gru_forward_{precision}"):
            kernel.forward[precision] = _function(library, f"forward_{precision}", 8)
            kernel.backward[precision] = _function(library, f"backward_{precision}", 13)
    return kernel


def _function(library: ctypes.CDLL, name: str, n_arrays: int) -> Callable[..., int]:
    function = getattr(library, f"undertone_gru_{name}")
    function.restype = ctypes.c_int64 if name == "lanes" else ctypes.c_int
    if n_arrays:
        sizes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        function.argtypes = sizes + [ctypes.c_void_p] * n_arrays
    return function
