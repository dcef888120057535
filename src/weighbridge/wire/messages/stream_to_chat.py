"""Anthropic's stream, event by event, as chunks of a chat completion.

The first chunk carries the usage told at the start, so that the prompt's tokens are known however the stream ends; the
last has no choices and carries all of it (litellm#8450, #31069). A block that chat has no words for comes whole, once
it is, as `content_blocks` of a delta; a signed thought as `thinking_blocks`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from weighbridge.wire.messages.replies import annotation
from weighbridge.wire.messages.usage import chat_stop, chat_usage
from weighbridge.wire.reading import StreamFailed, error_text
from weighbridge.wire.translation import sent

_encode = msgspec.json.Encoder().encode
_Chunks = list[dict[str, Any]]


class _Open:
    """A block that has begun. `pieces` are what came of it and is to be told as a whole."""

    __slots__ = ("block", "call", "cited", "kind", "pieces", "signature", "start")

    def __init__(self, kind: str, block: dict[str, Any], call: int, start: int) -> None:
        self.kind = kind
        self.block = block
        self.call = call
        self.start = start
        self.pieces: list[str] = []
        self.signature = ""
        self.cited = "citations" in block


class ChatFromMessages:
    """One stream. `created` is in Unix seconds, which Anthropic does not say.

    `finished` is True once `message_stop` came.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_cited",
        "_created",
        "_id",
        "_model",
        "_places",
        "_started",
        "_text",
        "_told",
        "_usage",
        "finished",
    )

    def __init__(self, created: int = 0) -> None:
        self._created = created
        self._id = ""
        self._model = ""
        self._started = False
        self._blocks: dict[int, _Open] = {}
        self._places: dict[str, int] = {}
        self._calls = 0
        self._text = 0
        self._cited = False  # the text before had citations
        self._usage: dict[str, Any] = {}
        self._told = False
        self.finished = False

    def feed(self, event: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        """The chunks that an event makes; none for what is new to us.

        Raises StreamFailed for an error among the events, Unreadable for what is no event of this API.
        """
        kind = data.get("type")
        take = self._TAKES.get(kind if isinstance(kind, str) else event)
        return take(self, data) if take is not None else []

    def finish(self) -> list[dict[str, Any]]:
        """Usage, where the stream ended before it was told; an end is never made up."""
        return [] if self._told or not self._usage else self._tell_usage()

    # --- what chunks look like

    def _chunk(self, delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}],
        }

    def _tell_usage(self) -> _Chunks:
        self._told = True
        return [{**self._chunk({}), "choices": [], "usage": chat_usage(self._usage)}]

    # --- the message

    def _start(self, data: dict[str, Any]) -> _Chunks:
        if self._started:  # some gateways say it twice
            return []
        self._started = True
        message = sent.object(data.get("message"), "message")
        self._id = sent.text(message.get("id"), "message.id")
        self._model = sent.text(message.get("model"), "message.model")
        first = self._chunk({"role": "assistant", "content": ""})
        if message.get("usage") is not None:
            self._count(message["usage"])
            first["usage"] = chat_usage(self._usage)
        return [first]

    def _count(self, usage: Any) -> None:
        """Counts are cumulative. A nothing never takes the place of a number: some say input only at the start, some
        only at the end."""
        for name, value in sent.object(usage, "usage").items():
            if value or name not in self._usage:
                self._usage[name] = value

    def _delta(self, data: dict[str, Any]) -> _Chunks:
        if data.get("usage") is not None:
            self._count(data["usage"])
        told = chat_stop(sent.object(data.get("delta"), "delta"))
        if told["finish_reason"] is None:
            return []
        return [self._chunk({}, **told)]

    def _stop(self, data: dict[str, Any]) -> _Chunks:
        del data
        self.finished = True
        return self.finish()

    def _fail(self, data: dict[str, Any]) -> _Chunks:
        error = sent.bounded(data.get("error", data), "error")
        raise StreamFailed(error_text(error), _encode({"error": error}))

    # --- blocks

    def _start_block(self, data: dict[str, Any]) -> _Chunks:
        block = sent.object(data.get("content_block"), "content_block")
        kind = sent.needed(block.get("type"), "content_block.type")
        index = data.get("index")
        if not isinstance(index, int):
            raise sent.fail("index of a block is no number")
        begun = _Open(kind, block, self._calls, self._text)
        self._blocks[index] = begun
        if kind == "text":
            return self._start_text(block, cited=begun.cited)
        if kind == "tool_use":
            self._calls += 1
            name = sent.needed(block.get("name"), "content_block.name")
            id_ = sent.needed(block.get("id"), "content_block.id")
            call = {"index": begun.call, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
            return [self._chunk({"tool_calls": [call]})]
        if kind == "thinking":
            begun.signature = sent.text(block.get("signature"), "content_block.signature")
            if thought := sent.text(block.get("thinking"), "content_block.thinking"):
                begun.pieces.append(thought)
                return [self._chunk({"reasoning_content": thought})]
        return []

    def _start_text(self, block: dict[str, Any], *, cited: bool) -> _Chunks:
        text = sent.text(block.get("text"), "content_block.text")
        self._text += len(text)
        delta: dict[str, Any] = {"content": text}
        apart = cited or self._cited
        if apart:  # citations are of one text: `MessagesFromChat` begins a block of its own here
            delta["citations"] = []
        return [self._chunk(delta)] if text or apart else []

    def _delta_block(self, data: dict[str, Any]) -> _Chunks:
        delta = data.get("delta")
        if not isinstance(delta, dict):
            raise sent.fail("delta of a block is no object")
        kind = delta.get("type")
        if kind == "text_delta":
            text = delta.get("text")
            if not isinstance(text, str):
                raise sent.fail("text of a delta is no text")
            self._text += len(text)
            return [self._chunk({"content": text})] if text else []
        index = data.get("index")
        begun = self._blocks.get(index) if isinstance(index, int) else None
        if begun is None:
            raise sent.fail(f"a delta of block {index!r}, which has not begun")
        return self._grow(begun, str(kind), delta)

    def _grow(self, begun: _Open, kind: str, delta: dict[str, Any]) -> _Chunks:
        if kind == "input_json_delta":
            piece = sent.text(delta.get("partial_json"), "delta.partial_json")
            if not piece:
                return []
            begun.pieces.append(piece)
            return [self._chunk(_fragment(begun.call, piece))] if begun.kind == "tool_use" else []
        if kind == "thinking_delta":
            thought = sent.text(delta.get("thinking"), "delta.thinking")
            begun.pieces.append(thought)
            return [self._chunk({"reasoning_content": thought})] if thought else []
        if kind == "signature_delta":
            begun.signature += sent.text(delta.get("signature"), "delta.signature")
        elif kind == "citations_delta":
            citation = sent.bounded(sent.object(delta.get("citation"), "delta.citation"), "delta.citation")
            begun.cited = True
            noted = annotation(citation, begun.start, self._text)
            more = self._listed("annotations", noted) if noted is not None else {}
            return [self._chunk({**self._listed("citations", citation), **more})]
        elif kind == "compaction_delta":
            begun.pieces.append(sent.text(delta.get("content"), "delta.content"))
        return []

    def _stop_block(self, data: dict[str, Any]) -> _Chunks:
        index = data.get("index")
        begun = self._blocks.pop(index, None) if isinstance(index, int) else None
        if begun is None:
            return []
        self._cited = begun.kind == "text" and begun.cited
        delta = self._last_of(begun)
        return [self._chunk(delta)] if delta else []

    def _last_of(self, begun: _Open) -> dict[str, Any]:
        """What is left to tell of a block that has ended."""
        if begun.kind == "text":
            return {}
        if begun.kind == "tool_use":
            return {} if begun.pieces else _fragment(begun.call, self._whole_input(begun))
        if begun.kind == "thinking":
            signed = {"type": "thinking", "thinking": "".join(begun.pieces), "signature": begun.signature}
            return self._listed("thinking_blocks", signed) if begun.signature else {}
        if begun.kind == "redacted_thinking":
            return self._listed("thinking_blocks", sent.bounded(begun.block, "content_block"))
        return self._listed("content_blocks", self._whole_block(begun))

    def _listed(self, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        """One entry of a list that grows over the chunks. OpenAI's SDKs put such lists together by `index`, and raise
        where there is none."""
        place = self._places.get(name, 0)
        self._places[name] = place + 1
        return {name: [{**entry, "index": place}]}

    def _whole_input(self, begun: _Open) -> str:
        """Arguments that came with the beginning, or none at all, which is an empty object."""
        given = sent.object(begun.block.get("input"), "content_block.input")
        return _encode(sent.bounded(given, "content_block.input")).decode()

    def _whole_block(self, begun: _Open) -> dict[str, Any]:
        block: dict[str, Any] = sent.bounded(begun.block, "content_block")
        if not begun.pieces:
            return block
        whole = "".join(begun.pieces)
        if begun.kind == "compaction":
            return {**block, "content": whole}
        try:
            return {**block, "input": sent.bounded(msgspec.json.decode(whole), "content_block.input")}
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise sent.fail(f"the input of a block is not JSON: {error}") from None

    _TAKES: ClassVar[dict[str, Callable[[ChatFromMessages, dict[str, Any]], _Chunks]]] = {
        "message_start": _start,
        "content_block_start": _start_block,
        "content_block_delta": _delta_block,
        "content_block_stop": _stop_block,
        "message_delta": _delta,
        "message_stop": _stop,
        "error": _fail,
    }


def _fragment(index: int, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
