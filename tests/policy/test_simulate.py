"""Ways of routing over recorded results: against a plain loop, against truth, and refused where nothing is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from weighbridge.errors import UsageError
from weighbridge.policy.simulate import Asked, Predicted, Recorded, repriced, simulate, walked
from weighbridge.routing.document import Cascade, Ceiling, Confidence, Look, Prerouted, Single, Split, Step, Way

CONFIDENCE = Confidence(signals=("s",), center=(0.0,), scale=(1.0,), weights=(1.0,), bias=0.0)


def look(keep: float | None, also: float | None = None, tokens: int | None = None) -> tuple[Look, ...]:
    return (Look(confidence=CONFIDENCE, keep=keep, also=also, tokens=tokens),)


def world(n: int, seed: int = 0) -> dict[str, Recorded]:
    """Three candidates; each is right with the probability that its confidence says."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, lift, usd in (("small", 0.0, 0.001), ("middle", 0.3, 0.004), ("large", 0.6, 0.02)):
        sure = lift + (1 - lift) * rng.random(n)
        right = (rng.random(n) < sure).astype(float)
        found[name] = Recorded(usd * (0.5 + rng.random(n)), right, 0.2 + rng.exponential(1.0, n), sure)
    return found


CHAIN = Cascade(steps=(Step("small", look(0.7)), Step("middle", look(0.8)), Step("large")))


def test_a_cascade_does_what_a_plain_loop_does() -> None:
    """Request by request: who is asked, who answers, what is paid and waited for."""
    recorded = world(2000)
    cost, right, seconds, asked = [], [], [], dict.fromkeys(recorded, 0)
    for row in range(2000):
        paid = waited = 0.0
        for step in CHAIN.steps:
            one = recorded[step.target]
            assert one.confidence is not None and one.right is not None and one.seconds is not None  # noqa: PT018
            asked[step.target] += 1
            paid, waited = paid + one.cost[row], waited + one.seconds[row]
            keep = step.looks[0].keep if step.looks else 0.0
            assert keep is not None
            if one.confidence[row] >= keep:
                right.append(one.right[row])
                break
        cost.append(paid)
        seconds.append(waited)
    found = simulate(recorded, CHAIN)
    assert found.quality is not None
    assert found.cost_per_success is not None
    assert found.escalated is not None
    assert found.quality.value == pytest.approx(np.mean(right))
    assert found.cost_per_request.value == pytest.approx(np.mean(cost))
    assert found.cost_per_success.value == pytest.approx(np.sum(cost) / np.sum(right))
    assert found.latency[0.95].value == pytest.approx(np.quantile(seconds, 0.95, method="inverted_cdf"))
    assert found.asked == asked
    assert found.escalated.value == pytest.approx(asked["middle"] / 2000)
    assert sum(found.answered.values()) == found.n == 2000
    assert sum(found.spent.values()) == pytest.approx(np.sum(cost))


def test_the_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """The truth is from 400,000 requests; 300 sets of 400 are drawn from the same world."""
    truth = simulate(world(400_000, seed=1), CHAIN)
    hits = {"quality": 0, "cost_per_request": 0, "cost_per_success": 0, "escalated": 0}
    for seed in range(300):
        found = simulate(world(400, seed=100 + seed), CHAIN)
        for name in hits:
            estimate = getattr(found, name)
            hits[name] += estimate.low <= getattr(truth, name).value <= estimate.high
    assert all(300 * 0.91 <= count <= 300 for count in hits.values()), hits


def test_a_single_target_and_the_ends_of_a_cascade_agree() -> None:
    """A threshold nothing reaches asks both; one that everything reaches is the cheap model alone."""
    recorded = world(500)
    never = simulate(recorded, Cascade(steps=(Step("small", look(1.1)), Step("large"))))
    always = simulate(recorded, Cascade(steps=(Step("small", look(0.0)), Step("large"))))
    small, large = (simulate(recorded, Single(name)) for name in ("small", "large"))
    assert never.quality == large.quality
    assert never.cost_per_request.value == pytest.approx(small.cost_per_request.value + large.cost_per_request.value)
    assert (always.quality, always.cost_per_success) == (small.quality, small.cost_per_success)
    assert large.escalated is None


