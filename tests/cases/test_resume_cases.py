"""Going on after an interruption: quickly, without paying twice, and without numbers that nobody measured."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.e2e.conftest import Project
from tests.replay.test_engine import Scripted, plan_of, replay
from tests.synthetic_runs import MINI, make_run, write_journal

from weighbridge.replay.journal import Journal
from weighbridge.replay.plan import Plan
from weighbridge.replay.result import Attempt, Result
from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Settings
from weighbridge.store.lake import columns
from weighbridge.store.run import Run
from weighbridge.store.sealing import seal
from weighbridge.wire.answer import Answer, Latency, Usage

RESULTS = 200_000


def journalled(path: Path, plan: Plan, *, missing: int) -> int:
    """A journal with a result for every job but the last `missing`; its size in bytes."""
    with Journal(path, run="r", plan=plan.digest):
        pass
    encode = msgspec.json.Encoder().encode
    answer = Answer(text="a " * 40, usage=Usage(input=9, output=40), latency=Latency(total=0.5, ttft=0.1))
    attempt = Attempt(started=0.0, took=0.5, status=200, cost=0.001)
    with path.open("ab") as file:
        for job in plan.jobs():
            if job.number >= len(plan) - missing:
                break
            result = Result(
                candidate=job.candidate,
                sample=job.sample,
                repeat=job.repeat,
                intended=0.0,
                attempts=(attempt,),
                answer=answer,
                cost=0.001,
            )
            file.write(b'{"t":"result","result":' + encode(result) + b"}\n")
    return path.stat().st_size


def bytes_read() -> int:
    """What this process has read from anywhere so far."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


