"""The page for programs: what can be asked and how, as pages of this machine alone can show it.

In:  the description of the addresses (OpenAPI), where the service is, its limits.
Out: HTML. It needs no network: the usual viewers of OpenAPI are loaded from elsewhere.
"""

import re
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from undertone.serving.live import RATES_HZ, LiveConfig
from undertone.serving.service.limits import Limits

HERE = "undertone.serving.service.page"
MEANINGS = {
    "max_mb": "MB of a body",
    "max_seconds": "seconds of a recording",
    "max_requests": "requests at once, those that wait among them",
    "max_streams": "streams at once",
    "max_per_minute": "requests a minute of one address",
    "upload_s": "seconds until a body is there",
    "work_s": "seconds of work on one recording",
    "stream_s": "seconds of a stream",
    "idle_s": "seconds in which a stream sends nothing",
}


def docs_page(described: dict[str, Any], base: str, limits: Limits, settings: LiveConfig) -> str:
    """The page as text.

    Args:
        described: OpenAPI.
        base: of the addresses, as ``http://127.0.0.1:8765``.
        limits: of the service.
        settings: of streams.
    """
    addresses = [
        {
            "method": method.upper(),
            "path": path,
            "summary": _with_code(operation.get("description", "")),
            "parameters": [
                {
                    "name": one["name"],
                    "default": _default(one["schema"].get("default")),
                    "meaning": one.get("description", ""),
                }
                for one in operation.get("parameters", [])
            ],
        }
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    responses = described["paths"]["/predict"]["post"]["responses"]
    refused = [(status, _with_code(told["description"])) for status, told in responses.items()]
    context = {
        "addresses": addresses,
        "refused": [(status, told) for status, told in refused if status != "200"],
        "limits": [(getattr(limits, name), meaning) for name, meaning in MEANINGS.items()],
        "base": base,
        "socket": base.replace("http", "ws", 1),
        "settings": settings,
        "rates": RATES_HZ,
        "version": described["info"]["version"],
    }
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    text = files(HERE).joinpath("docs.html").read_text(encoding="utf-8")
    return environment.from_string(text).render(context)


def _default(value: Any) -> str:
    """As a request spells it.

    >>> _default(None), _default(False), _default(4.0), _default("mix")
    ('–', 'false', '4', 'mix')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _with_code(text: str) -> Markup:
    """The text as HTML, what stands between backticks as code.

    >>> _with_code("a < `b`")
    Markup('a &lt; <code>b</code>')
    """
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))
