"""The engine: every job ends in exactly one result, whatever the provider does."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.replay import plan as plans
from weighbridge.replay.arrivals import Arrivals, Closed, Constant, Poisson, Trace
from weighbridge.replay.attempts import Retries
from weighbridge.replay.caller import Attempted
from weighbridge.replay.engine import Outcome, Replay
from weighbridge.replay.journal import Journal
from weighbridge.replay.plan import Job, Plan
from weighbridge.replay.result import Attempt, Result
from weighbridge.samples.sample import Sample
from weighbridge.wire.answer import Answer, Latency
from weighbridge.wire.failure import Failure

Script = Callable[[Job, int], Failure | None]


class Scripted:
    """A Caller that answers as its script says, after `takes` seconds; keeps who was called when, how many at once."""

    def __init__(
        self, script: Script = lambda job, attempt: None, *, takes: float = 0.0, price: float | None = 0.01
    ) -> None:
        self.script = script
        self.takes = takes
        self.price = price
        self.calls: list[tuple[Job, int, float]] = []
        self.inside = self.most_inside = 0

    async def call(self, job: Job, *, intended: float, start: float, attempt: int) -> Attempted:
        self.calls.append((job, attempt, monotonic()))
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        began = monotonic()
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.inside -= 1
        failure = self.script(job, attempt)
        done = Attempt(
            started=began - start,
            took=monotonic() - began,
            status=failure.status if failure else 200,
            failure=failure,
            cost=0.0 if failure else self.price,
        )
        return Attempted(done, None if failure else Answer(text="ok", latency=Latency(total=monotonic() - intended)))

    def provider(self, candidate: str) -> str:
        return candidate.partition("@")[2] or "p"

    def most(self, job: Job) -> float | None:
        return self.price


def plan_of(count: int, candidates: tuple[str, ...] = ("a",), repeats: int = 1) -> Plan:
    samples = [Sample(request={"messages": [{"role": "user", "content": str(number)}]}) for number in range(count)]
    return plans.of(candidates, samples, repeats=repeats)


def replay(
    path: Path,
    plan: Plan,
    caller: Scripted,
    *,
    arrivals: Arrivals | None = None,
    retries: Retries | None = None,
    max_cost: float | None = None,
    on_result: Callable[[Result, Replay], None] | None = None,
    grace: float = 5.0,
) -> tuple[Outcome, list[Result]]:
    results: list[Result] = []

    async def main() -> Outcome:
        with Journal(path / "journal.jsonl", run="r", plan=plan.digest) as journal:

            def took(result: Result) -> None:
                results.append(result)
                if on_result is not None:
                    on_result(result, engine)

            engine = Replay(
                plan,
                caller,
                journal,
                arrivals=arrivals or Closed(4),
                retries=retries or Retries(most=2, base=0.001),
                max_cost=max_cost,
                on_result=took,
                grace=grace,
            )
            return await engine.run()

    return asyncio.run(main()), results


def test_every_job_gets_exactly_one_result(tmp_path: Path) -> None:
    outcome, results = replay(tmp_path, plan_of(20, ("a", "b"), repeats=2), Scripted())
    assert (outcome.ending, outcome.done, outcome.planned) == ("finished", 80, 80)
    assert len({result.key for result in results}) == 80


def test_failures_stay_in_the_results(tmp_path: Path) -> None:
    """inspect_ai#3707, #4286, #2914: a failed request is a failed sample, not a smaller denominator."""

    def script(job: Job, attempt: int) -> Failure | None:
        return Failure("invalid_request", "no", status=400) if job.number % 3 == 0 else None

    outcome, results = replay(tmp_path, plan_of(30), Scripted(script))
    assert outcome.done == 30
    assert sum(result.answer is None for result in results) == 10
    assert all(result.failure is not None for result in results if result.answer is None)


def test_no_more_are_in_flight_than_asked_for(tmp_path: Path) -> None:
    """inference-perf#319."""
    caller = Scripted(takes=0.002)
    replay(tmp_path, plan_of(40), caller, arrivals=Closed(7))
    assert caller.most_inside == 7


