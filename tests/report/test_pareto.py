"""The trade-off chart: intervals both ways, a frontier, and names that can be read."""

import itertools
import re

from weighbridge.evaluation.estimate import Estimate
from weighbridge.evaluation.figures import CandidateFigures
from weighbridge.evaluation.wording import MoneyScale
from weighbridge.report.pareto import frontier, pareto

MONEY = MoneyScale.fitting([0.01])


def candidate(name: str, cost: float | None, quality: float) -> CandidateFigures:
    spent = (
        Estimate(why="the price is unknown") if cost is None else Estimate(value=cost, low=cost * 0.9, high=cost * 1.1)
    )
    return CandidateFigures(
        candidate=name,
        results=100,
        samples=100,
        successes=round(100 * quality),
        quality=Estimate(value=quality, low=quality - 0.05, high=min(1.0, quality + 0.05), n=100),
        cost_per_success=spent,
        error_rate=Estimate(value=0.0),
    )


def drawn(*candidates: CandidateFigures, quality_min: float | None = None, cost_max: float | None = None) -> str:
    places = {found.candidate: place for place, found in enumerate(candidates)}
    return pareto(candidates, places, money=MONEY, quality_min=quality_min, cost_max=cost_max)


def test_the_frontier_leaves_out_what_another_beats_on_both() -> None:
    cheap, good, beaten = candidate("cheap", 0.01, 0.6), candidate("good", 0.05, 0.9), candidate("beaten", 0.06, 0.7)
    assert [found.candidate for found in frontier([beaten, good, cheap])] == ["cheap", "good"]


def test_every_candidate_has_two_error_bars_and_a_name() -> None:
    text = drawn(candidate("a", 0.01, 0.6), candidate("b", 0.05, 0.9))
    assert len(re.findall(r'class="whisker c0"', text)) == 6
    assert 'class="name" text-anchor="start">a</text>' in text
    assert "a: 60% [55, 65%] at $0.01 [0.009, 0.011]" in text


def test_constraints_are_drawn_as_a_field() -> None:
    text = drawn(candidate("a", 0.01, 0.6), candidate("b", 0.05, 0.9), quality_min=0.7, cost_max=0.04)
    assert 'class="allowed"' in text
    assert "quality at least 70%" in text
    assert "at most $0.04" in text
    assert 'class="allowed"' not in drawn(candidate("a", 0.01, 0.6))


def test_a_candidate_of_unknown_cost_is_named_as_not_drawn() -> None:
    text = drawn(candidate("a", 0.01, 0.6), candidate("free", None, 0.9))
    assert "not drawn, cost per success not known: free" in text
    assert drawn(candidate("free", None, 0.9)) == ""


def test_names_of_close_candidates_do_not_lie_on_each_other() -> None:
    text = drawn(*(candidate(f"candidate-{n}", 0.01 + n * 1e-5, 0.8) for n in range(5)))
    places = [(float(x), float(y)) for x, y in re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="name"', text)]
    heights = sorted(y for _, y in places)
    assert all(after - before > 12 for before, after in itertools.pairwise(heights))


def test_one_candidate_is_enough_for_a_chart() -> None:
    assert drawn(candidate("only", 0.01, 1.0)).startswith("<svg")
