"""The load engine: every job of a plan ends in exactly one result, journalled before it counts."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import Any, Literal

import msgspec

from weighbridge.errors import UsageError, WeighbridgeError
from weighbridge.replay.arrivals import Arrivals, Closed, Open, Trace
from weighbridge.replay.attempts import Retries
from weighbridge.replay.budget import Budget, BudgetSpent
from weighbridge.replay.caller import Attempted, Caller
from weighbridge.replay.journal import Journal
from weighbridge.replay.pace import Pace
from weighbridge.replay.plan import Job, Plan
from weighbridge.replay.result import Attempt, Result
from weighbridge.replay.saturation import Saturation, Watch

_GRACE_S = 5.0
_OPEN_CEILING = 10_000

Ending = Literal["finished", "budget", "interrupted"]


@dataclass(slots=True)
class Outcome:
    """How a replay ended. `done` results were made now, `resumed` were there already. `resent` requests were in flight
    when an earlier process died: a provider that ignores Idempotency-Key was paid twice for them, and one that honours
    it tells a stored reply, whose latency says nothing and is left out."""

    ending: Ending
    planned: int
    done: int
    resumed: int
    resent: int
    spent: float
    reason: str = ""
    saturation: Saturation = field(default_factory=lambda: Saturation(0.0, 0.0, saturated=False))
    most_in_flight: dict[str, int] = field(default_factory=dict)


class Replay:
    """One run of a plan. Give it to `run` once; `stop` may be called at any time, from a signal handler too."""

    def __init__(
        self,
        plan: Plan,
        caller: Caller,
        journal: Journal,
        *,
        arrivals: Arrivals,
        retries: Retries | None = None,
        max_cost: float | None = None,
        on_result: Callable[[Result], None] | None = None,
        grace: float = _GRACE_S,
    ) -> None:
        self._plan = plan
        self._caller = caller
        self._journal = journal
        self._arrivals = arrivals
        self._retries = retries or Retries()
        self._budget = Budget(max_cost, journal.past.spent)
        self._on_result = on_result
        self._grace = grace
        self._dice = random.Random(plan.seed)  # noqa: S311 - jitter, not a secret
        self._paces: dict[str, Pace] = {}
        self._watch = Watch()
        self._done = 0
        self._start = 0.0
        self._failure: WeighbridgeError | None = None
        self._stopping: asyncio.Event = asyncio.Event()

    def stop(self) -> None:
        """No further request leaves; those in flight get the grace period to end. A second call cuts them off."""
        if self._stopping.is_set():
            self._grace = 0.0
        self._stopping.set()

    async def run(self) -> Outcome:
        """Runs to the end, the budget's end, or `stop`. Raises MeasurementError where the journal cannot be written,
        and UsageError where a budget is set and a candidate has no price."""
        past = self._journal.past
        self._charge_the_dead()
        self._check_prices()
        self._start = monotonic()
        self._watch.start()
        collected = _collector_out_of_the_way()
        jobs = (job for job in self._ordered() if job.key not in past.done)
        try:
            if isinstance(self._arrivals, Closed):
                await self._closed(jobs, self._arrivals)
            else:
                await self._open(jobs, self._arrivals)
        finally:
            saturation = self._watch.stop()
            gc.set_threshold(*collected)
            gc.unfreeze()
        if self._failure is not None and not isinstance(self._failure, BudgetSpent):
            raise self._failure
        return Outcome(
            ending=self._ending(),
            planned=len(self._plan),
            done=self._done,
            resumed=len(past.done),
            resent=len(past.in_flight),
            spent=self._budget.spent,
            reason=str(self._failure) if self._failure else "",
            saturation=saturation,
            most_in_flight={name: pace.most_inside for name, pace in self._paces.items()},
        )

    def _ending(self) -> Ending:
        if isinstance(self._failure, BudgetSpent):
            return "budget"
        return "interrupted" if self._stopping.is_set() else "finished"

    def _ordered(self) -> Iterator[Job]:
        return self._plan.jobs_by_arrival() if isinstance(self._arrivals, Trace) else self._plan.jobs()

    def _charge_the_dead(self) -> None:
        """What was in flight when an earlier process died may have been paid for: it counts at its most."""
        self._budget.spent += sum(sent.most for sent in self._journal.past.in_flight.values())

    def _check_prices(self) -> None:
        if self._budget.limit is None:
            return
        first = {job.candidate: job for job in islice(self._plan.jobs(), len(self._plan.candidates))}
        unknown = [name for name, job in first.items() if self._caller.most(job) is None]
        if unknown:
            raise UsageError(
                f"a budget is set, and the price of {', '.join(sorted(unknown))} is unknown",
                mend="Give its model a price, or leave the budget out",
            )

    # --- when

    async def _closed(self, jobs: Iterator[Job], arrivals: Closed) -> None:
        """Workers with one request at a time each: no more than `concurrency` can ever be in flight."""
        count = min(arrivals.concurrency, len(self._plan))

        async def work(number: int) -> None:
            if arrivals.ramp and await self._stopped_within(arrivals.ramp * number / count):
                return
            for job in jobs:
                if self._stopping.is_set():
                    return
                await self._job(job, None, arrivals.concurrency)

        workers = [asyncio.create_task(work(number)) for number in range(count)]
        await self._until_done(workers)

    async def _open(self, jobs: Iterator[Job], arrivals: Open) -> None:
        """Each request in a task of its own, begun when it is due, however many are still out."""
        running: set[asyncio.Task[None]] = set()
        broken: list[BaseException] = []

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                broken.append(error)
                self._stopping.set()

        async def dispatch() -> None:
            for job, offset in _offsets(jobs, arrivals):
                due = self._start + offset
                # Sleeping zero now and then lets replies in; a burst that is due leaves together.
                wait = due - monotonic()
                if wait > 0 and await self._stopped_within(wait):
                    return
                if self._stopping.is_set():
                    return
                task = asyncio.create_task(self._job(job, due, _OPEN_CEILING))
                running.add(task)
                task.add_done_callback(ended)

        dispatcher = asyncio.create_task(dispatch())
        await self._until_done([dispatcher])
        await self._until_done(list(running))
        if broken:
            raise broken[0]

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _until_done(self, tasks: list[asyncio.Task[None]]) -> None:
        """Waits for tasks; once stopped, only for the grace period. Waiting costs the same however many they are: it
        is done while the clock runs."""
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._stopping.wait())
        everything: asyncio.Future[Any] = asyncio.gather(*tasks)
        try:
            await asyncio.wait({everything, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not everything.done():
                await asyncio.wait({everything}, timeout=self._grace)
            if everything.done():
                everything.result()
        finally:
            rest = [stop, everything, *tasks]
            for future in rest:
                future.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    # --- what

    async def _job(self, job: Job, due: float | None, ceiling: int) -> None:
        """One job to its one result. `due` None: as soon as its provider lets it in."""
        pace = self._pace(job, ceiling)
        await pace.enter()
        try:
            if self._stopping.is_set():
                return
            intended = monotonic() if due is None else due
            if due is not None:
                self._watch.late(monotonic() - due)
            result = await self._attempts(job, intended, pace)
        except WeighbridgeError as error:  # the journal or the budget: no further request may leave
            self._failure = self._failure or error
            self._stopping.set()
            return
        finally:
            pace.leave()
        if result is not None and self._on_result is not None:
            self._on_result(result)

    def _pace(self, job: Job, ceiling: int) -> Pace:
        name = self._caller.provider(job.candidate)
        pace = self._paces.get(name)
        if pace is None:
            pace = self._paces[name] = Pace(ceiling)
        return pace

    async def _attempts(self, job: Job, intended: float, pace: Pace) -> Result | None:
        made: list[Attempt] = []
        while True:
            number = len(made)
            attempted = await self._attempt(job, intended, number)
            made.append(attempted.attempt)
            failure = attempted.attempt.failure
            if failure is not None and failure.error_class == "rate_limit":
                pace.told_to_slow_down(self._start + attempted.attempt.started, failure.retry_after)
            else:
                pace.went_well()
            if failure is None:
                break
            wait = self._retries.wait(failure, number, monotonic() - intended, self._dice)
            if wait is None or self._stopping.is_set() or await self._stopped_within(wait):
                break
        if self._stopping.is_set() and attempted.answer is None and wait is not None:
            return None  # stopped between two attempts: not a result, a resume tries again
        costs = [attempt.cost for attempt in made]
        answer = attempted.answer
        if answer is not None and job.key in self._journal.past.in_flight:
            answer = msgspec.structs.replace(answer, latency=None)
        result = Result(
            candidate=job.candidate,
            sample=job.sample,
            repeat=job.repeat,
            intended=intended - self._start,
            attempts=tuple(made),
            answer=answer,
            cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        )
        self._journal.result(result)
        self._done += 1
        return result

    async def _attempt(self, job: Job, intended: float, number: int) -> Attempted:
        most = 0.0
        if self._budget.limit is not None:
            most = self._budget.reserve(self._caller.most(job) or 0.0)
        cost: float | None = None
        try:
            self._journal.sent(job.key, number, most)
            attempted = await self._caller.call(job, intended=intended, start=self._start, attempt=number)
            cost = attempted.attempt.cost
        finally:
            if self._budget.limit is not None:
                self._budget.settle(most, cost)
            elif cost is not None:
                self._budget.spent += cost
        return attempted


def _offsets(jobs: Iterator[Job], arrivals: Open) -> Iterator[tuple[Job, float]]:
    """When each is due, in seconds from now. In a trace every request has its own time, so one that is resumed goes on
    from where it was."""
    if not isinstance(arrivals, Trace):
        yield from zip(jobs, arrivals.offsets(), strict=False)
        return
    first: float | None = None
    for job in jobs:
        at = arrivals.at(job.number)
        first = at if first is None else first
        yield job, at - first


def _collector_out_of_the_way() -> tuple[int, int, int]:
    """Keeps Python's cycle collector from stopping the clock: a full collection over many results takes tens of
    milliseconds, and shows as latency. What exists is left out of it, and full ones become rare. Gives the thresholds
    to be set again afterwards."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    return before
