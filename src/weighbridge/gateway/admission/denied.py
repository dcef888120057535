"""A request that is not let in, with everything its reply needs."""

from __future__ import annotations

from weighbridge.errors import WeighbridgeError


class Denied(WeighbridgeError):
    """Not let in. `message` is one line for whoever sent the request; it never holds a key.

    `status` is 400, 401, 403 or 429, `code` and `type` are OpenAI's. `retry_after` is in seconds, where waiting helps.
    `headers` are whole lines, each ending in CRLF: `x-ratelimit-*`, and `x-should-retry: false` where OpenAI's SDKs
    would otherwise try again in vain. Retry-After is left to whoever writes the reply.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 -- the field's name in OpenAI's error object
        retry_after: float | None = None,
        headers: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.type = type
        self.retry_after = retry_after
        self.headers = headers
