"""Requests at a constant rate, whatever comes of them, by the transport's client: what one takes at that rate."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping

import _null_server
from weighbridge.transport.client import Client
from weighbridge.transport.route import Route

_SPREAD_S = 0.05
_SETTLE_S = 10.0


async def constant(
    url: str, body: bytes, headers: Mapping[str, str], *, rate: float, seconds: float
) -> list[tuple[float, float]]:
    """(intended, end) of every request, on the monotonic clock. Raises AssertionError where a reply is not right."""
    loop, count = asyncio.get_running_loop(), int(rate * seconds)
    route = Route.to("POST", url, {"Content-Type": "application/json", **headers})
    right = json.loads(_null_server.BODY)["choices"]
    took: list[tuple[float, float]] = []
    under_way: set[asyncio.Task[None]] = set()
    done = asyncio.Event()

    async with Client() as client:
        await asyncio.gather(*(client.fetch(route, body) for _ in range(16)))  # connections

        async def one(intended: float) -> None:
            reply = await client.fetch(route, body, intended=intended)
            assert reply.status == 200, f"status {reply.status}: {reply.body[:200]!r}"
            assert json.loads(reply.body)["choices"] == right
            assert reply.timing.end is not None
            took.append((intended, reply.timing.end))

        def due(intended: float | None) -> None:
            if intended is None:
                done.set()
                return
            task = loop.create_task(one(intended))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

        def later(intended: float | None) -> None:
            loop.call_soon_threadsafe(due, intended)

        clock = threading.Thread(target=_clock, args=(time.monotonic() + _SPREAD_S, count, rate, later))
        clock.start()
        await done.wait()
        clock.join()
        async with asyncio.timeout(_SETTLE_S):
            await asyncio.gather(*under_way)
    assert len(took) == count, f"{count - len(took)} requests came to nothing"
    return took


def _clock(start: float, count: int, rate: float, later: Callable[[float | None], None]) -> None:
    """Calls at each arrival. A thread's sleep is true to some hundredths of a millisecond, a loop's timer to one."""
    for number in range(count):
        intended = start + number / rate
        wait = intended - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        later(intended)
    later(None)
