"""Every limit and budget that holds for one key at one endpoint, in the order in which they are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission import headers
from weighbridge.gateway.admission.board import Busy
from weighbridge.gateway.admission.budgets import Budgets, Purse
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.limits import Gate, Limits, Meter, Window
from weighbridge.gateway.admission.rules import Budget, Limit, Rules
from weighbridge.gateway.admission.taking import Taker

_NO_RULES = Rules()


class Plan:
    """What holds for a grant at an endpoint. Gates come first: most refusals are theirs, and nothing is taken yet."""

    __slots__ = ("free", "gates", "grant", "names", "purses", "requests", "takers", "tokens")

    def __init__(self, grant: Grant, owned: list[tuple[str, Meter | Purse]]) -> None:
        self.grant = grant
        self.names = [name for name, _ in owned]
        meters = [meter for _, meter in owned]
        self.gates = [meter for meter in meters if isinstance(meter, Gate)]
        windows = [meter for meter in meters if isinstance(meter, Window)]
        self.requests = [meter for meter in windows if meter.kind == "requests"]
        self.tokens = [meter for meter in windows if meter.kind == "tokens"]
        self.purses = [meter for meter in meters if isinstance(meter, Purse)]
        self.takers: list[Taker] = list(meters)
        self.free = not meters

    def headers(self, now: float) -> bytes:
        """The `x-ratelimit-*` lines: of each kind the limit that will be reached first."""
        if not self.tokens:
            return headers.lines(self.requests, now)
        return headers.lines(self.requests, now) + headers.lines(self.tokens, now)


class Plans:
    """A plan for each key at each endpoint, made when it is first asked for and kept."""

    def __init__(self, endpoints: Mapping[str, Rules], limits: Limits, spare: Limits, budgets: Budgets) -> None:
        self.endpoints = endpoints
        self._limits, self._spare, self._budgets = limits, spare, budgets

    def make(self, grant: Grant, endpoint: str) -> Plan:
        """Raises Denied: 403 where the endpoint is out of the key's scope, 503 where a budget cannot be kept."""
        if not grant.covers(endpoint):
            raise Denied(403, f"Key {grant.name!r} does not have access to endpoint {endpoint!r}", "model_not_found")
        owned: list[tuple[str, Meter | Purse]] = []
        rules = list(self._rules(grant, endpoint))
        for owner, said, held in rules:
            owned += [(f"{limit} of {said}", self._meter(owner, limit)) for limit in held.limits]
        owned.sort(key=lambda pair: (not isinstance(pair[1], Gate), pair[1].share))
        for owner, said, held in rules:
            owned += [(f"{budget} of {said}", self._purse(owner, budget)) for budget in held.budgets]
        return Plan(grant, owned)

    def _rules(self, grant: Grant, endpoint: str) -> Iterator[tuple[str, str, Rules]]:
        """Whose rules they are, for the board and for people. JSON-like quoting keeps odd names apart."""
        yield f"key {grant.name!r}", f"key {grant.name!r}", grant.rules
        here = f"endpoint {endpoint!r}"
        yield here, here, self.endpoints.get(endpoint, _NO_RULES)
        both = f"key {grant.name!r} at {here}"
        yield both, both, grant.at.get(endpoint, _NO_RULES)

    def _meter(self, owner: str, limit: Limit) -> Meter:
        try:
            return self._limits.meter(owner, limit)
        except (Busy, MeasurementError):  # the disk refuses: this worker counts alone, and requests go on
            return self._spare.meter(owner, limit)

    def _purse(self, owner: str, budget: Budget) -> Purse:
        try:
            return self._budgets.purse(owner, budget)
        except (Busy, MeasurementError) as error:
            message = f"The budget of {owner} cannot be kept at the moment"
            raise Denied(503, message, "budget_unavailable", type="server_error", retry_after=1.0) from error
