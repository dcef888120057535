"""The measures of a router, on cases worked out by hand, and what must hold of any."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.stats import frontier
from weighbridge.stats.estimate import Floats

# Four samples: the strong model gains on the first, both are right, both wrong, the strong one gains on the last.
CHEAP, STRONG = [0, 1, 0, 0], [1, 1, 0, 1]


def test_a_curve_worked_out_by_hand() -> None:
    """Sent in the order 0, 3, then 1 and 2 together (equal gains)."""
    models = frontier.pair(CHEAP, STRONG, cheap_cost=[1, 1, 1, 1], strong_cost=[4, 6, 8, 10])
    line = frontier.curve(models, [0.9, 0.1, 0.1, 0.5])
    assert line.share == pytest.approx([0, 0.25, 0.5, 1])
    assert line.quality == pytest.approx([0.25, 0.5, 0.75, 0.75])
    assert line.cost == pytest.approx([1, 7 / 4, 16 / 4, 28 / 4])
    assert line.strong_cost == pytest.approx(7)
    assert frontier.pgr(line) == pytest.approx([0, 0.5, 1, 1])
    assert frontier.apgr(line) == pytest.approx(0.0625 + 0.1875 + 0.5)
    assert frontier.cpt(line, 0.5) == pytest.approx(0.25)
    assert frontier.cpt(line, 0.75) == pytest.approx(0.375)
    assert frontier.cpt(line, 0.0) == 0
    assert frontier.cost_at(line, 1.0) == pytest.approx(4 / 7)
    assert frontier.cost_at(line, 5 / 6) == pytest.approx((7 / 4 + 16 / 4) / 2 / 7)
    assert frontier.cost_at(line, 1.01) is None
    assert frontier.quality_at(line, 0.375) == pytest.approx(0.625)


def test_a_cascade_pays_for_the_cheap_call_too() -> None:
    models = frontier.pair(CHEAP, STRONG, cheap_cost=[1] * 4, strong_cost=[4, 6, 8, 10], cascade=True)
    line = frontier.curve(models, [0.9, 0.1, 0.1, 0.5])
    assert line.cost == pytest.approx([1, 1 + 4 / 4, 1 + 14 / 4, 1 + 28 / 4])
    assert line.strong_cost == pytest.approx(7)
    assert frontier.cost_at(line, 1.0) == pytest.approx(4.5 / 7)


def test_the_worst_router_recovers_nothing_until_the_end() -> None:
    line = frontier.curve(frontier.pair(CHEAP, STRONG), [1, 2, 2, 1])
    assert frontier.apgr(line) == pytest.approx(0.25)
    assert frontier.cpt(line, 0.5) == pytest.approx(0.75)


def test_together_they_can_beat_the_strong_one() -> None:
    """The strong model spoils one of ten: sent to last, so the gap is more than recovered before."""
    cheap, strong = np.array([1, 0, 0, 0] + [0] * 6), np.array([0, 1, 1, 1] + [0] * 6)
    line = frontier.oracle(frontier.pair(cheap, strong))
    assert frontier.pgr(line).max() == pytest.approx(1.5)
    assert frontier.apgr(line) > 1
    assert frontier.cost_at(line, 4 / 3) == pytest.approx(0.3)


def test_cost_at_looks_at_every_crossing() -> None:
    """The quality is reached twice, and a strong call may be cheaper than a cheap one: the least cost counts."""
    models = frontier.pair([0, 1, 0], [1, 0, 1], cheap_cost=[1, 9, 1], strong_cost=[3, 1, 2])
    line = frontier.curve(models, [3, 2, 1])
    assert line.quality * 3 == pytest.approx([1, 2, 1, 2])
    assert line.cost * 3 == pytest.approx([11, 13, 5, 6])
    assert frontier.cost_at(line, 1.0) == pytest.approx(6 / 6)
    assert frontier.cost_at(line, 0.75) == pytest.approx(5.5 / 6)


def test_a_random_mix_has_an_apgr_of_a_half() -> None:
    models = frontier.pair(CHEAP, STRONG)
    line = frontier.random_mix(models)
    assert line.share.tolist() == [0, 1]
    assert frontier.apgr(line) == pytest.approx(0.5)
    assert frontier.cpt(line, 0.8) == pytest.approx(0.8)
    assert frontier.cost_at(line, 0.99) == pytest.approx(1 - 0.01 * 0.75 / 0.5)


def test_random_gains_have_an_apgr_of_about_a_half() -> None:
    dice = np.random.default_rng(0)
    cheap, strong = dice.random(500) < 0.6, dice.random(500) < 0.8
    models = frontier.pair(cheap, strong)
    found = [frontier.apgr(frontier.curve(models, dice.random(500))) for _ in range(300)]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / np.sqrt(300))


def test_a_weight_of_two_is_a_sample_twice() -> None:
    times = np.array([1, 2, 3, 1])
    gain = np.array([0.9, 0.1, 0.1, 0.5])
    weighted = frontier.curve(frontier.pair(CHEAP, STRONG, weights=times), gain)
    repeated = frontier.curve(frontier.pair(np.repeat(CHEAP, times), np.repeat(STRONG, times)), gain.repeat(times))
    for ours, theirs in zip(weighted, repeated, strict=True):
        assert ours == pytest.approx(theirs)


Rows = list[tuple[float, float, float, float, int]]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, 1.0]),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.floats(0, 1),
        st.floats(0.01, 5),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=30,
)


def _columns(rows: Rows) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    cheap, strong, low, high, gain = np.array(rows, dtype=float).T
    return cheap, strong, low, high, gain


@settings(deadline=None, max_examples=200)
@given(ROWS, st.booleans())
def test_a_curve_runs_from_always_cheap_to_always_strong(rows: Rows, cascade: bool) -> None:
    cheap, strong, low, high, gain = _columns(rows)
    line = frontier.curve(frontier.pair(cheap, strong, cheap_cost=low, strong_cost=high, cascade=cascade), gain)
    assert line.share[0] == 0
    assert line.share[-1] == 1
    assert (np.diff(line.share) > 0).all()
    assert len(line.share) == len(set(gain.tolist())) + 1
    assert (line.quality[0], line.quality[-1]) == pytest.approx((cheap.mean(), strong.mean()))
    assert line.cost[0] == pytest.approx(low.mean())
    assert line.cost[-1] == pytest.approx(high.mean() + (low.mean() if cascade else 0))


@settings(deadline=None, max_examples=200)
@given(ROWS)
def test_no_router_passes_the_oracle(rows: Rows) -> None:
    """In quality at any share of strong calls; nor in cost, where strong calls cost more and success is 0 or 1."""
    cheap, strong, low, _, gain = _columns(rows)
    models = frontier.pair(np.floor(cheap), np.floor(strong), cheap_cost=low, strong_cost=low * 2 + 1)
    line, best = frontier.curve(models, gain), frontier.oracle(models)
    assert (np.interp(line.share, best.share, best.quality) >= line.quality - 1e-9).all()
    for part in (0.5, 0.9, 1.0):
        least, ours = frontier.cost_at(best, part), frontier.cost_at(line, part)
        assert least is not None
        assert ours is not None
        assert least <= ours + 1e-9


@settings(deadline=None, max_examples=200)
@given(ROWS, st.floats(0, 1))
def test_the_threshold_of_a_part_of_the_gap_recovers_it(rows: Rows, part: float) -> None:
    """And no smaller share does, checked on a fine grid of shares."""
    cheap, strong, _, _, gain = _columns(rows)
    if strong.mean() <= cheap.mean():
        return
    line = frontier.curve(frontier.pair(cheap, strong), gain)
    found, recovered = frontier.cpt(line, part), frontier.pgr(line)
    assert np.interp(found, line.share, recovered) >= part - 1e-6
    before = np.linspace(0, found, 200, endpoint=False) if found > 0 else np.empty(0)
    assert (np.interp(before[:-1], line.share, recovered) < part + 1e-9).all()
    assert frontier.cpt(line, 0.5) <= frontier.cpt(line, 0.8) <= 1


@settings(deadline=None, max_examples=200)
@given(ROWS)
def test_only_the_order_of_gains_counts(rows: Rows) -> None:
    cheap, strong, low, high, gain = _columns(rows)
    models = frontier.pair(cheap, strong, cheap_cost=low, strong_cost=high)
    here, there = frontier.curve(models, gain), frontier.curve(models, np.exp(gain) * 7)
    for ours, theirs in zip(here, there, strict=True):
        assert ours == pytest.approx(theirs)


def test_the_envelope_of_single_models_by_hand() -> None:
    """Model 2 is dominated, 4 lies under the line from 1 to 3, 0 costs as much as 1 and is worse."""
    cost, quality = [1.0, 1.0, 3.0, 5.0, 3.0], [0.3, 0.5, 0.4, 0.9, 0.65]
    assert frontier.hull(cost, quality).tolist() == [1, 3]
    assert frontier.hull([2.0], [0.1]).tolist() == [0]
    assert frontier.hull([1.0, 1.0], [0.5, 0.5]).tolist() == [0]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20))
def test_the_envelope_is_concave_and_nothing_lies_above_it(points: list[tuple[int, int]]) -> None:
    cost, quality = np.array(points, dtype=float).T
    kept = frontier.hull(cost, quality)
    x, y = cost[kept], quality[kept]
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) > 0).all()
    assert (np.diff(np.diff(y) / np.diff(x)) < 0).all()
    assert (np.interp(cost, x, y) >= quality - 1e-9).all()
    assert x[0] == cost.min()
    assert y[-1] == quality.max()


def test_ninety_per_cent_intervals_of_apgr_cover_the_truth() -> None:
    """300 samples of 400 from a population of 40,000 with a router that knows something."""
    dice = np.random.default_rng(4)
    hard = dice.random(40_000)
    cheap, strong = dice.random(40_000) > hard, dice.random(40_000) > hard / 3
    gain = hard + dice.normal(size=40_000) * 0.3
    truth = frontier.apgr(frontier.curve(frontier.pair(cheap, strong), gain))
    covered = 0
    for seed in range(300):
        took = dice.integers(40_000, size=400)
        models = frontier.pair(cheap[took], strong[took])
        found = frontier.interval(models, gain[took], frontier.apgr, level=0.9, draws=200, seed=seed)
        covered += found.low <= truth <= found.high
    assert 0.84 <= covered / 300 <= 0.96


def test_an_interval_is_by_clusters_where_there_are_some() -> None:
    """Ten copies of each sample are no more evidence than one."""
    dice = np.random.default_rng(5)
    cheap, strong, gain = dice.random(100) < 0.4, dice.random(100) < 0.8, dice.random(100)
    models = frontier.pair(np.repeat(cheap, 10), np.repeat(strong, 10))
    copies = np.repeat(gain, 10)
    naive = frontier.interval(models, copies, frontier.apgr)
    honest = frontier.interval(models, copies, frontier.apgr, clusters=np.repeat(np.arange(100), 10))
    assert honest.n == 100
    assert honest.value == naive.value
    assert honest.high - honest.low > 2 * (naive.high - naive.low)


def test_an_interval_has_no_end_where_resamples_do_not_bound_it() -> None:
    """Too few samples to be sure that there is a gap; one cluster; a quality that resamples may never reach."""
    models = frontier.pair(CHEAP, STRONG)
    found = frontier.interval(models, [3, 1, 0, 2], frontier.apgr)
    assert (found.low, found.high) == (-np.inf, np.inf)
    one = frontier.interval(models, [3, 1, 0, 2], frontier.apgr, clusters=[0, 0, 0, 0])
    assert (one.low, one.high, one.n) == (-np.inf, np.inf, 1)
    never = frontier.interval(models, [3, 1, 0, 2], lambda line: frontier.cost_at(line, 1.2))
    assert never.value == never.high == np.inf


def test_infinite_gains_are_first_and_last() -> None:
    """A sample without an answer from the cheap model can be sent to the strong one whatever the others score."""
    line = frontier.curve(frontier.pair(CHEAP, STRONG), [np.inf, -np.inf, -np.inf, 0.5])
    assert line.quality == pytest.approx([0.25, 0.5, 0.75, 0.75])


def test_wrong_calls_are_refused() -> None:
    models = frontier.pair(CHEAP, STRONG)
    line = frontier.curve(models, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="no gap to recover"):
        frontier.apgr(frontier.curve(frontier.pair(STRONG, CHEAP), [1, 2, 3, 4]))
    with pytest.raises(ValueError, match="give both"):
        frontier.pair(CHEAP, STRONG, cheap_cost=[1] * 4)
    with pytest.raises(ValueError, match="negative"):
        frontier.pair(CHEAP, STRONG, cheap_cost=[-1] * 4, strong_cost=[1] * 4)
    with pytest.raises(ValueError, match="lengths differ"):
        frontier.pair(CHEAP, STRONG[:3])
    with pytest.raises(ValueError, match="lengths differ"):
        frontier.curve(models, [1, 2, 3])
    with pytest.raises(ValueError, match="NaN"):
        frontier.curve(models, [1, 2, 3, np.nan])
    with pytest.raises(ValueError, match="costs nothing"):
        frontier.cost_at(
            frontier.curve(frontier.pair(CHEAP, STRONG, cheap_cost=[0] * 4, strong_cost=[0] * 4), CHEAP), 1
        )
    for part in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            frontier.cpt(line, part)
        with pytest.raises(ValueError, match="between 0 and 1"):
            frontier.quality_at(line, part)
    with pytest.raises(ValueError, match="quality to reach"):
        frontier.cost_at(line, np.nan)
    with pytest.raises(ValueError, match="draws"):
        frontier.interval(models, [1, 2, 3, 4], frontier.apgr, draws=0)
