"""Recording never holds up a request: full, slow, broken and vanished disks, on real files."""

import asyncio
import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.records.synthetic import exchange

from weighbridge.records.exchange import Exchange, Feedback, Record
from weighbridge.records.recorder import Recorder
from weighbridge.records.segments import live, records
from weighbridge.records.writer import Losses


def recorded(home: Path) -> list[Record]:
    found = []
    for path in live(home):
        with path.open("rb") as file:
            found += list(records(file))
    return found


def names(home: Path) -> list[str]:
    return [record.endpoint for record in recorded(home) if isinstance(record, Exchange)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- what is awaited is in files
            await asyncio.sleep(0.002)


def test_everything_appended_is_there_after_close(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = Recorder(tmp_path, "w1")
        for number in range(1000):
            recorder.append(exchange(endpoint=str(number)))
        recorder.append(Feedback(exchange="wbx_1", at=1.0, score=1.0))
        await recorder.close()
        assert (recorder.lost, recorder.why) == (0, None)

    asyncio.run(main())
    assert names(tmp_path) == [str(number) for number in range(1000)]
    assert isinstance(recorded(tmp_path)[-1], Feedback)


def test_one_record_reaches_the_disk_by_itself_and_the_timer_rests(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = Recorder(tmp_path, "w1")
        recorder.append(exchange())
        await until(lambda: names(tmp_path))
        assert recorder._timer is None
        recorder.append(exchange())
        await until(lambda: len(names(tmp_path)) == 2)
        await recorder.close()

    asyncio.run(main())


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    recorder = Recorder(home, "w1")
    recorder.append(exchange())
    asyncio.run(recorder.close())
    (segment,) = live(home)
    assert segment.stat().st_mode & 0o777 == 0o600
    assert segment.parent.stat().st_mode & 0o777 == 0o700
    assert segment.parent.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_loop_each_record_is_handed_over_at_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "w1")
    recorder.append(exchange())
    assert recorder._writer._handed_records == 1
    asyncio.run(recorder.close())
    assert len(names(tmp_path)) == 1


def test_nothing_appended_makes_no_file(tmp_path: Path) -> None:
    asyncio.run(Recorder(tmp_path, "w1").close())
    assert not live(tmp_path)


def test_bodies_with_line_breaks_stay_on_their_line(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "w1")
    recorder.append(exchange(request='{\n "a": 1\r\n}\u2028'))
    asyncio.run(recorder.close())
    (found,) = recorded(tmp_path)
    assert isinstance(found, Exchange)
    assert found.request == '{\n "a": 1\r\n}\u2028'


def test_a_record_that_cannot_be_encoded_takes_no_other_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = Recorder(tmp_path, "w1")
        for name in ("a", "\ud800", "b"):
            recorder.append(exchange(endpoint=name))
        await recorder.close()
        assert recorder.lost == 1
        assert "encoded" in str(recorder.why)

    asyncio.run(main())
    assert names(tmp_path) == ["a", "b"]


def test_after_close_records_are_counted_as_lost(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = Recorder(tmp_path, "w1")
        await recorder.close()
        recorder.append(exchange())
        assert (recorder.lost, recorder.why) == (1, "the recorder is closed")

    asyncio.run(main())


def test_segments_rotate_by_size_and_age(tmp_path: Path) -> None:
    now = [0.0]

    async def main() -> None:
        recorder = Recorder(tmp_path, "w1", rotate_bytes=500, rotate_seconds=60, clock=lambda: now[0])
        for number, at in enumerate((0.0, 1.0, 59.0, 118.0, 119.0)):
            now[0] = at
            recorder.append(exchange(endpoint=str(number), request="x" * (300 if number < 2 else 1)))
            await until(lambda number=number: len(names(tmp_path)) == number + 1)  # type: ignore[misc]
        await recorder.close()

    asyncio.run(main())
    held = []
    for path in live(tmp_path):
        with path.open("rb") as file:
            held.append([record.endpoint for record in records(file) if isinstance(record, Exchange)])
    assert held == [["0", "1"], ["2", "3"], ["4"]]


def test_a_folder_deleted_while_recording_is_made_again(tmp_path: Path) -> None:
    async def main() -> None:
        recorder = Recorder(tmp_path, "w1")
        recorder.append(exchange(endpoint="a"))
        await until(lambda: names(tmp_path))
        for path in live(tmp_path):
            path.unlink()
        (tmp_path / "exchanges" / "live").rmdir()
        recorder.append(exchange(endpoint="b"))
        await recorder.close()
        assert recorder.lost == 0

    asyncio.run(main())
    assert names(tmp_path) == ["b"]


def test_a_folder_that_cannot_be_made_costs_records_only_until_it_can(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("in the way")

    async def main() -> None:
        recorder = Recorder(home, "w1")
        recorder.append(exchange(endpoint="a"))
        await until(lambda: recorder.lost == 1)
        assert recorder.why
        home.unlink()
        recorder.append(exchange(endpoint="b"))
        await recorder.close()
        assert recorder.lost == 1

    asyncio.run(main())
    assert names(home) == ["b"]


class Disk:
    """Takes `room` bytes, then says it is full (`code`), after taking what still fits as a real one does."""

    def __init__(self, room: int, code: int = errno.ENOSPC) -> None:
        self.room = room
        self.code = code

    def __call__(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(self.code, os.strerror(self.code))
        written = os.write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_leaves_whole_lines_and_recording_goes_on_when_it_is_free(tmp_path: Path, code: int) -> None:
    disk = Disk(room=1000, code=code)

    async def main() -> None:
        recorder = Recorder(tmp_path, "w1", write=disk)
        for number in range(50):
            recorder.append(exchange(endpoint=f"a{number}"))
        await until(lambda: recorder.lost)
        assert recorder.why == os.strerror(code)
        assert all(path.read_bytes().endswith(b"\n") for path in live(tmp_path))
        kept = len(names(tmp_path))
        assert kept + recorder.lost == 50
        disk.room = 1_000_000
        recorder.append(exchange(endpoint="b"))
        await recorder.close()
        assert names(tmp_path) == [*(f"a{number}" for number in range(kept)), "b"]
        assert len(live(tmp_path)) == (1 if code == errno.ENOSPC else 2)

    asyncio.run(main())


def test_a_line_that_cannot_be_taken_back_is_the_last_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "ftruncate", refuse)
    disk = Disk(room=250)

    async def main() -> None:
        recorder = Recorder(tmp_path, "w1", write=disk)
        for number in range(5):
            recorder.append(exchange(endpoint=f"a{number}"))
        await until(lambda: recorder.lost)
        disk.room = 1000
        recorder.append(exchange(endpoint="b"))
        await recorder.close()
        torn, whole = live(tmp_path)
        assert not torn.read_bytes().endswith(b"\n")
        assert whole.read_bytes().endswith(b"\n")
        assert len(names(tmp_path)) == 6 - recorder.lost

    asyncio.run(main())


_SMALL_FILES = """
import asyncio, resource, sys
from pathlib import Path
from weighbridge.records.exchange import Exchange
from weighbridge.records.noting import new_id
from weighbridge.records.recorder import Recorder

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    recorder = Recorder(Path(sys.argv[1]), "w1")
    for number in range(2000):
        recorder.append(Exchange(id=new_id(1.0), at=1.0, endpoint=str(number), api="chat", outcome="ok"))
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    await recorder.close()
    print(recorder.lost, recorder.why)

asyncio.run(main())
"""


def test_a_limit_on_file_size_set_by_the_system_costs_what_did_not_fit(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SMALL_FILES, tmp_path], check=True, capture_output=True, text=True, timeout=60
    )
    lost, why = done.stdout.strip().split(" ", 1)
    found = [int(name) for name in names(tmp_path)]
    assert why == os.strerror(errno.EFBIG)
    assert int(lost) > 0
    assert len(found) + int(lost) == 2000
    assert found == sorted(set(found))
    assert len(live(tmp_path)) > 1
    assert all(path.read_bytes().endswith(b"\n") for path in live(tmp_path))
    assert done.stderr.count("records lost") == 1


def test_a_slow_disk_costs_records_and_no_time(tmp_path: Path) -> None:
    free = threading.Event()

    def stuck(descriptor: int, data: bytes) -> int:
        free.wait(20)
        return os.write(descriptor, data)

    async def main() -> None:
        recorder = Recorder(tmp_path, "w1", write=stuck, most_waiting=5000)
        for number in range(1000):
            recorder.append(exchange(endpoint=f"a{number}"))
            await asyncio.sleep(0)
        await until(lambda: recorder.lost)
        assert not names(tmp_path), "the loop went on while nothing was written"
        assert recorder.why == "the disk is too slow"
        free.set()
        await until(lambda: len(names(tmp_path)) + recorder.lost == 1000)
        recorder.append(exchange(endpoint="b"))
        await recorder.close()

    asyncio.run(main())
    assert names(tmp_path)[-1] == "b"


class Counting(threading.Event):
    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return super().wait(timeout)


def test_a_stuck_disk_is_waited_for_ever_more_rarely(tmp_path: Path) -> None:
    free = threading.Event()

    def stuck(descriptor: int, data: bytes) -> int:
        free.wait(20)
        return os.write(descriptor, data)

    writer = Recorder(tmp_path, "w1", write=stuck)._writer
    writer._idle = waited = Counting()
    for _ in range(200):
        writer.put(b"{}\n", 1)
    assert 8 <= waited.waits <= 16
    free.set()
    asyncio.run(writer.close(20))
    assert live(tmp_path)[0].read_bytes() == b"{}\n" * 200


def test_a_thread_that_is_behind_is_given_its_turn(tmp_path: Path) -> None:
    writer = Recorder(tmp_path, "w1")._writer
    writer._idle = waited = Counting()
    began = threading.Event()
    store = writer._store

    def late(data: bytes, count: int) -> None:
        began.wait(20)
        store(data, count)

    writer._store = late  # type: ignore[method-assign]
    writer.put(b"{}\n", 1)
    assert waited.waits == 0, "nothing was waiting"
    writer.put(b"{}\n", 1)
    assert waited.waits == 1
    began.set()
    asyncio.run(writer.close(20))


def test_close_does_not_wait_for_ever(tmp_path: Path) -> None:
    free = threading.Event()

    def stuck(descriptor: int, data: bytes) -> int:
        free.wait(20)
        return os.write(descriptor, data)

    async def main() -> None:
        recorder = Recorder(tmp_path, "w1", write=stuck)
        for _ in range(3):
            recorder.append(exchange())
        await recorder.close(limit=0.01)
        assert recorder.lost == 3
        assert "did not answer" in str(recorder.why)
        free.set()
        await asyncio.to_thread(recorder._writer._thread.join, 20)

    asyncio.run(main())


def test_losses_are_said_at_once_and_then_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    losses = Losses(clock=lambda: now[0])
    with caplog.at_level(logging.WARNING, "weighbridge.records"):
        for at in (0.0, 1.0, 59.0, 60.0, 61.0):
            now[0] = at
            losses.add(2, f"full at {at:g}")
    assert [record.getMessage() for record in caplog.records] == [
        "records lost: 2 so far, requests go on: full at 0",
        "records lost: 8 so far, requests go on: full at 60",
    ]
    assert (losses.count, losses.why) == (10, "full at 61")


def test_two_recorders_of_one_name_do_not_meet(tmp_path: Path) -> None:
    async def main() -> None:
        one, other = Recorder(tmp_path, "a/b c"), Recorder(tmp_path, "a/b c")
        one.append(exchange(endpoint="1"))
        other.append(exchange(endpoint="2"))
        await one.close()
        await other.close()

    asyncio.run(main())
    assert sorted(names(tmp_path)) == ["1", "2"]
    assert all(path.name.startswith("a_b_c-") for path in live(tmp_path))


def test_appending_is_cheap(tmp_path: Path) -> None:
    """A bound so wide that only a change of kind (a write, a sleep, a lock held by the disk) breaks it."""

    async def main() -> None:
        recorder = Recorder(tmp_path, "w1")
        one = exchange()
        began = time.process_time()
        for _ in range(10_000):
            recorder.append(one)
        assert time.process_time() - began < 5.0
        await recorder.close()

    asyncio.run(main())
