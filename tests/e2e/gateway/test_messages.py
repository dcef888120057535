"""Anthropic's Messages API, asked with Anthropic's SDK; behind the gateway are providers that speak OpenAI's dialect,
unless a test says otherwise."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anthropic
import pytest
from tests.e2e.gateway.conftest import Serve, Served, Simulate, config

from weighbridge.simulator.process import Running

HELLO: list[Any] = [{"role": "user", "content": "Say something"}]
WEATHER: Any = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CALLS = [
    {"id": f"call_{city}", "type": "function", "function": {"name": "weather", "arguments": f'{{"city":"{city}"}}'}}
    for city in ("Oslo", "Rome")
]


def client(served: Served, key: str = "none") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=served.origin, api_key=key, max_retries=0)


def ask(served: Served, **options: Any) -> Any:
    with client(served) as one:
        return one.messages.create(**{"model": "it", "max_tokens": 512, "messages": HELLO, **options})


def post(served: Served, body: bytes) -> tuple[int, str]:
    """Status and body of what no SDK would send, or not show."""
    request = urllib.request.Request(f"{served.url}/messages", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def events(served: Served, **options: Any) -> list[Any]:
    """A stream's events as they are on the wire."""
    body = {"model": "it", "max_tokens": 512, "messages": HELLO, "stream": True, **options}
    status, text = post(served, json.dumps(body).encode())
    assert status == 200
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


Recorded = Callable[..., Running]


@pytest.fixture
def recorded(simulate: Simulate, tmp_path: Path) -> Recorded:
    """A provider that says what was written down for it."""

    def begin(*lines: dict[str, Any]) -> Running:
        path = tmp_path / "answers.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return simulate(answers=str(path))

    return begin


def sse(*chunks: dict[str, Any]) -> str:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "simulated", "choices": [choice]}


def fragments() -> list[dict[str, Any]]:
    """Two calls, each in three pieces: the first chunk of all is a call's (CLIProxyAPI#561)."""
    found = []
    for place, call in enumerate(CALLS):
        arguments = str(call["function"]["arguments"])  # type: ignore[index]
        head = {**call, "index": place, "function": {"name": "weather", "arguments": ""}}
        found.append(chunk({"tool_calls": [head]}))
        found += [
            chunk({"tool_calls": [{"index": place, "function": {"arguments": piece}}]})
            for piece in (arguments[:6], arguments[6:])
        ]
    usage = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
    return [*found, chunk({}, "tool_calls"), {"id": "chatcmpl-1", "choices": [], "usage": usage}]


def test_a_message_is_answered_and_recorded(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate(tokens={"constant": 7})]))
    reply = ask(served, system="Be brief", stop_sequences=["STOP"], extra_body={"temperature": 0.5})
    assert len(reply.content[0].text.split()) == 7
    assert (reply.type, reply.role, reply.model, reply.stop_reason) == ("message", "assistant", "simulated", "end_turn")
    (record,) = served.records()
    assert (record.outcome, record.api, record.status, record.route.target) == ("ok", "messages", 200, "a")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (record.usage.input, record.usage.output)
    assert reply._request_id == record.id


def test_a_stream_is_one_message_whose_usage_is_known_at_its_end(simulate: Simulate, serve: Serve) -> None:
    """bifrost#4556: one `message_start`. envoy ai-gateway#2352: the input's tokens are never 0."""
    served = serve(config([simulate(tokens={"constant": 12})]))
    found = events(served)
    kinds = [event["type"] for event in found]
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 12,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert found[0]["message"]["usage"]["input_tokens"] > 0
    (record,) = served.records()
    assert found[-2]["usage"]["input_tokens"] == record.usage.input
    assert found[-2]["usage"]["output_tokens"] == record.usage.output == 12
    assert found[-2]["delta"]["stop_reason"] == "end_turn"
    assert (record.outcome, record.api, record.streamed) == ("ok", "messages", True)


