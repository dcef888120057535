"""Results as arrays keep failures in, unknowns apart, and every column aligned."""

from pathlib import Path

import numpy as np
import pytest
from tests.synthetic_runs import CANDIDATES, MINI, SMOL, Made, make_run

from weighbridge.evaluation.outcomes import load


def test_failures_are_infinitely_late_and_never_a_success(tmp_path: Path) -> None:
    """inspect_ai#3707: an error stays in the denominator."""
    spec = Made("shaky", 2.0, (1.0, 1.0), 0.2, errors=0.4)
    found = load(make_run(tmp_path, candidates=[spec], samples=60))["shaky"]
    assert len(found) == 60
    failed = ~found.ok
    assert 10 < failed.sum() < 40
    assert np.isinf(found.total[failed]).all()
    assert np.isinf(found.ttft[failed]).all()
    assert (found.success[failed] == 0).all()
    assert (found.values["answer"][failed] == 0).all()
    assert np.isfinite(found.total[found.ok]).all()


def test_an_answer_that_could_not_be_judged_is_nan(tmp_path: Path) -> None:
    spec = Made("vague", 2.0, (1.0, 1.0), 0.2, errors=0.0, unscorable=0.3)
    found = load(make_run(tmp_path, candidates=[spec], samples=60))["vague"]
    unscored = np.isnan(found.success)
    assert 5 < unscored.sum() < 35
    assert (np.isnan(found.values["answer"]) == unscored).all()
    assert not np.isnan(found.values["length"]).any()


def test_an_unknown_price_is_nan_and_never_zero(tmp_path: Path) -> None:
    found = load(make_run(tmp_path, candidates=[Made("free", 1.0, None, 0.2, errors=0.0)], samples=10))["free"]
    assert np.isnan(found.cost).all()


def test_candidates_come_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    assert list(load(make_run(tmp_path, samples=3))) == [spec.name for spec in CANDIDATES]


@pytest.mark.parametrize(("repeats", "clusters", "clustered"), [(1, 0, False), (3, 0, True), (1, 4, True)])
def test_repeats_and_conversations_make_clusters(tmp_path: Path, repeats: int, clusters: int, clustered: bool) -> None:
    found = load(make_run(tmp_path, candidates=[MINI], samples=8, repeats=repeats, clusters=clusters))["mini"]
    assert found.clustered is clustered
    assert len(set(found.cluster)) == (clusters or 8)
    assert len(found) == 8 * repeats


def test_a_part_keeps_its_columns_aligned(tmp_path: Path) -> None:
    found = load(make_run(tmp_path, candidates=[SMOL], samples=40))["smol"]
    keep = np.array(["facts" in tags for tags in found.tags])
    part = found.only(keep)
    assert len(part) == keep.sum() == 8
    assert all("facts" in tags for tags in part.tags)
    assert (part.cost == found.cost[keep]).all()
    assert (part.values["answer"] == found.values["answer"][keep]).all()


def test_a_killed_run_is_read_from_its_journal(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=10, sealed=False, scored=False)
    run.journal.write_bytes(run.journal.read_bytes()[:-9])
    found = load(run)
    assert sum(map(len, found.values())) == 39
    assert np.isnan(found["mini"].success[found["mini"].ok]).all()
