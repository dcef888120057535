"""The client of a Valkey or Redis server: every reply it may get, and servers that make no sense."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.gateway.admission.servers import PASSWORD, Server, running

from weighbridge.errors import UsageError
from weighbridge.gateway.admission.valkey import Script, Valkey, ValkeyFailed


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


@contextlib.asynccontextmanager
async def answering(*answers: bytes, password: str = "") -> AsyncIterator[Valkey]:
    """A client of a server that says one thing on each connection, whatever it is asked, and then closes it; nothing
    at all where that is empty."""
    said = iter(answers)
    left = set[asyncio.Task[None]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        left.add(task)
        await reader.read(100)
        data = next(said)
        writer.write(data)
        if data:
            writer.close()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        user = f":{password}@" if password else ""
        client = Valkey(f"redis://{user}127.0.0.1:{listening.sockets[0].getsockname()[1]}", limit_s=0.2)
        yield client
        await client.close()
        await asyncio.gather(*left)


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad\r\n\r\n", b"$99999999999\r\n", b"$5\r\nab", b"*1\r\n" * 50, b":x\r\n", b"-ERR no\r\n", b""],
)
def test_a_server_that_makes_no_sense_is_one_error_in_time(data: bytes) -> None:
    async def main() -> None:
        async with answering(data) as client:
            with pytest.raises(ValkeyFailed, match=r"127\.0\.0\.1"):
                await client.call("PING")

    run(main)


def test_every_kind_of_reply(server: Server) -> None:
    async def main() -> None:
        client = Valkey(server.url, limit_s=5)
        assert await client.call("SET", "k", b"\x00\r\n") == b"OK"
        assert await client.call("GET", "k") == b"\x00\r\n"
        assert await client.call("GET", "none") is None
        assert await client.call("LRANGE", "none", 0, -1) == []
        assert await client.pipeline([]) == []
        assert await client.call("EVAL", "return {1, {'a', false}}", 0) == [1, [b"a", None]]
        with pytest.raises(ValkeyFailed, match="WRONGTYPE"):
            await client.call("HGET", "k", "f")
        assert await client.call("PING") == b"PONG"
        await client.close()

    run(main)


def test_a_script_is_sent_to_a_server_that_does_not_know_it(server: Server) -> None:
    both = Script("return {KEYS[1], ARGV[1]}")

    async def main() -> None:
        client = Valkey(server.url, limit_s=5)
        assert await client.run(both, [(("k",), (1,)), (("l",), (2,))]) == [[b"k", b"1"], [b"l", b"2"]]
        await client.call("SCRIPT", "FLUSH")
        assert await client.run(both, [(("k",), (3,))]) == [[b"k", b"3"]]
        await client.close()

    run(main)


def test_after_an_error_the_server_is_looked_up_anew() -> None:
    """A name may lead to another server once the one it led to may only be read."""

    async def main() -> None:
        async with answering(b"-READONLY You can't write\r\n", b"+PONG\r\n") as client:
            with pytest.raises(ValkeyFailed, match="READONLY"):
                await client.call("SET", "k", 1)
            assert await client.call("PING") == b"PONG"

    run(main)


def test_the_password_is_in_no_error(server: Server) -> None:
    async def main() -> None:
        wrong = Valkey(server.url.replace(PASSWORD, "not-it"), limit_s=5)
        with pytest.raises(ValkeyFailed, match="WRONGPASS") as caught:
            await wrong.call("PING")
        assert "not-it" not in str(caught.value)
        await wrong.close()
        echo = f"-ERR unknown command 'AUTH', with args beginning with: '{PASSWORD}'\r\n".encode()
        async with answering(echo, password=PASSWORD) as client:
            with pytest.raises(ValkeyFailed, match="unknown command 'AUTH'") as caught:
                await client.call("PING")
            assert PASSWORD not in str(caught.value)

    run(main)


@pytest.mark.parametrize(
    "url",
    [
        *("http://host", "valkey://", "host:6379", "", "valkey://host:port", "valkey://[::1", "valkey://host:70000"),
        *("valkey://:s3c/ret@host", "valkey://u:12#s3cret@host", "valkey://u:12/s3cret@host", "s3cret://host"),
        *("valkey://host/0?s3cret", "valkey://:s3?cret@host"),
    ],
)
def test_what_is_no_url_is_one_error_without_it(url: str) -> None:
    with pytest.raises(UsageError, match="valkey://host:6379") as caught:
        Valkey(url)
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://host", "host:6379"),
        ("valkeys://user:p%40ss@10.0.0.1:7000/3", "10.0.0.1:7000"),
        ("rediss://[::1]:1/", "::1:1"),
        ("valkey://:a@b@host", "host:6379"),
    ],
)
def test_where_a_server_is_may_be_said(url: str, where: str) -> None:
    assert Valkey(url).where == where


def test_a_server_behind_tls_is_asked_only_where_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    files = {"tls-cert-file": "cert.pem", "tls-key-file": "key.pem", "tls-ca-cert-file": "ca.pem"}
    options = {name: str(tmp_path / file) for name, file in files.items()}
    with running(tmp_path, more={**options, "tls-auth-clients": "no"}) as server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if server.say(f"CONFIG SET tls-port {port}") != "+OK":
            pytest.skip("this server has no TLS")

        async def pinged() -> object:
            client = Valkey(f"valkeys://:{PASSWORD}@localhost:{port}", limit_s=5)
            try:
                return await client.call("PING")
            finally:
                await client.close()

        with pytest.raises(ValkeyFailed, match="certificate"):
            asyncio.run(pinged())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert asyncio.run(pinged()) == b"PONG"
