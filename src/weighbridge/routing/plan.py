"""What would this policy have done? For evaluation, which asks it of recorded exchanges."""

from __future__ import annotations

from weighbridge.routing.health import Health
from weighbridge.routing.policy import Policy
from weighbridge.routing.routes import Routes
from weighbridge.routing.step import Features
from weighbridge.wire.failure import ErrorClass


def plan(
    policy: Policy | Routes,
    features: Features,
    health: Health,
    now: float,
    rng: float,
    error_class: ErrorClass = "capacity",
) -> tuple[tuple[str, str], ...]:
    """The targets such a request would be sent to, in order, each with the reason, were every one to fail with
    `error_class`. Those that cool down come last, the soonest first; empty where no target can serve it.

    Retries on the same target and the cap on attempts are left out: this is the order, not its length. With many
    requests to ask about, pass `Routes`; `health` is then its own. Raises UsageError for a policy that cannot be
    followed.
    """
    routes = policy if isinstance(policy, Routes) else Routes(policy, health)
    tiers = routes.fit(features)
    order: list[tuple[str, str]] = []
    seen: set[str] = set()
    reason = routes.reason
    while tiers:
        left = [tuple(lane for lane in tier if lane.name not in seen) for tier in tiers]
        picked = (routes.pick(tier, now, rng, features.stream) for tier in left)
        lane = next((lane for lane in picked if lane is not None), None)
        if lane is None:
            resting = sorted((lane for tier in left for lane in tier), key=lambda lane: lane.health.ready_at)
            return (*order, *((lane.name, f"{reason}: after it cooled down") for lane in resting))
        order.append((lane.name, reason))
        seen.add(lane.name)
        if len(order) == 1:
            tiers = routes.others(error_class, tiers)
            if error_class == "context_length":
                seen |= {small.name for small in routes.cramped([lane], features.tokens)}
            reason = f"fallback: {error_class}"
    return tuple(order)
