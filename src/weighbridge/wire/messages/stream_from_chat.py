"""Chunks of a chat completion as Anthropic's stream.

There is one `message_start`, before everything (CLIProxyAPI#561, bifrost#4556); blocks come one after the other; the
end, with all usage, comes once both the finish reason and the usage are there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from weighbridge.wire.messages.stream_calls import Calls
from weighbridge.wire.messages.usage import messages_stop, messages_usage
from weighbridge.wire.reading import StreamFailed, error_text, text_of
from weighbridge.wire.translation import sent, unnumbered

_encode = msgspec.json.Encoder().encode
_Events = list[tuple[str, dict[str, Any]]]


class MessagesFromChat:
    """One stream, under the name `model` (empty: the provider's own). `input_tokens` is an estimate for
    `message_start`, where the provider tells the prompt's tokens only at the end: there they are told as they are.

    `finished` is True once `message_stop` was given.
    """

    __slots__ = (
        *("_calls", "_choice", "_estimate", "_id", "_index", "_kind", "_model", "_refused", "_started", "_usage"),
        "finished",
    )

    def __init__(self, model: str = "", *, input_tokens: int = 0) -> None:
        self._model = model
        self._estimate = input_tokens
        self._id = ""
        self._started = False
        self._index = -1
        self._kind = ""  # of the block that is open
        self._calls = Calls()
        self._choice: dict[str, Any] | None = None  # the one that ended
        self._refused = False
        self._usage: Any = None
        self.finished = False

    def feed(self, chunk: dict[str, Any]) -> _Events:
        """The events that a chunk makes. Raises StreamFailed for an error among the chunks, Unreadable for what is
        none."""
        if chunk.get("error") is not None:
            error = sent.bounded(chunk["error"], "error")
            raise StreamFailed(error_text(error), _encode({"error": error}))
        if self.finished:
            return []
        events: _Events = []
        usage = chunk.get("usage")
        if usage is None and "x_groq" in chunk:  # Groq's own place for it
            usage = sent.object(chunk["x_groq"], "x_groq").get("usage")
        if usage is not None:
            self._usage = usage
        if not self._started:
            self._start(chunk, events)
        for choice in sent.objects(chunk.get("choices"), "choices"):
            if not choice.get("index"):  # there is one answer in this API
                self._take(choice, events)
        if self._choice is not None and usage is not None:
            self._end(events)
        return events

    def finish(self) -> _Events:
        """The end, where usage never came; nothing where the stream was cut before its finish reason."""
        events: _Events = []
        if self._choice is not None and not self.finished:
            self._end(events)
        return events

    # --- the message

    def _start(self, chunk: dict[str, Any], events: _Events) -> None:
        self._started = True
        self._id = sent.text(chunk.get("id"), "id") or "msg"
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model or sent.text(chunk.get("model"), "model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": messages_usage(self._usage, input_tokens=self._estimate),
        }
        events.append(("message_start", {"type": "message_start", "message": message}))

    def _end(self, events: _Events) -> None:
        self.finished = True
        stop = messages_stop(self._choice or {}, called=bool(self._calls), refused=self._refused)
        usage = messages_usage(self._usage, input_tokens=self._estimate)
        events.append(("message_delta", {"type": "message_delta", "delta": stop, "usage": usage}))
        events.append(("message_stop", {"type": "message_stop"}))

    def _take(self, choice: dict[str, Any], events: _Events) -> None:
        delta = choice.get("delta")
        if delta is not None:
            if not isinstance(delta, dict):
                raise sent.fail("delta is no object")
            content = delta.get("content")
            # Nearly every chunk is a piece of the text that is open.
            if len(delta) == 1 and self._kind == "text" and type(content) is str:
                if content:
                    self._grow(events, {"type": "text_delta", "text": content})
            else:
                self._say(delta, content, events)
        if choice.get("finish_reason") is not None:
            self._flush(events)
            self._choice = choice

    # --- what it says

    def _say(self, delta: dict[str, Any], content: Any, events: _Events) -> None:
        if content is not None and not isinstance(content, str | list):
            raise sent.fail("content of a delta is neither text nor parts")
        text, within = text_of(content)
        named = delta.get("reasoning_content") or delta.get("reasoning")
        if thought := sent.text(named, "delta.reasoning_content") or within:
            self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""}, events)
            self._grow(events, {"type": "thinking_delta", "thinking": thought})
        for block in unnumbered(sent.objects(delta.get("thinking_blocks"), "delta.thinking_blocks")):
            self._sign(block, events)
        cited = delta.get("citations")
        if cited == [] and self._kind == "text":
            self._flush(events)
        if refusal := sent.text(delta.get("refusal"), "delta.refusal"):
            self._refused = True
            text += refusal
        if text:
            self._open("text", {"type": "text", "text": ""}, events)
            self._grow(events, {"type": "text_delta", "text": text})
        for citation in unnumbered(sent.objects(cited, "delta.citations")):
            self._open("text", {"type": "text", "text": ""}, events)
            self._grow(events, {"type": "citations_delta", "citation": sent.bounded(citation, "delta.citations")})
        for block in unnumbered(sent.objects(delta.get("content_blocks"), "delta.content_blocks")):
            self._whole_block(block, events)
        self._call(delta, events)

    def _sign(self, block: dict[str, Any], events: _Events) -> None:
        """A signed thought: most often the end of the one that is open, whose text has been told."""
        if block.get("type") != "thinking":
            self._whole_block(block, events)
            return
        if self._kind != "thinking":
            self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""}, events)
            if thought := sent.text(block.get("thinking"), "thinking_blocks.thinking"):
                self._grow(events, {"type": "thinking_delta", "thinking": thought})
        signature = sent.text(block.get("signature"), "thinking_blocks.signature")
        self._grow(events, {"type": "signature_delta", "signature": signature})
        self._flush(events)

    def _whole_block(self, block: dict[str, Any], events: _Events) -> None:
        """A block that comes at once. The input of a call the server makes comes as a delta, as from Anthropic."""
        self._flush(events)
        block = sent.bounded(block, "block")
        given = block.get("input") if str(block.get("type")).endswith("tool_use") else None
        self._open(str(block.get("type")), {**block, "input": {}} if given else block, events)
        if given:
            self._grow(events, {"type": "input_json_delta", "partial_json": _encode(given).decode()})
        self._flush(events)

    def _call(self, delta: dict[str, Any], events: _Events) -> None:
        fragments = sent.objects(delta.get("tool_calls"), "delta.tool_calls")
        if not fragments and delta.get("function_call") is not None:
            fragments = [{"index": 0, "function": delta["function_call"]}]
        for fragment in fragments:
            self._calls.add(fragment)
            self._tell_call(events)
            while self._next_call(events, at_end=False):
                self._tell_call(events)

    def _next_call(self, events: _Events, *, at_end: bool) -> bool:
        call = self._calls.next(at_end=at_end)
        if call is None:
            return False
        self._close(events)
        id_ = call.id or f"call_{self._id}_{self._index + 1}"
        block = {"type": "tool_use", "id": id_, "name": call.name, "input": {}}
        self._open("tool_use", block, events)
        return True

    def _tell_call(self, events: _Events) -> None:
        call = self._calls.current
        if call is not None and (text := call.untold()):
            self._grow(events, {"type": "input_json_delta", "partial_json": text})

    # --- blocks

    def _open(self, kind: str, block: dict[str, Any], events: _Events) -> None:
        """Begins a block, unless one of this kind is open."""
        if self._kind == kind:
            return
        if self._kind and kind != "tool_use":
            self._flush(events)
        self._kind = kind
        self._index += 1
        event = {"type": "content_block_start", "index": self._index, "content_block": block}
        events.append(("content_block_start", event))

    def _grow(self, events: _Events, delta: dict[str, Any]) -> None:
        event = {"type": "content_block_delta", "index": self._index, "delta": delta}
        events.append(("content_block_delta", event))

    def _close(self, events: _Events) -> None:
        if self._kind:
            self._kind = ""
            events.append(("content_block_stop", {"type": "content_block_stop", "index": self._index}))

    def _flush(self, events: _Events) -> None:
        """Ends the block that is open, and tells the calls that still wait."""
        self._close(events)
        while self._next_call(events, at_end=True):
            self._tell_call(events)
            self._close(events)
        self._calls.end()
