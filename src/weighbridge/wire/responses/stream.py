"""A stream of chat chunks as the events of a response."""

from __future__ import annotations

from typing import Any

from weighbridge.wire.answer import Usage
from weighbridge.wire.documents import Chunk
from weighbridge.wire.reading import StreamFailed, error_text, text_of
from weighbridge.wire.responses.reply import (
    INCOMPLETE,
    Frame,
    call_item,
    citations,
    logprobs_said,
    message_item,
    reasoning_item,
    text_part,
)
from weighbridge.wire.spent import usage_of
from weighbridge.wire.toolcalls import ToolCalls, arguments_text
from weighbridge.wire.views import ChoiceView, FunctionView, MessageView, ReplyView, ToolCallView

Event = tuple[str, dict[str, Any]]


class ResponsesFromChat:
    """One stream; `request` is what it answers. Each call gives the events due, as (name, data), numbered in sequence.

    A text or a thought is closed when something else begins; calls stay open to the end, as fragments of parallel
    calls may alternate. A stream that ends without a finish reason ends as `response.failed`, never as completed.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._frame: Frame | None = None
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._open: _Text | None = None
        self._calls: dict[int, _Call] = {}
        self._fragments = ToolCalls()
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._over = False

    @property
    def finished(self) -> bool:
        """True once the answer has said why it ended."""
        return self._finish is not None

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        """The events a chunk makes. Raises Unreadable for what is no chunk, StreamFailed for an error in its place."""
        view = Chunk(chunk).view
        if view.error is not None:
            raise StreamFailed(error_text(view.error), Chunk(chunk).encode())
        events = self._begin(view, chunk.get("created"))
        usage = view.usage_view()
        if usage is not None:
            self._usage = usage_of(usage)
        for choice, raw in zip(view.choices or (), chunk.get("choices") or (), strict=True):
            if choice.index == 0:
                events += self._choice(choice, citations(raw.get("delta") or {}))
        return events

    def finish(self) -> list[Event]:
        """What is due when the chunks have ended."""
        if self._over:
            return []
        if self._finish is None:
            return self.failed("server_error", "the answer was cut before its end")
        self._over = True
        incomplete = self._finish in INCOMPLETE
        events = self._close("incomplete" if incomplete else "completed")
        said = self._whole().ended(self._finish, self._output, self._usage)
        return [*events, self._event(f"response.{said['status']}", response=said)]

    def failed(self, code: str, message: str, param: str | None = None) -> list[Event]:
        """The end of a response that failed: its last state, then the error on which the SDKs raise."""
        if self._over:
            return []
        events = self._begin(ReplyView(), None)
        self._over = True
        # What was begun is told as far as it came; no event says it is done, or somebody would run half a call.
        for begun in (*([self._open] if self._open else ()), *self._calls.values()):
            self._output[begun.number] = begun.item("incomplete")
        error = {"code": code, "message": message}
        said = self._whole().response("failed", self._output, self._usage, error=error)
        events.append(self._event("response.failed", response=said))
        whole = {"type": code, "code": code, "message": message, "param": param}
        # The SDKs raise on a member named `error`; the event's own fields are those of the documentation.
        events.append(self._event("error", code=code, message=message, param=param, error=whole))
        return events

    # --- the frame

    def _begin(self, view: ReplyView, created: Any) -> list[Event]:
        if self._frame is not None:
            return []
        self._frame = Frame(self._request, id_=view.id, model=view.model, created=created)
        return [
            self._event(f"response.{name}", response=self._frame.response("in_progress"))
            for name in ("created", "in_progress")
        ]

    def _whole(self) -> Frame:
        if self._frame is None:
            self._frame = Frame(self._request, id_=None, model=None)
        return self._frame

    def _event(self, name: str, /, **fields: Any) -> Event:
        number, self._sequence = self._sequence, self._sequence + 1
        return name, {"type": name, "sequence_number": number, **fields}

    # --- what a chunk says

    def _choice(self, choice: ChoiceView, cited: list[dict[str, Any]]) -> list[Event]:
        events: list[Event] = []
        delta = choice.delta or choice.message or MessageView()
        text, thoughts = text_of(delta.content)
        if thoughts := delta.reasoning or delta.reasoning_content or thoughts:
            events += self._say("reasoning", thoughts)
        if text:
            events += self._say("output_text", text, logprobs_said(choice.logprobs))
        if cited and self._open is not None:
            self._open.annotations += cited
        if delta.refusal:
            events += self._say("refusal", delta.refusal)
        fragments = delta.tool_calls or ()
        if delta.function_call is not None and not fragments:
            fragments = [ToolCallView(index=0, function=delta.function_call)]
        for fragment in fragments:
            events += self._call(fragment)
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        return events

    def _say(self, kind: str, text: str, logprobs: list[dict[str, Any]] | None = None) -> list[Event]:
        events: list[Event] = []
        said = self._open
        if said is None or said.kind != kind:
            events += self._close_text("completed")
            said = self._open = _Text(kind, self._whole(), len(self._output))
            self._output.append(said.item("in_progress"))
            events += [self._event(name, **fields) for name, fields in said.opening()]
        said.pieces.append(text)
        said.logprobs += logprobs or []
        name, fields = said.delta(text, logprobs or [])
        return [*events, self._event(name, **fields)]

    def _call(self, fragment: ToolCallView) -> list[Event]:
        self._fragments.add([fragment])
        number = self._fragments.last
        events: list[Event] = []
        call = self._calls.get(number)
        if call is None:
            events += self._close_text("completed")
            told = self._fragments.read()[number]
            call = _Call(self._whole(), len(self._output), told.id, told.name, custom=fragment.custom is not None)
            self._calls[number] = call
            self._output.append(call.item("in_progress"))
            events.append(self._event("response.output_item.added", item=call.item("in_progress"), **call.place))
        if text := _fragment_text(fragment):
            call.pieces.append(text)
            events.append(self._event(f"{call.event}.delta", delta=text, **call.names))
        return events

    # --- the ends

    def _close(self, status: str) -> list[Event]:
        events = self._close_text(status)
        for number, call in self._calls.items():
            call.name = self._fragments.read()[number].name  # some servers name a call after it began
            item = self._output[call.number] = call.item(status)
            whole = {call.field: item[call.field], **({} if call.custom else {"name": call.name})}
            events.append(self._event(f"{call.event}.done", **whole, **call.names))
            events.append(self._event("response.output_item.done", item=item, **call.place))
        return events

    def _close_text(self, status: str) -> list[Event]:
        said, self._open = self._open, None
        if said is None:
            return []
        item = self._output[said.number] = said.item(status)
        closing = [self._event(name, **fields) for name, fields in said.closing()]
        return [*closing, self._event("response.output_item.done", item=item, output_index=said.number)]


def _fragment_text(fragment: ToolCallView) -> str:
    if fragment.custom is not None:
        text = fragment.custom.get("input")
        return text if isinstance(text, str) else ""
    return arguments_text((fragment.function or FunctionView()).arguments)


class _Text:
    """A text, a refusal or a thought in the making: an item with one part."""

    def __init__(self, kind: str, frame: Frame, number: int) -> None:
        self.kind = kind
        self.number = number
        self.id = frame.item_id("rs" if kind == "reasoning" else "msg", number)
        self.pieces: list[str] = []
        self.logprobs: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def item(self, status: str) -> dict[str, Any]:
        if self.kind == "reasoning":
            return {**reasoning_item(self.id, "".join(self.pieces)), "status": status}
        return message_item(self.id, [] if status == "in_progress" else [self._part()], status)

    def _part(self) -> dict[str, Any]:
        text = "".join(self.pieces)
        if self.kind == "reasoning":
            return {"type": "summary_text", "text": text}
        return (
            {"type": "refusal", "refusal": text}
            if self.kind == "refusal"
            else text_part(text, self.logprobs, self.annotations)
        )

    @property
    def _place(self) -> dict[str, Any]:
        index = "summary_index" if self.kind == "reasoning" else "content_index"
        return {"item_id": self.id, "output_index": self.number, index: 0}

    @property
    def _names(self) -> tuple[str, str]:
        """The events of its part, and of its text."""
        if self.kind == "reasoning":
            return "response.reasoning_summary_part", "response.reasoning_summary_text"
        return "response.content_part", f"response.{self.kind}"

    def opening(self) -> list[Event]:
        added = {"item": self.item("in_progress"), "output_index": self.number}
        part = {"part": self._part(), **self._place}
        return [("response.output_item.added", added), (f"{self._names[0]}.added", part)]

    def delta(self, text: str, logprobs: list[dict[str, Any]]) -> Event:
        more = {"logprobs": logprobs} if self.kind == "output_text" else {}
        return f"{self._names[1]}.delta", {"delta": text, **more, **self._place}

    def closing(self) -> list[Event]:
        part = self._part()
        field = "refusal" if self.kind == "refusal" else "text"
        more = {"logprobs": self.logprobs} if self.kind == "output_text" else {}
        return [
            (f"{self._names[1]}.done", {field: part[field], **more, **self._place}),
            (f"{self._names[0]}.done", {"part": part, **self._place}),
        ]


class _Call:
    """A call in the making."""

    def __init__(self, frame: Frame, number: int, id_: str, name: str, *, custom: bool) -> None:
        self.frame = frame
        self.number = number
        self.call_id = id_
        self.name = name
        self.custom = custom
        self.field = "input" if custom else "arguments"
        self.event = "response.custom_tool_call_input" if custom else "response.function_call_arguments"
        self.pieces: list[str] = []

    def item(self, status: str) -> dict[str, Any]:
        text = "" if status == "in_progress" else "".join(self.pieces)
        return call_item(self.frame, self.number, self.call_id, self.name, text, custom=self.custom, status=status)

    @property
    def place(self) -> dict[str, Any]:
        return {"output_index": self.number}

    @property
    def names(self) -> dict[str, Any]:
        return {"item_id": self.item("in_progress")["id"], "output_index": self.number}
