"""The addresses of the service, and what answers each.

In:  a recogniser, its name, settings.
Out: an application for any ASGI server; ``running`` starts one.
"""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Query, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from undertone import __version__
from undertone.errors import printable
from undertone.serving.live import LiveConfig
from undertone.serving.service.about import about
from undertone.serving.service.admission import Admission
from undertone.serving.service.card_page import card_page
from undertone.serving.service.connections import Watch
from undertone.serving.service.docs_page import docs_page
from undertone.serving.service.jobs import Job, OneAnswer, OverTime
from undertone.serving.service.limits import Limits
from undertone.serving.service.refusals import BROKEN, TITLES, UNUSABLE, Refusal
from undertone.serving.service.stream import serve_stream
from undertone.serving.service.uploads import received
from undertone.serving.service.workers import Workers
from undertone.serving.sureness import Terms
from undertone.web import guard

if TYPE_CHECKING:
    from undertone.recogniser.folder import Recogniser

PAGE = "undertone.serving.service.page"
TIMELINE, REPORT = "undertone.serving.timeline", "undertone.evaluation.report"
CSS = ((REPORT, "report.css"), (TIMELINE, "timeline.css"), (PAGE, "page.css"))
ASSETS = {  # of the page: their type, and which files in which order
    "page.css": ("text/css", CSS),
    "page.js": ("text/javascript", ((TIMELINE, "ribbons.js"), (PAGE, "page.js"))),
    "capture.js": ("text/javascript", ((PAGE, "capture.js"),)),
}
GONE = 499  # a client that did not wait: nobody reads it
BODY = {  # of OpenAPI, for a recording
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": title} for status, title in TITLES.items()
}
Channel = Annotated[str, Query(description="mix, or a number from 1 on", max_length=8)]
EachChannel = Annotated[str, Query(description="mix, each, or a number from 1 on", max_length=8)]
Window = Annotated[float, Query(description="seconds that are heard at once", ge=0.5, le=600)]
Hop = Annotated[float, Query(description="seconds from window to window", ge=0.1, le=600)]
Coverage = Annotated[
    float | None, Query(description="share of answers whose set holds the truth, as .9")
]
Least = Annotated[float | None, Query(description="of a probability, below it no emotion is named")]
Anyway = Annotated[bool, Query(description="answer whatever speaks against it")]
Detector = Annotated[
    str, Query(description="of speech: silero, energy, or auto: the service's", max_length=16)
]


