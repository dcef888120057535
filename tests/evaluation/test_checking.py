"""A constraint is met, failed or not shown, and never decided by a bare number."""

from pathlib import Path

import pytest
from tests.synthetic_runs import Made, make_run

from weighbridge.errors import UsageError
from weighbridge.evaluation import checking, measuring
from weighbridge.evaluation.outcomes import load
from weighbridge.evaluation.verdict import Assessment, Check
from weighbridge.store.manifest import Constraint

GOOD = Made("c", 6.0, (1.0, 1.0), 0.2, errors=0.0)


def checked(home: Path, spec: Made, constraint: Constraint, samples: int = 150) -> Check:
    return assessed(home, spec, [constraint], samples).checks[0]


def assessed(home: Path, spec: Made, constraints: list[Constraint], samples: int = 150) -> Assessment:
    outcomes = load(make_run(home, candidates=[spec], samples=samples))["c"]
    return checking.assess(outcomes, measuring.measure(outcomes), constraints, 60.0)


@pytest.mark.parametrize(
    ("figure", "limit", "outcome"),
    [
        ("quality", 0.5, "meets"),
        ("quality", 0.97, "not shown"),
        ("cost_per_success", 1.0, "meets"),
        ("cost_per_success", 0.0000001, "fails"),
        ("error_rate", 0.1, "meets"),
        ("error_rate", 0.001, "not shown"),
        ("ttft_p50", 1.0, "meets"),
        ("ttft_p95", 0.01, "fails"),
        ("total_p95", 50.0, "meets"),
        ("total_p99", 50.0, "not shown"),
    ],
)
def test_each_figure_is_held_against_its_limit(tmp_path: Path, figure: str, limit: float, outcome: str) -> None:
    found = checked(tmp_path, GOOD, Constraint(figure=figure, limit=limit))
    assert found.outcome == outcome
    assert (found.more is not None) == (outcome == "not shown")


def test_p99_can_fail_long_before_it_can_be_estimated(tmp_path: Path) -> None:
    """With 20 results P99 has no number, but all of them being too slow is proof enough."""
    found = checked(tmp_path, GOOD, Constraint(figure="ttft_p99", limit=0.001), samples=20)
    assert found.outcome == "fails"
    assert found.estimate.value is None


def test_failed_requests_count_as_slower_than_any_limit(tmp_path: Path) -> None:
    shaky = Made("c", 6.0, (1.0, 1.0), 0.2, errors=0.3)
    assert checked(tmp_path, shaky, Constraint(figure="total_p95", limit=1000.0)).outcome == "fails"


def test_answers_that_could_not_be_judged_never_help(tmp_path: Path) -> None:
    """inspect_ai#4286: leaving them out would show 99%; they may all be wrong."""
    vague = Made("c", 6.0, (1.0, 1.0), 0.2, errors=0.0, unscorable=0.3)
    found = checked(tmp_path, vague, Constraint(figure="quality", limit=0.9))
    assert found.outcome == "not shown"
    assert found.estimate.value is not None
    assert found.estimate.value > 0.95


def test_an_unknown_price_is_not_shown_and_no_number_of_results_helps(tmp_path: Path) -> None:
    free = Made("c", 6.0, None, 0.2, errors=0.0)
    found = checked(tmp_path, free, Constraint(figure="cost_per_success", limit=1.0))
    assert (found.outcome, found.more, found.estimate.why) == ("not shown", None, "the price is unknown")


def test_one_failed_constraint_fails_a_candidate(tmp_path: Path) -> None:
    constraints = [
        Constraint(figure="quality", limit=0.5),
        Constraint(figure="ttft_p95", limit=0.01),
        Constraint(figure="total_p99", limit=50.0),
    ]
    assert assessed(tmp_path, GOOD, constraints).outcome == "fails"
    assert assessed(tmp_path, GOOD, constraints[::2]).outcome == "not shown"
    assert assessed(tmp_path, GOOD, constraints[:1]).outcome == "meets"
    assert assessed(tmp_path, GOOD, []).outcome == "meets"


def test_more_confidence_asks_for_more(tmp_path: Path) -> None:
    limit = 0.93
    assert checked(tmp_path, GOOD, Constraint(figure="quality", limit=limit, confidence=0.5)).outcome == "meets"
    assert checked(tmp_path, GOOD, Constraint(figure="quality", limit=limit, confidence=0.9999)).outcome == "not shown"


def test_a_figure_nobody_knows_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no figure is called 'speed'"):
        checked(tmp_path, GOOD, Constraint(figure="speed", limit=1.0), samples=3)
