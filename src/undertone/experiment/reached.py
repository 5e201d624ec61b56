"""Whether a cluster is there, before anything waits for it; and what its nodes must hold.

In:  an address.
Out: nothing, or a refusal within seconds: Ray itself waits two minutes for one that is not there.

A Ray head speaks gRPC, which is HTTP/2: whoever connects and sends the preface is sent a SETTINGS
frame (RFC 9113, 3.4 and 6.5). What is silent, or answers otherwise, is no cluster.
"""

import contextlib
import os
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import undertone
from undertone.errors import UndertoneError

DISTRIBUTIONS = (
    *("numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "soundfile", "soxr"),
    *("torch", "transformers"),
)
PATIENCE_S = 5.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS = 4  # type of a frame, its fourth byte
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # "0": Ray uses 127.0.0.1 as this machine's own
TLS = "RAY_USE_TLS"


def versions_here() -> dict[str, str]:
    """Of this package, and of those that make its numbers."""
    found = {"undertone": undertone.__version__}
    for name in DISTRIBUTIONS:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def reached(address: str) -> str:
    """The address of a cluster's head, at which something that may be one listens.

    Raises:
        UndertoneError: nothing does, or the address is none.
    """
    if address.startswith("ray://"):
        raise UndertoneError(
            f"--cluster {address} is for clients outside: run the command on a node of the cluster "
            "(a node without cores joins with `ray start --address=HOST:6379 --num-cpus=0`) and "
            "name the head as HOST:6379, or auto"
        )
    found = _found_here() if address == "auto" else address
    host, port = _parsed(found)
    hosts = [host] if host not in LOOPBACK else [_own_address(), "127.0.0.1"]
    answering = next((one for one in hosts if _answers(one, port)), None)
    if answering is None:
        raise UndertoneError(
            f"no Ray cluster answers at {found}: is its head running, and is this the address that "
            "`ray start --head` printed? Start one with `ray start --head`"
        )
    if answering in LOOPBACK:
        os.environ[ON_LOOPBACK] = "0"
    return found


def _found_here() -> str:
    """What ``ray start`` left on this machine for ``auto``."""
    noted = Path(os.environ.get("RAY_TMPDIR") or "/tmp", "ray", "ray_current_cluster")
    with contextlib.suppress(OSError):
        if found := os.environ.get("RAY_ADDRESS") or noted.read_text().strip():
            return found
    raise UndertoneError(
        "no Ray cluster runs on this machine: start one with `ray start --head`, or join one "
        "with `ray start --address=HOST:6379`, and run the same command again"
    )


def _parsed(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UndertoneError(
            f"--cluster takes auto or HOST:PORT, such as 10.0.0.5:6379; found {address!r}"
        )
    return host.strip("[]"), int(port)


def _own_address() -> str:
    """What Ray takes for this machine's own where it is told loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, contextlib.suppress(OSError):
        asked.connect(("10.255.255.255", 1))
        return str(asked.getsockname()[0])
    return "127.0.0.1"


def _answers(host: str, port: int) -> bool:
    """Whether a server there speaks HTTP/2; behind TLS, whether there is one."""
    try:
        with socket.create_connection((host, port), PATIENCE_S) as connection:
            if os.environ.get(TLS, "0") not in ("0", ""):
                return True
            connection.settimeout(PATIENCE_S)
            connection.sendall(PREFACE)
            return len(head := connection.recv(9)) > 3 and head[3] == SETTINGS
    except (OSError, UnicodeError):
        return False
