"""Who may ask the page's server: pages that it served itself, on this machine.

In:  requests.
Out: the same, or a refusal in a sentence; headers that keep other pages out.

The server listens on the loopback alone. A page of a stranger, open in the same browser, could
still send requests to it, or have its own name point here (DNS rebinding): so the host that is
asked for must be this one, and a request that names where it comes from must come from here.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MOST_BYTES = 200_000  # of a request
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; media-src blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Guard:
    """An application behind the checks."""

    def __init__(self, application: Application, port: int) -> None:
        self._inner = application
        self._hosts = {f"{name}:{port}" for name in LOOPBACK}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks anything else
            return
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        if (why := self._why_not(headers)) is not None:
            await _refuse(send, why)
            return
        await self._inner(scope, _limited(receive), _with_headers(send))

    def _why_not(self, headers: dict[str, str]) -> tuple[int, str] | None:
        if headers.get("host", "") not in self._hosts:
            return 421, "this server answers to 127.0.0.1 and localhost alone"
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self._hosts:
            return 403, "this request comes from another page"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "this request comes from another page"
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > MOST_BYTES:
            return 413, f"a request holds at most {MOST_BYTES} bytes"
        return None


def _limited(receive: Receive) -> Receive:
    """The body, whatever length was announced, up to the limit; the rest is never read."""
    seen = 0

    async def inner() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= MOST_BYTES else {"type": "http.disconnect"}

    return inner


def _with_headers(send: Send) -> Send:
    own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def inner(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await send(message)

    return inner


async def _refuse(send: Send, why: tuple[int, str]) -> None:
    status, text = why
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
