"""What an exchange asked, as a request that any candidate can be sent: in OpenAI's words, whichever API it came by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from weighbridge.records.exchange import Exchange
from weighbridge.samples.sample import Api, too_deep
from weighbridge.wire.messages import ANTHROPIC_ONLY, chat_from_messages, plain_chat
from weighbridge.wire.responses import chat_from_responses
from weighbridge.wire.translation import Untranslatable

_HOW: Final = frozenset({"thinking"})
"""Of what only Anthropic understands, that which says how to answer, not what is asked."""
_ANTHROPICS_FIELDS: Final = frozenset({"system", "stop_sequences", *_HOW})
_ANTHROPICS_BLOCKS: Final = ("tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document")
_MOST_NAMES: Final = 100
_NO_REQUEST: Final = "no request of a known form"


class Unusable(ValueError):
    """There is nothing to replay; the text is why, in words that do not name the exchange: reasons are counted."""


def request_of(exchange: Exchange) -> tuple[Api, dict[str, Any]]:
    """The API and the body. Raises Unusable."""
    if exchange.request is None:
        raise Unusable("the body was too large to keep" if exchange.capture == "cut" else "the body was not kept")
    body = object_of(exchange.request)
    if body is None:
        raise Unusable("no JSON object")
    if too_deep(body):
        raise Unusable("nested too deeply")
    if exchange.api == "embeddings":
        raise Unusable("embeddings, which are no answers")
    if exchange.api == "completions":
        if not body.get("prompt"):
            raise Unusable("no prompt")
        return "completions", body
    try:
        chat = _chat(exchange, body)
    except Untranslatable:
        raise Unusable(_NO_REQUEST) from None
    messages = chat.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Unusable("no messages")
    if not all(isinstance(message, dict) and "role" in message for message in messages):
        raise Unusable(_NO_REQUEST)
    return "chat", chat


def _chat(exchange: Exchange, body: dict[str, Any]) -> dict[str, Any]:
    """Raises Unusable and Untranslatable."""
    if exchange.api == "responses" and "messages" not in body:
        chat, cannot = chat_from_responses(body)
        _only("OpenAI's Responses", cannot)
        return chat
    if exchange.api != "messages":
        return body
    if "input_tokens" in (object_of(exchange.reply) or {}):
        raise Unusable("tokens were counted, nothing was answered")
    if ANTHROPIC_ONLY not in body and _is_anthropics(body):
        body = chat_from_messages({**body, "model": body.get("model") or "any"})
    chat, lost = plain_chat(body)
    _only("Anthropic", [name for name in lost if name not in _HOW])
    return chat


def _only(who: str, names: list[str]) -> None:
    if names:
        said = "".join(char if char.isprintable() else " " for char in ", ".join(sorted(names)))
        raise Unusable(f"asks for what only {who} has: {said[:_MOST_NAMES]}")


def _is_anthropics(body: Mapping[str, Any]) -> bool:
    """Whether a body is in Anthropic's own words. The gateway keeps its requests in OpenAI's; a plain one is both."""
    blocks = [block for message in _objects(body.get("messages")) for block in _objects(message.get("content"))]
    return (
        not _ANTHROPICS_FIELDS.isdisjoint(body)
        or any("input_schema" in tool for tool in _objects(body.get("tools")))
        or any(block.get("type") in _ANTHROPICS_BLOCKS for block in blocks)
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def object_of(text: str | None) -> dict[str, Any] | None:
    """A JSON object; None where the text is none."""
    try:
        value = msgspec.json.decode(text) if text else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
