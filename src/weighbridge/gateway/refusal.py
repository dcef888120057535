"""Errors as clients read them: OpenAI's error object, with the right status and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import msgspec

from weighbridge.gateway.admission.denied import Denied
from weighbridge.transport.responder import Responder
from weighbridge.wire.failure import ErrorClass, Failure

_KIND: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_STATUS: Final[dict[ErrorClass, int]] = {
    "rate_limit": 429,
    "capacity": 503,
    "context_length": 400,
    "content_filter": 400,
    "auth": 502,
    "invalid_request": 400,
    "timeout": 504,
    "network": 502,
    "protocol": 502,
}
_ADVICE: Final[dict[ErrorClass, str]] = {
    "rate_limit": "Slow down, or add a target to this endpoint",
    "capacity": "Try again soon, or add a target to this endpoint",
    "context_length": "Shorten the input, or add a target with a larger context window",
    "content_filter": "The provider refused this content; it was not sent elsewhere",
    "auth": "The gateway's own key for this provider was refused: its operator must mend it",
    "invalid_request": "Mend the request",
    "timeout": "Try again, or raise this endpoint's time limits",
    "network": "Try again; the provider could not be reached, or broke off",
    "protocol": "Try again; what the provider sent could not be read",
}
_CODE: Final[dict[ErrorClass, str]] = {
    "rate_limit": "rate_limit_exceeded",
    "capacity": "upstream_unavailable",
    "context_length": "context_length_exceeded",
    "content_filter": "content_filter",
    "auth": "upstream_authentication",
    "invalid_request": "invalid_request",
    "timeout": "upstream_timeout",
    "network": "upstream_network",
    "protocol": "upstream_protocol",
}
_LOCAL_RETRY_MOST_S: Final = 3600.0


class Refusal(Exception):
    """A request we answer with an error. `headers` are added to the reply."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        kind: str | None = None,
        mend: str = "",
        retry_after: float | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        said = f"{message.rstrip('.')}. {mend}." if mend else message
        super().__init__(said)
        self.status = status
        self.message = said
        self.code = code
        self.kind = kind or _KIND.get(status, "server_error")
        self.retry_after = retry_after
        self.headers = tuple(headers)

    @classmethod
    def bad(cls, message: str, *, mend: str = "") -> Refusal:
        return cls(400, message, code="invalid_request", mend=mend)

    @classmethod
    def of(cls, failure: Failure, reason: str) -> Refusal:
        """What a client is told of a failure that no other target mended. The vendor's own code and words are kept;
        an error of our account there is not the client's to mend, so it is no 401."""
        kind = failure.error_class
        status = _STATUS[kind]
        if kind == "invalid_request" and failure.status is not None and 400 <= failure.status < 500:
            status = failure.status
        mend = _ADVICE[kind]
        message = failure.message if not reason else f"{failure.message.rstrip('.')} ({reason})"
        return cls(
            status, message, code=failure.code or _CODE[kind], mend=mend, retry_after=failure.retry_after, kind=None
        )

    def body(self) -> bytes:
        """OpenAI's error object."""
        return msgspec.json.encode({"error": self.object()})

    def object(self) -> dict[str, str | None]:
        return {"message": self.message, "type": self.kind, "param": None, "code": self.code}

    def lines(self) -> list[tuple[str, str]]:
        """Header lines of the error reply."""
        found = [("Content-Type", "application/json"), *self.headers]
        if self.retry_after is not None:
            found += _retry_lines(min(self.retry_after, _LOCAL_RETRY_MOST_S))
        return found


def _retry_lines(seconds: float) -> list[tuple[str, str]]:
    wait = max(seconds, 0.0)
    return [("Retry-After", str(max(1, math.ceil(wait)))), ("Retry-After-Ms", str(round(wait * 1000)))]


def refuse(responder: Responder, error: Denied | Refusal, lines: bytes = b"") -> None:
    """Answers with an error; `lines` are further header lines. Does nothing where an answer has begun."""
    if responder.started:
        return
    if isinstance(error, Refusal):
        own = "".join(f"{name}: {value}\r\n" for name, value in error.lines()).encode("latin-1", "replace")
        responder.reply_encoded(error.status, own + lines, error.body())
        return
    said = {"message": error.message, "type": error.type, "param": None, "code": error.code}
    wait = _retry_lines(error.retry_after) if error.retry_after is not None else []
    own = b"Content-Type: application/json\r\n" + error.headers
    own += "".join(f"{name}: {value}\r\n" for name, value in wait).encode()
    responder.reply_encoded(error.status, own + lines, msgspec.json.encode({"error": said}))
