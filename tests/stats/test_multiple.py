"""Corrections for many tests, against statsmodels and by simulation."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from weighbridge.stats import multiple


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_both_agree_with_statsmodels(p_values: list[float]) -> None:
    assert multiple.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert multiple.benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])


def test_holm_keeps_the_chance_of_any_false_finding() -> None:
    """Ten true nulls, 4,000 times: some p under .05 in 40 % of them, some adjusted one in at most 5 %."""
    p_values = np.random.default_rng(10).random((4000, 10))
    plain = (p_values < 0.05).any(axis=1).mean()
    held = np.mean([(multiple.holm(row) < 0.05).any() for row in p_values])
    assert plain > 0.35
    assert held <= 0.05 + 3 * 0.0035


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        multiple.holm([0.2, 1.2])


def test_benjamini_hochberg_keeps_the_share_of_false_findings() -> None:
    """Eight true nulls and two that are not, 2,000 times: of what is found under q = 10 %, at most 8 % is false on
    average (q times the share of true nulls), and more is found than by Holm."""
    dice = np.random.default_rng(24)
    p_values = dice.random((2000, 10))
    p_values[:, 8:] = dice.beta(0.05, 3, (2000, 2))
    shares, found, by_holm = [], 0, 0
    for row in p_values:
        hits = multiple.benjamini_hochberg(row) < 0.10
        shares.append(hits[:8].sum() / max(1, hits.sum()))
        found, by_holm = found + int(hits[8:].sum()), by_holm + int((multiple.holm(row) < 0.10)[8:].sum())
    assert np.mean(shares) <= 0.08 + 3 * 0.005
    assert found > by_holm


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_adjusting_only_raises(p_values: list[float], dice: Random) -> None:
    order = list(range(len(p_values)))
    dice.shuffle(order)
    for method in (multiple.holm, multiple.benjamini_hochberg):
        adjusted = method(p_values)
        assert (adjusted >= np.array(p_values) - 1e-15).all()
        assert method([p_values[i] for i in order]) == pytest.approx(adjusted[order])


def test_a_worked_example_of_holm() -> None:
    """.01·4, .02·3, .03·2, and .04 raised to the one before it; in the order given."""
    assert multiple.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
