"""Figures read the same everywhere, and never look more certain than they are."""

import pytest

from weighbridge.evaluation import wording
from weighbridge.evaluation.estimate import Estimate
from weighbridge.evaluation.wording import MoneyScale


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0, "$0"),
        (5, "$5.00"),
        (0.1, "$0.10"),
        (1234.5, "$1,234.50"),
        (0.0000036, "$0.0000036"),
        (0.000113456, "$0.000113"),
        (-0.002, "-$0.002"),
    ],
)
def test_dollars_have_three_digits_and_no_powers_of_ten(value: float, says: str) -> None:
    assert wording.dollars(value) == says


@pytest.mark.parametrize(
    ("value", "says"),
    [(0.0123, "12.3 ms"), (0.32, "320 ms"), (0.9996, "1.00 s"), (1.234, "1.23 s"), (12.34, "12.34 s"), (600, "600 s")],
)
def test_seconds_change_unit_with_their_size(value: float, says: str) -> None:
    assert wording.seconds(value) == says


def test_a_share_shows_a_decimal_only_where_its_interval_is_narrow() -> None:
    assert wording.share(0.8234) == "82%"
    assert wording.share(0.8234, 0.02) == "82.3%"


def test_an_interval_says_a_shared_unit_once() -> None:
    estimate = Estimate(value=0.7, low=0.63, high=0.731)
    assert wording.full(estimate, wording.seconds) == "700 ms [630, 731 ms]"
    assert wording.full(estimate, wording.share) == "70% [63, 73%]"
    assert wording.full(estimate, wording.dollars) == "$0.70 [0.63, 0.731]"


@pytest.mark.parametrize(
    ("estimate", "says"),
    [
        (Estimate(value=1.0, low=0.5, beyond="high", limit=60.0), "1.00 s [500 ms, > 60 s]"),
        (Estimate(low=2.0, beyond="value", limit=60.0), "> 60 s [2.00 s, > 60 s]"),
        (Estimate(beyond="low", limit=60.0), "> 60 s"),
        (Estimate(beyond="low"), "> time-out"),
        (Estimate(why="P99 not estimable from 60 results"), "not estimable"),
        (Estimate(why="the price is unknown"), "unknown"),
        (Estimate(), "—"),
    ],
)
def test_what_is_not_a_number_is_said_in_words(estimate: Estimate, says: str) -> None:
    assert wording.full(estimate, wording.seconds) == says


def test_small_costs_are_shown_for_many_successes() -> None:
    assert MoneyScale.fitting([0.02, None]).label == "success"
    assert MoneyScale.fitting([0.00002, 0.004]).text(0.00002) == "$0.02"
    assert MoneyScale.fitting([0.0000000206]).label == "million successes"
    assert MoneyScale.fitting([None, 0.0]).label == "success"


@pytest.mark.parametrize(
    ("p", "says"), [(0.00001, "p < 0.001"), (0.012, "p = 0.012"), (0.04, "p = 0.04"), (0.4, "p = 0.4"), (1.0, "p = 1")]
)
def test_p_values_are_never_zero(p: float, says: str) -> None:
    assert wording.p_value(p) == says


def test_limits_are_said_with_their_side_and_unit() -> None:
    assert wording.limit_words("quality", 0.92) == "quality at least 92%"
    assert wording.limit_words("ttft_p95", 0.8) == "TTFT P95 at most 800 ms"
    assert wording.limit_words("total_p99", 6) == "total P99 at most 6.00 s"
    assert wording.limit_words("cost_per_success", 0.002) == "cost per success at most $0.002"
    assert wording.limit_words("error_rate", 0.01) == "error rate at most 1%"


def test_lists_and_counts_read_as_english() -> None:
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.counted(1, "sample") == "1 sample"
    assert wording.counted(1200, "sample") == "1,200 samples"
