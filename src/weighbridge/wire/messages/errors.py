"""Errors, in both APIs' words: `{"error": {…}}` of OpenAI, `{"type": "error", "error": {…}}` of Anthropic."""

from __future__ import annotations

from typing import Any, Final

from weighbridge.wire.reading import error_text
from weighbridge.wire.translation import DEEPEST, deeper_than

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Anthropic's type for a status. Source: https://platform.claude.com/docs/en/api/errors (seen 2026-11)."""

_OPENAI: Final = {
    "invalid_request_error": "invalid_request_error",
    "not_found_error": "invalid_request_error",
    "request_too_large": "invalid_request_error",
    "authentication_error": "authentication_error",
    "permission_error": "permission_error",
    "billing_error": "insufficient_quota",
    "rate_limit_error": "rate_limit_error",
}
_STATUSES: Final = {
    **{kind: status for status, kind in reversed(_TYPES.items())},
    "overloaded_error": 529,
}


def messages_error_from_chat(error: dict[str, Any], *, status: int, request_id: str | None = None) -> dict[str, Any]:
    """OpenAI's error, with or without its `error` around it, as the body Anthropic would send with this status."""
    inner = _inner(error)
    kind = _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    said: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": _message(inner)}}
    if request_id is not None:
        said["request_id"] = request_id
    return said


def chat_error_from_messages(error: dict[str, Any]) -> dict[str, Any]:
    """Anthropic's error as OpenAI's; Anthropic's own type stays, as `code`."""
    inner = _inner(error)
    own = inner.get("type") if isinstance(inner, dict) else None
    kind = _OPENAI.get(own, "server_error") if isinstance(own, str) else "server_error"
    code = own if isinstance(own, str) else None
    return {"error": {"message": _message(inner), "type": kind, "param": None, "code": code}}


def status_of(error: dict[str, Any]) -> int:
    """The status Anthropic sends this error with; 500 for one that is not known."""
    inner = _inner(error)
    kind = inner.get("type") if isinstance(inner, dict) else None
    return _STATUSES.get(kind, 500) if isinstance(kind, str) else 500


def _inner(error: dict[str, Any]) -> Any:
    inner = error.get("error")
    return error if inner is None else inner


def _message(inner: Any) -> str:
    return "an error without a message" if deeper_than(inner, DEEPEST) else error_text(inner)
