"""One connection, over real sockets: what is taken, what is refused, and that nothing kills the server."""

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from weighbridge.transport.loop import run
from weighbridge.transport.server import Handler, Responder, Server, ServerLimits, ServerRequest, serve

HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSING = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


async def echo(request: ServerRequest, responder: Responder) -> None:
    """Says what was understood."""
    said = [
        request.method,
        request.path,
        request.query,
        sorted(request.headers.items()),
        request.body.decode("latin-1"),
    ]
    responder.reply(200, {"Content-Type": "application/json"}, json.dumps(said).encode())


def served(use: Callable[[Server], Awaitable[Any]], handler: Handler = echo, limits: ServerLimits | None = None) -> Any:
    async def main() -> Any:
        server = await serve(handler, limits=limits)
        try:
            return await use(server)
        finally:
            await server.close()

    return run(main())


async def said(server: Server, *pieces: bytes) -> bytes:
    """Everything the server sends until it closes, for pieces that arrive one by one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.001 if len(pieces) > 1 else 0)
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


def replies(data: bytes) -> list[tuple[int, Any]]:
    """Status and decoded body of each reply that has a length."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int((re.search(rb"Content-Length: (\d+)", head) or [b"", b"0"])[1])
        found.append((int(head.split()[1]), json.loads(rest[:length]) if length else None))
        data = rest[length:]
    return found


def talk(*pieces: bytes, handler: Handler = echo, limits: ServerLimits | None = None) -> list[tuple[int, Any]]:
    async def use(server: Server) -> bytes:
        return await said(server, *pieces)

    return replies(served(use, handler, limits))


# --- taken


def test_a_request_is_understood() -> None:
    raw = b"POST /v1/x?a=b&c HTTP/1.1\r\nHost: h\r\nX-Key:  v \t\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    ((status, (method, path, query, headers, body)),) = talk(raw)
    assert (status, method, path, query, body) == (200, "POST", "/v1/x", "a=b&c", "hello")
    assert dict(headers)["x-key"] == "v"


def test_a_chunked_body_is_joined_and_its_trailers_are_dropped() -> None:
    """A trailer must not pass for a header that was judged before the body came."""
    raw = CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    raw += b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Role: admin\r\nHost: other\r\n\r\n"
    ((_, (_, _, _, headers, body)),) = talk(raw)
    assert body == "abcde"
    assert "x-role" not in dict(headers)
    assert dict(headers)["host"] == "h"


def test_equal_headers_are_joined() -> None:
    raw = b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n"
    headers = dict(talk(raw)[0][1][3])
    assert (headers["x-a"], headers["cookie"]) == ("1, 2", "a=1; b=2")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://h:1/b?c", "/b", "c"),
        ("http://h", "/", ""),
        ("/a?x=http://y/z", "/a", "x=http://y/z"),
        ("//a", "//a", ""),
    ],
)
def test_a_target_may_name_the_host(target: str, path: str, query: str) -> None:
    raw = f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
    assert talk(raw)[0][1][1:3] == [path, query]


def test_empty_lines_before_a_request_are_skipped() -> None:
    assert talk(b"\r\n\r\n" + CLOSING)[0][0] == 200


def test_http_1_0_is_answered_and_closed() -> None:
    assert talk(b"GET / HTTP/1.0\r\n\r\n")[0][0] == 200


def test_an_offered_upgrade_is_declined_by_answering() -> None:
    """Curl --http2 offers h2c: the request is a whole one, and is answered once."""
    raw = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nmore"
    assert [status for status, _ in talk(raw)] == [200]


# --- one after the other


def test_a_connection_is_kept_for_the_next_request() -> None:
    async def use(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for number in range(5):
            writer.write(f"GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Connection: close" not in head
            await reader.readexactly(int(head.rpartition(b": ")[2]))
        assert len(server.connections) == 1
        writer.close()

    served(use)


@pytest.mark.parametrize("split", [1, 7, 10_000])
def test_pipelined_requests_are_answered_in_turn_each_with_its_own_headers(split: int) -> None:
    """One at a time: a slow first is not overtaken by a fast second, and none is lost."""
    running = most = 0

    async def slow(request: ServerRequest, responder: Responder) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002 if request.path == "/0" else 0)
        running -= 1
        await echo(request, responder)

    raw = b"".join(
        b"POST /%d HTTP/1.1\r\nHost: h\r\nX-%d: y\r\nContent-Length: 3\r\n\r\nb%02d" % (number, number, number)
        for number in range(9)
    )
    raw += CLOSING
    found = talk(*(raw[at : at + split] for at in range(0, len(raw), split)), handler=slow)
    assert [body[1] for _, body in found] == [*(f"/{number}" for number in range(9)), "/last"]
    assert [body[4] for _, body in found] == [*(f"b{number:02}" for number in range(9)), ""]
    for number, (_, body) in enumerate(found[:9]):
        assert [name for name, _ in body[3] if name.startswith("x-")] == [f"x-{number}"]
    assert most == 1


def test_what_follows_a_request_that_closes_is_not_answered() -> None:
    assert [status for status, _ in talk(CLOSING + b"GET /more HTTP/1.1\r\nHost: h\r\n\r\n")] == [200]


def test_a_bad_request_behind_good_ones_is_refused_after_they_are_answered() -> None:
    async def slow(request: ServerRequest, responder: Responder) -> None:
        await asyncio.sleep(0.005)
        await echo(request, responder)

    good = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    assert [status for status, _ in talk(good + good + b"nonsense\r\n\r\n", handler=slow)] == [200, 200, 400]


def test_reading_stops_while_a_client_sends_on_and_is_not_answered() -> None:
    """Back-pressure: bytes behind the running request stay in the socket, not in memory."""

    async def use(server: Server) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
        sock.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.sleep(0.02)
        taken = 0
        for _ in range(200):
            with suppress(BlockingIOError):
                taken += sock.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 10_000)
            await asyncio.sleep(0.001)
        (connection,) = server.connections
        assert len(connection._buffered) < 2 * 2**20
        assert taken < 100 * 2**20
        sock.close()

    async def never(request: ServerRequest, responder: Responder) -> None:
        await asyncio.sleep(60)

    served(use, never)


