"""Who may ask a server of ours: programs on this machine and its own page, no page of a stranger.

In:  an ASGI application, ``Terms``.
Out: the same application behind the checks: what is refused gets a status and a sentence as JSON,
     what is answered gets headers that browsers obey.

A browser lets any page send requests to a port of this machine. Such a request tells the page's
origin, and one whose name was bent to this machine (DNS rebinding) tells that name as its host. So
the host must be an address, ``localhost`` or a name that whoever started the server gave, and an
origin must be the host itself.
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from undertone.errors import printable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Pairs = Iterable[tuple[bytes, bytes]]

LOCAL = "localhost"
FORBIDDEN, TOO_LARGE, MISDIRECTED = 403, 413, 421
POLICY_VIOLATED = 1008  # of WebSockets
HEADERS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


@dataclass(frozen=True)
class Terms:
    """What one server asks of who asks it.

    Attributes:
        names: by which the machine may be called, besides its addresses and ``localhost``.
        port: that a host must name; then it must be the loopback, too. None for any port and any
            address, as behind a program that passes requests on.
        own_page: whether only the server's own page may ask, not even a link on another page.
        most_bytes: of a body; None where the application sees to that.
        wrong_host: status for another host.
        microphone: whether the page may ask for it.
    """

    names: Collection[str] = ()
    port: int | None = None
    own_page: bool = False
    most_bytes: int | None = None
    wrong_host: int = FORBIDDEN
    microphone: bool = False

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Of every answer."""
        allowed = b"microphone=(self)" if self.microphone else b"microphone=()"
        return [*HEADERS, (b"permissions-policy", allowed)]


class Guard:
    """Stands before an application: refuses strangers, and adds headers that browsers obey."""

    def __init__(self, app: App, terms: Terms) -> None:
        self._app, self._terms = app, terms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        why = why_not(scope["headers"], self._terms)
        if why and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATED, "reason": why[1]})
        elif why:
            await _refuse(send, why, self._terms)
        else:
            inner = _with_headers(send, self._terms)
            await self._app(scope, _limited(receive, self._terms.most_bytes), inner)


def why_not(headers: Pairs, terms: Terms) -> tuple[int, str] | None:
    """Status and sentence of what is not answered; None for what is.

    >>> why_not([(b"host", b"127.0.0.1:8765")], Terms())
    >>> why_not([(b"host", b"evil.example:8765")], Terms())[1][:44]
    'the host evil.example is not this service: u'
    """
    told = list(headers)
    hosts = _of(told, b"host")
    if len(hosts) != 1 or not (host := host_of(hosts[0])):
        return terms.wrong_host, "expected one Host header that names this service"
    if why := _why_not_host(hosts[0], host, terms):
        return terms.wrong_host, why
    for origin in _of(told, b"origin"):
        if netloc_or_none(origin) != hosts[0].casefold():
            return FORBIDDEN, (
                f"the page {printable(origin)} may not use this service: only its own page may, "
                "and programs that are no pages"
            )
    if terms.own_page and set(_of(told, b"sec-fetch-site")) - {"same-origin", "none"}:
        return FORBIDDEN, "this request comes from another page: type the address into the browser"
    return _why_not_length(_of(told, b"content-length"), terms.most_bytes)


def _of(headers: Pairs, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == wanted]


def _why_not_host(header: str, host: str, terms: Terms) -> str:
    if terms.port is not None:
        if port_of(header) == terms.port and is_loopback(host):
            return ""
        return f"the host {printable(header)} is not this page: http://127.0.0.1:{terms.port}/ is"
    if _is_ours(host, {name.casefold() for name in terms.names}):
        return ""
    return (
        f"the host {printable(host)} is not this service: use an address or localhost, or "
        f"start it with --name {printable(host)}"
    )


def _why_not_length(lengths: list[str], most: int | None) -> tuple[int, str] | None:
    if most is None or all(one.isascii() and one.isdigit() and int(one) <= most for one in lengths):
        return None
    return TOO_LARGE, f"a request holds at most {most} bytes"


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


def port_of(header: str) -> int | None:
    """The port in a header; None where it names none.

    >>> port_of("[::1]:80"), port_of("localhost"), port_of("localhost:x")
    (80, None, None)
    """
    try:
        return urlsplit(f"//{header}").port
    except ValueError:
        return None


def netloc_or_none(origin: str) -> str | None:
    """Host and port of an origin as its Host header has them; None where it is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
        return None
    return parts.netloc.casefold()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, and reached from it alone.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("pc")
    (True, True, False, False)
    """
    if host == LOCAL:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ours(host: str, names: Collection[str]) -> bool:
    if host in names or host == LOCAL or host.endswith(f".{LOCAL}"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True  # nobody bends an address


def _limited(receive: Receive, most: int | None) -> Receive:
    """The body, whatever length was announced, up to the limit; the rest is never read."""
    if most is None:
        return receive
    seen = 0

    async def inner() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= most else {"type": "http.disconnect"}

    return inner


def _with_headers(send: Send, terms: Terms) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *terms.headers()]
        await send(message)

    return with_headers


async def _refuse(send: Send, why: tuple[int, str], terms: Terms) -> None:
    status, sentence = why
    body = json.dumps({"error": printable(sentence), "status": status}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers += terms.headers()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
