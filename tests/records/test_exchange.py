"""Lines of a segment: what is written reads back the same, and what a newer version wrote can be read."""

import string
from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.records.synthetic import exchange, exchanges

from weighbridge.records.exchange import Attempt, Exchange, Feedback, Route, decode
from weighbridge.records.noting import new_id, summed_cost, summed_usage
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure


@given(exchanges)
def test_what_is_written_reads_back_the_same(written: Exchange) -> None:
    line = msgspec.json.encode(written)
    assert b"\n" not in line
    assert decode(line) == written


def test_feedback_reads_back_as_feedback() -> None:
    said = Feedback(exchange="wbx_1", at=2.0, score=0.5, comment="half right")
    assert decode(msgspec.json.encode(said)) == said


def test_fields_and_kinds_of_a_newer_version_are_no_errors() -> None:
    line = msgspec.json.encode(msgspec.to_builtins(exchange()) | {"mood": "fine", "version": 7})
    found = decode(line)
    assert isinstance(found, Exchange)
    assert found.version == 7
    assert decode(b'{"t":"weather","rain":true}') is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"t":"exchange"}',
        b'{"t":3}',
        b'{"t":"feedback","exchange":"a","at":1,"score":2}',
        b"\xff\xfe",
        b'{"t":"exchange","id":"\xff"}',
        b'{"t":"exchange","x":' + b"[" * 100_000,
    ],
)
def test_damaged_lines_are_value_errors(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- any of msgspec's and the codec's own
        decode(line)


def test_ids_sort_by_time_and_are_of_one_length() -> None:
    ids = [new_id(at) for at in (0.0, 1.0, 1.7e9, 1.700000001e9, 4e9)]
    assert ids == sorted(ids)
    assert {len(found) for found in ids} == {29}
    assert set("".join(ids)) <= set(string.hexdigits + "wbx_")
    assert len({new_id(1.0) for _ in range(10_000)}) == 10_000


def attempt(**changes: Any) -> Attempt:
    return Attempt(target="a", provider="p", model="m", started=0.0, **changes)


def test_sums_over_attempts() -> None:
    first, second = attempt(usage=Usage(10, 2), cost=0.5), attempt(usage=Usage(10, None, cached=3), cost=0.25)
    assert summed_usage([first, second]) == Usage(20, 2, 3)
    assert summed_usage([]) == Usage()
    assert summed_cost([first, second]) == 0.75
    assert summed_cost([first, attempt()]) is None, "one unknown cost makes the sum unknown"
    assert summed_cost([]) == 0.0, "answered from the cache"


def test_served_is_the_attempt_the_client_heard() -> None:
    lost = attempt(failure=Failure("timeout", "none came"))
    won = attempt(cost=0.1)
    assert exchange(attempts=(lost, won), route=Route("a")).served is won
    assert exchange(attempts=(lost,), route=Route("a")).served is None
    assert exchange().served is None
