"""The one line that says which limit or budget was reached, and when to come back."""

from __future__ import annotations

import time

from weighbridge.gateway.admission import headers
from weighbridge.gateway.admission.budgets import Purse
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.limits import Meter
from weighbridge.gateway.admission.plan import Plan
from weighbridge.gateway.admission.rules import NANO
from weighbridge.gateway.admission.taking import Taker


def over(plan: Plan, taker: Taker, name: str, amount: int, now: float) -> Denied:
    """The refusal by one limit or budget of a plan."""
    if isinstance(taker, Purse):
        return _over_budget(plan, taker, name, amount, now)
    assert isinstance(taker, Meter)  # noqa: S101 - there is no third kind
    meter = taker
    wait, lines = meter.wait(amount, now), plan.headers(now)
    if wait is None:
        message = f"The request needs {amount} {meter.kind} where the limit is {name}: it can never be let in"
        return _too_many(message, meter.kind, None, lines + headers.NO_RETRY)
    message = f"The limit of {name} is reached; try again in {headers.duration(wait)}"
    return _too_many(message, meter.kind, wait, lines)


def _too_many(message: str, kind: str, wait: float | None, lines: bytes) -> Denied:
    return Denied(429, message, "rate_limit_exceeded", type=kind, retry_after=wait, headers=lines)


def _over_budget(plan: Plan, purse: Purse, name: str, amount: int, now: float) -> Denied:
    lines = plan.headers(now)
    price = f"${amount / NANO:.6f}".rstrip("0").rstrip(".")
    if amount > purse.limit:
        message = f"The request may cost {price} where the budget is {name}: it can never be let in"
        return _no_money(message, None, lines)
    if purse.spent() + purse.elsewhere() - purse.flying + amount <= purse.limit:
        # Reserved by requests in flight, leased to another worker or machine, or the ledger was busy: soon it may fit.
        message = f"What is left of the budget of {name} is reserved by requests in flight; try again in a second"
        return Denied(429, message, "rate_limit_exceeded", type="budget", retry_after=1.0, headers=lines)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(purse.ends))
    message = f"The budget of {name} is used up; it is there again at {at}"
    return _no_money(message, max(purse.ends - now, 0.0), lines)


def _no_money(message: str, wait: float | None, lines: bytes) -> Denied:
    kind = "insufficient_quota"
    return Denied(429, message, kind, type=kind, retry_after=wait, headers=lines + headers.NO_RETRY)


def no_price() -> Denied:
    """A budget holds, and what the request may cost is not known."""
    message = "The model's price is unknown, so no budget can hold; set its `price`, or an amount for unpriced requests"
    return Denied(400, message, "price_unknown")
