"""Gateways of several machines, each with a home of its own, and the one server where they meet."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import openai
import pytest
from tests.e2e.gateway.conftest import PATIENCE_S, Served, Simulate, config
from tests.e2e.gateway.crowd import Said, crowd, crowded
from tests.e2e.gateway.herd import herd
from tests.e2e.gateway.test_limits import MAX_TOKENS, PER_REQUEST, of_ten
from tests.e2e.gateway.upstream import many
from tests.gateway.admission.servers import PASSWORD, Server, running

from weighbridge.transport.responder import Responder
from weighbridge.transport.server import ServerRequest
from weighbridge.transport.server import serve as listen


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with running(tmp_path) as found:
        monkeypatch.setenv("VALKEY_URL", found.url)
        yield found


@contextmanager
def machine(folder: Path, said: dict[str, Any], workers: int = 1) -> Iterator[Served]:
    """A gateway of a fleet; a home that was there is used again."""
    folder.mkdir(exist_ok=True)
    with herd(folder, {**said, "gateway": {"fleet": {"url": "$VALKEY_URL"}}}, workers) as served:
        yield served


@contextmanager
def machines(folder: Path, said: dict[str, Any], workers: int = 1) -> Iterator[list[Served]]:
    """Two of them."""
    with ExitStack() as stack:
        yield [stack.enter_context(machine(folder / name, said, workers)) for name in ("one", "two")]


def at_once(fleet: Sequence[Served], count: int) -> Counter[int]:
    """Statuses of so many requests on each at the same time."""

    async def main() -> Counter[int]:
        crowds = [crowded(served, count, max_tokens=MAX_TOKENS) for served in fleet]
        return Counter(said.status for crowd in await asyncio.gather(*crowds) for said in crowd)

    return asyncio.run(main())


def one(served: Served) -> Said:
    return crowd(served, 1, max_tokens=MAX_TOKENS)[0]


def until(true: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


def spent(fleet: Sequence[Served]) -> float:
    return sum(record.cost or 0.0 for served in fleet for record in served.records(0))


def in_touch(served: Served) -> bool:
    with urlopen(f"{served.origin}/metrics", timeout=PATIENCE_S) as reply:
        lines = reply.read().decode().splitlines()
    return "weighbridge_fleet_up 1" in lines


def log_of(served: Served) -> str:
    return (served.config.parent / "log").read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_fifty_at_once_on_two_machines_never_spend_more_than_a_budget_for_ten(
    simulate: Simulate, server: Server, tmp_path: Path, workers: int
) -> None:
    """bifrost#3547, litellm#34732: each replica had the whole budget."""
    slow = simulate(tokens={"constant": MAX_TOKENS}, latency={"constant": 0.5})
    with machines(tmp_path, of_ten(slow), workers) as fleet:
        found = at_once(fleet, 25)
        assert found[200] + found[429] == 50
        assert 1 <= found[200] <= 10
        until(lambda: at_once(fleet, 1)[200] == 0 and slow.stats().requests >= 8, "money is left and not to be had")
        assert slow.stats().requests <= 10
        assert spent(fleet) <= 10 * PER_REQUEST


def test_a_machine_that_is_killed_and_comes_again_spends_no_more_than_was_left(
    simulate: Simulate, server: Server, tmp_path: Path
) -> None:
    slow = simulate(tokens={"constant": MAX_TOKENS}, latency={"constant": 0.5})
    with machine(tmp_path / "one", of_ten(slow)) as first:
        with machine(tmp_path / "two", of_ten(slow)) as second:
            assert one(second).status == 200

            async def killed() -> None:
                crowds = asyncio.gather(*(crowded(served, 20, max_tokens=MAX_TOKENS) for served in (first, second)))
                await asyncio.to_thread(until, lambda: slow.stats().requests >= 3, "nothing is asked")
                second.process.send_signal(signal.SIGKILL)
                await crowds

            asyncio.run(killed())
        with machine(tmp_path / "two", of_ten(slow)) as again:
            for _ in range(5):
                at_once([first, again], 10)
        assert 3 <= slow.stats().requests <= 10


