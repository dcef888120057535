"""Limits and budgets as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.gateway.admission import rules
from weighbridge.gateway.admission.rules import Budget, Kind, Limit


@pytest.mark.parametrize(
    ("kind", "text", "limit"),
    [
        ("requests", "600/min", Limit("requests", 600, 60)),
        ("requests", "10 / s", Limit("requests", 10, 1)),
        ("requests", "50/10s", Limit("requests", 50, 10)),
        ("tokens", "200k/min", Limit("tokens", 200_000, 60)),
        ("tokens", "1.5M/day", Limit("tokens", 1_500_000, 86400)),
        ("tokens", "5M/h", Limit("tokens", 5_000_000, 3600)),
        ("concurrent", "20", Limit("concurrent", 20)),
        ("concurrent", 20, Limit("concurrent", 20)),
    ],
)
def test_limits(kind: Kind, text: object, limit: Limit) -> None:
    assert rules.limit(kind, text) == limit


@pytest.mark.parametrize("text", ["5/0s", "5/0min", "5/00h"])
def test_no_window_is_refused(text: str) -> None:
    """bifrost#4851: a duration of "0s" spins a core; here it is refused where it is read."""
    with pytest.raises(ValueError, match="window of 1 second"):
        rules.limit("requests", text)


@pytest.mark.parametrize(
    "text", ["", "600", "-5/min", "0/min", "0.5/min", "1e9/min", "5/year", "5 min", True, None, 5.5]
)
def test_what_is_no_limit(text: object) -> None:
    with pytest.raises(ValueError, match=r"rate with its window|whole number"):
        rules.limit("tokens", text)


@pytest.mark.parametrize("text", ["5/min", "0", "x", "1.5", None, True])
def test_what_is_no_number_at_a_time(text: object) -> None:
    with pytest.raises(ValueError, match="number"):
        rules.limit("concurrent", text)


def test_budgets() -> None:
    assert rules.budget("$5/day") == Budget(5.0, "day")
    assert rules.budget("0.25 / month") == Budget(0.25, "month")
    for text in ("5", "$5/week", "-1/day", "", None, 5, "$2000000000/day"):
        with pytest.raises(ValueError, match=r"\$"):
            rules.budget(text)


@given(st.sampled_from(["requests", "tokens"]), st.integers(1, 10**9), st.sampled_from([1, 7, 60, 3600, 86400]))
def test_a_limit_reads_back_as_it_is_said(kind: Kind, amount: int, window: int) -> None:
    said = str(Limit(kind, amount, window))
    assert rules.limit(kind, said.replace(f" {kind}", "")) == Limit(kind, amount, window)
