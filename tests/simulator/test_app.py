"""The simulated provider, over real sockets and with our own client."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
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


def served(settings: Settings, use: Callable[[Simulator, Post], Awaitable[Any]], total: float = 30.0) -> Any:
    """Runs a simulator and hands over a function that posts to it."""

    async def main() -> Any:
        async with Simulator(settings) as simulator, Client(timeouts=Timeouts(total=total)) as client:

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
            assert (await post(key=key)).status == 200
        assert (simulator.stats.requests, simulator.stats.paid, simulator.stats.repeated) == (5, 4, 1)

    served(Settings(), use)


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_that_comes_again_gets_the_same_reply_without_trouble(stream: bool) -> None:
    """Byte for byte and at once, though faults and rate limits would strike a new request."""

    async def use(simulator: Simulator, post: Post) -> None:
        first = await post(key="a", stream=stream)
        again = await post(key="a", stream=stream)
        assert (again.status, again.body) == (200, first.body)
        assert simulator.log[1].finished - simulator.log[1].received < 0.9
        assert (await post(key="b", stream=stream)).status == 429
        assert (simulator.stats.paid, simulator.stats.repeated) == (1, 1)
        assert [entry.paid for entry in simulator.log] == [True, False, False]

    limits = RateLimits(requests_per_minute=1)
    served(Settings(ttft=Distribution(constant=1.0), limits=limits, faults=(Fault(kind="500", every=2),)), use)


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_whose_client_vanished_is_paid_for_and_not_paid_for_again(stream: bool) -> None:
    """How the kill -9 test counts: the reply was not whole, so it is made anew, for nothing."""

    async def use(simulator: Simulator, post: Post) -> None:
        call = asyncio.ensure_future(post(key="a", stream=stream))
        while not simulator.stats.paid:  # noqa: ASYNC110 - what we wait for is in the server
            await asyncio.sleep(0.001)
        call.cancel()
        while not simulator.log:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.001)
        assert (simulator.log[0].outcome, simulator.log[0].paid) == ("disconnected", True)
        assert (await post(key="a", stream=stream)).status == 200
        assert (simulator.stats.paid, simulator.stats.repeated, simulator.stats.concurrent) == (1, 1, 0)
        assert simulator.log[1].outcome == "completed"

    served(Settings(ttft=Distribution(constant=1.0), tokens=Distribution(constant=2)), use)


def test_a_key_used_for_another_request_is_refused() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        await post(key="a")
        reply = await post(key="a", temperature=1)
        assert reply.status == 422
        assert "Idempotency-Key" in json.loads(reply.body)["error"]["message"]
        assert simulator.stats.paid == 1

    served(Settings(), use)


def test_max_tokens_cuts_the_answer_and_says_so() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        said = json.loads((await post(max_tokens=3)).body)
        assert (said["choices"][0]["finish_reason"], said["usage"]["completion_tokens"]) == ("length", 3)

    served(Settings(tokens=Distribution(constant=9)), use)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("429", 429),
        ("429_retry_after", 429),
        ("500", 500),
        ("503", 503),
        ("529", 529),
        ("context_length", 400),
        ("content_filter", 400),
        ("html", 200),
        ("html_502", 502),
    ],
)
def test_refusals_have_their_status(kind: Any, status: int) -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post()
        assert reply.status == status
        assert (reply.header("retry-after") is not None) == (kind == "429_retry_after")
        assert simulator.stats.paid == 0
        assert simulator.stats.faults == {kind: 1}
        assert (simulator.log[0].outcome, simulator.log[0].status) == (kind, status)

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
        assert caught.value.reply is not None
        assert len(chunks(caught.value.reply)) == 1 + 2  # the role, and two tokens

    served(Settings(faults=(Fault(kind="stall", after=2),)), use, total=1.0)


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


@pytest.mark.parametrize("kind", ["cut", "stall", "malformed", "error_event"])
def test_a_whole_reply_goes_wrong_too(kind: Any) -> None:
    """Cut off or stalled in the middle, not JSON, or an error under a status of 200."""

    async def use(simulator: Simulator, post: Post) -> None:
        if kind in {"cut", "stall"}:
            with pytest.raises(ConnectionLost if kind == "cut" else TimedOut):
                await post()
        else:
            reply = await post()
            assert reply.status == 200
            assert _is_json(reply.body) == (kind == "error_event")
        assert (simulator.stats.faults, simulator.stats.paid) == ({kind: 1}, 1)

    served(Settings(faults=(Fault(kind=kind),)), use, total=1.0 if kind == "stall" else 30.0)


def test_an_error_within_a_stream_comes_with_a_status_of_200() -> None:
    """OmniRoute#8210: an in-band error is not a success."""

    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post(stream=True)
        events = [json.loads(data) for _, data in stamped_events(reply.reads)]
        assert reply.status == 200
        assert [("error" in event) for event in events] == [False, False, False, True]

    served(Settings(faults=(Fault(kind="error_event", after=2),), role="early"), use)


