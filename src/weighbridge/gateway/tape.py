"""A stream taken down as one whole reply, and a whole reply played as a stream; both in OpenAI's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from weighbridge.gateway.relay import DONE
from weighbridge.transport.sse import EventReader, EventTooLong
from weighbridge.wire.answer import Usage
from weighbridge.wire.documents import Chunk, assemble
from weighbridge.wire.reading import Unreadable

_PIECE: Final = 48
"""Characters of a played piece: about what a fast model sends in one."""
_HEAD: Final = ("id", "created", "model", "system_fingerprint", "service_tier")
"""What OpenAI says on every chunk; whatever else a reply says comes on the first one."""
_PIECEWISE: Final = ("reasoning_content", "reasoning", "content", "refusal")
_JOINS: Final = frozenset({"role", *_PIECEWISE})
_CALL: Final = frozenset({"index", "id", "type", "function"})
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Tape:
    """What a client was sent of a stream, up to `most` bytes; beyond that nothing is kept of it."""

    __slots__ = ("_most", "_parts", "_size")

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[bytes] | None = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if self._parts is None:
            return
        self._size += len(data)
        if self._size > self._most:
            self._parts = None
        else:
            self._parts.append(data)

    def reply(self, usage: Usage) -> bytes | None:
        """The stream as if it had been sent whole. `usage` is what it cost, where the stream itself does not say.

        None where it is too long or not whole, or where joining its pieces would lose something.
        """
        if self._parts is None:
            return None
        try:
            chunks = list(_chunks(b"".join(self._parts)))
            if not chunks or not all(map(_joins, chunks)):
                return None
            raw = assemble(chunks).raw
        except (Unreadable, EventTooLong, msgspec.DecodeError, RecursionError, TypeError, AttributeError):
            return None  # some provider's own idea of a chunk
        if raw.get("usage") is None:
            raw["usage"] = usage_said(usage)
        return _encode(raw)


def _chunks(data: bytes) -> Iterator[Chunk]:
    reader = EventReader()
    for event in (*reader.feed(data), *reader.finish()):
        if event.data.strip() != b"[DONE]":
            yield Chunk.decode(event.data)


def _joins(chunk: Chunk) -> bool:
    """False for an error, and for deltas that `assemble` cannot join without a loss."""
    if chunk.error is not None:
        return False
    for choice in chunk.raw.get("choices") or ():
        for name, value in (choice.get("delta") or {}).items():
            if name in _JOINS:
                whole = value is None or isinstance(value, str)
            elif name == "tool_calls":
                whole = all(call.keys() <= _CALL and call.get("type") in {None, "function"} for call in value or ())
            else:
                whole = value is None or name == "function_call" or isinstance(value, list)
            if not whole:
                return False
    return True


def usage_said(usage: Usage) -> dict[str, Any] | None:
    """Usage in OpenAI's words, its details kept (litellm PR#42244); None where nothing is known."""
    if usage.input is None or usage.output is None:
        return None
    said: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    details = {
        "prompt_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
            "audio_tokens": usage.audio_input,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_output},
    }
    for name, parts in details.items():
        known = {part: count for part, count in parts.items() if count is not None}
        if known:
            said[name] = known
    return said


def played(reply: bytes, *, include_usage: bool) -> bytes:
    """The SSE bytes of a stream that says what `reply` says: for each choice its role, its text in pieces, its tool
    calls and its end; then usage, where it was asked for."""
    raw = _decode(reply)
    chat = raw.get("object") != "text_completion"
    head = {"object": "chat.completion.chunk" if chat else "text_completion"}
    head |= {name: raw[name] for name in _HEAD if name in raw}
    more = {name: value for name, value in raw.items() if name not in {*head, "choices", "usage"}}
    last = {"usage": None} if include_usage else {}
    out = []
    for choice in raw.get("choices") or ():
        for piece in _pieces(choice) if chat else _text(choice):
            piece["index"] = choice.get("index", 0)
            out.append(_event({**head, **more, "choices": [piece], **last}))
            more = {}
    if include_usage:
        out.append(_event({**head, "choices": [], "usage": raw.get("usage")}))
    return b"".join(out) + DONE


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(chunk)


def _pieces(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks' choices of one choice of a chat reply. Logprobs come with the text, which then is one piece."""
    message = dict(choice.get("message") or {})
    rest = {name: value for name, value in choice.items() if name not in {"message", "index"}}
    logprobs = rest.pop("logprobs", None)
    yield {"delta": _opening(message), "finish_reason": None}
    for name in _PIECEWISE:
        text = message.pop(name, None)
        if not isinstance(text, str) or not text:
            if text:
                message[name] = text
            continue
        told = name == "content" and logprobs is not None
        for piece in [text] if told else _cut(text):
            yield {"delta": {name: piece}, "finish_reason": None, **({"logprobs": logprobs} if told else {})}
        logprobs = None if told else logprobs
    for index, call in enumerate(message.pop("tool_calls", None) or ()):
        for delta in _call(index, call):
            yield {"delta": {"tool_calls": [delta]}, "finish_reason": None}
    said = {name: value for name, value in message.items() if value is not None}
    if said:
        yield {"delta": said, "finish_reason": None}
    yield {"delta": {}, **rest, **({"logprobs": logprobs} if logprobs is not None else {})}


def _opening(message: dict[str, Any]) -> dict[str, Any]:
    """The first delta: a role, and where no text will come, null for it."""
    content = message.get("content")
    opening: dict[str, Any] = {"role": message.pop("role", "assistant")}
    if content is None or isinstance(content, str):
        opening["content"] = None if content is None else ""
    if "refusal" in message:
        opening["refusal"] = None
    return opening


def _call(index: int, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A tool call in two fragments, as OpenAI sends it: the function's name, then its arguments."""
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        yield {"index": index, **call}
        return
    yield {"index": index, **call, "function": {**function, "arguments": ""}}
    for piece in _cut(function["arguments"]):
        yield {"index": index, "function": {"arguments": piece}}


def _text(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks' choices of one choice of a text completion."""
    text, logprobs = choice.get("text") or "", choice.get("logprobs")
    rest = {name: value for name, value in choice.items() if name not in {"text", "index", "logprobs"}}
    for piece in _cut(text) if logprobs is None else [text]:
        yield {"text": piece, "logprobs": logprobs, "finish_reason": None}
    yield {"text": "", "logprobs": None, **rest}


def _cut(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
