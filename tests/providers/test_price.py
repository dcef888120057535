"""Prices: tiers, parts, overrides, and nothing that is unknown is free."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import UsageError
from weighbridge.providers.bill import Bill
from weighbridge.providers.price import Price, Tier, look_up, total
from weighbridge.wire.answer import Usage
from weighbridge.wire.spent import usage_of
from weighbridge.wire.views import decode_reply


def test_an_override_counts_cached_tokens_once() -> None:
    """litellm#40006: of 1,000 tokens 100 are new, 700 written to the cache and 200 read from it."""
    price = Price(input=3.0, output=15.0, cached=0.3, cache_write=3.75)
    usage = Usage(input=1000, output=10, cached=200, cache_write=700)
    assert price.cost(usage) == pytest.approx((100 * 3 + 700 * 3.75 + 200 * 0.3 + 10 * 15) / 1e6)


def test_a_price_of_a_part_is_that_of_its_whole_unless_set() -> None:
    assert Price(input=1.0, output=2.0).cost(Usage(input=10, output=4, cached=6, reasoning=3)) == pytest.approx(18e-6)
    assert Price(input=1.0, output=2.0, reasoning=5.0).cost(Usage(input=0, output=4, reasoning=3)) == pytest.approx(
        17e-6
    )


def test_a_tier_applies_to_the_whole_request_beyond_its_start() -> None:
    price = Price(input=1.0, output=2.0, tiers=(Tier(100, {"input": 10.0}),))
    assert price.cost(Usage(input=100, output=0)) == pytest.approx(100e-6)
    assert price.cost(Usage(input=101, output=0)) == pytest.approx(1010e-6)


def test_what_is_unknown_is_unknown_and_never_zero() -> None:
    """deepeval#1114: no usage, no vendor, no such model, audio without an audio price: None every time."""
    price = Price(input=1.0, output=2.0)
    assert price.cost(Usage()) is None
    assert price.cost(Usage(input=5)) is None
    assert price.cost(Usage(input=5, output=5, audio_output=3)) is None
    assert look_up(None, "gpt-4o") is None
    assert look_up("openai", "no-such-model-anywhere") is None
    assert total([0.1, None]) is None
    assert total([0.1, 0.2]) == pytest.approx(0.3)


@pytest.mark.parametrize("rate", [-1.0, 20_000.0, 2_500_000.0])
def test_a_price_in_another_unit_is_refused_with_the_unit(rate: float) -> None:
    """litellm#20615: a price typed in another unit blocks everyone, or nobody."""
    with pytest.raises(UsageError, match="USD per million tokens"):
        Price(input=rate, output=1.0)


@given(
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 12_000),
    st.integers(0, 12_000),
    st.integers(0, 12_000),
)
def test_no_usage_costs_more_than_its_upper_bound(
    given: int, made: int, cached: int, written: int, thought: int
) -> None:
    """Even where the parts a provider reports claim more than their whole."""
    price = Price(input=1.0, output=2.0, cached=0.1, cache_write=1.25, reasoning=3.0)
    usage = Usage(input=given, output=made, cached=cached, cache_write=written, reasoning=thought)
    cost = price.cost(usage)
    assert cost is not None
    assert 0 <= cost <= price.upper_bound(given, made) + 1e-12


def test_a_price_by_the_time_of_day_is_that_of_the_time_asked_for() -> None:
    day, night = (datetime(2026, 1, 15, hour, tzinfo=UTC) for hour in (12, 20))
    found = [look_up("deepseek", "deepseek-chat", at=at) for at in (day, night)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].input != found[1].input


def test_a_looked_up_price_says_where_it_is_from() -> None:
    found = look_up("openai", "gpt-4o")
    assert found is not None
    assert found.source == "genai-prices: openai/gpt-4o"


def test_what_has_no_output_in_the_book_is_paid_for_by_its_input() -> None:
    """Embeddings: their usage tells a total that is the prompt's, so their output is known to be none."""
    price = look_up("openai", "text-embedding-3-small")
    assert price is not None
    assert price.output == 0
    usage = decode_reply(b'{"usage":{"prompt_tokens":1000000,"total_tokens":1000000}}').usage
    assert usage is not None
    assert usage_of(usage).output == 0
    assert price.cost(usage_of(usage)) == Bill(price).cost(usage_of(usage)) == pytest.approx(price.input)
    cut = decode_reply(b'{"usage":{"prompt_tokens":10,"total_tokens":12}}').usage
    assert cut is not None
    assert usage_of(cut).output is None
