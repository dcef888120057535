"""A stream on its way through: every chunk as it came, usage read on the way, the end made right.

What a client of OpenAI may count on is made so for every provider: `usage` only where it was asked for, then null on
every chunk but the last, which has no choices (litellm#8450, #9657, #36168); an error inside a 200 is an error; a
stream without an end is never taken for a whole answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import Dialect, FailedCall, reader_of
from weighbridge.transport.sse import Event, EventTooLong
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure
from weighbridge.wire.spent import usage_of
from weighbridge.wire.views import ReplyView, decode_reply

DONE: Final = b"data: [DONE]\n\n"
_DONE: Final = b"[DONE]"
_NULL_USAGE: Final = b',"usage":null}'
_MALFORMED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Relay:
    """One upstream stream. `feed` gives the SSE bytes for the client and notes what the record needs.

    `first_token` is the arrival of the first chunk that bears any token (monotonic seconds), `tokens` counts such
    chunks. `text` is kept where `keep` says so. `skip` is what the client has already: the answer must begin with it,
    and it is not sent again. `owed` is what a read held for the client before what broke the stream: it is noted as
    delivered though `feed` or `finish` raised. Nothing here waits or writes.
    """

    __slots__ = (
        *("_asked_usage", "_dialect", "_done", "_last", "_reader", "_streaming", "chunks", "finish_reason"),
        *("first_token", "keep", "last", "model", "only_text", "owed", "response_id", "skip", "text", "tokens"),
        "usage",
    )

    def __init__(self, dialect: Dialect, api: Api, *, include_usage: bool, keep: bool = False, skip: str = "") -> None:
        self._dialect = dialect
        self._streaming = None if dialect.verbatim else dialect.streaming(api)
        self._done = False
        self._asked_usage = include_usage
        self._reader = reader_of(self._streaming)
        self._last: bytes | None = None
        self.first_token: float | None = None
        self.last = 0.0
        self.tokens = 0
        self.chunks = 0
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.response_id: str | None = None
        self.keep = keep
        self.skip = skip
        self.text: list[str] = []
        self.only_text = True
        self.owed = b""

    @property
    def whole(self) -> bool:
        """True once the answer has its end: the vendor's own, or a finish reason."""
        ended = self._done if self._streaming is None else self._streaming.finished
        return (ended and self.chunks > 0) or self.finish_reason is not None

    @property
    def done(self) -> bool:
        """True once [DONE] has come: nothing follows it."""
        return self._done

    def feed(self, at: float, data: bytes) -> bytes:
        """One read's worth. Raises FailedCall for an error in the stream and for what is no chunk."""
        self.last = at
        try:
            events = self._reader.feed(data)
        except EventTooLong as error:
            raise FailedCall(Failure("protocol", str(error))) from None
        return self._events(at, events)

    def _events(self, at: float, events: list[Event]) -> bytes:
        out = b""
        streaming = self._streaming
        try:
            for event in events:
                if streaming is not None:
                    for chunk in streaming.feed(event):
                        out += self._chunk(at, chunk)
                elif event.data.strip() == _DONE:
                    self._done = True
                else:
                    out += self._chunk(at, self._verbatim(event))
        finally:
            self.owed += out
        return out

    def _verbatim(self, event: Event) -> bytes:
        """A chunk as it came, on one line: between two lines of data, JSON has a space. Raises FailedCall for an event
        that says by its name that it is an error."""
        data = event.data
        if event.event == b"error":
            raise FailedCall(self._dialect.in_band(data))
        return data.replace(b"\n", b" ") if b"\n" in data else data

    def finish(self) -> bytes:
        """After the last read. Raises FailedCall (network) where the stream has no end."""
        out = self._events(self.last, self._reader.finish())
        for chunk in self._streaming.finish() if self._streaming is not None else ():
            made = self._chunk(self.last, chunk)
            self.owed += made
            out += made
        if self.skip:
            raise FailedCall(Failure("protocol", "the new answer is shorter than what was delivered", status=200))
        if not self.whole:
            said = f"the stream ended after {self.chunks} chunks without a finish reason"
            raise FailedCall(Failure("network", said, status=200))
        if self._last is not None:
            out += b"data: %b\n\n" % self._last
        return out + DONE

    def _chunk(self, at: float, chunk: bytes) -> bytes:
        try:
            if not chunk.isascii():
                chunk.decode()  # what nobody reads here is read by the client
            view = decode_reply(chunk)
        except _MALFORMED as error:
            raise FailedCall(
                Failure("protocol", f"a chunk that is not JSON of this API: {error}", status=200)
            ) from None
        if self.chunks == 0:
            self.model, self.response_id = view.model, view.id
        self.chunks += 1
        if view.error is not None:
            raise FailedCall(self._dialect.in_band(chunk))
        choices = view.choices
        if choices:
            if self.skip:
                chunk, view = self._unsaid(chunk, view)
                if not chunk:
                    self._seen(at)
                    return b""
            self._choices(at, view)
        if view.usage is None and view.x_groq is None:
            if self._asked_usage and b'"usage"' not in chunk:
                return b"data: %b%b\n\n" % (chunk.rstrip()[:-1], _NULL_USAGE)
            return b"data: %b\n\n" % chunk
        return self._with_usage(chunk, view)

    def _choices(self, at: float, view: ReplyView) -> None:
        token = False
        for choice in view.choices or ():
            if choice.finish_reason is not None:
                self.finish_reason = choice.finish_reason
            delta = choice.delta
            if delta is None:
                if choice.text:
                    token = True
                    if self.keep:
                        self.text.append(choice.text)
                continue
            content = delta.content
            if content:
                token = True
                if self.keep and isinstance(content, str) and not choice.index:
                    self.text.append(content)
            if delta.tool_calls or delta.reasoning_content or delta.reasoning or delta.refusal or delta.function_call:
                token = True
                self.only_text = False
        if token:
            self._seen(at)

    def _seen(self, at: float) -> None:
        self.tokens += 1
        if self.first_token is None:
            self.first_token = at

    def _unsaid(self, chunk: bytes, view: ReplyView) -> tuple[bytes, ReplyView]:
        """What of a chunk the client does not have yet; empty where it has it all."""
        delta = view.choices[0].delta if view.choices else None
        content = delta.content if delta is not None else None
        if not isinstance(content, str) or not content:
            return b"", view
        if self.skip.startswith(content):
            self.skip = self.skip[len(content) :]
            return b"", view
        if not content.startswith(self.skip):
            raise FailedCall(Failure("protocol", "the new answer does not begin with what was delivered", status=200))
        raw = msgspec.json.decode(chunk)
        raw["choices"][0]["delta"]["content"] = content[len(self.skip) :]
        self.skip = ""
        rest = msgspec.json.encode(raw)
        return rest, decode_reply(rest)

    def _with_usage(self, chunk: bytes, view: ReplyView) -> bytes:
        """A chunk that tells usage: the client sees it once, at the end, if it asked."""
        usage = view.usage_view()
        if usage is not None:
            self.usage = usage_of(usage)
        if not view.choices:
            self._last = chunk if self._asked_usage else None
            return b""
        raw = msgspec.json.decode(chunk)
        told = raw.pop("usage", None)
        if self._asked_usage:
            if told is not None:
                last = {name: raw[name] for name in ("id", "object", "created", "model") if name in raw}
                self._last = msgspec.json.encode({**last, "choices": [], "usage": told})
            raw["usage"] = None
        return b"data: %b\n\n" % msgspec.json.encode(raw)


def error_event(error: Mapping[str, str | None]) -> bytes:
    """The event on which the official SDKs raise."""
    return b"data: %b\n\n" % msgspec.json.encode({"error": error})
