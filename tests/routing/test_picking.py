"""Which target is next: shares, choices and their order, against exact distributions and in simulation."""

import random
from statistics import fmean, quantiles

import pytest
from scipy.stats import chisquare
from tests.routing.world import Reply, World, always

from weighbridge.routing.course import Course, Routes, Try
from weighbridge.routing.health import Health
from weighbridge.routing.picking import Lane, by_weight
from weighbridge.routing.policy import Pick, Policy, Target
from weighbridge.routing.step import Features

NOW = 500.0


def counts(policy: Policy, health: Health, times: int, seed: int = 7) -> dict[str, int]:
    rng, routes = random.Random(seed), Routes(policy, health)
    found = dict.fromkeys((target.name for target in policy.targets), 0)
    for _ in range(times):
        step = Course(routes, Features(), NOW, NOW + 60).next(None, NOW, rng.random())
        assert isinstance(step, Try)
        found[step.target] += 1
    return found


def bench(health: Health, name: str) -> None:
    health.started(name, NOW)
    health.ended(name, NOW, ok=False, error_class="rate_limit", retry_after=30.0)


def test_weights_are_shares() -> None:
    weights = {"a": 5.0, "b": 3.0, "c": 1.5, "d": 0.5}
    policy = Policy(tuple(Target(name, weight) for name, weight in weights.items()), pick="weight")
    found = counts(policy, Health(), 40_000)
    assert chisquare(list(found.values()), [4000 * weight for weight in weights.values()]).pvalue > 0.001


def test_the_share_of_a_benched_target_goes_to_the_others_by_their_weights() -> None:
    weights = {"a": 5.0, "b": 3.0, "c": 1.0}
    health = Health()
    bench(health, "a")
    policy = Policy(tuple(Target(name, weight) for name, weight in weights.items()), pick="weight")
    found = counts(policy, health, 40_000)
    assert found["a"] == 0
    assert chisquare([found["b"], found["c"]], [30_000, 10_000]).pvalue > 0.001


