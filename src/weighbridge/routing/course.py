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

from collections.abc import Callable
from typing import Final

import msgspec

from weighbridge.routing.picking import Lane, Lanes, in_order
from weighbridge.routing.routes import Routes, Tiers
from weighbridge.routing.step import Bounds, Features, Mode, Stop, Try
from weighbridge.wire.failure import ErrorClass, Failure

__all__ = ["Bounds", "Course", "Routes", "Stop", "Try"]

_AGAIN: Final[frozenset[ErrorClass]] = frozenset({"capacity", "network", "protocol"})
"""What may be gone the next moment, so that the same target is worth a second attempt."""
_FINAL: Final[frozenset[ErrorClass]] = frozenset(
    {"auth", "timeout", "context_length", "content_filter", "invalid_request"}
)
"""After which a target is not asked again within the exchange."""
_UNHURRIED: Final = 4
_WINDOW: Final = 3.0
"""After rate limits, no more attempts than these in these seconds from the beginning, whatever the policy allows."""
_BLINK: Final = 0.001
"""Seconds a renewed wait takes at least, so that rounding cannot make it none."""
_LOOK: Final = 0.1
_LOOK_MORE: Final = 0.4
"""Seconds between looks at a target that another exchange is probing: its answer may come at any time."""


class _Trail:
    """What an exchange remembers once something went wrong; one that goes well never needs it."""

    __slots__ = ("failure", "hedged", "pool", "refuses", "rescuing", "spent", "tries", "waited")

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self.tries: dict[Lane, int] = {}
        self.spent: set[Lane] = set()
        self.refuses: set[Lane] = set()  # a begun answer, to be continued
        self.rescuing = False
        self.hedged: Lane | None = None
        self.pool: Lanes = ()
        self.waited = 0.0


