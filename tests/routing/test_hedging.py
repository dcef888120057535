"""The second request: when, where to, and never more of them than allowed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.course import Course, Routes, Stop, Try
from weighbridge.routing.health import Health
from weighbridge.routing.policy import Hedge, Policy, Retries, Target
from weighbridge.routing.step import Features
from weighbridge.wire.failure import Failure

NOW = 500.0
THREE = (Target("a"), Target("b"), Target("c"))
ALWAYS = Hedge(after=1.0, share=1.0)


def begun(policy: Policy, health: Health | None = None) -> tuple[Course, Health]:
    health = health or Health()
    course = Course(Routes(policy, health), Features(), NOW, NOW + 60)
    assert isinstance(course.next(None, NOW, 0.0), Try)
    return course, health


def test_it_goes_to_another_target_once_and_counts_as_an_attempt() -> None:
    course, _ = begun(Policy(THREE, hedge=ALWAYS))
    assert course.hedge_after() == 1.0
    second = course.hedge(NOW + 1, 0.0)
    assert second is not None
    assert (second.target, second.reason, second.attempt, second.after) == ("b", "hedge", 2, 0.0)
    assert course.hedge(NOW + 2, 0.0) is None


def test_when_both_have_failed_the_course_goes_on_to_the_third() -> None:
    course, _ = begun(Policy(THREE, hedge=ALWAYS, retries=Retries(same=1)))
    course.hedge(NOW + 1, 0.0)
    step = course.next(Failure("capacity", "both"), NOW + 2, 0.0)
    assert isinstance(step, Try)
    assert (step.target, step.attempt) == ("c", 3)


def test_after_both_timed_out_neither_is_asked_again() -> None:
    course, _ = begun(Policy(THREE[:2], hedge=ALWAYS))
    course.hedge(NOW + 1, 0.0)
    assert isinstance(course.next(Failure("timeout", "both"), NOW + 10, 0.0), Stop)


def test_a_later_attempt_may_be_hedged_as_well() -> None:
    course, _ = begun(Policy(THREE, hedge=Hedge(after=1.0, share=1.0), retries=Retries(same=1)))
    assert isinstance(course.next(Failure("network", ""), NOW, 0.0), Try)
    second = course.hedge(NOW + 1, 0.0)
    assert second is not None
    assert (second.target, second.attempt) == ("c", 3)


def test_p95_is_the_targets_own_and_unknown_at_first() -> None:
    course, health = begun(Policy(THREE, hedge=Hedge(share=1.0)))
    assert course.hedge_after() is None
    for turn in range(20):
        health.started("a", NOW)
        health.ended("a", NOW, ok=True, ttft=0.1 * (turn + 1))
    assert course.hedge_after() == pytest.approx(1.9)


@pytest.mark.parametrize("hedge", [None, ALWAYS])
def test_none_without_a_policy_a_target_an_attempt_or_time(hedge: Hedge | None) -> None:
    if hedge is None:
        course, _ = begun(Policy(THREE))
        assert course.hedge_after() is None
        assert course.hedge(NOW + 1, 0.0) is None
        return
    course, _ = begun(Policy(THREE[:1], hedge=hedge))
    assert course.hedge(NOW + 1, 0.0) is None
    course, _ = begun(Policy(THREE, hedge=hedge, retries=Retries(total=1)))
    assert course.hedge_after() is None
    assert course.hedge(NOW + 1, 0.0) is None
    course, _ = begun(Policy(THREE, hedge=hedge))
    assert course.hedge(NOW + 60, 0.0) is None
    unbegun = Course(Routes(Policy(THREE, hedge=hedge), Health()), Features(), NOW, NOW + 60)
    assert unbegun.hedge(NOW, 0.0) is None


def test_a_target_that_cools_down_or_is_being_tried_out_is_no_help() -> None:
    course, health = begun(Policy(THREE, hedge=ALWAYS))
    health.started("b", NOW)
    health.ended("b", NOW, ok=False, error_class="rate_limit", retry_after=30.0)
    for _ in range(5):
        health.started("c", NOW)
        health.ended("c", NOW, ok=False, error_class="capacity")
    assert health.available("c", NOW + 5)
    assert course.hedge(NOW + 5, 0.0) is None


def test_a_target_that_cannot_serve_is_no_help_either() -> None:
    policy = Policy((Target("a"), Target("b", cannot=frozenset({"tools"}))), hedge=ALWAYS)
    course = Course(Routes(policy, Health()), Features(frozenset({"tools"})), NOW, NOW + 60)
    course.next(None, NOW, 0.0)
    assert course.hedge(NOW + 1, 0.0) is None


@given(
    share=st.floats(0.0, 1.0),
    burst=st.floats(1.0, 20.0),
    slow=st.lists(st.booleans(), min_size=1, max_size=400),
)
def test_hedges_never_exceed_their_share_of_requests(share: float, burst: float, slow: list[bool]) -> None:
    """At any time no more than share × requests so far, and no more than burst + share × requests in any stretch."""
    routes = Routes(Policy(THREE, hedge=Hedge(after=1.0, share=share, burst=burst)), Health())
    hedged: list[int] = []
    for number, wants in enumerate(slow, start=1):
        course = Course(routes, Features(), NOW, NOW + 60)
        course.next(None, NOW, 0.0)
        if wants and course.hedge(NOW + 1, 0.0) is not None:
            hedged.append(number)
        assert len(hedged) <= share * number + 1e-6
    for first, number in enumerate(hedged):
        for last in range(first, len(hedged)):
            assert last - first + 1 <= burst + share * (hedged[last] - number + 1) + 1e-6


def test_with_one_in_twenty_slow_the_whole_budget_is_there_for_them() -> None:
    rng, routes = random.Random(2), Routes(Policy(THREE, hedge=Hedge(after=1.0, share=0.05)), Health())
    sent = 0
    for _ in range(10_000):
        course = Course(routes, Features(), NOW, NOW + 60)
        course.next(None, NOW, 0.0)
        sent += rng.random() < 0.2 and course.hedge(NOW + 1, 0.0) is not None
    assert 490 <= sent <= 500
