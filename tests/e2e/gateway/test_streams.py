"""Streams as they come in the field: usage in odd places, errors in their midst, ends that are missing."""

import json
import threading
from typing import Any

import openai
import pytest
from tests.e2e.gateway.conftest import Serve, Served, Simulate, ask, stream
from tests.e2e.gateway.upstream import DONE, Call, Script, answer, delta, event, many, one, refusal, scripted

USAGE = {
    "prompt_tokens": 3000,
    "completion_tokens": 10,
    "total_tokens": 3010,
    "prompt_tokens_details": {"cached_tokens": 2455},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
CACHED_COST = (545 * 10 + 2455 * 1 + 10 * 40) / 1e6
TEXT = "Ünïcödé, 漢字 and 🙂: a whole answer."


def streaming(*pieces: bytes, end: bool = True) -> Script:
    return lambda call: call.stream(pieces, end=end)


def chunks(served: Served, **options: Any) -> list[Any]:
    messages: Any = [{"role": "user", "content": "Hi"}]
    return list(served.client().chat.completions.create(model="it", messages=messages, stream=True, **options))


@pytest.mark.parametrize("include", [True, False])
def test_usage_on_a_chunk_with_choices_is_read_and_moved_to_where_it_belongs(serve: Serve, include: bool) -> None:
    """litellm#36168: it was dropped, and cached tokens were billed at the full rate."""
    last = delta(finish="stop", usage=USAGE)
    with scripted(streaming(event(delta("Hi")), event(last), DONE)) as upstream:
        served = serve(one(upstream.url))
        got = chunks(served, **({"stream_options": {"include_usage": True}} if include else {}))
    told = [chunk for chunk in got if chunk.usage is not None]
    assert [chunk.choices for chunk in told] == ([[]] if include else [])
    if include:
        assert told[0].usage.prompt_tokens_details.cached_tokens == 2455
    (record,) = served.records()
    assert (record.usage.input, record.usage.cached, record.usage.output) == (3000, 2455, 10)
    assert record.cost == pytest.approx(CACHED_COST)


def test_streamed_or_not_the_cost_is_the_same(serve: Serve) -> None:
    """litellm#11789: 2,455 cached tokens were billed at their price without streaming, and in full with it."""

    def script(call: Call) -> None:
        if call.body.get("stream"):
            call.stream([event(delta("Fine.")), event(delta(finish="stop")), event(delta(usage=USAGE)), DONE])
        else:
            call.reply(answer(usage=USAGE))

    with scripted(script) as upstream:
        served = serve(one(upstream.url))
        ask(served)
        stream(served)
    costs = [record.cost for record in served.records(2)]
    assert costs == [pytest.approx(CACHED_COST)] * 2


def test_cached_tokens_are_counted_once_at_a_price_of_ones_own(serve: Serve) -> None:
    """litellm#40006, PR#40016, PR#31282: 100 uncached, 700 written to and 200 read from the cache."""
    said = {
        "type": "message", "id": "m-1", "role": "assistant", "model": "claude",
        "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 100, "cache_creation_input_tokens": 700, "cache_read_input_tokens": 200,
                  "output_tokens": 50},
    }  # fmt: skip
    with scripted(lambda call: call.reply(said)) as upstream:
        document = one(upstream.url)
        document["providers"]["a"] = {"preset": "anthropic-native", "base_url": upstream.url, "key": "$SOME_KEY"}
        document["models"]["a"]["price"] = {"input": 3, "output": 15, "cached": 0.3, "cache_write": 3.75}
        served = serve(document, env={"SOME_KEY": "sk-x"})
        ask(served)
    (record,) = served.records()
    assert record.cost == pytest.approx((100 * 3 + 700 * 3.75 + 200 * 0.3 + 50 * 15) / 1e6)
    assert (record.usage.input, record.usage.cached, record.usage.cache_write) == (1000, 200, 700)


def test_a_chunk_with_usage_alone_harms_nobody(serve: Serve) -> None:
    """Portkey-AI/gateway#1072: Groq's usage-only chunk, in `x_groq` too, killed the process."""
    groq = delta(x_groq={"id": "req_1", "usage": USAGE})
    groq["choices"] = []
    with scripted(streaming(event(delta("Hi")), event(delta(finish="stop")), event(groq), DONE)) as upstream:
        served = serve(one(upstream.url))
        assert [stream(served), stream(served)] == ["Hi", "Hi"]
    assert served.process.poll() is None
    assert [record.usage.output for record in served.records(2)] == [10, 10]


