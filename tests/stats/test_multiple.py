"""Corrections for many tests, against statsmodels and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from weighbridge.stats import multiple


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
