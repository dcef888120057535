"""What a key is, and what it gives."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Final

import msgspec

from weighbridge.gateway.admission.rules import Budget, Limit, Rules

PREFIX: Final = "wb-"
NAME: Final = re.compile(r"[\w.@-]{1,64}", re.ASCII)


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

    @classmethod
    def of(cls, spec: KeySpec) -> Grant:
        """A key without a tenant is one of its own."""
        scope = None if spec.endpoints is None else frozenset(spec.endpoints)
        return cls(spec.name, spec.tenant or spec.name, scope, Rules(spec.limits, spec.budgets), spec.at)

    def covers(self, endpoint: str) -> bool:
        """Whether the key may ask for this endpoint."""
        return self.endpoints is None or endpoint in self.endpoints


ANONYMOUS: Final = Grant("anonymous", "anonymous")


def make_key() -> str:
    """A new key: 32 random bytes, safe in URLs and shells. Shown once, and kept nowhere."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """What is kept of a key. A key has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode(errors="replace")).digest()