def test_usage_is_metered_where_a_provider_refuses_to_be_asked_for_it(serve: Serve) -> None:
    """litellm#23847: a provider that takes no `stream_options` is not sent any, and its tokens are counted."""

    def script(call: Call) -> None:
        if "stream_options" in call.body:
            call.reply(refusal("Extra inputs are not permitted: stream_options", "invalid_request_error"), 422)
        else:
            call.stream([event(delta("Hi ")), event(delta("there")), event(delta(finish="stop")), DONE])

    with scripted(script) as upstream:
        document = one(upstream.url)
        document["providers"]["a"] = {"preset": "mistral", "base_url": upstream.url, "key": "$SOME_KEY"}
        served = serve(document, env={"SOME_KEY": "k"})
        assert stream(served) == "Hi there"
    (record,) = served.records()
    assert record.usage.output == 2
    assert record.cost is not None
    assert record.cost > 0


# --- pieces


def test_a_stream_in_reads_of_one_byte_is_the_same_stream(serve: Serve) -> None:
    """vllm-project/aibrix PR#2653: an event split across reads was called malformed."""
    whole = b"".join([event(delta(word)) for word in TEXT.split(" ")] + [event(delta(finish="stop")), DONE])
    with scripted(streaming(*(whole[n : n + 1] for n in range(len(whole))))) as upstream:
        served = serve(one(upstream.url))
        assert stream(served) == TEXT.replace(" ", "")
    assert served.records()[0].outcome == "ok"


def test_a_stream_split_in_two_at_any_byte_is_the_same_stream(serve: Serve) -> None:
    """vllm-project/aibrix PR#2653, once for each byte."""
    whole = event(delta("🙂 é")) + b": a comment\r\n\r\n" + event(delta("!", finish="stop")) + DONE

    def script(call: Call) -> None:
        call.stream([whole[: call.number], whole[call.number :]])

    with scripted(script) as upstream:
        served = serve(one(upstream.url))
        client = served.client()
        for _ in range(1, len(whole)):
            got = client.chat.completions.create(model="it", messages=[], stream=True)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in got) == "🙂 é!"
    assert {record.outcome for record in served.records(len(whole) - 1)} == {"ok"}


def test_nothing_is_merged_or_held_back(serve: Serve) -> None:
    """Each chunk reaches the client before the provider sends the next one."""
    turns: list[Any] = []

    def script(call: Call) -> None:
        call.head(200, "text/event-stream")
        for word in ("one", "two", "three"):
            turns.append(word)
            call.send(event(delta(word)))
            call.left.wait(20)  # until the client has it
            call.left.clear()
        call.send(event(delta(finish="stop")) + DONE)

    with scripted(script) as upstream:
        served = serve(one(upstream.url))
        got = served.client().chat.completions.create(model="it", messages=[], stream=True)
        for chunk in got:
            if word := chunk.choices[0].delta.content:
                assert turns[-1] == word
                upstream.calls[0].left.set()
    assert turns == ["one", "two", "three"]


# --- errors inside a 200

OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(event({"error": {"message": "no", "code": 502}, "choices": []}), id="in-band"),
        pytest.param(event(OVERLOADED, "error"), id="event: error"),
        pytest.param(event({"message": "Overloaded"}, "error"), id="event: error without an error object"),
        pytest.param(event(delta("", delta={"role": "assistant"})) + event(OVERLOADED, "error"), id="role"),
        pytest.param(event("{broken"), id="malformed"),
        pytest.param(b"", id="nothing"),
        pytest.param(DONE, id="only its end"),
    ],
)  # fmt: skip
def test_an_error_before_the_first_token_falls_back(serve: Serve, simulate: Simulate, first: bytes) -> None:
    """diegosouzapw/OmniRoute PR#8210: an in-band error was a success. litellm#5512, #6532, #6957, Portkey#722, PR#741,
    PR#949: `overloaded_error` in a stream led to no fallback. litellm#10593: no 200 before the error is known."""
    with scripted(streaming(first)) as upstream:
        served = serve(many([upstream.url, simulate(tokens={"constant": 5}).url]))
        assert len(stream(served).split()) == 5
        assert len(upstream.calls) <= 2
    (record,) = served.records()
    assert (record.outcome, record.route.target, record.status) == ("ok", "b", 200)


@pytest.mark.parametrize("attempts", [1, 3])
def test_without_a_fallback_an_error_at_the_beginning_is_tried_again_as_often_as_said(
    serve: Serve, attempts: int
) -> None:
    """litellm#29808: `num_retries` was ignored for streams without a fallback; #29223: the error was swallowed. And
    litellm#10593: what the client gets is an error status, no 200."""
    with scripted(streaming(event(OVERLOADED, "error"))) as upstream:
        served = serve(one(upstream.url, route={"attempts": attempts}))
        with pytest.raises(openai.InternalServerError) as caught:
            stream(served)
        assert len(upstream.calls) == attempts
    assert caught.value.status_code == 503
    assert served.records()[0].outcome == "failed"


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(event({"error": {"message": "went wrong", "code": 502}, "choices": []}), id="in-band"),
        pytest.param(event(OVERLOADED, "error"), id="event: error"),
        pytest.param(event({"message": "Overloaded"}, "error"), id="event: error without an error object"),
        pytest.param(b"", id="no end"),
    ],
)
def test_an_error_after_the_first_token_reaches_the_client(serve: Serve, simulate: Simulate, then: bytes) -> None:
    """Portkey#1797: a stream cut upstream ended cleanly. litellm#29223: an error in the stream was not passed on."""
    delivered = threading.Event()

    def script(call: Call) -> None:
        call.stream([event(delta("Half an"))], end=False)
        delivered.wait(20)
        call.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(then), then) if then else b"0\r\n\r\n")

    with scripted(script) as upstream:
        served = serve(many([upstream.url, simulate().url]))
        got = served.client().chat.completions.create(model="it", messages=[], stream=True)
        assert next(got).choices[0].delta.content == "Half an"
        delivered.set()
        with pytest.raises(openai.APIError):
            list(got)
        assert len(upstream.calls) == 1
    (record,) = served.records()
    assert (record.outcome, record.usage.output) == ("cut", 1)


