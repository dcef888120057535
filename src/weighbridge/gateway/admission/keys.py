"""Virtual keys on the request's path: a look-up in memory, and never a database."""

from __future__ import annotations

import contextlib
import hmac
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from weighbridge.errors import UsageError
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.grant import ANONYMOUS, Grant, KeySpec, digest_of
from weighbridge.gateway.admission.keystore import FILE, Kept, connect, read

__all__ = ["ANONYMOUS", "Grant", "KeySpec", "Keys"]

_MOST_GOOD: Final = 4096
_GOOD_LENGTH: Final = 256
_MEND: Final = "send `Authorization: Bearer wb-…` with a key from `weighbridge keys create`"


class Known:
    """One key in memory."""

    __slots__ = ("digest", "expires", "grant", "name", "revoked", "spec")

    def __init__(self, digest: bytes, spec: KeySpec, grant: Grant, *, revoked: bool = False) -> None:
        self.digest = digest
        self.spec = spec
        self.grant = grant
        self.revoked = revoked
        self.name = spec.name
        self.expires = spec.expires


class Keys:
    """Every key that works right now. `home` is the folder of `keys.db`; None: only the keys given.

    Without any key at all everybody is `anonymous`: the gateway allows that on loopback, or with `open_` elsewhere.
    Keys that were there once are never forgotten because their file is: a file that is locked, broken or gone leaves
    the keys as they were last read, and one that could never be read lets nobody in.
    """

    def __init__(self, specs: Iterable[KeySpec] = (), *, home: Path | None = None, open_: bool = True) -> None:
        self._declared = _declared(specs)
        self._path = home / FILE if home is not None else None
        self._open = open_
        self._db: sqlite3.Connection | None = None
        self._seen: tuple[int, int, int] | None = None
        self._ever_read = False
        self._unread = False
        self._table: Mapping[bytes, Known] = self._declared
        # Headers that were found good, as they came: they need no digest again. Their hash is keyed by a secret of this
        # process, so that to be compared with one byte by byte takes the whole of it.
        self._good: dict[str, Known] = {}
        self.refresh()

    def authenticate(self, authorization: str | None, now: float) -> Grant:
        """The grant of `Bearer wb-…` (or the bare key, as in `x-api-key`). Raises Denied with 401."""
        known = self._good.get(authorization) if authorization is not None else None
        if known is None:
            known = self._looked_up(authorization)
            if known is None:
                return self._without_keys()
        expires = known.expires
        if known.revoked or (expires is not None and now >= expires):
            raise _unauthorized(f"Key {known.name!r} {'was revoked' if known.revoked else 'has expired'}: {_MEND}")
        return known.grant

    def _looked_up(self, authorization: str | None) -> Known | None:
        """By its digest; None where there are no keys at all. Raises Denied."""
        table = self._table
        if not table:
            return None
        if not authorization:
            raise _unauthorized(f"No key: {_MEND}")
        key = authorization[7:].strip() if authorization[:7].lower() == "bearer " else authorization
        digest = digest_of(key)
        known = table.get(digest)
        if known is None or not hmac.compare_digest(known.digest, digest):
            raise self._unknown()
        if len(authorization) <= _GOOD_LENGTH:
            if len(self._good) >= _MOST_GOOD:
                self._good.clear()
            self._good[authorization] = known
        return known

    def refresh(self) -> None:
        """Re-reads the key file if it changed. Call each second, off the request's path; never raises."""
        if self._path is None:
            return
        try:
            self._read(self._path)
        except FileNotFoundError:
            self.close()
        except (sqlite3.Error, OSError, msgspec.DecodeError, ValueError):
            self._unread = not self._ever_read
            self.close()

    def close(self) -> None:
        """Lets go of the key file; the keys read from it go on working."""
        self._seen = None
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _read(self, path: Path) -> None:
        status = path.stat()
        if self._db is None or self._seen is None or self._seen[:2] != (status.st_dev, status.st_ino):
            self.close()
            self._db = connect(path, wait=0)
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        now = (status.st_dev, status.st_ino, version)
        if now != self._seen:
            self._take(read(self._db))
            self._seen, self._unread, self._ever_read = now, False, True

    def _take(self, rows: list[Kept]) -> None:
        """The new table in one step. A key that did not change keeps its grant, and what was made for that."""
        table = dict(self._declared)
        for row in rows:
            digest, revoked = bytes.fromhex(row.spec.hash), row.revoked is not None
            old = self._table.get(digest)
            same = old is not None and old.spec == row.spec
            grant = old.grant if old is not None and same else Grant.of(row.spec)
            table.setdefault(digest, Known(digest, row.spec, grant, revoked=revoked))
        if table or not self._table:
            self._table = table
            self._good.clear()

    def _unknown(self) -> Denied:
        if self._unread:  # it may well be a good one
            message = "The keys cannot be read at the moment"
            return Denied(503, message, "keys_unavailable", type="server_error", retry_after=1.0)
        return _unauthorized(f"Unknown key: {_MEND}")

    def _without_keys(self) -> Grant:
        if self._unread:
            raise self._unknown()
        if self._open:
            return ANONYMOUS
        raise _unauthorized("No key was ever made here: make one with `weighbridge keys create`")


def _declared(specs: Iterable[KeySpec]) -> dict[bytes, Known]:
    found: dict[bytes, Known] = {}
    names: set[str] = set()
    for spec in specs:
        try:
            digest = bytes.fromhex(spec.hash)
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise UsageError(f"key {spec.name!r}: its hash is not 64 hexadecimal digits", mend="Give its SHA-256")
        if digest in found or spec.name in names:
            raise UsageError(f"key {spec.name!r} is declared twice", mend="Remove one of them")
        names.add(spec.name)
        found[digest] = Known(digest, spec, Grant.of(spec))
    return found


def _unauthorized(message: str) -> Denied:
    return Denied(401, message, "invalid_api_key", type="invalid_request_error")