def test_requests_a_minute_are_counted_over_both(simulate: Simulate, server: Server, tmp_path: Path) -> None:
    said = config([simulate(tokens={"constant": 1})], limits={"requests": "100/min"})
    with machines(tmp_path, said) as (first, second):
        assert Counter(said.status for said in crowd(first, 60)) == {200: 60}
        asked = 0

        def heard() -> bool:
            nonlocal asked
            asked += 1
            time.sleep(0.3)
            return int(one(second).headers["x-ratelimit-remaining-requests"]) == 100 - 60 - asked

        until(heard, "the other machine's requests are not seen")
        assert [one(second).status for _ in range(41 - asked)] == [200] * (40 - asked) + [429]
        until(lambda: one(first).status == 429, "the other machine's requests are not seen")


def test_a_limit_is_exceeded_by_no_more_than_each_machine_may_let_in_alone(
    simulate: Simulate, server: Server, tmp_path: Path
) -> None:
    """Both at the same moment, before they can hear of each other."""
    said = config([simulate(tokens={"constant": 1})], limits={"requests": "20/min"})
    with machines(tmp_path, said) as fleet:
        assert 20 <= at_once(fleet, 30)[200] <= 40
        until(lambda: at_once(fleet, 1) == {429: 2}, "the limit does not hold at all")


