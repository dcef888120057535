"""A distribution small enough to draw still says how many never arrived."""

from pathlib import Path

import numpy as np
from tests.synthetic_runs import MINI, Made, make_run

from weighbridge.evaluation.distributions import POINTS, distribution
from weighbridge.evaluation.outcomes import load


def test_failures_keep_the_curve_below_one(tmp_path: Path) -> None:
    spec = Made("shaky", 1.0, (1.0, 1.0), 0.2, errors=0.3)
    outcomes = load(make_run(tmp_path, candidates=[spec], samples=100))["shaky"]
    found = distribution(outcomes, "total")
    assert found is not None
    assert found.n == 100
    assert found.failed == int((~outcomes.ok).sum()) > 0
    assert found.points[-1][1] == 1 - found.failed / 100
    assert found.points[-1][0] == round(float(outcomes.total[outcomes.ok].max()), 6)


def test_a_curve_rises_and_has_few_points(tmp_path: Path) -> None:
    found = distribution(load(make_run(tmp_path, candidates=[MINI], samples=1000))["mini"], "ttft")
    assert found is not None
    assert len(found.points) <= POINTS
    assert list(found.points) == sorted(found.points)
    assert all(np.diff([share for _, share in found.points]) > 0)


def test_nothing_answered_is_nothing_to_draw(tmp_path: Path) -> None:
    dead = Made("dead", 1.0, (1.0, 1.0), 0.2, errors=1.0)
    assert distribution(load(make_run(tmp_path, candidates=[dead], samples=5))["dead"], "total") is None
