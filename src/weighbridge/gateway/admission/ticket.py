"""What one request took, and gives back once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from weighbridge.gateway.admission.rules import NANO

if TYPE_CHECKING:
    from weighbridge.gateway.admission.admission import Admission
    from weighbridge.gateway.admission.plan import Plan


class Ticket:
    """One request that was let in. Settle it in a `finally`, whatever happened to the request; `with` does so too."""

    __slots__ = ("_admission", "_nano", "_now", "_plan", "_tokens")

    def __init__(self, admission: Admission, plan: Plan, tokens: int, nano: int, now: float) -> None:
        self._admission: Admission | None = admission
        self._plan = plan
        self._tokens = tokens
        self._nano = nano
        self._now = now

    @property
    def headers(self) -> bytes:
        """The `x-ratelimit-*` lines for the reply, each ending in CRLF; empty where nothing is limited."""
        return self._plan.headers(self._now)

    def settle(self, tokens: int | None = None, usd: float | None = None) -> None:
        """What it came to; None: as much as was reserved. Only the first call counts."""
        admission, self._admission = self._admission, None
        if admission is None or admission.closed:
            return
        plan = self._plan
        for gate in plan.gates:
            gate.undo(1)
        if tokens is not None and tokens != self._tokens:
            difference = max(tokens, 0) - self._tokens
            for window in plan.tokens:
                window.correct(difference, self._now, admission.now)
        if plan.purses:
            reserved = self._nano
            spent = reserved if usd is None else int(max(usd, 0.0) * NANO + 0.5)
            for purse in plan.purses:
                purse.settle(reserved, spent, self._now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()


class FreeTicket(Ticket):
    """Nothing is limited, so nothing is given back: one ticket serves all."""

    __slots__ = ()

    def __init__(self) -> None:
        """Holds nothing."""

    @property
    def headers(self) -> bytes:
        return b""

    def settle(self, tokens: int | None = None, usd: float | None = None) -> None:
        """There is nothing to settle."""


FREE = FreeTicket()
