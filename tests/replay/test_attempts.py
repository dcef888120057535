"""Retries: what may pass by itself is tried again, after a wait that nobody could call hammering."""

import random

import pytest

from weighbridge.replay.attempts import RETRYABLE, Retries
from weighbridge.wire.failure import ErrorClass, Failure

DICE = random.Random(1)


@pytest.mark.parametrize("error_class", ["auth", "invalid_request", "context_length", "content_filter"])
def test_what_would_fail_again_is_not_tried_again(error_class: ErrorClass) -> None:
    assert error_class not in RETRYABLE
    assert Retries().wait(Failure(error_class, "no"), 0, 0.0, DICE) is None


@pytest.mark.parametrize("error_class", sorted(RETRYABLE))
def test_what_may_pass_is_tried_again_until_the_attempts_are_used_up(error_class: ErrorClass) -> None:
    retries = Retries(most=2)
    assert retries.wait(Failure(error_class, "no"), 0, 0.0, DICE) is not None
    assert retries.wait(Failure(error_class, "no"), 1, 0.0, DICE) is not None
    assert retries.wait(Failure(error_class, "no"), 2, 0.0, DICE) is None


def test_waits_are_full_jitter_that_doubles_up_to_a_cap() -> None:
    """Uniform from zero: over many draws the longest comes near base·2ⁿ, and none passes it or the cap."""
    retries = Retries(most=20, base=1.0, cap=8.0)
    for attempt, longest in ((0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (9, 8.0)):
        waits = [retries.wait(Failure("capacity", ""), attempt, 0.0, DICE) or 0.0 for _ in range(500)]
        assert 0.9 * longest < max(waits) <= longest
        assert min(waits) < 0.1 * longest


def test_a_provider_that_says_when_is_not_asked_sooner() -> None:
    failure = Failure("rate_limit", "slow down", retry_after=7.0)
    waits = [Retries().wait(failure, 0, 0.0, DICE) or 0.0 for _ in range(100)]
    assert min(waits) >= 7.0
    assert max(waits) <= 7.5


def test_no_wait_goes_beyond_the_deadline() -> None:
    """A provider that asks for an hour of patience does not get it."""
    failure = Failure("rate_limit", "slow down", retry_after=3600.0)
    assert Retries(deadline=600.0).wait(failure, 0, 0.0, DICE) is None
