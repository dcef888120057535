"""What a call costs: the vendor's tiers resolved once when a model is loaded, then a few multiplications a call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from weighbridge.errors import UsageError
from weighbridge.wire.answer import Usage

_PER = 1_000_000
_ABSURD = 10_000.0  # USD per million tokens; the dearest model sold costs hundreds


class Tier(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices that hold for a request whose input has more than `above` tokens. USD per million tokens."""

    above: int
    rates: dict[str, float]


class Price(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """USD per million tokens. A part without a price of its own costs as its whole: `cached` and `cache_write` as
    `input`, `reasoning` as `output`. Audio costs many times what text does, so without its own price it is unknown.
    `source` says where the figures are from."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    per_request: float = 0.0
    tiers: tuple[Tier, ...] = ()
    source: str = "override"

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached", "cache_write", "reasoning", "audio_input", "audio_output"):
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate <= _ABSURD:
                raise UsageError(
                    f"a price of {rate:g} for {name} cannot be right",
                    mend="Prices are in USD per million tokens, such as 0.25",
                )

    def cost(self, usage: Usage) -> float | None:
        """USD for one request; None where the provider did not say what was used, or used what has no known price.

        Parts are inside their whole (see Usage), so each token is charged once: cached, written and audio tokens leave
        the plain input, reasoning and audio tokens the plain output.
        """
        if usage.input is None or usage.output is None:
            return None
        if (usage.audio_input and self.audio_input is None) or (usage.audio_output and self.audio_output is None):
            return None
        rates = self._rates(usage.input)
        given = _share(usage.input, usage.cached, usage.cache_write, usage.audio_input)
        made = _share(usage.output, usage.reasoning, usage.audio_output)
        dollars = (
            given[0] * rates["input"]
            + given[1] * rates["cached"]
            + given[2] * rates["cache_write"]
            + given[3] * rates["audio_input"]
            + made[0] * rates["output"]
            + made[1] * rates["reasoning"]
            + made[2] * rates["audio_output"]
        )
        return dollars / _PER + self.per_request

    def upper_bound(self, input_tokens: int, output_tokens: int) -> float:
        """USD that a request of this size costs at most: nothing cached, everything at its dearest."""
        rates = self._rates(input_tokens)
        dearest_in = max(rates["input"], rates["cache_write"], rates["audio_input"])
        dearest_out = max(rates["output"], rates["reasoning"], rates["audio_output"])
        return (input_tokens * dearest_in + output_tokens * dearest_out) / _PER + self.per_request

    def _rates(self, input_tokens: int) -> dict[str, float]:
        base = {name: getattr(self, name) for name in _RATES}
        for tier in self.tiers:
            if input_tokens > tier.above:
                base = {**base, **tier.rates}
        return _completed(base)


_RATES = ("input", "output", "cached", "cache_write", "reasoning", "audio_input", "audio_output")


def _completed(rates: dict[str, float | None]) -> dict[str, float]:
    given, made = rates["input"] or 0.0, rates["output"] or 0.0
    whole = {"cached": given, "cache_write": given, "audio_input": given, "reasoning": made, "audio_output": made}
    return {name: rate if rate is not None else whole.get(name, 0.0) for name, rate in rates.items()}


def _share(whole: int, *parts: int | None) -> list[int]:
    """The plain tokens left, then each part; parts that claim more than the whole are cut to it."""
    left = whole
    taken = []
    for part in parts:
        count = min(part or 0, left)
        left -= count
        taken.append(count)
    return [left, *taken]


def look_up(vendor: str | None, model: str, *, at: datetime | None = None) -> Price | None:
    """The price book's entry for a vendor's model, as of `at` (now); None: unknown.

    Costs some tens of microseconds, so it is done once a model, never once a request.
    """
    if vendor is None:
        return None
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.1 s to import, only when a price is needed

    try:
        _, found = get_snapshot().find_provider_model(model, None, vendor, None)
    except LookupError:
        return None
    book = found.get_prices(at or datetime.now(UTC))
    return _from_book(book, f"genai-prices: {vendor}/{found.id}")


def context_window(vendor: str | None, model: str) -> int | None:
    """The price book's word on a model's context window, in tokens; None: unknown."""
    if vendor is None:
        return None
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - see `look_up`

    try:
        _, found = get_snapshot().find_provider_model(model, None, vendor, None)
    except LookupError:
        return None
    window: int | None = found.context_window
    return window


_BOOK = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
}


def _from_book(book: Any, source: str) -> Price | None:
    base: dict[str, float] = {}
    starts: dict[int, dict[str, float]] = {}
    for name, field in _BOOK.items():
        entry = getattr(book, field, None)
        if entry is None:
            continue
        if hasattr(entry, "tiers"):
            base[name] = float(entry.base)
            for tier in entry.tiers:
                starts.setdefault(tier.start, {})[name] = float(tier.price)
        else:
            base[name] = float(entry)
    if "input" not in base:
        return None
    base.setdefault("output", 0.0)  # embeddings and classifiers have none, and the book prices nothing else so
    per_request = getattr(book, "requests_kcount", None)
    return Price(
        **base,
        per_request=float(per_request) / 1000 if per_request is not None else 0.0,
        tiers=_cumulative(starts),
        source=source,
    )


def _cumulative(starts: dict[int, dict[str, float]]) -> tuple[Tier, ...]:
    return tuple(Tier(above, rates) for above, rates in sorted(starts.items()))


def total(costs: Sequence[float | None]) -> float | None:
    """The sum, None where any part is unknown."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