def test_the_sdk_reads_the_stream_as_the_whole_message(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate(tokens={"constant": 12}, reasoning_tokens=3)]))
    whole = ask(served)
    with client(served) as one, one.messages.stream(model="it", max_tokens=512, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert text == final.content[1].text == whole.content[1].text  # type: ignore[union-attr]
    assert final.usage.output_tokens == whole.usage.output_tokens == 15


def test_events_are_not_delayed(simulate: Simulate, serve: Serve) -> None:
    """The first words are there while the provider is still far from its end."""
    one = simulate(tokens={"constant": 60}, gap={"constant": 1.0})
    served = serve(config([one]))
    with client(served) as sdk, sdk.messages.stream(model="it", max_tokens=512, messages=HELLO) as stream:
        next(iter(stream.text_stream))
        assert one.stats().completed == 0
        assert one.stats().concurrent == 1
    served.records()  # closed before its end: cancelled upstream, and in the record all the same


def test_parallel_calls_of_tools_are_all_kept(recorded: Recorded, serve: Serve) -> None:
    """api7/aisix#170: no `tool_use` is dropped; litellm#12481: a turn of calls stops with `tool_use`."""
    message = {"role": "assistant", "content": None, "tool_calls": CALLS}
    usage = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    served = serve(
        config([recorded({"body": {"id": "chatcmpl-1", "model": "m", "choices": [choice], "usage": usage}})])
    )
    reply = ask(served, tools=[WEATHER])
    assert [(block.type, block.id, block.input) for block in reply.content] == [
        ("tool_use", "call_Oslo", {"city": "Oslo"}),
        ("tool_use", "call_Rome", {"city": "Rome"}),
    ]
    assert reply.stop_reason == "tool_use"


def test_parallel_calls_of_tools_are_streamed_one_block_after_the_other(recorded: Recorded, serve: Serve) -> None:
    """CLIProxyAPI#561, litellm PR#37792: `message_start` comes first, and each call is a block of its own."""
    served = serve(config([recorded({"body": sse(*fragments())})]))
    found = events(served, tools=[WEATHER])
    assert [event["type"] for event in found].count("message_start") == 1
    assert found[0]["type"] == "message_start"
    asked: dict[str, Any] = {"model": "it", "max_tokens": 99, "messages": HELLO, "tools": [WEATHER]}
    with client(served) as one, one.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert [(block.id, block.input) for block in final.content if block.type == "tool_use"] == [
        ("call_Oslo", {"city": "Oslo"}),
        ("call_Rome", {"city": "Rome"}),
    ]
    assert final.stop_reason == "tool_use"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (30, 12)


def test_results_of_tools_reach_the_provider_in_its_own_words(recorded: Recorded, serve: Serve) -> None:
    """The digest of what the provider must have been sent picks the answer."""
    from weighbridge.simulator.answers import digest

    sent = [
        {"role": "user", "content": "Say something"},
        {"role": "assistant", "content": None, "tool_calls": CALLS[:1]},
        {"role": "tool", "tool_call_id": "call_Oslo", "content": [{"type": "text", "text": "rain"}]},
    ]
    one = recorded({"messages": digest(sent), "answer": "It rains"}, {"answer": "I was asked something else"})
    use = {"type": "tool_use", "id": "call_Oslo", "name": "weather", "input": {"city": "Oslo"}}
    text = {"type": "text", "text": "rain", "cache_control": {"type": "ephemeral"}}
    result = {"type": "tool_result", "tool_use_id": "call_Oslo", "content": [text]}
    turns = [*HELLO, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    reply = ask(serve(config([one])), messages=turns, tools=[WEATHER])
    assert reply.content[0].text == "It rains"


ERRORS: Sequence[tuple[str, int, type[anthropic.APIStatusError], str]] = [
    ("529", 529, anthropic.APIStatusError, "overloaded_error"),
    ("503", 529, anthropic.APIStatusError, "overloaded_error"),
    ("429", 429, anthropic.RateLimitError, "rate_limit_error"),
    ("context_length", 400, anthropic.BadRequestError, "invalid_request_error"),
    ("content_filter", 400, anthropic.BadRequestError, "invalid_request_error"),
    ("reset", 502, anthropic.APIStatusError, "api_error"),
]


@pytest.mark.parametrize(("kind", "status", "error", "name"), ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_anthropics(
    simulate: Simulate,
    serve: Serve,
    *,
    kind: str,
    status: int,
    error: type[anthropic.APIStatusError],
    name: str,
    stream: bool,
) -> None:
    """An overloaded provider is a 529 here, whatever its own status was."""
    served = serve(config([simulate(faults=[{"kind": kind}])], route={"attempts": 1}))
    with pytest.raises(error) as caught:
        ask(served, stream=stream)
    assert caught.value.status_code == status
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", name)
    assert body["request_id"] == caught.value.request_id == served.records()[0].id


def test_a_stream_that_breaks_is_an_error_event_on_which_the_sdk_raises(simulate: Simulate, serve: Serve) -> None:
    """litellm#5512, Portkey#722: never a clean end, and never a `message_stop`."""
    served = serve(config([simulate(tokens={"constant": 60}, faults=[{"kind": "cut", "after": 20}])]))
    found = events(served)
    assert found[-1]["type"] == "error"
    assert all(event["type"] != "message_stop" for event in found)
    text = "".join(event["delta"]["text"] for event in found if event["type"] == "content_block_delta")
    assert len(text.split()) == 20
    with client(served) as one, pytest.raises(anthropic.APIStatusError):
        for _ in one.messages.create(model="it", max_tokens=99, messages=HELLO, stream=True):
            pass
    assert served.records(2)[0].outcome == "cut"


def test_before_the_first_token_a_stream_falls_over(simulate: Simulate, serve: Serve) -> None:
    """litellm#5512: an error before any token is the next target's turn."""
    one = simulate(faults=[{"kind": "error_event", "after": 0}])
    served = serve(config([one, simulate(tokens={"constant": 9})]))
    found = events(served)
    assert found[-1]["type"] == "message_stop"
    assert served.records()[0].route.target == "b"


def test_keys_come_as_anthropics_sdk_sends_them(simulate: Simulate, serve: Serve) -> None:
    """`x-api-key`; a bad one is a 401 in Anthropic's words, before anything else is looked at."""
    import hashlib

    said = config([simulate()])
    said["keys"] = {"app": {"hash": hashlib.sha256(b"wb-good").hexdigest()}}
    nobody: list[Any] = [{"role": "nobody", "content": ""}]
    served = serve(said)
    with client(served, "wb-good") as one:
        assert one.messages.create(model="it", max_tokens=9, messages=HELLO).content
    with client(served, "wb-bad") as one, pytest.raises(anthropic.AuthenticationError) as caught:
        one.messages.create(model="it", max_tokens=9, messages=nobody)
    assert caught.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"messages":[]}', "model"),
        (b'{"model":"it","messages":[{"role":"nobody","content":""}]}', "nobody"),
        (b'{"model":"it","messages":[{"role":"user","content":[{"type":"text","text":5}]}]}', "text"),
    ],
)
def test_what_is_no_message_is_a_400_that_says_why_and_is_recorded(
    simulate: Simulate, serve: Serve, body: bytes, words: str
) -> None:
    served = serve(config([simulate()]))
    status, text = post(served, body)
    said = json.loads(text)
    assert (status, said["type"], said["error"]["type"]) == (400, "error", "invalid_request_error")
    assert words in said["error"]["message"]
    (record,) = served.records()
    assert (record.outcome, record.api) == ("refused", "messages")


