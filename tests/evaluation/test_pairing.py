"""Pairs by sample, against independent implementations."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats as reference
from tests.synthetic_runs import MINI, SONNET, Made, make_run

from weighbridge.evaluation import pairing
from weighbridge.evaluation.outcomes import Outcomes, load


def pair(home: Path, *candidates: Made, samples: int = 80, repeats: int = 1) -> list[Outcomes]:
    found = load(make_run(home, candidates=candidates, samples=samples, repeats=repeats))
    return [found[spec.name] for spec in candidates]


def test_the_exact_test_is_the_binomial_test_of_discordant_pairs(tmp_path: Path) -> None:
    before, after = pair(tmp_path, MINI, SONNET)
    found = pairing.success(before, after, 0.95)
    broke = int(((before.success == 1) & (after.success == 0)).sum())
    fixed = int(((before.success == 0) & (after.success == 1)).sum())
    assert found is not None
    assert found.p == pytest.approx(reference.binomtest(min(broke, fixed), broke + fixed).pvalue)
    assert found.difference.value == pytest.approx((fixed - broke) / 80)


def test_values_between_zero_and_one_are_not_forced_into_pass_and_fail(tmp_path: Path) -> None:
    before, after = pair(tmp_path, MINI, SONNET, samples=40)
    before.values["answer"][:] = np.linspace(0, 0.9, 40)
    found = pairing.values(before, after, "answer", 0.95)
    assert found is not None
    assert found.test == "clustered permutation"


def test_the_typical_delay_is_the_median_of_paired_differences(tmp_path: Path) -> None:
    before, after = pair(
        tmp_path, Made("a", 1.0, (1.0, 1.0), 0.2, errors=0.0), Made("b", 1.0, (1.0, 1.0), 0.5, errors=0.0)
    )
    found = pairing.typical_delay(before, after, "ttft", 0.95)
    assert found.value == pytest.approx(float(np.median(after.ttft - before.ttft)), abs=0.02)
    assert 0 < found.lower < (found.value or 0) < found.upper


def test_a_failure_on_one_side_is_a_difference_beyond_all_others(tmp_path: Path) -> None:
    before, after = pair(
        tmp_path, Made("a", 1.0, (1.0, 1.0), 0.2, errors=0.0), Made("b", 1.0, (1.0, 1.0), 0.2, errors=0.9)
    )
    assert pairing.typical_delay(before, after, "total", 0.95).why == "most requests failed on one side"
    assert pairing.typical_delay(after, before, "total", 0.95).why == "most requests failed on one side"


def test_latency_nobody_measured_is_said(tmp_path: Path) -> None:
    before, after = pair(tmp_path, MINI, SONNET, samples=5)
    before.ttft[:] = np.nan
    assert pairing.typical_delay(before, after, "ttft", 0.95).why == "not measured on both sides"


def test_the_cost_difference_is_that_of_the_shared_requests(tmp_path: Path) -> None:
    before, after = pair(tmp_path, MINI, SONNET)
    found = pairing.cost_difference(before, after, 0.95)
    assert found.value == pytest.approx(
        after.cost.sum() / after.success.sum() - before.cost.sum() / before.success.sum()
    )
    assert found.lower > 0


def test_needed_samples_are_more_than_were_enough_for_nothing(tmp_path: Path) -> None:
    before, after = pair(tmp_path, MINI, Made("mini-b", 1.25, (1.0, 1.0), 0.3), samples=60)
    gap = float((after.success - before.success).mean())
    assert pairing.needed(before, after, 0.95) is None if gap == 0 else (pairing.needed(before, after, 0.95) or 0) > 1
    assert pairing.needed(before, before, 0.95) is None
