"""A proposal keeps its promise on requests it never saw, and says so where it has nothing to promise."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from weighbridge.errors import CriterionFailed, UsageError
from weighbridge.policy import confiding
from weighbridge.policy.evidence import Results, Table
from weighbridge.policy.promising import served
from weighbridge.policy.proposing import Wanted, propose
from weighbridge.routing import document


def made(rows: int, seed: int, *, told: float = 2.0, cheap: float = 1.0, strong: float = 3.0) -> Table:
    """Two candidates on requests of one difficulty each; the cheap one's signal tells by `told` whether it is right."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=rows)
    right_cheap = (rng.random(rows) < 1 / (1 + np.exp(-(cheap - 2 * hard)))).astype(float)
    right_strong = (rng.random(rows) < 1 / (1 + np.exp(-(strong - 2 * hard)))).astype(float)
    signal = told * right_cheap + rng.normal(size=rows)
    ones = np.ones(rows)

    def results(right: np.ndarray, cost: float, seconds: float, signals: dict[str, np.ndarray]) -> Results:
        return Results(right, cost * ones, seconds * rng.uniform(0.5, 1.5, rows), 20 * ones, ones, signals)

    return Table(
        runs=("20261124-120000.000-abcd",),
        dates=(date(2026, 11, 24),),
        candidates={
            "small": results(right_cheap, 0.0001, 0.2, {"min_logprob": signal, "length": rng.normal(size=rows)}),
            "large": results(right_strong, 0.002, 1.0, {"length": rng.normal(size=rows)}),
        },
        prompts=tuple(f"request {row}" for row in range(rows)),
        cluster=tuple(str(row) for row in range(rows)),
    )


def proposed(
    table: Table, alpha: float = 0.02, delta: float = 0.1, limits: dict[str, float] | None = None
) -> document.Document:
    return propose(table, "answers", Wanted(alpha, delta, limits or {}), created="2026-11-25T08:00:00Z")


def test_a_cascade_is_proposed_where_confidence_tells_right_from_wrong() -> None:
    """The cheap model first, the strong one where it is not sure enough; with its evidence and its promise."""
    found = proposed(made(2000, 1), alpha=0.05)
    assert isinstance(found.way, document.Cascade)
    assert [step.target for step in found.way.steps] == ["small", "large"]
    assert found.safe.target == "large"
    look = found.way.steps[0].looks[0]
    assert look.confidence.auroc is not None
    assert look.confidence.auroc > 0.8
    assert found.evidence is not None
    assert (found.evidence.fitted, found.evidence.tested) == (1000, 1000)
    promise = found.promise
    assert promise is not None
    assert promise.cost_per_request is not None
    assert promise.cost_per_request.high is not None
    assert promise.cost_per_request.high < 0.002
    assert promise.quality is not None
    assert promise.quality.low is not None
    assert promise.quality.low < promise.quality.value
    assert set(promise.latency) == {"total_p95"}


def test_the_promised_risk_holds_on_requests_never_seen() -> None:
    """Over many proposals the true risk, taken from 50,000 new requests, is over alpha in at most delta of them."""
    alpha, delta, trials = 0.05, 0.1, 40
    fresh = made(50_000, 999)
    broken = cascades = 0
    for seed in range(trials):
        found = proposed(made(600, seed), alpha=alpha, delta=delta)
        if not isinstance(found.way, document.Cascade):
            continue
        cascades += 1
        look = found.way.steps[0].looks[0]
        p = confiding.probabilities(look.confidence, fresh.candidates["small"])
        assert look.keep is not None
        broken += served(fresh, found.way, {"small": p}).lost.mean() > alpha
    assert cascades >= trials // 4
    assert broken <= delta * trials + 3 * (delta * (1 - delta) * trials) ** 0.5


def test_confidence_that_tells_nothing_is_not_trusted() -> None:
    """Where the signals are noise, what is kept is wrong too often: the strong candidate serves alone, and a note says
    why."""
    found = proposed(made(2000, 3, told=0.0, cheap=-1.0), alpha=0.01)
    if isinstance(found.way, document.Single):
        assert found.way.target == "large"
        assert found.notes
    else:  # it may keep a little, and must not keep much
        assert found.promise is not None
        assert found.promise.risk is not None
        assert found.promise.risk.value <= 0.02


