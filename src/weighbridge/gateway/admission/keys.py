"""Virtual keys on the request's path: a look-up in memory, and never a database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from weighbridge.gateway.admission.rules import Budget, Limit, Rules


class KeySpec(msgspec.Struct, frozen=True):
    """One key as declared in the configuration or kept in the key file. `hash` is the SHA-256 of the key, in hex."""

    name: str
    hash: str
    endpoints: tuple[str, ...] | None = None
    expires: float | None = None
    budgets: tuple[Budget, ...] = ()
    limits: tuple[Limit, ...] = ()
    at: Mapping[str, Rules] = {}
    tenant: str | None = None


class Grant(msgspec.Struct, frozen=True):
    """What a key gives: its name, its tenant (keeps caches apart), the endpoints in scope (None: all), its rules,
    and its rules at single endpoints."""

    name: str
    tenant: str
    endpoints: frozenset[str] | None = None
    rules: Rules = Rules()
    at: Mapping[str, Rules] = {}

    def covers(self, endpoint: str) -> bool:
        """Whether the key may ask for this endpoint."""
        return self.endpoints is None or endpoint in self.endpoints


ANONYMOUS = Grant("anonymous", "anonymous")


class Keys:
    """Every key that works right now. `home` is the folder of `keys.db`; None: only the keys given.

    Without any key at all everybody is `anonymous`: the gateway allows that on loopback, or with `open_` elsewhere.
    """

    def __init__(self, specs: tuple[KeySpec, ...] = (), *, home: Path | None = None, open_: bool = True) -> None:
        self._specs = specs
        self._home = home
        self._open = open_

    def authenticate(self, authorization: str | None, now: float) -> Grant:
        """The grant of `Bearer wb-…` (or the bare key, as in `x-api-key`). Raises Denied with 401."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Re-reads the key file if it changed. Call each second, off the request's path; never raises."""