@pytest.mark.parametrize("stream", [False, True])
def test_an_endless_reply_goes_on_until_the_client_leaves(stream: bool) -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        with pytest.raises(TimedOut):
            await post(stream=stream)
        assert simulator.stats.faults == {"endless": 1}

    served(Settings(faults=(Fault(kind="endless"),)), use, total=1.0)


def test_a_silent_one_says_nothing_and_a_slow_one_answers_in_the_end() -> None:
    async def slow(simulator: Simulator, post: Post) -> None:
        assert (await post()).status == 200
        assert simulator.log[0].finished - simulator.log[0].received >= 0.05
        assert simulator.log[0].outcome == "completed"

    async def silent(simulator: Simulator, post: Post) -> None:
        with pytest.raises(TimedOut):
            await post()
        assert simulator.stats.paid == 0

    served(Settings(faults=(Fault(kind="slow", seconds=0.05),)), slow)
    served(Settings(faults=(Fault(kind="silent", seconds=60),)), silent, total=1.0)


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

    served(Settings(role="early", ttft=Distribution(constant=0.5)), use)


def test_what_is_no_request_gets_one_line() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post(max_tokens="many")
        assert reply.status == 400
        assert "not a request" in json.loads(reply.body)["error"]["message"]

    served(Settings(), use)


def test_completions_are_answered_streamed_and_not() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        said = json.loads((await post("/completions", prompt="x", messages=None)).body)
        assert said["object"] == "text_completion"
        found = chunks(await post("/completions", prompt="x", messages=None, stream=True))
        assert {chunk["object"] for chunk in found} == {"text_completion"}
        text = "".join(choice["text"] for chunk in found for choice in chunk["choices"])
        assert text == said["choices"][0]["text"] != ""
        assert found[-1]["choices"][0]["finish_reason"] == "stop"

    served(Settings(tokens=Distribution(constant=4)), use)


def test_reasoning_comes_before_the_answer_and_is_counted() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        found = chunks(await post(stream=True, stream_options={"include_usage": True}))
        kinds = [next(iter(choice["delta"])) for chunk in found for choice in chunk["choices"] if choice["delta"]]
        assert kinds[-5:] == ["reasoning_content", "reasoning_content", "content", "content", "content"]
        assert found[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}
        assert found[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 7}
        (entry,) = simulator.log
        assert (entry.first_token, entry.tokens, len(entry.sent)) == (2, 5, 6)

    settings = Settings(tokens=Distribution(constant=3), reasoning_tokens=2, cached_tokens=7, role="early")
    served(settings, use)


@pytest.mark.parametrize("role", ["early", "with_token"])
def test_an_answer_of_no_tokens_still_ends_properly(role: Any) -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        reply = await post(stream=True)
        assert reply.body.endswith(b"data: [DONE]\n\n")
        assert chunks(reply)[-1]["choices"][0]["finish_reason"] == "stop"
        assert json.loads((await post()).body)["choices"][0]["message"]["content"] == ""

    served(Settings(tokens=Distribution(constant=0), role=role), use)


