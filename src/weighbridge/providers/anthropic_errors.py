"""Anthropic's errors by what they mean. First match wins; what is not here is as in everyone's table.

Source: https://platform.claude.com/docs/en/api/errors (seen 2026-11).
"""

from __future__ import annotations

import re
from typing import Final

from weighbridge.providers.openai_errors import TABLE as EVERYONE
from weighbridge.providers.openai_errors import Row

_CAP: Final = re.compile(r"usage limits?.{0,80}(?:regain|reach|exceed)|reached your specified", re.IGNORECASE)
_CREDIT: Final = re.compile(r"credit balance is too low|plans & billing", re.IGNORECASE)
_LONG: Final = re.compile(
    r"prompt is too long|input length and .{0,4}max_tokens.{0,4} exceed|exceeds? (?:the )?context"
    r"|context (?:window|limit)",
    re.IGNORECASE,
)
_FILTER: Final = re.compile(r"blocked by content filtering|content filter", re.IGNORECASE)

TABLE: Final[tuple[Row, ...]] = (
    # A cap the customer set is a 400 (litellm#37599), an account without credit as well.
    Row("rate_limit", status=(400, 403), message=_CAP),
    Row("auth", status=(400, 402, 403), message=_CREDIT),
    Row("context_length", status=(400, 413), message=_LONG),
    Row("context_length", codes=("model_context_window_exceeded",)),
    Row("content_filter", status=(400,), message=_FILTER),
    Row("rate_limit", codes=("rate_limit_error",)),
    Row("capacity", status=(529,)),
    Row("capacity", codes=("overloaded_error", "api_error")),
    Row("timeout", codes=("timeout_error",)),
    Row("auth", codes=("authentication_error", "permission_error", "billing_error")),
    # More bytes than the API takes at all: another model with more context may still take it.
    Row("context_length", codes=("request_too_large",)),
    Row("context_length", status=(413,)),
    Row("invalid_request", codes=("invalid_request_error", "not_found_error")),
    *EVERYONE,
)
