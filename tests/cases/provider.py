"""A provider in the test's own loop, and a replay against it: tests decide by order and counts, not by the clock."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from weighbridge.providers.candidate import Candidate
from weighbridge.providers.price import Price
from weighbridge.providers.provider import Model, Provider
from weighbridge.replay import plan as plans
from weighbridge.replay.arrivals import Arrivals, Closed
from weighbridge.replay.attempts import Retries
from weighbridge.replay.caller import ProviderCaller
from weighbridge.replay.engine import Outcome, Replay
from weighbridge.replay.journal import Journal
from weighbridge.replay.result import Result
from weighbridge.samples.sample import Sample
from weighbridge.transport.client import Client
from weighbridge.transport.server import Handler, Responder, ServerRequest, serve

JSON = {"Content-Type": "application/json"}
SSE = {"Content-Type": "text/event-stream"}
PRICE = Price(input=1.0, output=2.0)


def asked(count: int) -> list[Sample]:
    return [Sample(request={"messages": [{"role": "user", "content": str(number)}]}) for number in range(count)]


def whole(text: str = "ok", **usage: Any) -> bytes:
    """A chat completion; `usage` as the provider says it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], **({"usage": usage} if usage else {})}).encode()


def event(**body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def delta(finish: str | None = None, **fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish}])


def streaming(*pieces: bytes) -> Handler:
    """Answers every request with these bytes as an event stream."""

    async def answer(request: ServerRequest, responder: Responder) -> None:
        responder.reply(200, SSE, b"".join(pieces))

    return answer


def measured(
    folder: Path,
    handler: Handler,
    samples: Sequence[Sample],
    *,
    arrivals: Arrivals | None = None,
    stream: bool = True,
    repeats: int = 1,
    price: Price | None = PRICE,
) -> tuple[Outcome, list[Result]]:
    """The samples replayed against the handler, each request tried once; results in the order they came."""
    results: list[Result] = []

    async def replay(url: str) -> Outcome:
        model = Model("m", Provider("p", url), "m", price)
        plan = plans.of(["c"], samples, repeats=repeats)
        with Journal(folder / "journal.jsonl", run="r", plan=plan.digest) as journal:
            async with Client() as client:
                caller = ProviderCaller("r", {"c": Candidate("c", model)}, plan.samples, client, stream=stream)
                engine = Replay(
                    plan,
                    caller,
                    journal,
                    arrivals=arrivals or Closed(4),
                    retries=Retries(most=0),
                    on_result=results.append,
                )
                return await engine.run()

    return served(handler, replay), results


def served(handler: Handler, work: Callable[[str], Awaitable[Outcome]]) -> Outcome:
    """Runs `work` with the base URL of a server of this handler, in one loop, for at most a minute."""

    async def main() -> Outcome:
        server = await serve(handler)
        try:
            async with asyncio.timeout(60):
                return await work(server.url)
        finally:
            await server.close()

    return asyncio.run(main())
