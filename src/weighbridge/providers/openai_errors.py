"""Vendors' errors by what they mean, for everyone who speaks OpenAI's dialect. First match wins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from weighbridge.wire.failure import ErrorClass


class Row(NamedTuple):
    """Matches an error whose `status` is among these (empty: any), whose code or type is among `codes` (empty: any),
    and whose message holds `message` (None: any)."""

    error_class: ErrorClass
    status: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    message: re.Pattern[str] | None = None


def _says(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_CONTEXT = _says(
    r"maximum context length|context.{0,3}length.{0,30}exceed|exceeds? the (?:model's )?(?:available |maximum )?context"
    r"|longer than the model's context length|prompt is too long|input.{0,20}too long|too many (?:input )?tokens"
    r"|input token count .{0,20}exceeds|request too large for model.{0,80}context|context window|reduce the length of"
    r"|exceed_context_size|maximum (?:prompt|input) length"
)
_FILTER = _says(r"content.{0,3}(?:filter|management|policy)|responsible ?ai|safety (?:system|polic)|flagged|moderation")

TABLE: Final[tuple[Row, ...]] = (
    Row("context_length", codes=("context_length_exceeded", "string_above_max_length", "exceed_context_size_error")),
    Row(
        "content_filter",
        codes=("content_filter", "content_policy_violation", "moderation_blocked", "responsibleaipolicyviolation"),
    ),
    Row(
        "auth",
        codes=(
            "invalid_api_key",
            "authentication_error",
            "permission_error",
            "permission_denied",
            "unauthenticated",
            "invalid_authentication",
        ),
    ),
    Row(
        "auth",
        codes=(
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "insufficient_balance",
            "arrearage",
            "account_deactivated",
        ),
    ),
    Row(
        "rate_limit",
        codes=(
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limit_reached",
            "tokens",
            "requests",
            "resource_exhausted",
            "too_many_requests",
            "throttling",
            "limitrequests",
        ),
    ),
    Row(
        "capacity",
        codes=(
            "overloaded_error",
            "server_overloaded",
            "engine_overloaded",
            "service_unavailable",
            "unavailable",
            "model_overloaded",
            "capacity_exceeded",
        ),
    ),
    # Anthropic's monthly cap comes as a 400 (litellm#37599).
    Row(
        "rate_limit",
        status=(400, 403),
        message=_says(
            r"(?:api )?usage limits?.{0,60}(?:regain|reached|exceeded)|reached your specified (?:api )?usage"
        ),
    ),
    Row("context_length", status=(400, 413, 422, 500), message=_CONTEXT),
    Row("content_filter", status=(400, 403, 422, 451), message=_FILTER),
    Row("auth", status=(401, 403)),
    Row("auth", status=(402,)),
    Row("auth", status=(400,), message=_says(r"api key (?:not valid|expired|not found|is invalid)|invalid api key")),
    Row("rate_limit", status=(429,)),
    Row("timeout", status=(408, 504)),
    Row("timeout", codes=("timeout", "timeout_error", "deadline_exceeded", "request_timeout")),
    Row("capacity", status=(500, 502, 503, 520, 521, 522, 523, 524, 529)),
    Row("capacity", codes=("server_error", "api_error", "internal_error", "internal_server_error", "internal")),
    Row("invalid_request", status=(400, 404, 405, 409, 410, 411, 413, 415, 422)),
    Row(
        "invalid_request",
        codes=("invalid_request_error", "not_found_error", "model_not_found", "bad_request", "invalid_argument"),
    ),
)


def classify(status: int | None, codes: tuple[str, ...], message: str, table: Sequence[Row] = TABLE) -> ErrorClass:
    """The class of an error, by a dialect's table; a status nobody lists counts by its hundred, and what is no error at
    all is `protocol`.

    Numbers within a message never count as a status: "402" in prose has benched a provider for a day elsewhere.
    """
    for row in table:
        if row.status and status not in row.status:
            continue
        if row.codes and not any(code in row.codes for code in codes):
            continue
        if row.message is not None and not row.message.search(message):
            continue
        return row.error_class
    if status is not None and status >= 500:
        return "capacity"
    return "invalid_request" if status is not None and 400 <= status < 500 else "protocol"