def test_a_confidence_that_is_not_a_number_is_never_kept() -> None:
    recorded = world(100)
    recorded["small"] = replace(recorded["small"], confidence=np.full(100, math.nan))
    assert simulate(recorded, Cascade(steps=(Step("small", look(0.0)), Step("large")))).answered["small"] == 0


def test_a_split_goes_by_its_weights_and_by_its_seed() -> None:
    recorded = world(40_000)
    found = simulate(recorded, Split({"small": 3.0, "large": 1.0}))
    assert found.answered["small"] / 40_000 == pytest.approx(0.75, abs=0.01)
    assert found == simulate(recorded, Split({"small": 3.0, "large": 1.0}))
    assert found.answered != simulate(recorded, Split({"small": 3.0, "large": 1.0}), Asked(seed=1)).answered


def test_a_pre_router_asks_the_strong_one_where_it_gains_more_than_the_threshold() -> None:
    """One candidate is paid for; a gain that is not a number, and one at the threshold, stay with the cheap one."""
    gains = np.array([0.5, 0.1, math.nan, 0.2])
    way = Prerouted("small", "large", "p", threshold=0.2)
    found = walked(world(4), way, Asked(gains=gains))
    assert found.answered.tolist() == [1, 0, 0, 0]
    assert found.asked["small"].tolist() == [False, True, True, True]


def test_two_thresholds_are_mixed_in_the_share_said() -> None:
    n = 40_000
    gains = np.full(n, 0.3)
    way = Prerouted("small", "large", "p", threshold=0.5, also=0.1, mix=0.25)
    found = simulate(world(n), way, Asked(gains=gains))
    assert found.answered["large"] / n == pytest.approx(0.25, abs=0.01)
    recorded = world(n)
    recorded["small"] = replace(recorded["small"], confidence=np.full(n, 0.6))
    mixed = Cascade(steps=(Step("small", look(0.5, also=0.7)), Step("large")), mix=0.25)
    assert simulate(recorded, mixed).answered["large"] / n == pytest.approx(0.25, abs=0.01)


def test_a_deadline_skips_the_steps_that_would_miss_it_with_the_last() -> None:
    """And counts what has been waited for: after a slow first step the second is skipped."""
    latency = {"small": 1.0, "middle": 1.0, "large": 2.0}
    recorded = world(4)
    recorded["small"] = replace(recorded["small"], seconds=np.array([0.5, 0.5, 1.5, 1.5]), confidence=np.zeros(4))
    recorded["middle"] = replace(recorded["middle"], confidence=np.ones(4))
    steps = (Step("small", look(0.5)), Step("middle", look(0.5)), Step("large"))
    walk = walked(recorded, Cascade(steps=steps, deadline=4.0, latency=latency), Asked())
    assert walk.answered.tolist() == [1, 1, 2, 2]
    tight = walked(recorded, Cascade(steps=steps, deadline=2.5, latency=latency), Asked())
    assert tight.asked["small"].tolist() == [False] * 4
    assert tight.answered.tolist() == [2] * 4


def test_what_the_next_step_is_worth_counts_its_price_and_time() -> None:
    """Kept where P(right) less it reaches `keep`; not asked where the predicted chance less it is below `skip`."""
    ones = np.ones(3)
    predicted = {
        "small": Predicted(np.array([0.1, 0.9, 0.9]), 0 * ones, 0 * ones),
        "large": Predicted(0.9 * ones, 0.02 * ones, np.array([1.0, 1.0, 8.0])),
    }
    recorded = world(3)
    recorded["small"] = replace(recorded["small"], confidence=0.5 * ones)
    step = Step("small", look(0.0), skip=-0.5)
    way = Cascade(steps=(step, Step("large")), predictor="p", per_usd=10.0, per_second=0.1)
    walk = walked(recorded, way, Asked(predicted=predicted))  # worth .6, .6, -.1
    assert walk.asked["small"].tolist() == [True, True, True]
    assert walk.answered.tolist() == [1, 1, 0]
    closer = Cascade(steps=(Step("small", look(0.0), skip=-0.4), Step("large")), predictor="p", per_usd=10.0)
    assert walked(recorded, closer, Asked(predicted=predicted)).asked["small"].tolist() == [False, True, True]


