"""Limits and budgets of a gateway that starts on a full disk."""

import errno
import os
from pathlib import Path

import pytest

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Budget, Rules, limit
from weighbridge.gateway.alone import has_room, is_alone, shared_or_alone

NOW = 1_000_000.0
LIMITED = Rules((limit("requests", "2/min"),), ())
RULES = {"limited": LIMITED, "paid": Rules((), (Budget(0.025, "day"),)), "free": Rules()}
WHO = Grant("k", "k")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A disk that has room for names and not for data."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.posix_fallocate", refused)
    monkeypatch.setattr(Path, "write_bytes", refused)
    return monkeypatch


def begun(home: Path) -> Admission:
    made = shared_or_alone(RULES, home=home, workers=1)
    assert is_alone(made)
    return made


def ask(admission: Admission, endpoint: str) -> int:
    try:
        admission.admit(WHO, endpoint, tokens=1, usd=0.01, now=NOW)
    except Denied as error:
        return error.status
    return 200


@pytest.mark.usefixtures("full")
def test_on_a_full_disk_limits_count_in_memory_and_a_budget_that_cannot_be_kept_is_a_503(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    admission = begun(tmp_path)
    assert [ask(admission, "limited") for _ in range(3)] == [200, 200, 429]
    assert [ask(admission, "paid") for _ in range(2)] == [503, 503]
    assert ask(admission, "free") == 200
    assert "no space left on device" in caplog.text
    admission.tick(NOW)
    admission.flush()
    admission.close()


@pytest.mark.usefixtures("full")
def test_on_a_full_disk_a_new_configuration_is_followed(tmp_path: Path) -> None:
    admission = begun(tmp_path)
    assert ask(admission, "free") == 200
    admission.reload({"free": LIMITED})
    assert [ask(admission, "free") for _ in range(3)] == [200, 200, 429]
    assert ask(admission, "paid") == 200


def test_once_there_is_room_budgets_are_kept(tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    assert ask(begun(tmp_path), "paid") == 503
    assert not any(has_room(tmp_path) for _ in range(100))
    assert len(list(tmp_path.rglob("seat-*.lock"))) == 1
    full.undo()
    assert has_room(tmp_path)
    again = shared_or_alone(RULES, home=tmp_path, workers=1)
    assert not is_alone(again)
    assert [ask(again, "paid") for _ in range(3)] == [200, 200, 429]
    assert not list(tmp_path.rglob("*.tmp"))
    again.close()


def test_what_no_room_would_mend_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "admission").mkdir()
    (tmp_path / "admission" / "budgets.board").write_bytes(bytes(1 << 18))
    with pytest.raises(MeasurementError, match="no board of this version"):
        shared_or_alone(RULES, home=tmp_path, workers=1)
