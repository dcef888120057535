"""What a policy would have done, asked without a network."""

import pytest
from tests.routing.world import World, always, failing

from weighbridge.routing.health import Health
from weighbridge.routing.plan import plan
from weighbridge.routing.policy import Pick, Policy, Retries, Target
from weighbridge.routing.routes import Routes
from weighbridge.routing.step import Features

NOW = 1000.0
THREE = (Target("a", context=8_000), Target("b", cost=0.5, context=4_000), Target("c", priority=1, context=32_000))


def test_the_order_with_its_reasons() -> None:
    assert plan(Policy(THREE), Features(), Health(), NOW, 0.0) == (
        ("a", "priority"),
        ("b", "fallback: capacity"),
        ("c", "fallback: capacity"),
    )
    assert plan(Policy(THREE, pick="cheapest"), Features(), Health(), NOW, 0.0)[0] == ("b", "cheapest")


def test_what_cools_down_comes_last_the_soonest_first() -> None:
    health = Health()
    for name, seconds in (("a", 9.0), ("b", 4.0)):
        health.started(name, NOW)
        health.ended(name, NOW, ok=False, error_class="rate_limit", retry_after=seconds)
    assert [name for name, _ in plan(Policy(THREE), Features(), health, NOW, 0.0)] == ["c", "b", "a"]


def test_each_cause_has_its_own_order() -> None:
    policy = Policy(THREE, fallbacks={"network": ("c", "b"), "timeout": ()})
    health = Health()

    def names(cause: str) -> list[str]:
        return [name for name, _ in plan(policy, Features(), health, NOW, 0.0, cause)]  # type: ignore[arg-type]

    assert names("network") == ["a", "c", "b"]
    assert names("timeout") == ["a"]
    assert names("content_filter") == ["a"]
    assert names("context_length") == ["a", "c"]
    assert names("rate_limit") == ["a", "b", "c"]


def test_who_cannot_serve_is_not_in_it() -> None:
    assert [name for name, _ in plan(Policy(THREE), Features(tokens=5_000), Health(), NOW, 0.0)] == ["a", "c"]
    assert plan(Policy(THREE), Features(tokens=99_000), Health(), NOW, 0.0) == ()


@pytest.mark.parametrize("pick", ["priority", "cheapest", "weight"])
def test_it_is_what_a_course_does(pick: Pick, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy(tuple(Target(name, cost=1.0) for name in "abcd"), pick=pick, retries=Retries(same=1))
    for seed in range(20):
        world = World(policy, **dict.fromkeys("abcd", always(failing("network"))))
        rng = seed / 20
        monkeypatch.setattr(world.random, "random", lambda rng=rng: rng)
        planned = plan(world.routes, Features(), world.health, world.now, rng, "network")
        assert world.told().targets == [name for name, _ in planned]


def test_routes_are_made_once_for_many_questions() -> None:
    routes = Routes(Policy(THREE), Health())
    assert plan(routes, Features(), routes.health, NOW, 0.0) == plan(routes.policy, Features(), Health(), NOW, 0.0)