class Slow:
    """A provider that answers what is told to wait when it is `open`, and all else at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def answer(self, request: ServerRequest, responder: Responder) -> None:
        if json.loads(request.body).get("stop") == "wait":
            self.waiting += 1
            await self.open.wait()
        message = {"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [message],
            "usage": usage,
        }
        responder.reply(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await listen(self.answer)
        try:
            yield f"{server.url}/v1"
        finally:
            await server.close()


async def eventually(served: Served, status: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while (found := (await crowded(served, 1))[0].status) != status:
        assert time.monotonic() < end, f"still {found}"
        await asyncio.sleep(0.05)


def test_requests_under_way_on_one_machine_count_on_the_other(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        provider = Slow()
        async with provider.listening() as url:
            with machines(tmp_path, many([url], limits={"concurrent": 5})) as (first, second):
                await eventually(second, 200)
                busy = asyncio.ensure_future(crowded(first, 8, stop="wait"))
                await eventually(second, 429)
                assert provider.waiting == 5
                provider.open.set()
                assert Counter(said.status for said in await busy) == {200: 5, 429: 3}
                await eventually(second, 200)

    asyncio.run(main())


def test_a_server_that_is_killed_stops_no_request_and_no_budget_is_overspent(
    simulate: Simulate, server: Server, tmp_path: Path
) -> None:
    """Each machine has its part meanwhile. The server comes back with nothing, is told of it, and gives the rest."""
    quick = simulate(tokens={"constant": MAX_TOKENS})
    with machines(tmp_path, of_ten(quick, limits={"requests": "500/min"})) as fleet:
        until(lambda: all(map(in_touch, fleet)), "the fleet is not in touch")
        for served in fleet:
            assert one(served).status == 200
        server.stop()
        until(lambda: not any(map(in_touch, fleet)), "nobody sees that the server is away")
        for _ in range(5):
            at_once(fleet, 10)
        assert 3 <= quick.stats().requests <= 10, "what a machine was given it may spend"
        for served in fleet:
            assert log_of(served).count("server is away") == 1
            remaining = one(served).headers["x-ratelimit-remaining-requests"]
            assert 430 <= int(remaining) < 500, "it counts its own"
        server.start(old=False)
        until(lambda: all(map(in_touch, fleet)), "nobody sees that the server is back")
        until(lambda: at_once(fleet, 1)[200] == 0 and quick.stats().requests >= 8, "money is left and not to be had")
        assert quick.stats().requests <= 10
        assert spent(fleet) <= 10 * PER_REQUEST
        for served in fleet:
            assert log_of(served).count("server is back") == 1
            assert PASSWORD not in log_of(served)


def test_without_a_server_the_gateway_starts_and_serves_what_needs_no_money(
    simulate: Simulate, server: Server, tmp_path: Path
) -> None:
    said = config([simulate(tokens={"constant": MAX_TOKENS})], limits={"requests": "5/min"})
    said["endpoints"]["paid"] = {"candidates": ["a"], "budget": {"day": "$5"}}
    server.stop()
    with machine(tmp_path / "one", said) as served:
        assert [one(served).status for _ in range(6)] == [200] * 5 + [429]
        until(lambda: "server is away" in log_of(served), "it is not said")
        assert crowd(served, 1, model="paid")[0].status == 429
        server.start()
        until(lambda: crowd(served, 1, model="paid")[0].status == 200, "the server is not found again")
    assert "Traceback" not in log_of(served)


def test_every_api_is_served_at_a_second_look(simulate: Simulate, server: Server, tmp_path: Path) -> None:
    """The first request under a budget finds nothing on its machine, and the server is asked."""
    said = config([simulate(tokens={"constant": 5})])
    names = ("chat", "stream", "hedged", "cached", "text", "messages", "responses", "embeddings")
    said["endpoints"] = {name: {"candidates": ["a"], "budget": {"day": "$5"}} for name in names}
    said["endpoints"]["cached"]["cache"] = {"keep": "1h"}
    said["endpoints"]["hedged"]["route"] = {"hedge": {"after": "10s"}}
    with machine(tmp_path / "one", said) as served:
        client, turn = served.client(), [{"role": "user", "content": "Hi"}]
        asked: Any = {"messages": turn, "max_tokens": 20}
        for name in ("chat", "hedged", "cached", "cached"):
            assert client.chat.completions.create(model=name, **asked).choices
        assert list(client.chat.completions.create(model="stream", stream=True, **asked))
        assert client.completions.create(model="text", prompt="Hi", max_tokens=20).choices
        assert client.responses.create(model="responses", input="Hi", max_output_tokens=20).output
        assert client.embeddings.create(model="embeddings", input="Hi").data
        reply = client.with_options(base_url=served.origin).post(
            "/v1/messages", body={"model": "messages", **asked}, cast_to=object
        )
        assert isinstance(reply, dict)
        assert reply["content"]
        with pytest.raises(openai.RateLimitError, match="never be let in"):
            client.chat.completions.create(model="chat", messages=[], max_tokens=10_000_000)
        records = served.records(10)
        assert Counter(record.outcome for record in records) == {"ok": 9, "refused": 1}
        assert {record.api for record in records} >= {"chat", "completions", "messages", "responses", "embeddings"}


def test_a_change_of_the_fleet_is_said_to_need_a_new_start(simulate: Simulate, server: Server, tmp_path: Path) -> None:
    said = config([simulate()])
    with machine(tmp_path / "one", said) as served:
        served.config.write_bytes(msgspec.yaml.encode(said))
        until(lambda: "was read anew" in log_of(served), "the change was not seen")
        assert "gateway.fleet was changed, which takes effect when the gateway is started anew" in log_of(served)
        assert one(served).status == 200


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, "weighbridge.yaml:2: environment variable VALKEY_URL is not set, and gateway.fleet needs it (url)"),
        ("http://:s3cret@host", "weighbridge.yaml:2: gateway.fleet.url is no URL of a Valkey or Redis server"),
        ("valkey://:s3c/ret@host", "weighbridge.yaml:2: gateway.fleet.url is no URL of a Valkey or Redis server"),
    ],
)
def test_a_server_that_is_none_is_one_line(simulate: Simulate, tmp_path: Path, url: str | None, expected: str) -> None:
    path = tmp_path / "weighbridge.yaml"
    section = b"gateway:\n  fleet: {url: $VALKEY_URL}\n"
    path.write_bytes(section + msgspec.yaml.encode(config([simulate()])))
    done = subprocess.run(
        [sys.executable, "-m", "weighbridge", "serve", "--config", str(path), "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env={"WEIGHBRIDGE_HOME": str(tmp_path / "home"), **({"VALKEY_URL": url} if url is not None else {})},
    )
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert expected in line
    assert "s3c" not in line
