"""A price on the request path."""

from __future__ import annotations

from typing import Final

from weighbridge.providers.price import Price
from weighbridge.wire.answer import Usage

_PER: Final = 1_000_000


class Bill:
    """A price made ready for the request path: the figures of `Price.cost`, without resolving tiers and parts where a
    request used none."""

    __slots__ = ("_input", "_output", "_per_request", "_price", "_until")

    def __init__(self, price: Price) -> None:
        self._price = price
        self._input = price.input / _PER
        self._output = price.output / _PER
        self._per_request = price.per_request
        self._until = price.tiers[0].above if price.tiers else None

    def cost(self, usage: Usage) -> float | None:
        """As `Price.cost`."""
        given, made = usage.input, usage.output
        if given is None or made is None:
            return None
        parts = usage.cached or usage.cache_write or usage.reasoning or usage.audio_input or usage.audio_output
        if parts or (self._until is not None and given > self._until):
            return self._price.cost(usage)
        return given * self._input + made * self._output + self._per_request

    def at_most(self) -> tuple[float, float]:
        """USD for a token of input and one of output, each at its dearest in any tier; the request's own is extra."""
        starts = [0, *(tier.above + 1 for tier in self._price.tiers)]
        bound = self._price.upper_bound
        given = max((bound(start + 1, 0) - self._per_request) / (start + 1) for start in starts)
        made = max(bound(start, _PER) - bound(start, 0) for start in starts)
        return given, made / _PER
