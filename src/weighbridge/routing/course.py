"""What to do next: the decisions of one exchange. Pure: the clock and a random number in [0, 1) are passed in.

routes = Routes(policy, health)                       # once per endpoint and policy
course = Course(routes, features, now, deadline)      # once per exchange
step = course.next(None, now, rng)
while isinstance(step, Try):
    if step.after:                                    # back-off, or every target cools down
        await sleep(step.after)
        step = course.resume(now, rng)                # the same Try due now, a better one, or one more wait
        continue
    health.started(step.target, now) … send … health.ended(step.target, now, ok=…)
    if it worked: break
    step = course.next(failure, now, rng)             # delivered=True once bytes have reached the client
# a Stop: answer step.failure
"""

from __future__ import annotations

from typing import Literal

import msgspec

from weighbridge.routing.health import Health
from weighbridge.routing.policy import Features, Policy
from weighbridge.wire.failure import Failure


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """How long this attempt may take, in seconds from when it is sent: the policy's limits as they are for this target
    now, none longer than the time left. `min_speed` is in tokens per second (None: any)."""

    connect: float
    first_token: float
    gap: float
    total: float
    min_speed: float | None = None


class Try(msgspec.Struct, frozen=True, gc=False):
    """Send to `target` (a candidate's name) in `after` seconds (0: now). `attempt` counts from 1 within the exchange.

    `reason` says why this target, for the record: "priority", "fallback: rate_limit", "retry: network", "hedge", ….
    `mode` says what is sent: the request; the request with what was delivered as an assistant prefill to be continued;
    or the request again, whose answer may be passed on only if it begins with exactly what was delivered.
    """

    target: str
    after: float
    limits: Bounds
    reason: str
    attempt: int
    mode: Literal["fresh", "prefill", "restart"] = "fresh"


class Stop(msgspec.Struct, frozen=True, gc=False):
    """No more attempts: `failure` is what the client is told, `reason` says why nothing else is tried."""

    failure: Failure
    reason: str


class Routes:
    """A policy made ready to be followed: once per endpoint, and again when its policy changes.

    Raises UsageError for a policy that cannot be followed.
    """

    def __init__(self, policy: Policy, health: Health) -> None:
        self.policy = policy
        self.health = health


class Course:
    """The decisions of one exchange. `now` and `deadline` are monotonic seconds; `rng` is uniform in [0, 1)."""

    def __init__(self, routes: Routes, features: Features, now: float, deadline: float) -> None:
        raise NotImplementedError

    def next(self, failure: Failure | None, now: float, rng: float, *, delivered: bool = False) -> Try | Stop:
        """The first attempt (`failure` None), or what follows on a failed one. `delivered`: bytes have reached the
        client, so only a policy with `rescue` goes on."""
        raise NotImplementedError

    def resume(self, now: float, rng: float) -> Try | Stop:
        """After waiting out `Try.after`: the attempt that is due. It costs no attempt; the target may have changed."""
        raise NotImplementedError

    def hedge_after(self) -> float | None:
        """Seconds without a first token after which `hedge` may be asked; None: never for the attempt under way."""
        raise NotImplementedError

    def hedge(self, now: float, rng: float) -> Try | None:
        """A second request beside the one under way, to another target; None where there is none or the budget is
        spent. Of the two, report both to health; hand `next` a failure only when both have failed."""
        raise NotImplementedError


def plan(policy: Policy, features: Features, health: Health, now: float, rng: float) -> tuple[tuple[str, str], ...]:
    """What this policy would do with such a request: (target, reason) in the order they would be tried, were each to
    fail in a way that falls over."""
    raise NotImplementedError
