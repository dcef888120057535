"""OpenAI's Responses API, asked with its SDK; behind the gateway are providers that have only chat completions."""

import json
import threading
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.e2e.gateway.conftest import Serve, Served, Simulate, config
from tests.e2e.gateway.test_messages import CALLS, fragments, sse
from tests.e2e.gateway.upstream import Call, delta, event, one, refusal, scripted

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


def ask(served: Served, **options: Any) -> Any:
    with served.client() as client:
        return client.responses.create(**{"model": "it", "input": "Say something", **options})


def events(served: Served, **options: Any) -> list[Any]:
    """Every event of a stream. Raises what the SDK raises."""
    with served.client() as client:
        return list(client.responses.create(**{"model": "it", "input": "Say something", "stream": True, **options}))


def calls(response: Any) -> list[tuple[str, str, str]]:
    return [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"]


WANTED = [("call_Oslo", "weather", '{"city":"Oslo"}'), ("call_Rome", "weather", '{"city":"Rome"}')]


def test_a_response_is_made_of_a_chat_and_recorded(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate(tokens={"constant": 7})]))
    reply = ask(served, instructions="Be brief", max_output_tokens=50, metadata={"a": "b"})
    assert len(reply.output_text.split()) == 7
    assert (reply.status, reply.object, reply.model) == ("completed", "response", "simulated")
    assert (reply.instructions, reply.metadata) == ("Be brief", {"a": "b"})
    (record,) = served.records()
    assert (record.outcome, record.api, record.status, record.route.target) == ("ok", "responses", 200, "a")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (record.usage.input, record.usage.output)
    assert record.cost is not None
    assert reply._request_id == record.id


def test_a_stream_tells_each_token_and_ends_with_the_whole_response(simulate: Simulate, serve: Serve) -> None:
    served = serve(config([simulate(tokens={"constant": 12})]))
    found = events(served)
    kinds = [event.type for event in found]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds.count("response.output_text.delta") == 12
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in found] == list(range(len(found)))
    text = "".join(event.delta for event in found if event.type == "response.output_text.delta")
    assert found[-1].response.output_text == text
    (record,) = served.records()
    assert found[-1].response.usage.output_tokens == record.usage.output == 12
    assert (record.outcome, record.api, record.streamed) == ("ok", "responses", True)


def test_an_answer_that_was_cut_for_length_is_incomplete(simulate: Simulate, serve: Serve) -> None:
    """bifrost#6782: a truncation is never told as an end."""
    served = serve(config([simulate(tokens={"constant": 12})]))
    assert ask(served, max_output_tokens=5).incomplete_details.reason == "max_output_tokens"
    assert events(served, max_output_tokens=5)[-1].type == "response.incomplete"


