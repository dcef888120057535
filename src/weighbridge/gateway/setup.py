"""From a configuration to what serves it: endpoints, keys, rules, captures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from weighbridge.config.build import fleet_url
from weighbridge.config.load import Config
from weighbridge.config.serving import BudgetSection, KeySection, LimitsSection
from weighbridge.errors import UsageError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.admission.keys import Keys, KeySpec
from weighbridge.gateway.admission.rules import Budget, Kind, Limit, Period, Rules, limit
from weighbridge.gateway.admission.valkey import Valkey
from weighbridge.gateway.alone import is_alone, shared_or_alone
from weighbridge.gateway.cache import Stores
from weighbridge.gateway.endpoints import endpoints
from weighbridge.gateway.second_look import SecondLook
from weighbridge.gateway.serves import Setup
from weighbridge.gateway.shadow import shadowed
from weighbridge.records.capture import Capture
from weighbridge.routing.health import Health

Redacting = Callable[[Sequence[str]], Callable[[bytes], bytes]]
"""From the kinds of what is taken out to a function that does so; wired by the command."""

_RATES: Final[tuple[Kind, ...]] = ("requests", "tokens")


def setup(
    config: Config,
    health: Health,
    *,
    home: Path | None,
    workers: int,
    redacting: Redacting,
    local: bool,
    before: Setup | None = None,
    stores: Stores | None = None,
) -> Setup:
    """Everything a worker serves by. `home` None: limits and budgets of this process alone. `local`: where there is no
    key at all, everybody is let in. `before`: what served until now; its limits and budgets carry on. `stores`
    keep answers from one configuration to the next.

    Raises ConfigError and UsageError.
    """
    served = endpoints(config, health)
    if not served:
        raise config.error(("endpoints",), "there is no endpoint to serve", "Add one under `endpoints:`.")
    specs = tuple(_spec(config, name, section) for name, section in config.keys.items())
    rules = {
        name: _rules(config, ("endpoints", name), section.limits, section.budget)
        for name, section in config.endpoints.items()
    }
    captures = {
        name: Capture(section.capture.share, redacting(section.capture.redact))
        for name, section in config.endpoints.items()
        if section.capture is not None
    }
    caches, shadows = (stores or Stores()).caches(served), shadowed(config, captures)
    keys = Keys(specs, home=home, open_=local)
    if before is None:
        server = _server(config)
        admission = shared_or_alone(rules, home=home, workers=workers)
        second = _second(config, admission, server, home)
    else:
        admission, second = before.admission, before.second
        admission.reload(rules)
    return Setup(
        endpoints=served,
        keys=keys,
        admission=admission,
        captures=captures,
        caches=caches,
        shadows=shadows,
        second=second,
    )


def _server(config: Config) -> Valkey | None:
    """The server of the fleet, if this machine is one of a fleet. Nothing is sent to it yet."""
    fleet = config.gateway.fleet
    if fleet is None:
        return None
    url = fleet_url(config, fleet)
    try:
        return Valkey(url)
    except UsageError as error:
        raise config.error(("gateway", "fleet", "url"), f"gateway.fleet.url {error.what}", error.mend) from None


def _second(config: Config, admission: Admission, server: Valkey | None, home: Path | None) -> SecondLook | None:
    fleet = config.gateway.fleet
    if is_alone(admission):
        return None  # what other machines must know of this one cannot be kept
    if fleet is None or server is None:
        admission.limits.free(0)  # what was heard of other machines when there was a fleet
        return None
    return SecondLook(Fleet(admission, server, home=home, name=fleet.name))


def _spec(config: Config, name: str, section: KeySection) -> KeySpec:
    rules = _rules(config, ("keys", name), section.limits, section.budget)
    return KeySpec(
        name=name,
        hash=section.hash.removeprefix("sha256:"),
        endpoints=section.endpoints or None,
        expires=_expiry(config, name, section),
        budgets=rules.budgets,
        limits=rules.limits,
    )


def _expiry(config: Config, name: str, section: KeySection) -> float | None:
    if section.expires is None:
        return None
    try:
        return datetime.fromisoformat(section.expires).replace(tzinfo=UTC).timestamp()
    except ValueError:
        what = f"keys.{name}.expires is no date: {section.expires[:40]!r}"
        raise config.error(("keys", name, "expires"), what, "Write it as 2027-01-31.") from None


def _rules(config: Config, path: tuple[str, ...], limits: LimitsSection, budget: BudgetSection) -> Rules:
    found: list[Limit] = []
    for kind in _RATES:
        text = getattr(limits, kind)
        if text is None:
            continue
        try:
            found.append(limit(kind, text))
        except ValueError as error:
            where = (*path, "limits", kind)
            raise config.error(where, f"{'.'.join(where)} must be {error}, not {text[:40]!r}") from None
    if limits.concurrent is not None:
        found.append(Limit("concurrent", limits.concurrent))
    periods: tuple[tuple[Period, float | None], ...] = (("day", budget.day), ("month", budget.month))
    return Rules(tuple(found), tuple(Budget(usd, period) for period, usd in periods if usd is not None))