def test_exchanges_are_priced_anew_and_say_nothing_of_quality() -> None:
    prices = {"small": {"input": 1.0, "output": 2.0}, "large": {"input": 10.0, "output": 20.0}}
    sure = {"small": np.array([0.9, 0.1])}
    recorded = repriced(prices, [1000, 2000], [100, 0], sure)
    found = simulate(recorded, Cascade(steps=(Step("small", look(0.5)), Step("large"))))
    assert found.asked == {"small": 2, "large": 1}
    assert found.spent == {"small": pytest.approx(0.0032), "large": pytest.approx(0.02)}
    assert (found.quality, found.cost_per_success, found.latency) == (None, None, {})


def test_clusters_widen_the_intervals() -> None:
    one = world(300)
    twice = {
        name: Recorded(*(np.tile(c, 2) if c is not None else None for c in (r.cost, r.right, r.seconds, r.confidence)))  # type: ignore[arg-type]
        for name, r in one.items()
    }
    plain, clustered = simulate(twice, CHAIN), simulate(twice, CHAIN, clusters=np.tile(np.arange(300), 2))
    assert plain.quality is not None
    assert clustered.quality is not None
    assert clustered.quality.high - clustered.quality.low > 1.3 * (plain.quality.high - plain.quality.low)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (Single("gone"), "nothing is recorded of candidate 'gone'. Recorded are: large, middle, small"),
        (Prerouted("small", "large", "p", threshold=0.1), "a pre-router needs"),
        (Cascade(steps=()), "a cascade needs steps"),
        (Cascade(steps=(Step("small", look(0.5)), Step("small"))), "each of another candidate"),
        (Cascade(steps=(Step("small", look(None)), Step("large"))), "'small' needs a `keep` threshold"),
        (Cascade(steps=(Step("small", look(0.5, tokens=8)), Step("large"))), "looks before the answer's end"),
        (Cascade(steps=(Step("small", look(0.5)), Step("large")), predictor="p"), "what a predictor says of"),
        (Cascade(steps=(Step("small", look(0.5), skip=0.1), Step("large"))), "what a predictor says of"),
        (Cascade(steps=CHAIN.steps, ceiling=Ceiling(usd=1, burst=1)), "a spending ceiling is not simulated"),
    ],
)
def test_a_way_that_needs_what_is_not_recorded_is_refused(way: Way, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(world(10), way)
    assert said in str(caught.value)


def test_arrays_that_cannot_be_are_refused() -> None:
    recorded = world(10)
    recorded["large"] = world(9)["large"]
    with pytest.raises(UsageError, match="are of different requests"):
        simulate(recorded, CHAIN)
    with pytest.raises(UsageError, match="no requests are recorded"):
        simulate({"a": Recorded(np.zeros(0))}, Single("a"))
    with pytest.raises(UsageError, match="'a' needs a confidence in each answer"):
        simulate({n: Recorded(np.ones(3)) for n in "ab"}, Cascade(steps=(Step("a", look(0.5)), Step("b"))))
    with pytest.raises(UsageError, match="'a' has no price on 1 of the 3 requests"):
        simulate({"a": Recorded(np.array([0.1, math.nan, 0.1]))}, Single("a"))
    with pytest.raises(UsageError, match="'a' has no price for input and output"):
        repriced({"a": {"input": 1.0}}, [1], [1])
    with pytest.raises(UsageError, match="tokens in and out are of different requests"):
        repriced({"a": {"input": 1.0, "output": 1.0}}, [1, 2], [1])


def test_a_price_that_is_missing_where_nobody_is_asked_does_no_harm() -> None:
    recorded = world(3)
    recorded["large"] = replace(recorded["large"], cost=np.full(3, math.nan))
    way = Cascade(steps=(Step("small", look(0.0)), Step("large")))
    assert simulate(recorded, way).spent["large"] == 0
