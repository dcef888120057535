"""ConverseStream's events as chat chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from weighbridge.wire.converse.reply import finish, head, usage_from
from weighbridge.wire.translation import sent


class ChatFromConverse:
    """One stream. `finished` once the turn said why it ended; the usage comes after that, in an event of its own."""

    def __init__(self, model: str = "") -> None:
        self._head = head(model)
        self._began = False
        self._calls: dict[int, int] = {}
        self._argued: set[int] = set()
        self._thoughts: dict[int, list[str]] = {}
        self._signatures: dict[int, list[str]] = {}
        self.finished = False

    def feed(self, event: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks of one event; none for an event nobody here knows. Raises Unreadable."""
        sent.bounded(data, event)
        way = _WAYS.get(event)
        return way(self, data) if way is not None else []

    def begin(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        return self._chunk({"content": ""})

    def end(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        chunks = self._chunk({}, **finish(data.get("stopReason"), called=bool(self._calls)))
        self.finished = True
        return chunks

    def tell(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        usage = usage_from(data.get("usage"))
        if usage is None:
            return []
        return [{**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage}]

    def _chunk(self, delta: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
        role, self._began = {} if self._began else {"role": "assistant"}, True
        choice = {"index": 0, "delta": role | delta, "finish_reason": None, **fields}
        return [{**self._head, "object": "chat.completion.chunk", "choices": [choice], "usage": None}]

    def start(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        start = sent.object(data.get("start"), "contentBlockStart.start")
        if "toolUse" not in start:
            return []
        use = sent.object(start["toolUse"], "contentBlockStart.start.toolUse")
        number = self._calls.setdefault(_block(data), len(self._calls))
        id_ = sent.needed(use.get("toolUseId"), "toolUse.toolUseId")
        function = {"name": sent.needed(use.get("name"), "toolUse.name"), "arguments": ""}
        return self._chunk({"tool_calls": [{"index": number, "id": id_, "type": "function", "function": function}]})

    def delta(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        delta = sent.object(data.get("delta"), "contentBlockDelta.delta")
        block = _block(data)
        if "text" in delta:
            return self._chunk({"content": sent.text(delta["text"], "delta.text")})
        if "toolUse" in delta:
            if block not in self._calls:
                raise sent.fail("arguments of a call that never began")
            text = sent.text(sent.object(delta["toolUse"], "delta.toolUse").get("input"), "delta.toolUse.input")
            return self._argue(block, text)
        if "reasoningContent" in delta:
            return self._thought(block, sent.object(delta["reasoningContent"], "delta.reasoningContent"))
        return []

    def _argue(self, block: int, text: str) -> list[dict[str, Any]]:
        if not text:
            return []
        self._argued.add(block)
        return self._chunk({"tool_calls": [{"index": self._calls[block], "function": {"arguments": text}}]})

    def _thought(self, block: int, content: dict[str, Any]) -> list[dict[str, Any]]:
        if signature := sent.text(content.get("signature"), "reasoningContent.signature"):
            self._signatures.setdefault(block, []).append(signature)
        if redacted := sent.text(content.get("redactedContent"), "reasoningContent.redactedContent"):
            return self._chunk({"thinking_blocks": [{"type": "redacted_thinking", "data": redacted}]})
        text = sent.text(content.get("text"), "reasoningContent.text")
        if not text:
            return []
        self._thoughts.setdefault(block, []).append(text)
        return self._chunk({"reasoning_content": text})

    def stop(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        block = _block(data)
        if block in self._calls and block not in self._argued:
            return self._argue(block, "{}")  # a call without arguments is still one of an object
        if block in self._signatures:
            text, signature = "".join(self._thoughts.get(block, ())), "".join(self._signatures.pop(block))
            return self._chunk({"thinking_blocks": [{"type": "thinking", "thinking": text, "signature": signature}]})
        return []


def _block(data: dict[str, Any]) -> int:
    return sent.count(data.get("contentBlockIndex"), "contentBlockIndex")


_WAYS: Final[dict[str, Callable[[ChatFromConverse, dict[str, Any]], list[dict[str, Any]]]]] = {
    "messageStart": ChatFromConverse.begin,
    "contentBlockStart": ChatFromConverse.start,
    "contentBlockDelta": ChatFromConverse.delta,
    "contentBlockStop": ChatFromConverse.stop,
    "messageStop": ChatFromConverse.end,
    "metadata": ChatFromConverse.tell,
}
