"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's API, whoever answers.

Keys come in `x-api-key` as well; `anthropic-version` says nothing the gateway would act on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from time import monotonic
from typing import Any, Final

import msgspec

from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.translating import Completing, Event, decoded, error_of, speak
from weighbridge.gateway.upstream import Endpoint
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import Handler, ServerRequest
from weighbridge.wire.messages import (
    ANTHROPIC_ONLY,
    MessagesFromChat,
    chat_from_messages,
    messages_error_from_chat,
    messages_reply_from_chat,
    plain_chat,
)
from weighbridge.wire.reading import Unreadable
from weighbridge.wire.translation import Untranslatable

_BYTES_PER_TOKEN: Final = 4
_OVERLOADED: Final = 529
_BY_TYPE: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "rate_limit_error": 429,
}
_BY_CODE: Final = {
    "upstream_unavailable": _OVERLOADED,
    "overloaded_error": _OVERLOADED,
    "server_overloaded": _OVERLOADED,
    "upstream_timeout": 504,
}
_encode = msgspec.json.Encoder().encode


def messages(gateway: Completing) -> Handler:
    """The handler of POST /v1/messages."""

    def handle(request: ServerRequest, responder: Responder) -> Awaitable[None] | None:
        speech = Messages(gateway.setup.endpoints, len(request.body) // _BYTES_PER_TOKEN)
        return speak(gateway, request, responder, speech, recorded_as="messages")

    return handle


def count_tokens(gateway: Completing) -> Handler:
    """The handler of POST /v1/messages/count_tokens."""

    def handle(request: ServerRequest, responder: Responder) -> Awaitable[None] | None:
        speech = Counting(gateway.setup.endpoints)
        return speak(gateway, request, responder, speech, recorded_as="messages", api="count_tokens")

    return handle


class Messages:
    """One request, and what is said back. `estimate` is its input in tokens: `message_start` has to tell some, and most
    providers tell them at the end, where `message_delta` repeats what they said (envoy ai-gateway#2352)."""

    __slots__ = ("_endpoints", "_stream")

    def __init__(self, endpoints: Mapping[str, Endpoint], estimate: int = 0) -> None:
        self._endpoints = endpoints
        self._stream = MessagesFromChat(input_tokens=estimate)

    def asked(self, body: bytes) -> bytes:
        """The chat request. What only Anthropic understands stays in it, marked, for targets that are."""
        try:
            chat = chat_from_messages(decoded(body))
            plain, lost = plain_chat(chat)
        except Untranslatable as error:
            raise Refusal.bad(error.what, mend=error.mend) from None
        if lost or plain != chat:
            self._check(self._endpoints.get(chat["model"]), lost)
            chat[ANTHROPIC_ONLY] = lost
        return _encode(chat)

    def _check(self, endpoint: Endpoint | None, lost: list[str]) -> None:
        if not lost or endpoint is None:
            return
        if all(ANTHROPIC_ONLY in target.cannot for target in endpoint.routes.policy.targets):
            what = f"no target of {endpoint.name} is Anthropic's, and only that does {', '.join(lost)[:300]}"
            mend = "Leave it out, add an anthropic-native target, or set the endpoint's drop_params"
            raise Refusal(400, what, code="unsupported", mend=mend)

    def lines(self, lines: bytes, request_id: str) -> bytes:
        """Anthropic's own name for the id beside ours: its SDKs show it in errors."""
        return lines + b"Request-Id: %b\r\n" % request_id.encode("latin-1") if request_id else lines

    def whole(self, body: bytes) -> bytes:
        reply = msgspec.json.decode(body)
        return _encode(messages_reply_from_chat(reply, str(reply.get("model") or "")))

    def refused(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
        status = _OVERLOADED if status == 503 else status
        return status, _encode(messages_error_from_chat(error_of(body), status=status, request_id=request_id or None))

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        return self._stream.feed(chunk)

    def finish(self) -> list[Event]:
        """A stream that said [DONE] and no finish reason has ended all the same."""
        events = self._stream.finish()
        if not self._stream.finished:
            events += self._stream.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            events += self._stream.finish()
        return events

    def failed(self, error: dict[str, Any]) -> list[Event]:
        """Within a stream there is no status, so the type says it."""
        status = _BY_TYPE.get(str(error.get("type"))) or _BY_CODE.get(str(error.get("code")), 500)
        return [("error", messages_error_from_chat(error, status=status))]


class Counting(Messages):
    """A request whose tokens are to be counted: only Anthropic can, so only an endpoint whose first target is its."""

    __slots__ = ()

    def asked(self, body: bytes) -> bytes:
        """Anthropic's own words, as they came."""
        request = decoded(body)
        endpoint = self._endpoints.get(str(request.get("model")))
        if endpoint is not None:
            self._check_first(endpoint)
        request.pop("stream", None)
        return _encode(request)

    @staticmethod
    def _check_first(endpoint: Endpoint) -> None:
        """Another target's count would be of another tokenizer."""
        now, candidates = monotonic(), endpoint.section.candidates
        health = endpoint.routes.health
        first = next((name for name in candidates if health.available(name, now)), candidates[0])
        target = next(target for target in endpoint.routes.policy.targets if target.name == first)
        if "count_tokens" in target.cannot:
            what = f"tokens cannot be counted here: {first}, which answers for {endpoint.name}, has no count_tokens"
            mend = "Only anthropic-native targets count; the usage of every reply is the provider's own"
            raise Refusal(404, what, code="unsupported", mend=mend)

    def whole(self, body: bytes) -> bytes:
        count = msgspec.json.decode(body).get("input_tokens")
        if not isinstance(count, int):
            raise Unreadable("no count of tokens")
        return _encode({"input_tokens": count})
