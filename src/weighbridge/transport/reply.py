"""One HTTP reply as it came."""

from __future__ import annotations

from weighbridge.transport.timing import Timing


class Reply:
    """A reply with the arrival time of every read.

    `headers` are (name, value) pairs in the order sent, names lower-cased, decoded as latin-1. `reads` are
    (seconds on time.monotonic(), body bytes after transfer- and content-decoding), in order.
    """

    __slots__ = ("headers", "reads", "status", "timing")

    def __init__(
        self, status: int, headers: list[tuple[str, str]], timing: Timing, reads: list[tuple[float, bytes]]
    ) -> None:
        self.status = status
        self.headers = headers
        self.timing = timing
        self.reads = reads

    @property
    def body(self) -> bytes:
        reads = self.reads
        return reads[0][1] if len(reads) == 1 else b"".join([piece for _, piece in reads])

    def header(self, name: str) -> str | None:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)
