"""Machines that share limits and budgets by way of a real server, which may be slow, away, or out of its mind."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import UsageError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Rules, budget, limit
from weighbridge.gateway.admission.valkey import Valkey, ValkeyFailed

NOW = 1_800_000_000.0
TEN = Grant("app", "app", rules=Rules((), (budget("$10/day"),)))


class Server:
    """A real server on a port of its own, in memory."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "dir": folder, "requirepass": "s3cret"}
        argv = [program, *(str(word) for name, value in options.items() for word in (f"--{name}", value))]
        self.url = f"valkey://:s3cret@127.0.0.1:{self.port}/1"
        self._argv = argv
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL)
        for _ in range(2000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.005)
        raise AssertionError("it did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs redis-server or valkey-server")
        pytest.skip("needs redis-server or valkey-server")
    found = Server(program, tmp_path)
    yield found
    found.stop()


def machine(server: Server, home: Path | None = None) -> tuple[Admission, Fleet]:
    admission = Admission(home=home)
    return admission, Fleet(admission, Valkey(server.url, limit_s=5), home=home)


@contextlib.asynccontextmanager
async def machines(server: Server, count: int) -> AsyncIterator[list[Fleet]]:
    found = [machine(server) for _ in range(count)]
    try:
        yield [fleet for _, fleet in found]
    finally:
        for admission, fleet in found:
            await fleet.close()
            admission.close()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def test_three_machines_take_all_of_a_budget_and_never_more(server: Server) -> None:
    """bifrost#3547: budgets are kept by each replica, and N times overspent."""

    async def main() -> None:
        async with machines(server, 3) as fleets:
            taken, refused, now = 0, 0, NOW
            while refused < 60:
                for fleet in fleets:
                    try:
                        (await fleet.admit(TEN, "e", tokens=0, usd=0.25, now=now)).settle(0, 0.25)
                        taken, refused = taken + 1, 0
                    except Denied:
                        refused += 1
                    fleet._admission.tick(now)
                    await fleet.sync(now)
                now += 0.5
            assert taken == 40

    run(main)


def test_fifty_at_once_on_each_of_two_machines(server: Server) -> None:
    """litellm#34732, litellm#40095, and across machines."""

    async def main() -> None:
        async with machines(server, 2) as fleets:
            taken = 0

            async def request(fleet: Fleet) -> None:
                nonlocal taken
                with contextlib.suppress(Denied):
                    ticket = await fleet.admit(TEN, "e", tokens=0, usd=1.0, now=NOW)
                    taken += 1
                    await asyncio.sleep(0)
                    ticket.settle(0, 1.0)

            await asyncio.gather(*(request(fleet) for _ in range(50) for fleet in fleets))
            assert 8 <= taken <= 10

    run(main)


def test_what_lies_idle_on_one_machine_goes_to_the_other(server: Server) -> None:
    async def main() -> None:
        async with machines(server, 2) as (idle, busy):
            (await idle.admit(TEN, "e", tokens=0, usd=1.0, now=NOW)).settle(0, 1.0)
            with pytest.raises(Denied):
                await busy.admit(TEN, "e", tokens=0, usd=8.0, now=NOW)
            for step in range(8):
                idle._admission.tick(NOW + step / 2)
                await idle.sync(NOW + step / 2)
            await busy.admit(TEN, "e", tokens=0, usd=8.0, now=NOW + 5)
            with pytest.raises(Denied) as caught:
                await busy.admit(TEN, "e", tokens=0, usd=1.5, now=NOW + 5)
            assert "used up" not in caught.value.message, "eight dollars are under way, and may come to less"

    run(main)


def test_the_spent_budget_is_said_to_be_spent(server: Server) -> None:
    async def main() -> None:
        async with machines(server, 2) as (first, second):
            (await first.admit(TEN, "e", tokens=0, usd=10.0, now=NOW)).settle(0, 10.0)
            with pytest.raises(Denied, match="used up") as caught:
                await second.admit(TEN, "e", tokens=0, usd=1.0, now=NOW)
            assert caught.value.type == "insufficient_quota"

    run(main)