@pytest.mark.skipif(not os.access("/proc/self/io", os.R_OK), reason="counts what is read in /proc/self/io")
def test_two_hundred_thousand_results_are_read_once_before_the_first_request(tmp_path: Path) -> None:
    """inspect_ai#2873: with 200,000 samples a retry took four hours before its first. In work rather than time: the
    journal is read once, however many results it holds, and only what is missing is sent."""
    plan = plan_of(RESULTS // 4, repeats=4)
    size = journalled(tmp_path / "journal.jsonl", plan, missing=3)
    read: list[int] = []

    class First(Scripted):
        def most(self, job: object) -> float | None:
            return None

        def provider(self, candidate: str) -> str:
            read.append(bytes_read())
            return "p"

    before = bytes_read()
    caller = First()
    outcome, results = replay(tmp_path, plan, caller)
    assert (outcome.resumed, outcome.done, len(results), len(caller.calls)) == (RESULTS - 3, 3, 3, 3)
    assert read[0] - before < 1.1 * size


def test_sealing_and_scoring_need_no_memory_for_all_answers_at_once(tmp_path: Path) -> None:
    """promptfoo#1419, promptfoo PR #2049, promptfoo PR #7471: out of memory on large evaluations. inspect_ai#2418: the
    viewer too. Of 40 MB of answers, a tenth is in memory at a time, sealed or not."""
    run = make_run(tmp_path, candidates=[MINI], samples=400, sealed=False)
    results = list(run.results().values())
    run.journal.unlink()
    write_journal(run.journal, [_longer(result, 100_000) for result in results])
    assert run.journal.stat().st_size > 35_000_000
    tracemalloc.start()
    try:
        live = columns(run, ["candidate", "cost"])
        seal(run)
        assert columns(run, ["candidate", "cost"]) == live
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert len(live["cost"]) == 400


def _longer(result: Result, length: int) -> Result:
    if result.answer is None:
        return result
    return msgspec.structs.replace(result, answer=msgspec.structs.replace(result.answer, text="x" * length))


def test_what_is_sent_again_under_its_old_key_shows_no_latency(tmp_path: Path) -> None:
    """promptfoo#980, #945, #6910: a reply from a cache has the cache's latency. A request that was in flight when the
    process died is sent again under the same key, so its reply may be a stored one: what it says counts, its time does
    not."""
    plan = plan_of(6)
    flying = [job for job in plan.jobs() if job.number in {1, 4}]
    with Journal(tmp_path / "journal.jsonl", run="r", plan=plan.digest) as journal:
        for job in flying:
            journal.sent(job.key, 0)
    outcome, results = replay(tmp_path, plan, Scripted())
    assert outcome.resent == 2
    untimed = {result.key for result in results if result.answer and result.answer.latency is None}
    assert untimed == {job.key for job in flying}
    assert all(result.answer is not None for result in results)


@pytest.fixture
def provider() -> Iterator[process.Running]:
    with process.start(Settings(tokens=Distribution(constant=6))) as running:
        yield running


@pytest.fixture
def interrupted(project: Project, provider: process.Running) -> Run:
    """A run of which half is there, judged by the scorers as they were; ten requests were paid."""
    project.configure(provider.url)
    project.ask(10)
    project.evaluated()
    run = Run.open(home=project.folder / ".weighbridge")
    lines = run.journal.read_bytes().splitlines(keepends=True)
    run.journal.write_bytes(b"".join(lines[: 1 + 2 * (len(lines) // 4)]))
    run.update(status="stopped", reason="stopped by hand")
    return run


def test_a_resumed_run_is_judged_by_one_rule_and_says_which(
    project: Project, provider: process.Running, interrupted: Run
) -> None:
    """lm-evaluation-harness#2533, #2548, inspect_ai#2873: the answers are kept; scorers that were changed meanwhile
    judge all of them again, and the manifest names the ones that did."""
    config = project.folder / "weighbridge.yaml"
    config.write_text(config.read_text().replace("expected: [scale]", "expected: [no such word]"))
    config.write_text(
        config.read_text().replace("success: answer}", "success: answer, constraints: {quality: {min: 0.5}}}")
    )
    done = project.run("eval", "--json")
    assert f"resuming run {interrupted.id}" in done.stderr
    assert done.returncode == 1, done.stderr
    assert provider.stats().paid < 20
    run = Run.open(home=project.folder / ".weighbridge")
    assert run.id == interrupted.id
    assert {scored.success for scored in run.scored().values()} == {False}
    assert len(run.scored()) == len(run.results()) == 10
    assert run.manifest.scorers == {"answer": {"contains": {"expected": ["no such word"]}}}
    assert [constraint.figure for constraint in run.manifest.constraints] == ["quality"]
    assert "no such word" in run.manifest.config


def test_answers_of_one_server_are_never_put_together_with_those_of_another(project: Project, interrupted: Run) -> None:
    """The same model name at another base URL may be another model: all is asked anew, and one line says why."""
    with process.start(Settings(tokens=Distribution(constant=6))) as other:
        project.configure(other.url)
        done = project.run("eval", "--json")
        assert done.returncode == 0, done.stderr
        assert (
            f"run {interrupted.id} is not finished, but has other servers (base_url): a new one begins" in done.stderr
        )
        assert other.stats().paid == 10
        assert other.url not in Run.open(home=project.folder / ".weighbridge").manifest.candidates[0].server
    assert Run.open(home=project.folder / ".weighbridge").id != interrupted.id


def test_answers_of_one_model_are_never_put_together_with_those_of_another(
    project: Project, provider: process.Running, interrupted: Run
) -> None:
    config = project.folder / "weighbridge.yaml"
    config.write_text(config.read_text().replace("model: simulated", "model: simulated-2"))
    done = project.run("eval", "--json")
    assert done.returncode == 0, done.stderr
    assert f"run {interrupted.id} is not finished, but has other candidates: a new one begins" in done.stderr
    assert provider.stats().paid == 20


def test_a_run_that_goes_on_says_nothing_of_another(project: Project, interrupted: Run) -> None:
    done = project.run("eval", "--json")
    assert done.returncode == 0, done.stderr
    assert f"resuming run {interrupted.id}" in done.stderr
    assert "a new one begins" not in done.stderr
