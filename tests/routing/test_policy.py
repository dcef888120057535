"""A policy is data: it can be written down, read back, and is refused where it cannot be meant."""

from typing import Any

import msgspec
import pytest

from weighbridge.errors import UsageError
from weighbridge.routing.check import check
from weighbridge.routing.health import Health
from weighbridge.routing.policy import Adaptive, Hedge, Limits, Policy, Rescue, Retries, Target
from weighbridge.routing.routes import Routes

FULL = Policy(
    (Target("mini", 0.7, 0, 1.5, 128_000, frozenset({"images"})), Target("smol", priority=1)),
    pick="latency",
    fallbacks={"context_length": ("mini",), "content_filter": ()},
    retries=Retries(1, 3, 0.1, 2.0, 10.0),
    limits=Limits(1.0, 2.0, 3.0, 4.0, 5.0, Adaptive(2.0, 0.5, 9.0)),
    hedge=Hedge("p95", 0.1, 3.0),
    min_speed=5.0,
    rescue=Rescue("all", prefill=False),
)


@pytest.mark.parametrize("policy", [FULL, Policy((Target("a"),))])
def test_a_policy_survives_being_written_down(policy: Policy) -> None:
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(policy), type=Policy) == policy


def test_what_is_default_is_not_written() -> None:
    assert msgspec.json.encode(Policy((Target("a"),))) == b'{"targets":[{"name":"a"}]}'


def test_a_word_nobody_knows_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="wieght"):
        msgspec.json.decode(b'{"targets":[{"name":"a","wieght":2}]}', type=Policy)


@pytest.mark.parametrize("policy", [FULL, Policy((Target("a"),)), Policy((Target("a"), Target("b", 0.0)))])
def test_what_can_be_meant_is_accepted(policy: Policy) -> None:
    check(policy)


def changed(**fields: Any) -> Policy:
    return msgspec.structs.replace(Policy((Target("a"), Target("b"))), **fields)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (Policy(()), "targets: there is none"),
        (Policy((Target(""),)), "one has no name"),
        (Policy((Target("a"), Target("a"))), "targets.a: named twice"),
        (Policy((Target("a", -1.0),)), "targets.a.weight"),
        (Policy((Target("a", float("nan")),)), "targets.a.weight"),
        (Policy((Target("a", float("inf")),)), "targets.a.weight"),
        (Policy((Target("a", 0.0), Target("b", 0.0))), "every weight is 0"),
        (Policy((Target("a", cost=-0.1),)), "targets.a.cost"),
        (Policy((Target("a", context=0),)), "targets.a.context"),
        (changed(pick="best"), "pick: 'best' is no way to pick"),
        (changed(pick="cheapest"), "cheapest needs prices"),
        (changed(fallbacks={"boredom": ("a",)}), "fallbacks.boredom: no such cause"),
        (changed(fallbacks={"invalid_request": ("b",)}), "a bad request is bad everywhere"),
        (changed(fallbacks={"capacity": ("c",)}), "fallbacks.capacity: c is no target of this policy. Use one of a, b"),
        (changed(fallbacks={"capacity": ("b", "b")}), "named twice"),
        (changed(retries=Retries(total=0)), "retries.total: 0 attempts"),
        (changed(retries=Retries(total=7)), "retries.total: 7 attempts"),
        (changed(retries=Retries(same=0)), "retries.same"),
        (changed(retries=Retries(base=0.0)), "back-off"),
        (changed(retries=Retries(base=9.0)), "back-off"),
        (changed(retries=Retries(wait=-1.0)), "retries.wait"),
        (changed(retries=Retries(outage=float("inf"))), "retries.outage"),
        (changed(limits=Limits(connect=0.0)), "limits.connect"),
        (changed(limits=Limits(first_token=-1.0)), "limits.first_token"),
        (changed(limits=Limits(answer=0.0)), "limits.answer"),
        (changed(limits=Limits(gap=float("nan"))), "limits.gap"),
        (changed(limits=Limits(total=float("inf"))), "limits.total"),
        (changed(limits=Limits(adaptive=Adaptive(factor=0.5))), "would cut what is usual"),
        (changed(limits=Limits(adaptive=Adaptive(least=9.0, most=3.0))), "limits.adaptive: bounds"),
        (changed(min_speed=0.0), "min_speed"),
        (changed(hedge=Hedge(after=0.0)), "hedge.after"),
        (changed(hedge=Hedge(share=1.5)), "hedge.share"),
        (changed(hedge=Hedge(burst=0.5)), "hedge.burst"),
        (changed(rescue=Rescue(hold=-1)), "rescue.hold"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line_with_a_mend(policy: Policy, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        Routes(policy, Health(), "weighbridge.yaml:12")
    line = str(caught.value)
    assert line.startswith("weighbridge.yaml:12: ")
    assert says in line
    assert caught.value.mend
    assert "\n" not in line
