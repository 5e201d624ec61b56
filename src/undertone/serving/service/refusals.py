"""What a service says no with: a status, one sentence, and when to come again."""

from dataclasses import dataclass
from typing import Any

from undertone.errors import printable

TOO_SLOW, TOO_LARGE, NO_SOUND, UNUSABLE, TOO_OFTEN = 408, 413, 415, 422, 429
BROKEN, UNAVAILABLE = 500, 503
TITLES = {  # of the statuses that a client must expect
    TOO_SLOW: "the body did not come in time",
    TOO_LARGE: "more bytes, or a longer recording, than is taken",
    NO_SOUND: "no recording: another content type, or bytes that are no sound",
    UNUSABLE: "a recording or a setting that cannot be used, as silence or a damaged file",
    TOO_OFTEN: "too many requests from one address; `Retry-After` says when to come again",
    UNAVAILABLE: "the service is full, or the work took too long; `Retry-After` says when",
}


@dataclass
class Refusal(Exception):  # noqa: N818 (it is an answer as much as an error)
    """Ends a request.

    Attributes:
        status: of HTTP.
        message: what was expected, what was found, what to do.
        retry_s: after which it may be tried again; None where it would be the same.
        kind: what a program may tell it by, where there is something special.
    """

    status: int
    message: str
    retry_s: float | None = None
    kind: str = ""

    def body(self) -> dict[str, Any]:
        """As JSON."""
        told: dict[str, Any] = {"error": printable(self.message), "status": self.status}
        return {**told, "kind": self.kind} if self.kind else told

    def headers(self) -> dict[str, str]:
        """Of the answer. A connection that brought what is refused is not used again."""
        headers = {"Connection": "close"}
        if self.retry_s is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_s)))
        return headers
