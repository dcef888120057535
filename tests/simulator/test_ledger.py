"""The books: what is charged, what is remembered, and the log on disk."""

from array import array
from pathlib import Path

import msgspec
import pytest

from weighbridge.errors import MeasurementError
from weighbridge.simulator.ledger import Charged, Entry, Ledger, decode
from weighbridge.simulator.replies import Made

MADE = Made("chat", ["a"], "stop", 0, 1, 0, "id", 1)


def entry(number: int = 1) -> Entry:
    return Entry(number, f"key-{number}", 1.5, outcome="completed", status=200, tokens=2, finished=2.5)


def test_a_key_is_charged_once_and_no_key_each_time() -> None:
    ledger = Ledger()
    assert [ledger.charge(key, b"") for key in ("a", "a", "b", None, None)] == [True, False, True, True, True]
    assert (ledger.stats.paid, ledger.stats.repeated) == (4, 1)


def test_a_reply_is_kept_under_its_key() -> None:
    ledger = Ledger()
    ledger.charge("a", b"body")
    assert ledger.remembered("a") == Charged(hash(b"body"))
    ledger.keep("a", MADE)
    ledger.keep("unknown", MADE)
    ledger.keep(None, MADE)
    assert ledger.remembered("a") == Charged(hash(b"body"), MADE)
    assert ledger.remembered("unknown") is None
    assert ledger.remembered(None) is None


def test_the_log_is_on_disk_after_closing_and_reads_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    ledger = Ledger(path)
    ledger.record(entry(1), array("d", [1.75, 2.0]))
    ledger.record(entry(2))
    ledger.close()
    found = decode(path.read_bytes())
    assert found == ledger.entries == decode(ledger.lines())
    assert found[0] == msgspec.structs.replace(entry(1), sent=[1.75, 2.0])


def test_a_log_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for number in (1, 2):
        ledger = Ledger(path)
        ledger.record(entry(number))
        ledger.close()
    assert [one.number for one in decode(path.read_bytes())] == [1, 2]


def test_a_log_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="the log cannot be written: No such file"):
        Ledger(tmp_path / "none" / "log.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("count", [1, 20_000], ids=["at the end", "under way"])
def test_a_full_disk_is_said_once_at_the_end_and_the_simulation_goes_on(count: int) -> None:
    """With few entries the buffer fails when it is closed, with many while requests are served."""
    ledger = Ledger(Path("/dev/full"))
    for number in range(count):
        ledger.record(entry(number))
    assert len(ledger.entries) == count
    with pytest.raises(MeasurementError, match="the log is not whole: No space left on device"):
        ledger.close()


def test_a_reset_forgets_all_but_what_is_under_way() -> None:
    ledger = Ledger()
    ledger.stats.concurrent = 3
    ledger.charge("a", b"")
    ledger.record(entry())
    ledger.reset()
    assert (ledger.stats.paid, ledger.stats.concurrent, ledger.stats.most_concurrent) == (0, 3, 3)
    assert ledger.entries == []
    assert ledger.charge("a", b"") is True
