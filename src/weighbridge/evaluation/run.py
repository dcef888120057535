"""One evaluation, from its first request to its sealed tables; the same call resumes what was interrupted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from weighbridge.evaluation.plan import Evaluation
from weighbridge.replay.attempts import Retries
from weighbridge.replay.caller import ProviderCaller
from weighbridge.replay.engine import Outcome, Replay
from weighbridge.replay.journal import Journal
from weighbridge.replay.result import Result
from weighbridge.store.manifest import CandidateRecord, Manifest, Saturation
from weighbridge.store.rows import Scored
from weighbridge.store.run import Run
from weighbridge.store.sealing import seal
from weighbridge.transport.client import Client
from weighbridge.transport.loop import run as run_loop

OnResult = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A run and how its replay ended."""

    run: Run
    outcome: Outcome


def begin(evaluation: Evaluation, home: Path, *, fresh: bool = False) -> tuple[Run, bool]:
    """The run to go on with: the newest unfinished one of the same evaluation and digest, or a new one. True where an
    old one is resumed."""
    if not fresh:
        for run in Run.all(home):
            record = run.manifest
            unfinished = record.evaluation == evaluation.name and record.status != "complete"
            if unfinished and not _others(record, evaluation):
                _take_up(run, evaluation)
                return run, True
    run = Run.create(home, evaluation.manifest())
    run.write_samples(evaluation.plan.samples.values())
    return run, False


def passed_over(evaluation: Evaluation, home: Path) -> str | None:
    """The newest unfinished run of this evaluation that cannot be gone on with, and why; None: there is none."""
    for run in Run.all(home):
        record = run.manifest
        if record.evaluation == evaluation.name and record.status != "complete":
            others = ", ".join(_others(record, evaluation))
            return f"run {record.id} is not finished, but has other {others}: a new one begins" if others else None
    return None


def _others(record: Manifest, evaluation: Evaluation) -> list[str]:
    """What of a run is not as it would be now, so that its results and new ones are not to be put together."""
    now = evaluation.records()
    found = {
        "servers (base_url)": [one.server for one in record.candidates] != [one.server for one in now],
        "candidates": [_placeless(one) for one in record.candidates] != [_placeless(one) for one in now],
        "samples": set(record.sample_ids) != set(evaluation.plan.samples),
        "repeats": record.repeats != evaluation.section.repeats,
        "seed": record.seed != evaluation.section.samples.seed,
    }
    return [name for name, differs in found.items() if differs]


def _placeless(record: CandidateRecord) -> CandidateRecord:
    return msgspec.structs.replace(record, server="")


def _take_up(run: Run, evaluation: Evaluation) -> None:
    """Answers are kept; they are judged, and all by the same scorers, as the configuration says now."""
    old, now = run.manifest, evaluation.manifest()
    if (old.scorers, old.success) != (now.scorers, now.success):
        run.score_log.unlink(missing_ok=True)
    names = ("config", "config_sha256", "scorers", "success", "constraints", "arrivals", "timeouts", "max_cost")
    run.update(**{name: getattr(now, name) for name in names})
    if not run.samples_file.exists():  # it was stopped before these were written
        run.write_samples(evaluation.plan.samples.values())


def evaluate(evaluation: Evaluation, run: Run, *, on_result: OnResult | None = None) -> Finished:
    """Replays, scores and seals. Ctrl-C stops cleanly, and what is there is scored and sealed.

    Raises MeasurementError where the disk refuses, UsageError where the run is another's or a budget meets an unknown
    price.
    """
    outcome = run_loop(replay(evaluation, run, on_result))
    score(evaluation, run)
    seal(run)
    run.update(
        status="complete" if outcome.done + outcome.resumed >= outcome.planned else "stopped",
        reason=_reason(outcome),
        finished=datetime.now(UTC),
        saturation=Saturation(saturated=outcome.saturation.saturated, explanation=outcome.saturation.verdict),
        notes=(*evaluation.notes, *_notes(outcome)),
    )
    return Finished(run, outcome)


async def replay(evaluation: Evaluation, run: Run, on_result: OnResult | None = None) -> Outcome:
    """The measuring part: nothing is scored while the clock runs."""
    section = evaluation.section
    with Journal(run.journal, run=run.id, plan=evaluation.digest) as journal:
        async with Client(timeouts=evaluation.timeouts) as client:
            caller = ProviderCaller(
                run.id, evaluation.candidates, evaluation.plan.samples, client, stream=section.stream
            )
            engine = Replay(
                evaluation.plan,
                caller,
                journal,
                arrivals=evaluation.arrivals,
                retries=Retries(most=section.retries, deadline=section.timeouts.total),
                max_cost=section.budget,
                on_result=on_result,
            )
            with _stopped_by_signals(engine.stop):
                return await engine.run()


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    caught = (signal.SIGINT, signal.SIGTERM)
    try:
        for number in caught:
            loop.add_signal_handler(number, stop)
    except (RuntimeError, ValueError, NotImplementedError):  # not the main thread: whoever runs us handles signals
        yield
        return
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


def score(evaluation: Evaluation, run: Run, on_scored: Callable[[Scored], None] | None = None) -> int:
    """Judges every answer that was not judged yet; gives how many that were."""
    known = set(run.scored())
    count = 0
    with run.scoring() as log:
        for result in run.each_result():
            if result.key in known:
                continue
            count += 1
            scored = judged(evaluation, result)
            log.append(scored)
            if on_scored is not None:
                on_scored(scored)
    evaluation.panel.close()
    return count


def judged(evaluation: Evaluation, result: Result) -> Scored:
    """A failed request is a failed sample; an answer is a success as the endpoint's rule says."""
    if result.answer is None:
        return Scored(candidate=result.candidate, sample=result.sample, repeat=result.repeat, success=False)
    scores = evaluation.panel.judge(evaluation.plan.samples[result.sample], result.answer)
    success = evaluation.rule.holds({score.scorer: (score.value, score.passed) for score in scores})
    return Scored(
        candidate=result.candidate, sample=result.sample, repeat=result.repeat, success=success, scores=tuple(scores)
    )


def _reason(outcome: Outcome) -> str:
    if outcome.ending == "budget":
        return f"the budget: {outcome.reason}"
    return "stopped by hand" if outcome.ending == "interrupted" else ""


def _notes(outcome: Outcome) -> list[str]:
    if not outcome.resent:
        return []
    said = (
        f"{outcome.resent} requests were in flight when an earlier process ended, and were sent again under the same "
        "Idempotency-Key: a provider that does not know that header was paid twice for them, and as one that does may "
        "have told a stored reply, their latencies are left out"
    )
    return [said]
