"""Tools of a vendor with another API, streamed to OpenAI's SDK; and answers of it from the cache."""

import json
from typing import Any

import httpx2
import pytest
from tests.e2e.gateway.conftest import Serve
from tests.e2e.gateway.upstream import DONE, Call, answer, delta, event, one, scripted

USAGE = {
    "prompt_tokens": 3000,
    "completion_tokens": 10,
    "total_tokens": 3010,
    "prompt_tokens_details": {"cached_tokens": 2455},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
STARTED: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}


def block(index: int, kind: dict[str, Any], *pieces: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one content block."""
    deltas = [{"type": "content_block_delta", "index": index, "delta": piece} for piece in pieces]
    begun = {"type": "content_block_start", "index": index, "content_block": kind}
    return [begun, *deltas, {"type": "content_block_stop", "index": index}]


def arguments(text: str) -> dict[str, str]:
    return {"type": "input_json_delta", "partial_json": text}


def tool(identity: str, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": {}}


EVENTS = [
    {"type": "message_start", "message": STARTED},
    *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Let me see."}),
    *block(1, tool("toolu_1", "weather"), arguments(""), arguments('{"ci'), arguments('ty": "Oslo"}')),
    *block(2, tool("toolu_2", "clock")),
    *block(3, tool("toolu_3", "weather"), arguments('{"city": "Bergen"}')),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 30}},
    {"type": "message_stop"},
]


def test_calls_that_are_streamed_keep_their_ids_and_their_arguments_apart(serve: Serve) -> None:
    """Portkey#1275: with several tools, Anthropic's calls were broken. Portkey PR#1537: indices thrashed. litellm
    PR#40040: each fragment had a new id. litellm PR#37792: all had index 0. litellm#12481, #12862: it ended with
    `stop`."""
    with scripted(lambda call: call.stream([event(one, str(one["type"])) for one in EVENTS])) as upstream:
        document = one(upstream.url)
        document["providers"]["a"] = {"preset": "anthropic-native", "base_url": upstream.url, "key": "$SOME_KEY"}
        served = serve(document, env={"SOME_KEY": "k"})
        messages: Any = [{"role": "user", "content": "The weather?"}]
        tools: Any = [{"type": "function", "function": {"name": name}} for name in ("weather", "clock")]
        got = list(served.client().chat.completions.create(model="it", messages=messages, tools=tools, stream=True))
    calls: dict[int, list[Any]] = {}
    for chunk in got:
        for fragment in chunk.choices[0].delta.tool_calls or () if chunk.choices else ():
            calls.setdefault(fragment.index, []).append(fragment)
    assert sorted(calls) == [0, 1, 2]
    assert [[one.id for one in calls[n] if one.id] for n in range(3)] == [["toolu_1"], ["toolu_2"], ["toolu_3"]]
    said = ["".join(one.function.arguments or "" for one in calls[n]) for n in range(3)]
    assert [json.loads(text or "{}") for text in said] == [{"city": "Oslo"}, {}, {"city": "Bergen"}]
    assert [chunk.choices[0].finish_reason for chunk in got if chunk.choices][-1] == "tool_calls"
    assert served.records()[0].usage.output == 30


def test_a_stream_from_the_cache_has_the_usage_it_had(serve: Serve) -> None:
    """BerriAI/litellm PR#42244: a hit, streamed, lost its cached and reasoning tokens."""
    pieces = [event(delta("Hi")), event(delta(finish="stop")), event(delta(usage=USAGE, choices=[])), DONE]
    with scripted(lambda call: call.stream(pieces)) as upstream:
        served = serve(one(upstream.url, cache={"keep": "60s"}))
        said = []
        for _ in range(3):
            options: Any = {"stream": True, "stream_options": {"include_usage": True}}
            said.append(list(served.client().chat.completions.create(model="it", messages=[], **options)))
        assert len(upstream.calls) == 1
    for chunks in said:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hi"
        usage = chunks[-1].usage
        assert usage.prompt_tokens_details.cached_tokens == 2455
        assert usage.completion_tokens_details.reasoning_tokens == 4
    first, *hits = served.records(3)
    assert [one.cache for one in (first, *hits)] == [None, "exact", "exact"]
    assert all(one.cost == 0 for one in hits)
    assert all(one.usage.cached == first.usage.cached for one in hits)


@pytest.mark.parametrize(
    "more",
    [
        {"instructions": "Be brief"},
        {"temperature": 0.5},
        {"max_output_tokens": 77},
        {"reasoning": {"effort": "low"}},
        {"text": {"format": {"type": "json_object"}}},
        {"tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]},
        {"top_p": 0.4},
    ],
    ids=str,
)
def test_every_parameter_of_a_response_is_part_of_the_cache_key(serve: Serve, more: dict[str, Any]) -> None:
    """BerriAI/litellm PR#25673: parameters of Responses were missing in the key, so others' answers came back."""

    def script(call: Call) -> None:
        call.reply(answer(str(call.number)))

    with scripted(script) as upstream:
        served = serve(one(upstream.url, cache={"keep": "60s"}))
        client = served.client()
        each: Any = ({}, more, {}, more)
        texts = [client.responses.create(model="it", input="Hi", **options).output_text for options in each]
        assert len(upstream.calls) == 2
    assert texts == ["1", "2", "1", "2"]


MESSAGE = {"role": "assistant", "content": "Hi", "thinking_blocks": 5, "annotations": 5}
NO_WORDS = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
"""A chat reply that OpenAI's clients get as it is, and no other API can say."""


@pytest.mark.parametrize("later", [False, True], ids=["at-once", "after-a-retry"])
@pytest.mark.parametrize(("path", "subject"), [("messages", "messages"), ("responses", "input")])
def test_an_answer_without_words_in_the_clients_api_is_on_record_as_the_502_it_was(
    serve: Serve, path: str, subject: str, later: bool
) -> None:
    """It failed, by the provider's protocol; and what it cost is paid for."""

    def said(call: Call) -> None:
        call.reply({"error": {"message": "Not now"}}, 500) if later and call.number == 1 else call.reply(NO_WORDS)

    body = {"model": "it", "max_tokens": 9, subject: [{"role": "user", "content": "Hi"}]}
    if path == "responses":
        del body["max_tokens"]
    with scripted(said) as upstream:
        served = serve(one(upstream.url))
        reply = httpx2.post(f"{served.url}/{path}", json=body, timeout=30)
    assert reply.status_code == 502
    assert "no words in this API" in reply.json()["error"]["message"]
    (record,) = served.records()
    assert (record.outcome, record.status) == ("failed", 502)
    assert record.failure is not None
    assert record.failure.error_class == "protocol"
    assert (record.usage.input, record.usage.output) == (3, 2)
    assert record.cost == record.attempts[-1].cost
    assert record.cost


@pytest.mark.parametrize(("stream", "outcome", "status"), [(False, "failed", 502), (True, "cut", 200)])
def test_a_kept_answer_without_words_in_the_clients_api_is_on_record_as_it_ended(
    serve: Serve, stream: bool, outcome: str, status: int
) -> None:
    with scripted(lambda call: call.reply(NO_WORDS)) as upstream:
        served = serve(one(upstream.url, cache={"keep": "1h"}))
        body = {"model": "it", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        assert httpx2.post(f"{served.url}/chat/completions", json=body, timeout=30).status_code == 200
        reply = httpx2.post(f"{served.url}/messages", json={**body, "stream": stream}, timeout=30)
    assert reply.status_code == status
    assert "no words in this API" in reply.text
    record = served.records(2)[-1]
    assert (record.cache, record.outcome, record.status) == ("exact", outcome, status)
    assert record.failure is not None
    assert record.failure.error_class == "protocol"
