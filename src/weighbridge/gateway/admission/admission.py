"""Lets a request in, or says why not: everything is checked first, then taken, and given back once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from weighbridge.gateway.admission.keys import Grant
from weighbridge.gateway.admission.rules import Rules


class Ticket:
    """One request that was let in. Settle it in a `finally`, whatever happened to the request."""

    __slots__ = ()

    @property
    def headers(self) -> bytes:
        """The `x-ratelimit-*` lines for the reply, each ending in CRLF; empty where nothing is limited."""
        raise NotImplementedError

    def settle(self, tokens: int | None = None, usd: float | None = None) -> None:
        """What it came to; None: as much as was reserved. Only the first call counts."""
        raise NotImplementedError


class Admission:
    """The limits and budgets of every key and endpoint, shared by all workers of one home folder.

    Used from one thread, as an event loop does. `home` None keeps everything in this process's memory.
    `unpriced` is reserved in USD for a request whose price is unknown (`usd=None`); None refuses it where a budget holds.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Rules] | None = None,
        *,
        home: Path | None = None,
        workers: int = 1,
        unpriced: float | None = None,
    ) -> None:
        raise NotImplementedError

    def admit(self, grant: Grant, endpoint: str, *, tokens: int, usd: float | None, now: float) -> Ticket:
        """Raises Denied: 403 out of scope, 429 over a limit or budget (with retry_after, headers)."""
        raise NotImplementedError

    def tick(self, now: float) -> None:
        """Twice a second, off the request's path: dead workers' slots, leases ahead, idle money back. Never raises."""

    def close(self) -> None:
        """Gives back what is leased and unspent, and this worker's slot."""
