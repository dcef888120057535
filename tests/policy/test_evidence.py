"""Runs become a table: every candidate on the same rows, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.synthetic_runs import make_run

from weighbridge.errors import UsageError
from weighbridge.policy.evidence import read


def test_every_candidate_has_every_row(tmp_path: Path) -> None:
    """Rows are requests that all were asked and judged on; success, cost, time and tokens are as the run has them."""
    run = make_run(tmp_path, samples=60)
    table = read([run])
    assert len(table) == 60
    assert table.left_out == 0
    assert set(table.candidates) == {"mini", "mini-terse", "sonnet", "smol"}
    verdicts = run.scored()
    for name, results in table.candidates.items():
        wanted = sum(one.success is True for key, one in verdicts.items() if key[0] == name)
        assert results.right.sum() == wanted
        assert np.isfinite(results.seconds).all()
        assert np.isfinite(results.tokens[results.ok == 1]).all()
    assert all("what is" in prompt for prompt in table.prompts)


def test_parts_share_no_cluster_and_lose_no_row(tmp_path: Path) -> None:
    """What is fitted on one part is tested on another: rows of one conversation stay together."""
    table = read([make_run(tmp_path, samples=120, clusters=30)])
    parts = table.parts((0.5, 0.25, 0.25), seed=3)
    names = [set(part.cluster) for part in parts]
    assert sum(len(part) for part in parts) == len(table)
    assert sum(len(found) for found in names) == len(set(table.cluster))
    assert sorted(map(len, names)) == [7, 8, 15]


def test_independent_rows_are_one_of_each_cluster(tmp_path: Path) -> None:
    """Exact tests need rows that do not know of each other: repeats and conversations count once."""
    table = read([make_run(tmp_path, samples=60, repeats=2, clusters=20)])
    assert len(table.independent()) == 20
    assert len(set(table.independent().cluster)) == 20


def test_what_was_not_judged_is_left_out_and_counted(tmp_path: Path) -> None:
    """A row that one candidate has no verdict on says nothing of the others either."""
    run = make_run(tmp_path, samples=30)
    lines = run.score_log.read_bytes().splitlines(keepends=True)
    run.score_log.write_bytes(b"".join(lines[1:]))
    table = read([run])
    assert len(table) + table.left_out == 30
    assert table.left_out <= 1


def test_no_run_is_one_clear_line() -> None:
    """No evidence, no policy."""
    with pytest.raises(UsageError, match="no evidence"):
        read([])
