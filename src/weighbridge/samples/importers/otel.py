"""OpenTelemetry GenAI spans in OTLP's JSON, of each generation of the conventions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from weighbridge.samples.importers.record import BadRow, Record, parsed, seconds, text_of_reply

_INDEXED = re.compile(r"gen_ai\.(prompt|completion)\.(\d+)\.(role|content)")
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_PARAMS = {
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.stop_sequences": "stop",
}


def read(where: str, row: dict[str, Any]) -> Iterator[Record]:
    """Spans that hold a prompt become samples, others are passed over. Messages are looked for under
    `gen_ai.input.messages` (newest), in events, and under `gen_ai.prompt.0.content` (oldest)."""
    for span in _spans(row):
        record = _record(where, span)
        if record is not None:
            yield record


def _spans(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "resourceSpans" not in row:
        yield row
        return
    for resource in row["resourceSpans"]:
        for scope in resource.get("scopeSpans", resource.get("instrumentationLibrarySpans", [])):
            yield from scope.get("spans", [])


def _record(where: str, span: dict[str, Any]) -> Record | None:
    attributes = _attributes(span.get("attributes"))
    if not any(name.startswith("gen_ai.") for name in attributes):
        return None
    messages, answer = _newest(attributes) or _events(span) or _oldest(attributes) or ([], None)
    if not messages:
        return None
    if any("role" not in message for message in messages):
        raise BadRow(where, "a message without a role")
    params = {ours: attributes[theirs] for theirs, ours in _PARAMS.items() if attributes.get(theirs) is not None}
    cluster = attributes.get("gen_ai.conversation.id") or attributes.get("session.id") or span.get("traceId")
    return Record(
        where=where,
        request={"messages": messages, **params},
        answer=answer,
        cluster=str(cluster) if cluster else None,
        at=seconds(span.get("startTimeUnixNano")),
        model=attributes.get("gen_ai.request.model"),
        id=span.get("spanId"),
    )


def _attributes(entries: Any) -> dict[str, Any]:
    if isinstance(entries, dict):
        return dict(entries)
    return {
        entry["key"]: _value(entry.get("value"))
        for entry in entries or []
        if isinstance(entry, dict) and "key" in entry
    }


def _value(value: Any) -> Any:
    """A value as OTLP writes it: {"stringValue": …}, {"intValue": "3"}, {"arrayValue": {"values": […]}} and so on."""
    if not isinstance(value, dict):
        return value
    if "arrayValue" in value:
        return [_value(entry) for entry in value["arrayValue"].get("values", [])]
    if "kvlistValue" in value:
        return {entry["key"]: _value(entry.get("value")) for entry in value["kvlistValue"].get("values", [])}
    if "intValue" in value:
        return int(value["intValue"])
    return next(iter(value.values()), None)


Found = tuple[list[dict[str, Any]], str | None] | None


def _newest(attributes: dict[str, Any]) -> Found:
    given = parsed(attributes.get("gen_ai.input.messages"))
    if not isinstance(given, list):
        return None
    system = parsed(attributes.get("gen_ai.system_instructions"))
    opening = [{"role": "system", "content": _parts(system)}] if isinstance(system, list) and system else []
    made = parsed(attributes.get("gen_ai.output.messages"))
    answer = _said(made[0]) if isinstance(made, list) and made and isinstance(made[0], dict) else None
    return [*opening, *(_message(entry) for entry in given)], answer


def _said(entry: dict[str, Any]) -> str | None:
    return _parts(entry["parts"]) or None if "parts" in entry else text_of_reply(entry)


def _message(entry: dict[str, Any]) -> dict[str, Any]:
    if "parts" not in entry:
        return entry
    calls = [part for part in entry["parts"] if part.get("type") == "tool_call"]
    message: dict[str, Any] = {"role": entry.get("role"), "content": _parts(entry["parts"])}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": _text(call.get("arguments", ""))},
            }
            for call in calls
        ]
    answers = [part for part in entry["parts"] if part.get("type") == "tool_call_response"]
    if answers:
        message |= {
            "tool_call_id": answers[0].get("id"),
            "content": _text(answers[0].get("response", answers[0].get("result", ""))),
        }
    return message


def _text(value: Any) -> str:
    """As JSON, unless it is text already."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _parts(parts: Any) -> str:
    return "".join(
        str(part.get("content", part.get("text", "")))
        for part in parts or []
        if isinstance(part, dict) and part.get("type", "text") == "text"
    )


def _events(span: dict[str, Any]) -> Found:
    messages: list[dict[str, Any]] = []
    answer = None
    for event in span.get("events") or []:
        attributes = _attributes(event.get("attributes"))
        body = parsed(attributes.get("gen_ai.event.content"))  # some write an event's body as one attribute
        attributes |= body if isinstance(body, dict) else {}
        name = event.get("name", "")
        if name in _EVENT_ROLES:
            messages.append(
                {"role": attributes.get("role", _EVENT_ROLES[name]), "content": attributes.get("content", "")}
            )
        elif name == "gen_ai.content.prompt":
            prompt = parsed(attributes.get("gen_ai.prompt"))
            messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": str(prompt)}]
        elif name in {"gen_ai.choice", "gen_ai.content.completion"}:
            said = parsed(attributes.get("message", attributes.get("gen_ai.completion", attributes.get("content"))))
            said = said[0] if isinstance(said, list) and said else said
            answer = said.get("content") if isinstance(said, dict) else said
    return (messages, answer) if messages else None


def _oldest(attributes: dict[str, Any]) -> Found:
    found: dict[str, dict[int, dict[str, Any]]] = {"prompt": {}, "completion": {}}
    for name, value in attributes.items():
        match = _INDEXED.fullmatch(name)
        if match is not None:
            found[match[1]].setdefault(int(match[2]), {})[match[3]] = value
    if not found["prompt"]:
        return None
    messages = [{"role": "user", **found["prompt"][number]} for number in sorted(found["prompt"])]
    for message in messages:
        parts = parsed(message.get("content"))  # parts of a message are written as JSON; other JSON is what was asked
        if isinstance(parts, list) and parts and all(isinstance(part, dict) and "type" in part for part in parts):
            message["content"] = parts
    said = found["completion"].get(0, {}).get("content")
    return messages, said if isinstance(said, str) else None