def test_recorded_answers_and_replies_are_given(tmp_path: Path) -> None:
    """An answer, an error as it was, a stream as it was, a document on a path of its own; else what was asked."""
    stream = 'data: {"choices":[]}\n\ndata: [DONE]\n\n'
    lines = [
        {"text": "capital?", "answer": "Paris it is"},
        {
            "ask": "too much",
            "status": 429,
            "headers": {"Retry-After": "7", "Content-Length": "1"},
            "body": {"error": 1},
        },
        {"ask": "stream", "body": stream},
        {"path": "/v1/embeddings", "body": {"data": []}},
    ]
    (tmp_path / "answers.jsonl").write_text("\n".join(json.dumps(line) for line in lines))

    async def main() -> None:
        settings = Settings(answers="answers.jsonl", otherwise="echo")
        async with Simulator(settings, base=tmp_path) as simulator, Client() as client:

            async def ask(text: str, path: str = "/chat/completions") -> Reply:
                body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
                return await client.fetch(Route.to("POST", simulator.url + path, {}), body)

            said = [json.loads((await ask(text)).body)["choices"][0]["message"] for text in ("capital?", "say this")]
            assert [message["content"] for message in said] == ["Paris it is", "say this"]
            refused = await ask("far too much")
            assert (refused.status, refused.header("retry-after"), refused.body) == (429, "7", b'{"error":1}')
            streamed = await ask("stream")
            assert (streamed.header("content-type"), streamed.body) == ("text/event-stream", stream.encode())
            assert (await ask("x", "/embeddings")).body == b'{"data":[]}'
            assert simulator.stats.paid == 5

    asyncio.run(main())


def test_control_routes_tell_what_happened_and_begin_anew() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        origin = simulator.url.removesuffix("/v1")
        async with Client() as client:

            async def get(path: str, method: str = "GET") -> Reply:
                return await client.fetch(Route.to(method, origin + path, {}))

            assert [(await post()).status for _ in range(3)] == [500, 200, 200]
            assert json.loads((await get("/sim/stats")).body)["paid"] == 2
            assert len((await get("/sim/log")).body.splitlines()) == 3
            assert [one["id"] for one in json.loads((await get("/v1/models")).body)["data"]] == ["a", "b"]
            assert (await get("/health")).status == 200
            assert (await get("/sim/reset")).status == 404
            assert (await get("/none")).status == 404
            assert (await get("/v1/chat/completions")).status == 405
            assert (await get("/sim/reset", "POST")).status == 200
            assert (await get("/sim/log")).body == b""
            assert [(await post()).status for _ in range(2)] == [500, 200]  # the schedule and the limits too

    settings = Settings(
        models=("a", "b"), faults=(Fault(kind="500", first=1),), limits=RateLimits(requests_per_minute=3)
    )
    served(settings, use)


def test_concurrency_is_counted_and_limited() -> None:
    async def use(simulator: Simulator, post: Post) -> None:
        replies = await asyncio.gather(*(post() for _ in range(8)))
        assert sorted(reply.status for reply in replies) == [200] * 3 + [429] * 5
        assert (simulator.stats.limited, simulator.stats.concurrent) == (5, 0)

    served(Settings(ttft=Distribution(constant=1.0), limits=RateLimits(concurrent=3)), use)


def test_a_client_of_http_1_0_gets_a_plain_stream() -> None:
    async def main() -> bytes:
        async with Simulator(Settings(tokens=Distribution(constant=3))) as simulator:
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
            body = b'{"messages": [], "stream": true}'
            writer.write(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            data = await reader.read()
            writer.close()
            return data

    head, _, rest = asyncio.run(main()).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert all(line.startswith(b"data: ") for line in rest.split(b"\n") if line)
    assert rest.endswith(b"data: [DONE]\n\n")


def test_equal_seeds_and_requests_make_equal_streams() -> None:
    async def use(simulator: Simulator, post: Post) -> list[int]:
        return [json.loads((await post()).body)["usage"]["completion_tokens"] for _ in range(10)]

    settings = Settings(tokens=Distribution(uniform=(5, 50)), seed=3)
    assert served(settings, use) == served(settings, use)
