"""The decisions of one exchange, one by one."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.routing.world import Reply, World, always, failing, first

from weighbridge.routing.course import Course, Routes, Stop, Try
from weighbridge.routing.health import Health
from weighbridge.routing.policy import Adaptive, Limits, Pick, Policy, Rescue, Retries, Target
from weighbridge.routing.step import Features
from weighbridge.wire.failure import ErrorClass, Failure

CLASSES: tuple[ErrorClass, ...] = (
    *("rate_limit", "capacity", "context_length", "content_filter", "auth"),
    *("invalid_request", "timeout", "network", "protocol"),
)
NOW = 500.0


def begin(policy: Policy, features: Features | None = None, deadline: float = 600.0) -> tuple[Course, Health]:
    health = Health()
    return Course(Routes(policy, health), features or Features(), NOW, NOW + deadline), health


def tried(step: Try | Stop) -> Try:
    assert isinstance(step, Try)
    return step


def stopped(step: Try | Stop) -> Stop:
    assert isinstance(step, Stop)
    return step


# --- who can serve


def test_a_target_that_cannot_do_what_is_asked_is_no_candidate() -> None:
    policy = Policy((Target("text", cannot=frozenset({"images"})), Target("eyes", priority=1)))
    assert tried(begin(policy)[0].next(None, NOW, 0.0)).target == "text"
    seeing = Features(needs=frozenset({"images", "tools"}))
    course, health = begin(policy, seeing)
    assert tried(course.next(None, NOW, 0.0)).target == "eyes"
    health.started("eyes", NOW)
    health.ended("eyes", NOW, ok=False, error_class="timeout")
    assert stopped(course.next(Failure("timeout", "slow"), NOW, 0.0)).failure.error_class == "timeout"


def test_if_none_can_the_failure_names_what_and_who() -> None:
    policy = Policy((Target("a", cannot=frozenset({"images"})), Target("b", cannot=frozenset({"tools", "logprobs"}))))
    stop = stopped(begin(policy, Features(needs=frozenset({"images", "logprobs", "tools"})))[0].next(None, NOW, 0.0))
    assert stop.failure.error_class == "invalid_request"
    assert stop.failure.status == 400
    assert "a cannot do images; b cannot do logprobs, tools" in stop.failure.message


def test_if_no_window_is_large_enough_the_failure_says_so() -> None:
    policy = Policy((Target("a", context=8_000), Target("b", context=32_000)))
    assert tried(begin(policy, Features(tokens=8_001))[0].next(None, NOW, 0.0)).target == "b"
    stop = stopped(begin(policy, Features(tokens=40_000))[0].next(None, NOW, 0.0))
    assert stop.failure.error_class == "invalid_request"
    assert stop.failure.code == "context_length_exceeded"
    assert "40000 tokens" in stop.failure.message
    assert "32000" in stop.failure.message


def test_needs_and_size_are_judged_together() -> None:
    """One can see, the other is large: neither can do both."""
    policy = Policy((Target("eyes", context=8_000), Target("large", cannot=frozenset({"images"}))))
    stop = stopped(begin(policy, Features(frozenset({"images"}), 10_000))[0].next(None, NOW, 0.0))
    assert stop.failure.code == "context_length_exceeded"


def test_the_answer_for_many_different_needs_is_right_beyond_what_is_remembered() -> None:
    routes = Routes(Policy((Target("a", cannot=frozenset({"x"})), Target("b"))), Health())
    for number in range(600):
        needs = frozenset({"x", f"n{number}"})
        assert tried(Course(routes, Features(needs), NOW, NOW + 9).next(None, NOW, 0.0)).target == "b"


# --- limits


def test_the_first_token_limit_is_short_only_while_there_is_another_target() -> None:
    course, health = begin(Policy((Target("a"), Target("b"))))
    step = tried(course.next(None, NOW, 0.0))
    assert (step.limits.first_token, step.limits.total, step.limits.connect) == (10.0, 600.0, 3.0)
    health.started("a", NOW)
    health.ended("a", NOW + 10, ok=False, error_class="timeout", ttft=10.0)
    step = tried(course.next(Failure("timeout", ""), NOW + 10, 0.0))
    assert step.limits.first_token == 60.0
    assert step.limits.total == pytest.approx(590.0)


def test_it_is_long_where_the_others_cool_down_or_may_not_be_used() -> None:
    course, health = begin(Policy((Target("a"), Target("b"))))
    health.started("b", NOW)
    health.ended("b", NOW, ok=False, error_class="rate_limit", retry_after=500.0)
    assert tried(course.next(None, NOW, 0.0)).limits.first_token == 60.0
    policy = Policy((Target("a"), Target("b")), fallbacks={"timeout": ()})
    assert tried(begin(policy)[0].next(None, NOW, 0.0)).limits.first_token == 60.0
    policy = Policy((Target("a"), Target("b")), retries=Retries(total=1))
    assert tried(begin(policy)[0].next(None, NOW, 0.0)).limits.first_token == 60.0


def test_what_the_policy_sets_holds_always() -> None:
    policy = Policy((Target("a"),), limits=Limits(first_token=2.0, answer=3.0, gap=4.0, total=50.0), min_speed=5.0)
    bounds = tried(begin(policy)[0].next(None, NOW, 0.0)).limits
    assert (bounds.first_token, bounds.gap, bounds.total, bounds.min_speed) == (2.0, 4.0, 50.0, 5.0)
    assert tried(begin(policy, Features(stream=False))[0].next(None, NOW, 0.0)).limits.first_token == 3.0


def test_no_limit_is_longer_than_the_time_left() -> None:
    bounds = tried(begin(Policy((Target("a"),)), deadline=2.0)[0].next(None, NOW, 0.0)).limits
    assert (bounds.connect, bounds.first_token, bounds.gap, bounds.total) == (2.0, 2.0, 2.0, 2.0)


@pytest.mark.parametrize(("ttft", "limit"), [(0.1, 1.0), (0.5, 1.5), (60.0, 30.0)])
def test_an_adaptive_limit_follows_the_target_within_its_bounds(ttft: float, limit: float) -> None:
    policy = Policy((Target("a"), Target("b")), limits=Limits(adaptive=Adaptive(factor=3.0, least=1.0, most=30.0)))
    course, health = begin(policy)
    for _ in range(20):
        health.started("a", NOW)
        health.ended("a", NOW, ok=True, ttft=ttft)
    assert tried(course.next(None, NOW, 0.0)).limits.first_token == limit


def test_before_enough_is_known_and_on_the_last_target_the_adaptive_limit_is_the_plain_one() -> None:
    policy = Policy((Target("a"), Target("b")), limits=Limits(adaptive=Adaptive()))
    assert tried(begin(policy)[0].next(None, NOW, 0.0)).limits.first_token == 10.0
    course, health = begin(Policy((Target("a"),), limits=Limits(adaptive=Adaptive())))
    for _ in range(20):
        health.started("a", NOW)
        health.ended("a", NOW, ok=True, ttft=0.1)
    assert tried(course.next(None, NOW, 0.0)).limits.first_token == 60.0


def test_an_adaptive_limit_lets_a_target_become_slower_for_good() -> None:
    """A limit taken from successes alone would cut every answer of a target that became five times slower, for ever."""
    slow = World(
        Policy((Target("a"), Target("b", priority=1)), limits=Limits(adaptive=Adaptive(most=60.0))),
        a=lambda now: Reply(0.3, 1.0) if now < 1100 else Reply(3.0, 4.0),
        b=always(),
    )
    stories = [slow.ask(at=1000.0 + turn) for turn in range(400)]
    slow.run()
    assert all(story.winner for story in stories)
    assert [story.winner for story in stories[-50:]] == ["a"] * 50


# --- steps


def test_a_deadline_that_has_passed_stops_before_the_first_attempt_and_after_any() -> None:
    course, _ = begin(Policy((Target("a"),)), deadline=0.0)
    assert stopped(course.next(None, NOW, 0.0)).failure.error_class == "timeout"
    course, _ = begin(Policy((Target("a"), Target("b"))), deadline=5.0)
    course.next(None, NOW, 0.0)
    stop = stopped(course.next(Failure("capacity", "busy"), NOW + 5.0, 0.0))
    assert (stop.failure.message, stop.reason) == ("busy", "deadline")


def test_a_failure_before_any_attempt_is_handed_back() -> None:
    course, _ = begin(Policy((Target("a"),)))
    assert stopped(course.next(Failure("network", "?"), NOW, 0.0)).failure.message == "?"


def test_every_target_gets_its_turn_before_the_attempts_run_out() -> None:
    """Four attempts, three targets: the first is tried twice, the others once."""
    policy = Policy(tuple(Target(name) for name in "abc"))
    dead = always(failing("capacity"))
    assert World(policy, a=dead, b=dead, c=dead).told().targets == ["a", "a", "b", "c"]


@pytest.mark.parametrize("rng", [0.0, 0.5, 0.999])
def test_back_off_is_full_jitter_that_doubles_up_to_its_most(rng: float) -> None:
    policy = Policy((Target("a"),), retries=Retries(total=6, base=0.5, most=2.0))
    course, _ = begin(policy)
    course.next(None, NOW, rng)
    waits = [tried(course.next(Failure("capacity", ""), NOW, rng)).after for _ in range(5)]
    assert waits == pytest.approx([rng * ceiling for ceiling in (0.5, 1.0, 2.0, 2.0, 2.0)])


def test_resume_takes_a_better_target_that_has_come_back_meanwhile() -> None:
    course, health = begin(Policy((Target("a"), Target("b"))))
    for name, seconds in (("a", 20.0), ("b", 10.0)):
        health.started(name, NOW)
        health.ended(name, NOW, ok=False, error_class="capacity", retry_after=seconds)
    step = tried(course.next(None, NOW, 0.5))
    assert (step.target, step.attempt) == ("b", 1)
    assert 10.0 <= step.after <= 10.25
    health.started("b", NOW)
    health.ended("b", NOW + 9, ok=False, error_class="rate_limit", retry_after=60.0)
    step = tried(course.resume(NOW + step.after, 0.5))
    assert (step.target, step.attempt) == ("a", 1)
    assert 9.5 < step.after < 10.5
    step = tried(course.resume(NOW + 21, 0.5))
    assert (step.target, step.after, step.attempt) == ("a", 0.0, 1)


def test_resume_takes_whoever_is_free_if_the_one_waited_for_is_not() -> None:
    course, health = begin(Policy((Target("a"), Target("b")), retries=Retries(same=1)))
    assert tried(course.next(None, NOW, 0.0)).target == "a"
    health.started("b", NOW)
    health.ended("b", NOW, ok=False, error_class="rate_limit", retry_after=3.0)
    health.started("a", NOW)
    health.ended("a", NOW, ok=False, error_class="rate_limit", retry_after=2.0)
    step = tried(course.next(Failure("rate_limit", ""), NOW, 0.0))
    assert (step.target, step.after, step.attempt, step.reason) == ("a", 2.0, 2, "retry: rate_limit")
    health.started("a", NOW + 2)
    health.ended("a", NOW + 2, ok=False, error_class="rate_limit", retry_after=30.0)
    step = tried(course.resume(NOW + 3, 0.0))
    assert (step.target, step.after, step.attempt, step.reason) == ("b", 0.0, 2, "fallback: rate_limit")


def test_a_back_off_that_does_not_fit_the_deadline_is_a_turn_for_the_next() -> None:
    course, _ = begin(Policy((Target("a"), Target("b"))), deadline=0.2)
    course.next(None, NOW, 0.0)
    step = tried(course.next(Failure("capacity", ""), NOW, 0.9))
    assert (step.target, step.after) == ("b", 0.0)


def test_a_policy_that_never_waits_still_backs_off() -> None:
    course, _ = begin(Policy((Target("a"),), retries=Retries(same=1, wait=0.0)))
    course.next(None, NOW, 0.0)
    step = tried(course.next(Failure("capacity", ""), NOW, 0.5))
    assert (step.target, step.after, step.reason) == ("a", 0.125, "retry: capacity")


def test_resume_stops_at_the_deadline_and_when_it_has_waited_enough() -> None:
    course, health = begin(Policy((Target("a"),), retries=Retries(wait=5.0)))
    health.started("a", NOW)
    health.ended("a", NOW, ok=False, error_class="rate_limit", retry_after=4.0)
    tried(course.next(None, NOW, 0.0))
    health.started("a", NOW)
    health.ended("a", NOW + 4, ok=False, error_class="rate_limit", retry_after=4.0)
    assert "too long to wait" in stopped(course.resume(NOW + 4, 0.0)).reason
    assert stopped(course.resume(NOW + 600, 0.0)).reason == "deadline"


def test_resume_without_a_wait_is_a_first_step() -> None:
    course, _ = begin(Policy((Target("a"),)))
    assert tried(course.resume(NOW, 0.0)).attempt == 1


def test_a_probe_of_another_exchange_is_looked_at_again_soon() -> None:
    """Waiting for the probe to expire would cost ten seconds; its answer is there in one."""
    course, health = begin(Policy((Target("a"),)))
    for _ in range(5):
        health.started("a", NOW - 10)
        health.ended("a", NOW - 10, ok=False, error_class="capacity")
    health.started("a", NOW)
    step = tried(course.next(None, NOW, 0.5))
    assert 0.1 <= step.after <= 0.7
    step = tried(course.resume(NOW + step.after, 0.5))
    assert 0.1 <= step.after <= 0.7
    health.ended("a", NOW + 1, ok=True)
    assert tried(course.resume(NOW + 1.1, 0.5)).after == 0.0


# --- whatever happens

_TARGET = st.builds(
    Target,
    name=st.just(""),
    weight=st.sampled_from([0.0, 0.5, 1.0, 9.0]),
    priority=st.integers(0, 2),
    cost=st.sampled_from([None, 0.1, 5.0]),
    context=st.sampled_from([None, 1_000, 8_000, 100_000]),
    cannot=st.sets(st.sampled_from(["images", "tools", "prefill"])).map(frozenset),
)


_WAITS = st.sampled_from([0.0, 3.0, 30.0])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    count = draw(st.integers(1, 5))
    names = [f"t{number}" for number in range(count)]
    drawn = [draw(_TARGET) for _ in names]
    targets = tuple(
        Target(name, target.weight if number else 1.0, target.priority, 1.0 if number == 0 else target.cost,
               target.context, target.cannot)
        for number, (name, target) in enumerate(zip(names, drawn, strict=True))
    )  # fmt: skip
    causes = st.sampled_from([cause for cause in CLASSES if cause != "invalid_request"])
    named = st.lists(st.sampled_from(names), unique=True).map(tuple)
    total = draw(st.integers(1, 6))
    picks: tuple[Pick, ...] = ("priority", "weight", "latency", "least_busy", "cheapest")
    return Policy(
        targets,
        pick=draw(st.sampled_from(picks)),
        fallbacks=draw(st.dictionaries(causes, named, max_size=4)),
        retries=Retries(same=draw(st.integers(1, 6)), total=total, wait=draw(_WAITS), outage=draw(_WAITS)),
        limits=Limits(adaptive=draw(st.sampled_from([None, Adaptive()]))),
        rescue=draw(st.sampled_from([None, Rescue(), Rescue(prefill=False), Rescue(restart=False)])),
    )


_EVENT = st.tuples(
    st.sampled_from(CLASSES),
    st.sampled_from([None, 0.0, 0.5, 2.0, 100.0]),  # retry_after
    st.booleans(),  # bytes have reached the client
    st.sampled_from([0.0, 0.05, 1.0, 10.0]),  # seconds the attempt took
)


def _able(policy: Policy, features: Features) -> set[str]:
    return {
        target.name
        for target in policy.targets
        if not features.needs & target.cannot and (target.context is None or features.tokens <= target.context)
    }


@settings(max_examples=200, deadline=None)
@given(
    policy=policies(),
    events=st.lists(_EVENT, min_size=8, max_size=8),
    needs=st.sets(st.sampled_from(["images", "tools"])).map(frozenset),
    tokens=st.sampled_from([0, 900, 5_000, 50_000, 500_000]),
    deadline=st.sampled_from([0.5, 5.0, 60.0]),
    benched=st.lists(st.tuples(st.integers(0, 4), st.floats(0.1, 50.0)), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_whatever_fails_an_exchange_ends_within_its_caps_and_deadline(
    policy: Policy,
    events: list[tuple[ErrorClass, float | None, bool, float]],
    needs: frozenset[str],
    tokens: int,
    deadline: float,
    benched: list[tuple[int, float]],
    seed: int,
) -> None:
    features, health, rng = Features(needs, tokens), Health(), random.Random(seed)
    for index, seconds in benched:
        name = policy.targets[index % len(policy.targets)].name
        health.started(name, NOW)
        health.ended(name, NOW, ok=False, error_class="rate_limit", retry_after=seconds)
    able, now = _able(policy, features), NOW
    course = Course(Routes(policy, health), features, now, now + deadline)
    step = course.next(None, now, rng.random())
    seen: list[tuple[str, ErrorClass]] = []
    spent: set[str] = set()
    delivered, looks = False, 0
    while isinstance(step, Try):
        assert step.target in able
        assert step.target not in spent
        assert step.attempt == len(seen) + 1 <= policy.retries.total
        assert step.after >= 0.0
        assert now + step.after < NOW + deadline
        assert 0 < step.limits.first_token <= step.limits.total <= deadline
        assert now + step.after + step.limits.total <= NOW + deadline + 1e-3
        if step.after:
            looks += 1
            assert looks < 1000
            now += step.after
            step = course.resume(now, rng.random())
            continue
        error_class, retry_after, broke, took = events[len(seen)]
        assert health.available(step.target, now)
        health.started(step.target, now)
        took = min(took, step.limits.total)
        now += took
        health.ended(step.target, now, ok=False, error_class=error_class, retry_after=retry_after, total=took)
        seen.append((step.target, error_class))
        prefilled = step.mode == "prefill"
        delivered = delivered or broke
        if error_class in {"auth", "timeout", "context_length", "content_filter"}:
            spent.add(step.target)
        step = course.next(Failure(error_class, "no", retry_after=retry_after), now, rng.random(), delivered=delivered)
        if error_class == "invalid_request" and not prefilled:
            assert isinstance(step, Stop)
        if delivered and policy.rescue is None:
            assert isinstance(step, Stop)
        if error_class == "content_filter" and "content_filter" not in policy.fallbacks:
            assert isinstance(step, Stop)
    assert step.reason
    assert bool(able) or step.failure.error_class == "invalid_request"


def test_the_same_clock_and_numbers_give_the_same_course() -> None:
    policy = Policy(tuple(Target(name) for name in "abc"), pick="weight")
    flaky = [World(policy, 3, **{name: first(failing("capacity")) for name in "abc"}) for _ in range(2)]
    stories = [[world.told().targets for _ in range(5)] for world in flaky]
    assert stories[0] == stories[1]
