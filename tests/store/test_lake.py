"""People can ask SQL of every run, sealed or not, and the answers agree."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.synthetic_runs import CANDIDATES, make_run

from weighbridge.errors import UsageError
from weighbridge.store.lake import Lake, columns
from weighbridge.store.rows import RESULT_COLUMNS, SCORE_COLUMNS
from weighbridge.store.sealing import seal


def test_a_query_sees_sealed_and_running_runs_alike(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    make_run(tmp_path, samples=10, created=now)
    make_run(tmp_path, samples=6, created=now + timedelta(minutes=1), sealed=False)
    found = Lake(tmp_path).query("SELECT run, count(*) FROM results GROUP BY run ORDER BY run")
    assert found.columns == ("run", "count_star()")
    assert [count for _, count in found.rows] == [40, 24]


def test_sealing_changes_no_value(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=30, sealed=False)
    live = columns(run, list(RESULT_COLUMNS)), columns(run, list(SCORE_COLUMNS), table="scores")
    seal(run)
    assert run.sealed()
    assert (columns(run, list(RESULT_COLUMNS)), columns(run, list(SCORE_COLUMNS), table="scores")) == live


def test_results_join_scores_and_keep_their_types(tmp_path: Path) -> None:
    make_run(tmp_path, samples=25)
    found = Lake(tmp_path).query(
        "SELECT candidate, avg(value) AS mean, list_contains(any_value(tags), 'facts'), max(len(gaps)) "
        "FROM results JOIN scores USING (run, candidate, sample, repeat) WHERE scorer = 'answer' GROUP BY candidate"
    )
    assert {row[0] for row in found.rows} == {spec.name for spec in CANDIDATES}
    assert all(0 <= row[1] <= 1 for row in found.rows)
    assert {row[3] for row in found.rows} == {12}


def test_a_database_prints_no_progress_of_its_own() -> None:
    """It would, on stdout, in a process that was started with -c: the one that seals beside the gateway is."""
    asked = "SELECT value FROM duckdb_settings() WHERE name = 'enable_progress_bar'"
    code = f"from weighbridge.store.tables import connect; print(connect().execute({asked!r}).fetchone()[0])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "false\n"


def test_an_empty_lake_has_empty_tables(tmp_path: Path) -> None:
    found = Lake(tmp_path).query("SELECT * FROM scores")
    assert found.columns == tuple(SCORE_COLUMNS)
    assert found.rows == []


def test_bad_sql_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^SQL: this query was refused: Parser Error") as caught:
        Lake(tmp_path).query("SELEKT 1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 40, -1])
def test_a_damaged_table_is_one_line_that_says_where_and_what_to_do(tmp_path: Path, keep: int) -> None:
    run = make_run(tmp_path, samples=5)
    run.results_table.write_bytes(run.results_table.read_bytes()[:keep])
    with pytest.raises(UsageError, match="Delete that file; the table is made again") as caught:
        columns(run, ["candidate"])
    assert str(run.folder) in str(caught.value)
    run.results_table.unlink()
    assert len(columns(run, ["candidate"])["candidate"]) == 20


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    made = [make_run(tmp_path, samples=1, created=now + timedelta(seconds=step)).id for step in range(3)]
    lake = Lake(tmp_path)
    assert [run.id for run in lake.runs()] == made[::-1]
    assert lake.open().id == made[-1]
