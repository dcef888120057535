"""OpenTelemetry GenAI spans, of each generation of the conventions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from weighbridge.samples.importers.otel import read
from weighbridge.samples.importers.record import BadRow, Record

ASKED = [{"role": "user", "content": "Where is order 7?"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"order":7}'}}


def value(given: Any) -> dict[str, Any]:
    """A value as OTLP's JSON has it: 64-bit integers are texts."""
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, int):
        return {"intValue": str(given)}
    if isinstance(given, float):
        return {"doubleValue": given}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(inner) for inner in given]}}
    if isinstance(given, dict):
        return {"kvlistValue": {"values": attributes(given)}}
    return {"stringValue": given}


def attributes(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": value(inner)} for name, inner in given.items()]


def span(given: dict[str, Any], events: Sequence[tuple[str, Mapping[str, Any]]] = ()) -> dict[str, Any]:
    head = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "server.port": 443}
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": "1714557600500000000",
        "attributes": attributes({**head, **given}),
        "events": [{"name": name, "timeUnixNano": "1", "attributes": attributes(inner)} for name, inner in events],
    }


def export(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


def one(row: dict[str, Any]) -> Record:
    (record,) = read("f:1", row)
    return record


def message(role: str, *parts: Any) -> dict[str, Any]:
    return {
        "role": role,
        "parts": [{"type": "text", "content": part} if isinstance(part, str) else part for part in parts],
    }


def newest(messages: list[Any], **more: Any) -> dict[str, Any]:
    named = {name.replace("__", "."): json.dumps(inner) for name, inner in more.items()}
    return {"gen_ai.input.messages": json.dumps(messages), **named}


def test_newest_messages_in_attributes() -> None:
    said = [{**message("assistant", "In Kiel."), "finish_reason": "stop"}]
    given = newest(
        [message("user", "Where is order 7?")],
        gen_ai__system_instructions=[{"type": "text", "content": "Be short."}],
        gen_ai__output__messages=said,
    )
    params = {
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 200,
        "gen_ai.request.stop_sequences": ["\n"],
        "gen_ai.conversation.id": "conv-1",
    }
    record = one(export(span(given | params)))
    assert record.request == {
        "messages": [{"role": "system", "content": "Be short."}, *ASKED],
        "temperature": 0.5,
        "max_tokens": 200,
        "stop": ["\n"],
    }
    assert (record.answer, record.cluster, record.at) == ("In Kiel.", "conv-1", 1714557600.5)
    assert (record.model, record.id) == ("gpt-4o", "eee19b7ec3c1b174")


def test_newest_messages_with_tools_are_openais_again() -> None:
    call = {"type": "tool_call", "id": "call_1", "name": "look_up", "arguments": {"order": 7}}
    answers = [
        {"type": "tool_call_response", "id": "call_1", "response": {"at": "Kiel"}},
        {"type": "tool_call_response", "id": "call_2", "result": "none"},
    ]
    tools = [
        {"type": "function", "name": "look_up", "description": "Find it", "parameters": {"type": "object"}},
        {"type": "function", "function": {"name": "other"}},
    ]
    thought = {"type": "reasoning", "content": "Let me look."}
    given = newest(
        [message("user", "Where is order 7?"), message("assistant", thought, call), message("tool", *answers)],
        gen_ai__tool__definitions=tools,
    )
    assert one(span(given)).request == {
        "messages": [
            *ASKED,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"at":"Kiel"}'},
            {"role": "tool", "tool_call_id": "call_2", "content": "none"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "look_up", "description": "Find it", "parameters": {"type": "object"}},
            },
            {"type": "function", "function": {"name": "other"}},
        ],
    }


def test_newest_messages_with_images_keep_them() -> None:
    parts = [
        "What is this?",
        {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "https://example.com/a.png"},
        {"type": "blob", "modality": "image", "mime_type": "image/jpeg", "content": "aGk="},
    ]
    assert one(span(newest([message("user", *parts)]))).request["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,aGk="}},
            ],
        }
    ]


def test_a_part_that_has_no_form_in_a_chat_request_is_said_and_not_dropped() -> None:
    part = {"type": "file", "modality": "document", "file_id": "file-1"}
    with pytest.raises(ValueError, match="a part of type 'file' has no form in a chat request"):
        one(span(newest([message("user", "Read it", part)])))