# --- Expect, HEAD


def test_a_client_that_waits_for_100_gets_it_before_it_sends_the_body() -> None:
    async def use(server: Server) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        data = await reader.read()
        writer.close()
        return data

    assert replies(served(use))[0][1][4] == "ok"


def test_100_waits_for_the_reply_before_it() -> None:
    async def use(server: Server) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n" + HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n"
        )
        writer.write(b"Connection: close\r\n\r\n")
        first = await reader.readuntil(b"]")
        while b"/first" not in first:
            first += await reader.readuntil(b"]")
        assert b"100 Continue" not in first
        await reader.readuntil(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.write(b"ok")
        data = await reader.read()
        writer.close()
        return data

    assert replies(served(use))[0][1][4] == "ok"


def test_a_body_that_is_too_long_is_refused_before_it_is_asked_for() -> None:
    raw = HEAD + b"Content-Length: 1000001\r\nExpect: 100-continue\r\n\r\n"
    assert talk(raw, limits=ServerLimits(body_bytes=1_000_000))[0][0] == 413


def test_head_has_the_length_and_no_body() -> None:
    async def use(server: Server) -> bytes:
        return await said(server, b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n" + CLOSING)

    first, _, rest = served(use).partition(b"\r\n\r\n")
    assert int(first.rpartition(b": ")[2]) > 10
    assert rest.startswith(b"HTTP/1.1 200 OK")


# --- refused

REFUSED = {
    "not HTTP": (b"hello\r\n\r\n", 400),
    "both lengths": (HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "both lengths, other order": (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na", 400),
    "two equal lengths": (HEAD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    "a list of lengths": (HEAD + b"Content-Length: 1, 1\r\n\r\na", 400),
    "a signed length": (HEAD + b"Content-Length: +1\r\n\r\na", 400),
    "a hexadecimal length": (HEAD + b"Content-Length: 0x1\r\n\r\na", 400),
    "an empty length": (HEAD + b"Content-Length: \r\n\r\n", 400),
    "chunked is not last": (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "almost chunked": (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "gzip and chunked": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a folded header": (HEAD + b"X-A: b\r\n c\r\n\r\n", 400),
    "a header folded by a tab": (HEAD + b"X-A: b\r\n\tc\r\n\r\n", 400),
    "a bare LF after the request line": (b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    "a bare LF after a header": (b"GET / HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n", 400),
    "a bare LF at the end": (b"GET / HTTP/1.1\r\nHost: h\r\n\n", 400),
    "a bare CR": (b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400),
    "a bare LF after a chunk's size": (CHUNKED + b"1\na\r\n0\r\n\r\n", 400),
    "a bare LF after a chunk": (CHUNKED + b"1\r\na\n0\r\n\r\n", 400),
    "a bare LF in a trailer": (CHUNKED + b"0\r\nA: b\nC: d\r\n\r\n", 400),
    "a folded trailer": (CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", 400),
    "a length in a trailer": (CHUNKED + b"0\r\nContent-Length: 4\r\n\r\n", 400),
    "a chunk size that overflows": (CHUNKED + b"10000000000000001\r\na\r\n", 400),
    "a chunk size with 0x": (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400),
    "a negative chunk size": (CHUNKED + b"-1\r\na\r\n0\r\n\r\n", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
    "a header without a name": (HEAD + b": b\r\n\r\n", 400),
    "a NUL in a header": (HEAD + b"X-A: b\0c\r\n\r\n", 400),
    "a control character in the target": (b"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (HEAD + b"Host: other\r\n\r\n", 400),
    "two keys": (HEAD + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 400),
    "an unknown method": (b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a tunnel": (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "another protocol's method": (b"DESCRIBE / RTSP/1.0\r\nHost: h\r\n\r\n", 501),
    "an upgrade with a body": (
        HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc", 400
    ),
    "another expectation": (HEAD + b"Expect: cookies\r\nContent-Length: 0\r\n\r\n", 417),
    "TLS to a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_doubtful_requests_are_refused_with_one_line_and_a_close(name: str) -> None:
    """Request smuggling: whatever two servers could read differently is not read at all."""
    raw, status = REFUSED[name]
    handled = []

    async def handler(request: ServerRequest, responder: Responder) -> None:
        handled.append(request.path)
        await echo(request, responder)

    async def use(server: Server) -> None:
        for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
            if len(pieces) > 1 and name == "TLS to a plain port":
                continue
            ((found, body),) = replies(await said(server, *pieces))
            assert found == status
            assert "\n" not in body["error"]["message"]
        assert replies(await said(server, CLOSING))[0][0] == 200

    served(use, handler)
    assert handled == ["/last"]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (HEAD + b"X-Long: " + b"y" * 5_000, 431),
        (HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n", 431),
        (b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        (HEAD + b"Content-Length: 5001\r\n\r\n", 413),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
        (CHUNKED + b"FFF\r\n" + b"x" * 0xFFF + b"\r\n" + b"FFF\r\n" + b"x" * 0xFFF + b"\r\n", 413),
        (CHUNKED + b"0\r\nX-Long: " + b"y" * 5_000 + b"\r\n\r\n", 400),
        (CHUNKED + b"1;" + b"y" * 9_000, 400),
    ],
    ids=[
        "a header",
        "headers",
        "a target",
        "a length",
        "a length too big to count",
        "chunks",
        "a trailer",
        "extension",
    ],
)
def test_sizes_are_bounded(raw: bytes, status: int) -> None:
    """Split into pieces too: a line that does not end must not gather in memory."""
    limits = ServerLimits(head_bytes=2_000, body_bytes=5_000)
    found = talk(*(raw[at : at + 999] for at in range(0, len(raw), 999)), limits=limits)
    assert [one for one, _ in found] == [status]


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    limits = ServerLimits(body_bytes=5_000)
    raw = HEAD + b"Connection: close\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5_000
    assert len(talk(raw, limits=limits)[0][1][4]) == 5_000


def test_a_head_split_from_a_long_body_before_it_is_not_too_large() -> None:
    """Only its own bytes count towards the limit of a head."""
    limits = ServerLimits(head_bytes=300)
    raw = HEAD + b"Content-Length: 4000\r\n\r\n" + b"x" * 4_000
    assert [status for status, _ in talk(HEAD[:9], HEAD[9:] + raw[len(HEAD) :] + CLOSING[:9], CLOSING[9:],
                                         limits=limits)] == [200, 200]  # fmt: skip


def test_the_error_line_arrives_though_the_client_is_still_sending() -> None:
    """A close on unread bytes is a TCP reset, which would destroy the line on its way."""
    limits = ServerLimits(body_bytes=1_000)
    raw = HEAD + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9_000_000
    ((status, body),) = talk(raw, limits=limits)
    assert status == 413
    assert "more than 1000 bytes" in body["error"]["message"]


# --- whole behaviour under any bytes

MANY = (
    b"POST /one?q=1 HTTP/1.1\r\nHost: h\r\nX-A: b\r\nContent-Length: 4\r\n\r\nbody"
    b"\r\nPOST /two HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\nT: v\r\n\r\n" + CLOSING
)


@cache
def whole() -> list[tuple[int, Any]]:
    """What the many requests give in one piece."""
    return talk(MANY)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, len(MANY) - 1), max_size=12))
@example(list(range(1, len(MANY))))
def test_requests_split_anywhere_are_read_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(MANY)]
    assert talk(*(MANY[start:end] for start, end in pairwise(edges))) == whole()
    assert [body[1] for _, body in whole()] == ["/one", "/two", "/last"]


PIECES = st.sampled_from([
    b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: h\r\n", b"\r\n", b"\n", b"\r", b" ", b":", b"\0",
    b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"abc", b"0\r\n\r\n",
    b"3\r\nabc\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"HTTP/1.1", b"\xff\xfe",
])  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(PIECES | st.binary(max_size=30), max_size=12), min_size=1, max_size=4))
def test_no_bytes_kill_the_server(reads: list[list[bytes]]) -> None:
    """Whatever is sent: the next client is served, and everything said is HTTP."""

    async def use(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for read in reads:
            writer.write(b"".join(read))
            await asyncio.sleep(0)
        writer.write_eof()
        with suppress(ConnectionResetError):
            data = await reader.read()
            assert data == b"" or data.startswith(b"HTTP/1.1 ")
        writer.close()
        assert replies(await said(server, CLOSING))[0][0] == 200

    served(use)
