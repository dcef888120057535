"""Recorded exchanges with Anthropic's Messages API, read naively, and an Anthropic stream put together naively."""

import gzip
import importlib
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any


@cache
def exchanges(folder: Path) -> list[dict[str, Any]]:
    """Those of /v1/messages itself, with `request` decoded."""
    with gzip.open(folder / "wire" / "recorded.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    found = [row for row in rows if row["uri"].partition("?")[0].endswith("/v1/messages")]
    for row in found:
        body = row["request_body"]
        row["request"] = json.loads(body) if isinstance(body, str) else body
    return found


def streamed(row: dict[str, Any]) -> bool:
    return bool(row["response_body"].startswith("event:"))


def events(body: str) -> list[tuple[str, dict[str, Any]]]:
    """(event, data) of each event: the recorded streams have one `data:` line each."""
    found = [json.loads(line[5:]) for line in body.splitlines() if line.startswith("data:")]
    return [(data["type"], data) for data in found]


def put_together(stream: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The message a stream makes; asserts the order that Anthropic's own clients count on."""
    message: dict[str, Any] = {}
    inputs: list[str] = []
    opened: int | None = None
    ended = False
    for event, data in stream:
        assert event == data["type"]
        assert not ended
        if event == "message_start":
            assert not message, "a second message_start"
            message = {**data["message"], "content": []}
        elif event == "content_block_start":
            assert opened is None, "a block begins within another"
            opened = data["index"]
            assert opened == len(message["content"])
            message["content"].append(dict(data["content_block"]))
            inputs.append("")
        elif event == "content_block_delta":
            assert data["index"] == opened
            _grow(message["content"][opened], data["delta"], inputs)
        elif event == "content_block_stop":
            assert data["index"] == opened
            if inputs[-1]:
                message["content"][-1]["input"] = json.loads(inputs[-1])
            opened = None
        elif event == "message_delta":
            message |= data["delta"]
            message["usage"] = message["usage"] | {k: v for k, v in data["usage"].items() if v is not None}
        elif event == "message_stop":
            assert opened is None
            ended = True
    assert ended, "no message_stop"
    return message


def _grow(block: dict[str, Any], delta: dict[str, Any], inputs: list[str]) -> None:
    if delta["type"] == "input_json_delta":
        inputs[-1] += delta["partial_json"]
    elif delta["type"] == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
    else:
        name = delta["type"].removesuffix("_delta")
        block[name] = block.get(name, "") + delta[name]


def meaning(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks without what says nothing: no citations, and a caller that is the model itself."""
    return [
        {
            name: value
            for name, value in block.items()
            if not (name == "citations" and not value) and not (name == "caller" and value == {"type": "direct"})
        }
        for block in content
    ]


def text(content: list[dict[str, Any]]) -> str:
    return "".join(block["text"] for block in content if block["type"] == "text")


def calls(content: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"]


def sdk_model(module: str, name: str) -> Callable[[dict[str, Any]], Any] | None:
    """The validator of a type of an official SDK, where that SDK is installed."""
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError:
        return None
    validate: Callable[[dict[str, Any]], Any] = found.model_validate
    return validate
