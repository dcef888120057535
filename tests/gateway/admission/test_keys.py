"""Virtual keys: what is kept of them, who is let in, and what a database that fails does (nothing)."""

import sqlite3
from pathlib import Path

import pytest

from weighbridge.errors import UsageError
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.grant import ANONYMOUS, KeySpec, digest_of, make_key
from weighbridge.gateway.admission.keys import Keys
from weighbridge.gateway.admission.keystore import KeyStore
from weighbridge.gateway.admission.rules import Budget, Limit

NOW = 1_800_000_000.0


def made(home: Path, name: str = "app", **changes: object) -> str:
    return KeyStore(home).create(KeySpec(name, "", **changes), NOW)  # type: ignore[arg-type]


def refused(keys: Keys, authorization: str | None, now: float = NOW) -> Denied:
    with pytest.raises(Denied) as caught:
        keys.authenticate(authorization, now)
    return caught.value


def test_a_key_lets_in_with_what_it_was_made_with(tmp_path: Path) -> None:
    limits, budgets = (Limit("requests", 5, 60),), (Budget(1.0, "day"),)
    key = made(tmp_path, limits=limits, budgets=budgets, endpoints=("a",), tenant="us")
    keys = Keys(home=tmp_path)
    grant = keys.authenticate(f"Bearer {key}", NOW)
    assert (grant.name, grant.tenant, grant.rules.limits, grant.rules.budgets) == ("app", "us", limits, budgets)
    assert grant.covers("a")
    assert not grant.covers("b")
    assert keys.authenticate(f"bearer  {key}", NOW) is grant
    assert keys.authenticate(key, NOW) is grant
    keys.close()


def test_only_a_hash_is_kept(tmp_path: Path) -> None:
    key = made(tmp_path)
    assert key.startswith("wb-")
    assert len(key) >= 46
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.encode() not in kept
    assert key[3:].encode() not in kept
    assert digest_of(key).hex().encode() in kept


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer ", "Bearer wb-no", "Basic abc", "x" * 10_000, "\ud800é"])
def test_whatever_else_is_sent_is_one_clear_401(tmp_path: Path, sent: str | None) -> None:
    made(tmp_path)
    keys = Keys(home=tmp_path)
    error = refused(keys, sent)
    assert (error.status, error.code, error.type) == (401, "invalid_api_key", "invalid_request_error")
    assert "weighbridge keys create" in error.message
    assert len(error.message.splitlines()) == 1
    keys.close()


def test_an_expired_key_and_one_that_will(tmp_path: Path) -> None:
    key = made(tmp_path, expires=NOW + 1)
    keys = Keys(home=tmp_path)
    keys.authenticate(key, NOW + 0.9)
    assert "has expired" in refused(keys, key, NOW + 1).message
    KeyStore(tmp_path).expire("app", None)
    keys.refresh()
    keys.authenticate(key, NOW + 1)
    keys.close()


def test_a_revoked_key_stops_at_the_next_refresh_everywhere(tmp_path: Path) -> None:
    key, other = made(tmp_path), made(tmp_path, "other")
    workers = [Keys(home=tmp_path), Keys(home=tmp_path)]
    grants = [worker.authenticate(other, NOW) for worker in workers]
    KeyStore(tmp_path).revoke("app", NOW)
    for worker, grant in zip(workers, grants, strict=True):
        worker.refresh()
        assert "was revoked" in refused(worker, key).message
        assert worker.authenticate(other, NOW) is grant, "a key that did not change keeps its grant"
        worker.close()


def test_a_key_made_later_works_at_the_next_refresh(tmp_path: Path) -> None:
    keys = Keys(home=tmp_path)
    assert keys.authenticate(None, NOW) is ANONYMOUS
    key = made(tmp_path)
    keys.refresh()
    refused(keys, None)
    keys.authenticate(key, NOW)
    keys.close()


def locked(home: Path) -> sqlite3.Connection:
    """A connection that lets nobody else even read."""
    db = sqlite3.connect(home / "keys.db", isolation_level=None)
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("BEGIN EXCLUSIVE")
    db.execute("UPDATE keys SET revoked = 1")
    return db


def test_a_locked_database_fails_no_request(tmp_path: Path) -> None:
    """litellm#18708: authentication needs the database, and "too many clients" fails requests."""
    key = made(tmp_path)
    keys = Keys(home=tmp_path)
    keys.close()
    db = locked(tmp_path)
    keys.refresh()
    keys.authenticate(key, NOW)
    db.close()
    keys.refresh()
    keys.authenticate(key, NOW)
    keys.close()


def test_a_database_that_was_always_locked_is_said_to_be(tmp_path: Path) -> None:
    key = made(tmp_path)
    db = locked(tmp_path)
    keys = Keys(home=tmp_path)
    assert refused(keys, key).status == 503
    db.close()
    keys.refresh()
    keys.authenticate(key, NOW)
    keys.close()


@pytest.mark.parametrize("end", ["gone", "broken", "empty"])
def test_a_database_that_is_gone_or_broken_fails_no_request(tmp_path: Path, end: str) -> None:
    """litellm#18708: what was read last is what holds; and nobody else is let in either."""
    key = made(tmp_path)
    keys = Keys(home=tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    if end != "gone":
        (tmp_path / "keys.db").write_bytes(b"not a database at all" * 100 if end == "broken" else b"")
    keys.refresh()
    keys.refresh()
    keys.authenticate(key, NOW)
    assert refused(keys, None).status == 401
    keys.close()


def test_keys_that_could_never_be_read_let_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"not a database at all" * 100)
    keys = Keys(home=tmp_path)
    error = refused(keys, "Bearer wb-x")
    assert (error.status, error.code, error.retry_after) == (503, "keys_unavailable", 1.0)


def test_without_any_key_everybody_is_anonymous_only_where_that_was_meant(tmp_path: Path) -> None:
    assert Keys(home=tmp_path).authenticate("Bearer sk-whatever", NOW) is ANONYMOUS
    assert refused(Keys(home=tmp_path, open_=False), None).status == 401


def test_revoking_the_last_key_opens_nothing(tmp_path: Path) -> None:
    key = made(tmp_path)
    KeyStore(tmp_path).revoke("app", NOW)
    keys = Keys(home=tmp_path)
    assert refused(keys, None).status == 401
    assert refused(keys, key).status == 401
    keys.close()


def test_declared_keys_and_kept_ones_work_beside_each_other(tmp_path: Path) -> None:
    declared, kept = make_key(), made(tmp_path)
    keys = Keys([KeySpec("ours", digest_of(declared).hex())], home=tmp_path)
    assert keys.authenticate(declared, NOW).name == "ours"
    assert keys.authenticate(kept, NOW).name == "app"
    keys.close()


@pytest.mark.parametrize("hash_", ["", "zz" * 32, "ab" * 31])
def test_a_declared_hash_must_be_one(hash_: str) -> None:
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        Keys([KeySpec("app", hash_)])


def test_declared_keys_differ() -> None:
    spec = KeySpec("app", "ab" * 32)
    with pytest.raises(UsageError, match="twice"):
        Keys([spec, spec])


def test_names_are_checked_and_not_used_twice(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(UsageError, match="already"):
        made(tmp_path)
    with pytest.raises(UsageError, match="no name"):
        made(tmp_path, "a b")
    for change in (KeyStore(tmp_path).revoke, KeyStore(tmp_path).expire):
        with pytest.raises(UsageError, match="no key 'none'"):
            change("none", NOW)
    assert [row.spec.name for row in KeyStore(tmp_path).list()] == ["app"]
    assert KeyStore(tmp_path / "nothing").list() == []
