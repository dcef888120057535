"""Segments become tables once, whole, beside running gateways; and every record is found exactly once at any time."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from tests.records.synthetic import exchange, exchanges

from weighbridge.errors import MeasurementError, UsageError
from weighbridge.records.exchange import Attempt, Exchange, Feedback, Record, Route
from weighbridge.records.recorder import Recorder
from weighbridge.records.segments import Segment, date_of, folder, live
from weighbridge.store import exchanges as store
from weighbridge.store import tables
from weighbridge.store.exchange_rows import EXCHANGE_COLUMNS, FEEDBACK_COLUMNS
from weighbridge.store.exchanges import captured, seal
from weighbridge.store.lake import Lake
from weighbridge.wire.answer import Usage
from weighbridge.wire.failure import Failure

encode = msgspec.json.Encoder().encode_lines


def segment(home: Path, *records: Record, number: int = 1, worker: str = "w1", raw: bytes = b"") -> Path:
    """A finished segment."""
    written = Segment(home, worker, "abcdef", number)
    written.append(encode(records) + raw)
    written.close()
    return written.path


def ids(home: Path) -> list[str]:
    return [row[0] for row in Lake(home).query("SELECT id FROM exchanges ORDER BY arrived, id").rows]


def one(home: Path) -> dict[str, Any]:
    found = Lake(home).query("SELECT * FROM exchanges")
    (row,) = found.rows
    return dict(zip(found.columns, row, strict=True))


FULL = exchange(
    id="wbx_1",
    at=1.7e9,
    key="team-a",
    outcome="ok",
    status=200,
    streamed=True,
    route=Route("b", "fallback: rate_limit", "policy-1", 0.75),
    attempts=(
        Attempt(
            target="a",
            provider="openai",
            model="gpt",
            started=0.0,
            failure=Failure("rate_limit", "slow down", 429),
            status=429,
            cost=0.0,
        ),
        Attempt(target="b", provider="other", model="m", answered="m-2", started=0.5, hedge=True, usage=Usage(10, 4)),
    ),
    usage=Usage(10, 4),
    cost=0.25,
    ttft=0.7,
    total=1.5,
    request='{"messages": []}',
)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_row_has_what_people_ask_for(tmp_path: Path, sealed: bool) -> None:
    segment(tmp_path, FULL)
    if sealed:
        seal(tmp_path)
    row = one(tmp_path)
    expected = {
        "id": "wbx_1",
        "worker": "w1",
        "endpoint": "support",
        "key": "team-a",
        "ok": True,
        "candidate": "b",
        "provider": "other",
        "model": "m",
        "answered": "m-2",
        "reason": "fallback: rate_limit",
        "chance": 0.75,
        "tries": 2,
        "retried": ["rate_limit"],
        "hedged": True,
        "input_tokens": 10,
        "output_tokens": 4,
        "cached_tokens": None,
        "cost": 0.25,
        "ttft": 0.7,
        "total": 1.5,
        "error_class": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["time"].isoformat() == "2023-11-14T22:13:20"
    unnested = "SELECT json_extract_string(a.value, '$.target') FROM exchanges, json_each(attempts) AS a"
    assert sorted(Lake(tmp_path).query(unnested).rows) == [("a",), ("b",)]


def test_every_column_can_be_asked_for_without_quotes(tmp_path: Path) -> None:
    segment(tmp_path, FULL)
    for name in EXCHANGE_COLUMNS:
        Lake(tmp_path).query(f"SELECT x.{name} AS it FROM exchanges AS x WHERE {name} IS NULL ORDER BY {name}")  # noqa: S608
    for name in FEEDBACK_COLUMNS:
        Lake(tmp_path).query(f"SELECT {name} FROM feedback GROUP BY {name} ORDER BY {name}")  # noqa: S608


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=exchanges)
def test_sealing_loses_nothing_of_an_exchange(tmp_path_factory: pytest.TempPathFactory, written: Exchange) -> None:
    home = tmp_path_factory.mktemp("home")
    written = msgspec.structs.replace(written, request="{}")
    segment(home, written)
    assert [found for found, _ in captured(home)] == [written]
    seal(home)
    assert not live(home)
    assert [found for found, _ in captured(home)] == [written]


def test_odd_numbers_and_texts_do_not_stop_a_table(tmp_path: Path) -> None:
    odd = exchange(usage=Usage(2**64 - 1, 5), at=1e300, request="\x00\u2028\U0001f600", endpoint='"\\')
    segment(tmp_path, odd)
    seal(tmp_path)
    row = one(tmp_path)
    assert (row["input_tokens"], row["output_tokens"], row["time"]) == (None, 5, None)
    assert (row["request"], row["endpoint"]) == (odd.request, odd.endpoint)


def test_sealing_twice_makes_nothing_new(tmp_path: Path) -> None:
    path = segment(tmp_path, FULL, Feedback(exchange="wbx_1", at=1.0, score=1.0))
    (table,) = seal(tmp_path)
    assert seal(tmp_path) == []
    assert table == folder(tmp_path) / date_of(path.stem) / f"{path.stem}.parquet"
    assert table.stat().st_mode & 0o777 == 0o600
    assert table.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(found.name for found in table.parent.iterdir()) == [
        f"{path.stem}.feedback.parquet",
        f"{path.stem}.parquet",
    ]
    assert ids(tmp_path) == ["wbx_1"]
    assert Lake(tmp_path).query("SELECT exchange, score FROM feedback").rows == [("wbx_1", 1.0)]


def test_a_segment_that_is_being_written_is_left_alone_and_read(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = Recorder(tmp_path, "w1")
        recorder.append(FULL)
        async with asyncio.timeout(20):
            while not live(tmp_path)[0].stat().st_size:  # noqa: ASYNC110 -- what is awaited is in files
                await asyncio.sleep(0.002)
        assert seal(tmp_path) == []
        assert ids(tmp_path) == ["wbx_1"]
        await recorder.close()

    asyncio.run(main())
    assert len(seal(tmp_path)) == 1
    assert ids(tmp_path) == ["wbx_1"]


def test_a_segment_another_process_is_sealing_is_left_alone(tmp_path: Path) -> None:
    path = segment(tmp_path, FULL)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert seal(tmp_path) == []
    assert len(seal(tmp_path)) == 1


def test_a_segment_sealed_between_listing_and_locking_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = segment(tmp_path, FULL)
    flock = fcntl.flock

    def late(file: Any, how: int) -> None:
        monkeypatch.undo()
        seal(tmp_path)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    assert seal(tmp_path) == []
    assert not path.exists()
    assert ids(tmp_path) == ["wbx_1"]


def test_torn_and_damaged_lines_are_kept_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = segment(tmp_path, FULL, raw=b'{broken\n{"t":"new"}\n{"t":"exch')
    with caplog.at_level(logging.WARNING):
        seal(tmp_path)
    assert ids(tmp_path) == ["wbx_1"]
    assert (folder(tmp_path) / "bad" / path.name).read_bytes() == b'{broken\n{"t":"new"}\n'
    (said,) = caplog.messages
    assert "2, kept in" in said
    assert "line 2: " in said


def test_a_segment_of_nothing_but_damage_leaves_no_table(tmp_path: Path) -> None:
    segment(tmp_path, raw=b"{broken\n")
    assert seal(tmp_path) == []
    assert not live(tmp_path)
    assert ids(tmp_path) == []


def test_feedback_in_another_segment_than_its_exchange(tmp_path: Path) -> None:
    segment(tmp_path, FULL)
    segment(tmp_path, Feedback(exchange="wbx_1", at=3.0, score=0.0, comment="wrong"), number=2)
    seal(tmp_path)
    segment(tmp_path, Feedback(exchange="wbx_1", at=2.0, score=1.0), number=3)
    ((_, said),) = captured(tmp_path)
    assert [(each.at, each.score, each.comment) for each in said] == [(2.0, 1.0, None), (3.0, 0.0, "wrong")]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(8))
def test_sealing_killed_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Each write, rename and removal may be the last thing that happens."""
    segment(tmp_path, FULL, Feedback(exchange="wbx_1", at=1.0, score=1.0))
    left = [step]

    def counted(real: Any) -> Any:
        def called(*given: Any, **named: Any) -> Any:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*given, **named)

        return called

    with monkeypatch.context() as patched:
        patched.setattr(tables, "_stage", counted(tables._stage))
        patched.setattr(Path, "replace", counted(Path.replace))
        patched.setattr(Path, "unlink", counted(Path.unlink))
        with contextlib.suppress(Killed):
            seal(tmp_path)
    assert ids(tmp_path) == ["wbx_1"], "while half sealed"
    assert Lake(tmp_path).query("SELECT count(*) FROM feedback").rows == [(1,)]
    seal(tmp_path)
    assert ids(tmp_path) == ["wbx_1"]
    assert Lake(tmp_path).query("SELECT count(*) FROM feedback").rows == [(1,)]
    assert not live(tmp_path)
    assert not list(folder(tmp_path).rglob(".*"))


