"""One client connection: writes a request, parses the reply, stamps what happens when it happens."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self

import httptools

from weighbridge.transport.coding import Decoder, decoder
from weighbridge.transport.faults import (
    CallFailed,
    ConnectionLost,
    LimitExceeded,
    ProtocolViolation,
    TimedOut,
)
from weighbridge.transport.outbox import Outbox
from weighbridge.transport.reply import Reply
from weighbridge.transport.timing import Timing

monotonic: Final = time.monotonic  # a Final: compiled code finds it at once


class Timeouts:
    """Seconds; None: no limit. `connect` covers name look-up, TCP, proxy and TLS; `first_byte` counts from when the
    request was sent; `idle` between two reads; `total` from the start of the call to its end."""

    __slots__ = ("connect", "first_byte", "idle", "total")

    def __init__(
        self,
        connect: float | None = 10.0,
        first_byte: float | None = 60.0,
        idle: float | None = 60.0,
        total: float | None = 600.0,
    ) -> None:
        self.connect = connect
        self.first_byte = first_byte
        self.idle = idle
        self.total = total


class Limits:
    """Bytes: of a reply's head, and of its body after decoding."""

    __slots__ = ("body_bytes", "header_bytes")

    def __init__(self, header_bytes: int = 65_536, body_bytes: int = 64 * 2**20) -> None:
        self.header_bytes = header_bytes
        self.body_bytes = body_bytes


_CHUNK = re.compile(rb"([0-9a-fA-F]{1,7})\r\n").match
_HEAD_END = b"\r\n\r\n"
_KNOWN_HEADS = 1024
_KNOWN_HEAD_BYTES = 4096
_KEEP_S = 55.0  # most servers and balancers close an idle connection at 60 s or later
HIGH_WATER = 1 << 20
LOW_WATER = 1 << 18


class Call:
    """One request under way on one connection. It ends once: `on_end` is called with it, in the protocol's callback, or
    else the future `whole` resolves; then `reply` is whole, or `error` says why not. `began` resolves when a streamed
    reply's head came."""

    __slots__ = (
        *("began", "error", "flowing", "held", "held_bytes", "last_read", "limits", "method", "on_end", "on_read"),
        *("over", "reply", "timeouts", "timing", "whole"),
    )

    def __init__(
        self,
        method: str,
        timing: Timing,
        timeouts: Timeouts,
        limits: Limits,
        whole: asyncio.Future[Reply] | None,
        on_end: Callable[[Call], None] | None = None,
    ) -> None:
        self.whole = whole
        self.on_end = on_end
        self.began: asyncio.Future[Reply] | None = None
        self.method = method
        self.timing = timing
        self.timeouts = timeouts
        self.limits = limits
        self.over = False
        self.reply: Reply | None = None
        self.error: CallFailed | None = None
        self.last_read = 0.0
        self.held: deque[tuple[float, bytes]] | None = None
        self.held_bytes = 0
        self.flowing = True
        self.on_read: Callable[[], None] | None = None

    def streamed(self, began: asyncio.Future[Reply]) -> Self:
        """Made to be read as it comes."""
        self.began = began
        self.held = deque()
        return self

    def end(self, reply: Reply) -> None:
        """The reply is whole."""
        self.over = True
        if self.on_end is not None:
            self.on_end(self)
        elif self.whole is not None and not self.whole.done():
            self.whole.set_result(reply)

    def overdue(self, now: float) -> TimedOut | None:
        """The time-out that has passed by `now`, if any."""
        limits, timing = self.timeouts, self.timing
        if limits.total is not None and now - timing.started > limits.total:
            return TimedOut("total", limits.total)
        if timing.sent is None:
            return None
        if timing.first_byte is None:
            if limits.first_byte is not None and now - timing.sent > limits.first_byte:
                return TimedOut("first_byte", limits.first_byte)
        elif limits.idle is not None and self.flowing and now - self.last_read > limits.idle:
            return TimedOut("idle", limits.idle)
        return None

    def fail(self, error: CallFailed, where: str) -> None:
        if self.over:
            return
        self.over = True
        error.timing = self.timing
        error.reply = self.reply
        error.where = error.where or where
        self.error = error
        for future in (self.began, self.whole):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits on the other of the two hears of it
        if self.on_read is not None:
            self.on_read()
        if self.on_end is not None:
            self.on_end(self)


class Head:
    """A reply's head that was read and found good: the same bytes say the same again. `raw` are those bytes, `length`
    is its body's."""

    __slots__ = ("begins", "headers", "length", "raw", "status")

    def __init__(self, raw: bytes, status: int, headers: list[tuple[str, str]], length: int) -> None:
        self.raw = raw
        self.begins = len(raw)
        self.status = status
        self.headers = headers
        self.length = length


