"""How much a service takes, and how long it waits: one table of settings."""

from dataclasses import dataclass

from undertone.config import check_ranges


@dataclass(frozen=True)
class Limits:
    """What is refused beyond these, with a message that says which was reached."""

    max_mb: float = 50.0  # of a body, millions of bytes
    max_seconds: float = 600.0  # of a recording
    max_requests: int = 64  # at once: those at work and those that wait
    max_streams: int = 16  # at once
    max_per_minute: int = 3_000  # requests and streams of one address
    max_connections: int = 256  # open at once, those whose body is on its way among them
    upload_s: float = 60.0  # from the head of a request to the end of its body
    work_s: float = 120.0  # of one piece of work in a process
    stream_s: float = 3_600.0  # of one stream
    idle_s: float = 30.0  # of a stream that sends nothing
    head_s: float = 10.0  # until the head of a request is there
    end_s: int = 10  # for what is under way when the service ends

    def __post_init__(self) -> None:
        check_ranges(
            self,
            max_mb=(0.001, 10_000),
            max_seconds=(0.1, 24 * 3600),
            max_requests=(1, 10_000),
            max_streams=(0, 10_000),
            max_per_minute=(1, 10_000_000),
            max_connections=(4, 100_000),
            upload_s=(0.1, 3600),
            work_s=(0.1, 24 * 3600),
            stream_s=(0.1, 24 * 3600),
            idle_s=(0.1, 3600),
            head_s=(0.1, 600),
            end_s=(0.0, 600),
        )

    @property
    def max_bytes(self) -> int:
        """Of a body."""
        return round(1e6 * self.max_mb)
