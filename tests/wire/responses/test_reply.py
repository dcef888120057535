"""Chat replies and streams as responses, held against the SDK's own types."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from openai.types.responses import Response, ResponseErrorEvent, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.wire.generate.hostile import mangled
from tests.wire.recorded import chunks, exchanges, streamed

from weighbridge.wire.answer import Answer
from weighbridge.wire.reading import StreamFailed, Unreadable, answer_from_events, answer_from_reply
from weighbridge.wire.responses import ResponsesFromChat, responses_reply_from_chat
from weighbridge.wire.responses.stream import Event

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
REQUEST: dict[str, Any] = {
    "model": "mini",
    "input": "x",
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}],
    "tool_choice": "required",
}
TOKEN = {"token": "Sun", "logprob": -0.5, "bytes": [83, 117, 110]}
FULL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-x",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Sunny",
                "reasoning_content": "Hm.",
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 3},
                    }
                ],
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                    {"id": "c2", "type": "custom", "custom": {"name": "free", "input": "x"}},
                ],
            },
            "logprobs": {"content": [{**TOKEN, "top_logprobs": [TOKEN]}]},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    },
}


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "created": 1, "model": "m", "choices": [choice]}


def call(index: int, id_: str | None = None, name: str | None = None, arguments: str = "") -> dict[str, Any]:
    return {"index": index, "id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def events(said: list[dict[str, Any]]) -> list[Event]:
    stream = ResponsesFromChat(REQUEST)
    return [event for one in said for event in stream.feed(one)] + stream.finish()


def checked(found: list[Event]) -> list[str]:
    """The names of events that the SDK takes and that are numbered in sequence."""
    for place, (name, data) in enumerate(found):
        EVENT.validate_python(data, strict=True)
        assert (data["type"], data["sequence_number"]) == (name, place)
    return [name.removeprefix("response.") for name, _ in found]


def last(found: list[Event]) -> dict[str, Any]:
    said: dict[str, Any] = found[-1][1]["response"]
    return said


def said_in(response: dict[str, Any]) -> tuple[str, str, list[tuple[str, str]]]:
    """Text, refusal and calls of a response."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    calls = [
        (item["name"], item.get("arguments", item.get("input")))
        for item in response["output"]
        if item["type"].endswith("_call")
    ]
    return "".join(part.get("text", "") for part in parts), "".join(part.get("refusal", "") for part in parts), calls


def same(response: dict[str, Any], answer: Answer) -> None:
    text, refusal, calls = said_in(response)
    assert (text, refusal) == (answer.text, answer.refusal or "")
    assert calls == [(one.name, one.arguments) for one in answer.tool_calls]
    usage = response["usage"]
    if answer.usage.input is None:
        assert usage is None or usage["input_tokens"] == 0
    else:
        assert usage["input_tokens"] == answer.usage.input
        assert usage["output_tokens"] == answer.usage.output
        assert usage["input_tokens_details"]["cached_tokens"] == (answer.usage.cached or 0)
        assert usage["output_tokens_details"]["reasoning_tokens"] == (answer.usage.reasoning or 0)
    status = "incomplete" if answer.finish_reason in {"length", "content_filter"} else "completed"
    assert response["status"] == status


def test_a_reply_with_everything() -> None:
    said = responses_reply_from_chat(FULL, REQUEST)
    Response.model_validate(said, strict=True)
    assert (said["id"], said["created_at"], said["model"], said["status"]) == (
        "resp_1",
        1_700_000_000,
        "gpt-x",
        "completed",
    )
    assert (said["instructions"], said["tool_choice"], said["tools"]) == ("Be brief.", "required", REQUEST["tools"])
    thought, message, function, custom = said["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert message["content"][0]["annotations"][0]["url"] == "https://a.example"
    assert message["content"][0]["logprobs"] == [{**TOKEN, "top_logprobs": [TOKEN]}]
    assert (function["call_id"], function["arguments"], custom["input"]) == ("c1", "{}", "x")
    assert said["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 30,
    }


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_is_not_whole_says_so(finish: str, reason: str) -> None:
    """bifrost#6782 in this API: an answer cut at its limit is incomplete, whole or streamed."""
    reply = {"choices": [{"message": {"content": "half"}, "finish_reason": finish}]}
    found = events([chunk(finish, content="half")])
    assert checked(found)[-1] == "incomplete"
    for said in (responses_reply_from_chat(reply, REQUEST), last(found)):
        Response.model_validate(said, strict=True)
        assert (said["status"], said["incomplete_details"]) == ("incomplete", {"reason": reason})
        assert said["output"][-1]["status"] == "incomplete"


def test_a_text_streams_in_openais_order() -> None:
    found = events([chunk(role="assistant", content=""), chunk(content="Sun"), chunk(content="ny"), chunk("stop")])
    assert checked(found) == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done", "content_part.done", "output_item.done"),
        "completed",
    ]
    assert said_in(last(found)) == ("Sunny", "", [])


