"""Which of some targets of equal priority is next: one function for each way to pick.

Each takes lanes, the clock, one random number in [0, 1) and whether the answer is streamed, and gives a lane that may
be sent to now, or None where all of them cool down.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from weighbridge.routing.health import TargetHealth
from weighbridge.routing.policy import Pick, Target


class Lane:
    """A target with its health, found once."""

    __slots__ = ("health", "name", "target", "weight")

    def __init__(self, target: Target, health: TargetHealth) -> None:
        self.target = target
        self.name = target.name
        self.weight = target.weight
        self.health = health


Lanes = tuple[Lane, ...]
Picker = Callable[[Lanes, float, float, bool], Lane | None]


def in_order(lanes: Lanes, now: float, _rng: float, _stream: bool) -> Lane | None:
    """The first that may be sent to: `priority`, and `cheapest` after sorting by cost."""
    for lane in lanes:
        if now >= lane.health.ready_at:
            return lane
    return None


def by_weight(lanes: Lanes, now: float, rng: float, _stream: bool) -> Lane | None:
    """Each with probability weight ÷ sum of the weights of those that may be sent to; equal where all weigh 0."""
    ready = [lane for lane in lanes if now >= lane.health.ready_at]
    if len(ready) < 2:
        return ready[0] if ready else None
    point = rng * sum(lane.weight for lane in ready)
    if point == 0.0 and not any(lane.weight for lane in ready):
        return ready[int(rng * len(ready))]
    for lane in ready:
        point -= lane.weight
        if point < 0.0:
            return lane
    return max(ready, key=lambda lane: lane.weight)  # rounding left a crumb


def least_busy(lanes: Lanes, now: float, rng: float, _stream: bool) -> Lane | None:
    """The one with the fewest attempts in flight for its weight; among equals any, so that none gets all the first."""
    ready = [lane for lane in lanes if now >= lane.health.ready_at]
    if len(ready) < 2:
        return ready[0] if ready else None
    turn = int(rng * len(ready))
    return min(ready[turn:] + ready[:turn], key=_busy)


def by_latency(lanes: Lanes, now: float, rng: float, stream: bool) -> Lane | None:
    """Two at random, and of those the one where an answer is expected sooner.

    The power of two choices (Mitzenmacher 2001): close to the best of all, without the herd that the best of all draws
    before news of it arrives.
    """
    ready = [lane for lane in lanes if now >= lane.health.ready_at]
    count = len(ready)
    if count < 2:
        return ready[0] if ready else None
    first, second = divmod(int(rng * count * (count - 1)), count - 1)
    one, two = ready[first], ready[second + (second >= first)]
    return two if _expected(two, now, stream) < _expected(one, now, stream) else one


def _busy(lane: Lane) -> float:
    return lane.health.in_flight / lane.weight if lane.weight else float(lane.health.in_flight)


def _expected(lane: Lane, now: float, stream: bool) -> float:
    """Seconds × (attempts in flight + 1). One never measured is tried first, and then left alone until it has answered
    once: otherwise all traffic goes to it in the meantime."""
    health = lane.health
    guess = (health.ttft if stream else health.total).guess(now)
    if guess is None:
        return inf if health.in_flight else 0.0
    return guess * (health.in_flight + 1)


PICKERS: Final[dict[Pick, Picker]] = {
    "priority": in_order,
    "weight": by_weight,
    "latency": by_latency,
    "least_busy": least_busy,
    "cheapest": in_order,
}