class Pool:
    """The connections to one origin: those that wait for a call, how many there are, and who waits for one."""

    __slots__ = ("busy", "heads", "idle", "open", "waiting", "where")

    def __init__(self, where: str, busy: set[Connection], heads: dict[bytes, Head]) -> None:
        self.where = where
        self.busy = busy
        self.heads = heads
        self.idle: list[Connection] = []
        self.open = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    def kept(self, now: float) -> Connection | None:
        """A connection that waits for a call, if there is one."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if not connection.closed and now - connection.idle_since < _KEEP_S:
                return connection
            connection.abort()
        return None

    def released(self, connection: Connection, now: float) -> None:
        """Called when a call on it has ended well, and when it is lost."""
        busy = self.busy
        if connection.closed:
            busy.discard(connection)
            if connection.transport is not None:
                self.open -= 1
                connection.transport = None
        elif connection in busy:
            busy.discard(connection)
            connection.idle_since = now
            self.idle.append(connection)
        waiting = self.waiting
        while waiting:
            waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break


class Connection:
    """Speaks to one origin, one call at a time. An asyncio.Protocol but
    by name: event loops do not ask for the name, and a class without it compiles better."""

    __slots__ = (
        "_between_chunks",
        "_body_left",
        "_call",
        "_decoder",
        "_head_bytes",
        "_head_size",
        "_headers",
        "_keep_alive",
        "_last",
        "_now",
        "_parser",
        "_pieces",
        "_raw",
        "_raw_length",
        "closed",
        "idle_since",
        "pool",
        "transport",
        "used",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self.used = False
        self.idle_since = 0.0
        self._call: Call | None = None
        self._last: Head | None = None  # that of the reply before, which most likely comes again
        self._parser: Any = httptools.HttpResponseParser(self)
        self._now = 0.0
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[str, str]] = []
        self._head_bytes = self._head_size = 0  # as read, and as parsed
        self._raw = b""
        self._raw_length = 0
        self._between_chunks = False  # of a chunked body in no coding: the parser waits for the next chunk's size
        self._body_left = 0
        self._pieces: list[bytes] = []
        self._decoder: Decoder | None = None
        self._keep_alive = True

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream: Any = transport  # uvloop's are no asyncio.Transport by class
        self.transport = stream

    def pause_writing(self) -> None:
        """Requests are small, and wait for nobody."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def begin(self, call: Call, request: bytes, outbox: Outbox | None) -> None:
        """Send a request. Its last byte is handed to the socket here, or at the end of this turn of the loop."""
        self._call = call
        call.timing.reused = self.used
        self.used = True
        transport = self.transport
        assert transport is not None  # noqa: S101 - set by connection_made, before anyone holds this connection
        if outbox is None:
            transport.write(request)
        else:
            outbox.put(transport, request)
        call.timing.sent = monotonic()

    def data_received(self, data: bytes) -> None:
        self._now = now = monotonic()
        call = self._call
        if call is None:  # bytes nobody asked for: this connection is out of step
            self.abort()
            return
        if call.timing.first_byte is None:
            call.timing.first_byte = now
            if call.held is None and self._known(call, data, now):
                return
        call.last_read = now
        if self._between_chunks and (body := _whole_chunks(data)) is not None:
            self._take(call, now, body)
            return
        if call.reply is None:
            self._head_bytes += len(data)
        self._parse(call, data, now)

    def _known(self, call: Call, data: bytes, now: float) -> bool:
        """Takes a reply that came whole in its first read under a head that was read before; True where it did."""
        known = self._last
        if known is None or not data.startswith(known.raw):
            end = data.find(_HEAD_END) + 4
            if not 4 <= end <= _KNOWN_HEAD_BYTES:
                return False
            raw = data[:end]
            known = self.pool.heads.get(raw)
            if known is None:
                self._raw, self._raw_length = raw, len(data) - end
                return False
            self._last = known
        length = known.length
        if len(data) != known.begins + length or call.method == "HEAD" or length > call.limits.body_bytes:
            return False
        reply = Reply(known.status, known.headers, call.timing, [(now, data[known.begins :])] if length else [])
        call.timing.end = now
        call.reply = reply
        self._call = None
        self.pool.released(self, now)
        call.end(reply)
        return True

    def _learn(self, reply: Reply, call: Call) -> None:
        """Keeps a head, where it came whole with its body, in no coding, and the connection goes on after it."""
        raw, self._raw = self._raw, b""
        length = reply.header("content-length")
        if not raw or call.method == "HEAD" or self._decoder is not None or length is None or not self._keep_alive:
            return
        if int(length) != self._raw_length or reply.status < 200 or reply.header("transfer-encoding") is not None:
            return
        heads = self.pool.heads
        if len(heads) >= _KNOWN_HEADS:
            heads.clear()
        heads[raw] = Head(raw, reply.status, reply.headers, self._raw_length)

    def _parse(self, call: Call, data: bytes, now: float) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(ProtocolViolation("the server wants another protocol"))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._fail(
                cause if isinstance(cause, CallFailed) else ProtocolViolation(f"not HTTP/1.1 as we take it: {error}")
            )
        except CallFailed as error:
            self._fail(error)
        else:
            if self._pieces:
                self._deliver(call, now)
            elif call.reply is None and self._head_bytes > call.limits.header_bytes:
                self._fail(_head_too_large(call))  # a header line that does not end, of which the parser tells nothing

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        call = self._call
        if call is not None and not call.over:
            if call.reply is not None and exc is None and self._ends_with_connection():
                self.on_message_complete()
                return
            got = "before any reply" if call.timing.first_byte is None else "before the reply was complete"
            self._fail(ConnectionLost(f"the connection was closed {got}"))
        self.pool.released(self, monotonic())

    # --- the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        call = self._call
        if call is not None:
            self._head_size += len(name) + len(value) + 4
            if self._head_size > call.limits.header_bytes:
                raise _head_too_large(call)
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        call = self._call
        if call is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise ProtocolViolation("the server wants another protocol")
            self._headers = []
            return
        self._keep_alive = self._parser.should_keep_alive()
        reply = call.reply = Reply(status, self._headers, call.timing, [])
        self._body_left = call.limits.body_bytes
        coding = reply.header("content-encoding")
        if coding is not None and call.method != "HEAD":
            self._decoder = decoder(coding, call.limits.body_bytes)
        if call.began is not None and not call.began.done():
            call.began.set_result(reply)
        if call.method == "HEAD":
            self._raw = b""
            self._keep_alive = False  # the parser would wait for the body that a HEAD reply only announces
            self.on_message_complete()

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_chunk_header(self) -> None:
        self._between_chunks = False

    def on_chunk_complete(self) -> None:
        self._between_chunks = self._decoder is None

    def on_message_complete(self) -> None:
        call = self._call
        if call is None or call.reply is None or call.over:
            return
        if self._pieces:
            self._deliver(call, self._now)
        if self._decoder is not None:
            self._decoder.finish()
        call.timing.end = self._now or monotonic()
        self._call = None
        if self._raw:
            self._learn(call.reply, call)
        keep = self._keep_alive
        self._reset()
        if keep and not self.closed:
            self.pool.released(self, monotonic())
        else:
            self.abort()
        call.end(call.reply)
        if call.on_read is not None:
            call.on_read()

    # --- ours

    def _deliver(self, call: Call, now: float) -> None:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        if self._decoder is not None:
            data = self._decoder.decode(data)
            if not data:
                return
        self._take(call, now, data)

    def _take(self, call: Call, now: float, data: bytes) -> None:
        """A piece of the body, out of its coding."""
        self._body_left -= len(data)
        if self._body_left < 0:
            self._fail(LimitExceeded(f"a reply body of more than {call.limits.body_bytes} bytes"))
            return
        if call.held is None:
            call.reply.reads.append((now, data))  # type: ignore[union-attr]  # there is a reply once there is a body
            return
        call.held.append((now, data))
        call.held_bytes += len(data)
        if call.on_read is not None:
            call.on_read()

    def _ends_with_connection(self) -> bool:
        """True where the reply had neither a length nor chunks: then the end of the connection is its end."""
        return not any(name in {"content-length", "transfer-encoding"} for name, _ in self._headers)

    def expire(self, now: float) -> None:
        """Fail the call if one of its time-outs has passed."""
        call = self._call
        if call is not None and (late := call.overdue(now)) is not None:
            self._fail(late)

    def _fail(self, error: CallFailed) -> None:
        call, self._call = self._call, None
        self.abort()
        if call is not None:
            call.fail(error, self.pool.where)

    def abort(self) -> None:
        """Close the socket now; whatever is under way is dropped."""
        self.closed = True
        self._call = None
        if self.transport is not None:
            self.transport.abort()


def _whole_chunks(data: bytes) -> bytes | None:
    """The body in a read that is one or more whole chunks, as nearly every read of a stream is; None where it is
    anything else, the last chunk included: that is for the parser."""
    pieces = []
    begin, length = 0, len(data)
    while begin < length:
        match = _CHUNK(data, begin)
        if match is None:
            return None
        start = match.end()
        end = start + int(match[1], 16)
        if end == start or data[end : end + 2] != b"\r\n":
            return None
        pieces.append(data[start:end])
        begin = end + 2
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _head_too_large(call: Call) -> LimitExceeded:
    return LimitExceeded(f"reply headers of more than {call.limits.header_bytes} bytes")
