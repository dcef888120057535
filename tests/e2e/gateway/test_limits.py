"""Budgets and limits where many come at once, and keys when their database is not to be had."""

import asyncio
import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from tests.cases.test_load_cases import Barrier
from tests.e2e.gateway.conftest import Serve, Served, Simulate, config
from tests.e2e.gateway.crowd import Said, crowd, crowded
from tests.e2e.gateway.herd import herd
from tests.e2e.gateway.upstream import many

from weighbridge.simulator.process import Running
from weighbridge.transport.server import serve as listen

MAX_TOKENS = 200
PER_REQUEST = (40 + 2 * MAX_TOKENS) / 1e6  # USD: more than a request can cost


def of_ten(target: Running, **endpoint: Any) -> dict[str, Any]:
    """An endpoint whose budget is enough for ten requests of MAX_TOKENS."""
    return config([target], budget={"day": f"${10 * PER_REQUEST:.6f}"}, **endpoint)


@asynccontextmanager
async def before(provider: Barrier, serve: Serve, **endpoint: Any) -> AsyncIterator[Served]:
    """A gateway, and its provider in this loop."""
    server = await listen(provider.answer)
    try:
        yield serve(many([f"{server.url}/v1"], **endpoint))
    finally:
        await server.close()


def spent(served: Served, count: int) -> float:
    return sum(record.cost or 0.0 for record in served.records(count))


def test_fifty_at_once_never_spend_more_than_a_budget_for_ten(simulate: Simulate, serve: Serve) -> None:
    """litellm#34732, #40095: all fifty passed a check of what was already spent."""
    slow = simulate(tokens={"constant": MAX_TOKENS}, latency={"constant": 1.0})
    served = serve(of_ten(slow))
    replies = crowd(served, 50, max_tokens=MAX_TOKENS)
    found = Counter(reply.status for reply in replies)
    assert found[200] + found[429] == 50
    assert 8 <= found[200] <= 10
    assert spent(served, 50) <= 10 * PER_REQUEST
    assert slow.stats().requests == found[200]
    refused = next(reply for reply in replies if reply.status == 429)
    assert b"budget" in refused.body


def test_a_budget_holds_over_several_workers(simulate: Simulate, tmp_path: Path) -> None:
    """bifrost#3547: each replica had the whole budget, so N of them spent N times as much."""
    slow = simulate(tokens={"constant": MAX_TOKENS}, latency={"constant": 0.5})
    with herd(tmp_path, of_ten(slow), 3) as served:
        replies = crowd(served, 60, max_tokens=MAX_TOKENS)
        assert 1 <= Counter(reply.status for reply in replies)[200] <= 10
        assert spent(served, 60) <= 10 * PER_REQUEST


def test_a_budget_holds_where_nobody_says_how_long_an_answer_may_be(simulate: Simulate, serve: Serve) -> None:
    """litellm#34732 again: a reservation must not be smaller than what an answer may cost."""
    slow = simulate(tokens={"constant": 4000}, latency={"constant": 1.0})
    budget = 10 * (40 + 2 * 4000) / 1e6
    served = serve(config([slow], budget={"day": f"${budget:.6f}"}))
    crowd(served, 50)
    assert spent(served, 50) <= budget


def test_what_was_reserved_comes_back_when_less_was_used(simulate: Simulate, serve: Serve) -> None:
    served = serve(of_ten(simulate(tokens={"constant": 1})))
    statuses = [crowd(served, 1, max_tokens=MAX_TOKENS)[0].status for _ in range(40)]
    assert statuses == [200] * 40


def test_failures_cost_nothing(simulate: Simulate, serve: Serve) -> None:
    """What was reserved for a request that failed is there for the next."""
    served = serve(of_ten(simulate(faults=[{"kind": "500", "first": 30}]), route={"attempts": 1, "total": "2s"}))
    statuses = [reply.status for _ in range(5) for reply in crowd(served, 10, max_tokens=MAX_TOKENS)]
    assert 429 not in statuses
    assert statuses.count(200) == sum(record.cost != 0 for record in served.records(50))


def test_more_than_may_be_under_way_are_refused_and_cost_no_requests(serve: Serve) -> None:
    """litellm#39309: a request that was refused for concurrency ate of the requests a minute. The provider answers
    nobody before 25 were refused and the others are there."""
    provider = Barrier(30)
    refused: list[Said] = []

    def heard(said: Said) -> None:
        refused.extend([said] if said.status == 429 else [])

    async def opening() -> None:
        async with asyncio.timeout(60):
            while len(refused) < 25 or provider.most < 5:  # noqa: ASYNC110 - the one is no event of this loop
                await asyncio.sleep(0.01)
        provider.open.set()

    async def main() -> None:
        async with before(provider, serve, limits={"concurrent": 5, "requests": "12/min"}) as served:
            first, _ = await asyncio.gather(crowded(served, 30, heard=heard), opening())
            assert Counter(reply.status for reply in first) == {200: 5, 429: 25}
            assert provider.most == 5
            assert [(await crowded(served, 1))[0].status for _ in range(8)] == [200] * 7 + [429]

    asyncio.run(main())


def test_what_remains_of_a_limit_goes_down(simulate: Simulate, serve: Serve) -> None:
    """envoyproxy/ai-gateway#1754: it never did. litellm#24677: requests and tokens have windows of their own."""
    served = serve(config([simulate(tokens={"constant": 5})], limits={"requests": "20/min", "tokens": "100k/min"}))
    headers = [crowd(served, 1, max_tokens=10)[0].headers for _ in range(20)]
    assert [int(one["x-ratelimit-remaining-requests"]) for one in headers] == list(range(19, -1, -1))
    tokens = [int(one["x-ratelimit-remaining-tokens"]) for one in headers]
    assert sorted(tokens, reverse=True) == tokens
    assert tokens[-1] > 90_000
    assert crowd(served, 1)[0].status == 429


