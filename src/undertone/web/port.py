"""A port of this machine, opened and served until somebody ends it: for every page of the package.

In:  a host, a port; an ASGI application.
Out: nothing, when it was told to end: what was under way is finished, the socket is closed.
"""

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from undertone.errors import UndertoneError, needs, tell

BACKLOG = 512  # connections that wait to be taken
HERE = "127.0.0.1"


def check_installed(what: str = "services and pages") -> None:
    """Refuse to go on without what serves; ``what`` is in the plural."""
    for package in ("fastapi", "uvicorn", "python_multipart"):
        needs(package, extra="serve", what=what)


def open_port(host: str, port: int, *, may_be_another: bool = False) -> socket.socket:
    """A socket that listens.

    Args:
        host: address or name.
        port: 0 for any that is free.
        may_be_another: whether any other will do where this one is in use.

    Raises:
        UndertoneError: it cannot be had.
    """
    try:
        return _bound(host, port)
    except OSError as error:
        if may_be_another and error.errno == errno.EADDRINUSE:
            tell(f"port {port} is in use: another one is taken")
            return open_port(host, 0)
        raise UndertoneError(_no_port(host, port, error)) from None


def address_of(opened: socket.socket, host: str) -> str:
    """What is typed into a browser."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{opened.getsockname()[1]}"


def run(
    app: Any,
    opened: socket.socket,
    *,
    during: contextlib.AbstractAsyncContextManager[Any] | None = None,
    ready: Callable[[Callable[[], None]], None],
    end_s: int,
    **settings: Any,
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; a second one cuts what is under way.

    Args:
        app: an ASGI application.
        opened: a socket that listens; it is closed.
        during: a context around all of it, as of processes.
        ready: called when requests are answered, with what ends it as a signal does.
        end_s: seconds that what is under way may take after the first signal.
        settings: of ``uvicorn.Config``.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def serve(self, sockets: list[socket.socket] | None = None) -> None:
            async with during or contextlib.nullcontext():
                await super().serve(sockets)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(self.end)

        def end(self) -> None:
            self.should_exit = True

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """End; the signal is not sent again afterwards, because to end so is no failure."""
            self.force_exit = self.should_exit
            self.should_exit = True

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            with super().capture_signals():
                if threading.current_thread() is not threading.main_thread():
                    yield  # nor are the others heard there
                    return
                before = signal.signal(signal.SIGHUP, self.handle_exit)  # of a closed terminal
                try:
                    yield
                finally:
                    signal.signal(signal.SIGHUP, before)

    config = uvicorn.Config(
        app,
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_level="error",
        timeout_graceful_shutdown=end_s,
        server_header=False,
        **settings,
    )
    with contextlib.closing(opened), _ending_on_sigterm():
        Server(config).run(sockets=[opened])


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does, also before the server listens to either."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise UndertoneError(f"a port is a number from 0 to 65535, found {port}")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _no_port(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"--host {host} is no address of this machine: {error.strerror}; leave it out"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: --port 0 takes one that is free"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} needs the rights of root: take one above 1023, as --port 8765"
    return f"port {port} of {host} cannot be opened: {error.strerror or error}"
