"""`weighbridge keys`: make, list and revoke the gateway's virtual keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from cyclopts import App

from weighbridge.cli import console

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighbridge.gateway.admission.grant import KeySpec
    from weighbridge.gateway.admission.keystore import Kept, KeyStore
    from weighbridge.gateway.admission.rules import Limit

SCHEMA = "weighbridge.keys/1"
T = TypeVar("T")

app = App(name="keys", help="Make, list and revoke the gateway's virtual keys.")


@app.command
def create(
    name: str,
    /,
    *,
    endpoints: str | None = None,
    expires: str | None = None,
    budget: list[str] | None = None,
    requests: list[str] | None = None,
    tokens: list[str] | None = None,
    concurrent: int | None = None,
    tenant: str | None = None,
    json: bool = False,
) -> int:
    """Make a key and print it, this once: only its hash is kept. Running gateways know it within a second.

    Parameters
    ----------
    name
        What the key is called in records and limits.
    endpoints
        The endpoints it may ask for, with commas between; else all.
    expires
        The UTC day or time it stops working, such as 2027-01-01 or 2027-01-01T12:00.
    budget
        What it may spend, such as $5/day or $100/month. May be repeated.
    requests
        How many requests it may make, such as 600/min. May be repeated.
    tokens
        How many tokens it may use, such as 200k/min. May be repeated.
    concurrent
        How many requests it may have under way at the same time.
    tenant
        Keys of one tenant share cached answers; else the key is a tenant of its own.
    json
        Print one JSON object on stdout.
    """
    from weighbridge.gateway.admission import rules  # noqa: PLC0415 -- `--help` answers without it
    from weighbridge.gateway.admission.grant import KeySpec  # noqa: PLC0415

    limits: list[Limit] = [_read("--requests", lambda t: rules.limit("requests", t), text) for text in requests or ()]
    limits += [_read("--tokens", lambda t: rules.limit("tokens", t), text) for text in tokens or ()]
    if concurrent is not None:
        limits.append(_read("--concurrent", lambda t: rules.limit("concurrent", t), str(concurrent)))
    spec = KeySpec(
        name,
        "",
        endpoints=_read("--endpoints", _names, endpoints) if endpoints is not None else None,
        expires=_read("--expires", _time, expires) if expires is not None else None,
        budgets=tuple(_read("--budget", rules.budget, text) for text in budget or ()),
        limits=tuple(limits),
        tenant=tenant,
    )
    key = _store().create(spec, time.time())
    if json:
        console.print_json(SCHEMA, {"key": key, **_said(spec)})
        return 0
    print(key)
    console.print_note("This key is not shown again. Use it as `Authorization: Bearer wb-…`.")
    return 0


@app.command(name="list")
def list_(*, json: bool = False) -> int:
    """Show every key by name, with its scope and its limits. The keys themselves are kept nowhere.

    Parameters
    ----------
    json
        Print one JSON object on stdout.
    """
    kept, now = _store().list(), time.time()
    if json:
        rows = [{**_said(row.spec), "created": _stamp(row.created), "state": _state(row, now)} for row in kept]
        console.print_json(SCHEMA, {"keys": rows})
        return 0
    from rich.table import Table  # noqa: PLC0415

    table = Table("key", "state", "endpoints", "limits", "expires")
    for row in kept:
        said = _said(row.spec)
        held = ", ".join([*said["limits"], *said["budgets"]]) or "none"
        table.add_row(row.spec.name, _state(row, now), ", ".join(said["endpoints"] or ["all"]), held, said["expires"])
    console.out().print(table if kept else "no keys; make one with `weighbridge keys create NAME`")
    return 0


@app.command
def revoke(name: str, /) -> int:
    """End a key for good. Running gateways refuse it within a second.

    Parameters
    ----------
    name
        The key's name.
    """
    _store().revoke(name, time.time())
    console.print_note(f"key {name!r} is revoked")
    return 0


def _store() -> KeyStore:
    from weighbridge.gateway.admission.keystore import KeyStore  # noqa: PLC0415
    from weighbridge.store.finding import home_folder  # noqa: PLC0415

    return KeyStore(home_folder())


def _read(option: str, reader: Callable[[str], T], text: str) -> T:
    from weighbridge.errors import UsageError  # noqa: PLC0415

    try:
        return reader(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is not understood", mend=f"Give {error}") from None


def _time(text: str) -> float:
    from datetime import UTC, datetime  # noqa: PLC0415

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a UTC day or time, such as 2027-01-01 or 2027-01-01T12:00") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise ValueError("names of endpoints, with commas between")
    return names


def _said(spec: KeySpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "tenant": spec.tenant or spec.name,
        "endpoints": spec.endpoints,
        "expires": _stamp(spec.expires) if spec.expires is not None else None,
        "limits": [str(limit) for limit in spec.limits],
        "budgets": [str(budget) for budget in spec.budgets],
    }


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _state(row: Kept, now: float) -> str:
    if row.revoked is not None:
        return "revoked"
    return "expired" if row.spec.expires is not None and row.spec.expires <= now else "works"
