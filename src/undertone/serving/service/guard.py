"""Who may ask: programs on this machine and our own page, and no page of a stranger.

A browser lets any page send requests to a port of this machine. Such a request tells the page's
origin, and one whose name was bent to this machine (DNS rebinding) tells that name as its host. So
the host must be an address, ``localhost`` or a name that whoever started the service gave, and an
origin must be the host itself.
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from undertone.errors import printable
from undertone.serving.service.refusals import FORBIDDEN, Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = "localhost"
HEADERS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self)"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """Stands before an application: refuses strangers, and adds headers that browsers obey."""

    def __init__(self, app: App, names: Collection[str] = ()) -> None:
        self._app, self._names = app, {name.casefold() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        why = refusal(scope["headers"], self._names)
        if why and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        elif why:
            await _refuse(send, Refusal(FORBIDDEN, why))
        else:
            await self._app(scope, receive, _with_headers(send))


def refusal(headers: Iterable[tuple[bytes, bytes]], names: Collection[str] = ()) -> str:
    """Why a request is not answered; "" where it is.

    >>> refusal([(b"host", b"127.0.0.1:8765")])
    ''
    >>> refusal([(b"host", b"evil.example:8765")])[:44]
    'the host evil.example is not this service: u'
    """
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    if len(hosts) != 1 or not (host := host_of(hosts[0])):
        return "expected one Host header that names this service"
    if not _is_ours(host, names):
        return (
            f"the host {printable(host)} is not this service: use an address or localhost, or "
            f"start it with --name {printable(host)}"
        )
    for origin in origins:
        if urlsplit_or_none(origin) != hosts[0].casefold():
            return (
                f"the page {printable(origin)} may not use this service: only its own page may, "
                "and programs that are no pages"
            )
    return ""


def host_of(header: str) -> str:
    """The host in a header, without its port; "" where there is none.

    >>> host_of("[::1]:80"), host_of("LocalHost:1"), host_of("a b"), host_of("u@h")
    ('::1', 'localhost', '', '')
    """
    if any(letter in header for letter in "@/?#\\ \t"):
        return ""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def urlsplit_or_none(origin: str) -> str | None:
    """Host and port of an origin as its Host header has them; None where it is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
        return None
    return parts.netloc.casefold()


def _is_ours(host: str, names: Collection[str]) -> bool:
    if host in names or host == LOCAL or host.endswith(f".{LOCAL}"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True  # nobody bends an address


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return with_headers


async def _refuse(send: Send, why: Refusal) -> None:
    body = json.dumps(why.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *HEADERS]
    await send({"type": "http.response.start", "status": why.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
