"""Whole replies, both ways, and the assistant's turns within them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.wire.messages.usage import chat_stop, chat_usage, messages_stop, messages_usage
from weighbridge.wire.reading import StreamFailed, error_text, text_of
from weighbridge.wire.toolcalls import arguments_text
from weighbridge.wire.translation import DEEPEST, Shape, deeper_than, sent, unnumbered

_encode = msgspec.json.Encoder().encode
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeError)
_ORDER: Final = {"thinking": 0, "redacted_thinking": 0, "text": 1, "tool_use": 2}
_KNOWN: Final = {
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "text": {"type", "text"},
    "tool_use": {"type", "id", "name", "input", "caller"},
}


def assistant_message(blocks: list[dict[str, Any]], where: str, shape: Shape) -> dict[str, Any]:
    """What the model said, as a message of a chat.

    Thoughts are `reasoning_content`, and signed ones `thinking_blocks`. `content_blocks` holds all of it as it was
    where a chat has no words for something, or for its order.
    """
    placed = [
        (shape.needed(block.get("type"), f"{where}[{place}].type"), block, f"{where}[{place}]")
        for place, block in enumerate(blocks)
    ]
    texts = [shape.text(block.get("text"), f"{at}.text") for kind, block, at in placed if kind == "text"]
    thoughts = [shape.text(block.get("thinking"), f"{at}.thinking") for kind, block, at in placed if kind == "thinking"]
    signed = [
        shape.bounded(block, at)
        for kind, block, at in placed
        if kind == "redacted_thinking" or (kind == "thinking" and shape.text(block.get("signature"), f"{at}.signature"))
    ]
    calls = [_call(block, at, shape) for kind, block, at in placed if kind == "tool_use"]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    if signed:
        message["thinking_blocks"] = signed
    if calls:
        message["tool_calls"] = calls
    if not _plain(blocks):
        message["content_blocks"] = shape.bounded(blocks, where)
        if noted := _annotations(blocks):
            message["annotations"] = noted
    return message


def _call(block: dict[str, Any], where: str, shape: Shape) -> dict[str, Any]:
    given = shape.bounded(shape.object(block.get("input"), f"{where}.input"), f"{where}.input")
    function = {"name": shape.needed(block.get("name"), f"{where}.name"), "arguments": _encode(given).decode()}
    return {"id": shape.needed(block.get("id"), f"{where}.id"), "type": "function", "function": function}


def _plain(blocks: list[dict[str, Any]]) -> bool:
    """True where a message says all of it: thoughts, one text, calls, in this order."""
    last = -1
    for block in blocks:
        order = _ORDER.get(block["type"], -1)
        if order < last or order < 0 or (order == last == 1):
            return False
        last = order
        if any(block[name] is not None for name in block.keys() - _KNOWN[block["type"]]):
            return False
    return True


def _annotations(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Citations of web pages, at the place of the text they are for."""
    noted: list[dict[str, Any]] = []
    end = 0
    for block in blocks:
        if block["type"] != "text":
            continue
        start, end = end, end + len(block.get("text") or "")
        cited = block.get("citations")
        found = (annotation(citation, start, end) for citation in (cited if isinstance(cited, list) else ()))
        noted.extend(entry for entry in found if entry is not None)
    return noted


def annotation(citation: Any, start: int, end: int) -> dict[str, Any] | None:
    """A citation in OpenAI's words; None for one that is not of a web page."""
    if not isinstance(citation, dict) or not isinstance(citation.get("url"), str):
        return None
    title = citation.get("title")
    cited = {"url": citation["url"], "title": title if isinstance(title, str) else ""}
    return {"type": "url_citation", "url_citation": {**cited, "start_index": start, "end_index": end}}


def chat_reply_from_messages(reply: dict[str, Any], *, created: int = 0) -> dict[str, Any]:
    """A Messages reply as a chat completion; `created` in Unix seconds, which Anthropic does not say.

    Raises StreamFailed where it is an error object, Unreadable where it is no reply.
    """
    if reply.get("type") == "error" or (reply.get("error") is not None and "content" not in reply):
        raise _failed(reply)
    if not isinstance(reply.get("content"), list):
        raise sent.fail("a reply without content")
    message = assistant_message(sent.objects(reply["content"], "content"), "content", sent)
    message["refusal"] = None
    choice = {"index": 0, "message": message, "logprobs": None, **chat_stop(reply)}
    if choice["finish_reason"] is None:
        raise sent.fail("a reply without stop_reason")
    said: dict[str, Any] = {
        "id": sent.text(reply.get("id"), "id"),
        "object": "chat.completion",
        "created": created,
        "model": sent.text(reply.get("model"), "model"),
        "choices": [choice],
    }
    if reply.get("usage") is not None:
        said["usage"] = chat_usage(sent.object(reply["usage"], "usage"))
    return _with_own(said, reply)


