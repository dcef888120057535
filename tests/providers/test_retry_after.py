"""How long to wait, wherever it is said."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.providers.retry_after import from_reply, span

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ([("retry-after", "7")], None, 7.0),
        ([("retry-after", "Tue, 24 Nov 2026 12:00:30 GMT")], None, 30.0),
        ([("retry-after", "Tue, 24 Nov 2026 11:00:00 GMT")], None, 0.0),
        ([("retry-after-ms", "250"), ("retry-after", "7")], None, 0.25),
        ([("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")], None, 360.0),
        ([("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "6m0s")], None, None),
        ([], {"error": {"details": [{"retryDelay": "52s"}]}}, 52.0),
        ([], {"error": {"metadata": {"retry_after": 3}}}, 3.0),
        ([], {"error": {"details": [{"retryDelay": {"seconds": 1, "nanos": 500_000_000}}]}}, 1.5),
        ([], {"retry_after": 10**400}, 86_400.0),
        ([], {"retry_after": True}, None),
        ([("retry-after", "Tue, 24 Nov 2026 11:00:00 +9999999999999")], None, None),
        ([], "try again in 20s", None),
        ([("retry-after", "soon")], None, None),
        ([("retry-after", "nan")], None, None),
        ([("retry-after", "99999999")], None, 86_400.0),
    ],
)
def test_the_wait_is_found(headers: list[tuple[str, str]], body: Any, seconds: float | None) -> None:
    assert from_reply(headers, body, now=NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("1h2m", 3720.0), ("x", None)]
)
def test_spans_are_read_as_vendors_write_them(text: str, seconds: float | None) -> None:
    assert span(text) == seconds


@given(st.text(max_size=40))
def test_any_text_is_a_wait_or_none_and_never_an_error(text: str) -> None:
    found = from_reply([("retry-after", text)], text, now=NOW)
    assert found is None or 0 <= found <= 86_400
