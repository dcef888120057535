"""What is counted: every item, failures among them, and nothing that was not judged."""

import time
from pathlib import Path

import pytest
from tests.cases.provider import asked, delta, event, measured, streaming
from tests.e2e.conftest import Project
from tests.replay.test_engine import plan_of
from tests.synthetic_runs import Made, make_run

from weighbridge.cli.eval import Progress
from weighbridge.evaluation import measuring
from weighbridge.evaluation.outcomes import load
from weighbridge.samples.sample import Sample
from weighbridge.scorers.panel import Panel
from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Fault, Settings
from weighbridge.store.lake import Lake, columns
from weighbridge.store.run import Run
from weighbridge.wire.answer import Answer

CONFIGURED = "answer: {contains: {expected: [scale]}}"
BROKEN_TOO = 'answer: {contains: {expected: [scale]}}\n      broken: {python: "broken:judge"}'


def test_every_item_gets_its_scores_and_a_scorer_that_breaks_costs_no_other(project: Project) -> None:
    """langfuse#12641, #5919, #6988: of 6 or 7 items one or two were scored, and scores were missing in the comparison.
    Seven answers, two scorers, one of which fails on every other item: seven rows each, and nothing is missing."""
    (project.folder / "broken.py").write_text("def judge(sample, answer):\n    raise ValueError('not today')\n")
    with process.start(Settings(tokens=Distribution(constant=6))) as running:
        project.configure(running.url)
        config = project.folder / "weighbridge.yaml"
        config.write_text(config.read_text().replace(CONFIGURED, BROKEN_TOO))
        project.ask(7)
        found = project.evaluated()
    assert found["quality"] == {**found["quality"], "value": 1.0, "n": 7}
    assert found["scorers"]["broken"]["unscorable"] == 7
    rows = Lake(project.folder / ".weighbridge").query(
        "SELECT scorer, count(*), count(value) FROM scores GROUP BY scorer"
    )
    assert sorted(rows.rows) == [("answer", 7, 7), ("broken", 7, 0)]


def test_errors_that_could_be_ignored_do_not_raise_the_quality(project: Project) -> None:
    """inspect_ai#3707, #2914, #4286: dropping errors inflates accuracy. Every answer that comes is right and a quarter
    of the requests fails: that is three quarters, and not all."""
    with process.start(Settings(tokens=Distribution(constant=6), faults=(Fault(kind="500", every=4),))) as running:
        project.configure(running.url)
        project.ask(40)
        found = project.evaluated()
    assert (found["results"], found["quality"]["value"], found["quality"]["n"]) == (40, 0.75, 40)
    assert found["scorers"]["answer"]["mean"]["value"] == 0.75
    assert found["error_rate"]["value"] == 0.25


@pytest.mark.parametrize("returned", ["7.5", "-1", "float('nan')", "float('inf')", "'good'", "None"])
def test_a_score_outside_0_and_1_never_reaches_a_mean(tmp_path: Path, returned: str) -> None:
    """inspect_ai#4286: values were unbounded. A function's value that is no share is one more answer not judged."""
    (tmp_path / "own.py").write_text(f"def judge(sample, answer):\n    return {returned}\n")
    panel = Panel.of({"own": {"python": "own:judge"}}, base=tmp_path)
    try:
        (score,) = panel.judge(asked(1)[0], Answer(text="x"))
    finally:
        panel.close()
    assert (score.value, score.passed) == (None, None)
    assert score.explanation


def test_the_same_answer_has_the_same_score_wherever_it_stands(tmp_path: Path) -> None:
    """deepeval#1265, #1895: one test case scored 0.3, 0.98 and 1.0, by its place among others and alone. Our scorers
    are functions of sample and answer."""
    (tmp_path / "s.json").write_text('{"type": "object", "required": ["a"]}')
    spec = {
        "number": {"numeric": {}},
        "schema": {"json_schema": "s.json"},
        "fields": {"json_fields": {}},
        "words": {"contains": {}},
    }
    panel = Panel.of(spec, base=tmp_path)
    sample = Sample(request={"messages": []}, expected=('{"a": 1, "b": 2}',))
    answers = [Answer(text=text) for text in ('{"a": 1, "b": 3}', "nothing", '{"a": 1, "b": 2}', "2", "{}")]
    alone = [panel.judge(sample, answer) for answer in answers]
    assert [panel.judge(sample, answer) for answer in reversed(answers)] == alone[::-1]
    assert Panel.of(spec, base=tmp_path).judge(sample, answers[0]) == alone[0]


