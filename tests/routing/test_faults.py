"""The faults of the field as pure tests: a simulated world, with bounds on attempts and simulated seconds."""

import pytest
from tests.routing.world import FINE, SILENT, Behaviour, Reply, Story, World, always, broken, failing, first

from weighbridge.routing.policy import Policy, Rescue, Retries, Target
from weighbridge.routing.step import Features
from weighbridge.wire.failure import ErrorClass, Failure

PAIR = (Target("primary"), Target("fallback", priority=1))
TWO = Policy(PAIR)
ONE = Policy(PAIR[:1])


def at_two(primary: Behaviour, fallback: Behaviour | None = None, policy: Policy = TWO) -> Story:
    return World(policy, primary=primary, fallback=fallback or always()).told()


def at_one(primary: Behaviour, policy: Policy = ONE) -> Story:
    return World(policy, primary=primary).told()


# --- rate limits


def test_a_429_with_retry_after_fails_over_at_once() -> None:
    """litellm#7669: `retry_after` was ignored."""
    story = at_two(first(failing("rate_limit", 2.0)))
    assert story.targets == ["primary", "fallback"]
    assert story.reasons == ["priority", "fallback: rate_limit"]
    assert story.took < 1.2


def test_a_429_with_retry_after_and_nowhere_to_go_waits_that_long_and_no_less() -> None:
    story = at_one(first(failing("rate_limit", 2.0)))
    assert story.winner == "primary"
    assert len(story.tries) == 2
    assert 2.0 <= story.tries[1][0] - story.tries[0][0] - 0.05 <= 2.5


def test_a_limited_target_is_left_alone_by_every_exchange_for_as_long_as_it_asked() -> None:
    """No hammering: after one 429 with Retry-After 2 s, nobody sends for 2 s, and then it is asked again."""
    world = World(TWO, primary=first(failing("rate_limit", 2.0)), fallback=always())
    stories = [world.ask(at=1000.0 + 0.1 * turn) for turn in range(50)]
    world.run()
    at_primary = [at for at, target in world.calls if target == "primary"]
    assert at_primary[0] == 1000.0
    assert at_primary[1] >= 1002.05
    assert stories[30].targets == ["primary"]
    assert all(story.winner for story in stories)


@pytest.mark.parametrize("retry_after", [None, 0.0, 0.2, 0.5, 2.0])
@pytest.mark.parametrize("total", [1, 2, 4, 6])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_429_for_ever_is_at_most_four_attempts_in_three_seconds_and_six_in_all(
    retry_after: float | None, total: int, count: int
) -> None:
    targets = tuple(Target(f"t{number}") for number in range(count))
    policy = Policy(targets, retries=Retries(total=total))
    world = World(policy, **{target.name: always(failing("rate_limit", retry_after)) for target in targets})
    story = world.told()
    assert story.stop is not None
    assert story.stop.failure.error_class == "rate_limit"
    assert len(story.tries) <= total
    assert sum(at < story.began + 3.0 for at, _ in story.tries) <= 4
    assert story.took < 60


def test_when_every_target_cools_down_the_soonest_is_waited_for() -> None:
    world = World(TWO, primary=first(failing("rate_limit", 20.0)), fallback=first(failing("rate_limit", 3.0)))
    story = world.told()
    assert story.targets == ["primary", "fallback", "fallback"]
    assert 3.0 <= story.took < 5.0
    newcomer = world.told()
    assert newcomer.targets == ["fallback"]
    assert newcomer.reasons == ["priority: primary cooling down"]


def test_a_newcomer_waits_for_the_soonest_as_well() -> None:
    world = World(TWO, primary=always(), fallback=always())
    for name, seconds in (("primary", 9.0), ("fallback", 4.0)):
        world.health.started(name, world.now)
        world.health.ended(name, world.now, ok=False, error_class="rate_limit", retry_after=seconds)
    story = world.told()
    assert story.targets == ["fallback"]
    assert story.reasons == ["wait: every target cools down"]
    assert 4.0 <= story.tries[0][0] - story.began <= 4.3
    assert story.tries[0][1].attempt == 1