def test_thoughts_text_and_parallel_calls_are_items_of_their_own() -> None:
    """Fragments of parallel calls may alternate; each goes to its own call, and ids stay (litellm PR#40040)."""
    found = events(
        [
            chunk(reasoning_content="Hm."),
            chunk(content="Look."),
            chunk(tool_calls=[call(0, "c1", "look")]),
            chunk(tool_calls=[call(1, "c2", "look", '{"b":')]),
            chunk(tool_calls=[call(0, arguments="{}")]),
            chunk(tool_calls=[call(1, arguments="1}")]),
            chunk("tool_calls"),
            {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        ]
    )
    names = checked(found)
    assert names.count("output_item.added") == names.count("output_item.done") == 4
    assert names.index("reasoning_summary_text.done") < names.index("output_text.delta")
    assert names.count("function_call_arguments.done") == 2
    said = last(found)
    Response.model_validate(said, strict=True)
    assert said_in(said) == ("Look.", "", [("look", "{}"), ("look", '{"b":1}')])
    assert [item["call_id"] for item in said["output"][2:]] == ["c1", "c2"]
    assert said["usage"]["total_tokens"] == 3


def test_a_refusal_streams_as_one() -> None:
    found = events([chunk(refusal="No"), chunk(refusal="."), chunk("stop")])
    assert "refusal.done" in checked(found)
    assert said_in(last(found)) == ("", "No.", [])


def test_a_cut_stream_fails() -> None:
    """Portkey#1797, bifrost#5395: never completed; the partial answer is told, and no call is said to be done."""
    found = events([chunk(content="half"), chunk(tool_calls=[call(0, "c1", "look", '{"a')])])
    *_, failed, error = found
    assert [name for name, _ in found][-2:] == ["response.failed", "error"]
    EVENT.validate_python(failed[1], strict=True)
    ResponseErrorEvent.model_validate(error[1], strict=True)
    assert failed[1]["response"]["error"]["code"] == "server_error"
    assert said_in(failed[1]["response"]) == ("half", "", [("look", '{"a')])
    assert not [name for name, _ in found if name == "response.function_call_arguments.done"]
    assert error[1]["error"]["message"]  # what the SDKs raise on


def test_a_failure_before_the_first_chunk_is_still_a_response() -> None:
    stream = ResponsesFromChat(REQUEST)
    found = stream.failed("rate_limit_exceeded", "slow down")
    assert [name for name, _ in found] == ["response.created", "response.in_progress", "response.failed", "error"]
    assert stream.finish() == []
    assert stream.failed("x", "y") == []


def test_an_error_in_place_of_a_chunk_or_a_reply_is_raised() -> None:
    """OmniRoute PR#8210: `{"error": …, "choices": []}` is no success."""
    error = {"error": {"message": "down"}, "choices": []}
    with pytest.raises(StreamFailed, match="down"):
        events([error])
    with pytest.raises(StreamFailed, match="down"):
        responses_reply_from_chat(error, REQUEST)
    with pytest.raises(Unreadable):
        responses_reply_from_chat({"choices": []}, REQUEST)


def test_recorded_chats_come_out_the_same(shared_data: Path) -> None:
    """Text, refusal, calls, usage and end of every recorded chat reply and stream, each event valid to the SDK."""
    whole = streams = 0
    for row in exchanges(shared_data):
        if row["status"] != 200 or not row["uri"].partition("?")[0].endswith("/chat/completions"):
            continue
        if not streamed(row):
            said = responses_reply_from_chat(json.loads(row["response_body"]), REQUEST)
            Response.model_validate(said, strict=True)
            same(said, answer_from_reply(row["response_body"].encode()))
            whole += 1
            continue
        rows = chunks(row["response_body"])
        if any("error" in one for one in rows):
            with pytest.raises(StreamFailed):
                events(rows)
            continue
        answer = answer_from_events([(1.0, json.dumps(one).encode()) for one in rows], intended=0.0)
        if answer.finish_reason is None:
            continue
        found = events(rows)
        checked(found)
        same(last(found), answer)
        streams += 1
    assert whole > 350
    assert streams > 50


def test_the_sdks_accumulator_builds_the_same_response() -> None:
    from openai._types import omit
    from openai.lib.streaming.responses._responses import ResponseStreamState

    rows = [chunk(content="Look."), chunk(tool_calls=[call(0, "c1", "look", "{}")]), chunk("tool_calls")]
    found = events(rows)
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for _, data in found:
        state.handle_event(EVENT.validate_python(data))
    built = state._completed_response
    assert built is not None
    assert built.output_text == "Look."
    assert [item.type for item in built.output] == ["message", "function_call"]


@given(mangled(FULL), mangled(REQUEST))
def test_hostile_replies_are_refused_clearly_or_translated(reply: Any, request_: Any) -> None:
    delta = json.loads(json.dumps(reply).replace('"message"', '"delta"'))
    stream = ResponsesFromChat(request_)
    ways: list[Callable[[], Any]] = [
        lambda: responses_reply_from_chat(reply, request_),
        lambda: [stream.feed(delta), stream.feed(delta), stream.finish()],
    ]
    for translate in ways:
        try:
            said = translate()
        except (Unreadable, StreamFailed):
            continue
        assert json.dumps(said)
