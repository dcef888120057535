"""The journal: what was written counts, whatever dies when."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.replay.journal import Journal
from weighbridge.replay.result import Attempt, Result
from weighbridge.wire.answer import Answer


def result(sample: str, *, cost: float | None = 0.5) -> Result:
    attempt = Attempt(started=0.0, took=0.1, status=200, cost=cost)
    return Result(
        candidate="c", sample=sample, repeat=0, intended=0.0, attempts=(attempt,), answer=Answer(text="hi"), cost=cost
    )


def opened(path: Path, plan: str = "p") -> Journal:
    return Journal(path, run="r", plan=plan)


def test_what_was_written_is_known_after_reopening(tmp_path: Path) -> None:
    """Results are done, what was sent without a result was in flight, and the money is added up."""
    path = tmp_path / "journal.jsonl"
    with opened(path) as journal:
        journal.sent(("c", "a", 0), 0)
        journal.result(result("a"))
        journal.sent(("c", "b", 0), 0, 0.75)
    with opened(path) as journal:
        past = journal.past
    assert past.done == {("c", "a", 0)}
    assert set(past.in_flight) == {("c", "b", 0)}
    assert past.in_flight["c", "b", 0].most == 0.75
    assert past.spent == 0.5


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 2000))
def test_a_journal_cut_at_any_byte_can_be_resumed(tmp_path: Path, cut: int) -> None:
    """lm-eval#2533, #2548: a process killed in the middle of a write leaves a torn last line; it is taken off, and what
    is written next begins on a line of its own."""
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    with opened(path) as journal:
        for name in "abcd":
            journal.sent(("c", name, 0), 0)
            journal.result(result(name))
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    with opened(path) as journal:
        known = len(journal.past.done)
        journal.result(result("z"))
    with opened(path) as journal:
        assert len(journal.past.done) == known + 1


def test_another_plan_is_refused_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    opened(path).close()
    with pytest.raises(UsageError, match="belongs to another plan"):
        opened(path, plan="other")


def test_a_damaged_line_is_named_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with opened(path) as journal:
        journal.result(result("a"))
    path.write_bytes(path.read_bytes() + b"{not json}\n" + b'{"t":"sent"')
    with pytest.raises(UsageError, match=r"journal\.jsonl:3: damaged line.*Delete that line"):
        opened(path)


def test_two_processes_cannot_run_one_run(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with opened(path):
        imports = "from pathlib import Path; from weighbridge.replay.journal import Journal"
        script = f"{imports}; Journal(Path({str(path)!r}), run='r', plan='p')"
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "another process is running this run" in other.stderr


def test_a_full_disk_stops_with_one_line_and_leaves_no_half_line(tmp_path: Path) -> None:
    """The file may grow to 4 KB and no further: the write that does not fit is refused, and every line is whole."""
    path = tmp_path / "journal.jsonl"
    pid = os.fork()
    if pid == 0:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            with opened(path) as journal:
                for number in range(1000):
                    journal.result(result(f"s{number}"))
        except MeasurementError as error:
            os._exit(
                0 if "journal cannot be written" in str(error) and "goes on where this stopped" in str(error) else 2
            )
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert path.read_bytes().endswith(b"\n")
    with opened(path) as journal:
        assert 5 < len(journal.past.done) < 100


def test_an_unknown_cost_is_counted_as_unknown(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with opened(path) as journal:
        journal.result(result("a", cost=None))
    with opened(path) as journal:
        assert (journal.past.spent, journal.past.unknown_costs) == (0.0, 1)
