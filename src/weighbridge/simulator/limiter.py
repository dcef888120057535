"""Rate limits as providers keep them: so many requests and tokens a minute, so many at once."""

from __future__ import annotations

from time import monotonic

from weighbridge.simulator.settings import RateLimits


class Limiter:
    """Token buckets that refill evenly; requests and tokens have one each."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self.restart()

    def restart(self) -> None:
        """All buckets full."""
        limits = self._limits
        self._requests = float(limits.requests_per_minute or 0)
        self._tokens = float(limits.tokens_per_minute or 0)
        self._at = monotonic()

    def admit(self, concurrent: int, tokens: int) -> tuple[bool, float, dict[str, str]]:
        """Whether a request gets in, how long until one would (seconds), and the headers that say so."""
        self._refill()
        limits = self._limits
        wait = 0.0
        if limits.concurrent is not None and concurrent > limits.concurrent:
            wait = 0.05
        if limits.requests_per_minute is not None and self._requests < 1:
            wait = max(wait, (1 - self._requests) * 60 / limits.requests_per_minute)
        if limits.tokens_per_minute is not None and self._tokens < tokens:
            wait = max(wait, (tokens - self._tokens) * 60 / limits.tokens_per_minute)
        if wait == 0:
            self._requests -= 1
            self._tokens -= tokens
        return wait == 0, wait, self._headers()

    def _refill(self) -> None:
        now = monotonic()
        passed, self._at = now - self._at, now
        requests, tokens = self._limits.requests_per_minute or 0, self._limits.tokens_per_minute or 0
        self._requests = min(float(requests), self._requests + passed * requests / 60)
        self._tokens = min(float(tokens), self._tokens + passed * tokens / 60)

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, most, left in (
            ("requests", self._limits.requests_per_minute, self._requests),
            ("tokens", self._limits.tokens_per_minute, self._tokens),
        ):
            if most is not None:
                found[f"x-ratelimit-limit-{name}"] = str(most)
                found[f"x-ratelimit-remaining-{name}"] = str(max(0, int(left)))
                found[f"x-ratelimit-reset-{name}"] = f"{max(0.0, (most - left) * 60 / most):.3f}s"
        return found
