"""Recorded exchanges with Gemini, and a plain reading of them to compare ours with."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def recordings(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "wire" / "recorded.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    return [row for row in rows if "enerateContent" in row["uri"]]


def replies(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The reply, or every event of the stream."""
    body = row["response_body"]
    if body.lstrip().startswith("data:"):
        return [json.loads(line[5:]) for line in body.splitlines() if line.startswith("data:")]
    return [json.loads(body)]


def _get(part: dict[str, Any], camel: str, snake: str) -> Any:
    return part.get(camel, part.get(snake))


def turns(contents: list[dict[str, Any]]) -> list[Any]:
    """What a conversation says, whichever way its fields are spelled and its turns are cut."""
    said: list[Any] = []
    for content in contents:
        for part in content["parts"]:
            call = _get(part, "functionCall", "function_call")
            result = _get(part, "functionResponse", "function_response")
            if call:
                said.append(("call", call["name"], json.dumps(call["args"], sort_keys=True)))
            elif result:
                said.append(("result", result["name"], json.dumps(result["response"], sort_keys=True)))
            else:
                said.append((content["role"], part["text"]))
    return said


def as_chat(request: dict[str, Any]) -> dict[str, Any] | None:
    """A recorded request as a chat request, for those that hold only text, calls and results; None for others."""
    messages: list[dict[str, Any]] = []
    for number, content in enumerate(request["contents"]):
        for place, part in enumerate(content["parts"]):
            call = _get(part, "functionCall", "function_call")
            result = _get(part, "functionResponse", "function_response")
            if (
                set(part)
                - {"text", "functionCall", "function_call", "functionResponse", "function_response"}
                - {*("thoughtSignature", "thought_signature")}
            ):
                return None
            if call:
                id_ = call.get("id") or f"{call['name']}-{number}-{place}"
                function = {"name": call["name"], "arguments": json.dumps(call["args"])}
                tool_call = {"id": id_, "type": "function", "function": function}
                messages.append({"role": "assistant", "content": None, "tool_calls": [tool_call]})
            elif result:
                id_ = result.get("id")
                message = {"role": "tool", "content": json.dumps(result["response"]), "tool_call_id": id_ or ""}
                messages.append(message if id_ else {**message, "name": result["name"]})
            else:
                role = "assistant" if content["role"] == "model" else "user"
                messages.append({"role": role, "content": part["text"]})
    return {"model": "gemini-2.5-flash", "messages": messages}
