"""OpenTelemetry GenAI spans in OTLP's JSON, of each generation of the conventions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from weighbridge.samples.importers.record import BadRow, Record, parsed, seconds, text_of_reply

_INDEXED = re.compile(
    r"gen_ai\.(prompt|completion)\.(\d+)\.(?:(role|content|tool_call_id)|tool_calls\.(\d+)\.(id|name|arguments))"
)
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
    context = span.get("context") or {}  # a span as Python's console exporter writes it
    params = {ours: attributes[theirs] for theirs, ours in _PARAMS.items() if attributes.get(theirs) is not None}
    cluster = (
        attributes.get("gen_ai.conversation.id")
        or attributes.get("session.id")
        or span.get("traceId")
        or context.get("trace_id")
    )
    return Record(
        where=where,
        request={"messages": messages, **params, **_tools(attributes)},
        answer=answer,
        cluster=str(cluster) if cluster else None,
        at=seconds(span.get("startTimeUnixNano") or span.get("start_time")),
        model=attributes.get("gen_ai.request.model"),
        id=span.get("spanId") or context.get("span_id"),
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


def _tools(attributes: dict[str, Any]) -> dict[str, Any]:
    """What the model could call, in OpenAI's form."""
    given = parsed(attributes.get("gen_ai.tool.definitions"))
    if not isinstance(given, list):
        return {}
    known = {"name", "description", "parameters", "strict"}
    return {
        "tools": [
            tool
            if "function" in tool
            else {"type": "function", "function": {name: tool[name] for name in tool if name in known}}
            for tool in given
        ]
    }


Found = tuple[list[dict[str, Any]], str | None] | None


def _newest(attributes: dict[str, Any]) -> Found:
    given = parsed(attributes.get("gen_ai.input.messages"))
    if not isinstance(given, list):
        return None
    system = parsed(attributes.get("gen_ai.system_instructions"))
    opening = [{"role": "system", "content": _content(system) if isinstance(system, list) else system}]
    made = parsed(attributes.get("gen_ai.output.messages"))
    answer = _said(made[0]) if isinstance(made, list) and made and isinstance(made[0], dict) else None
    return [*(opening if system else []), *(message for entry in given for message in _messages(entry))], answer


def _said(entry: dict[str, Any]) -> str | None:
    return _plain(entry["parts"]) or None if "parts" in entry else text_of_reply(entry)


def _messages(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A message in OpenAI's form; one for each answer of a tool, which the conventions may put into one."""
    if "parts" not in entry:
        yield entry
        return
    role, parts = entry.get("role"), entry["parts"]
    calls = [part for part in parts if part.get("type") == "tool_call"]
    answers = [part for part in parts if part.get("type") == "tool_call_response"]
    for answer in answers:
        said = _text(answer.get("response", answer.get("result", "")))
        yield {"role": "tool", "tool_call_id": answer.get("id"), "content": said}
    content = _content([part for part in parts if part.get("type") not in _APART])
    if calls:
        called = [_call(call.get("id"), call.get("name"), call.get("arguments", "")) for call in calls]
        yield {"role": role, "content": content or None, "tool_calls": called}
    elif content or not answers:
        yield {"role": role, "content": content}


_APART = frozenset({"tool_call", "tool_call_response", "reasoning"})


def _call(id_: Any, name: Any, arguments: Any) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": _text(arguments)}}


def _text(value: Any) -> str:
    """As JSON, unless it is text already."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Text where there is only text, else parts as OpenAI has them."""
    if all(part.get("type", "text") == "text" for part in parts):
        return _plain(parts)
    return [_part(part) for part in parts]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for what has no form in a chat request."""
    kind = part.get("type", "text")
    if kind == "text":
        return {"type": "text", "text": _plain([part])}
    if part.get("modality") == "image" and kind == "uri":
        return {"type": "image_url", "image_url": {"url": part["uri"]}}
    if part.get("modality") == "image" and kind == "blob":
        url = f"data:{part.get('mime_type') or 'image/png'};base64,{part['content']}"
        return {"type": "image_url", "image_url": {"url": url}}
    raise ValueError(f"a part of type {kind!r} has no form in a chat request")


def _plain(parts: Any) -> str:
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
        whole = _newest(attributes)
        if whole is not None:
            return whole
        if name in _EVENT_ROLES:
            messages.append(_of_event(name, attributes))
        elif name == "gen_ai.content.prompt":
            prompt = parsed(attributes.get("gen_ai.prompt"))
            messages = prompt if isinstance(prompt, list) else [{"role": "user", "content": str(prompt)}]
        elif name in {"gen_ai.choice", "gen_ai.content.completion"}:
            said = parsed(attributes.get("message", attributes.get("gen_ai.completion", attributes.get("content"))))
            said = said[0] if isinstance(said, list) and said else said
            answer = said.get("content") if isinstance(said, dict) else said
    return (messages, answer) if messages else None


def _of_event(name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    message = {"role": attributes.get("role", _EVENT_ROLES[name]), "content": attributes.get("content", "")}
    calls = parsed(attributes.get("tool_calls"))
    if isinstance(calls, list) and calls:
        message |= {"content": message["content"] or None, "tool_calls": calls}
    if message["role"] == "tool" and "id" in attributes:
        message["tool_call_id"] = attributes["id"]
    return message


def _oldest(attributes: dict[str, Any]) -> Found:
    found: dict[str, dict[int, dict[str, Any]]] = {"prompt": {}, "completion": {}}
    calls: dict[int, dict[int, dict[str, Any]]] = {}
    for name, value in attributes.items():
        match = _INDEXED.fullmatch(name)
        if match is None:
            continue
        side, place = match[1], int(match[2])
        message = found[side].setdefault(place, {})
        if match[3] is not None:
            message[match[3]] = value
        elif side == "prompt":
            calls.setdefault(place, {}).setdefault(int(match[4]), {})[match[5]] = value
    if not found["prompt"]:
        return None
    messages = [_of_index(found["prompt"][place], calls.get(place, {})) for place in sorted(found["prompt"])]
    said = found["completion"].get(0, {}).get("content")
    return messages, said if isinstance(said, str) else None


def _of_index(given: dict[str, Any], calls: dict[int, dict[str, Any]]) -> dict[str, Any]:
    message = {"role": "user", **given}
    parts = parsed(message.get("content"))  # parts of a message are written as JSON; other JSON is what was asked
    if isinstance(parts, list) and parts and all(isinstance(part, dict) and "type" in part for part in parts):
        message["content"] = parts
    if calls:
        called = [calls[place] for place in sorted(calls)]
        message["tool_calls"] = [_call(each.get("id"), each.get("name"), each.get("arguments", "")) for each in called]
        message.setdefault("content", None)
    return message
