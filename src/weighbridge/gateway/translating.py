"""Other APIs at the gateway's edge: their requests as chat requests, and what comes back in their own words.

Between the two everything is a chat completion like any other: limits, routes, rescue and records know no difference.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.upstream import Endpoint
from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import FailedCall
from weighbridge.records.exchange import Api as RecordedApi
from weighbridge.transport.responder import Headers, Responder, encoded, unframed
from weighbridge.transport.server import ServerRequest
from weighbridge.transport.sse import EventReader
from weighbridge.wire.failure import Failure
from weighbridge.wire.reading import StreamFailed, Unreadable, shown

Event = tuple[str, dict[str, Any]]
Say = Callable[[bytes], bytes]

_DONE: Final = b"[DONE]"
_ID: Final = re.compile(rb"^x-request-id: ([^\r\n]+)\r\n", re.IGNORECASE | re.MULTILINE)
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_encode = msgspec.json.Encoder().encode
_chunk = msgspec.json.Decoder(dict[str, Any]).decode


class Speech(Protocol):
    """One request in its own API's words, and what is said back to it."""

    def asked(self, body: bytes) -> bytes:
        """The body as the gateway serves it. Raises Refusal for what it cannot say."""
        ...

    def lines(self, lines: bytes, request_id: str) -> bytes:
        """The header lines of a reply, with what this API's clients look for."""
        ...

    def whole(self, body: bytes) -> bytes:
        """A reply that is not streamed. Raises Unreadable and StreamFailed."""
        ...

    def refused(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        """An error reply: this API's status for it, and its body."""
        ...

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        """The events a chunk makes. Raises Unreadable and StreamFailed."""
        ...

    def finish(self) -> list[Event]:
        """The events at the end of a stream that is whole."""
        ...

    def failed(self, error: dict[str, Any]) -> list[Event]:
        """The events at the end of a stream that is not, on which this API's clients raise; `error` is OpenAI's."""
        ...


class Configured(Protocol):
    """What is looked at of a gateway's configuration."""

    @property
    def endpoints(self) -> Mapping[str, Endpoint]: ...


class Completing(Protocol):
    """The gateway, as its edges see it."""

    @property
    def setup(self) -> Configured: ...

    def complete(
        self,
        api: Api,
        request: ServerRequest,
        responder: Responder,
        *,
        recorded_as: RecordedApi,
        say: Say | None = None,
    ) -> Awaitable[None] | None:
        """Serves a request. `say` says its body in the gateway's own words; that is done when its key was found good,
        and where it cannot be said, the Refusal that `say` raises is recorded like any other."""
        ...


def speak(
    gateway: Completing,
    request: ServerRequest,
    responder: Responder,
    speech: Speech,
    *,
    recorded_as: RecordedApi,
    api: Api = "chat",
) -> Awaitable[None] | None:
    """Serves one request that is not in the gateway's own words."""
    translating = Translating(responder, speech)
    return gateway.complete(api, request, translating, recorded_as=recorded_as, say=speech.asked)


def decoded(body: bytes) -> dict[str, Any]:
    """A request's body. Raises Refusal where it is no JSON object."""
    try:
        found = msgspec.json.decode(body)
    except _UNDECODABLE as error:
        raise Refusal.bad(f"the body is not JSON ({error}): {shown(body)}") from None
    if not isinstance(found, dict):
        raise Refusal.bad(f"the body is not a JSON object: {shown(body)}")
    return found


def error_of(body: bytes) -> dict[str, Any]:
    """OpenAI's error object in an error reply of ours."""
    try:
        error = msgspec.json.decode(body)["error"]
    except (*_UNDECODABLE, KeyError, TypeError):
        error = None
    return error if isinstance(error, dict) else {"message": shown(body)}


class Translating(Responder):
    """The client's responder, for those who answer in the gateway's own words."""

    __slots__ = ("_inner", "_over", "_reader", "_speech")

    def __init__(self, inner: Responder, speech: Speech) -> None:
        """Nothing of the base is used: every answer goes through `inner`, which is the one its connection knows."""
        self._inner = inner
        self._speech = speech
        self._reader = EventReader()
        self._over = False
        super().__init__(inner.link, keep=True, chunked=True, method=inner.method, path=inner.path)

    # --- the same for every API

    def go_on(self, pending: Awaitable[None]) -> None:
        self._inner.go_on(pending)

    def when_gone(self, call: Callable[[], None] | None) -> None:
        self._inner.when_gone(call)

    @property
    def started(self) -> bool:
        return self._inner.started

    @property
    def ended(self) -> bool:
        return self._inner.ended

    @property
    def disconnected(self) -> bool:
        return self._inner.disconnected

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._inner.transport

    async def drain(self) -> None:
        await self._inner.drain()

    def cut(self) -> None:
        self._inner.cut()

    def abort(self) -> None:
        self._inner.abort()

    def reply(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.reply_encoded(status, encoded(headers), body)

    def start(self, status: int, headers: Headers) -> None:
        self.start_encoded(status, encoded(headers))

    def write_framed(self, data: bytes) -> None:
        self.write(unframed(data))

    # --- said in other words

    def reply_encoded(self, status: int, lines: bytes, body: bytes) -> None:
        """A whole reply, or an error. Raises FailedCall, before anything is sent, where a reply has no words in this
        API."""
        speech, request_id = self._speech, _id_of(lines)
        if status == 200:
            try:
                body = speech.whole(body)
            except (*_UNDECODABLE, Unreadable, StreamFailed) as error:
                raise FailedCall(_unsaid(error)) from None
        else:
            status, body = speech.refused(status, body, request_id)
        self._inner.reply_encoded(status, speech.lines(lines, request_id), body)

    def start_encoded(self, status: int, lines: bytes) -> None:
        self._inner.start_encoded(status, self._speech.lines(lines, _id_of(lines)))

    def write(self, data: bytes) -> None:
        """Chunks of a stream; what they make leaves at once. Raises FailedCall where one has no words in this API, so
        that the stream ends as one its provider broke."""
        out: list[bytes] = []
        try:
            for event in self._reader.feed(data):
                out += self._said(event.data)
        finally:
            self._inner.write(b"".join(out))

    def end(self) -> None:
        if not self._over:
            self._inner.write(b"".join(self._failed({"message": "the stream stopped before its end"})))
        self._inner.end()

    def _said(self, data: bytes) -> list[bytes]:
        if self._over:
            return []
        speech = self._speech
        try:
            if data.strip() == _DONE:
                self._over = True
                return _framed(speech.finish())
            chunk = _chunk(data)
            error = chunk.get("error")
            if error is not None:
                return self._failed(error if isinstance(error, dict) else {"message": str(error)})
            return _framed(speech.feed(chunk))
        except (*_UNDECODABLE, Unreadable, StreamFailed) as error:
            self._over = False
            raise FailedCall(_unsaid(error)) from None

    def _failed(self, error: dict[str, Any]) -> list[bytes]:
        self._over = True
        return _framed(self._speech.failed(error))


def _unsaid(error: Exception) -> Failure:
    return Failure("protocol", f"the provider's answer has no words in this API ({error})", status=200)


def _framed(events: list[Event]) -> list[bytes]:
    return [b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data)) for name, data in events]


def _id_of(lines: bytes) -> str:
    found = _ID.search(lines)
    return found[1].decode("latin-1") if found is not None else ""
