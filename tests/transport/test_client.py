"""The client over real sockets, against servers that say exactly what they are told to."""

import asyncio
import gzip
import itertools
import ssl
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import brotli
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport.servers import OK, Peer, Raw, Talk, raw, saying

from weighbridge.errors import UsageError
from weighbridge.transport.client import Client, Limits, Route, Timeouts
from weighbridge.transport.faults import (
    CallFailed,
    ConnectFailed,
    ConnectionLost,
    LimitExceeded,
    ProtocolViolation,
    TimedOut,
    TLSFailed,
)
from weighbridge.transport.loop import run
from weighbridge.transport.proxy import Proxies, Proxy
from weighbridge.transport.reply import Reply

T = TypeVar("T")
NONE = Proxies()


def calling(talk: Talk, use: Callable[[Client, Raw], Awaitable[T]], **client: Any) -> T:
    """Runs a server and a client, on the loop that production uses."""

    async def main() -> T:
        async with raw(talk) as server, Client(proxies=NONE, **client) as it:
            return await use(it, server)

    return run(main())


def fetched(*pieces: bytes, method: str = "POST", close: bool = False, pause: float = 0.0, **client: Any) -> Reply:
    async def use(it: Client, server: Raw) -> Reply:
        return await it.fetch(Route.to(method, server.url), b"{}" if method == "POST" else b"")

    return calling(saying(*pieces, close=close, pause=pause), use, **client)


# --- replies


def test_a_reply_is_read_with_its_headers_and_stamps() -> None:
    reply = fetched(b"HTTP/1.1 201 Created\r\nX-One: a\r\nx-one: b\r\nContent-Length: 5\r\n\r\nhello")
    assert (reply.status, reply.body, reply.header("x-one")) == (201, b"hello", "a")
    assert reply.headers[:2] == [("x-one", "a"), ("x-one", "b")]
    timing = reply.timing
    assert timing.connected is not None
    assert timing.sent is not None
    assert timing.first_byte is not None
    assert timing.end is not None
    assert timing.intended <= timing.started <= timing.connected <= timing.sent <= timing.first_byte <= timing.end


@pytest.mark.parametrize(
    ("data", "close", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
            False,
            b"abcde",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", True, b"old"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, False, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", False, b""),
    ],
    ids=["chunked", "until the connection ends", "HTTP/1.0", "after informational replies", "204", "304"],
)
def test_bodies_are_delimited_as_http_says(data: bytes, close: bool, body: bytes) -> None:
    assert fetched(data, close=close).body == body


def test_a_head_reply_has_no_body_however_long_it_says_it_is() -> None:
    assert fetched(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", method="HEAD").body == b""


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 150), max_size=5))
def test_a_reply_split_anywhere_is_the_same_reply(cuts: list[int]) -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"4\r\nwxyz\r\n" * 6
        + b"0\r\n\r\n"
    )
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    reply = fetched(*pieces, pause=0.001 if len(pieces) > 1 else 0)
    assert (reply.status, reply.header("content-type"), reply.body) == (200, "a/b", b"wxyz" * 6)


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(b"hello" * 100)),
        ("deflate", zlib.compress(b"hello" * 100)),
        ("deflate", zlib.compress(b"hello" * 100)[2:-4]),
        ("br", brotli.compress(b"hello" * 100)),
        ("identity", b"hello" * 100),
    ],
    ids=["gzip", "deflate", "raw deflate", "br", "identity"],
)
def test_codings_we_ask_for_are_undone(coding: str, data: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    assert fetched(head + data[:7], data[7:], pause=0.002).body == b"hello" * 100


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 2\r\n\r\nxx", ProtocolViolation, "did not ask"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", ProtocolViolation, "decompress"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", ProtocolViolation, "not HTTP/1.1"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ProtocolViolation,
            "HTTP/1.1",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ProtocolViolation, "not HTTP/1.1"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            ProtocolViolation,
            "protocol",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", LimitExceeded, "headers of more than 65536"),
    ],
    ids=["coding", "no gzip", "two lengths", "length and chunks", "SSH", "upgrade", "large head"],
)
def test_what_is_not_http_as_we_take_it_is_refused(data: bytes, error: type[CallFailed], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        fetched(data)
    assert caught.value.where.startswith("http://127.0.0.1:")


def test_a_body_beyond_the_limit_is_refused_even_where_it_came_small() -> None:
    """A few kilobytes that decompress to megabytes count as what they become."""
    bomb = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    for data in (head + bomb, b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000)):
        with pytest.raises(LimitExceeded):
            fetched(data, limits=Limits(body_bytes=1_000_000))


# --- connections


