"""Exchanges made up for tests."""

from typing import Any

from hypothesis import strategies as st

from weighbridge.records.exchange import Attempt, Exchange, Route
from weighbridge.records.noting import new_id
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_seconds = st.floats(0, 1e6, allow_nan=False)
_counts = st.none() | st.integers(0, 2**40)
_usages = st.builds(Usage, *[_counts] * 7)
_failures = st.builds(Failure, error_class=st.sampled_from(["timeout", "rate_limit"]), message=_texts)
_attempts = st.builds(
    Attempt,
    target=_texts,
    provider=_texts,
    model=_texts,
    started=_seconds,
    ttft=st.none() | _seconds,
    failure=st.none() | _failures,
    usage=_usages,
    cost=st.none() | _seconds,
    hedge=st.booleans(),
)
exchanges = st.builds(
    Exchange,
    id=st.floats(0, 4e9).map(new_id),
    at=st.floats(0, 4e9),
    endpoint=_texts,
    api=st.sampled_from(["chat", "messages"]),
    outcome=st.sampled_from(["ok", "failed", "cut"]),
    key=st.none() | _texts,
    failure=st.none() | _failures,
    route=st.builds(Route, st.none() | _texts, _texts),
    attempts=st.lists(_attempts, max_size=3).map(tuple),
    usage=_usages,
    cost=st.none() | _seconds,
    request=st.none() | _texts,
    reply=st.none() | _texts,
)


def exchange(**changes: Any) -> Exchange:
    fields: dict[str, Any] = {"id": new_id(1.7e9), "at": 1.7e9, "endpoint": "support", "api": "chat", "outcome": "ok"}
    return Exchange(**fields | changes)
