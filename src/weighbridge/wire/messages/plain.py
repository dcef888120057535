"""A chat request that came from a Messages client, for a provider that only knows OpenAI's words."""

from __future__ import annotations

from typing import Any, Final

from weighbridge.wire.messages.blocks import is_native
from weighbridge.wire.messages.from_chat import NATIVE
from weighbridge.wire.translation import asked

ANTHROPIC_ONLY: Final = "anthropic_only"
"""A field of the gateway's own, on a chat request made of a Messages request in which only Anthropic understands some
words: a list of those whose loss may change the answer. No provider ever sees it."""

_UNSAID: Final = frozenset({"cache_control", "context_management", "inference_geo", "speed"})
"""Left out without a word: they change what a request costs and where it runs, not what it asks for."""

_OF_MESSAGES: Final = frozenset({"thinking_blocks", "content_blocks", "reasoning_content", "is_error", "cache_control"})


def plain_chat(chat: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The request without Anthropic's own words, and the names of those whose loss may change the answer.

    Earlier thoughts, marks of caching and `is_error` (the result says it itself) are not named. Raises Untranslatable.
    """
    lost: dict[str, None] = {}
    asked.bounded(chat, "the request")
    said = {name: value for name, value in chat.items() if name not in NATIVE and name != ANTHROPIC_ONLY}
    for name in ("thinking", "container", "mcp_servers"):
        if chat.get(name) is not None and chat[name] != {"type": "disabled"}:
            lost[name] = None
    said["messages"] = [
        _message(message, lost, f"messages[{place}]")
        for place, message in enumerate(asked.objects(chat.get("messages"), "messages"))
    ]
    if chat.get("tools") is not None:
        tools = [tool for entry in asked.objects(chat["tools"], "tools") if (tool := _tool(entry, lost)) is not None]
        if tools:
            said["tools"] = tools
        else:
            del said["tools"]
            said.pop("tool_choice", None)
            said.pop("parallel_tool_calls", None)
    if said.get("reasoning_effort") == "max":  # a step that only Anthropic has
        said["reasoning_effort"] = "xhigh"
    return said, list(lost)


def _message(message: dict[str, Any], lost: dict[str, None], where: str) -> dict[str, Any]:
    said = {name: value for name, value in message.items() if name not in _OF_MESSAGES}
    for block in asked.objects(message.get("content_blocks"), f"{where}.content_blocks"):
        kind = block.get("type")
        if isinstance(kind, str) and is_native(kind) and kind not in {"thinking", "redacted_thinking"}:
            lost[kind] = None
    content = message.get("content")
    if isinstance(content, list):
        parts = asked.objects(content, f"{where}.content")
        kept = [plain for part in parts if (plain := _part(part, lost)) is not None]
        if message.get("role") == "tool" and any(part.get("type") != "text" for part in kept):
            lost["image in tool_result"] = None
            kept = [part for part in kept if part.get("type") == "text"]
        said["content"] = kept or ""
    return said


def _part(part: dict[str, Any], lost: dict[str, None]) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind == "document" and (text := _text_of_document(part)) is not None:
        return {"type": "text", "text": text}
    if isinstance(kind, str) and is_native(kind):
        lost[kind] = None
        return None
    return {name: value for name, value in part.items() if name not in {"cache_control", "citations"}}


def _text_of_document(part: dict[str, Any]) -> str | None:
    """A plain text says as much as a document; one whose citations are asked for does not."""
    source, cited = part.get("source"), part.get("citations")
    if not isinstance(source, dict) or source.get("type") != "text" or not isinstance(source.get("data"), str):
        return None
    if isinstance(cited, dict) and cited.get("enabled"):
        return None
    before = [value for name in ("title", "context") if isinstance(value := part.get(name), str) and value]
    return "\n".join([*before, source["data"]])


def _tool(tool: dict[str, Any], lost: dict[str, None]) -> dict[str, Any] | None:
    kind = tool.get("type") or "function"
    if kind == "function":
        return {name: tool[name] for name in ("type", "function") if name in tool}
    if kind == "custom":
        return tool
    lost[f"tools.{kind}"] = None
    return None