def test_an_unknown_endpoint_is_a_404(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate()]))
    with pytest.raises(anthropic.NotFoundError, match="There are: it"):
        ask(served, model="claude-opus-4")


# --- Anthropic behind the gateway too

NATIVE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 700,
        "cache_read_input_tokens": 200,
        "output_tokens": 5,
    },
}
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


def native(targets: Sequence[Running], *names: str) -> dict[str, Any]:
    """Those named speak Anthropic's own API."""
    said = config(targets)
    for name in names:
        said["providers"][name] |= {"preset": "anthropic-native", "key": "$KEY"}
    return said


def test_between_anthropic_and_anthropic_nothing_is_lost(recorded: Recorded, serve: Serve) -> None:
    """Signed thoughts, caching and its usage (litellm#31069) come through as they are."""
    one = recorded({"path": "/v1/messages", "body": NATIVE})
    served = serve(native([one], "a"), env={"KEY": "none"})
    reply = ask(served, thinking=THINKING, tools=[WEATHER])
    assert [block.type for block in reply.content] == ["thinking", "text", "tool_use"]
    assert reply.content[0].signature == "c2ln"
    usage = reply.usage
    assert (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (10, 700, 200)


def test_what_only_anthropic_does_goes_to_no_other_target(recorded: Recorded, serve: Serve) -> None:
    """Never a silent change: thinking goes to the Claude of the endpoint; where there is none, a 400 names it; with
    `drop_params` it is left out, and nothing of Anthropic's reaches a provider that does not know it."""
    one = recorded({"path": "/v1/messages", "body": NATIVE}, {"path": "/v1/chat/completions", "answer": "plain"})
    said = native([one, one, one], "b")
    said["endpoints"] = {
        "it": {"candidates": ["a", "b"]},
        "plain": {"candidates": ["a"]},
        "dropping": {"candidates": ["c"], "drop_params": True},
    }
    served = serve(said, env={"KEY": "none"})
    assert ask(served).content[0].text == "plain"
    assert ask(served, thinking=THINKING).content[1].text == "Hello"
    assert served.records(2)[1].attempts[0].target == "b"
    with pytest.raises(anthropic.BadRequestError, match="only that does thinking"):
        ask(served, model="plain", thinking=THINKING)
    assert ask(served, model="dropping", thinking=THINKING).content[0].text == "plain"


def test_tokens_are_counted_where_the_first_target_is_anthropics(recorded: Recorded, serve: Serve) -> None:
    """The upstream's own count, for nothing; elsewhere a 404 that says why, and never a guess."""
    one = recorded(
        {"path": "/v1/messages/count_tokens", "body": {"input_tokens": 14}},
        {"path": "/v1/chat/completions", "answer": "plain"},
    )
    said = native([one, one], "a")
    said["endpoints"] = {"it": {"candidates": ["a", "b"]}, "other": {"candidates": ["b", "a"]}}
    served = serve(said, env={"KEY": "none"})
    with client(served) as sdk:
        assert sdk.messages.count_tokens(model="it", messages=HELLO).input_tokens == 14
        with pytest.raises(anthropic.NotFoundError, match="b, which answers for other, has no count_tokens"):
            sdk.messages.count_tokens(model="other", messages=HELLO)
    counted, refused = served.records(2)
    assert (counted.outcome, counted.route.target, counted.cost) == ("ok", "a", 0.0)
    assert refused.outcome == "refused"