_SEALING = """
import sys
from pathlib import Path
from weighbridge.store.exchanges import seal
print("ready", flush=True)
seal(Path(sys.argv[1]))
"""


def test_sealing_processes_killed_and_racing(tmp_path: Path) -> None:
    expected = []
    for number in range(12):
        held = [exchange(id=f"wbx_{number:02d}{each:03d}", at=float(number)) for each in range(200)]
        expected += [each.id for each in held]
        segment(tmp_path, *held, number=number)
    for after in (0.0, 0.01, 0.02, 0.05, 0.1):
        pair = [subprocess.Popen([sys.executable, "-c", _SEALING, tmp_path], stdout=subprocess.PIPE) for _ in range(2)]
        for process in pair:
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(after)
        for process in pair:
            process.send_signal(signal.SIGKILL)
        assert ids(tmp_path) == expected
        for process in pair:
            process.communicate()
    seal(tmp_path)
    assert ids(tmp_path) == expected
    assert not live(tmp_path)


def test_reading_while_a_segment_is_sealed_counts_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment(tmp_path, FULL)
    segment(tmp_path, exchange(id="wbx_2"), number=2)
    real = store._live_exchanges

    def meanwhile(parts: Any) -> Iterator[dict[str, Any]]:
        seal(tmp_path)
        return real(parts)

    monkeypatch.setattr(store, "_live_exchanges", meanwhile)
    assert ids(tmp_path) == ["wbx_1", "wbx_2"]
    assert not live(tmp_path)