@dataclass
class Service:
    """All that the addresses share.

    Attributes:
        recogniser: that answers.
        name: of it.
        workers: how many processes.
        limits: of everything.
        settings: of streams.
        names: by which the service may be called beside addresses and localhost.
        card: of the model, as text.
    """

    recogniser: "Recogniser"
    name: str
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
    settings: LiveConfig = field(default_factory=LiveConfig)
    names: tuple[str, ...] = ()
    card: str = ""

    def __post_init__(self) -> None:
        self.admission, self.watch = Admission(self.limits), Watch(self.limits)
        self.pool = Workers(
            self.recogniser,
            self.name,
            self.workers,
            self.limits.work_s,
            lambda: self.admission.n_streams,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the processes live."""
        await self.pool.start()
        watching = asyncio.create_task(self.watch.run())
        try:
            yield
        finally:
            watching.cancel()
            await self.pool.close()

    async def answer(self, request: Request, kind: type[Any], **settings: Any) -> Response:
        """Receive a recording and have it heard."""
        address = request.client.host if request.client else ""
        _check_settings(request)
        self.admission.check(address)
        async with received(request, self.limits) as upload:
            with self.admission.request():
                job: Job = kind(upload.path, upload.name, self.limits.max_seconds, **settings)
                outcome = await unless_gone(request, self.pool.do(job))
        return JSONResponse(outcome.body, outcome.status)

    def health(self) -> dict[str, Any]:
        """Whether it can answer, and how busy it is."""
        alive = self.pool.n_alive
        return {
            "status": "ok" if alive else "no process is alive",
            "model": self.name,
            "version": __version__,
            "workers": {"asked": self.workers, "alive": alive, "died": self.pool.n_deaths},
            "requests": self.admission.n_requests,
            "waiting": self.pool.n_waiting,
            "streams": self.admission.n_streams,
        }


def _check_settings(request: Request) -> None:
    """Refuse settings that the address does not have, and those that are told twice.

    Raises:
        Refusal: there are such.
    """
    known = {"name", *inspect.signature(request.scope["endpoint"]).parameters} - {"request"}
    told = [name for name, _ in request.query_params.multi_items()]
    if odd := sorted({name for name in told if name not in known or told.count(name) > 1}):
        raise Refusal(
            UNUSABLE,
            f"{request.url.path} has the settings {', '.join(sorted(known))}, each once; found "
            f"{', '.join(map(printable, odd))}",
        )


async def unless_gone(request: Request, work: Awaitable[Any]) -> Any:
    """What comes of work; it is given up where the client does not wait.

    Raises:
        ClientDisconnect: the client is gone.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_is_gone(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()


async def _is_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def make_app(service: Service) -> guard.Guard:
    """The application, with its guard before it."""
    app = FastAPI(
        title="Undertone",
        version=__version__,
        description="Speech emotion recognition: recordings and streams in, emotions out.",
        docs_url=None,
        redoc_url=None,
    )
    _add_answers(app, service)
    _add_pages(app, service)
    _add_refusals(app)
    return guard.Guard(app, guard.Terms(service.names, microphone=True))


def _add_answers(app: FastAPI, service: Service) -> None:
    @app.post("/predict", responses=REFUSED, openapi_extra=BODY)
    async def predict(
        request: Request,
        *,
        channel: Channel = "mix",
        coverage: Coverage = None,
        min_probability: Least = None,
        answer_anyway: Anyway = False,
    ) -> Response:
        """One answer for a recording: the row that `undertone predict --format jsonl` prints."""
        terms = Terms(coverage, min_probability, answer_anyway)
        return await service.answer(request, OneAnswer, terms=terms, channel=channel)

    @app.post("/timeline", responses=REFUSED, openapi_extra=BODY)
    async def timeline(
        request: Request,
        *,
        channel: EachChannel = "mix",
        window: Window = 4.0,
        hop: Hop = 1.0,
        detector: Detector = "auto",
        coverage: Coverage = None,
        min_probability: Least = None,
        answer_anyway: Anyway = False,
    ) -> Response:
        """Emotions over time: `rows` are those that `undertone timeline` writes."""
        chosen = service.settings.detector if detector == "auto" else detector
        terms = Terms(coverage, min_probability, answer_anyway)
        settings = {"window_s": window, "hop_s": hop, "detector": chosen, "terms": terms}
        return await service.answer(request, OverTime, channel=channel, **settings)

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await serve_stream(socket, service.pool, service.admission, service.settings)

    @app.get("/health")
    async def health() -> JSONResponse:
        """Whether the service can answer, and how busy it is; 503 where no process lives."""
        told = service.health()
        return JSONResponse(told, 200 if told["status"] == "ok" else 503)

    @app.get("/about")
    async def about_model() -> dict[str, Any]:
        """The model, what it tells and what it promises; the limits of the service."""
        limits = service.limits
        return {
            **about(service.recogniser, service.name),
            "window": service.settings.window_s,
            "every": service.settings.step_s,
            "limits": {"megabytes": limits.max_mb, "seconds": limits.max_seconds},
        }


def _add_pages(app: FastAPI, service: Service) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_text(PAGE, "page.html"))

    @app.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404)
        kind, parts = ASSETS[name]
        return Response("\n".join(_text(*part) for part in parts), media_type=kind)

    @app.get("/card", include_in_schema=False)
    async def card() -> HTMLResponse:
        return HTMLResponse(card_page(service.card, service.name))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        base = str(request.base_url).rstrip("/")
        return HTMLResponse(docs_page(app.openapi(), base, service.limits, service.settings))


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(_: Request, why: Refusal) -> Response:
        return JSONResponse(why.body(), why.status, why.headers())

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        told = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        why = Refusal(UNUSABLE, f"{told} (/docs tells which settings there are)")
        return JSONResponse(why.body(), why.status, why.headers())

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        told = f"{request.method} {request.url.path}: {error.detail}; /docs tells what there is"
        why = Refusal(error.status_code, told)
        return JSONResponse(why.body(), why.status, {**(error.headers or {}), **why.headers()})

    @app.exception_handler(Exception)  # a fault of ours, whose traceback standard error tells
    async def broken(_: Request, error: Exception) -> Response:
        why = Refusal(BROKEN, f"{type(error).__name__}: {error} (please report it)")
        return JSONResponse(why.body(), why.status, why.headers())

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=GONE)


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")
