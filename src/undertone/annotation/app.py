"""The server of the page: a few requests of one page, nothing else.

In:  a ``Session`` and a ``Learner``.
Out: an application (extra ``serve``); ``serve`` runs it on the loopback until it is stopped.

A clip is asked for by its number, never by a path. A label is answered once it is on the disk.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Annotated, Any, Literal

import numpy as np
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from undertone.annotation.guard import Guard
from undertone.annotation.learning import told
from undertone.annotation.learning.learner import PATIENCE_S, Learner
from undertone.annotation.learning.places import OFF
from undertone.annotation.learning.shown import commands, of_now, warning
from undertone.annotation.session import Said, Session
from undertone.corpora.label_log.log import DIMENSIONS, EMOTION, SCALE, Label
from undertone.errors import UndertoneError, printable, tell

PAGE = "undertone.annotation.page"
KINDS: Mapping[str, str] = {
    "label.html": "text/html; charset=utf-8",
    "label.css": "text/css; charset=utf-8",
    "label.js": "text/javascript; charset=utf-8",
    "player.js": "text/javascript; charset=utf-8",
    "panels.js": "text/javascript; charset=utf-8",
}
LOOK_S = 0.5  # how often the server looks for vectors

Name = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[\w.-]+$")]
Number = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e6)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Next(_Request):
    """A tab wants clips besides those it has."""

    tab: Name
    have: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list, max_length=20)
    n: int = Field(default=2, ge=1, le=5)


class Given(_Request):
    """A label."""

    id: Name
    tab: Name
    clip: int = Field(ge=0)
    answer: Literal["emotion", "cannot tell", "not speech"]
    shares: dict[str, Number] = Field(default_factory=dict, max_length=9)
    arousal: float | None = Field(default=None, ge=SCALE[0], le=SCALE[1], allow_inf_nan=False)
    valence: float | None = Field(default=None, ge=SCALE[0], le=SCALE[1], allow_inf_nan=False)
    plays: int = Field(default=0, ge=0, le=1_000_000)
    seconds: Number = 0.0
    speed: Number = 1.0
    width: int = Field(default=0, ge=0, le=100_000)


class Undo(_Request):
    """Take back the last label."""

    id: Name
    tab: Name


def application(session: Session, learner: Learner | None = None) -> FastAPI:
    """The requests of the page."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _pages(app)
    _tells(app, session, learner)
    _takes(app, session, learner)

    @app.exception_handler(UndertoneError)
    def refused(request: Request, error: UndertoneError) -> JSONResponse:
        return JSONResponse({"error": printable(str(error))}, 503)

    @app.exception_handler(RequestValidationError)
    def strange(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return JSONResponse({"error": printable(f"{where}: {first['msg']}")}, 422)

    return app


def _pages(app: FastAPI) -> None:
    contents = {name: files(PAGE).joinpath(name).read_bytes() for name in KINDS}

    @app.get("/")
    def page() -> Response:
        return Response(contents["label.html"], media_type=KINDS["label.html"])

    @app.get("/page/{name}")
    def part(name: str) -> Response:
        if name not in KINDS:
            return JSONResponse({"error": "there is no such part of the page"}, 404)
        return Response(contents[name], media_type=KINDS[name])


def _tells(app: FastAPI, session: Session, learner: Learner | None) -> None:
    """What is to be heard, and how far things are."""

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        return {
            "emotions": list(session.aim.emotions),
            "rater": session.rater,
            "sliders": session.sliders,
            "strategy": session.aim.strategy,
            "scale": SCALE,
            "log": session.log.path.name,
            "told": list(session.clips.told),
            "warning": warning(session.log.path, session.clips.n_speakers),
            "assumed": session.clips.a_speaker_each,
            "commands": commands(session.log.path) if session.clips.n_speakers else [],
            "learns": learner is not None,
        }

    @app.post("/api/next")
    def following(asked: Next) -> dict[str, Any]:
        chosen = session.next(asked.tab, asked.have, asked.n)
        why = session.shown_why
        return {"clips": [{"clip": one.index, "why": why(one.index)} for one in chosen]}

    @app.get("/api/clips/{number}")
    def sound(number: int) -> Response:
        if not 0 <= number < len(session.clips):
            return JSONResponse({"error": "there is no such clip"}, 404)
        try:
            return Response(session.wav(number), media_type="audio/wav")
        except UndertoneError as error:
            name = session.clips[number].file.name
            tell(f"a clip is passed over: {error}")
            return JSONResponse({"error": printable(f"{name} cannot be played: {error}")}, 410)

    @app.post("/api/state")
    def state(asked: Next) -> dict[str, Any]:
        session.renew(asked.tab, asked.have)
        _learn(session, learner)  # another rater's server may have written
        return {
            "counts": session.counts(),
            "learning": learning_now(session, learner),
            "raters": _raters(session),
        }

    @app.post("/api/leave")
    def leave(asked: Next) -> dict[str, Any]:
        session.release(asked.tab)
        return {}


def _takes(app: FastAPI, session: Session, learner: Learner | None) -> None:
    """What somebody said, and what they take back."""

    @app.post("/api/labels")
    def label(given: Given) -> Response:
        if (why := _why_not(session, given)) is not None:
            return JSONResponse({"error": why}, 422)
        was_new = session.label(given.tab, _said(given))
        _learn(session, learner)
        reason = session.reason(given.clip)
        return JSONResponse({"new": was_new, "why": reason, "counts": session.counts()})

    @app.post("/api/undo")
    def undo(asked: Undo) -> dict[str, Any]:
        label = session.undo(asked.tab, asked.id)
        _learn(session, learner)
        return {
            "label": None if label is None else _undone(session, label),
            "counts": session.counts(),
        }


def _why_not(session: Session, given: Given) -> str | None:
    """Why a label makes no sense here."""
    if given.clip >= len(session.clips):
        return "there is no such clip"
    if odd := set(given.shares) - set(session.aim.emotions):
        return printable(f"{', '.join(sorted(odd))} is not among the emotions asked for")
    if (given.answer == EMOTION) != (sum(given.shares.values()) > 0):
        return "an emotion needs shares above 0, and another answer has none"
    return None


def _said(given: Given) -> Said:
    whole = sum(given.shares.values())
    amounts = {name: getattr(given, name) for name in DIMENSIONS}
    return Said(
        given.id,
        given.clip,
        given.answer,
        {name: share / whole for name, share in given.shares.items() if share > 0},
        {name: value for name, value in amounts.items() if value is not None},
        {
            "plays": given.plays,
            "seconds": round(given.seconds, 2),
            "speed": given.speed,
            "width": given.width,
        },
    )


def _undone(session: Session, label: Label) -> dict[str, Any]:
    return {
        "clip": session.number.get(label.utterance),
        "why": str(label.shown.get("why", "")),
        "answer": label.answer,
        "shares": dict(label.shares),
        **dict(label.amounts),
    }


def _raters(session: Session) -> dict[str, Any]:
    """Agreement; of disputes only how many raters differ on clips that this rater has labelled."""
    raters = session.raters()
    mine = {label.utterance for label in session.mine_in_order()}
    own = [case for case in raters.disputed if case.utterance in mine]
    return {
        "names": list(raters.names),
        "agreements": {
            name: {**one.alpha.to_dict(), "units": one.n_units, "ratings": one.n_ratings}
            for name, one in raters.agreements.items()
        },
        "disputed": [
            {"name": printable(case.utterance), "raters": case.n_raters} for case in own[:5]
        ],
        "n_disputed": len(own),
    }


def learning_now(session: Session, learner: Learner | None) -> dict[str, Any]:
    """What is learned, beside the counts of this moment."""
    state = {"state": OFF} if learner is None else learner.state()
    return of_now(state, *session.learnable())


def _learn(session: Session, learner: Learner | None) -> None:
    if learner is not None:
        learner.tell(session.n_with_emotion())


def bound(port: int | None, usual: int) -> socket.socket:
    """A socket on the loopback.

    Args:
        port: that was asked for; None for the usual one, or any if that is in use; 0 for any.
        usual: port.

    Raises:
        UndertoneError: the port that was asked for is in use.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", usual if port is None else port))
        listener.listen()
        return listener
    except OSError as error:
        listener.close()
        if port is None:
            tell(f"port {usual} is in use: another one is taken")
            return bound(0, usual)
        raise UndertoneError(
            f"port {port} cannot be used: {error.strerror}; name another with --port, or leave "
            "--port out"
        ) from None


def serve(session: Session, learner: Learner | None, listener: socket.socket) -> None:
    """Answer until the process is stopped; labels that came after the last fit get one more."""
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        Guard(application(session, learner), port),
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    follows = contextlib.nullcontext() if learner is None else _followed(session, learner)
    try:
        with contextlib.suppress(KeyboardInterrupt), follows:  # Ctrl-C is the usual end
            uvicorn.Server(config).run(sockets=[listener])
        if learner is not None:
            _finish(session, learner)
    finally:
        if learner is not None:
            learner.stop()


def _finish(session: Session, learner: Learner) -> None:
    """Learn the last labels, unless nothing can be learned or somebody is in a hurry."""
    learning = learning_now(session, learner)
    nothing = told.why_nothing(*session.learnable()) is not None
    if nothing or not learning["newer"] or not learner.is_at_work():
        return
    n = learning["newer"]
    tell(
        f"{n} {'label is' if n == 1 else 'labels are'} newer than the model, which is fitted once "
        f"more (at most {PATIENCE_S:.0f} s); Ctrl-C ends that at once"
    )
    with contextlib.suppress(KeyboardInterrupt):
        learner.finish(session.n_with_emotion())


@contextlib.contextmanager
def _followed(session: Session, learner: Learner) -> Iterator[None]:
    """Vectors reach the chooser as soon as there are some."""
    learner.start()
    done = threading.Event()

    def follow() -> None:
        while not done.wait(LOOK_S):
            if (heard := learner.heard()) is not None:
                at = {name: i for i, name in enumerate(heard.utterances)}
                rows = [at.get(clip.utterance, -1) for clip in session.clips.clips]
                with_none = np.vstack([heard.vectors, np.full(heard.vectors.shape[1], np.nan)])
                session.chooser.hear(with_none[rows], heard.emphasis)
                learner.tell(session.n_with_emotion())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)