def test_connections_are_kept_and_reused() -> None:
    async def use(client: Client, server: Raw) -> list[bool]:
        route = Route.to("POST", server.url)
        replies = [await client.fetch(route, b"{}") for _ in range(3)]
        assert server.connections == 1
        return [reply.timing.reused for reply in replies]

    assert calling(saying(OK), use) == [False, True, True]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"])
def test_a_connection_that_is_to_be_closed_is_not_reused(head: bytes) -> None:
    async def use(client: Client, server: Raw) -> int:
        for _ in range(2):
            await client.fetch(Route.to("GET", server.url))
        return server.connections

    assert calling(saying(head + b"Content-Length: 2\r\n\r\nok"), use) == 2


def test_a_stale_connection_is_replaced_once_and_said() -> None:
    """The server closes a kept connection just as the next request leaves: that one is sent again, on a new one."""

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        if peer.number == 1:
            await peer.request()
            peer.close()
        else:
            await peer.request()

    async def use(client: Client, server: Raw) -> Reply:
        route = Route.to("POST", server.url)
        await client.fetch(route, b"1")
        return await client.fetch(route, b"2")

    timing = calling(talk, use).timing
    assert (timing.retried_stale, timing.reused) == (True, False)


def test_a_new_connection_that_is_closed_is_not_tried_again() -> None:
    """It may have been paid for: only the caller can decide to pay twice."""

    async def talk(peer: Peer) -> None:
        await peer.request()

    async def use(client: Client, server: Raw) -> int:
        with pytest.raises(ConnectionLost, match="before any reply"):
            await client.fetch(Route.to("POST", server.url), b"x")
        return server.connections

    async def closing(peer: Peer) -> None:
        await talk(peer)
        peer.close()

    assert calling(closing, use) == 1


def test_a_kept_connection_that_broke_within_a_reply_is_not_tried_again() -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        peer.close()

    async def use(client: Client, server: Raw) -> int:
        route = Route.to("POST", server.url)
        await client.fetch(route, b"1")
        with pytest.raises(ConnectionLost, match="before the reply was complete") as caught:
            await client.fetch(route, b"2")
        assert caught.value.reply is not None
        assert caught.value.reply.body == b"half"
        return server.connections

    assert calling(talk, use) == 1


def test_no_more_connections_are_opened_than_the_pool_allows() -> None:
    async def use(client: Client, server: Raw) -> int:
        route = Route.to("POST", server.url)
        await asyncio.gather(*(client.fetch(route, b"x") for _ in range(12)))
        return server.connections

    assert calling(saying(OK, pause=0.005), use, pool_size=3) == 3


def test_nobody_listening_and_no_such_host_are_told_apart() -> None:
    async def main() -> None:
        async with Client(proxies=NONE) as client:
            with pytest.raises(ConnectFailed, match="no connection"):
                await client.fetch(Route.to("GET", "http://127.0.0.1:9/"))
            with pytest.raises(ConnectFailed, match="name is not found"):
                await client.fetch(Route.to("GET", "http://no-such-host.invalid/"))

    run(main())


def test_ipv6_is_spoken() -> None:
    async def main() -> bytes:
        async with raw(saying(OK), host="::1") as server, Client(proxies=NONE) as client:
            return (await client.fetch(Route.to("GET", f"http://[::1]:{server.port}/"))).body

    assert run(main()) == b"ok"


# --- time and cancellation


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.reader.read(1)


