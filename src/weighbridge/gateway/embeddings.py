"""POST /v1/embeddings: OpenAI's own words, passed on as they are, with the same keys, routes and records as a chat."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

import msgspec

from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.translating import Completing
from weighbridge.transport.responder import Responder
from weighbridge.transport.server import Handler, ServerRequest

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def embeddings(gateway: Completing) -> Handler:
    """The handler of POST /v1/embeddings."""

    def handle(request: ServerRequest, responder: Responder) -> Awaitable[None] | None:
        return gateway.complete("embeddings", request, responder, recorded_as="embeddings", say=_checked)

    return handle


def _checked(body: bytes) -> bytes:
    """The body, where it may be one of this API; whoever reads it next says what else is wrong with it."""
    try:
        fields = _fields(body)
    except _UNDECODABLE:
        return body
    if "input" not in fields:
        raise Refusal.bad("the body has no `input`", mend="Send a text, or a list of them")
    if bytes(fields.get("stream", b"")) == b"true":
        raise Refusal.bad("embeddings are not streamed", mend="Leave out `stream`")
    return body