def test_newest_messages_may_be_structured_values_and_stand_on_an_event() -> None:
    """OTLP can carry them as lists and maps, and one convention puts them on an event of the span."""
    messages = [message("user", "Where is order 7?")]
    assert one(span({"gen_ai.input.messages": messages})).request == {"messages": ASKED}
    event = (
        "gen_ai.client.inference.operation.details",
        newest(messages, gen_ai__output__messages=[message("assistant", "Kiel")]),
    )
    record = one(span({}, [event]))
    assert (record.request, record.answer) == ({"messages": ASKED}, "Kiel")


def test_events_of_each_message() -> None:
    events: list[tuple[str, dict[str, Any]]] = [
        ("gen_ai.system.message", {"gen_ai.system": "openai", "content": "Be short."}),
        ("gen_ai.user.message", {"content": "Where is order 7?"}),
        ("gen_ai.assistant.message", {"content": "", "tool_calls": json.dumps([CALL])}),
        ("gen_ai.tool.message", {"id": "call_1", "content": '{"at": "Kiel"}'}),
        ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": json.dumps({"content": "In Kiel."})}),
    ]
    record = one(span({}, events))
    assert record.request["messages"] == [
        {"role": "system", "content": "Be short."},
        *ASKED,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": '{"at": "Kiel"}', "tool_call_id": "call_1"},
    ]
    assert record.answer == "In Kiel."


def test_events_with_the_whole_prompt_in_one_attribute() -> None:
    events = [
        ("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(ASKED)}),
        (
            "gen_ai.content.completion",
            {"gen_ai.completion": json.dumps([{"role": "assistant", "content": "In Kiel."}])},
        ),
    ]
    record = one(span({}, events))
    assert (record.request, record.answer) == ({"messages": ASKED}, "In Kiel.")
    record = one(span({}, [("gen_ai.user.message", {"gen_ai.event.content": json.dumps({"content": "Hi"})})]))
    assert record.request["messages"] == [{"role": "user", "content": "Hi"}]


def test_oldest_messages_by_number() -> None:
    """The tenth comes after the ninth, calls of tools are put together again, and parts are parts."""
    parts = [{"type": "text", "text": "And?"}]
    given: dict[str, Any] = {
        f"gen_ai.prompt.{place}.{name}": inner
        for place in range(9)
        for name, inner in (("role", "user"), ("content", f"Line {place}"))
    }
    given |= {
        "gen_ai.prompt.10.role": "tool",
        "gen_ai.prompt.10.tool_call_id": "call_1",
        "gen_ai.prompt.10.content": '{"at": "Kiel"}',
        "gen_ai.prompt.9.role": "assistant",
        "gen_ai.prompt.9.tool_calls.0.id": "call_1",
        "gen_ai.prompt.9.tool_calls.0.name": "look_up",
        "gen_ai.prompt.9.tool_calls.0.arguments": '{"order":7}',
        "gen_ai.prompt.11.content": json.dumps(parts),
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "In Kiel.",
        "gen_ai.completion.0.finish_reason": "stop",
    }
    record = one(span(given))
    assert [each["content"] for each in record.request["messages"][:9]] == [f"Line {place}" for place in range(9)]
    assert record.request["messages"][9:] == [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"at": "Kiel"}'},
        {"role": "user", "content": parts},
    ]
    assert record.answer == "In Kiel."


def test_a_span_as_pythons_console_writes_it() -> None:
    row = {
        "name": "chat gpt-4o",
        "context": {"trace_id": "0x5b8e", "span_id": "0xeee1", "trace_state": "[]"},
        "start_time": "2024-05-01T10:00:00.500000Z",
        "attributes": {"gen_ai.request.model": "gpt-4o", **newest([message("user", "Where is order 7?")])},
        "events": [],
    }
    record = one(row)
    assert (record.request, record.cluster, record.id) == ({"messages": ASKED}, "0x5b8e", "0xeee1")
    assert record.at == 1714557600.5


def test_every_span_of_an_export_is_read_and_others_are_passed_over() -> None:
    other = {"spanId": "1", "attributes": attributes({"http.request.method": "GET"})}
    silent = span({})  # its content was not captured
    asked = span(newest([message("user", "Where is order 7?")]))
    assert len(list(read("f:1", export(other, asked, silent, asked)))) == 2
    old = {"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [asked]}]}]}
    assert len(list(read("f:1", old))) == 1


def test_a_message_without_a_role_is_said() -> None:
    with pytest.raises(BadRow, match="a message without a role"):
        one(span(newest([{"content": "Hi"}])))
