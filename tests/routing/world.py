"""A world for courses: simulated targets, a simulated clock, and exchanges that follow `Course` as the gateway does."""

import heapq
import itertools
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from math import inf

from weighbridge.routing.course import Course, Routes, Stop, Try
from weighbridge.routing.health import Health
from weighbridge.routing.policy import Policy
from weighbridge.routing.step import Features
from weighbridge.wire.failure import ErrorClass, Failure


@dataclass(frozen=True)
class Reply:
    """How a target answers one attempt: the first token after `ttft` seconds, the end after `total`. A `failure` comes
    instead of the first token, or, if `broken`, after some tokens at `total`."""

    ttft: float = 0.3
    total: float = 1.0
    failure: Failure | None = None
    broken: bool = False


Behaviour = Callable[[float], Reply]
"""What a target does with an attempt that is sent at this time."""

FINE = Reply()
SILENT = Reply(ttft=inf, total=inf)


def always(reply: Reply = FINE) -> Behaviour:
    return lambda _now: reply


def failing(error_class: ErrorClass, retry_after: float | None = None, status: int | None = None) -> Reply:
    return Reply(0.05, 0.05, Failure(error_class, f"it was {error_class}", status, retry_after=retry_after))


def broken(error_class: ErrorClass = "network", at: float = 0.8) -> Reply:
    return Reply(0.3, at, Failure(error_class, "the stream broke"), broken=True)


def first(*replies: Reply) -> Behaviour:
    """These one after another, then all is well."""
    left = iter(replies)
    return lambda _now: next(left, FINE)


@dataclass
class Story:
    """What became of one exchange."""

    began: float
    tries: list[tuple[float, Try]] = field(default_factory=list)
    ended: float = inf
    winner: str | None = None
    stop: Stop | None = None
    health: list[tuple[str, float]] = field(default_factory=list)

    @property
    def targets(self) -> list[str]:
        return [step.target for _, step in self.tries]

    @property
    def reasons(self) -> list[str]:
        return [step.reason for _, step in self.tries]

    @property
    def took(self) -> float:
        return self.ended - self.began


class World:
    """Exchanges run as generators that yield how many seconds they sleep."""

    def __init__(self, policy: Policy, seed: int = 1, /, **targets: Behaviour) -> None:
        self.health = Health()
        self.routes = Routes(policy, self.health)
        self.targets = targets
        self.now = 1000.0
        self.random = random.Random(seed)
        self.calls: list[tuple[float, str]] = []
        self._order = itertools.count()
        self._due: list[tuple[float, int, Generator[float, None, None]]] = []

    def ask(self, features: Features | None = None, at: float | None = None, deadline: float | None = None) -> Story:
        """One exchange from `at` (default: now); run the world to see it. `deadline` is in seconds from then."""
        began = self.now if at is None else at
        story = Story(began)
        left = self.routes.policy.limits.total if deadline is None else deadline
        self._push(began, self._exchange(story, features or Features(), left))
        return story

    def run(self, until: float = inf) -> None:
        while self._due and self._due[0][0] <= until:
            self.now, _, process = heapq.heappop(self._due)
            for pause in process:
                self._push(self.now + pause, process)
                break
        if until < inf:
            self.now = until

    def told(self, features: Features | None = None, deadline: float | None = None) -> Story:
        """One exchange, alone, to its end."""
        story = self.ask(features, deadline=deadline)
        self.run()
        return story

    def _push(self, at: float, process: Generator[float, None, None]) -> None:
        heapq.heappush(self._due, (at, next(self._order), process))

    def _exchange(self, story: Story, features: Features, left: float) -> Generator[float, None, None]:
        course = Course(self.routes, features, self.now, self.now + left)
        step = course.next(None, self.now, self.random.random())
        delivered = False
        while isinstance(step, Try):
            if step.after:
                yield step.after
                step = course.resume(self.now, self.random.random())
                continue
            story.tries.append((self.now, step))
            self.calls.append((self.now, step.target))
            failure, seen = yield from self._attempt(step)
            if failure is None:
                story.winner, story.ended = step.target, self.now
                return
            delivered = delivered or seen
            step = course.next(failure, self.now, self.random.random(), delivered=delivered)
        story.stop, story.ended = step, self.now

    def _attempt(self, step: Try) -> Generator[float, None, tuple[Failure | None, bool]]:
        """Its failure, and whether a token was seen before it."""
        sent, reply = self.now, self.targets[step.target](self.now)
        self.health.started(step.target, sent)
        if reply.ttft > step.limits.first_token:
            yield step.limits.first_token
            return self._failed(step, sent, Failure("timeout", "no first token"), waited=self.now - sent), False
        yield reply.ttft
        if reply.failure is not None and not reply.broken:
            return self._failed(step, sent, reply.failure), False
        self.health.first_token(step.target, self.now, reply.ttft)
        yield min(reply.total, step.limits.total) - reply.ttft
        if reply.failure is not None:
            return self._failed(step, sent, reply.failure), True
        if reply.total > step.limits.total:
            return self._failed(step, sent, Failure("timeout", "too long")), True
        self.health.ended(step.target, self.now, ok=True, total=self.now - sent)
        return None, True

    def _failed(self, step: Try, sent: float, failure: Failure, waited: float | None = None) -> Failure:
        self.health.ended(
            step.target,
            self.now,
            ok=False,
            error_class=failure.error_class,
            retry_after=failure.retry_after,
            ttft=waited,
            total=self.now - sent,
        )
        return failure
