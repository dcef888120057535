"""A policy made ready to be followed: what can be worked out before a request comes is worked out here."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from weighbridge.routing.check import check
from weighbridge.routing.health import Health
from weighbridge.routing.picking import PICKERS, Lane, Lanes
from weighbridge.routing.policy import FALL_OVER, Hedge, Policy
from weighbridge.routing.step import Bounds, Features, Stop
from weighbridge.wire.failure import ErrorClass, Failure

Tiers = tuple[Lanes, ...]
"""Lanes of equal priority together, the first to be tried first."""

SHORT_FIRST_TOKEN: Final = 10.0
SHORT_ANSWER: Final = 60.0
LONG_FIRST_TOKEN: Final = 60.0
"""Seconds, where a policy does not say: short while there is another target to go to, long on the last one."""

_REMEMBERED: Final = 256


class Allowance:
    """How many hedges may be sent: a token bucket that each request fills by `share`, up to `burst`. It starts empty,
    so hedges are never more than that share of requests, from the first on."""

    __slots__ = ("_burst", "_level", "_share")

    def __init__(self, hedge: Hedge) -> None:
        self._share = hedge.share
        self._burst = hedge.burst
        self._level = 0.0

    def earn(self) -> None:
        self._level = min(self._burst, self._level + self._share)

    def take(self) -> bool:
        # Twenty times 0.05 is a little less than 1 in floating point, and is meant to be 1.
        if self._level < 1.0 - 1e-9:
            return False
        self._level = max(0.0, self._level - 1.0)
        return True


class Routes:
    """A policy bound to the health of its targets: made once per endpoint, and again when its policy changes.

    Raises UsageError for a policy that cannot be followed; `where` names it in the error.
    """

    __slots__ = (
        *("allowance", "fallbacks", "health", "lanes", "pick", "policy", "reason", "tiers", "total"),
        *("_bounds", "_by_needs", "_narrowest"),
    )

    def __init__(self, policy: Policy, health: Health, where: str = "") -> None:
        check(policy, where)
        self.policy = policy
        self.health = health
        self.reason: str = policy.pick
        self.pick = PICKERS[policy.pick]
        self.total = policy.retries.total
        self.allowance = Allowance(policy.hedge) if policy.hedge is not None else None
        self.lanes: Lanes = tuple(Lane(target, health.of(target.name)) for target in policy.targets)
        self.tiers = _tiers(self.lanes, cheapest_first=policy.pick == "cheapest")
        named = {lane.name: lane for lane in self.lanes}
        self.fallbacks: dict[ErrorClass, Lanes] = {
            error_class: tuple(named[name] for name in names) for error_class, names in policy.fallbacks.items()
        }
        self._bounds = tuple(_bounds(policy, stream=stream, alone=alone) for stream in (0, 1) for alone in (0, 1))
        self._narrowest: float = min((lane.target.context or inf for lane in self.lanes), default=inf)
        self._by_needs: dict[frozenset[str], Tiers] = {}

    def fit(self, features: Features) -> Tiers:
        """The lanes that can serve such a request."""
        needs = features.needs
        if not needs:
            tiers = self.tiers
        else:
            known = self._by_needs.get(needs)
            tiers = self._able(needs) if known is None else known
        if features.tokens <= self._narrowest:
            return tiers
        return _only(tiers, {lane for lane in self.lanes if _holds(lane, features.tokens)})

    def others(self, error_class: ErrorClass, tiers: Tiers) -> Tiers:
        """Where an exchange may go on after such a failure, of those that can serve it."""
        named = self.fallbacks.get(error_class)
        if named is not None:
            able = {lane for tier in tiers for lane in tier}
            return (tuple(lane for lane in named if lane in able),)
        return tiers if error_class in FALL_OVER or error_class == "context_length" else ()

    def cramped(self, failed: Sequence[Lane], tokens: int) -> set[Lane]:
        """Who need not be asked after the input was too long for `failed`: those whose window is no larger, and those
        whose window nobody knows, unless the policy names them for this."""
        named = self.fallbacks.get("context_length", ())
        floor = max(lane.target.context or tokens for lane in failed)
        return {
            lane
            for lane in self.lanes
            if (lane not in named if lane.target.context is None else lane.target.context <= floor)
        }

    def bounds(self, lane: Lane, *, stream: bool, alone: bool) -> Bounds:
        """The limits of an attempt. `alone`: there is no other target to go to if they are not met."""
        static = self._bounds[2 * stream + alone]
        limits = self.policy.limits
        if limits.adaptive is None or not stream or (alone and limits.first_token is None):
            return static
        p95 = lane.health.recent.p95()
        if p95 is None:
            return static
        first_token = min(max(limits.adaptive.factor * p95, limits.adaptive.least), limits.adaptive.most, limits.total)
        return Bounds(static.connect, first_token, static.gap, static.total, static.min_speed)

    def unfit(self, features: Features) -> Stop:
        """What a request is told that no target can serve."""
        able = [lane for lane in self.lanes if not features.needs & lane.target.cannot]
        if able:
            widest = max(lane.target.context or 0 for lane in able)
            what = f"the input is about {features.tokens} tokens, and the largest context window here is {widest}"
            failure = Failure("invalid_request", what, status=400, code="context_length_exceeded")
            return Stop(failure, "no target has a context window this large")
        lacks = "; ".join(
            f"{lane.name} cannot do {', '.join(sorted(features.needs & lane.target.cannot))}" for lane in self.lanes
        )
        what = f"no target of this endpoint can do all this request asks for: {lacks}"
        return Stop(Failure("invalid_request", what[:500], status=400, code="unsupported"), "no target can do it")

    def _able(self, needs: frozenset[str]) -> Tiers:
        tiers = _only(self.tiers, {lane for lane in self.lanes if not needs & lane.target.cannot})
        if len(self._by_needs) < _REMEMBERED:
            self._by_needs[needs] = tiers
        return tiers


def _tiers(lanes: Lanes, *, cheapest_first: bool) -> Tiers:
    """By priority; those of weight 0 after the others of theirs, as they are not first while one of those is there."""
    ordered = sorted(lanes, key=lambda lane: inf if lane.target.cost is None else lane.target.cost)
    places = sorted({(lane.target.priority, not lane.weight) for lane in lanes})
    return tuple(
        tuple(
            lane for lane in (ordered if cheapest_first else lanes) if (lane.target.priority, not lane.weight) == place
        )
        for place in places
    )


def _only(tiers: Tiers, lanes: set[Lane]) -> Tiers:
    kept = (tuple(lane for lane in tier if lane in lanes) for tier in tiers)
    return tuple(tier for tier in kept if tier)


def _holds(lane: Lane, tokens: int) -> bool:
    return lane.target.context is None or tokens <= lane.target.context


def _bounds(policy: Policy, *, stream: int, alone: int) -> Bounds:
    limits = policy.limits
    if stream:
        first = limits.first_token or (LONG_FIRST_TOKEN if alone else SHORT_FIRST_TOKEN)
    else:
        first = limits.answer or (limits.total if alone else SHORT_ANSWER)
    return Bounds(limits.connect, first, limits.gap, limits.total, policy.min_speed).within(limits.total)