def test_parallel_calls_of_tools_come_whole_and_streamed(simulate: Simulate, serve: Serve, tmp_path: Path) -> None:
    """BerriAI/litellm PR#37792: each call keeps its own id, name and arguments."""
    message = {"role": "assistant", "content": None, "tool_calls": CALLS}
    whole = {"id": "chatcmpl-1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    lines = [{"text": "whole", "body": whole}, {"text": "stream", "body": sse(*fragments())}]
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    served = serve(config([simulate(answers=str(path))]))
    assert calls(ask(served, input="whole", tools=[WEATHER])) == WANTED
    found = events(served, input="stream", tools=[WEATHER])
    assert calls(found[-1].response) == WANTED
    done = [event for event in found if event.type == "response.function_call_arguments.done"]
    assert [event.arguments for event in done] == [arguments for _, _, arguments in WANTED]


def test_a_turn_of_tools_reaches_the_provider_as_a_chat(simulate: Simulate, serve: Serve, tmp_path: Path) -> None:
    from weighbridge.simulator.answers import digest

    sent = [
        {"role": "user", "content": "Where does it rain?"},
        {"role": "assistant", "content": None, "tool_calls": CALLS[:1]},
        {"role": "tool", "tool_call_id": "call_Oslo", "content": "rain"},
    ]
    path = tmp_path / "answers.jsonl"
    lines = [{"messages": digest(sent), "answer": "In Oslo"}, {"answer": "I was asked something else"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    call = {"type": "function_call", "call_id": "call_Oslo", "name": "weather", "arguments": '{"city":"Oslo"}'}
    result = {"type": "function_call_output", "call_id": "call_Oslo", "output": "rain"}
    turns = [{"role": "user", "content": "Where does it rain?"}, call, result]
    assert ask(serve(config([simulate(answers=str(path))])), input=turns).output_text == "In Oslo"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"store": True}, "store"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"tools": [{"type": "web_search"}]}, "tools.web_search"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "item_reference|no input"),
        ({"input": [{"role": "nobody", "content": "x"}]}, "nobody"),
        ({"input": ""}, None),
    ],
)
def test_what_a_chat_cannot_say_is_a_400_that_names_it(
    simulate: Simulate, serve: Serve, options: dict[str, Any], name: str | None
) -> None:
    """Never a silent change."""
    one = simulate()
    served = serve(config([one]))
    if name is None:
        assert ask(served, **options).status == "completed"
        return
    with pytest.raises(openai.BadRequestError, match=name):
        ask(served, **options)
    (record,) = served.records()
    assert (record.outcome, record.api, one.stats().requests) == ("refused", "responses", 0)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("429", openai.RateLimitError), ("503", openai.InternalServerError), ("context_length", openai.BadRequestError)],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_openais(
    simulate: Simulate, serve: Serve, *, kind: str, error: type[openai.APIStatusError], stream: bool
) -> None:
    served = serve(config([simulate(faults=[{"kind": kind}])], route={"attempts": 1}))
    with pytest.raises(error):
        ask(served, stream=stream)


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(b"", id="cut"),
        pytest.param(event(refusal("The server had an error")), id="error_event"),
        pytest.param(event("{broken"), id="malformed"),
    ],
)
def test_an_error_after_the_response_began_is_one_on_which_the_sdk_raises(serve: Serve, then: bytes) -> None:
    """bifrost#5395, litellm#29223: `response.failed`, then `error`, and never `response.completed`."""
    began = threading.Event()

    def script(call: Call) -> None:
        call.stream([event(delta("Half")), event(delta(" an"))], end=False)
        began.wait(20)
        call.send(b"%x\r\n%b\r\n" % (len(then), then) if then else b"")

    kinds: list[str] = []

    def read(served: Served) -> None:
        with served.client() as client:
            for told in client.responses.create(model="it", input="Say something", stream=True):
                kinds.append(told.type)
                began.set()

    with scripted(script) as upstream:
        served = serve(one(upstream.url))
        with pytest.raises(openai.APIError):
            read(served)
        assert len(upstream.calls) == 1
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.failed"
    assert "response.completed" not in kinds
    assert served.records()[0].outcome == "cut"


def test_before_the_first_token_a_response_falls_over(simulate: Simulate, serve: Serve) -> None:
    """bifrost#5395: `response.created` is not sent before a provider has said something."""
    one = simulate(faults=[{"kind": "error_event", "after": 0}], role="early")
    served = serve(config([one, simulate(tokens={"constant": 9})]))
    found = events(served)
    assert [event.type for event in found].count("response.created") == 1
    assert found[-1].type == "response.completed"
    assert served.records()[0].route.target == "b"


def test_a_broken_stream_is_rescued_here_too(simulate: Simulate, serve: Serve) -> None:
    """What the endpoint does for a chat it does for a response: the fallback's answer goes on where the first broke."""
    one = simulate(tokens={"constant": 60}, faults=[{"kind": "cut", "after": 20}])
    served = serve(config([one, simulate(tokens={"constant": 60})], route={"stream_rescue": {"prefill": False}}))
    found = events(served)
    assert found[-1].type == "response.completed"
    assert len(found[-1].response.output_text.split()) == 60
