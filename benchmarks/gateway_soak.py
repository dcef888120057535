"""A million requests through one gateway worker: whether memory stays flat, and every slot comes back.

Streams and whole replies, a twentieth of them cancelled by the client midway, a twentieth struck by trouble upstream
(429, 500, a cut connection), over four keys with limits on concurrent requests. At the end each key's limit is filled
exactly, which an idle gateway that has leaked a slot would refuse; and the records on the disk are counted.

    python benchmarks/gateway_soak.py [--requests 1000000] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import _gateway
import _processes
from _gateway import Gateway
from _marked_simulator import simulating
from weighbridge.simulator.answers import words
from weighbridge.simulator.process import Running
from weighbridge.simulator.settings import Distribution, Fault, Settings
from weighbridge.transport.client import Client
from weighbridge.transport.loop import run
from weighbridge.transport.route import Route

TOKENS = 8
WORKERS = 32
"""Clients of each key; its limit leaves room for requests whose client has just gone."""
CONCURRENT = 48
KEYS = {name: f"wb-benchmark-{name}-0123456789abcdefghij" for name in ("one", "two", "three", "four")}
CANCELLED = 0.05
SAMPLES = 50
WARM = 0.25
"""The share of requests after which memory should be what it is: garbage in cycles is first collected after many."""
_CANCEL_AFTER_S = 0.004
_HELD = "held"
_TEXT = "".join(words(TOKENS))

Ended = Literal["ok", "cancelled", "failed", "cut"]

TROUBLED = Settings(
    ttft=Distribution(constant=0.002),
    gap=Distribution(constant=0.001),
    tokens=Distribution(constant=TOKENS),
    faults=(
        Fault(kind="429_retry_after", share=0.02, retry_after=0.005),
        Fault(kind="500", share=0.0204),  # of those that are left
        Fault(kind="cut", share=0.0104, after=4),
    ),
)
HOLDING = Settings(gap=Distribution(constant=60.0), tokens=Distribution(constant=3))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--requests", type=int, default=1_000_000)
    arguments = parser.parse_args()
    requests = min(20_000, arguments.requests) if arguments.quick else arguments.requests
    load_cpu, _ = _processes.cores()
    os.sched_setaffinity(0, [load_cpu])
    with tempfile.TemporaryDirectory() as name:
        report = soaked(Path(name), requests, quiet=arguments.json)
    print(json.dumps(report) if arguments.json else table(report))


def soaked(folder: Path, requests: int, *, quiet: bool) -> dict[str, Any]:
    load_cpu, cpu = _processes.cores()
    holding = folder / _HELD
    holding.mkdir()
    with (
        simulating(folder, TROUBLED, cpus=[load_cpu]) as upstream,
        simulating(holding, HOLDING, cpus=[load_cpu]) as held,
        _gateway.serving(folder, configuration(upstream, held), cpus=[cpu]) as gateway,
    ):
        soak = Soak(gateway, upstream, requests, quiet=quiet)
        report = run(soak.run())
        _gateway.settle(gateway, 60.0)
        leaked = [run(leaks(gateway)) for _ in range(2)]  # the second time after as many streams hung up at once
        _gateway.settle(gateway, 60.0)
        rss = gateway.child.rss_mb()
        outcomes, records = gateway.outcomes(), gateway.records()
        lost_on_disk = round(gateway.metrics()["records_lost_total", ""])
    made = requests + sum(count for _, count in leaked)
    return {
        **report,
        "rss_after_idle_mb": rss,
        "leaked_slots": max(count for count, _ in leaked),
        "leaked_after_soak": leaked[0][0],
        "leaked_after_hanging_up": leaked[1][0],
        "gateway_outcomes": outcomes,
        "records": records,
        "lost_records": made - records,
        "records_refused_by_the_disk": lost_on_disk,
    }


def configuration(upstream: Running, held: Running) -> dict[str, Any]:
    said = _gateway.configuration([upstream.url, upstream.url])
    said["providers"][_HELD] = {"preset": "simulator", "base_url": held.url}
    said["models"][_HELD] = {"provider": _HELD, "model": "simulated", "price": {"input": 1.0, "output": 2.0}}
    said["endpoints"][_HELD] = {"candidates": [_HELD], "route": {"first_token": "120s", "gap": "120s"}}
    said["keys"] = {name: _gateway.key_section(key, CONCURRENT) for name, key in KEYS.items()}
    return said


class Soak:
    """So many requests from clients that each wait for their answer, and what came of them."""

    def __init__(self, gateway: Gateway, upstream: Running, requests: int, *, quiet: bool) -> None:
        self._gateway = gateway
        self._upstream = upstream
        self._requests = requests
        self._quiet = quiet
        self._dice = random.Random(7)
        self._begun = self._done = 0
        self._ended: Counter[str] = Counter()
        self._samples: list[dict[str, float]] = []
        self._began = time.monotonic()

    async def run(self) -> dict[str, Any]:
        async with Client() as client, asyncio.TaskGroup() as group:
            for key in KEYS.values():
                lines = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
                route = Route.to("POST", f"{self._gateway.url}/chat/completions", lines)
                for _ in range(WORKERS):
                    group.create_task(self._client(client, route))
        self._sample()
        warm = self._samples[int(WARM * len(self._samples))]
        struck = dict(self._upstream.stats().faults)
        return {
            "requests": self._done,
            "requests_per_s": self._done / (time.monotonic() - self._began),
            "rss_start_mb": warm["rss_mb"],
            "rss_end_mb": self._samples[-1]["rss_mb"],
            "ended": dict(self._ended),
            "upstream_faults": struck,
            "samples": self._samples,
        }

    async def _client(self, client: Client, route: Route) -> None:
        while self._begun < self._requests:
            number = self._begun
            self._begun += 1
            streamed, cancelled = number % 2 == 0, self._dice.random() < CANCELLED
            body = _body(number, _gateway.ENDPOINT, streamed=streamed)
            if streamed:
                ended = await _streamed(client, route, body, cancelled=cancelled)
            elif cancelled:
                ended = await _hung_up(route, body)
            else:
                ended = await _whole(client, route, body)
            self._ended[ended] += 1
            self._done += 1
            if self._done % max(1, self._requests // SAMPLES) == 0:
                self._sample()

    def _sample(self) -> None:
        rss = self._gateway.child.rss_mb()
        self._samples.append({"requests": self._done, "at_s": time.monotonic() - self._began, "rss_mb": rss})
        if not self._quiet:
            print(f"{self._done:>9,} requests, {rss:.1f} MB", file=sys.stderr, flush=True)


def _body(number: int, endpoint: str, *, streamed: bool) -> bytes:
    asked = {"model": endpoint, "messages": [{"role": "user", "content": f"Question {number}: what now?"}]}
    return json.dumps({**asked, "stream": streamed, "max_tokens": 64}).encode()


async def _streamed(client: Client, route: Route, body: bytes, *, cancelled: bool) -> Ended:
    """Raises AssertionError where a stream neither is whole nor says that it is not."""
    read: list[bytes] = []
    async with client.stream(route, body) as incoming:
        async for _, data in incoming:
            read.append(data)
            if cancelled and incoming.status == 200:
                return "cancelled"
    said = b"".join(read)
    if incoming.status != 200:
        return _refused(incoming.status, said)
    if b'"error"' in said:
        assert b"[DONE]" not in said, "a broken stream that ends as a whole one"
        return "cut"
    events = [line[6:] for line in said.split(b"\n") if line[:6] == b"data: "]
    assert events[-1] == b"[DONE]", f"a stream that ends with {events[-1:]!r}"
    pieces = [json.loads(event)["choices"] for event in events[:-1]]
    text = "".join(choices[0]["delta"].get("content") or "" for choices in pieces if choices)
    assert text == _TEXT, f"a stream that says {text!r}"
    return "ok"


async def _whole(client: Client, route: Route, body: bytes) -> Ended:
    """Raises AssertionError where the reply is neither the right one nor an error."""
    reply = await client.fetch(route, body)
    if reply.status != 200:
        return _refused(reply.status, reply.body)
    text = json.loads(reply.body)["choices"][0]["message"]["content"]
    assert text == _TEXT, f"a reply that says {text!r}"
    return "ok"


async def _hung_up(route: Route, body: bytes) -> Ended:
    """A request that surely left, and whose client is gone before the reply."""
    _, writer = await asyncio.open_connection(route.origin.host, route.origin.port)
    writer.write(route.request(body))
    await writer.drain()
    await asyncio.sleep(_CANCEL_AFTER_S)
    writer.close()
    return "cancelled"


def _refused(status: int, body: bytes) -> Ended:
    """Trouble upstream that no other target made good. Raises AssertionError for an error of any other kind."""
    error = json.loads(body)["error"]
    assert status in {429, 500, 502, 503}, f"{status}: {error}"
    assert "concurrent" not in str(error), f"a slot was refused: {error}"
    return "failed"


async def leaks(gateway: Gateway) -> tuple[int, int]:
    """Slots that are missing on an idle gateway, over all keys, and how many requests it took to know.

    Each key holds streams open until one is refused: with no leak, that is the one after its limit.
    """
    missing = made = 0
    async with Client() as client, AsyncExitStack() as open_streams:
        for key in KEYS.values():
            lines = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
            route = Route.to("POST", f"{gateway.url}/chat/completions", lines)
            held = 0
            while True:
                made += 1
                incoming = await open_streams.enter_async_context(
                    client.stream(route, _body(made, _HELD, streamed=True))
                )
                if incoming.status != 200:
                    assert incoming.status == 429, f"status {incoming.status}"
                    break
                held += 1
            assert held <= CONCURRENT, f"{held} streams at a time under a limit of {CONCURRENT}"
            missing += CONCURRENT - held
    return missing, made


def table(report: dict[str, Any]) -> str:
    shown = report["samples"][:: max(1, len(report["samples"]) // 10)]
    ended = ", ".join(f"{count:,} {name}" for name, count in sorted(report["ended"].items()))
    start, end, idle = (report[f"rss_{when}_mb"] for when in ("start", "end", "after_idle"))
    lines = [
        f"{report['requests']:,} requests, {report['requests_per_s']:,.0f} a second: {ended}",
        f"trouble upstream: {report['upstream_faults']}",
        "resident memory: " + ", ".join(f"{one['rss_mb']:.1f} MB at {one['requests']:,}" for one in shown),
        f"after warm-up {start:.1f} MB, at the end {end:.1f} MB, idle again {idle:.1f} MB",
        f"leaked slots: {report['leaked_slots']} of {CONCURRENT * len(KEYS)}",
        f"records: {report['records']:,}, lost: {report['lost_records']}",
        f"the gateway's own count: {report['gateway_outcomes']}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
