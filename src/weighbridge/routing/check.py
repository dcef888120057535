"""A policy that cannot be followed, found before it is."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import get_args

from weighbridge.errors import UsageError
from weighbridge.routing.policy import Limits, Pick, Policy, Retries, Target
from weighbridge.wire.failure import ErrorClass

MOST_ATTEMPTS = 6
"""No exchange is tried more often, whatever a policy says: past that, retries are the outage."""

_Problem = tuple[bool, str, str, str]
"""Whether it is one, where in the policy, what is wrong, and the mend."""


def check(policy: Policy, where: str = "") -> None:
    """Raises UsageError for the first thing in the policy that cannot be meant. `where` names the policy: its file and
    line, or its endpoint."""
    for problem, place, what, mend in _problems(policy):
        if problem:
            raise UsageError(f"{place}: {what}", where=where, mend=mend)


def _problems(policy: Policy) -> Iterator[_Problem]:
    yield not policy.targets, "targets", "there is none", "Name at least one candidate"
    names = [target.name for target in policy.targets]
    for target in policy.targets:
        yield from _of_target(target, names)
    yield (
        not any(target.weight for target in policy.targets),
        "targets",
        "every weight is 0, so none is ever first",
        "Give one a weight above 0",
    )
    known = get_args(Pick)
    yield policy.pick not in known, "pick", f"{policy.pick!r} is no way to pick", f"Use one of {', '.join(known)}"
    yield (
        policy.pick == "cheapest" and all(target.cost is None for target in policy.targets),
        "pick",
        "cheapest needs prices, and no target has one",
        "Give the models a price, or pick by priority",
    )
    yield from _of_fallbacks(policy, names)
    yield from _of_retries(policy.retries)
    yield from _of_limits(policy.limits)
    yield from _of_the_rest(policy)


def _of_target(target: Target, names: list[str]) -> Iterator[_Problem]:
    place = f"targets.{target.name}"
    yield not target.name, "targets", "one has no name", "Give the candidate's name"
    yield names.count(target.name) > 1, place, "named twice", "Name it once, with the sum of its weights"
    yield not 0 <= target.weight < inf, f"{place}.weight", f"{target.weight} is no weight", "Use a number of 0 or more"
    cost, context = target.cost, target.context
    yield (
        cost is not None and not 0 <= cost < inf,
        f"{place}.cost",
        f"{cost} is no price",
        "Use USD per million tokens, or leave it out",
    )
    yield (
        context is not None and context <= 0,
        f"{place}.context",
        f"{context} is no window",
        "Use a number of tokens, or leave it out",
    )


def _of_fallbacks(policy: Policy, names: list[str]) -> Iterator[_Problem]:
    known = get_args(ErrorClass)
    for error_class, fallbacks in policy.fallbacks.items():
        place = f"fallbacks.{error_class}"
        yield error_class not in known, place, "no such cause", f"Use one of {', '.join(known)}"
        yield (
            error_class == "invalid_request" and bool(fallbacks),
            place,
            "a bad request is bad everywhere and is never sent on",
            "Leave it out",
        )
        for name in fallbacks:
            yield name not in names, place, f"{name} is no target of this policy", f"Use one of {', '.join(names)}"
        yield len(set(fallbacks)) < len(fallbacks), place, "a target is named twice", "Name it once"


def _of_retries(retries: Retries) -> Iterator[_Problem]:
    total, same = retries.total, retries.same
    yield (
        not 1 <= total <= MOST_ATTEMPTS,
        "retries.total",
        f"{total} attempts in all",
        f"Use 1 (never tried again) to {MOST_ATTEMPTS}",
    )
    yield (
        not 1 <= same <= MOST_ATTEMPTS,
        "retries.same",
        f"{same} attempts on the same target",
        f"Use 1 (straight to the next) to {MOST_ATTEMPTS}",
    )
    yield (
        not 0 < retries.base <= retries.most < inf,
        "retries",
        f"a back-off from {retries.base} s to {retries.most} s",
        "Use base above 0 and most no shorter",
    )
    for name, seconds in (("wait", retries.wait), ("outage", retries.outage)):
        yield not 0 <= seconds < inf, f"retries.{name}", f"{seconds} s is no time to wait", "Use 0 s or more"


def _of_limits(limits: Limits) -> Iterator[_Problem]:
    for name in ("connect", "first_token", "answer", "gap", "total"):
        seconds: float | None = getattr(limits, name)
        yield (
            seconds is not None and not 0 < seconds < inf,
            f"limits.{name}",
            f"{seconds} s is no limit",
            "Use a time above 0",
        )
    adaptive = limits.adaptive
    if adaptive is not None:
        yield (
            not 1 <= adaptive.factor < inf,
            "limits.adaptive.factor",
            f"{adaptive.factor} × the P95 would cut what is usual",
            "Use 1 or more; 3 is a good start",
        )
        yield (
            not 0 < adaptive.least <= adaptive.most < inf,
            "limits.adaptive",
            f"bounds from {adaptive.least} s to {adaptive.most} s",
            "Use least above 0 and most no shorter",
        )


def _of_the_rest(policy: Policy) -> Iterator[_Problem]:
    hedge, rescue, speed = policy.hedge, policy.rescue, policy.min_speed
    yield (
        speed is not None and not 0 < speed < inf,
        "min_speed",
        f"{speed} tokens/s is no speed",
        "Use a number above 0, or leave it out",
    )
    if hedge is not None:
        yield (
            isinstance(hedge.after, float | int) and not 0 < hedge.after < inf,
            "hedge.after",
            f"{hedge.after} s is no time to hedge after",
            "Use a time above 0, or p95",
        )
        yield not 0 <= hedge.share <= 1, "hedge.share", f"{hedge.share} is no share of requests", "Use 0 to 1"
        yield not 1 <= hedge.burst < inf, "hedge.burst", f"a burst of {hedge.burst} hedges nothing", "Use 1 or more"
    if rescue is not None and isinstance(rescue.hold, int):
        yield rescue.hold < 0, "rescue.hold", f"{rescue.hold} tokens cannot be held back", "Use 0 or more, or all"