def test_a_server_that_is_away_stops_money_and_nothing_else(server: Server) -> None:
    rules = Rules((limit("requests", "100/min"),))

    async def main() -> None:
        async with machines(server, 1) as (fleet,):
            (await fleet.admit(TEN, "e", tokens=0, usd=1.0, now=NOW)).settle(0, 1.0)
            server.stop()
            assert not await fleet.sync(NOW)
            (await fleet.admit(TEN, "e", tokens=0, usd=2.0, now=NOW)).settle(0, 2.0)
            await fleet.admit(Grant("free", "free", rules=rules), "e", tokens=0, usd=1.0, now=NOW)
            with pytest.raises(Denied) as caught:
                await fleet.admit(TEN, "e", tokens=0, usd=4.0, now=NOW)
            assert caught.value.retry_after == 1.0
            server.start()
            assert await fleet.sync(NOW + 1)
            await fleet.admit(TEN, "e", tokens=0, usd=7.0, now=NOW + 1)

    run(main)


def test_a_message_that_comes_late_is_ignored(server: Server) -> None:
    async def main() -> None:
        async with machines(server, 1) as (fleet,):
            await fleet.admit(TEN, "e", tokens=0, usd=6.0, now=NOW)
            (purse,) = fleet._budgets.purses.values()
            part = purse.part()
            assert part >= 6_000_000_000
            fleet._next = lambda: 5  # type: ignore[method-assign]
            await fleet._ask([purse], NOW, 3_000_000_000)
            assert purse.part() == part

    run(main)


def test_workers_of_one_machine_share_its_part(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        first, fleet = machine(server, tmp_path)
        second, other = machine(server, tmp_path)
        assert fleet.machine == other.machine
        (await fleet.admit(TEN, "e", tokens=0, usd=1.0, now=NOW)).settle(0, 1.0)
        second.admit(TEN, "e", tokens=0, usd=1.0, now=NOW).settle(0, 1.0)
        await asyncio.gather(fleet.sync(NOW), other.sync(NOW))
        for admission, link in ((first, fleet), (second, other)):
            await link.close()
            admission.close()

    run(main)


def test_windows_and_gates_see_the_other_machines(server: Server) -> None:
    rules = Rules((limit("requests", "5/min"), limit("tokens", "100/min"), limit("concurrent", 3)))
    who = Grant("app", "app", rules=rules)

    async def main() -> None:
        async with machines(server, 2) as (first, second):
            tickets = [first._admission.admit(who, "e", tokens=30, usd=0, now=NOW) for _ in range(2)]
            second._admission.admit(who, "e", tokens=10, usd=0, now=NOW)
            for fleet in (first, second, first):
                await fleet.sync(NOW)
            for fleet in (first, second):
                with pytest.raises(Denied, match="at a time"):
                    fleet._admission.admit(who, "e", tokens=0, usd=0, now=NOW)
            for ticket in tickets:
                ticket.settle(30)
            for fleet in (first, second, second):
                await fleet.sync(NOW)
            last = second._admission.admit(who, "e", tokens=30, usd=0, now=NOW + 1)
            assert b"remaining-requests: 1\r\n" in last.headers
            assert b"remaining-tokens: 0\r\n" in last.headers
            await second.sync(NOW + 70)
            assert b"remaining-requests: 4" in second._admission.admit(who, "e", tokens=0, usd=0, now=NOW + 70).headers

    run(main)


@contextlib.asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[Valkey]:
    """A client of a server that says this to whatever it is asked, and nothing more."""
    done = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(data)
        if data:
            writer.close()
        await reader.read()
        writer.close()
        done.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        client = Valkey(f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}", limit_s=0.2)
        yield client
        await client.close()
        await done.wait()


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
        wrong = Valkey(server.url.replace("s3cret", "wrong"), limit_s=5)
        with pytest.raises(ValkeyFailed, match="WRONGPASS"):
            await wrong.call("PING")
        await wrong.close()

    run(main)


@pytest.mark.parametrize("url", ["http://host", "valkey://", "host:6379", ""])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="valkey://host:6379"):
        Valkey(url)
