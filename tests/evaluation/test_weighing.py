"""The verdict: the cheapest candidate that is shown to meet everything, in one sentence, or why there is none."""

from pathlib import Path

from tests.synthetic_runs import MINI, MINI_TERSE, SMOL, SONNET, Made, make_run

from weighbridge.evaluation.weighing import Weighed, weigh
from weighbridge.store.manifest import Constraint, Saturation

LENIENT = (Constraint(figure="quality", limit=0.5), Constraint(figure="cost_per_success", limit=0.01))
STRICT = (Constraint(figure="quality", limit=0.8), Constraint(figure="ttft_p95", limit=0.6))


def weighed(
    home: Path, *candidates: Made, constraints: tuple[Constraint, ...] = LENIENT, samples: int = 200
) -> Weighed:
    return weigh(make_run(home, candidates=candidates, samples=samples, constraints=constraints))


def test_the_cheapest_that_meets_every_constraint_is_picked(tmp_path: Path) -> None:
    verdict = weighed(tmp_path, MINI, MINI_TERSE, SONNET, SMOL).verdict
    assert verdict.pick == "mini-terse"
    assert verdict.sentence.startswith(
        "Use mini-terse for support-reply: the cheapest per success of the 3 candidates shown to meet every "
        "constraint, with quality 7"
    )
    assert "the quality of sonnet is higher (+" in verdict.sentence
    assert "times the cost" in verdict.sentence
    assert "\n" not in verdict.sentence


def test_rivals_are_paired_and_corrected_for_their_number(tmp_path: Path) -> None:
    """inspect_ai#2176, #4206; lm-evaluation-harness#3831: paired by sample, McNemar, Holm."""
    rivals = weighed(tmp_path, MINI, MINI_TERSE, SONNET, SMOL).verdict.rivals
    assert {rival.candidate for rival in rivals} == {"mini", "sonnet", "smol"}
    assert all(rival.p <= rival.p_adjusted <= 1 for rival in rivals)
    smallest = min(rivals, key=lambda rival: rival.p)
    assert smallest.p_adjusted == 3 * smallest.p


def test_where_none_meets_everything_the_nearest_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    verdict = weighed(tmp_path, MINI, SONNET, constraints=STRICT).verdict
    assert (verdict.pick, verdict.nearest) == ("", "sonnet")
    assert verdict.sentence.startswith(
        "No candidate is shown to meet every constraint of support-reply: sonnet, the nearest, "
        "fails TTFT P95 at most 600 ms"
    )


def test_where_data_are_short_the_sentence_says_how_many_more_would_tell(tmp_path: Path) -> None:
    verdict = weighed(tmp_path, MINI_TERSE, constraints=(Constraint(figure="quality", limit=0.72),), samples=30).verdict
    assert "is not shown to meet quality at least 72%" in verdict.sentence
    assert "more results for each candidate would tell." in verdict.sentence


def test_without_constraints_both_ends_are_named(tmp_path: Path) -> None:
    verdict = weighed(tmp_path, MINI, SONNET, SMOL, constraints=()).verdict
    assert verdict.sentence.startswith("No constraints are set for support-reply: sonnet has the best quality, ")
    assert "smol is the cheapest per success" in verdict.sentence


def test_one_candidate_alone_is_enough_for_a_verdict(tmp_path: Path) -> None:
    verdict = weighed(tmp_path, SONNET).verdict
    assert verdict.pick == "sonnet"
    assert "the only candidate shown to meet every constraint" in verdict.sentence
    assert verdict.rivals == ()


def test_a_candidate_of_unknown_price_is_never_taken_for_free(tmp_path: Path) -> None:
    free = Made("free", 3.0, None, 0.2)
    only_quality = (Constraint(figure="quality", limit=0.5),)
    assert weighed(tmp_path, MINI, free, constraints=only_quality).verdict.pick == "mini"


def test_nothing_judged_recommends_nobody(tmp_path: Path) -> None:
    vague = Made("vague", 3.0, (1.0, 1.0), 0.2, errors=0.0, unscorable=1.0)
    verdict = weighed(tmp_path, vague, samples=5).verdict
    assert verdict.sentence == "Nothing was judged, so no candidate can be recommended."


def test_a_run_without_results_is_readable(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=2, sealed=False)
    run.journal.unlink()
    found = weigh(run)
    assert found.figures.candidates == ()
    assert "0 of 8 results so far" in found.figures.notes[0]


def test_a_stopped_run_and_a_saturated_client_are_said_first(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=20)
    run.update(
        status="stopped",
        reason="budget of $5 reached",
        planned=100,
        saturation=Saturation(saturated=True, explanation="late"),
    )
    notes = weigh(run).figures.notes
    assert notes[0] == "This run is not complete (budget of $5 reached): 80 of 100 results so far."
    assert notes[1].startswith("Latencies are higher than they were")


def test_candidates_come_best_quality_first(tmp_path: Path) -> None:
    names = [found.candidate for found in weighed(tmp_path, SMOL, MINI, SONNET).figures.candidates]
    assert names == ["sonnet", "mini", "smol"]


def test_weighing_twice_gives_the_same_figures(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=50)
    assert weigh(run) == weigh(run)
