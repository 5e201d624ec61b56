"""How many at once, and how often: what is too much is refused at once and never waits.

In:  an address that wants something.
Out: a place for as long as a context lasts, or a ``Refusal`` that says when to come again. A body
     that is being received takes no place: who sends slowly keeps nobody out.
"""

import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from undertone.serving.service.limits import Limits
from undertone.serving.service.refusals import TOO_OFTEN, UNAVAILABLE, Refusal

MOST_ADDRESSES = 10_000  # that are remembered
AGAIN_S = 1.0


@dataclass
class _Bucket:
    """What an address may still ask for: it fills evenly, up to a minute's worth."""

    left: float
    at_s: float


@dataclass
class Admission:
    """Places for requests and streams.

    Attributes:
        limits: of both.
        clock: seconds.
        n_requests: that have a place.
        n_streams: that have one.
    """

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    n_requests: int = 0
    n_streams: int = 0
    _buckets: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)

    def check(self, address: str) -> None:
        """See whether a request may be received: that takes time, and no place yet.

        Raises:
            Refusal: there is no place now, or the address asks too often.
        """
        self._check_often(address)
        self._check_room()

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """A place for a request that was received.

        Raises:
            Refusal: there is none.
        """
        self._check_room()
        self.n_requests += 1
        try:
            yield
        finally:
            self.n_requests -= 1

    @contextlib.contextmanager
    def stream(self, address: str) -> Iterator[None]:
        """A place for a stream; raises as ``check`` does."""
        self._check_often(address)
        if self.n_streams >= self.limits.max_streams:
            raise Refusal(
                UNAVAILABLE,
                f"{self.n_streams} streams are open, and no more are taken at once: come again "
                "later, or start the service with a larger --max-streams",
                AGAIN_S,
            )
        self.n_streams += 1
        try:
            yield
        finally:
            self.n_streams -= 1

    def _check_room(self) -> None:
        if self.n_requests >= self.limits.max_requests:
            raise Refusal(
                UNAVAILABLE,
                f"{self.n_requests} requests are at work or wait, and no more are taken at once: "
                "send this one again in a second, or start the service with a larger "
                "--max-requests",
                AGAIN_S,
            )

    def _check_often(self, address: str) -> None:
        now, most = self.clock(), float(self.limits.max_per_minute)
        bucket = self._buckets.pop(address, None) or _Bucket(most, now)
        bucket.left = min(most, bucket.left + (now - bucket.at_s) * most / 60)
        bucket.at_s = now
        self._buckets[address] = bucket  # the last one now
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        if bucket.left < 1:
            raise Refusal(
                TOO_OFTEN,
                f"{address} asks more than {self.limits.max_per_minute} times a minute: wait, or "
                "start the service with a larger --max-per-minute",
                (1 - bucket.left) * 60 / most,
            )
        bucket.left -= 1
