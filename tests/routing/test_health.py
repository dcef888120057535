"""What is remembered of each target: cool-downs, attempts in flight, latencies."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.health import Health
from weighbridge.routing.latency import Ewma, Recent
from weighbridge.wire.failure import ErrorClass

NOW = 500.0


def fail(
    health: Health,
    error_class: ErrorClass | None,
    at: float = NOW,
    retry_after: float | None = None,
    ttft: float | None = None,
) -> None:
    health.started("a", at)
    health.ended("a", at, ok=False, error_class=error_class, retry_after=retry_after, ttft=ttft)


def test_a_target_nobody_has_asked_is_healthy() -> None:
    health = Health()
    assert health.available("a", 0.0)
    assert health.ready_at("a") == 0.0
    assert health.in_flight("a") == 0
    assert health.p95("a") is None


@pytest.mark.parametrize("error_class", ["rate_limit", "capacity", "network"])
def test_retry_after_is_honoured_to_the_second(error_class: ErrorClass) -> None:
    """litellm#7669, #25507: whichever way the vendor said it, the target is left alone for so long."""
    health = Health()
    fail(health, error_class, retry_after=52.0)
    assert not health.available("a", NOW + 51.9)
    assert health.available("a", NOW + 52.0)


def test_a_later_shorter_retry_after_does_not_cut_a_longer_one() -> None:
    health = Health()
    fail(health, "rate_limit", retry_after=30.0)
    fail(health, "rate_limit", at=NOW + 1, retry_after=2.0)
    assert health.ready_at("a") == NOW + 30


def test_every_rate_limit_counts() -> None:
    """litellm#32574: only the first failure of a request set the cool-down."""
    health, at = Health(), NOW
    rests = []
    for _ in range(7):
        fail(health, "rate_limit", at=at)
        rests.append(health.ready_at("a") - at)
        at = health.ready_at("a")
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    health.started("a", at)
    health.ended("a", at, ok=True)
    fail(health, "rate_limit", at=at)
    assert health.ready_at("a") - at == 1.0


def test_a_hundred_at_once_are_one_piece_of_news() -> None:
    health = Health()
    for _ in range(100):
        health.started("a", NOW)
    for turn in range(100):
        health.ended("a", NOW + turn * 0.001, ok=False, error_class="rate_limit")
    assert health.ready_at("a") == pytest.approx(NOW + 1.099)
    assert health.in_flight("a") == 0


def test_a_garbled_retry_after_does_not_bench_for_ever() -> None:
    health = Health()
    fail(health, "rate_limit", retry_after=1e12)
    assert health.ready_at("a") == NOW + 3600
    fail(other := Health(), "rate_limit", retry_after=-5.0)
    assert other.ready_at("a") == NOW + 1.0


@pytest.mark.parametrize("error_class", ["invalid_request", "content_filter", "context_length"])
def test_what_the_client_did_wrong_never_counts(error_class: ErrorClass) -> None:
    health = Health()
    for _ in range(200):
        fail(health, error_class, retry_after=60.0)
    assert health.ready_at("a") == 0.0


@pytest.mark.parametrize(("error_class", "needed"), [("capacity", 5), ("auth", 5), (None, 5), ("timeout", 3)])
def test_what_the_target_did_wrong_opens_its_breaker(error_class: ErrorClass | None, needed: int) -> None:
    health = Health()
    for _ in range(needed - 1):
        fail(health, error_class)
    assert health.available("a", NOW)
    fail(health, error_class)
    assert not health.available("a", NOW)


def test_attempts_we_gave_up_say_nothing() -> None:
    health = Health()
    for _ in range(50):
        health.started("a", NOW)
        health.ended("a", NOW, ok=None, total=0.1)
    assert health.ready_at("a") == 0.0
    assert health.in_flight("a") == 0
    health.ended("a", NOW, ok=None)
    assert health.in_flight("a") == 0


def test_the_first_token_of_a_long_stream_is_proof_enough() -> None:
    health = Health()
    for _ in range(5):
        fail(health, "capacity")
    health.started("a", NOW + 2)
    assert not health.available("a", NOW + 3)
    health.first_token("a", NOW + 3, 1.0)
    assert health.available("a", NOW + 3)
    health.ended("a", NOW + 300, ok=True, total=298.0)
    assert health.in_flight("a") == 0


def test_a_cool_down_outlasts_a_closed_breaker() -> None:
    health = Health()
    for _ in range(5):
        fail(health, "capacity", retry_after=20.0)
    health.started("a", NOW + 2)
    health.ended("a", NOW + 2.5, ok=True, total=0.5)
    assert health.ready_at("a") == NOW + 20


def test_a_time_out_counts_as_a_time_to_first_token() -> None:
    health = Health()
    for _ in range(20):
        fail(health, "timeout", ttft=7.0)
    assert health.p95("a") == 7.0


def test_the_decaying_mean_forgets_with_time() -> None:
    """Constant samples stay; after a step, τ seconds of samples bring it 1 − 1/e of the way."""
    mean = Ewma()
    assert mean.guess(0.0) is None
    for turn in range(200):
        mean.add(1.0, float(turn))
    assert mean.value == pytest.approx(1.0)
    for turn in range(200, 210):
        mean.add(2.0, float(turn))
    assert mean.value == pytest.approx(2.0 - 0.3679, abs=1e-3)


def test_an_old_guess_fades_and_a_clock_that_stands_still_is_survived() -> None:
    mean = Ewma()
    mean.add(3.0, NOW)
    assert mean.guess(NOW) == mean.guess(NOW - 1) == 3.0
    assert mean.guess(NOW + 30) == pytest.approx(3.0 * 0.36788, abs=1e-4)
    mean.add(1.0, NOW)
    assert mean.value == pytest.approx(3.0 - 2.0 / 16)


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=300))
def test_the_p95_is_one_of_the_recent_times_and_not_long_out_of_date(samples: list[float]) -> None:
    recent = Recent()
    exact = []
    for index, sample in enumerate(samples):
        recent.add(sample)
        kept = sorted(samples[max(0, index - 63) : index + 1])
        exact.append(kept[-(-95 * len(kept) // 100) - 1])
        found = recent.p95()
        if index < 9:
            assert found is None
        else:
            assert found in exact[-8:]


def test_the_p95_of_many_is_near_that_of_their_distribution() -> None:
    rng, found = random.Random(5), []
    recent = Recent()
    for _ in range(5000):
        recent.add(rng.expovariate(1.0))
        if (now := recent.p95()) is not None:
            found.append(now)
    assert sum(found) / len(found) == pytest.approx(2.996, rel=0.1)