class Course:
    """The decisions of one exchange. `now` and `deadline` are monotonic seconds; `rng` is uniform in [0, 1)."""

    __slots__ = ("_attempt", "_began", "_deadline", "_features", "_lane", "_mode", "_routes", "_tiers", "_trail")

    def __init__(self, routes: Routes, features: Features, now: float, deadline: float) -> None:
        self._routes = routes
        self._features = features
        self._tiers = routes.fit(features)
        self._began = now
        self._deadline = deadline
        self._attempt = 0
        self._lane: Lane | None = None
        self._mode: Mode = "fresh"
        self._trail: _Trail | None = None
        if routes.allowance is not None:
            routes.allowance.earn()

    def next(self, failure: Failure | None, now: float, rng: float, *, delivered: bool = False) -> Try | Stop:
        """The first attempt (`failure` None), or what follows on a failed one, once health has been told of it.
        `delivered`: bytes have reached the client, so only a policy with `rescue` goes on."""
        if failure is None:
            return self._first(now, rng)
        trail = self._remember()
        trail.failure = failure
        trail.rescuing = trail.rescuing or delivered
        lane = self._lane
        if lane is None:
            return Stop(failure, "failed before the first attempt")
        refused = self._mode == "prefill" and failure.error_class == "invalid_request"
        stop = self._over(failure, now, refused=refused)
        if stop is not None:
            return stop
        if refused:
            trail.refuses.add(lane)
            mode = self._mode_for(lane)
            if mode is not None:
                return self._go(lane, now, "retry: prefill refused", mode)
        self._mark(failure.error_class, lane)
        others = self._others("protocol" if refused else failure.error_class)
        return self._again(failure, lane, others, now, rng) or self._elsewhere(failure, lane, others, now, rng)

    def resume(self, now: float, rng: float) -> Try | Stop:
        """After waiting out `Try.after`: the attempt that is due. It costs no attempt; the target may have changed."""
        trail, lane = self._remember(), self._lane
        if lane is None:
            return self._first(now, rng)
        failure = trail.failure or self._cooling(now)
        if now >= self._deadline:
            return Stop(failure, "deadline")
        free = lane if now >= lane.health.ready_at else in_order(trail.pool, now, rng, self._features.stream)
        if free is None:
            return self._wait(failure, trail.pool, now, rng, again=True)
        self._turn_to(trail, free)
        return self._try(free, now, 0.0, self._why(failure, trail.tries[free] - 1), self._mode_for(free) or "fresh")

    def hedge_after(self) -> float | None:
        """Seconds without a first token after which `hedge` may be asked; None: never for the attempt under way."""
        hedge = self._routes.policy.hedge
        if hedge is None or self._lane is None or self._attempt >= self._routes.total:
            return None
        return self._lane.health.recent.p95() if hedge.after == "p95" else hedge.after

    def hedge(self, now: float, rng: float) -> Try | None:
        """A second request beside the one under way, to another target; None where there is none or the budget is
        spent. Of the two, report both to health; hand `next` a failure only when both have failed."""
        allowance, lane = self._routes.allowance, self._lane
        if allowance is None or lane is None or self._attempt >= self._routes.total or now >= self._deadline:
            return None
        trail = self._remember()
        if trail.hedged is not None or self._mode != "fresh":
            return None
        # A target that is being tried out is no help to one that is slow.
        others = _without(self._tiers, lambda lane: lane in trail.tries or lane.health.breaker.opened)
        other = self._pick(others, now, rng)
        if other is None or not allowance.take():
            return None
        trail.hedged = other
        trail.tries[other] = 1
        self._attempt += 1
        return self._try(other, now, 0.0, "hedge", "fresh")

    def _first(self, now: float, rng: float) -> Try | Stop:
        tiers, routes = self._tiers, self._routes
        if not tiers:
            return routes.unfit(self._features)
        if now >= self._deadline:
            return Stop(Failure("timeout", "the deadline passed before the first attempt"), "deadline")
        lane = routes.pick(tiers[0], now, rng, self._features.stream)
        if lane is None:
            return self._first_of_the_rest(now, rng)
        reason = routes.reason
        if lane is not tiers[0][0] and routes.pick is in_order:
            reason = f"{reason}: {tiers[0][0].name} cooling down"
        return self._go(lane, now, reason, "fresh")

    def _first_of_the_rest(self, now: float, rng: float) -> Try | Stop:
        lane = self._pick(self._tiers[1:], now, rng)
        if lane is not None:
            names = ", ".join(lane.name for lane in self._tiers[0])
            return self._go(lane, now, f"{self._routes.reason}: {names} cooling down", "fresh")
        pool = tuple(lane for tier in self._tiers for lane in tier)
        return self._wait(self._cooling(now), pool, now, rng)

    def _over(self, failure: Failure, now: float, *, refused: bool) -> Stop | None:
        """Whether this failure ends the exchange, whoever else there is."""
        if self._remember().rescuing and self._routes.policy.rescue is None:
            return Stop(failure, "bytes have reached the client")
        if failure.error_class == "invalid_request" and not refused:
            return Stop(failure, "a bad request is bad everywhere")
        if self._attempt >= self._routes.total:
            return Stop(failure, f"{self._attempt} attempts")
        return Stop(failure, "deadline") if now >= self._deadline else None

    def _mark(self, error_class: ErrorClass, lane: Lane) -> None:
        """Who is not asked again, and that the attempt under way is over."""
        trail = self._remember()
        failed = [lane] if trail.hedged is None else [lane, trail.hedged]
        trail.hedged = None
        if error_class in _FINAL:
            trail.spent.update(failed)
        if error_class == "context_length":
            trail.spent.update(self._routes.cramped(failed, self._features.tokens))

    def _others(self, error_class: ErrorClass) -> Tiers:
        """Where such a failure may be answered by another attempt, by the targets not spent."""
        spent = self._remember().spent
        tiers = self._routes.others(error_class, self._tiers)
        return _without(tiers, lambda lane: lane in spent or self._mode_for(lane) is None)

    def _again(self, failure: Failure, lane: Lane, others: Tiers, now: float, rng: float) -> Try | None:
        """The same target once more, if that is worth an attempt and every other target still gets its own."""
        trail, routes = self._remember(), self._routes
        if failure.error_class not in _AGAIN or trail.rescuing or lane in trail.spent or now < lane.health.ready_at:
            return None
        fresh = sum(now >= other.health.ready_at and other not in trail.tries for tier in others for other in tier)
        if trail.tries[lane] >= routes.policy.retries.same or routes.total - self._attempt <= fresh:
            return None
        after = self._backoff(rng)
        if now + after >= self._deadline:
            return None
        trail.pool = (lane,)
        return self._go(lane, now, f"retry: {failure.error_class}", "fresh", after)

    def _elsewhere(self, failure: Failure, lane: Lane, others: Tiers, now: float, rng: float) -> Try | Stop:
        """The next target not yet tried; where there is none, the soonest of those that may be tried again."""
        trail = self._remember()
        pool = tuple(other for tier in others for other in tier)
        hurry = failure.error_class == "rate_limit" and self._attempt >= _UNHURRIED and now < self._began + _WINDOW
        if not hurry:
            untried = _without(others, lambda other: other in trail.tries)
            named = failure.error_class in self._routes.fallbacks
            other = in_order(untried[0], now, rng, True) if named and untried else self._pick(untried, now, rng)
            if other is not None:
                return self._go(other, now, f"fallback: {failure.error_class}", self._mode_for(other) or "fresh")
        if lane not in pool and lane not in trail.spent and self._mode_for(lane) is not None:
            pool = (lane, *pool)
        if not pool:
            return Stop(failure, f"{failure.error_class} has no other target")
        return self._wait(failure, pool, now, rng, least=self._began + _WINDOW - now if hurry else 0.0)

    def _wait(
        self, failure: Failure, pool: Lanes, now: float, rng: float, *, least: float = 0.0, again: bool = False
    ) -> Try | Stop:
        """The soonest of `pool`, when it is ready and the back-off is over, if a request may wait that long."""
        trail = self._remember()
        pause = _BLINK if again else self._backoff(rng)
        rests = {lane: self._rest(lane, now, rng) for lane in pool}
        able = [lane for lane in pool if trail.waited + rests[lane] <= self._patience(lane)]
        if not able:
            return _too_long(failure, pool, now)

        def wait(lane: Lane) -> float:
            return max(rests[lane], pause if lane in trail.tries else 0.0)

        lane = min(able, key=lambda lane: (wait(lane), trail.tries.get(lane, 0)))
        rest = rests[lane]
        # So that those who wait for the same moment do not all come in it.
        after = max(wait(lane), least) + (rng * self._routes.policy.retries.base if rest else 0.0)
        if now + after >= self._deadline:
            return Stop(failure, "deadline")
        trail.waited += rest
        trail.pool = pool
        mode = self._mode_for(lane)
        if not again:
            return self._go(lane, now, self._why(failure, trail.tries.get(lane, 0)), mode or "fresh", after)
        self._turn_to(trail, lane)
        return self._try(lane, now, after, self._why(failure, trail.tries[lane] - 1), mode or "fresh")

    def _rest(self, lane: Lane, now: float, rng: float) -> float:
        """Seconds until the lane is ready, or worth another look."""
        rest = max(0.0, lane.health.ready_at - now)
        if rest and lane.health.breaker.probing:
            rest = min(rest, _LOOK + _LOOK_MORE * rng)
        return rest

    def _patience(self, lane: Lane) -> float:
        """Seconds of waiting, all in all, that the lane is worth."""
        retries = self._routes.policy.retries
        return retries.outage if lane.health.breaker.opened else retries.wait

    def _go(self, lane: Lane, now: float, reason: str, mode: Mode, after: float = 0.0) -> Try:
        """One more attempt, at this target."""
        self._attempt += 1
        self._lane = lane
        if self._trail is not None:
            self._trail.tries[lane] = self._trail.tries.get(lane, 0) + 1
        return self._try(lane, now, after, reason, mode)

    def _try(self, lane: Lane, now: float, after: float, reason: str, mode: Mode) -> Try:
        self._mode = mode
        bounds = self._routes.bounds(lane, stream=self._features.stream, alone=self._alone(lane, now))
        left = self._deadline - now - after
        if bounds.total > left + 1e-6:  # rounding: at first, what is left is the policy's own total
            bounds = bounds.within(left)
        return Try(lane.name, after, bounds, reason, self._attempt, mode)

    def _alone(self, lane: Lane, now: float) -> bool:
        """Whether there is nowhere to go if this attempt takes too long."""
        if self._attempt >= self._routes.total:
            return True
        tiers = self._tiers
        if "timeout" in self._routes.fallbacks:
            tiers = self._routes.others("timeout", tiers)
        trail = self._trail
        for tier in tiers:
            for other in tier:
                if other is not lane and now >= other.health.ready_at and (trail is None or other not in trail.spent):
                    return False
        return True

    def _pick(self, tiers: Tiers, now: float, rng: float) -> Lane | None:
        for tier in tiers:
            lane = self._routes.pick(tier, now, rng, self._features.stream)
            if lane is not None:
                return lane
        return None

    def _mode_for(self, lane: Lane) -> Mode | None:
        """How an answer that was begun can go on there; None: not at all."""
        trail, rescue = self._trail, self._routes.policy.rescue
        if trail is None or rescue is None or not trail.rescuing:
            return "fresh"
        if rescue.prefill and "prefill" not in lane.target.cannot and lane not in trail.refuses:
            return "prefill"
        return "restart" if rescue.restart else None

    def _backoff(self, rng: float) -> float:
        retries = self._routes.policy.retries
        return float(rng * min(retries.most, retries.base * 2.0 ** max(0, self._attempt - 1)))

    def _why(self, failure: Failure, before: int) -> str:
        """The reason of an attempt that was waited for, at a target tried `before` so many times."""
        if self._remember().failure is None:
            return "wait: every target cools down"
        return f"{'retry' if before else 'fallback'}: {failure.error_class}"

    def _remember(self) -> _Trail:
        trail = self._trail
        if trail is None:
            trail = self._trail = _Trail()
            if self._lane is not None:
                trail.tries[self._lane] = self._attempt
        return trail

    def _turn_to(self, trail: _Trail, new: Lane) -> None:
        """The attempt that is due goes to `new`, wherever it was to go."""
        old = self._lane
        if old is None or old is new:
            return
        trail.tries[old] -= 1
        if not trail.tries[old]:
            del trail.tries[old]
        trail.tries[new] = trail.tries.get(new, 0) + 1
        self._lane = new

    def _cooling(self, now: float) -> Failure:
        """What a request is told that could not even be tried."""
        soonest = min((lane for tier in self._tiers for lane in tier), key=lambda lane: lane.health.ready_at)
        seconds = max(0.0, soonest.health.ready_at - now)
        return Failure(
            "capacity" if soonest.health.breaker.opened else "rate_limit",
            f"every target of this endpoint cools down; {soonest.name} is ready in {seconds:.1f} s",
            retry_after=seconds,
        )


def _too_long(failure: Failure, pool: Lanes, now: float) -> Stop:
    """Nobody of `pool` is worth the wait. The client is told when to come back."""
    soonest = min(pool, key=lambda lane: lane.health.ready_at)
    seconds = max(0.0, soonest.health.ready_at - now)
    if failure.retry_after is None:
        failure = msgspec.structs.replace(failure, retry_after=seconds)
    return Stop(failure, f"{soonest.name} cools down for {seconds:.1f} s, too long to wait")


def _without(tiers: Tiers, left_out: Callable[[Lane], bool]) -> Tiers:
    kept = (tuple(lane for lane in tier if not left_out(lane)) for tier in tiers)
    return tuple(tier for tier in kept if tier)
