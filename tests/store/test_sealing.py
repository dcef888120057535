"""A journal becomes two tables, and nothing in it is softened."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.synthetic_runs import MINI, make_manifest, make_run, make_samples, write_journal

from weighbridge.errors import UsageError
from weighbridge.replay.result import Attempt, Result
from weighbridge.scorers.score import Score
from weighbridge.store.lake import columns
from weighbridge.store.rows import RESULT_COLUMNS, Scored
from weighbridge.store.run import Run
from weighbridge.store.sealing import seal
from weighbridge.wire.answer import Answer, Latency, ToolCall, Usage
from weighbridge.wire.failure import Failure

SAMPLE = make_samples(1, clusters=1)[0]


def sealed_with(home: Path, results: list[Result], scored: list[Scored]) -> Run:
    run = Run.create(home, make_manifest((MINI,), [SAMPLE], 1, 0, (), "x", datetime(2026, 11, 24, tzinfo=UTC)))
    run.write_samples([SAMPLE])
    write_journal(run.journal, results)
    seal(run, scored)
    return run


def failed(took: float = 60.0) -> Result:
    rate_limit = Failure(error_class="rate_limit", message="slow down", status=429)
    timeout = Failure(error_class="timeout", message="not done after 60 s")
    return Result(
        candidate="mini",
        sample=SAMPLE.id,
        repeat=0,
        intended=1.0,
        attempts=(
            Attempt(started=1.0, took=0.1, status=429, failure=rate_limit, usage=Usage(input=3), cost=0.0),
            Attempt(started=2.0, took=took, failure=timeout, usage=Usage(input=5, output=2), cost=0.001),
        ),
        cost=0.001,
    )


def answered(text: str = "forty-two", **more: object) -> Result:
    answer = msgspec.structs.replace(
        Answer(
            text=text,
            tool_calls=(ToolCall(id="1", name="f", arguments="{}"),),
            usage=Usage(input=10, output=4, cached=6),
            latency=Latency(total=0.5, ttft=0.2, gaps=(0.01, 0.02)),
            finish_reason="stop",
        ),
        **more,
    )
    return Result(
        candidate="mini",
        sample=SAMPLE.id,
        repeat=1,
        intended=1.0,
        attempts=(Attempt(started=1.0, took=0.5, status=200),),
        answer=answer,
    )


def only_row(run: Run) -> dict[str, object]:
    return {name: values[0] for name, values in columns(run, list(RESULT_COLUMNS)).items()}


def test_a_failed_request_is_a_failed_sample_and_its_latency_is_censored(tmp_path: Path) -> None:
    """inspect_ai#3707, #2914: errors do not leave the denominator, and have no latency that could improve P99."""
    row = only_row(sealed_with(tmp_path, [failed()], []))
    assert (row["ok"], row["success"], row["error_class"]) == (False, False, "timeout")
    assert (row["ttft"], row["total"], row["text"]) == (None, None, None)
    assert row["gave_up_after"] == pytest.approx(61.0)
    assert (row["attempts"], row["retried"]) == (2, ["rate_limit"])
    assert (row["cost"], row["input_tokens"], row["output_tokens"]) == (0.001, 8, 2)


def test_an_answer_is_kept_with_its_timings_tokens_and_tools(tmp_path: Path) -> None:
    verdict = Scored(candidate="mini", sample=SAMPLE.id, repeat=1, success=True)
    row = only_row(sealed_with(tmp_path, [answered()], [verdict]))
    assert (row["ok"], row["success"], row["text"]) == (True, True, "forty-two")
    assert (row["ttft"], row["total"], row["gaps"]) == (0.2, 0.5, [0.01, 0.02])
    assert (row["input_tokens"], row["cached_tokens"], row["reasoning_tokens"]) == (10, 6, None)
    assert (row["cluster"], row["tags"]) == ("conversation-0", ["sentiment", "long"])
    assert '"arguments":"{}"' in str(row["tool_calls"])


def test_an_answer_that_could_not_be_judged_is_neither_success_nor_failure(tmp_path: Path) -> None:
    """inspect_ai#4286: inconclusive is its own state, not a zero and not a gap nobody sees."""
    unscorable = Score.unscorable("answer", "no number in the text")
    verdict = Scored(candidate="mini", sample=SAMPLE.id, repeat=1, success=None, scores=(unscorable,))
    run = sealed_with(tmp_path, [answered()], [verdict])
    assert only_row(run)["success"] is None
    scores = columns(run, ["value", "passed", "explanation"], table="scores")
    assert scores == {"value": [None], "passed": [None], "explanation": ["no number in the text"]}


def test_an_unknown_cost_is_null_and_never_zero(tmp_path: Path) -> None:
    assert only_row(sealed_with(tmp_path, [answered()], []))["cost"] is None


@pytest.mark.parametrize("text", ["", "a\x00b", "snow \u2603 \U0001f600", 'quote " and \\ and \n', "x" * 20_000_000])
def test_any_text_a_model_sends_comes_back_unchanged(tmp_path: Path, text: str) -> None:
    assert only_row(sealed_with(tmp_path, [answered(text)], []))["text"] == text


def test_extracted_values_of_any_shape_are_kept_as_json(tmp_path: Path) -> None:
    scores = tuple(
        Score(scorer=f"s{n}", value=1.0, passed=True, extracted=value)
        for n, value in enumerate([None, 3, "x", {"a": [1, 2]}])
    )
    verdict = Scored(candidate="mini", sample=SAMPLE.id, repeat=1, success=True, scores=scores)
    run = sealed_with(tmp_path, [answered()], [verdict])
    assert columns(run, ["extracted"], table="scores")["extracted"] == [None, "3", '"x"', '{"a":[1,2]}']


def test_sealing_twice_gives_the_same_tables(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=20)
    first = columns(run, list(RESULT_COLUMNS))
    seal(run)
    assert columns(run, list(RESULT_COLUMNS)) == first


def test_a_damaged_journal_seals_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=3, sealed=False)
    with run.journal.open("ab") as file:
        file.write(b"not json\n")
    with pytest.raises(UsageError, match="damaged line"):
        seal(run)
    assert not run.results_table.exists()
    assert [entry.name for entry in run.folder.iterdir() if ".tmp" in entry.name] == []
