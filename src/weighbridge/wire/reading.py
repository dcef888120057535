"""From a reply's bytes, or a stream's stamped events, to an Answer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import msgspec

from weighbridge.errors import WeighbridgeError
from weighbridge.wire.answer import Answer, Latency, TokenLogprob, ToolCall, Usage
from weighbridge.wire.spent import usage_of
from weighbridge.wire.toolcalls import ToolCalls, arguments_text
from weighbridge.wire.views import ChoiceView, LogprobsView, MessageView, ReplyView, decode_reply

_SHOWN = 80
_DONE = b"[DONE]"
_DONE_AT_MOST = 16


class Unreadable(WeighbridgeError):
    """What came is not a reply of this API."""


class StreamFailed(WeighbridgeError):
    """A stream, or a 200, carried an error in place of an answer. `body` is its JSON, `partial` what came before."""

    def __init__(self, what: str, body: bytes, partial: Answer | None = None) -> None:
        super().__init__(what)
        self.body = body
        self.partial = partial


def answer_from_reply(body: bytes) -> Answer:
    """The first choice of a whole reply, chat or completion; further choices are under `extra`.

    Raises Unreadable, or StreamFailed where the reply is an error object.
    """
    view = _decoded(body)
    if view.error is not None and not view.choices:
        raise StreamFailed(error_text(view.error), body)
    if not view.choices:
        raise Unreadable(f"a reply without choices: {shown(body)}")
    choice = view.choices[0]
    message = choice.message or MessageView()
    text, thoughts = text_of(message.content)
    if choice.text is not None:
        text = choice.text
    usage = view.usage_view()
    return Answer(
        text=text,
        reasoning=message.reasoning or message.reasoning_content or thoughts,
        refusal=message.refusal,
        tool_calls=_whole_tool_calls(message),
        finish_reason=choice.finish_reason,
        model=view.model,
        response_id=view.id,
        fingerprint=view.system_fingerprint,
        usage=usage_of(usage) if usage is not None else Usage(),
        logprobs=tuple(_logprobs(choice.logprobs)) if choice.logprobs is not None else (),
        extra={"choices": len(view.choices)} if len(view.choices) > 1 else {},
    )


def answer_from_events(events: Iterable[tuple[float, bytes]], *, intended: float) -> Answer:
    """The first choice of a stream. `events` are (arrival, data) with arrivals and `intended` in seconds on one clock.

    The first token is the first chunk that bears any: reasoning, text, a refusal or a tool call; a chunk with only a
    role is none. `complete` is False where neither a finish reason nor [DONE] came. Raises Unreadable for data that is
    not a chunk, StreamFailed for an error among them.
    """
    stream = Stream()
    for at, data in events:
        stream.add(at, data)
    return stream.answer(intended)


class Stream:
    """Chunks of one stream, put together as they come."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._tools = ToolCalls()
        self._logprobs: list[TokenLogprob] = []
        self._tokens: list[float] = []
        self._first_answer: float | None = None
        self._head: ReplyView | None = None
        self._fingerprint: str | None = None
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._done = False
        self._other_choices = 0
        self.chunks = 0
        self.last: float | None = None

    def add(self, at: float, data: bytes) -> None:
        """One event's data. Raises Unreadable and StreamFailed."""
        self.last = at
        if len(data) < _DONE_AT_MOST and data.strip() == _DONE:
            self._done = True
            return
        view = _decoded(data)
        if view.error is not None:
            raise StreamFailed(error_text(view.error), data, self.answer(at))
        self.chunks += 1
        if self._head is None or (not self._head.model and view.model):
            self._head = view
        self._fingerprint = view.system_fingerprint or self._fingerprint
        if view.usage is not None or view.x_groq is not None:
            usage = view.usage_view()
            self._usage = usage_of(usage) if usage is not None else self._usage  # some servers send it with every chunk
        for choice in view.choices or ():
            if choice.index:
                self._other_choices = max(self._other_choices, choice.index)
            else:
                self._choice(at, choice)

    def _choice(self, at: float, choice: ChoiceView) -> None:
        token = answering = False
        if choice.text:
            self._text.append(choice.text)
            token = answering = True
        delta = choice.delta or choice.message
        if delta is not None:
            thinking, answers = self._delta(delta)
            answering = answering or answers
            token = thinking or answering
        if choice.finish_reason is not None:
            self._finish = choice.finish_reason
        if choice.logprobs is not None:
            self._logprobs.extend(_logprobs(choice.logprobs))
        if token:
            self._tokens.append(at)
            if answering and self._first_answer is None:
                self._first_answer = at

    def _delta(self, delta: MessageView) -> tuple[bool, bool]:
        """Takes in one delta; says whether it bears reasoning, and whether it bears the answer."""
        answering = thinking = False
        content = delta.content
        if type(content) is str:
            if content:
                self._text.append(content)
                answering = True
        elif content:
            text, thoughts = text_of(content)
            if text:
                self._text.append(text)
                answering = True
            if thoughts:
                self._reasoning.append(thoughts)
                thinking = True
        thoughts = delta.reasoning or delta.reasoning_content or ""
        if thoughts:
            self._reasoning.append(thoughts)
            thinking = True
        if delta.refusal:
            self._refusal.append(delta.refusal)
            answering = True
        if delta.tool_calls and self._tools.add(delta.tool_calls):
            answering = True
        if delta.function_call is not None and self._tools.add_function(delta.function_call):
            answering = True
        return thinking, answering

    def answer(self, intended: float) -> Answer:
        """What the stream has come to."""
        head = self._head or ReplyView()
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            refusal="".join(self._refusal) or None,
            tool_calls=self._tools.read(),
            finish_reason=self._finish,
            complete=self._finish is not None or self._done,
            model=head.model,
            response_id=head.id,
            fingerprint=self._fingerprint,
            usage=self._usage or Usage(),
            logprobs=tuple(self._logprobs),
            latency=self._latency(intended),
            chunks=self.chunks,
            extra={"choices": self._other_choices + 1} if self._other_choices else {},
        )

    def _latency(self, intended: float) -> Latency | None:
        if self.last is None:
            return None
        tokens = self._tokens
        return Latency(
            total=self.last - intended,
            ttft=tokens[0] - intended if tokens else None,
            ttfa=self._first_answer - intended if self._first_answer is not None else None,
            last_token=tokens[-1] - intended if tokens else None,
            gaps=tuple(after - before for before, after in pairwise(tokens)),
        )