@pytest.mark.parametrize("rng", [0.0, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("pick", ["weight", "latency", "least_busy", "priority", "cheapest"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_ends_of_the_random_numbers_pick_somebody(pick: Pick, count: int, rng: float) -> None:
    policy = Policy(tuple(Target(f"t{number}", 0.1, cost=1.0) for number in range(count)), pick=pick)
    step = Course(Routes(policy, Health()), Features(), NOW, NOW + 60).next(None, NOW, rng)
    assert isinstance(step, Try)


def test_weight_0_is_only_a_fallback() -> None:
    health = Health()
    policy = Policy((Target("spare", 0.0), Target("spare2", 0.0), Target("main"), Target("last", priority=1)), "weight")
    assert counts(policy, health, 100) == {"spare": 0, "spare2": 0, "main": 100, "last": 0}
    bench(health, "main")
    found = counts(policy, health, 1000)
    assert found["main"] == found["last"] == 0
    assert chisquare([found["spare"], found["spare2"]]).pvalue > 0.001


@pytest.mark.parametrize("pick", ["weight", "latency", "least_busy", "priority", "cheapest"])
def test_a_lower_priority_comes_first_however_one_picks(pick: Pick) -> None:
    policy = Policy((Target("late", 9, priority=2, cost=0.1), Target("soon", 1, priority=1, cost=9.0)), pick=pick)
    assert counts(policy, Health(), 50)["soon"] == 50


def test_the_cheapest_comes_first_and_an_unknown_price_last() -> None:
    policy = Policy((Target("unknown"), Target("dear", cost=5.0), Target("cheap", cost=0.5)), pick="cheapest")
    world = World(policy, unknown=always(), dear=always(), cheap=always())
    assert world.told().targets == ["cheap"]
    bench(world.health, "cheap")
    world.now = NOW
    assert world.told().targets == ["dear"]


def test_the_least_busy_counts_attempts_for_their_weight() -> None:
    health = Health()
    for _ in range(3):
        health.started("large", NOW)
    health.started("small", NOW)
    policy = Policy((Target("large", 4.0), Target("small", 1.0)), pick="least_busy")
    assert counts(policy, health, 20)["large"] == 20
    health.started("large", NOW)
    found = counts(policy, health, 2000)
    assert chisquare(list(found.values())).pvalue > 0.001


def test_least_busy_levels_the_load_of_unequal_targets() -> None:
    policy = Policy((Target("slow"), Target("fast")), pick="least_busy")
    world = World(policy, slow=always(Reply(1.0, 4.0)), fast=always(Reply(0.2, 0.5)))
    for turn in range(2000):
        world.ask(at=1000.0 + 0.05 * turn)
    world.run()
    share = sum(target == "fast" for _, target in world.calls) / 2000
    assert 0.8 < share < 0.95


def waits(pick: Pick, seed: int, slow: Reply, targets: int = 4) -> list[float]:
    """The times to first token of Poisson arrivals at some targets of which one is slow."""
    names = [f"t{number}" for number in range(targets)]
    policy = Policy(tuple(Target(name) for name in names), pick=pick)
    behaviours = {name: always(Reply(0.3, 1.0)) for name in names[1:]}
    world = World(policy, seed, **{names[0]: always(slow)}, **behaviours)
    arrivals, at = random.Random(seed), 1000.0
    stories = []
    for _ in range(3000):
        at += arrivals.expovariate(20.0)
        stories.append(world.ask(at=at))
    world.run()
    assert all(story.winner for story in stories)
    return [3.0 if story.winner == names[0] else 0.3 for story in stories]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_choices_beat_chance_where_one_target_is_slow(seed: int) -> None:
    slow = Reply(3.0, 5.0)
    chance, choice = waits("weight", seed, slow), waits("latency", seed, slow)
    assert fmean(chance) > 0.9
    assert fmean(choice) < 0.4
    assert quantiles(choice, n=100)[94] == pytest.approx(0.3)


def test_a_target_never_measured_gets_one_attempt_and_not_all_of_them() -> None:
    policy = Policy((Target("known"), Target("new")), pick="latency")
    health = Health()
    health.started("known", NOW)
    health.ended("known", NOW, ok=True, ttft=0.3, total=1.0)
    assert counts(policy, health, 20)["new"] == 20
    health.started("new", NOW)
    assert counts(policy, health, 20)["new"] == 0


def test_a_target_that_was_slow_once_is_tried_again_and_taken_back() -> None:
    policy = Policy((Target("a"), Target("b")), pick="latency")
    world = World(policy, a=lambda now: Reply(5.0, 6.0) if now < 1060 else Reply(0.1, 0.5), b=always(Reply(0.5, 1.0)))
    stories = [world.ask(at=1000.0 + 0.2 * turn) for turn in range(2000)]
    world.run()
    assert sum(story.winner == "a" for story in stories[:300]) < 30
    assert sum(story.winner == "a" for story in stories[-300:]) > 250


def test_of_two_equally_fast_the_one_with_less_to_do_is_chosen() -> None:
    health = Health()
    for name in ("busy", "idle"):
        health.started(name, NOW)
        health.ended(name, NOW, ok=True, ttft=0.3, total=1.0)
    for _ in range(5):
        health.started("busy", NOW)
    assert counts(Policy((Target("busy"), Target("idle")), pick="latency"), health, 50)["idle"] == 50


def test_a_sum_of_weights_that_rounding_cut_short_still_picks_somebody() -> None:
    lanes = tuple(Lane(target, Health().of(target.name)) for target in (Target("a", 0.1), Target("b", 0.7)))
    assert by_weight(lanes, NOW, 1.0, True) is lanes[1]


def test_latency_is_that_of_the_whole_answer_where_it_is_not_streamed() -> None:
    health = Health()
    for name, ttft, total in (("soon", 0.1, 9.0), ("brief", 2.0, 3.0)):
        health.started(name, NOW)
        health.ended(name, NOW, ok=True, ttft=ttft, total=total)
    routes = Routes(Policy((Target("soon"), Target("brief")), pick="latency"), health)
    for stream, expected in ((True, "soon"), (False, "brief")):
        step = Course(routes, Features(stream=stream), NOW, NOW + 60).next(None, NOW, 0.3)
        assert isinstance(step, Try)
        assert step.target == expected
