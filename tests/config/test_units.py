"""Durations, rates, money and shares: what is read, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.config import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("800ms", 0.8), ("6s", 6.0), ("2m", 120.0), ("1h", 3600.0), ("0.5 s", 0.5), (".5s", 0.5), (" 10s ", 10.0)],
)
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    assert units.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["800", 800, 1.5, "8 days", "-1s", "0s", "1e3s", "", "s", None, True, "1s2", "\u0661s"]
)
def test_a_duration_without_a_unit_or_not_above_zero_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        units.duration(value)


@pytest.mark.parametrize(("text", "per_second"), [("4/s", 4.0), ("120/min", 2.0), ("90/m", 1.5), ("3600 / h", 1.0)])
def test_rates_are_read_per_second(text: str, per_second: float) -> None:
    assert units.rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("value", ["4", 4, "0/s", "-4/s", "4/day", "/s", None])
def test_a_rate_without_a_unit_or_not_above_zero_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="rate"):
        units.rate(value)


@pytest.mark.parametrize(
    ("value", "usd"), [("$0.002", 0.002), (0.002, 0.002), ("$5", 5.0), (5, 5.0), ("5", 5.0), (0, 0)]
)
def test_money_is_read_in_usd(value: object, usd: float) -> None:
    assert units.money(value) == pytest.approx(usd)


@pytest.mark.parametrize("value", ["€5", "5 EUR", "-$5", -5, "$-5", True, None, float("nan"), float("inf"), "1,000"])
def test_money_that_is_negative_or_not_usd_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"USD|\$0 or more"):
        units.money(value)


@pytest.mark.parametrize(
    ("value", "fraction"), [("1%", 0.01), (0.01, 0.01), ("95%", 0.95), ("99.9 %", 0.999), (1, 1.0)]
)
def test_shares_are_read_as_fractions(value: object, fraction: float) -> None:
    assert units.share(value) == pytest.approx(fraction)


def test_a_share_over_one_asks_whether_percent_was_meant() -> None:
    with pytest.raises(ValueError, match="did you mean 92%"):
        units.share(92)


@pytest.mark.parametrize("value", ["101%", -0.1, 1000, "most", True, None, float("nan")])
def test_what_is_no_share_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="share"):
        units.share(value)


@given(st.text(max_size=12) | st.integers() | st.floats() | st.booleans() | st.none())
def test_no_value_whatever_makes_a_reader_fail_otherwise(value: object) -> None:
    """A reader gives a finite number or a ValueError: never another exception, never a NaN."""
    for read in units.READERS.values():
        try:
            number = read(value)
        except ValueError:
            continue
        assert 0 <= number < float("inf")