def text_of(content: str | list[Any] | None) -> tuple[str, str]:
    """Text and reasoning of a message's content, plain or in parts."""
    if content is None or isinstance(content, str):
        return content or "", ""
    text: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict):
            if part.get("type") == "thinking":
                thoughts.append(text_of(part.get("thinking"))[0])
            elif isinstance(part.get("text"), str):
                text.append(part["text"])
    return "".join(text), "".join(thoughts)


def _whole_tool_calls(message: MessageView) -> tuple[ToolCall, ...]:
    calls = ToolCalls()
    if message.tool_calls:
        for place, call in enumerate(message.tool_calls):
            calls.add([msgspec.structs.replace(call, index=place)])
    if message.function_call is not None and not message.tool_calls:
        return (
            ToolCall(
                id="", name=message.function_call.name or "", arguments=arguments_text(message.function_call.arguments)
            ),
        )
    return calls.read()


def _logprobs(view: LogprobsView) -> Iterable[TokenLogprob]:
    for entry in view.content or view.refusal or ():
        rivals = tuple((rival.token, rival.logprob) for rival in entry.top_logprobs or ())
        yield TokenLogprob(entry.token, entry.logprob, rivals)
    if view.tokens and view.token_logprobs:
        tops = view.top_logprobs or [None] * len(view.tokens)
        for token, logprob, top in zip(view.tokens, view.token_logprobs, tops, strict=False):
            if logprob is not None:
                yield TokenLogprob(token, logprob, tuple((top or {}).items()))


def _decoded(body: bytes) -> ReplyView:
    try:
        return decode_reply(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(f"not a reply of this API ({error}): {shown(body)}") from None


def error_text(error: Any) -> str:
    """The message of an error object, whatever its shape."""
    if isinstance(error, dict):
        message = error.get("message") or error.get("type") or error.get("code")
        return str(message) if message else "an error without a message"
    return str(error)


def shown(body: bytes) -> str:
    """The beginning of what came, printable."""
    text = body[: _SHOWN * 4].decode("utf-8", "replace")[:_SHOWN]
    return "".join(char if char.isprintable() else " " for char in text).strip() or "nothing"