def test_latency_counts_from_the_schedule_not_from_the_send(tmp_path: Path) -> None:
    """vllm#54101, guidellm#1048: a provider that serves one at a time at 50 per second, asked 200 times a second,
    has a last latency of almost the whole backlog, not of one service time."""

    class OneAtATime(Scripted):
        def __init__(self) -> None:
            super().__init__()
            self.lock = asyncio.Lock()

        async def call(self, job: Job, *, intended: float, start: float, attempt: int) -> Attempted:
            async with self.lock:
                await asyncio.sleep(0.02)
            answer = Answer(latency=Latency(total=monotonic() - intended))
            return Attempted(Attempt(started=0.0, took=0.02, status=200, cost=0.0), answer)

    _, results = replay(tmp_path, plan_of(20), OneAtATime(), arrivals=Constant(200))
    latencies = sorted(result.answer.latency.total for result in results if result.answer and result.answer.latency)
    # 20 services of 20 ms end at 400 ms; the last was due at 95 ms.
    assert latencies[-1] >= 0.3 - 0.005
    assert latencies[-1] > 10 * 0.02


def test_a_slow_provider_does_not_hold_back_an_open_loop(tmp_path: Path) -> None:
    """Arrivals go on while earlier requests are out: at 500/s and 100 ms each, tens are in flight."""
    caller = Scripted(takes=0.1)
    replay(tmp_path, plan_of(60), caller, arrivals=Poisson(500, seed=2))
    assert caller.most_inside > 20


def test_nothing_that_was_queued_is_left_undone_at_the_end(tmp_path: Path) -> None:
    """inference-perf#245: the stage ends when the last reply is in, not when the last request is out."""
    outcome, _ = replay(tmp_path, plan_of(200), Scripted(takes=0.02), arrivals=Constant(5000))
    assert outcome.done == 200


def test_many_thousand_requests_do_not_hang(tmp_path: Path) -> None:
    """lm-evaluation-harness#3089: hangs with about 20,000 API requests."""
    outcome, _ = replay(tmp_path, plan_of(20_000), Scripted(), arrivals=Closed(64))
    assert outcome.done == 20_000


def test_what_may_pass_is_tried_again_and_every_attempt_is_kept(tmp_path: Path) -> None:
    def script(job: Job, attempt: int) -> Failure | None:
        return Failure("capacity", "busy", status=503) if attempt < 2 else None

    _, results = replay(tmp_path, plan_of(3), Scripted(script))
    for result in results:
        assert [attempt.status for attempt in result.attempts] == [503, 503, 200]
        assert result.answer is not None
        assert result.cost == pytest.approx(0.01)


def test_what_stays_broken_is_given_up_after_the_retries(tmp_path: Path) -> None:
    caller = Scripted(lambda job, attempt: Failure("capacity", "busy", status=503))
    _, results = replay(tmp_path, plan_of(4), caller, retries=Retries(most=3, base=0.001))
    assert all(len(result.attempts) == 4 and result.answer is None for result in results)
    assert len(caller.calls) == 16


def test_concurrency_shrinks_on_429_and_not_on_500(tmp_path: Path) -> None:
    """A 429 says we are too fast; a 500 says nothing about our rate."""

    def once(status: int) -> Script:
        seen: Counter[int] = Counter()

        def script(job: Job, attempt: int) -> Failure | None:
            seen[status] += 1
            if seen[status] == 1:
                return Failure("rate_limit" if status == 429 else "capacity", "no", status=status)
            return None

        return script

    limits = {}
    for status in (429, 500):
        folder = tmp_path / str(status)
        folder.mkdir()
        limits[status] = _limit_after(folder, Scripted(once(status), takes=0.001))
    assert limits[500] == 8.0
    assert limits[429] < 8.0


def _limit_after(folder: Path, caller: Scripted) -> float:
    async def main() -> float:
        plan = plan_of(12)
        with Journal(folder / "journal.jsonl", run="r", plan=plan.digest) as journal:
            engine = Replay(plan, caller, journal, arrivals=Closed(8), retries=Retries(most=1, base=0.001))
            await engine.run()
            return engine._paces["p"].limit

    return asyncio.run(main())


def test_only_the_provider_that_said_so_is_slowed_down(tmp_path: Path) -> None:
    """Two providers: the one that answers 429 with a long Retry-After waits, the other is done meanwhile."""
    first = True

    def script(job: Job, attempt: int) -> Failure | None:
        nonlocal first
        if job.candidate == "x@slow" and first:
            first = False
            return Failure("rate_limit", "wait", status=429, retry_after=0.3)
        return None

    caller = Scripted(script)
    replay(tmp_path, plan_of(10, ("x@slow", "y@quick")), caller, arrivals=Closed(30))
    calls = {name: [at for job, _, at in caller.calls if job.candidate == name] for name in ("x@slow", "y@quick")}
    assert max(calls["y@quick"]) < max(calls["x@slow"])
    assert max(calls["x@slow"]) - min(calls["x@slow"]) >= 0.3


