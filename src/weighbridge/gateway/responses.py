"""POST /v1/responses: OpenAI's Responses API, for models that have only chat completions.

Nothing is kept between requests, so what refers to an earlier response, or runs at OpenAI, is refused by name.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import msgspec

from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.translating import Completing, Event, decoded, speak
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import Handler, ServerRequest
from weighbridge.wire.responses import ResponsesFromChat, chat_from_responses, responses_reply_from_chat
from weighbridge.wire.translation import Untranslatable

_encode = msgspec.json.Encoder().encode


def responses(gateway: Completing) -> Handler:
    """The handler of POST /v1/responses."""

    def handle(request: ServerRequest, responder: Responder) -> Awaitable[None] | None:
        return speak(gateway, request, responder, Responses(), recorded_as="responses")

    return handle


class Responses:
    """One request, and the response to it."""

    __slots__ = ("_request", "_stream")

    def __init__(self) -> None:
        self._request: dict[str, Any] = {}
        self._stream = ResponsesFromChat(self._request)

    def asked(self, body: bytes) -> bytes:
        request = self._request = decoded(body)
        try:
            chat, cannot = chat_from_responses(request)
        except Untranslatable as error:
            raise Refusal.bad(error.what, mend=error.mend) from None
        if cannot:
            names = ", ".join(cannot)[:300]
            what = f"{names}: not to be had here, where responses are made of chat completions and none is kept"
            mend = "Leave it out, and send the whole conversation as `input`"
            raise Refusal(400, what, code="unsupported_parameter", mend=mend)
        self._stream = ResponsesFromChat(request)
        return _encode(chat)

    def lines(self, lines: bytes, request_id: str) -> bytes:  # noqa: ARG002  # x-request-id is OpenAI's own name for it
        return lines

    def whole(self, body: bytes) -> bytes:
        return _encode(responses_reply_from_chat(msgspec.json.decode(body), self._request))

    def refused(self, status: int, body: bytes, request_id: str) -> tuple[int, bytes]:  # noqa: ARG002
        """The error object is the same in both of OpenAI's APIs."""
        return status, body

    def feed(self, chunk: dict[str, Any]) -> list[Event]:
        return self._stream.feed(chunk)

    def finish(self) -> list[Event]:
        """A stream that said [DONE] and no finish reason has ended all the same."""
        events: list[Event] = []
        if not self._stream.finished:
            events += self._stream.feed({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        return events + self._stream.finish()

    def failed(self, error: dict[str, Any]) -> list[Event]:
        """`response.failed`, then `error`, on which the SDK raises (bifrost#5395, litellm#29223)."""
        code = error.get("code") or error.get("type") or "server_error"
        return self._stream.failed(str(code), str(error.get("message") or "the answer broke off"))
