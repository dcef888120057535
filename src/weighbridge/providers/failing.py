"""From whatever a provider sent in place of an answer to a Failure: the same for every dialect, but for its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from weighbridge.providers import retry_after
from weighbridge.providers.dialect import FailedCall
from weighbridge.providers.openai_errors import TABLE, Row, classify
from weighbridge.providers.provider import Provider
from weighbridge.transport.faults import (
    CallFailed,
    ConnectFailed,
    ConnectionLost,
    LimitExceeded,
    ProtocolViolation,
    TimedOut,
    TLSFailed,
)
from weighbridge.wire.failure import ErrorClass, Failure
from weighbridge.wire.reading import error_text, shown

_MESSAGE_LENGTH: Final = 500
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_BY_FAULT: Final[tuple[tuple[type[CallFailed], ErrorClass], ...]] = (
    (TimedOut, "timeout"),
    (ConnectFailed, "network"),
    (TLSFailed, "network"),
    (ConnectionLost, "network"),
    (ProtocolViolation, "protocol"),
    (LimitExceeded, "protocol"),
    (CallFailed, "network"),
)


class Failures:
    """Reads one provider's failures. Messages are cut, printable and without the provider's key."""

    def __init__(self, provider: Provider, table: Sequence[Row] = TABLE) -> None:
        self._provider = provider
        self._table = table

    def over_http(self, status: int | None, headers: Sequence[tuple[str, str]], body: bytes) -> Failure:
        """What an HTTP error was: `{"error": {…}}`, a bare object, one in a list, or no JSON at all."""
        try:
            said = msgspec.json.decode(body)
        except _UNDECODABLE:
            said = None
        if isinstance(said, list) and said:  # Gemini's endpoint wraps its error in a list
            said = said[0]
        error = said.get("error", said) if isinstance(said, dict) else None
        message = _message(error) if error is not None else f"HTTP {status}: {shown(body)}"
        codes = _codes(error)
        return Failure(
            classify(status, tuple(code.lower() for code in codes), message, self._table),
            self.cut(message),
            status=status,
            code=codes[0] if codes else None,
            retry_after=retry_after.from_reply(headers, said),
        )

    def in_band(self, body: bytes, headers: Sequence[tuple[str, str]] = (), *, status: int = 200) -> Failure:
        """An error inside a 200: its own code may hold the status it would have had."""
        try:
            said = msgspec.json.decode(body)
        except _UNDECODABLE:
            said = {}
        inner = said.get("error") if isinstance(said, dict) else None
        own = next(
            (
                value
                for name in ("status_code", "status", "code")
                if isinstance(inner, dict) and isinstance(value := inner.get(name), int) and 400 <= value < 600
            ),
            None,
        )
        failure = self.over_http(own, headers, body)
        if own is None and failure.error_class == "protocol":
            return msgspec.structs.replace(failure, error_class="capacity", status=status)
        return msgspec.structs.replace(failure, status=status)

    def below_http(self, error: CallFailed) -> Failure:
        """What a failure of the transport was."""
        error_class = next(found for kind, found in _BY_FAULT if isinstance(error, kind))
        status = error.reply.status if error.reply is not None else None
        return Failure(error_class, self.cut(str(error)), status=status)

    def unreadable(self, what: str, status: int | None = 200) -> FailedCall:
        """The error to raise for what is no reply of this API."""
        return FailedCall(Failure("protocol", self.cut(what), status=status))

    def cut(self, text: str) -> str:
        plain = "".join(char if char.isprintable() else " " for char in text)
        return self._provider.redacted(plain)[:_MESSAGE_LENGTH]


class ReadsFailures:
    """What every dialect says of failures: they differ only in the table that `_failures` goes by."""

    _failures: Failures

    def failure(self, status: int | None, headers: Sequence[tuple[str, str]], body: bytes) -> Failure:
        """What an HTTP error was."""
        return self._failures.over_http(status, headers, body)

    def in_band(self, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Failure:
        """What an error inside a 200 was."""
        return self._failures.in_band(body, headers)

    def failure_of(self, error: CallFailed) -> Failure:
        """What a failure below HTTP was."""
        return self._failures.below_http(error)


def _message(error: Any) -> str:
    text = error_text(error)
    raw = (
        error.get("metadata", {}).get("raw")
        if isinstance(error, dict) and isinstance(error.get("metadata"), dict)
        else None
    )
    return f"{text}: {raw}" if isinstance(raw, str) else text


def _codes(error: Any) -> list[str]:
    """The error's own names for what it is, and those of what caused it (Azure's `innererror`, Google's ErrorInfo)."""
    if not isinstance(error, dict):
        return []
    details = error.get("details")
    within = [error.get("innererror"), *(details[:20] if isinstance(details, list) else ())]
    found = [error.get(name) for name in ("code", "type", "status")]
    found += [one.get(name) for one in within if isinstance(one, dict) for name in ("code", "reason")]
    return [value for value in found if isinstance(value, str) and value]
