"""The simulated provider, over real sockets and with our own client."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from weighbridge.simulator.app import Simulator
from weighbridge.simulator.settings import Distribution, Fault, RateLimits, Settings
from weighbridge.transport.client import Client, Route, Timeouts
from weighbridge.transport.faults import ConnectionLost, TimedOut
from weighbridge.transport.reply import Reply
from weighbridge.transport.sse import stamped_events

Post = Callable[..., Awaitable[Reply]]


def served(settings: Settings, use: Callable[[Simulator, Post], Awaitable[Any]]) -> Any:
    """Runs a simulator and hands over a function that posts to it."""

    async def main() -> Any:
        async with Simulator(settings) as simulator, Client(timeouts=Timeouts(total=5.0)) as client:

            async def post(path: str = "/chat/completions", *, key: str | None = None, **body: Any) -> Reply:
                body.setdefault("messages", [{"role": "user", "content": "hello"}])
                route = Route.to("POST", simulator.url + path, {"Content-Type": "application/json"})
                headers = {"Idempotency-Key": key} if key else None
                return await client.fetch(route, json.dumps({"model": "simulated", **body}).encode(), headers=headers)

            return await use(simulator, post)

    return asyncio.run(main())


def chunks(reply: Reply) -> list[dict[str, Any]]:
    return [json.loads(data) for _, data in stamped_events(reply.reads) if data != b"[DONE]"]


def test_a_whole_reply_is_an_openai_chat_completion() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        said = json.loads((await post()).body)
        assert said["object"] == "chat.completion"
        assert said["choices"][0]["message"]["role"] == "assistant"
        assert said["choices"][0]["finish_reason"] == "stop"
        assert said["usage"]["completion_tokens"] == 7

    served(Settings(tokens=Distribution(constant=7)), use)


def test_a_stream_sends_every_token_then_usage_then_done() -> None:
    """As OpenAI does it: `usage: null` before, and last a chunk with `choices: []`."""

    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post(stream=True, stream_options={"include_usage": True})
        found = chunks(reply)
        texts = [choice["delta"].get("content") for chunk in found for choice in chunk["choices"]]
        assert len([text for text in texts if text]) == 5
        assert all(chunk["usage"] is None for chunk in found[:-1])
        assert found[-1]["choices"] == []
        assert found[-1]["usage"]["completion_tokens"] == 5
        assert reply.body.endswith(b"data: [DONE]\n\n")

    served(Settings(tokens=Distribution(constant=5)), use)


def test_the_log_says_when_each_chunk_was_really_sent() -> None:
    """First token 30 ms after the request, the others 5 ms apart: never early, whatever the load."""

    async def use(simulator: Simulator, post: Post) -> None:
        await post(stream=True)
        (entry,) = simulator.log
        assert len(entry.sent) == 6 + 1
        assert entry.sent[0] - entry.received >= 0.030 - 0.0003
        assert entry.sent[5] - entry.received >= 0.055 - 0.0003
        assert (entry.tokens, entry.outcome) == (6, "completed")

    settings = Settings(
        ttft=Distribution(constant=0.030), gap=Distribution(constant=0.005), tokens=Distribution(constant=6)
    )
    served(settings, use)


def test_an_idempotency_key_is_paid_for_once() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        for key in ("a", "a", "b", None, None):
            await post(key=key)
        assert (simulator.stats.requests, simulator.stats.paid, simulator.stats.repeated) == (5, 4, 1)

    served(Settings(), use)


def test_max_tokens_cuts_the_answer_and_says_so() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        said = json.loads((await post(max_tokens=3)).body)
        assert (said["choices"][0]["finish_reason"], said["usage"]["completion_tokens"]) == ("length", 3)

    served(Settings(tokens=Distribution(constant=9)), use)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("429", 429), ("429_retry_after", 429), ("500", 500), ("503", 503), ("context_length", 400), ("html_502", 502)],
)
def test_refusals_have_their_status(kind: Any, status: int) -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post()
        assert reply.status == status
        assert (reply.header("retry-after") is not None) == (kind == "429_retry_after")
        assert simulator.stats.paid == 0
        assert simulator.stats.faults == {kind: 1}

    served(Settings(faults=(Fault(kind=kind),)), use)


def test_a_reset_comes_before_any_header() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        with pytest.raises(ConnectionLost):
            await post()

    served(Settings(faults=(Fault(kind="reset"),)), use)


def test_a_cut_stream_ends_the_connection_in_the_middle() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        with pytest.raises(ConnectionLost) as caught:
            await post(stream=True)
        assert caught.value.reply is not None
        assert len(chunks(caught.value.reply)) >= 4

    served(Settings(faults=(Fault(kind="cut", after=4),), tokens=Distribution(constant=9)), use)


def test_a_stalled_stream_says_nothing_more() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        with pytest.raises(TimedOut) as caught:
            await post(stream=True)
        assert caught.value.phase == "total"

    async def main() -> None:
        simulator = Simulator(Settings(faults=(Fault(kind="stall", after=2),)))
        async with simulator, Client(timeouts=Timeouts(idle=0.15)) as client:
            route = Route.to("POST", f"{simulator.url}/chat/completions", {})
            body = b'{"model":"simulated","messages":[{"role":"user","content":"x"}],"stream":true}'
            with pytest.raises(TimedOut) as caught:
                await client.fetch(route, body)
            assert caught.value.phase == "idle"

    asyncio.run(main())


def test_malformed_and_missing_done_are_as_they_say() -> None:
    async def malformed(simulator: Simulator, post: Post) -> None:
        data = [data for _, data in stamped_events((await post(stream=True)).reads)]
        broken = [one for one in data if one != b"[DONE]" and not _is_json(one)]
        assert len(broken) == 1

    async def no_done(simulator: Simulator, post: Post) -> None:
        assert b"[DONE]" not in (await post(stream=True)).body

    served(Settings(faults=(Fault(kind="malformed", after=3),)), malformed)
    served(Settings(faults=(Fault(kind="no_done"),)), no_done)


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError:
        return False
    return True


def test_faults_strike_on_schedule() -> None:
    """The first two requests, and then every one in five of the rest."""

    async def use(simulator: Simulator, post: Post) -> None:
        statuses = [(await post()).status for _ in range(10)]
        assert statuses == [500, 500, 200, 200, 503, 200, 200, 200, 200, 503]

    served(Settings(faults=(Fault(kind="500", first=2), Fault(kind="503", every=5))), use)


def test_a_rate_limit_answers_429_with_its_headers() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        replies = [await post() for _ in range(4)]
        assert [reply.status for reply in replies] == [200, 200, 200, 429]
        assert replies[2].header("x-ratelimit-remaining-requests") == "0"
        assert float(replies[3].header("retry-after-ms") or 0) > 10_000

    served(Settings(limits=RateLimits(requests_per_minute=3)), use)


def test_a_role_chunk_may_come_early() -> None:
    """vllm#3768: some servers send the role at once; a client that takes it for a token measures nothing."""

    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post(stream=True)
        events = stamped_events(reply.reads)
        assert json.loads(events[0][1])["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert events[1][0] - events[0][0] > 0.02

    served(Settings(role="early", ttft=Distribution(constant=0.05)), use)


def test_what_is_no_request_gets_one_line() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post(max_tokens="many")
        assert reply.status == 400
        assert "not a request" in json.loads(reply.body)["error"]["message"]

    served(Settings(), use)
