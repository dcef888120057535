"""Google Gemini's dialect: generateContent, at Google AI or at Vertex AI (with the base URL of a location there)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from weighbridge.errors import UsageError
from weighbridge.providers.candidate import Api
from weighbridge.providers.dialect import FailedCall, Outgoing
from weighbridge.providers.failing import Failures, ReadsFailures
from weighbridge.providers.gemini_errors import TABLE
from weighbridge.providers.provider import Model, Provider
from weighbridge.transport.client import Route
from weighbridge.transport.sse import Event
from weighbridge.wire.failure import Failure
from weighbridge.wire.generate import Blocked, ChatFromGenerate, chat_reply_from_generate, generate_from_chat
from weighbridge.wire.reading import Unreadable, shown
from weighbridge.wire.translation import plain

_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_Said = TypeVar("_Said")
_encode = msgspec.json.Encoder().encode


class GeminiDialect(ReadsFailures):
    """One provider that speaks generateContent. Routes are made once a model."""

    verbatim = False

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._headers = provider.request_headers()
        self._failures = Failures(provider, TABLE)
        self._routes: dict[tuple[str, bool], Route] = {}

    def cannot(self, model: Model, api: Api, body: Mapping[str, Any]) -> tuple[str, ...]:
        """What has no words in generateContent; nothing for a body that is no request, which `outgoing` refuses."""
        if api != "chat":
            return ("prompt",)
        try:
            return tuple(self._said(model, body)[1])
        except UsageError:
            return ()

    def outgoing(self, model: Model, api: Api, body: dict[str, Any], *, stream: bool) -> Outgoing:
        """The request for one call. Raises UsageError for a body that is no chat request."""
        if api != "chat":
            raise UsageError(f"provider {self.provider.name} speaks chat, and the request is a plain prompt")
        return Outgoing(self._route(model.model, stream), _encode(self._said(model, body)[0]))

    @staticmethod
    def _said(model: Model, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        return generate_from_chat({**plain(body), "model": model.model})

    def _route(self, model: str, stream: bool) -> Route:
        route = self._routes.get((model, stream))
        if route is None:
            named = model if "/" in model else f"models/{model}"
            method = "streamGenerateContent?alt=sse" if stream else "generateContent"
            url = self.provider.url(f"{quote(named, safe='/-._~@')}:{method}")
            route = self._routes[model, stream] = Route.to("POST", url, self._headers)
        return route

    # --- what came back

    def whole(self, api: Api, body: bytes) -> bytes:  # noqa: ARG002  # there is only chat
        """The reply as OpenAI's. Raises FailedCall for an error in it, a blocked prompt and what is no reply."""
        return _encode(_guarded(self._failures, body, lambda reply: chat_reply_from_generate(reply, "")))

    def streaming(self, api: Api) -> GeminiStreaming:  # noqa: ARG002
        return GeminiStreaming(self._failures)


class GeminiStreaming:
    """A stream of generateContent, each event a reply of its own."""

    __slots__ = ("_failures", "_stream")

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._stream = ChatFromGenerate()

    @property
    def finished(self) -> bool:
        """True once the candidates said why they ended."""
        return self._stream.finished

    def feed(self, event: Event) -> list[bytes]:
        """Raises FailedCall for an error among the events, a blocked prompt, and for what is no reply."""
        if not event.data.strip():
            return []
        return [_encode(chunk) for chunk in _guarded(self._failures, event.data, self._stream.feed)]

    def finish(self) -> list[bytes]:
        """The usage, which was counted up from event to event."""
        try:
            return [_encode(chunk) for chunk in self._stream.finish()]
        except Unreadable as error:
            raise self._failures.unreadable(str(error)) from None


def _guarded(failures: Failures, body: bytes, translate: Callable[[dict[str, Any]], _Said]) -> _Said:
    """The translation of a body; every way in which it can be none becomes a FailedCall."""
    try:
        said = msgspec.json.decode(body)
    except _UNDECODABLE as error:
        raise failures.unreadable(f"not a reply of this API ({error}): {shown(body)}") from None
    if isinstance(said, list) and len(said) == 1:  # errors, at least, come so
        said = said[0]
    if not isinstance(said, dict):
        raise failures.unreadable(f"not a reply of this API: {shown(body)}")
    if said.get("error") is not None:
        raise FailedCall(failures.in_band(_encode(said)))
    try:
        return translate(said)
    except Blocked as error:
        raise FailedCall(Failure("content_filter", failures.cut(str(error)), status=200, code=error.reason)) from None
    except Unreadable as error:
        raise failures.unreadable(str(error)) from None
