"""How slowly a client may go: a connection that holds a place without need is cut.

In:  the class of connections that the server makes for each client.
Out: the same with deadlines. The head of a request must come in ``head_s``; what is to be sent must
     be taken while ``STUCK_S`` pass; what is being closed is closed after ``CLOSING_S``. The body
     of a request has a deadline of its own, which ``uploads`` keeps.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from h11 import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from undertone.serving.service.limits import Limits

LOOK_S = 0.5
STUCK_S = 30.0
CLOSING_S = 5.0
BODY = b'{"error": "too many connections are open: come again in a second", "status": 503}'
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)


@dataclass
class _Watched:
    """What is known of a connection; times are of the loop, None where nothing is awaited.

    Attributes:
        waits_since: for the head of a request.
        stuck_since: with so many unsent bytes.
        n_unsent: bytes.
        closing_since: the end was asked for.
    """

    waits_since: float | None = None
    stuck_since: float | None = None
    n_unsent: int = 0
    closing_since: float | None = None

    def sends(self, n_unsent: int, now: float) -> None:
        """Say how much is unsent: it is stuck where that does not become less."""
        if n_unsent == 0:
            self.stuck_since = None
        elif self.stuck_since is None or n_unsent < self.n_unsent:
            self.stuck_since = now
        self.n_unsent = n_unsent


@dataclass
class Watch:
    """All connections of a server, and when each began to wait for what.

    Those that became streams are told to nobody when they are lost: they are forgotten a while
    after they were closed.
    """

    limits: Limits
    _open: dict[asyncio.Transport, _Watched] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many are open; those that are being closed do not count."""
        return sum(not transport.is_closing() for transport in self._open)

    async def run(self) -> None:
        """Look after them until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(loop.time())

    def opened(self, transport: asyncio.Transport, now: float) -> bool:
        """Take a connection; False where there are too many."""
        if len(self) >= self.limits.max_connections:
            return False
        self._open[transport] = _Watched(waits_since=now)
        return True

    def lost(self, transport: asyncio.Transport) -> None:
        """Forget a connection that is closed."""
        self._open.pop(transport, None)

    def waits(self, transport: asyncio.Transport, since: float | None) -> None:
        """Say whether a connection waits for the head of a request; it may wait already."""
        if (watched := self._open.get(transport)) is None:
            return
        if since is None or watched.waits_since is None:
            watched.waits_since = since

    def look(self, now: float) -> None:
        """Cut what waits too long; forget what is closed."""
        for transport, watched in list(self._open.items()):
            if transport.is_closing():
                watched.waits_since = watched.stuck_since = None
                if watched.closing_since is None:
                    watched.closing_since = now
            else:
                watched.sends(transport.get_write_buffer_size(), now)
            if self._is_late(watched, now):
                transport.abort()
                del self._open[transport]

    def _is_late(self, watched: _Watched, now: float) -> bool:
        deadlines = (
            (watched.waits_since, self.limits.head_s),
            (watched.stuck_since, STUCK_S),
            (watched.closing_since, CLOSING_S),
        )
        return any(since is not None and now - since > most for since, most in deadlines)


class Connection(H11Protocol):
    """A connection that a watch looks after."""

    watch: Watch

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self.watch.opened(transport, self.loop.time()):
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.watch.lost(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self.watch.waits(self.transport, None if self._is_served() else self.loop.time())

    def handle_websocket_upgrade(self, event: Request) -> None:
        self.watch.waits(self.transport, None)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.watch.waits(self.transport, None)  # the server's own deadline of idle ones holds

    def _is_served(self) -> bool:
        cycle: Any = self.cycle
        is_upgraded = self.transport.get_protocol() is not self
        return is_upgraded or (cycle is not None and not cycle.response_complete)


def watched_by(watch: Watch) -> type[H11Protocol]:
    """The class of the connections that a watch looks after."""
    return type("Watched", (Connection,), {"watch": watch})
