"""A request that is not let in, with everything its reply needs."""

from __future__ import annotations

from weighbridge.errors import WeighbridgeError


class Denied(WeighbridgeError):
    """Not let in. `message` is one line for whoever sent the request; it never holds a key.

    `status` is 401, 403, 429 or 503, `code` and `type` are OpenAI's, `retry_after` is in seconds where waiting helps,
    and `headers` are whole header lines (`b"name: value\\r\\n"…`): `retry-after`, `x-ratelimit-*`, `x-should-retry`.
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