def test_too_little_data_names_what_is_needed_and_proposes_the_safe_policy() -> None:
    """A threshold tested on fewer than ln(1/delta)/alpha samples shows nothing: the number is said."""
    found = proposed(made(200, 4), alpha=0.01)
    assert isinstance(found.way, document.Single)
    assert found.way.target == "large"
    assert any("needs" in note for note in found.notes)


def test_a_candidate_without_a_price_is_left_out_by_name() -> None:
    """Its cost cannot be promised."""
    table = made(800, 5)
    small = table.candidates["small"]
    unpriced = Results(small.right, np.full(800, np.nan), small.seconds, small.tokens, small.ok, small.signals)
    left = Table(table.runs, table.dates, {**table.candidates, "small": unpriced}, table.prompts, table.cluster)
    found = proposed(left)
    assert isinstance(found.way, document.Single)
    assert any("small" in note and "price" in note for note in found.notes)


def test_labels_of_one_class_are_no_confidence() -> None:
    """A cheap candidate that was never wrong on the samples has nothing to learn from; nothing raises."""
    table = made(800, 6)
    small = table.candidates["small"]
    sure = Results(np.ones(800), small.cost, small.seconds, small.tokens, small.ok, small.signals)
    found = proposed(Table(table.runs, table.dates, {**table.candidates, "small": sure}, table.prompts, table.cluster))
    assert found.safe.target == "small"


def test_signals_that_are_not_numbers_are_as_if_they_were_not_there() -> None:
    """NaN logprobs: what is left speaks, or nobody does."""
    table = made(800, 7)
    small = table.candidates["small"]
    blind = {"min_logprob": np.full(800, np.nan), "length": small.signals["length"]}
    dim = Results(small.right, small.cost, small.seconds, small.tokens, small.ok, blind)
    confidence = confiding.fit(dim)
    assert confidence is None or confidence.signals == ("length",)


@pytest.mark.parametrize(
    ("change", "match"),
    [("few", "needs 40 at least"), ("never", "was right once"), ("unpriced", "no candidate has a known price")],
)
def test_what_allows_no_policy_is_one_clear_line(change: str, match: str) -> None:
    """No evidence worth the name, nothing ever right, no price at all."""
    table = made(20 if change == "few" else 200, 8)
    candidates = {
        name: Results(
            one.right * (change != "never"),
            one.cost * (np.nan if change == "unpriced" else 1.0),
            one.seconds,
            one.tokens,
            one.ok,
            one.signals,
        )
        for name, one in table.candidates.items()
    }
    with pytest.raises(UsageError, match=match):
        proposed(Table(table.runs, table.dates, candidates, table.prompts, table.cluster))


def test_a_proposal_is_the_same_twice() -> None:
    """Rows are dealt by a seed: the same evidence gives the same policy."""
    assert proposed(made(600, 9)) == proposed(made(600, 9))


def test_limits_are_held_against_what_is_promised() -> None:
    """A cascade that does not show a limit gives way to the safe policy; where that does not either, there is none."""
    table = made(2000, 10)
    tight = proposed(table, alpha=0.05, limits={"total_p95": 1.6})
    assert isinstance(tight.way, document.Single)
    assert any("total_p95" in note for note in tight.notes)
    loose = proposed(table, alpha=0.05, limits={"total_p99": 2.5, "cost_per_success": 0.004, "quality": 0.6})
    assert isinstance(loose.way, document.Cascade)
    assert loose.promise is not None
    assert set(loose.promise.latency) == {"total_p95", "total_p99"}
    with pytest.raises(CriterionFailed, match=r"nothing keeps every limit.*quality at least 0.99"):
        proposed(table, limits={"quality": 0.99})


def test_a_limit_on_what_is_not_measured_is_not_kept() -> None:
    """The time to a first token is not promised of a policy, so no policy is said to keep it."""
    with pytest.raises(CriterionFailed, match=r"ttft_p95.*nothing is shown"):
        proposed(made(800, 11), limits={"ttft_p95": 10.0})