@pytest.mark.parametrize(("seconds", "deadline"), [(31.0, 600.0), (9.0, 5.0)])
def test_nobody_waits_longer_than_the_deadline_or_the_policy_allows(seconds: float, deadline: float) -> None:
    story = World(ONE, primary=first(failing("rate_limit", seconds))).told(deadline=deadline)
    assert len(story.tries) == 1
    assert story.took < 0.1
    assert story.stop is not None
    assert story.stop.failure.retry_after == seconds


def test_one_who_cannot_even_try_is_told_when_to_come_back() -> None:
    world = World(ONE, primary=first(failing("rate_limit", 100.0)))
    world.told()
    story = world.told()
    assert story.tries == []
    assert story.stop is not None
    assert story.stop.failure.error_class == "rate_limit"
    assert story.stop.failure.retry_after == pytest.approx(100.0, abs=0.1)
    assert "primary is ready in 100.0 s" in story.stop.failure.message


# --- errors and resets


@pytest.mark.parametrize("error_class", ["capacity", "network", "protocol"])
def test_what_fails_once_is_tried_again_on_the_same_target(error_class: ErrorClass) -> None:
    """500 once; reset before headers: one more attempt, within the back-off."""
    story = at_two(first(failing(error_class)))
    assert story.targets == ["primary", "primary"]
    assert story.reasons == ["priority", f"retry: {error_class}"]
    assert story.took < 1.4


def test_503_for_ever_is_answered_by_the_fallback_and_soon_without_asking_the_primary() -> None:
    """Portkey#1289: the breaker never opened."""
    world = World(TWO, primary=always(failing("capacity", status=503)), fallback=always())
    stories = [world.ask(at=1000.0 + turn) for turn in range(60)]
    world.run()
    assert all(story.winner == "fallback" for story in stories)
    assert max(len(story.tries) for story in stories) <= 3
    assert sum(target == "primary" for _, target in world.calls) < 20
    assert max(story.took for story in stories) < 1.5


def test_503_for_ever_with_nowhere_to_go_ends_in_a_bounded_error() -> None:
    story = at_one(always(failing("capacity", status=503)))
    assert story.stop is not None
    assert story.stop.failure.status == 503
    assert len(story.tries) == 4
    assert story.stop.reason == "4 attempts"
    assert story.took < 5


def test_a_failed_primary_is_never_its_own_fallback() -> None:
    """bifrost#6966: the fallback re-targeted the primary."""
    policy = Policy((*PAIR, Target("third", priority=2)), retries=Retries(same=1))
    dead = always(failing("capacity"))
    story = World(policy, primary=dead, fallback=dead, third=always()).told()
    assert story.targets == ["primary", "fallback", "third"]


def test_the_primary_named_as_its_own_fallback_is_only_a_retry() -> None:
    policy = Policy(PAIR, fallbacks={"capacity": ("primary", "fallback"), "timeout": ("primary",)})
    story = at_two(always(failing("capacity")), policy=policy)
    assert story.targets == ["primary", "primary", "fallback"]
    story = at_two(always(SILENT), policy=policy)
    assert story.targets == ["primary"]
    assert story.stop is not None


# --- silence


@pytest.mark.parametrize(("stream", "within"), [(True, 12.0), (False, 62.0)])
def test_no_answer_is_one_attempt_there_and_then_failover(stream: bool, within: float) -> None:
    """bifrost#7034: neither time-out fired while waiting for response headers."""
    story = World(TWO, primary=always(SILENT), fallback=always()).told(Features(stream=stream))
    assert story.targets == ["primary", "fallback"]
    assert story.reasons[1] == "fallback: timeout"
    assert story.took < within


def test_a_first_token_after_20_s_is_failed_over_within_15_s() -> None:
    story = at_two(always(Reply(20.0, 21.0)))
    assert story.targets == ["primary", "fallback"]
    assert story.took < 15


def test_a_first_token_after_20_s_is_waited_for_where_there_is_nobody_else() -> None:
    story = at_one(always(Reply(20.0, 21.0)))
    assert story.winner == "primary"
    assert story.took == pytest.approx(21.0)