def test_who_is_over_a_limit_is_told_when_to_come_again(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate()], limits={"requests": "1/min"}))
    _, refused = crowd(served, 1)[0], crowd(served, 1)[0]
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 62  # a window, and one of its thirty slices


@pytest.mark.parametrize("limits", [{"requests": "5/0s"}, {"tokens": "5/0min"}, {"requests": "0/min"}])
def test_a_window_of_nothing_is_refused_with_one_line(simulate: Simulate, tmp_path: Path, limits: Any) -> None:
    """bifrost#4851: a duration of "0s" span a core."""
    path = tmp_path / "weighbridge.yaml"
    path.write_bytes(msgspec.yaml.encode(config([simulate()], limits=limits)))
    command = [sys.executable, "-m", "weighbridge", "serve", "--config", str(path), "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) <= 2
    assert "limits" in done.stderr


def test_a_key_that_is_declared_has_its_own_budget(simulate: Simulate, serve: Serve) -> None:
    said = config([simulate(tokens={"constant": MAX_TOKENS}, latency={"constant": 1.0})])
    said["keys"] = {
        name: {"hash": hashlib.sha256(name.encode()).hexdigest(), "budget": {"day": f"${3 * PER_REQUEST:.6f}"}}
        for name in ("poor", "other")
    }
    served = serve(said)
    assert Counter(r.status for r in crowd(served, 20, key="poor", max_tokens=MAX_TOKENS))[200] <= 3
    assert crowd(served, 1, key="other", max_tokens=MAX_TOKENS)[0].status == 200


# --- keys without a database


def keyed(served: Served, *words: str) -> str:
    """What `weighbridge keys` says."""
    environment = {**os.environ, "WEIGHBRIDGE_HOME": str(served.home)}
    done = subprocess.run(
        [sys.executable, "-m", "weighbridge", "keys", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def status_of(served: Served, key: str) -> int:
    return crowd(served, 1, key=key)[0].status


def eventually(served: Served, key: str, status: int) -> None:
    until = time.monotonic() + 20
    while (found := status_of(served, key)) != status:
        assert time.monotonic() < until, f"still {found}"
        time.sleep(0.1)


def test_a_key_works_when_it_is_made_and_not_when_it_is_revoked(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate()]))
    first, second = keyed(served, "create", "first"), keyed(served, "create", "second")
    eventually(served, first, 200)
    eventually(served, "wb-nobody", 401)
    keyed(served, "revoke", "first")
    eventually(served, first, 401)
    assert status_of(served, second) == 200
    with pytest.raises(openai.AuthenticationError, match="was revoked"):
        served.client(first).models.list()


@pytest.mark.parametrize("how", ["deleted", "locked", "broken"])
def test_keys_work_while_their_database_does_not(simulate: Simulate, serve: Serve, how: str) -> None:
    """litellm#18708: "too many clients" at the database failed requests. No request asks ours."""
    served = serve(config([simulate()]))
    key = keyed(served, "create", "mine")
    eventually(served, "wb-nobody", 401)
    path = served.home / "keys.db"
    lock = None
    if how == "deleted":
        path.unlink()
    elif how == "broken":
        path.write_bytes(b"this is no database" * 1000)
    else:
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    try:
        for _ in range(3):
            assert {reply.status for reply in crowd(served, 30, key=key)} == {200}
            assert status_of(served, "wb-nobody") == 401
            time.sleep(0.7)  # the gateway looks at its keys meanwhile
    finally:
        if lock is not None:
            lock.close()


def test_the_whole_home_may_vanish(simulate: Simulate, serve: Serve) -> None:
    """Requests go on without the folder of records, keys and budgets."""
    served = serve(config([simulate()], budget={"day": "$5"}))
    key = keyed(served, "create", "mine")
    eventually(served, "wb-nobody", 401)
    gone = served.home.rename(served.home.with_name("gone"))  # at once: what the gateway makes meanwhile is not there
    shutil.rmtree(gone)
    for _ in range(3):
        assert {reply.status for reply in crowd(served, 30, key=key)} == {200}
        time.sleep(0.7)


def test_five_hundred_at_once_are_all_answered(serve: Serve) -> None:
    """litellm#21046: 16 requests a second became 9 when 500 came at once. Here they wait for nobody: the provider
    answers none before it has all of them."""
    provider = Barrier(500)

    async def main() -> None:
        async with before(provider, serve) as served:
            assert {reply.status for reply in await crowded(served, 500)} == {200}

    asyncio.run(main())
    assert provider.most == 500


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_memory_is_flat(simulate: Simulate, serve: Serve) -> None:
    """litellm#12685, #27954: memory grew until the process was killed. Answers, streams, failures and refusals."""
    mixed = simulate(tokens={"constant": 50}, faults=[{"kind": "500", "every": 20}, {"kind": "cut", "every": 33}])
    served = serve(config([mixed], limits={"concurrent": 80}))
    resident = []
    for _ in range(6):
        for number in range(40):
            crowd(served, 100, stream=number % 2 == 0)
        resident.append(_resident_mb(served.process.pid))
    assert resident[-1] - resident[1] < 10, resident


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