def test_a_budget_stops_before_it_is_exceeded(tmp_path: Path) -> None:
    outcome, results = replay(tmp_path, plan_of(50), Scripted(price=0.01), max_cost=0.105)
    assert outcome.ending == "budget"
    assert outcome.spent <= 0.105
    assert len(results) == 10
    assert "is left" in outcome.reason


def test_a_budget_with_an_unknown_price_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    caller = Scripted(price=None)
    with pytest.raises(UsageError, match="the price of a is unknown"):
        replay(tmp_path, plan_of(5), caller, max_cost=1.0)
    assert caller.calls == []


def test_a_resumed_run_sends_only_what_has_no_result(tmp_path: Path) -> None:
    def stop_at_ten(result: Result, engine: Replay) -> None:
        if len(seen) == 10:
            engine.stop()
        seen.append(result)

    seen: list[Result] = []
    plan = plan_of(40)
    first, _ = replay(tmp_path, plan, Scripted(), on_result=stop_at_ten)
    assert first.ending == "interrupted"
    second, results = replay(tmp_path, plan, Scripted())
    assert (second.ending, second.resumed) == ("finished", first.done)
    assert first.done + second.done == 40
    assert len(results) == 40 - first.done


def test_money_spent_before_an_interruption_still_counts(tmp_path: Path) -> None:
    plan = plan_of(30)
    replay(tmp_path, plan, Scripted(price=0.01), max_cost=0.1)
    outcome, results = replay(tmp_path, plan, Scripted(price=0.01), max_cost=0.1)
    assert results == []
    assert outcome.spent == pytest.approx(0.1)


def test_requests_in_flight_get_their_grace_when_stopped(tmp_path: Path) -> None:
    """Ctrl-C: nothing new leaves, and what is out may still come in."""

    def stop_at_once(result: Result, engine: Replay) -> None:
        engine.stop()

    caller = Scripted(takes=0.3)
    outcome, results = replay(tmp_path, plan_of(100), caller, arrivals=Closed(8), on_result=stop_at_once)
    assert outcome.ending == "interrupted"
    assert len(results) == len(caller.calls) == 8


def test_a_journal_that_cannot_be_written_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: nothing counts that is not written, and nothing more is sent."""
    written = 0

    def full(journal: Journal, result: Result) -> None:
        nonlocal written
        written += 1
        if written > 5:
            raise MeasurementError("the journal cannot be written: No space left on device")

    monkeypatch.setattr(Journal, "result", full)
    caller = Scripted()
    with pytest.raises(MeasurementError, match="No space left"):
        replay(tmp_path, plan_of(200), caller, arrivals=Closed(2))
    assert len(caller.calls) < 12


def test_a_ramp_spreads_the_beginning(tmp_path: Path) -> None:
    caller = Scripted(takes=1.0)
    replay(tmp_path, plan_of(10), caller, arrivals=Closed(10, ramp=0.6))
    times = sorted(at for _, _, at in caller.calls)
    assert times[-1] - times[0] >= 0.08


def test_a_trace_that_is_resumed_keeps_the_times_of_its_requests(tmp_path: Path) -> None:
    """What is left is sent with the gaps it had, from its own first on."""
    arrived = [0.0, 0.1, 0.2, 0.4]
    samples = [
        Sample(request={"messages": [{"role": "user", "content": str(at)}]}, arrived=at) for at in reversed(arrived)
    ]
    plan = plans.of(["a", "b"], samples)
    done = Attempt(started=0.0, took=0.1, status=200, cost=0.01)
    with Journal(tmp_path / "journal.jsonl", run="r", plan=plan.digest) as journal:
        for job in islice(plan.jobs_by_arrival(), 4):
            journal.result(Result(**job_key(job), intended=0.0, attempts=(done,), answer=Answer(text="ok"), cost=0.01))
    outcome, rest = replay(tmp_path, plan, Scripted(), arrivals=Trace(arrived, speed=2.0, each=2))
    assert (outcome.ending, outcome.resumed) == ("finished", 4)
    assert sorted((result.candidate, round(result.intended, 6)) for result in rest) == [
        *(("a", 0.0), ("a", 0.1)),
        *(("b", 0.0), ("b", 0.1)),
    ]


def job_key(job: Job) -> dict[str, Any]:
    return {"candidate": job.candidate, "sample": job.sample, "repeat": job.repeat}