def test_no_answer_for_ever_with_nowhere_to_go_is_one_attempt() -> None:
    """bifrost#7035: ten attempts over twenty minutes."""
    story = at_one(always(SILENT))
    assert story.targets == ["primary"]
    assert story.took == 60.0
    assert story.stop is not None
    assert story.stop.failure.error_class == "timeout"


# --- what the request is to blame for


def test_a_context_that_is_too_long_is_one_attempt_and_then_a_larger_one() -> None:
    """litellm#10793: no context fallback."""
    targets = (
        Target("primary", context=8_000),
        Target("as-small", priority=1, context=8_000),
        Target("unknown", priority=1),
        Target("large", priority=2, context=128_000),
    )
    world = World(
        Policy(targets), **{"primary": always(failing("context_length")), "as-small": always(), "large": always()}
    )
    story = world.told()
    assert story.targets == ["primary", "large"]
    assert story.reasons[1] == "fallback: context_length"


def test_a_context_that_is_too_long_everywhere_ends_after_each_larger_one_said_so() -> None:
    targets = (Target("a", context=8_000), Target("b", context=16_000), Target("c", context=32_000))
    world = World(Policy(targets), **{target.name: always(failing("context_length")) for target in targets})
    story = world.told()
    assert story.targets == ["a", "b", "c"]
    assert story.stop is not None
    assert story.stop.failure.error_class == "context_length"


def test_after_a_context_failover_the_small_ones_stay_out() -> None:
    """The larger target fails for another reason: the failed one cannot help, whoever else is free."""
    targets = (Target("small", context=8_000), Target("large", context=32_000))
    world = World(
        Policy(targets, retries=Retries(same=1)),
        small=always(failing("context_length")),
        large=first(failing("capacity")),
    )
    assert world.told().targets == ["small", "large", "large"]


def test_a_content_filter_is_one_attempt_and_its_reason_is_passed_on() -> None:
    story = at_two(always(failing("content_filter", status=400)))
    assert story.targets == ["primary"]
    assert story.stop is not None
    assert story.stop.failure.message == "it was content_filter"
    assert story.stop.failure.status == 400


def test_a_content_filter_falls_over_where_the_policy_says_so() -> None:
    policy = Policy(PAIR, fallbacks={"content_filter": ("fallback",)})
    assert at_two(always(failing("content_filter")), policy=policy).targets == ["primary", "fallback"]


def test_a_bad_request_is_never_tried_elsewhere() -> None:
    """Portkey#855: the fallback fired on any error."""
    story = at_two(always(failing("invalid_request", status=400)))
    assert story.targets == ["primary"]


def test_bad_requests_of_clients_never_count_against_a_target() -> None:
    classes: tuple[ErrorClass, ...] = ("invalid_request", "content_filter", "context_length")
    world = World(ONE, primary=first(*(failing(classes[turn % 3]) for turn in range(90))))
    for _ in range(90):
        assert world.told().targets == ["primary"]
    assert world.health.available("primary", world.now)
    assert world.told().winner == "primary"


def test_a_refused_key_goes_to_the_next_target_and_no_second_time_to_this_one() -> None:
    story = at_two(always(failing("auth", status=401)), always(failing("capacity")))
    assert story.targets == ["primary", "fallback", "fallback", "fallback"]


# --- fallbacks by cause


@pytest.mark.parametrize("error_class", ["rate_limit", "capacity", "timeout", "network", "auth", "protocol"])
def test_a_fallback_fires_on_its_causes_only(error_class: ErrorClass) -> None:
    """Portkey#855, #165: a fallback that fired on any error, and one that never fired on its status codes."""
    reply = SILENT if error_class == "timeout" else failing(error_class)
    on_limits = Policy(
        PAIR,
        retries=Retries(same=1, total=3),
        fallbacks={
            **dict.fromkeys(("capacity", "timeout", "network", "auth", "protocol"), ()),
            "rate_limit": ("fallback",),
        },
    )
    story = at_two(always(reply), policy=on_limits)
    assert ("fallback" in story.targets) == (error_class == "rate_limit")


