"""What a failed call was, in the nine words everything above decides on."""

from __future__ import annotations

from typing import Literal

import msgspec

ErrorClass = Literal[
    "rate_limit",
    "capacity",
    "context_length",
    "content_filter",
    "auth",
    "invalid_request",
    "timeout",
    "network",
    "protocol",
]


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One failed attempt: our class, the vendor's own words, and how long it asks us to wait.

    `retry_after` is in seconds. `status` is None where no HTTP status came. `message` is cut to 500 characters and
    holds no secrets.
    """

    error_class: ErrorClass
    message: str
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