def test_a_full_disk_leaves_the_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment(tmp_path, FULL)

    def refuse(*_: Any) -> Any:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(tables, "_stage", refuse)
        with pytest.raises(MeasurementError, match="No space"):
            seal(tmp_path)
    assert ids(tmp_path) == ["wbx_1"]
    assert len(seal(tmp_path)) == 1


_LARGE = """
import resource, sys
from pathlib import Path
from weighbridge.store.exchanges import captured, seal
seal(Path(sys.argv[1]))
print(sum(1 for _ in captured(Path(sys.argv[1]))), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_many_segments_need_no_more_memory_than_one(tmp_path: Path) -> None:
    """litellm#21908: cleaning up a large log loaded it whole."""
    used = {}
    for count in (4, 24):
        home = tmp_path / str(count)
        for number in range(count):
            held = [exchange(id=f"wbx_{number}_{each}", request=f"{each:x}" * 700) for each in range(2500)]
            segment(home, *held, number=number)
        done = subprocess.run(
            [sys.executable, "-c", _LARGE, home], check=True, capture_output=True, text=True, timeout=100
        )
        found, used[count] = map(int, done.stdout.split())
        assert found == count * 2500
        assert not live(home)
    assert used[24] < used[4] + 200, used


def test_a_damaged_table_is_one_line_that_does_not_tell_to_delete(tmp_path: Path) -> None:
    segment(tmp_path, FULL)
    (table,) = seal(tmp_path)
    table.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UsageError, match="Move that file away"):
        ids(tmp_path)


def test_captured_filters(tmp_path: Path) -> None:
    for number, (endpoint, at, outcome, request) in enumerate(
        [("a", 3.0, "ok", "1"), ("a", 1.0, "ok", "2"), ("b", 2.0, "failed", "3"), ("a", 4.0, "ok", None)]
    ):
        written = exchange(id=f"wbx_{number}", endpoint=endpoint, at=at, outcome=outcome, request=request)
        segment(tmp_path, written, number=number)
        if number % 2:
            seal(tmp_path)

    def found(**asked: Any) -> list[str]:
        return sorted(str(each.request) for each, _ in captured(tmp_path, **asked))

    assert found() == ["1", "2", "3"]
    assert found(endpoint="a") == ["1", "2"]
    assert found(since=2.0) == ["1", "3"]
    assert found(outcome="failed") == ["3"]
    assert found(endpoint="a'; DROP TABLE live_exchanges; --") == []
    assert not list(captured(tmp_path / "nowhere"))


def test_queries_that_speak_of_no_exchange_read_none(tmp_path: Path) -> None:
    segment(tmp_path, FULL)
    (table,) = seal(tmp_path)
    table.write_bytes(b"damaged")
    assert Lake(tmp_path).query("SELECT 1").rows == [(1,)]
