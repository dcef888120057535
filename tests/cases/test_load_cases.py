"""Load as it is asked for: no more and no fewer at once, nothing cut short, nothing answered from memory."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.cases.provider import JSON, asked, measured, whole
from tests.replay.test_engine import Scripted, plan_of, replay

from weighbridge.replay.arrivals import Closed, Constant, Trace
from weighbridge.replay.caller import Attempted
from weighbridge.replay.plan import Job
from weighbridge.transport.server import Responder, ServerRequest


class Barrier:
    """A provider that answers nobody until `count` requests are inside at once, and keeps the most that ever were."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.inside = self.most = 0
        self.open = asyncio.Event()

    async def answer(self, request: ServerRequest, responder: Responder) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside >= self.count:
            self.open.set()
        await self.open.wait()
        await asyncio.sleep(0)
        self.inside -= 1
        responder.reply(200, JSON, whole())


def test_the_concurrency_that_is_configured_is_the_one_the_provider_sees(tmp_path: Path) -> None:
    """inference-perf#319: 45 configured, 74.5 observed. Here 45 are reached (nobody is answered before), and never
    more."""
    provider = Barrier(45)
    outcome, results = measured(tmp_path, provider.answer, asked(300), arrivals=Closed(45), stream=False)
    assert provider.most == 45
    assert outcome.most_in_flight == {"p": 45}
    assert len(results) == 300


def test_no_pool_of_ours_limits_how_many_streams_are_open(tmp_path: Path) -> None:
    """gpustack#2324: with aiohttp's default of 100 connections the 101st stream waits inside the client. This provider
    answers nobody before 250 are there."""
    provider = Barrier(250)
    outcome, results = measured(tmp_path, provider.answer, asked(250), arrivals=Closed(250), stream=False)
    assert (outcome.done, provider.most) == (250, 250)
    assert all(result.answer is not None for result in results)


def test_a_burst_leaves_at_once(tmp_path: Path) -> None:
    """aiperf#1424: a "burst" of 32 that goes out one after the other. This provider answers nobody before all 32 are
    there, and every one is due at the same moment."""
    provider = Barrier(32)
    outcome, results = measured(tmp_path, provider.answer, asked(32), arrivals=Trace([0.0]), stream=False)
    assert (outcome.done, provider.most) == (32, 32)
    assert {result.intended for result in results} == {0.0}


def test_a_stage_ends_with_the_last_reply_and_not_with_the_last_request(tmp_path: Path) -> None:
    """inference-perf#245: the stage ended while 8,288 requests were queued in the client. Here the provider answers
    nobody before every request was sent."""
    provider = Barrier(500)
    outcome, results = measured(tmp_path, provider.answer, asked(500), arrivals=Constant(5000), stream=False)
    assert (outcome.ending, outcome.done, len(results)) == ("finished", 500, 500)


def test_waiting_for_many_requests_costs_no_more_for_each_than_for_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """guidellm#470: 6 % slower than its peer with 1,000 requests, equal with 100. What is waited for is registered
    once, and not again with every reply."""
    waits = Counter[int]()
    wait = asyncio.wait

    async def counted(things: set[asyncio.Future[None]], **options: Any) -> object:
        waits[count] += len(things)
        return await wait(things, **options)

    monkeypatch.setattr(asyncio, "wait", counted)
    for count in (100, 1000):
        folder = tmp_path / str(count)
        folder.mkdir()
        replay(folder, plan_of(count), Uneven(), arrivals=Constant(20_000))
    assert waits[1000] == waits[100] <= 8


class Uneven(Scripted):
    """Replies that come back one by one."""

    async def call(self, job: Job, *, intended: float, start: float, attempt: int) -> Attempted:
        self.takes = 0.1 + 0.2 * random.Random(job.number).random()
        return await super().call(job, intended=intended, start=start, attempt=attempt)


@pytest.mark.parametrize("arrivals", [Closed(3), Constant(500)])
def test_a_request_that_breaks_our_own_code_ends_the_run_with_its_error(
    tmp_path: Path, arrivals: Closed | Constant
) -> None:
    """deepeval#2232, langfuse#12641: neither silence nor a run that ends well with results missing."""

    class Broken(Scripted):
        async def call(self, job: Job, *, intended: float, start: float, attempt: int) -> Attempted:
            if job.number == 5:
                raise RuntimeError("a bug of ours")
            return await super().call(job, intended=intended, start=start, attempt=attempt)

    with pytest.raises(RuntimeError, match="a bug of ours"):
        replay(tmp_path, plan_of(60), Broken(takes=0.001), arrivals=arrivals)


def test_a_repeat_is_sent_again_and_never_answered_from_a_cache(tmp_path: Path) -> None:
    """promptfoo#5947: `--repeat` returned cached answers. The provider numbers its answers, and sees a key of its own
    for every repeat."""
    keys: list[str] = []

    async def answer(request: ServerRequest, responder: Responder) -> None:
        keys.append(request.headers["idempotency-key"])
        responder.reply(200, JSON, whole(f"answer {len(keys)}"))

    _, results = measured(tmp_path, answer, asked(5), repeats=4, stream=False)
    assert len(keys) == len(set(keys)) == 20
    assert {result.answer.text for result in results if result.answer} == {f"answer {n}" for n in range(1, 21)}


def test_twenty_thousand_requests_over_sockets_do_not_hang(tmp_path: Path) -> None:
    """lm-evaluation-harness#3089: hangs with about 20,000 API requests."""

    async def answer(request: ServerRequest, responder: Responder) -> None:
        responder.reply(200, JSON, whole())

    outcome, results = measured(tmp_path, answer, asked(20_000), arrivals=Closed(64), stream=False)
    assert (outcome.done, len(results)) == (20_000, 20_000)
    assert all(result.answer is not None for result in results)