@pytest.mark.parametrize("rescued", [False, True])
def test_what_came_in_the_same_read_as_an_error_reaches_the_client(serve: Serve, rescued: bool) -> None:
    """It is counted, billed, and what a rescue goes on from: lost, it would be a hole in the answer."""
    begun = threading.Event()

    def broken(call: Call) -> None:
        call.stream([event(delta("one "))], end=False)
        begun.wait(20)
        piece = event(delta("two ")) + event("{broken")
        call.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    def healthy(call: Call) -> None:
        call.stream([event(delta("one two three")), event(delta(finish="stop")), DONE])

    text = ""

    def read(served: Served) -> None:
        nonlocal text
        for chunk in served.client().chat.completions.create(model="it", messages=[], stream=True):
            text += chunk.choices[0].delta.content or ""
            begun.set()

    rescue = {"stream_rescue": {"hold": 0, "prefill": False}}
    with scripted(broken) as upstream, scripted(healthy) as other:
        served = serve(many([upstream.url, other.url], route=rescue if rescued else {}))
        if rescued:
            read(served)
        else:
            with pytest.raises(openai.APIError):
                read(served)
    assert text == ("one two three" if rescued else "one two ")


def test_a_done_is_never_read_as_json(serve: Serve) -> None:
    """Portkey PR#1526: `[DONE]` was fed to the JSON parser; here in every dress."""
    ends = [b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"data: [DONE] \r\n\r\n", b"data: [DONE]", b"data: [DONE]\n"]
    with scripted(lambda call: call.stream([event(delta("Hi", finish="stop")), ends[call.number - 1]])) as upstream:
        served = serve(one(upstream.url))
        assert [stream(served) for _ in ends] == ["Hi"] * len(ends)
    assert {record.outcome for record in served.records(len(ends))} == {"ok"}


def test_what_comes_after_the_end_is_not_waited_for(serve: Serve) -> None:
    """OmniRoute#6777: without an end the client hung. A provider that says [DONE] and keeps the connection is done."""

    def script(call: Call) -> None:
        call.head(200, "text/event-stream", Transfer_Encoding="chunked")
        for piece in (event(delta("Hi", finish="stop")), DONE):
            call.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        call.wait_until_left(20)

    with scripted(script) as upstream:
        served = serve(one(upstream.url, route={"gap": "2s"}))
        with served.client().chat.completions.create(model="it", messages=[], stream=True) as got:
            assert [chunk.choices[0].delta.content for chunk in got] == ["Hi"]
    (record,) = served.records()
    assert record.outcome == "ok"


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": "no", "code": 502}, "choices": []},
        b"<html>",
        b"",
        b'{"choices": [{"index": 0, "mess',
        {"id": "x"},
        pytest.param([1], marks=()),
    ],
    ids=str,
)
def test_an_error_inside_a_200_that_is_not_streamed_is_an_error(serve: Serve, simulate: Simulate, said: Any) -> None:
    """diegosouzapw/OmniRoute PR#8210, whole; Portkey#267: an error was reported with HTTP 200."""
    with scripted(lambda call: call.reply(said)) as upstream:
        served = serve(many([upstream.url, simulate().url]))
        assert ask(served).choices[0].message.content
    (record,) = served.records()
    assert (record.route.target, record.attempts[0].failure is None) == ("b", False)


def test_the_client_reads_the_bytes_a_provider_wrote(serve: Serve) -> None:
    """Unknown fields, the order of keys and numbers too long for a float pass as they came."""
    odd = '{"id":"x","object":"chat.completion.chunk","new_field":{"b":1,"a":12345678901234567890},"created":1,'
    odd += '"model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}'
    with scripted(streaming(event(odd), DONE)) as upstream:
        served = serve(one(upstream.url))
        raw = served.client().chat.completions.with_raw_response.create(model="it", messages=[], stream=True)
        text = raw.http_response.read().decode()
    assert f"data: {odd}\n\n" in text
    assert json.loads(odd)["new_field"]["a"] == 12345678901234567890
