"""The server as a whole: its life, its limits, and handlers that fail."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from weighbridge.errors import MeasurementError
from weighbridge.transport.loop import run
from weighbridge.transport.server import Handler, Responder, Server, ServerLimits, ServerRequest, serve

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
Use = Callable[[Server], Awaitable[Any]]


async def hello(request: ServerRequest, responder: Responder) -> None:
    responder.reply(200, {"Content-Type": "text/plain"}, b"hello")


def served(handler: Handler, use: Use, **options: Any) -> Any:
    async def main() -> Any:
        server = await serve(handler, **options)
        try:
            async with asyncio.timeout(20):
                return await use(server)
        finally:
            await server.close()

    return run(main())


async def said(server: Server, data: bytes) -> bytes:
    """Everything the server sends until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


async def until(met: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if met():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it never came to that")


@contextmanager
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    lines: list[str] = []
    with caplog.at_level(logging.ERROR, logger="weighbridge"):
        yield lines
    lines.extend(record.getMessage() for record in caplog.records)


# --- handlers


def test_a_handler_that_fails_is_a_500_a_log_line_and_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(request: ServerRequest, responder: Responder) -> None:
        raise ZeroDivisionError

    async def use(server: Server) -> None:
        reply = await said(server, GET + CLOSING)
        assert reply.count(b"HTTP/1.1 500 Internal Server Error") == 2
        assert b"ZeroDivision" not in reply

    with logged(caplog) as lines:
        served(fails, use)
    assert lines == ["the handler of GET / failed"] * 2


@pytest.mark.parametrize("fails", [True, False], ids=["it fails", "it forgets to end"])
def test_a_reply_that_was_begun_and_never_ended_is_cut_off(fails: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Portkey#1797: a clean end would pass a part off as the whole."""

    async def half(request: ServerRequest, responder: Responder) -> None:
        responder.start(200, {})
        responder.write(b"half")
        if fails:
            raise ZeroDivisionError

    async def use(server: Server) -> bytes:
        return bytes(await said(server, GET))

    with logged(caplog):
        data = served(half, use)
    assert data.endswith(b"4\r\nhalf\r\n")
    assert b"0\r\n\r\n" not in data


def test_a_handler_that_says_nothing_is_a_500() -> None:
    async def silent(request: ServerRequest, responder: Responder) -> None: ...

    async def use(server: Server) -> None:
        assert (await said(server, CLOSING)).startswith(b"HTTP/1.1 500 ")

    served(silent, use)


def test_a_header_that_cannot_be_sent_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def splits(request: ServerRequest, responder: Responder) -> None:
        responder.reply(200, {"X-A": "b\r\nX-C: d"}, b"")

    async def use(server: Server) -> None:
        reply = await said(server, CLOSING)
        assert reply.startswith(b"HTTP/1.1 500 ")
        assert b"X-C" not in reply

    with logged(caplog):
        served(splits, use)


def test_a_client_that_hangs_up_cancels_its_handler() -> None:
    ended = asyncio.Event()

    async def waits(request: ServerRequest, responder: Responder) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def use(server: Server) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        await until(lambda: any(connection.task for connection in server.connections))
        writer.close()
        await ended.wait()
        assert not server.connections

    served(waits, use)


def test_a_handler_may_be_told_of_the_hang_up_instead() -> None:
    told = asyncio.Event()

    async def waits(request: ServerRequest, responder: Responder) -> None:
        gone = asyncio.Event()
        responder.on_disconnect = gone.set
        responder.start(200, {})
        await gone.wait()
        assert responder.disconnected
        responder.write(b"to nobody")
        await responder.drain()
        responder.end()
        told.set()

    async def use(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await told.wait()

    served(waits, use)


def test_nobody_is_told_of_a_hang_up_after_the_reply() -> None:
    told: list[str] = []

    async def quick(request: ServerRequest, responder: Responder) -> None:
        responder.on_disconnect = lambda: told.append("gone")
        responder.reply(200, {}, b"")

    async def cuts(request: ServerRequest, responder: Responder) -> None:
        responder.on_disconnect = lambda: told.append("cut")
        responder.cut()

    async def use(server: Server) -> None:
        await said(server, CLOSING)

    served(quick, use)
    served(cuts, use)
    assert told == []


def test_an_abort_is_a_tcp_reset() -> None:
    """What was not sent yet never is, and the client sees a reset and not an end."""

    async def aborts(request: ServerRequest, responder: Responder) -> None:
        responder.start(200, {})
        responder.abort()

    async def use(server: Server) -> None:
        with pytest.raises(ConnectionResetError):
            await said(server, GET)

    served(aborts, use)


def test_drain_waits_for_a_client_that_takes_its_time() -> None:
    """Back-pressure: the handler is held, memory stays small, and every byte arrives."""
    most = 0
    pieces, size = 60, 100_000

    async def much(request: ServerRequest, responder: Responder) -> None:
        nonlocal most
        responder.start(200, {})
        for _ in range(pieces):
            responder.write(b"x" * size)
            assert responder.transport is not None
            most = max(most, responder.transport.get_write_buffer_size())
            await responder.drain()
        responder.end()

    async def use(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_000)
        writer.write(CLOSING)
        count = 0
        while data := await reader.read(50_000):
            count += data.count(b"x")
        assert count == pieces * size
        writer.close()

    served(much, use)
    assert most < 1_000_000


# --- limits of time and number


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 408 "),
        (b"", b""),
        (GET, b"HTTP/1.1 200 "),
    ],
    ids=["a head", "a body", "never a request", "no further request"],
)
def test_those_who_keep_us_waiting_are_shown_out(sent: bytes, status: bytes) -> None:
    """Slow loris: a head or body that does not come on gets a 408; an idle connection is closed."""

    async def use(server: Server) -> None:
        assert (await said(server, sent)).startswith(status)

    served(hello, use, limits=ServerLimits(head_s=0.05, body_s=0.05, idle_s=0.05))


def test_a_head_that_drips_in_is_slow_too() -> None:
    """Each byte does not start the clock anew."""

    async def use(server: Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n")
        reply = asyncio.create_task(reader.read())
        while not reply.done():
            with suppress(ConnectionError):
                writer.write(b"X: y\r\n")
            await asyncio.sleep(0.02)
        assert (await reply).startswith(b"HTTP/1.1 408 ")
        writer.close()

    served(hello, use, limits=ServerLimits(head_s=0.1))


def test_a_client_that_takes_nothing_of_its_reply_is_cut_off() -> None:
    ended = asyncio.Event()

    async def much(request: ServerRequest, responder: Responder) -> None:
        responder.start(200, {})
        try:
            while not responder.disconnected:
                responder.write(b"x" * 100_000)
                await responder.drain()
        finally:
            ended.set()

    async def use(server: Server) -> None:
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.sendall(GET)
        await ended.wait()
        await until(lambda: not server.connections)
        sock.close()

    served(much, use, limits=ServerLimits(write_s=0.1))


def test_a_slow_handler_is_not_an_idle_connection() -> None:
    async def slow(request: ServerRequest, responder: Responder) -> None:
        await asyncio.sleep(1.2)
        await hello(request, responder)

    async def use(server: Server) -> None:
        assert (await said(server, CLOSING)).endswith(b"hello")

    served(slow, use, limits=ServerLimits(head_s=0.01, body_s=0.01, idle_s=0.01))


def test_too_many_connections_are_told_so_and_room_is_made_again() -> None:
    async def use(server: Server) -> None:
        kept = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(GET)
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
            kept.append(writer)
        assert (await said(server, GET)).startswith(b"HTTP/1.1 503 ")
        assert server.stats.refused == 1
        for writer in kept:
            writer.close()
        await until(lambda: len(server.connections) < 3)
        assert (await said(server, CLOSING)).startswith(b"HTTP/1.1 200 ")

    served(hello, use, limits=ServerLimits(connections=3))


# --- its life


def test_closing_lets_requests_under_way_end_and_takes_no_more() -> None:
    async def main() -> None:
        begun, go = asyncio.Event(), asyncio.Event()

        async def waits(request: ServerRequest, responder: Responder) -> None:
            begun.set()
            await go.wait()
            await hello(request, responder)

        server = await serve(waits)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", server.port)
        reply = asyncio.create_task(said(server, GET))
        await begun.wait()
        closing = asyncio.create_task(server.close(drain=10))
        assert await idle.read() == b""
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the kernel likes
            await said(server, GET)
        assert not closing.done()
        go.set()
        await closing
        assert b"Connection: close\r\n" in await reply
        assert reply.result().endswith(b"hello")
        idle_writer.close()

    run(main())


def test_closing_cuts_off_what_does_not_end_in_time() -> None:
    async def main() -> None:
        begun = asyncio.Event()
        cancelled: list[bool] = []

        async def waits(request: ServerRequest, responder: Responder) -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        server = await serve(waits)
        reply = asyncio.create_task(said(server, GET))
        await begun.wait()
        await server.close(drain=0.05)
        assert cancelled == [True]
        with suppress(ConnectionResetError):
            assert await reply == b""

    run(main())


def test_it_listens_on_a_unix_socket_and_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as stale:  # an earlier server died here
        stale.bind(str(path))

    async def main() -> None:
        server = await serve(hello, unix=path)
        assert server.url == f"http+unix://{path}"
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(CLOSING)
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        await server.close()
        assert not path.exists()

    run(main())


def test_it_speaks_tls_and_refuses_there_too() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def use(server: Server) -> None:
        assert server.url.startswith("https://")
        for sent, status in ((CLOSING, b"200"), (b"nonsense\r\n\r\n", b"400")):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
            writer.write(sent)
            assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
            writer.close()
        assert b"HTTP/1.1 200" not in await said_or_reset(server, CLOSING)

    async def said_or_reset(server: Server, data: bytes) -> bytes:
        try:
            return await said(server, data)
        except ConnectionResetError:
            return b""

    served(hello, use, ssl_context=context)


def test_it_listens_on_ipv6() -> None:
    async def use(server: Server) -> None:
        assert server.url == f"http://[::1]:{server.port}"
        reader, writer = await asyncio.open_connection("::1", server.port)
        writer.write(CLOSING)
        assert (await reader.read()).endswith(b"hello")
        writer.close()

    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    served(hello, use, host="::1")


def test_two_servers_may_share_a_port_when_asked() -> None:
    """SO_REUSEPORT: one worker for each core."""

    async def use(server: Server) -> None:
        second = await serve(hello, port=server.port, reuse_port=True)
        assert second.port == server.port
        await second.close()

    served(hello, use, reuse_port=True)


def test_a_port_in_use_is_one_clear_line() -> None:
    async def use(server: Server) -> None:
        with pytest.raises(MeasurementError, match=rf"^127\.0\.0\.1:{server.port}: cannot listen: [^\n]+$"):
            await serve(hello, port=server.port)

    served(hello, use)


def test_it_runs_on_the_plain_loop_too() -> None:
    """Where uvloop has no build."""

    async def main() -> bytes:
        server = await serve(hello)
        try:
            return await said(server, GET + CLOSING)
        finally:
            await server.close()

    assert asyncio.run(main()).count(b"hello") == 2
