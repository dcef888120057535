"""`weighbridge keys`: a key is shown once, and what it may do is shown always."""

import json
from pathlib import Path

import pytest

from weighbridge.cli.main import run
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.keys import Keys

NOW = 1_790_000_000.0
FULL = ["--endpoints", "a, b", "--expires", "2100-01-01", "--budget", "$5/day", "--requests", "600/min"]
FULL += ["--tokens", "200k/min", "--concurrent", "20"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEIGHBRIDGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_key_is_made_listed_and_revoked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "create", "app", *FULL]) == 0
    key = capsys.readouterr().out.strip()
    keys = Keys(home=home)
    grant = keys.authenticate(f"Bearer {key}", NOW)
    assert grant.endpoints == frozenset({"a", "b"})
    said = [str(limit) for limit in (*grant.rules.limits, *grant.rules.budgets)]
    assert said == ["600 requests/min", "200000 tokens/min", "20 at a time", "$5.00/day"]
    with pytest.raises(Denied, match="expired"):
        keys.authenticate(key, 4_102_444_800.0)

    assert run(["keys", "list"]) == 0
    text = capsys.readouterr().out
    assert "app" in text
    assert key[3:20] not in text
    assert run(["keys", "revoke", "app"]) == 0
    keys.refresh()
    with pytest.raises(Denied, match="revoked"):
        keys.authenticate(key, NOW)
    keys.close()


def test_machines_read_the_list_and_the_new_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "create", "app", *FULL, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["schema"] == "weighbridge.keys/1"
    assert made["key"].startswith("wb-")
    run(["keys", "create", "free"])
    run(["keys", "revoke", "free"])
    capsys.readouterr()
    assert run(["keys", "list", "--json"]) == 0
    text = capsys.readouterr().out
    assert made["key"] not in text
    app, free = json.loads(text)["keys"]
    assert app["limits"] == ["600 requests/min", "200000 tokens/min", "20 at a time"]
    assert (app["budgets"], app["expires"], app["state"]) == (["$5.00/day"], "2100-01-01T00:00:00Z", "works")
    assert (free["endpoints"], free["expires"], free["state"]) == (None, None, "revoked")


def test_no_keys_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "list"]) == 0
    assert "weighbridge keys create" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--requests", "600"], "--requests '600'"),
        (["--requests", "5/0s"], "1 second or more"),
        (["--tokens", "many/min"], "--tokens"),
        (["--budget", "$5"], "$5/day"),
        (["--concurrent", "0"], "--concurrent"),
        (["--expires", "soon"], "2027-01-01"),
        (["--endpoints", " , "], "--endpoints"),
    ],
)
def test_what_is_not_understood_is_said_in_one_line(
    home: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", "create", "app", *options]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.strip().splitlines()) == 1
    assert not home.exists()


def test_a_broken_key_file_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    (home / "keys.db").write_bytes(b"no database" * 500)
    for command in (["list"], ["create", "app"], ["revoke", "app"]):
        assert run(["keys", *command]) == 3
        assert "keys.db: file is not a database" in capsys.readouterr().err
