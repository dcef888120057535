"""Keys that are made and revoked while the gateway runs: `keys.db`, SQLite in WAL mode. It holds hashes only."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.gateway.admission.grant import NAME, KeySpec, digest_of, make_key

FILE: Final = "keys.db"
_WAIT_S: Final = 5.0
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS keys (
        name TEXT PRIMARY KEY,
        hash TEXT NOT NULL UNIQUE,
        spec TEXT NOT NULL,
        created REAL NOT NULL,
        revoked REAL
    ) STRICT
"""
_READ: Final = "SELECT spec, created, revoked FROM keys ORDER BY created, name"


class Kept(msgspec.Struct, frozen=True):
    """One row: the key, when it was made, and when it was revoked."""

    spec: KeySpec
    created: float
    revoked: float | None = None


class KeyStore:
    """`keys.db` of a home folder, for the commands that change it. Every error is one line."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    def create(self, spec: KeySpec, now: float) -> str:
        """A new key with everything `spec` says but its hash; the key itself is returned, and kept nowhere."""
        if not NAME.fullmatch(spec.name):
            mend = "Use up to 64 letters, digits and . _ - @"
            raise UsageError(f"{spec.name!r} is no name for a key", mend=mend)
        key = make_key()
        made = msgspec.structs.replace(spec, hash=digest_of(key).hex())
        row = (made.name, made.hash, msgspec.json.encode(made).decode(), now)
        with self._writing() as db:
            try:
                db.execute("INSERT INTO keys (name, hash, spec, created) VALUES (?, ?, ?, ?)", row)
            except sqlite3.IntegrityError:
                mend = "Names are not used twice, so that records stay clear: choose another"
                raise UsageError(f"there is a key {spec.name!r} already", mend=mend) from None
        return key

    def list(self) -> list[Kept]:
        """Every key there ever was, oldest first."""
        if not self.path.exists():
            return []
        with self._saying(), contextlib.closing(connect(self.path, wait=_WAIT_S)) as db:
            return read(db)

    def revoke(self, name: str, now: float) -> None:
        """Ends a key for good. Doing it again changes nothing."""
        with self._writing() as db:
            done = db.execute("UPDATE keys SET revoked = coalesce(revoked, ?) WHERE name = ?", (now, name))
            self._one(done, name)

    def expire(self, name: str, at: float | None) -> None:
        """Lets a key work until `at` only; None: until it is revoked."""
        with self._writing() as db:
            found = db.execute("SELECT spec FROM keys WHERE name = ?", (name,)).fetchone()
            spec = msgspec.json.decode(found[0], type=KeySpec) if found else KeySpec(name, "")
            text = msgspec.json.encode(msgspec.structs.replace(spec, expires=at)).decode()
            self._one(db.execute("UPDATE keys SET spec = ? WHERE name = ?", (text, name)), name)

    def _one(self, done: sqlite3.Cursor, name: str) -> None:
        if done.rowcount != 1:
            mend = "See `weighbridge keys list`"
            raise UsageError(f"there is no key {name!r}", where=str(self.path), mend=mend)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are there whole, or not at all if the block raises."""
        with self._saying():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            with contextlib.closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                with db:
                    db.execute(_TABLE)
                    yield db

    @contextlib.contextmanager
    def _saying(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
            what = (error.strerror if isinstance(error, OSError) else None) or str(error)
            mend = "Stop whatever holds it, or move it away; the gateway goes on with the keys it knows"
            raise MeasurementError(what, where=str(self.path), mend=mend) from error


def connect(path: Path, *, wait: float) -> sqlite3.Connection:
    """For reading. The file is never made by it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=wait, check_same_thread=False)


def read(db: sqlite3.Connection) -> list[Kept]:
    """Every row; none where no key was ever made."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'keys'").fetchone():
        return []
    return [Kept(msgspec.json.decode(row[0], type=KeySpec), row[1], row[2]) for row in db.execute(_READ)]
