"""Sample by sample: prompts and answers as people read them, bounded in size, nothing cut silently."""

from pathlib import Path

import msgspec
import pytest
from tests.synthetic_runs import MINI, SONNET, Made, make_run

from weighbridge.evaluation import differences
from weighbridge.evaluation.differences import answer_text, explorer, prompt_text
from weighbridge.replay.result import Result


def test_every_sample_has_each_candidates_answer_and_scores(tmp_path: Path) -> None:
    found = explorer(make_run(tmp_path, candidates=[MINI, SONNET], samples=30))
    assert found.samples == len(found.rows) == 30
    assert found.cut == ""
    row = next(row for row in found.rows if not any(cell.error for cell in row.cells.values()))
    assert set(row.cells) == {"mini", "sonnet"}
    assert row.expected[0].startswith("answer ")
    scorer, value, passed, why, taken = row.cells["mini"].scores[0]
    assert (scorer, passed) == ("answer", bool(value))
    assert why
    assert '"from":"text"' in taken


def test_samples_where_candidates_differ_come_first(tmp_path: Path) -> None:
    rows = explorer(make_run(tmp_path, samples=40)).rows
    flags = [row.differs for row in rows]
    assert flags == sorted(flags, reverse=True)
    assert True in flags
    assert False in flags


def test_with_repeats_the_failing_answer_is_shown(tmp_path: Path) -> None:
    """promptfoo#5947: repeats are counted, not averaged away."""
    found = explorer(make_run(tmp_path, candidates=[MINI], samples=20, repeats=4))
    cells = [row.cells["mini"] for row in found.rows]
    mixed = next(cell for cell in cells if 0 < cell.passes < 4)
    assert (mixed.times, mixed.success) == (4, False)
    assert {cell.times for cell in cells} == {4}


def test_a_failed_request_shows_its_error(tmp_path: Path) -> None:
    dead = Made("dead", 1.0, (1.0, 1.0), 0.2, errors=1.0)
    cell = explorer(make_run(tmp_path, candidates=[dead], samples=1)).rows[0].cells["dead"]
    assert cell.success is False
    assert cell.error.partition(":")[0] in ("timeout", "capacity")


def test_long_texts_are_cut_and_counted(tmp_path: Path) -> None:
    found = explorer(make_run(tmp_path, candidates=[MINI], samples=3, text="x" * 9_000))
    assert found.cut == "3 texts were cut to 8,000 characters."
    assert found.rows[0].prompt.endswith("more characters]")


def test_too_many_samples_for_one_page_are_left_out_and_counted(tmp_path: Path) -> None:
    """inspect_ai#2418, #1375: a viewer stays small on big sets, and says what is not there."""
    run = make_run(tmp_path, candidates=[MINI, SONNET], samples=60, text="word " * 50)
    found = explorer(run, most_bytes=20_000)
    assert len(msgspec.json.encode(found.rows)) < 20_000
    assert 5 < len(found.rows) < 60
    assert f"{60 - len(found.rows)} of 60 samples were left out" in found.cut
    assert "texts were cut to 160 characters" in found.cut


def test_of_a_large_run_only_the_samples_that_differ_most_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, samples=60, repeats=3)
    whole = explorer(run)
    spreads = [
        max(c.passes for c in row.cells.values()) - min(c.passes for c in row.cells.values()) for row in whole.rows
    ]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > spreads[-1]
    read: set[str] = set()

    def text(result: Result) -> str:
        read.add(result.sample)
        return answer_text(result)

    monkeypatch.setattr(differences, "answer_text", text)
    found = explorer(run, most_samples=10)
    assert found.rows == whole.rows[:10]
    assert (found.samples, read) == (60, {row.sample for row in found.rows})
    assert "50 of 60 samples were left out" in found.cut


def test_no_more_of_a_text_is_held_than_may_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With many texts, less of each; how long it was is told all the same."""
    monkeypatch.setattr(differences, "MOST_HELD", 60 * 1_000)
    found = explorer(make_run(tmp_path, candidates=[MINI], samples=20, text="x" * 9_000))
    assert "20 texts were cut to 600 characters." in found.cut
    assert all(600 < len(row.prompt) < 640 for row in found.rows)
    assert "more characters]" in found.rows[0].prompt


def test_a_verdict_given_again_and_a_run_not_sealed_are_shown_as_they_count(tmp_path: Path) -> None:
    run = make_run(tmp_path, candidates=[MINI], samples=5, sealed=False)
    first = next(iter(run.scored().values()))
    with run.scoring() as log:
        log.append(msgspec.structs.replace(first, success=None, scores=()))
    rows = {row.sample: row for row in explorer(run).rows}
    cell = rows[first.sample].cells["mini"]
    assert (cell.success, cell.scores) == (None, ())


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, "hi"),
        ({"prompt": "2 + 2 ="}, "2 + 2 ="),
        ({"prompt": ["a", "b"]}, '["a","b"]'),
        ({}, ""),
        (
            {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]},
            "system: be brief\n\nuser: hi",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url"}]}]},
            "see [image_url]",
        ),
        ({"messages": [{"role": "assistant", "content": None}, "odd"]}, "assistant: "),
    ],
)
def test_prompts_read_as_they_were_asked(request_: dict[str, object], says: str) -> None:
    assert prompt_text(request_) == says


def test_text_that_fits_is_not_touched() -> None:
    assert differences.cut_text("abc", 3) == "abc"
    assert differences.cut_text("abcd", 3) == "abc… [1 more characters]"
