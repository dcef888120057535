"""How a handler of the server answers: whole in one write, or piece by piece."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus

import msgspec

Headers = Iterable[tuple[str, str]] | Mapping[str, str]

_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})
_JOINED_BYTES = 65_536  # up to here one copy is cheaper than a second system call


class Link(ABC):
    """What a responder asks of its connection. A class and no Protocol: its methods are called for every request, and
    compiled code finds those of a class at once."""

    __slots__ = ()

    transport: asyncio.Transport | None

    @abstractmethod
    def is_closing(self) -> bool: ...
    @abstractmethod
    def send(self, data: bytes) -> None: ...
    @abstractmethod
    def finished(self, keep: bool) -> None: ...
    @abstractmethod
    def close(self) -> None: ...
    @abstractmethod
    def go_on(self, pending: Awaitable[None], responder: Responder) -> None: ...
    @abstractmethod
    def reset(self) -> None: ...
    @abstractmethod
    async def writable(self) -> None: ...


class Responder:
    """How a handler answers: `reply` whole, or `start`, `write` and `end`. After the client has gone, writing does
    nothing; look at `disconnected`, or say `when_gone`. Where that was not said, the handler is cancelled."""

    __slots__ = ("_bodiless", "_chunked", "_ended", "_keep", "_started", "link", "method", "on_disconnect", "path")

    def __init__(self, link: Link, *, keep: bool, chunked: bool, method: str, path: str = "") -> None:
        self.link = link
        self._keep = keep
        self._chunked = chunked
        self._bodiless = method == "HEAD"
        self.method = method
        self.path = path
        self._started = False
        self._ended = False
        self.on_disconnect: Callable[[], None] | None = None

    def when_gone(self, call: Callable[[], None] | None) -> None:
        """What is called, in place of cancelling the handler, if the client goes before it has its answer."""
        self.on_disconnect = call

    def go_on(self, pending: Awaitable[None]) -> None:
        """Hands a request over to a task, which ends with the client."""
        self.on_disconnect = None
        self.link.go_on(pending, self)

    @property
    def started(self) -> bool:
        return self._started

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def disconnected(self) -> bool:
        transport = self.link.transport
        return transport is None or transport.is_closing()

    @property
    def transport(self) -> asyncio.Transport | None:
        return self.link.transport

    def reply(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """The whole reply in one write. Raises ValueError for a header that holds a line break."""
        self.reply_encoded(status, encoded(headers), body)

    def reply_encoded(self, status: int, lines: bytes, body: bytes) -> None:
        """Like `reply`, with header lines that are encoded already."""
        self._begin()
        close = b"" if self._keep else b"Connection: close\r\n"
        if status in _NO_BODY:
            head, body = b"%b%b%b\r\n" % (status_line(status), lines, close), b""
        else:
            head = b"%b%b%bContent-Length: %d\r\n\r\n" % (status_line(status), lines, close, len(body))
        link = self.link
        if self._bodiless:
            link.send(head)
        elif len(body) <= _JOINED_BYTES:
            link.send(head + body)
        else:
            link.send(head)
            link.send(body)
        self._finish()

    def start(self, status: int, headers: Headers) -> None:
        """The head of a reply whose length is not known yet. Raises ValueError as `reply` does."""
        self.start_encoded(status, encoded(headers))

    def start_encoded(self, status: int, lines: bytes) -> None:
        """Like `start`, with header lines that are encoded already."""
        self._begin()
        if status in _NO_BODY:
            self._bodiless, self._chunked = True, False
        elif not self._chunked:
            self._keep = False  # to HTTP/1.0 the end of the connection is the end of the reply
        how = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        close = b"" if self._keep else b"Connection: close\r\n"
        self.link.send(b"%b%b%b%b\r\n" % (status_line(status), lines, how, close))

    def write(self, data: bytes) -> None:
        """One piece of the body, sent at once."""
        if data and not self._bodiless and not self._ended:
            self.link.send(chunk(data) if self._chunked else data)

    def write_framed(self, data: bytes) -> None:
        """Pieces that `chunk` has framed already, for streams prepared in advance."""
        if self._bodiless or self._ended:
            return
        self.link.send(data if self._chunked else unframed(data))

    async def drain(self) -> None:
        """Waits while the client takes less than we send."""
        await self.link.writable()

    def end(self) -> None:
        if self._ended:
            return
        if self._chunked and not self._bodiless:
            self.link.send(b"0\r\n\r\n")
        self._finish()

    def cut(self) -> None:
        """Closes the connection in the middle of a reply, after what was written: the client sees it is not whole."""
        self._started = self._ended = True
        self.link.close()

    def abort(self) -> None:
        """Resets the connection: what was not sent yet never is."""
        self._started = self._ended = True
        self.link.reset()

    def _begin(self) -> None:
        if self._started:
            raise RuntimeError("this request is answered already")
        self._started = True
        if self.link.is_closing():
            self._keep = False

    def _finish(self) -> None:
        self._ended = True
        self.on_disconnect = None  # it may point back at us
        self.link.finished(self._keep)


def status_line(status: int) -> bytes:
    """Some providers use codes that no standard names, such as 529."""
    return _STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status


def chunk(data: bytes) -> bytes:
    """A piece of a body in chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def unframed(data: bytes) -> bytes:
    """What `chunk` framed, for clients that do not know chunked coding."""
    found = []
    at = 0
    while at < len(data):
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        found.append(data[end + 2 : end + 2 + size])
        at = end + 4 + size
    return b"".join(found)


def encoded(headers: Headers) -> bytes:
    """Header lines. Raises ValueError for one that holds a line break, or a character beyond Latin-1."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"{name}: {value}\r\n" for name, value in pairs]
    text = "".join(lines)
    if not text.count("\n") == text.count("\r") == len(lines) or "\0" in text:
        raise ValueError("a header holds a line break")
    return text.encode("latin-1")


def error_body(message: str, kind: str, code: str | None = None) -> bytes:
    """The error object that OpenAI's clients read."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
