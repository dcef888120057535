"""Rate limits as providers keep them."""

import pytest

from weighbridge.simulator import limiter
from weighbridge.simulator.limiter import Limiter
from weighbridge.simulator.settings import RateLimits


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one item is the time."""
    now = [100.0]
    monkeypatch.setattr(limiter, "monotonic", lambda: now[0])
    return now


def test_a_bucket_of_requests_empties_and_refills_evenly(clock: list[float]) -> None:
    buckets = Limiter(RateLimits(requests_per_minute=2))
    assert [buckets.admit(1, 0)[0] for _ in range(3)] == [True, True, False]
    assert buckets.admit(1, 0)[1] == pytest.approx(30.0)
    clock[0] += 29.0
    assert not buckets.admit(1, 0)[0]
    clock[0] += 1.5
    assert buckets.admit(1, 0)[0]


def test_a_request_that_is_refused_takes_nothing_from_either_bucket(clock: list[float]) -> None:
    """litellm#39309: a request rejected for one limit must not eat another."""
    buckets = Limiter(RateLimits(requests_per_minute=5, tokens_per_minute=100))
    assert not buckets.admit(1, 500)[0]
    admitted, _, headers = buckets.admit(1, 40)
    assert admitted
    assert headers["x-ratelimit-remaining-requests"] == "4"
    assert headers["x-ratelimit-remaining-tokens"] == "60"
    assert headers["x-ratelimit-limit-tokens"] == "100"
    assert headers["x-ratelimit-reset-tokens"] == "24.000s"


def test_so_many_at_once_and_no_more(clock: list[float]) -> None:
    buckets = Limiter(RateLimits(concurrent=2))
    assert [buckets.admit(concurrent, 0)[0] for concurrent in (1, 2, 3, 2)] == [True, True, False, True]


def test_without_limits_all_get_in_and_no_header_is_sent(clock: list[float]) -> None:
    assert Limiter(RateLimits()).admit(10_000, 10**9) == (True, 0.0, {})


def test_a_restart_fills_the_buckets(clock: list[float]) -> None:
    buckets = Limiter(RateLimits(requests_per_minute=1))
    buckets.admit(1, 0)
    assert not buckets.admit(1, 0)[0]
    buckets.restart()
    assert buckets.admit(1, 0)[0]