async def starting(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await peer.reader.read(1)


async def dripping(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
    while True:
        await peer.say(b"x", pause=0.01)


@pytest.mark.parametrize(
    ("talk", "timeouts", "phase"),
    [
        (silent, Timeouts(first_byte=0.1), "first_byte"),
        (starting, Timeouts(idle=0.1), "idle"),
        (dripping, Timeouts(idle=20.0, total=0.5), "total"),
        (silent, Timeouts(first_byte=None, total=0.5), "total"),
    ],
)
def test_each_time_out_is_its_own(talk: Talk, timeouts: Timeouts, phase: str) -> None:
    """The one that passed is named, the socket is closed, and what had come is kept."""

    async def use(client: Client, server: Raw) -> TimedOut:
        with pytest.raises(TimedOut) as caught:
            await client.fetch(Route.to("POST", server.url), b"x", timeouts=timeouts)
        async with asyncio.timeout(20):
            await server.gone.wait()
        return caught.value

    late = calling(talk, use)
    assert late.phase == phase
    assert late.timing is not None
    assert late.timing.sent is not None
    assert (late.reply is not None) == (talk is not silent)


def test_a_connection_that_cannot_be_made_in_time_is_the_connect_time_out() -> None:
    """A listening socket whose queue is full answers nothing."""
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = []
        for _ in range(8):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            held.append(one)

        async def main() -> None:
            async with Client(proxies=NONE, timeouts=Timeouts(connect=0.2)) as client:
                with pytest.raises(TimedOut, match=r"no connection after 0\.2 s") as caught:
                    await client.fetch(Route.to("GET", f"http://127.0.0.1:{full.getsockname()[1]}/"))
                assert caught.value.phase == "connect"

        run(main())
        for one in held:
            one.close()


def test_cancelling_closes_the_socket_at_once() -> None:
    asked = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.reader.read(1)

    async def use(client: Client, server: Raw) -> None:
        call = asyncio.ensure_future(client.fetch(Route.to("POST", server.url), b"x"))
        async with asyncio.timeout(20):
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await server.gone.wait()

    calling(talk, use)


def test_a_time_out_in_the_middle_of_others_touches_only_its_own_call() -> None:
    async def talk(peer: Peer) -> None:
        asked = await peer.request()
        if b"slow" in asked:
            await peer.reader.read(1)
        else:
            await asyncio.sleep(0.15)
            await peer.say(OK)

    async def use(client: Client, server: Raw) -> list[Any]:
        route = Route.to("POST", server.url)
        short = Timeouts(first_byte=0.08)
        calls = (client.fetch(route, b"slow", timeouts=short), client.fetch(route, b"fine"))
        return list(await asyncio.gather(*calls, return_exceptions=True))

    slow, fine = calling(talk, use)
    assert isinstance(slow, TimedOut)
    assert fine.body == b"ok"


# --- streams


def test_a_stream_is_read_piece_by_piece_with_stamps() -> None:
    taken = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n")
        await taken.wait()
        await asyncio.sleep(0.01)
        await peer.say(b"1\r\nb\r\n", b"0\r\n\r\n")

    async def use(client: Client, server: Raw) -> list[tuple[float, bytes]]:
        async with client.stream(Route.to("POST", server.url), b"x") as incoming:
            assert incoming.status == 200
            found = []
            async for piece in incoming:
                found.append(piece)
                taken.set()
            return found

    pieces = calling(talk, use)
    assert [piece for _, piece in pieces] == [b"a", b"b"]
    assert pieces[1][0] - pieces[0][0] >= 0.009


def test_leaving_a_stream_early_closes_the_socket() -> None:
    async def use(client: Client, server: Raw) -> None:
        async with client.stream(Route.to("POST", server.url), b"x") as incoming:
            async for _ in incoming:
                break
        async with asyncio.timeout(20):
            await server.gone.wait()

    calling(dripping, use)


def test_a_slow_reader_holds_the_sender_back() -> None:
    """vllm#39963 from the other side: nothing piles up. Of 64 MB, little more than the high-water mark is taken in."""
    sent = 0

    async def talk(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n")
        for _ in range(640):
            await peer.say(bytes(100_000))
            sent += 100_000

    async def use(client: Client, server: Raw) -> int:
        async with client.stream(Route.to("POST", server.url), b"x") as incoming:
            await asyncio.sleep(0.5)
            held_back = sent
            size = 0
            async for _, piece in incoming:
                size += len(piece)
            assert size == 64_000_000
            return held_back

    assert calling(talk, use) < 32_000_000


def test_a_stream_that_fails_says_so_to_its_reader() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"

    async def use(client: Client, server: Raw) -> list[bytes]:
        found = []

        async def read() -> None:
            async with client.stream(Route.to("POST", server.url), b"x") as incoming:
                async for _, piece in incoming:
                    found.append(piece)

        with pytest.raises(ConnectionLost):
            await read()
        return found

    assert calling(saying(data, close=True), use) == [b"a"]


# --- TLS and proxies


def contexts(authority: trustme.CA, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def test_tls_verifies_and_sends_the_servers_name() -> None:
    authority = trustme.CA()
    ours, theirs = contexts(authority, "localhost")
    names: list[str | None] = []
    ours.sni_callback = lambda sock, name, context: names.append(name)

    async def main() -> Reply:
        async with raw(saying(OK), context=ours) as server, Client(proxies=NONE, ssl_context=theirs) as client:
            return await client.fetch(Route.to("GET", f"https://localhost:{server.port}/"))

    reply = run(main())
    assert reply.body == b"ok"
    assert reply.timing.tls_done is not None
    assert names == ["localhost"]


@pytest.mark.parametrize("trusted", [True, False], ids=["for another host", "of an unknown authority"])
def test_a_certificate_that_does_not_verify_is_one_line(trusted: bool) -> None:
    authority = trustme.CA()
    ours, theirs = contexts(authority, "elsewhere.example" if trusted else "localhost")

    async def main() -> str:
        used = theirs if trusted else None
        async with raw(saying(OK), context=ours) as server, Client(proxies=NONE, ssl_context=used) as client:
            server.requests.clear()
            with pytest.raises(TLSFailed) as caught:
                await client.fetch(Route.to("GET", f"https://localhost:{server.port}/"))
            return str(caught.value)

    said = run(main())
    assert "the certificate does not verify" in said
    assert "SSL_CERT_FILE" in said
    assert "\n" not in said


def test_a_plain_server_behind_https_is_a_tls_failure() -> None:
    async def main() -> None:
        async with raw(saying(OK)) as server, Client(proxies=NONE) as client:
            with pytest.raises(CallFailed):
                await client.fetch(Route.to("GET", f"https://127.0.0.1:{server.port}/"), timeouts=Timeouts(connect=1.0))

    run(main())


def test_http_goes_through_a_proxy_in_absolute_form() -> None:
    seen: list[bytes] = []

    async def proxying(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.say(OK)

    async def main() -> None:
        async with raw(proxying) as proxy:
            proxies = Proxies(http=Proxy.at(f"http://user:pa%20ss@127.0.0.1:{proxy.port}"))
            async with Client(proxies=proxies) as client:
                assert (await client.fetch(Route.to("GET", "http://api.example:8080/v1/x?y"))).body == b"ok"

    run(main())
    assert seen[0].startswith(b"GET http://api.example:8080/v1/x?y HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwYSBzcw==" in seen[0]


def test_https_goes_through_a_proxys_tunnel() -> None:
    """CONNECT with the target's name and port; TLS is with the target, not with the proxy."""
    authority = trustme.CA()
    ours, theirs = contexts(authority, "localhost")
    asked: list[bytes] = []

    async def main() -> bytes:
        async with raw(saying(OK), context=ours) as target:

            async def tunnelling(peer: Peer) -> None:
                asked.append(await peer.request())
                reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
                try:
                    await peer.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    await asyncio.gather(_pump(peer.reader, writer), _pump(reader, peer.writer))
                finally:
                    writer.transport.abort()

            async with raw(tunnelling) as proxy:
                proxies = Proxies(https=Proxy.at(f"http://127.0.0.1:{proxy.port}"))
                async with Client(proxies=proxies, ssl_context=theirs) as client:
                    return (await client.fetch(Route.to("GET", f"https://localhost:{target.port}/"))).body

    assert run(main()) == b"ok"
    assert asked[0].startswith(b"CONNECT localhost:")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_a_proxy_that_refuses_is_named() -> None:
    async def main() -> None:
        async with raw(saying(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
            proxies = Proxies(https=Proxy.at(f"127.0.0.1:{proxy.port}"))
            async with Client(proxies=proxies) as client:
                with pytest.raises(ConnectFailed, match="the proxy refused a tunnel: 407"):
                    await client.fetch(Route.to("GET", "https://api.example/"))

    run(main())


# --- requests


def test_the_request_is_written_as_http_wants_it() -> None:
    seen: list[bytes] = []

    async def talk(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.say(OK)

    async def use(client: Client, server: Raw) -> None:
        route = Route.to("POST", f"{server.url}?q=1", {"X-A": "b"})
        await client.fetch(route, b"body", headers={"Idempotency-Key": "k"})

    calling(talk, use)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /path?q=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-A: b\r\n" in head
    assert b"Idempotency-Key: k\r\n" in head
    assert b"Accept-Encoding: gzip, deflate, br\r\n" in head
    assert head.endswith(b"Content-Length: 4")
    assert body == b"body"


@pytest.mark.parametrize(
    ("url", "headers", "said"),
    [
        ("http://x/", {"A": "b\r\nEvil: 1"}, "line break"),
        ("http://x/", {"A\r\nB": "c"}, "not a header name"),
        ("http://x/", {"Content-Length": "5"}, "set by the client itself"),
        ("http://x/a b", {}, "percent-encoded"),
        ("http://x/\r\nEvil", {}, "percent-encoded|not a URL|not a host"),
        ("ftp://x/", {}, "not an http or https URL"),
        ("http://[::1/", {}, "not a URL"),
        ("http://x:99999/", {}, "not a URL"),
        ("nonsense", {}, "not an http or https URL"),
    ],
)
def test_nothing_can_be_smuggled_into_a_request(url: str, headers: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Route.to("GET", url, headers)


def test_a_header_value_is_never_shown_in_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        Route.to("GET", "http://x/", {"Authorization": "Bearer sk-secret\n"})
    assert "sk-secret" not in str(caught.value)
