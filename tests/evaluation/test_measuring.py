"""Every figure carries its uncertainty, and failures make figures worse, never better."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.synthetic_runs import MINI, SONNET, Made, make_run

from weighbridge.evaluation import measuring, wording
from weighbridge.evaluation.outcomes import Outcomes, load


def outcomes_of(
    success: list[float],
    *,
    ok: list[bool] | None = None,
    cost: list[float] | None = None,
    total: list[float] | None = None,
) -> Outcomes:
    n = len(success)
    fine = np.asarray(ok if ok is not None else [True] * n)
    return Outcomes(
        candidate="c",
        sample=tuple(f"s{place}" for place in range(n)),
        repeat=(0,) * n,
        cluster=tuple(f"s{place}" for place in range(n)),
        tags=((),) * n,
        weight=np.ones(n),
        ok=fine,
        success=np.asarray(success, dtype=float),
        cost=np.asarray(cost if cost is not None else [0.01] * n, dtype=float),
        ttft=np.full(n, np.nan),
        total=np.asarray(total if total is not None else [1.0] * n, dtype=float),
        tokens={},
        attempts=np.ones(n),
        error_class=tuple(None if good else "timeout" for good in fine),
        retried=((),) * n,
        clustered=False,
    )


def test_failed_requests_stay_below_the_line() -> None:
    """inspect_ai#3707, #2914: 8 right, 2 requests failed: quality is 80%, not 100%."""
    found = measuring.measure(outcomes_of([1.0] * 8 + [0.0] * 2, ok=[True] * 8 + [False] * 2))
    assert found.quality.value == 0.8
    assert found.error_rate.value == 0.2
    assert found.errors == {"timeout": 2}
    assert found.quality.method == "Wilson"
    assert found.quality.low == pytest.approx(0.490, abs=0.001)


def test_answers_that_could_not_be_judged_are_counted_beside_the_share() -> None:
    """inspect_ai#4286: inconclusive answers leave the share openly, with bounds for the worst and the best."""
    made = outcomes_of([1.0] * 6 + [0.0] * 2 + [float("nan")] * 2)
    found = measuring.measure(made)
    assert (found.quality.value, found.quality.n, found.unscored) == (0.75, 8, 2)
    worst, best = measuring.quality_bounds(made, 0.95)
    assert (worst.value, best.value) == (0.6, 0.8)


def test_cost_per_success_pays_for_failures() -> None:
    found = measuring.measure(outcomes_of([1.0] * 25 + [0.0] * 75))
    assert found.cost_per_success.value == pytest.approx(0.04)
    assert found.cost_per_success.low is not None
    assert found.cost_per_success.low < 0.04 < found.cost_per_success.upper
    assert found.total_cost == pytest.approx(1.0)


def test_an_unknown_price_is_unknown_and_never_zero() -> None:
    """deepeval#1114. Refused requests cost nothing at any price, so they do not make a price known."""
    nan = float("nan")
    found = measuring.measure(
        outcomes_of([1.0, 1.0, 0.0, 0.0, 0.0], ok=[True, True, False, False, False], cost=[nan, nan, 0.0, 0.0, 0.0])
    )
    assert found.cost_per_success.value is None
    assert found.cost_per_success.why == "the price is unknown"
    assert found.total_cost is None


def test_a_few_unknown_costs_count_at_the_dearest_known() -> None:
    found = measuring.measure(outcomes_of([1.0] * 10, cost=[0.01] * 8 + [0.03, float("nan")]))
    assert found.total_cost == pytest.approx(0.14)
    assert found.unpriced == 1


def test_without_a_success_there_is_no_cost_for_one() -> None:
    assert measuring.measure(outcomes_of([0.0] * 5)).cost_per_success.why == "nothing succeeded"


def test_p99_from_sixty_results_is_refused() -> None:
    found = measuring.measure(outcomes_of([1.0] * 60, total=[1.0 + place / 60 for place in range(60)]))
    assert found.total["p99"].value is None
    assert found.total["p99"].why.startswith("P99 not estimable from 60 results")
    assert found.total["p95"].value is not None


def test_latency_that_was_not_measured_is_left_out() -> None:
    assert measuring.measure(outcomes_of([1.0] * 10)).ttft == {}


def test_bedrock_with_49_failures_of_150_has_no_p99_from_survivors(shared_data: Path) -> None:
    """Issue 2: P99 is beyond the time-out, and failing more could never improve it."""
    rows = json.loads((shared_data / "latency" / "bedrock_70b.json").read_text())
    ok = [not row["error_code"] for row in rows]
    total = [row["end_to_end_latency_s"] if good else np.inf for row, good in zip(rows, ok, strict=True)]
    assert (len(rows), ok.count(False)) == (150, 49)
    p99 = measuring.measure(outcomes_of([float(good) for good in ok], ok=ok, total=total), timeout=60.0).total["p99"]
    assert (p99.value, p99.beyond, p99.limit) == (None, "low", 60.0)
    assert wording.middle(p99, wording.seconds) == "> 60 s"


def test_tau_bench_trials_widen_the_interval_by_half(shared_data: Path) -> None:
    """Issue 2: the clustered error on `clusters/` is 1.49 times the naive one, and pass^4 is .20."""
    with gzip.open(shared_data / "clusters" / "tau_bench_airline_gpt4o.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    made = outcomes_of([float(row["reward"]) for row in rows])
    tasks = tuple(str(row["task_id"]) for row in rows)
    clustered = replace(
        made, sample=tasks, cluster=tasks, repeat=tuple(int(row["trial"]) for row in rows), clustered=True
    )
    narrow, wide = measuring.quality(made, 0.95), measuring.quality(clustered, 0.95)
    assert (wide.upper - wide.lower) / (narrow.upper - narrow.lower) == pytest.approx(1.49, abs=0.04)
    found = measuring.measure(clustered).pass_all
    assert found is not None
    assert found.value == pytest.approx(0.20, abs=0.005)


def test_a_whole_run_has_every_figure(tmp_path: Path) -> None:
    made = load(make_run(tmp_path, candidates=[SONNET], samples=100))["sonnet"]
    found = measuring.measure(made, timeout=60.0)
    assert (found.results, found.samples) == (100, 100)
    assert set(found.tags) == {"sentiment", "facts", "extraction", "sums", "triage", "long"}
    assert set(found.ttft) == set(found.total) == {"p50", "p95", "p99"}
    assert set(found.scorers) == {"answer", "length"}
    assert found.scorers["answer"].mean.value == found.quality.value
    assert set(found.tokens) == {"input", "output", "cached"}
    assert found.retries == sum(found.retried.values())


def test_scorers_count_what_they_could_not_score(tmp_path: Path) -> None:
    vague = Made("vague", 1.0, (1.0, 1.0), 0.2, errors=0.0, unscorable=0.2)
    found = measuring.measure(load(make_run(tmp_path, candidates=[vague], samples=50))["vague"])
    answer = found.scorers["answer"]
    assert answer.unscorable == found.unscored > 0
    assert answer.scored + answer.unscorable == 50


def test_repeats_give_pass_hat_k(tmp_path: Path) -> None:
    """promptfoo#5947, #5847: the share of samples that pass every time is its own figure."""
    found = measuring.measure(load(make_run(tmp_path, candidates=[MINI], samples=40, repeats=3))["mini"])
    assert found.pass_all is not None
    assert found.quality.value is not None
    assert found.pass_all.value is not None
    assert found.pass_all.value < found.quality.value
    assert found.quality.method == "clustered Wilson"
