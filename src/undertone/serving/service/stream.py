"""A microphone over a WebSocket: 16-bit samples in, an answer every step of sound out.

In:  a first message of text, ``{"rate": 16000}``, then messages of samples (mono, 16-bit, little
     end first), then ``{"end": true}`` or the end of the connection.
Out: messages of JSON: ``ready``, a row a step, ``done``; or ``error``, and the end.

Whoever sends faster than the service listens is slowed down, and every step is answered. A live
stream (``"live": true``) is never slowed down: what cannot be answered in time is left out, and
counted. No more is held than a window.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from undertone.errors import UndertoneError
from undertone.serving.live import Ear, LiveConfig, Moment, check_rate
from undertone.serving.service.admission import Admission
from undertone.serving.service.limits import Limits
from undertone.serving.service.refusals import TOO_LARGE, TOO_SLOW, UNUSABLE, Refusal
from undertone.serving.service.workers import Workers

LARGEST_MESSAGE = 1 << 20  # bytes
DONE, UNSUPPORTED, POLICY, TOO_BIG, BROKEN, LATER = 1000, 1003, 1008, 1009, 1011, 1013
CODES = {TOO_SLOW: POLICY, TOO_LARGE: TOO_BIG, UNUSABLE: UNSUPPORTED, 429: LATER, 503: LATER}
FIRST = 'the first message is text, as {"rate": 16000}: the rate of the samples that follow, in Hz'
SEND_S = 20.0  # that a client may take to read


@dataclass
class Stream:
    """One connection.

    Attributes:
        socket: of the client, accepted.
        workers: that answer.
        limits: of time.
        settings: of the window.
    """

    socket: WebSocket
    workers: Workers
    limits: Limits
    settings: LiveConfig
    _n_answers: int = 0
    _n_skipped: int = 0
    _newest: Moment | None = None
    _under_way: "asyncio.Task[None] | None" = None

    async def run(self) -> None:
        """Answer until the stream ends.

        Raises:
            Refusal: what came is no stream of samples, or it lasts or waits too long.
            WebSocketDisconnect: the client is gone.
        """
        is_live = await self._begin()
        try:
            async with asyncio.timeout(self.limits.stream_s):
                while (samples := await self._samples()) is not None:
                    for moment in self._ear.hear(samples):
                        await (self._answer_newest if is_live else self._answer)(moment)
                await self._end()
        except TimeoutError:
            raise Refusal(
                TOO_SLOW,
                f"a stream lasts at most {self.limits.stream_s:g} s: begin another, or start the "
                "service with a larger --max-stream-seconds",
            ) from None
        finally:
            if self._under_way is not None:
                self._under_way.cancel()
                await asyncio.gather(self._under_way, return_exceptions=True)

    async def _begin(self) -> bool:
        """Read the first message; whether the stream is live."""
        message = await self._receive()
        told = _as_object(message.get("text"))
        if told is None:
            raise Refusal(UNUSABLE, f"{FIRST}; found {_shown(message)}")
        if unknown := sorted(told.keys() - {"rate", "live"}):
            raise Refusal(UNUSABLE, f"{FIRST}, and perhaps live; found {', '.join(unknown)[:100]}")
        try:
            rate = check_rate(told.get("rate"))
        except UndertoneError as error:
            raise Refusal(UNUSABLE, str(error)) from None
        if not isinstance(told.get("live", False), bool):
            raise Refusal(UNUSABLE, f"live is true or false; found {str(told['live'])[:100]!r}")
        self._ear = Ear(rate, self.settings)
        ready = {"ready": True, "rate": rate, "window": self.settings.window_s}
        await self._send({**ready, "every": self.settings.step_s})
        return bool(told.get("live", False))

    async def _samples(self) -> np.ndarray | None:
        """(n_samples,) of the next message; None at the end."""
        message = await self._receive()
        content = message.get("bytes")
        if content is None:
            if (_as_object(message.get("text")) or {}).get("end") is True:
                return None
            raise Refusal(
                UNUSABLE,
                'behind the first message come 16-bit samples as binary messages, and {"end": '
                f"true}} at the end; found {_shown(message)}",
            )
        if len(content) % 2:
            raise Refusal(
                UNUSABLE,
                f"a sample has 16 bits, and a message whole samples; found {len(content)} bytes",
            )
        return np.frombuffer(content, "<i2").astype(np.int16)

    async def _receive(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.limits.idle_s):
                message = dict(await self.socket.receive())
        except TimeoutError:
            raise Refusal(
                TOO_SLOW,
                f"nothing came for {self.limits.idle_s:g} s: send silence while nobody speaks, or "
                "start the service with a larger --max-idle-seconds",
            ) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", DONE))
        return message

    async def _answer_newest(self, moment: Moment) -> None:
        """Answer it, unless another is being answered: then it is next, in place of who was."""
        if self._under_way is None or self._under_way.done():
            if self._under_way is not None:
                self._under_way.result()  # raises what went wrong
            self._under_way = asyncio.create_task(self._answer_all(moment))
        else:
            self._n_skipped += self._newest is not None
            self._newest = moment

    async def _answer_all(self, moment: Moment) -> None:
        await self._answer(moment)
        while self._newest is not None:
            moment, self._newest = self._newest, None
            await self._answer(moment)

    async def _answer(self, moment: Moment) -> None:
        outcome = await self.workers.do(moment.with_marks(self._ear.marks))
        if outcome.marks is None:
            raise Refusal(outcome.status, outcome.body["error"])
        self._ear.marks = outcome.marks
        self._n_answers += 1
        await self._send(outcome.body)

    async def _end(self) -> None:
        if self._under_way is not None:
            await self._under_way
        if (moment := self._ear.rest()) is not None:
            await self._answer(moment)
        counts = {"answers": self._n_answers, "skipped": self._n_skipped}
        await self._send({"done": True, "seconds": round(self._ear.heard_s, 6), **counts})
        await self.socket.close(DONE)

    async def _send(self, values: dict[str, Any]) -> None:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        try:
            async with asyncio.timeout(SEND_S):
                await self.socket.send_text(text)
        except TimeoutError:  # it does not read
            raise WebSocketDisconnect(BROKEN) from None


async def serve_stream(
    socket: WebSocket, workers: Workers, admission: Admission, settings: LiveConfig
) -> None:
    """Accept a connection and answer it; what is refused is told before the end."""
    await socket.accept()
    address = socket.client.host if socket.client else ""
    try:
        with admission.stream(address):
            await Stream(socket, workers, admission.limits, settings).run()
    except Refusal as why:
        await _tell(socket, why)
    except (WebSocketDisconnect, RuntimeError):
        return  # the client is gone, or reads no more


async def _tell(socket: WebSocket, why: Refusal) -> None:
    retry = {} if why.retry_s is None else {"retry_after": why.retry_s}
    try:
        async with asyncio.timeout(SEND_S):
            await socket.send_text(json.dumps({**why.body(), **retry}))
            await socket.close(CODES.get(why.status, BROKEN), why.body()["error"][:100])
    except (WebSocketDisconnect, TimeoutError, RuntimeError):
        return


def _as_object(text: str | None) -> dict[str, Any] | None:
    """What a text holds, if that is a JSON object."""
    try:
        found = json.loads(text or "", parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _shown(message: dict[str, Any]) -> str:
    text = message.get("text")
    if text is None:
        return f"{len(message.get('bytes') or b'')} bytes"
    return f"the text {text[:60]!r}"
