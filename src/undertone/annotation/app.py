"""The server of the page: a few requests of one page, nothing else.

In:  a ``Session`` and a ``Learner``.
Out: an application (extra ``serve``); every refusal is JSON: ``error``, a sentence.

A clip is asked for by its number, never by a path. A label is answered once it is on the disk.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from undertone.annotation.asked import Asked, Given, Next, Undo, said, why_not
from undertone.annotation.learning.learner import Learner
from undertone.annotation.learning.places import OFF
from undertone.annotation.learning.shown import commands, of_now, warning
from undertone.annotation.log import TakenError
from undertone.annotation.session import Session
from undertone.corpora.label_log.log import SCALE, Label
from undertone.errors import UndertoneError, printable, tell

PAGE = "undertone.annotation.page"
KINDS: Mapping[str, str] = {
    "label.html": "text/html; charset=utf-8",
    "label.css": "text/css; charset=utf-8",
    "label.js": "text/javascript; charset=utf-8",
    "player.js": "text/javascript; charset=utf-8",
    "panels.js": "text/javascript; charset=utf-8",
}
MISSING, GONE, TAKEN, UNUSABLE, BROKEN, UNSAVED = 404, 410, 409, 422, 500, 503
DIGITS = 9  # of a clip's number at most


def application(session: Session, learner: Learner | None = None) -> FastAPI:
    """The requests of the page."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _pages(app)
    _tells(app, session, learner)
    _hands_out(app, session)
    _takes(app, session, learner)

    _refuses(app)
    return app


def _refuses(app: FastAPI) -> None:
    """Whatever goes wrong is told in one shape, which the page reads."""

    @app.exception_handler(UndertoneError)
    def unsaved(request: Request, error: UndertoneError) -> JSONResponse:
        return _no(str(error), UNSAVED)

    @app.exception_handler(TakenError)
    def taken(request: Request, error: TakenError) -> JSONResponse:
        return _no(str(error), TAKEN)

    @app.exception_handler(RequestValidationError)
    def strange(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return _no(f"{where}: {first['msg']}", UNUSABLE)

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> JSONResponse:
        told = f"{request.method} {request.url.path}: {error.detail}"
        answer = _no(told, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)  # a fault of ours, whose traceback standard error tells
    def broken(request: Request, error: Exception) -> JSONResponse:
        return _no(f"{type(error).__name__}: {error} (please report it)", BROKEN)


def _no(told: str, status: int) -> JSONResponse:
    return JSONResponse({"error": printable(told)}, status)


def _pages(app: FastAPI) -> None:
    contents = {name: files(PAGE).joinpath(name).read_bytes() for name in KINDS}

    @app.get("/")
    def page() -> Response:
        return Response(contents["label.html"], media_type=KINDS["label.html"])

    @app.get("/page/{name}")
    def part(name: str) -> Response:
        if name not in KINDS:
            return _no("there is no such part of the page", MISSING)
        return Response(contents[name], media_type=KINDS[name])


def _tells(app: FastAPI, session: Session, learner: Learner | None) -> None:
    """What the page must know, and how far things are."""

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        return {
            "of": session.key,
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

    @app.post("/api/state")
    def state(asked: Next) -> dict[str, Any]:
        _check_is_of(session, asked)
        gone = session.renew(asked.tab, asked.have)
        _learn(session, learner)  # another rater's server may have written
        return {
            "gone": gone,
            "counts": session.counts(),
            "learning": learning_now(session, learner),
            "raters": _raters(session),
        }


def _hands_out(app: FastAPI, session: Session) -> None:
    """Clips, and their sound."""

    @app.post("/api/next")
    def following(asked: Next) -> dict[str, Any]:
        _check_is_of(session, asked)
        chosen = session.next(asked.tab, asked.have, asked.n)
        why = session.shown_why
        return {"clips": [{"clip": one.index, "why": why(one.index)} for one in chosen]}

    @app.get("/api/clips/{number}")
    def sound(number: str) -> Response:
        is_number = number.isascii() and number.isdigit() and len(number) <= DIGITS
        if not is_number or int(number) >= len(session.clips):
            return _no("there is no such clip", MISSING)
        try:
            return Response(session.wav(int(number)), media_type="audio/wav")
        except UndertoneError as error:
            name = session.clips[int(number)].file.name
            tell(f"a clip is passed over: {error}")
            return _no(f"{name} cannot be played: {error}", GONE)

    @app.post("/api/leave")
    def leave(asked: Next) -> dict[str, Any]:
        if asked.of in (None, session.key):
            session.release(asked.tab)
        return {}


def _takes(app: FastAPI, session: Session, learner: Learner | None) -> None:
    """What somebody said, and what they take back."""

    @app.post("/api/labels")
    def label(given: Given) -> Response:
        _check_is_of(session, given)
        if (why := why_not(session, given)) is not None:
            return _no(why, UNUSABLE)
        was_new = session.label(given.tab, said(given))
        _learn(session, learner)
        reason = session.reason(given.clip)
        return JSONResponse({"new": was_new, "why": reason, "counts": session.counts()})

    @app.post("/api/undo")
    def undo(asked: Undo) -> dict[str, Any]:
        _check_is_of(session, asked)
        label = session.undo(asked.tab, asked.id)
        _learn(session, learner)
        return {
            "label": None if label is None else _undone(session, label),
            "counts": session.counts(),
        }


def _check_is_of(session: Session, asked: Asked) -> None:
    """Refuse a page that was opened on another log, by another rater, or on other clips.

    Raises:
        TakenError: the numbers of its clips are others by now.
    """
    if asked.of not in (None, session.key):
        raise TakenError(
            "this page was opened on other recordings, another log or by another rater, and the "
            "server was started anew since: nothing was saved. Reload the page"
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
    return of_now(state, session.standing())


def _learn(session: Session, learner: Learner | None) -> None:
    if learner is not None:
        learner.tell(session.n_with_emotion())