def test_run_level_metrics_are_one_query_over_results_and_scores(tmp_path: Path) -> None:
    """langfuse#2512: precision, recall and F of a whole run. What the scorer took from each answer is kept beside what
    the sample was tagged with, so any confusion matrix is SQL; here against a count by hand."""
    run = make_run(tmp_path, samples=100)
    lake = Lake(tmp_path)
    sql = """
        WITH judged AS (
            SELECT list_contains(tags, 'facts') AS wanted, passed AS found
            FROM results JOIN scores USING (run, candidate, sample, repeat)
            WHERE scorer = 'answer' AND candidate = 'smol'
        ), counts AS (
            SELECT count(*) FILTER (wanted AND found) AS hit, count(*) FILTER (found) AS said,
                   count(*) FILTER (wanted) AS there FROM judged
        ) SELECT hit / said, hit / there, 2 * hit / (said + there) FROM counts"""
    ((precision, recall, f1),) = lake.query(sql).rows
    tags = {name: "facts" in sample.tags for name, sample in run.samples().items()}
    pairs = [(tags[key[1]], entry.success) for key, entry in run.scored().items() if key[0] == "smol"]
    hit, said, there = (sum(both) for both in zip(*((w and f, f, w) for w, f in pairs), strict=True))
    assert (precision, recall, f1) == pytest.approx((hit / said, hit / there, 2 * hit / (said + there)))


def test_every_sample_of_the_set_is_in_the_figures(tmp_path: Path) -> None:
    """langfuse#12641: whatever became of an item, it is in the denominator or said to be left out."""
    spec = Made("mixed", 1.0, (1.0, 1.0), 0.2, errors=0.2, unscorable=0.2)
    run = make_run(tmp_path, candidates=[spec], samples=200)
    found = measuring.measure(load(run)["mixed"])
    assert found.results == found.samples == 200
    assert found.quality.n + found.unscored == 200
    assert found.unscored > 0
    assert sum(found.errors.values()) == round(found.error_rate.value * 200) if found.error_rate.value else False
    assert len(columns(run, ["sample"])["sample"]) == 200


def test_a_streamed_error_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    """A streamed `event: error` was scored as a success (tokenomics PR #16). Named or not, before the first token or
    after some, with [DONE] behind it or nothing."""
    error = event(error={"message": "the model is overloaded", "code": 503})
    for number, pieces in enumerate(
        [
            [b"event: error\n" + error],
            [delta(content="half"), b"event: error\n" + error, b"data: [DONE]\n\n"],
            [delta(content="half"), error],
            [delta(content="half"), delta("stop"), error, b"data: [DONE]\n\n"],
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        _, results = measured(folder, streaming(*pieces), asked(2))
        assert [result.answer for result in results] == [None, None]
        assert all(result.failure and "the model is overloaded" in result.failure.message for result in results)
        assert all(result.failure and result.failure.error_class == "capacity" for result in results)


def test_an_error_event_without_an_error_object_is_a_failure_too(tmp_path: Path) -> None:
    """The same of servers whose `event: error` carries its message bare (tokenomics PR #16)."""
    pieces = [b"event: error\n" + event(message="the model is overloaded", code=503), b"data: [DONE]\n\n"]
    _, (result,) = measured(tmp_path, streaming(*pieces), asked(1))
    assert result.answer is None


class _Evaluation:
    """What Progress looks at."""

    name = "trial"
    plan = plan_of(3)


def test_a_run_that_hears_nothing_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """deepeval#2232: hangs at 0 % with no error. Where there is no terminal for a bar, a line comes at regular times
    even if no reply does."""
    said = ""
    with Progress(_Evaluation(), every=0.01):  # type: ignore[arg-type]
        for _ in range(1000):
            said += capsys.readouterr().err
            if said.count("\n") >= 2:
                break
            time.sleep(0.01)
    assert said.startswith("trial: 0 of 3, 0 failed, $0.0000\ntrial: 0 of 3")


def test_a_silent_provider_ends_with_its_time_out(project: Project) -> None:
    """deepeval#2232: a provider that takes every request and never answers is found out by the time-outs, and said in
    one line with exit code 3."""
    with process.start(Settings(faults=(Fault(kind="silent"),))) as running:
        project.configure(running.url)
        project.ask(4)
        done = project.run("eval")
    assert done.returncode == 3
    assert "nothing could be measured: all 4 requests failed" in done.stderr
    assert "no answer after 2 s" in done.stderr
    failures = [result.failure for result in Run.open(home=project.folder / ".weighbridge").results().values()]
    assert {failure.error_class for failure in failures if failure} == {"timeout"}
