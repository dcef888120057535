"""A request as the server hands it over, and what a handler is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from weighbridge.transport.responder import Responder


class ServerLimits(msgspec.Struct, frozen=True):
    """Bytes and seconds. `head_s` is how long a request's head may take to come, `body_s` how long its body may,
    `idle_s` how long a connection is kept without a request, `write_s` how long a client may take nothing of a reply
    that waits for it."""

    head_bytes: int = 65_536
    body_bytes: int = 64 * 2**20
    head_s: float = 15.0
    body_s: float = 120.0
    idle_s: float = 75.0
    write_s: float = 60.0
    connections: int = 20_000


class ServerRequest:
    """A whole request. `headers` by lower-cased name, equal ones joined by a comma; `at` is when its last byte was
    read, in monotonic seconds."""

    __slots__ = ("at", "body", "headers", "method", "path", "query")

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes, at: float) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.at = at


Handler = Callable[[ServerRequest, Responder], Awaitable[None] | None]
"""Answers a request: at once, or by callbacks of its own (then it gives None), or in what it gives, which is run as a
task. A handler that gives None before it has answered must say `when_gone`."""


class Head:
    """A request's head that was read and found good: the same bytes say the same again. `raw` are those bytes, `size`
    is what a request of this head has in all."""

    __slots__ = ("_begins", "headers", "method", "path", "query", "raw", "size")

    def __init__(self, raw: bytes, method: str, path: str, query: str, headers: dict[str, str], length: int) -> None:
        self.raw = raw
        self.size = len(raw) + length
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self._begins = len(raw)

    def request(self, data: bytes, at: float) -> ServerRequest:
        """The request that these bytes are."""
        return ServerRequest(self.method, self.path, self.query, self.headers, data[self._begins :], at)
