"""What broke, what was fixed, and whether it is noise: always paired by sample."""

from pathlib import Path

from tests.synthetic_runs import MINI, SMOL, SONNET, Made, make_run

from weighbridge.evaluation.changes import Side, changes, rates
from weighbridge.evaluation.comparison import Comparison, compare, overall
from weighbridge.evaluation.outcomes import load
from weighbridge.store.run import Run


def sides(run: Run, *names: str) -> list[Side]:
    outcomes = load(run)
    return [Side(run, outcomes[name]) for name in names]


def two(home: Path, before: Made, after: Made, *, samples: int = 60, repeats: int = 1, clusters: int = 0) -> Comparison:
    run = make_run(home, candidates=[before, after], samples=samples, repeats=repeats, clusters=clusters)
    left, right = sides(run, before.name, after.name)
    return compare([(left, right)])[0]


def test_a_better_candidate_is_found_better(tmp_path: Path) -> None:
    """inspect_ai#2176: the paired test between two models, without dumping JSON and coding it by hand."""
    found = two(tmp_path, SMOL, SONNET, samples=100)
    assert found.finding == "better"
    success = found.criteria[0]
    assert (success.name, success.test) == ("success", "exact McNemar")
    assert success.p_adjusted < 0.001
    assert success.difference.lower > 0
    assert found.mended - found.broken == round(100 * (success.after - success.before))
    assert found.sentence.startswith("sonnet is better than smol: ")
    assert found.needed is None


def test_what_broke_is_listed_with_both_answers(tmp_path: Path) -> None:
    found = two(tmp_path, SONNET, SMOL, samples=60)
    assert found.finding == "worse"
    assert len(found.broke) == found.broken > 10
    change = next(change for change in found.broke if not change.after.startswith("["))
    assert change.before.startswith("The answer is: answer ")
    assert change.after.startswith("I am not sure")
    assert change.prompt
    assert change.expected
    assert "missing" in change.why_after
    assert (change.rate_before, change.rate_after) == (1.0, 0.0)


def test_the_same_candidate_again_is_noise_and_says_what_it_would_take(tmp_path: Path) -> None:
    """BFCL-like reruns: some samples change although nothing did."""
    before = make_run(tmp_path, candidates=[MINI], samples=80, seed=1)
    after = make_run(tmp_path, candidates=[MINI], samples=80, seed=2)
    found = compare([(sides(before, "mini")[0], sides(after, "mini")[0])])[0]
    assert found.finding == "no difference shown"
    assert found.broken > 0
    assert found.mended > 0
    assert "No difference in quality is shown between mini before and mini after" in found.sentence
    assert found.needed is None or found.needed > 80


def test_a_run_compared_with_itself_changed_nothing(tmp_path: Path) -> None:
    one = sides(make_run(tmp_path, candidates=[MINI], samples=30), "mini")[0]
    found = compare([(one, one)])[0]
    assert (found.broken, found.mended, found.finding, found.needed) == (0, 0, "no difference shown", None)
    assert not any(shift.sure for shift in found.shifts)


def test_cost_latency_and_errors_differ_with_intervals(tmp_path: Path) -> None:
    shifts = {shift.name: shift for shift in two(tmp_path, MINI, SONNET, samples=150).shifts}
    assert list(shifts) == ["cost_per_success", "ttft_p50", "ttft_p95", "total_p50", "total_p95", "error_rate"]
    assert shifts["cost_per_success"].sure
    assert shifts["ttft_p50"].sure
    assert 0.2 < (shifts["ttft_p50"].difference.value or 0) < 0.6
    assert not shifts["error_rate"].sure


def test_an_unknown_price_on_one_side_is_said(tmp_path: Path) -> None:
    shift = two(tmp_path, MINI, Made("free", 1.0, None, 0.3), samples=20).shifts[0]
    assert shift.difference.why == "a price is unknown"


def test_repeats_and_conversations_are_clustered(tmp_path: Path) -> None:
    """inspect_ai#4206: pairs of one conversation are not independent, so McNemar alone would be too sure."""
    found = two(tmp_path, SMOL, SONNET, samples=40, repeats=3, clusters=8)
    assert found.samples == 40
    assert found.criteria[0].test == "clustered permutation"
    assert {change.rate_before for change in found.fixed} - {0.0, 1.0}


def test_a_scorer_that_repeats_success_is_not_tested_twice(tmp_path: Path) -> None:
    assert [one.name for one in two(tmp_path, MINI, SONNET, samples=30).criteria] == ["success", "length"]


def test_many_pairs_are_corrected_together(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=60)
    mini, terse, sonnet = sides(run, "mini", "mini-terse", "sonnet")
    alone = compare([(mini, sonnet)])[0].criteria[0]
    together = compare([(mini, sonnet), (mini, terse), (terse, sonnet)])[0].criteria[0]
    assert together.p == alone.p
    assert together.p_adjusted > alone.p_adjusted


def test_only_shared_samples_are_compared_and_the_rest_is_counted(tmp_path: Path) -> None:
    short = make_run(tmp_path, candidates=[MINI], samples=30)
    long = make_run(tmp_path, candidates=[MINI], samples=50, seed=7)
    found = compare([(sides(short, "mini")[0], sides(long, "mini")[0])])[0]
    assert found.samples + found.only_after == 50
    assert "Only samples judged on both sides are compared" in found.notes[0]


def test_runs_that_share_nothing_compare_to_nothing(tmp_path: Path) -> None:
    left = make_run(tmp_path, candidates=[MINI], samples=5, text="one")
    right = make_run(tmp_path, candidates=[MINI], samples=5, text="another")
    assert compare([(sides(left, "mini")[0], sides(right, "mini")[0])]) == []


def test_the_worst_finding_of_several_counts(tmp_path: Path) -> None:
    better, worse = two(tmp_path, SMOL, SONNET, samples=60), two(tmp_path, SONNET, SMOL, samples=60)
    assert overall([better, worse]) == "worse"
    assert overall([better]) == "better"
    assert overall([]) == "no difference shown"


def test_changes_are_sorted_by_size(tmp_path: Path) -> None:
    left, right = sides(make_run(tmp_path, candidates=[SMOL, SONNET], samples=30, repeats=3), "smol", "sonnet")
    broke, fixed = changes(left, right, rates(left.outcomes))
    moves = [change.rate_after - change.rate_before for change in fixed]
    assert moves == sorted(moves, reverse=True)
    assert all(change.rate_after < change.rate_before for change in broke)