@pytest.mark.parametrize("status", [None, 200, 402, 429, 500])
def test_neither_prose_nor_status_decides_only_the_class_does(status: int | None) -> None:
    """A "402" in an error's text benched a provider for a day (freellmapi PR#1282)."""
    failure = Failure("capacity", "error 402: 429 invalid_request_error context_length_exceeded", status)
    story = at_two(first(Reply(0.05, 0.05, failure)))
    assert story.targets == ["primary", "primary"]


def test_explicit_fallbacks_are_taken_in_their_order() -> None:
    targets = tuple(Target(name) for name in ("a", "b", "c", "d"))
    policy = Policy(targets, retries=Retries(same=1), fallbacks={"capacity": ("d", "b")})
    dead = always(failing("capacity"))
    story = World(policy, a=dead, b=always(), c=always(), d=dead).told()
    assert story.targets == ["a", "d", "b"]


# --- an outage and its end


@pytest.mark.parametrize("pace", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("outage", [failing("capacity"), failing("network"), SILENT])
def test_a_primary_down_for_60_s_is_served_around_and_back_within_30_s(pace: float, outage: Reply) -> None:
    """Portkey#1289 in both directions: it opens, and it closes again."""
    back = 1060.0
    world = World(TWO, primary=lambda now: outage if now < back else FINE, fallback=always())
    stories = [world.ask(at=1000.0 + pace * turn) for turn in range(int(120 / pace))]
    world.run()
    assert all(story.winner for story in stories)
    assert max(story.took for story in stories) < 13
    late = [story for story in stories if story.began >= back + 30]
    assert late
    assert all(story.targets == ["primary"] for story in late)
    assert sum(target == "primary" and at < back for at, target in world.calls) < 30 + 12 / pace


def outage(until: float, policy: Policy = ONE) -> tuple[World, list[Story]]:
    """The only target is down from 1000 on; a hundred newcomers come at 1004, when it is known."""
    world = World(policy, primary=lambda now: failing("capacity", status=503) if now < until else FINE)
    for turn in range(5):
        world.ask(at=1000.0 + 0.01 * turn)
    stories = [world.ask(at=1004.0 + 0.01 * turn) for turn in range(100)]
    world.run()
    return world, stories


def test_a_short_outage_of_the_only_target_ends_for_those_who_wait() -> None:
    """A hundred wait for one target: it is probed, not stormed, and all are served once it is back."""
    world, stories = outage(until=1005.0)
    assert all(story.winner == "primary" for story in stories)
    assert sum(1004.0 < at < 1005.0 for at, _ in world.calls) < 10
    assert max(story.took for story in stories) < 10


def test_a_longer_outage_of_the_only_target_is_told_soon_with_when_to_come_back() -> None:
    """Nobody knows how long it lasts, so nobody hangs on for half a minute."""
    world, stories = outage(until=1060.0)
    assert all(story.stop is not None for story in stories)
    assert max(story.took for story in stories) < 6
    assert sum(at > 1004.0 for at, _ in world.calls) < 10
    late = World(ONE, primary=always(failing("capacity", status=503)))
    for _ in range(4):
        late.told()
    story = late.told()
    assert story.tries == []
    assert story.took == 0.0
    assert story.stop is not None
    assert story.stop.failure.error_class == "capacity"
    assert story.stop.failure.retry_after is not None
    assert 5.0 < story.stop.failure.retry_after <= 15.0


def test_an_outage_of_the_only_target_is_waited_out_where_the_policy_says_so() -> None:
    patient = Policy(PAIR[:1], retries=Retries(outage=30.0))
    world, stories = outage(until=1010.0, policy=patient)
    assert all(story.winner == "primary" for story in stories)
    assert sum(1004.0 < at < 1010.0 for at, _ in world.calls) < 10
    assert max(story.ended for story in stories) < 1030


def test_a_failure_that_is_not_waited_out_says_when_to_come_back() -> None:
    """The vendor said nothing of it; our own rest for its target is what there is to know."""
    story = World(Policy(PAIR[:1], retries=Retries(wait=0.5)), primary=always(failing("rate_limit"))).told()
    assert len(story.tries) == 1
    assert story.stop is not None
    assert "too long to wait" in story.stop.reason
    assert story.stop.failure.retry_after == pytest.approx(1.0, abs=0.1)


def test_a_rate_limit_with_a_known_end_is_waited_for_rather_than_an_outage_that_may_end_sooner() -> None:
    world = World(TWO, primary=always(failing("capacity")), fallback=always())
    for _ in range(3):  # the breaker opens for the third time: 8 s
        for _ in range(5):
            world.health.started("primary", world.now)
            world.health.ended("primary", world.now, ok=False, error_class="capacity")
        world.now = world.health.ready_at("primary")
    world.now -= 6.0
    world.health.started("fallback", world.now)
    world.health.ended("fallback", world.now, ok=False, error_class="rate_limit", retry_after=7.0)
    story = world.told()
    assert story.targets == ["fallback"]
    assert 7.0 <= story.tries[0][0] - story.began <= 7.3


def test_every_failed_attempt_counts_towards_health() -> None:
    """litellm#32574: the cool-down was skipped on later attempts, as failures of one request were counted once."""
    story_world = World(Policy(PAIR[:1], retries=Retries(total=4)), primary=always(failing("rate_limit")))
    story = story_world.told()
    gaps = [later[0] - earlier[0] for earlier, later in zip(story.tries, story.tries[1:], strict=False)]
    assert gaps[0] >= 1.0
    assert gaps[1] >= 2.0
    assert gaps[2] >= 4.0


# --- streams that break


@pytest.mark.parametrize("error_class", ["network", "timeout", "protocol"])
def test_a_stream_that_breaks_after_its_first_token_ends_in_its_error(error_class: ErrorClass) -> None:
    """Cut after 40 of 60 tokens, stalled, malformed (Portkey#1797): an error, and no second answer."""
    story = at_two(always(broken(error_class)))
    assert story.targets == ["primary"]
    assert story.stop is not None
    assert story.stop.failure.message == "the stream broke"
    assert story.stop.reason == "bytes have reached the client"


@pytest.mark.parametrize("error_class", ["network", "timeout", "protocol"])
def test_with_rescue_it_is_continued_by_prefill(error_class: ErrorClass) -> None:
    story = at_two(always(broken(error_class)), policy=Policy(PAIR, rescue=Rescue()))
    assert [(step.target, step.mode) for _, step in story.tries] == [("primary", "fresh"), ("fallback", "prefill")]
    assert story.winner == "fallback"


def test_a_fallback_that_rejects_a_prefill_is_asked_again_from_the_start() -> None:
    story = at_two(
        always(broken()), first(failing("invalid_request", status=400)), policy=Policy(PAIR, rescue=Rescue())
    )
    assert [(step.target, step.mode) for _, step in story.tries] == [
        ("primary", "fresh"),
        ("fallback", "prefill"),
        ("fallback", "restart"),
    ]
    assert story.winner == "fallback"


def test_a_fallback_known_to_reject_a_prefill_is_never_sent_one() -> None:
    pair = (PAIR[0], Target("fallback", priority=1, cannot=frozenset({"prefill"})))
    story = at_two(always(broken()), policy=Policy(pair, rescue=Rescue()))
    assert [step.mode for _, step in story.tries] == ["fresh", "restart"]
    story = at_two(always(broken()), policy=Policy(pair, rescue=Rescue(restart=False)))
    assert [(step.target, step.mode) for _, step in story.tries] == [
        ("primary", "fresh"),
        ("primary", "prefill"),
        ("primary", "prefill"),
        ("primary", "prefill"),
    ]


def test_a_rejected_prefill_without_restart_goes_on_to_the_next_that_takes_one() -> None:
    targets = (*PAIR, Target("third", priority=2))
    world = World(
        Policy(targets, rescue=Rescue(restart=False)),
        primary=always(broken()),
        fallback=always(failing("invalid_request")),
        third=always(),
    )
    assert world.told().targets == ["primary", "fallback", "third"]


def test_a_rescue_is_bounded_too() -> None:
    story = at_two(always(broken()), always(broken()), policy=Policy(PAIR, rescue=Rescue()))
    assert len(story.tries) == 4
    assert story.stop is not None