def _failed(reply: dict[str, Any]) -> StreamFailed:
    error = sent.bounded(reply.get("error"), "error")
    return StreamFailed(error_text(error), _encode({"error": error}))


def messages_reply_from_chat(reply: dict[str, Any], model: str) -> dict[str, Any]:
    """The first choice of a chat completion as a Messages reply that names `model`.

    Raises StreamFailed where it is an error object, Unreadable where it is no reply.
    """
    choices = sent.objects(reply.get("choices"), "choices")
    if not choices:
        if reply.get("error") is not None:
            raise _failed(reply)
        raise sent.fail("a reply without choices")
    choice = choices[0]
    message = sent.object(choice.get("message"), "choices[0].message")
    id_ = sent.text(reply.get("id"), "id") or "msg"
    content = _blocks(message, id_)
    called = any(block.get("type") == "tool_use" for block in content)
    said = {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        **messages_stop(choice, called=called, refused=bool(message.get("refusal"))),
        "usage": messages_usage(reply.get("usage")),
    }
    return _with_own(said, reply)


def _with_own(said: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    """With what only Anthropic says of a reply."""
    for name in ("container", "context_management"):
        if reply.get(name) is not None:
            said[name] = sent.bounded(reply[name], name)
    return said


def _blocks(message: dict[str, Any], id_: str) -> list[dict[str, Any]]:
    kept = unnumbered(sent.objects(message.get("content_blocks"), "message.content_blocks"))
    text, thoughts = _texts(message)
    if kept and (not text or any(block.get("type") == "text" for block in kept)):
        return sent.bounded(kept, "message.content_blocks")  # type: ignore[no-any-return]
    blocks = unnumbered(sent.objects(message.get("thinking_blocks"), "message.thinking_blocks"))
    sent.bounded(blocks, "message.thinking_blocks")
    if thoughts and not any(block.get("type") == "thinking" for block in blocks):
        blocks = [{"type": "thinking", "thinking": thoughts, "signature": ""}, *blocks]
    blocks = [*blocks, *sent.bounded(kept, "message.content_blocks")]
    if text := text + sent.text(message.get("refusal"), "message.refusal"):
        blocks.append({"type": "text", "text": text})
    calls = sent.objects(message.get("tool_calls"), "message.tool_calls")
    if not calls and message.get("function_call") is not None:
        calls = [{"function": message["function_call"]}]
    return [*blocks, *(_use(call, f"tool_calls[{place}]", f"call_{id_}_{place}") for place, call in enumerate(calls))]


def _texts(message: dict[str, Any]) -> tuple[str, str]:
    """Text and thoughts, under whichever name a server has them."""
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        raise sent.fail("message.content is neither text nor parts")
    text, within = text_of(content)
    named = message.get("reasoning_content") or message.get("reasoning")
    return text, sent.text(named, "message.reasoning_content") or within


def _use(call: dict[str, Any], where: str, made_up: str) -> dict[str, Any]:
    """A call as a block. One that is not to be read as an object is kept as its text, under `arguments`: a call the
    model made is never dropped (aisix#170)."""
    custom = sent.object(call.get("custom"), f"{where}.custom")
    function = sent.object(call.get("function"), f"{where}.function") or {**custom, "arguments": custom.get("input")}
    given = function.get("arguments")
    if isinstance(given, str) and given.strip():
        try:
            read: Any = msgspec.json.decode(given)
        except _UNDECODABLE:
            read = given
    else:
        read = given or {}
    if not isinstance(read, dict) or deeper_than(read, DEEPEST):
        read = {"arguments": given if isinstance(given, str) else arguments_text(None)}
    return {
        "type": "tool_use",
        "id": sent.text(call.get("id"), f"{where}.id") or made_up,
        "name": sent.text(function.get("name"), f"{where}.name"),
        "input": read,
    }
