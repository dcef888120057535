"""Requests, replies and chunks as documents: the JSON object as sent is the truth, typed properties read from it.

Nothing is ever lost: a field nobody here knows stays where it was, and `encode` gives back what `decode` took.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

import msgspec

from weighbridge.wire.answer import Usage
from weighbridge.wire.reading import Unreadable, shown, text_of
from weighbridge.wire.spent import usage_of
from weighbridge.wire.toolcalls import ToolCalls
from weighbridge.wire.usage import UsageView
from weighbridge.wire.views import ChoiceView, ReplyView, ToolCallView

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Document:
    """A JSON object. `raw` may be read freely; change it through `with_changes`, which leaves this one as it was."""

    __slots__ = ("raw",)
    kind: ClassVar[str] = "document"

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises Unreadable where `data` is not one JSON object."""
        try:
            raw = _decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Unreadable(f"not a {cls.kind} ({error}): {shown(data)}") from None
        if not isinstance(raw, dict):
            raise Unreadable(f"not a {cls.kind}, which is a JSON object: {shown(data)}")
        return cls(raw)

    def encode(self) -> bytes:
        return _encode(self.raw)

    def with_changes(self, **fields: Any) -> Self:
        """A copy with these top-level fields set; one set to msgspec.UNSET is taken out."""
        merged = {**self.raw, **fields}
        return type(self)({name: value for name, value in merged.items() if value is not msgspec.UNSET})

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def _view(self, type_: type[Any], value: Any) -> Any:
        try:
            return msgspec.convert(value, type_)
        except msgspec.ValidationError as error:
            raise Unreadable(f"not a {self.kind}: {error}") from None


class Request(Document):
    """What chat and completion requests share."""

    kind = "request"

    @property
    def model(self) -> str:
        return str(self.raw.get("model", ""))

    @property
    def stream(self) -> bool:
        return bool(self.raw.get("stream"))

    @property
    def include_usage(self) -> bool:
        options = self.raw.get("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))

    @property
    def max_tokens(self) -> int | None:
        value = self.raw.get("max_completion_tokens", self.raw.get("max_tokens"))
        return value if isinstance(value, int) else None

    @property
    def response_format(self) -> dict[str, Any] | None:
        value = self.raw.get("response_format")
        return value if isinstance(value, dict) else None


class ChatRequest(Request):
    kind = "chat request"

    @property
    def messages(self) -> list[dict[str, Any]]:
        value = self.raw.get("messages")
        return value if isinstance(value, list) else []

    @property
    def tools(self) -> list[dict[str, Any]]:
        value = self.raw.get("tools")
        return value if isinstance(value, list) else []

    @property
    def has_images(self) -> bool:
        return any(
            isinstance(part, dict) and part.get("type") in {"image_url", "input_image", "image"}
            for message in self.messages
            if isinstance(content := message.get("content"), list)
            for part in content
        )

    @property
    def last_user_text(self) -> str:
        """The text of the last message a user wrote."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return text_of(message.get("content"))[0]
        return ""


class CompletionRequest(Request):
    kind = "completion request"

    @property
    def prompt(self) -> str:
        value = self.raw.get("prompt", "")
        return (
            value if isinstance(value, str) else "\n".join(map(str, value)) if isinstance(value, list) else str(value)
        )


class Reply(Document):
    """What replies and chunks share."""

    kind = "reply"

    @property
    def view(self) -> ReplyView:
        """Everything we read of it, typed. Raises Unreadable where a field is not of its type."""
        view: ReplyView = self._view(ReplyView, self.raw)
        return view

    @property
    def choices(self) -> list[ChoiceView]:
        return self.view.choices or []

    @property
    def usage(self) -> Usage | None:
        view: UsageView | None = self.view.usage_view()
        return usage_of(view) if view is not None else None

    @property
    def error(self) -> Any:
        return self.raw.get("error")


class ChatReply(Reply):
    kind = "chat reply"


class CompletionReply(Reply):
    kind = "completion reply"


class Chunk(Reply):
    kind = "chunk"


def assemble(chunks: Iterable[Chunk]) -> ChatReply:
    """A stream as if it had been sent whole: deltas joined, unknown fields kept from the last chunk that had them."""
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for name, value in chunk.raw.items():
            if name != "choices" and (value is not None or name not in whole):
                whole[name] = value
        for choice in chunk.raw.get("choices") or ():
            _merge_choice(choices.setdefault(choice.get("index", 0), {}), choice)
    whole["choices"] = [_finished(index, choice) for index, choice in sorted(choices.items())]
    if whole.get("object") == "chat.completion.chunk":
        whole["object"] = "chat.completion"
    return ChatReply(whole)


def _merge_choice(whole: dict[str, Any], choice: dict[str, Any]) -> None:
    for name, value in choice.items():
        if name == "delta":
            _merge_delta(whole.setdefault("message", {}), value or {})
        elif name == "text":
            whole["text"] = whole.get("text", "") + (value or "")
        elif name == "logprobs" and isinstance(value, dict):
            _merge_lists(whole.setdefault("logprobs", {}) or {}, value, whole)
        elif value is not None or name not in whole:
            whole[name] = value


def _merge_lists(known: dict[str, Any], more: dict[str, Any], whole: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, list):
            known[name] = [*(known.get(name) or []), *value]
        elif value is not None or name not in known:
            known[name] = value
    whole["logprobs"] = known


_JOINED = {"content", "reasoning", "reasoning_content", "refusal"}


def _merge_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name in _JOINED and isinstance(value, str):
            message[name] = (message.get(name) or "") + value
        elif name == "tool_calls":
            message.setdefault("tool_calls", []).extend(value or [])
        elif name == "function_call" and isinstance(value, dict):
            known = message.setdefault("function_call", {"name": "", "arguments": ""})
            for part in ("name", "arguments"):
                known[part] += value.get(part) or ""
        elif isinstance(value, list):
            message[name] = [*(message.get(name) or []), *value]
        elif value is not None or name not in message:
            message[name] = value


def _finished(index: int, choice: dict[str, Any]) -> dict[str, Any]:
    message = choice.get("message")
    if message is not None and message.get("tool_calls"):
        message["tool_calls"] = _joined_tool_calls(message["tool_calls"])
    return {**choice, "index": index}


def _joined_tool_calls(fragments: list[dict[str, Any]]) -> list[dict[str, Any]]:

    calls = ToolCalls()
    for fragment in fragments:
        calls.add([msgspec.convert(fragment, ToolCallView)])
    return [
        {"id": call.id, "type": call.type, "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls.read()
    ]
