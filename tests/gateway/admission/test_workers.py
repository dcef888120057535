"""Real worker processes at one limit and one budget, and one of them killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.board import Board, Busy
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Rules, budget, limit
from weighbridge.gateway.admission.seats import Seat

WORKERS = 4
PATIENCE = 400
"""Refusals in a row after which a worker believes that nothing is left."""

WORKER = """
import fcntl, os, sys, time
from pathlib import Path
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Rules, budget, limit

home, name, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
rules = {
    "requests": Rules((limit("requests", "5000/day"),)),
    "budget": Rules((), (budget("$5000/month"),)),
    "concurrent": Rules((limit("concurrent", 3),)),
}[what]
grant = Grant("app", "app", rules=rules)
admission = Admission(home=home, workers=4)
out = os.open(home / f"{name}.taken", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
count = os.open(home / "held", os.O_RDWR | os.O_CREAT)

def held(change):  # how many hold a slot, counted under a lock
    fcntl.flock(count, fcntl.LOCK_EX)
    now = int(os.pread(count, 9, 0) or b"0") + change
    os.pwrite(count, b"%9d" % now, 0)
    fcntl.flock(count, fcntl.LOCK_UN)
    return now

print("ready", flush=True)
sys.stdin.readline()
refused = turns = 0
while refused < int(sys.argv[4]):
    turns += 1
    if turns % 50 == 0:
        admission.tick(time.time())
    try:
        ticket = admission.admit(grant, "e", tokens=0, usd=1.0, now=time.time())
    except Denied:
        refused += 1
        if what == "budget":
            time.sleep(0.002)
        continue
    refused = 0
    os.write(out, b".")
    if what == "concurrent":
        if held(1) > 3:
            os.write(out, b"!")
        held(-1)
        if turns > 3000:
            refused = 10**9
    ticket.settle(0, 1.0)
admission.close()
"""


class Worker:
    """One process, started and waiting for the word."""

    def __init__(self, home: Path, name: str, what: str, patience: int = PATIENCE) -> None:
        self.taken = home / f"{name}.taken"
        argv = [sys.executable, "-c", WORKER, str(home), name, what, str(patience)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self) -> bytes:
        self.process.wait(timeout=100)
        return self.taken.read_bytes()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def team(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[Worker]]:
    workers = [Worker(tmp_path, f"worker-{number}", request.param) for number in range(WORKERS)]
    yield workers
    for worker in workers:
        worker.close()


@pytest.mark.parametrize("team", ["requests", "budget"], indirect=True)
def test_four_workers_take_all_of_it_and_never_more(team: list[Worker]) -> None:
    """litellm#34732, bifrost#3547: what is counted by each worker alone is taken N times."""
    for worker in team:
        worker.go()
    assert sum(len(worker.end()) for worker in team) == 5000


@pytest.mark.parametrize("team", ["concurrent"], indirect=True)
def test_four_workers_are_never_more_than_three_at_a_time(team: list[Worker]) -> None:
    for worker in team:
        worker.go()
    taken = [worker.end() for worker in team]
    assert b"!" not in b"".join(taken)
    assert len(b"".join(taken)) > 3000


@pytest.mark.parametrize("team", ["budget"], indirect=True)
def test_a_worker_killed_in_the_middle_costs_no_more_than_its_request(team: list[Worker]) -> None:
    """Its lease goes back after `kill -9`, what it spent stays spent; one request may be let in and not written."""
    for worker in team:
        worker.go()
    while team[0].taken.stat().st_size < 50:
        time.sleep(0.001)
    team[0].kill()
    total = sum(len(worker.end()) for worker in team)
    assert 4999 <= total <= 5000


def test_the_slots_of_a_worker_that_was_killed_are_freed(tmp_path: Path) -> None:
    """litellm#20256: a slot leaks, and the key is dead until somebody resets it."""
    takes = "for _ in 'abc': admission.admit(grant, 'e', tokens=0, usd=0, now=time.time())"
    script = WORKER.replace('print("ready"', f'{takes}\nprint("ready"')
    argv = [sys.executable, "-c", script, str(tmp_path), "w", "concurrent", "1"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    admission = Admission(home=tmp_path, workers=WORKERS)
    grant = Grant("app", "app", rules=Rules((limit("concurrent", 3),)))
    admission.tick(time.time())
    with pytest.raises(Denied):
        admission.admit(grant, "e", tokens=0, usd=0, now=time.time())
    process.kill()
    process.communicate(timeout=60)
    admission.tick(time.time())
    for _ in range(3):
        admission.admit(grant, "e", tokens=0, usd=0, now=time.time())
    admission.close()


def test_a_seat_is_free_again_when_its_holder_is_gone(tmp_path: Path) -> None:
    first, second = Seat(tmp_path, 4), Seat(tmp_path, 4)
    assert (first.number, second.number) == (1, 2)
    with first.vacant(2) as vacant:
        assert not vacant
    with first.vacant(1) as vacant:
        assert not vacant, "one's own is not"
    second.leave()
    second.leave()
    with first.vacant(2) as vacant:
        assert vacant
        assert Seat(tmp_path, 4).number == 3, "nobody sits down while it is being cleaned"
    with pytest.raises(MeasurementError, match="seats are taken"):
        [Seat(tmp_path, 4) for _ in range(4)]
    first.leave()


def test_rows_are_the_same_for_all(tmp_path: Path) -> None:
    first, second = Board(tmp_path / "b", 4), Board(tmp_path / "b", 4)
    names = [f"row {index} ü" for index in range(40)]
    for index, name in enumerate(names):
        (first if index % 2 else second).row(name, 3000 + index)[index] = index
    third = Board(tmp_path / "b", 4)
    for board in (first, second, third):
        assert [board.row(name, 3000 + index)[index] for index, name in enumerate(names)] == list(range(40))
        assert set(board.rows("row")) == set(names)
    assert len(first._chunks) > 1
    with pytest.raises(MeasurementError, match="numbers, not"):
        third.row(names[0], 5)
    with pytest.raises(MeasurementError, match="too long"):
        third.row("x", 10**6)
    for board in (first, second, third):
        board.close()
        board.close()


def test_a_board_of_another_shape_is_not_touched(tmp_path: Path) -> None:
    Board(tmp_path / "b", 4).close()
    with pytest.raises(MeasurementError, match="no board of this version"):
        Board(tmp_path / "b", 8)
    with pytest.raises(MeasurementError, match="directory"):
        Board(tmp_path, 8)


def test_a_lock_whose_holder_was_stopped_is_given_up_on(tmp_path: Path) -> None:
    first, second = Board(tmp_path / "b", 4), Board(tmp_path / "b", 4)
    with first.locked(), pytest.raises(Busy), second.locked():
        pass
    with second.locked():
        pass
    grant = Grant("app", "app", rules=Rules((), (budget("$1/day"),)))
    admission = Admission(home=tmp_path)
    admission.admit(grant, "e", tokens=0, usd=0.1, now=time.time()).settle()
    with Board(tmp_path / "admission" / "budgets.board", 64).locked():
        with pytest.raises(Denied) as caught:
            admission.admit(grant, "e", tokens=0, usd=0.7, now=time.time())
        assert caught.value.retry_after == 1.0
        admission.tick(time.time())
    admission.admit(grant, "e", tokens=0, usd=0.7, now=time.time())
    admission.close()
    first.close()
    second.close()


def test_a_restart_of_the_machine_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules((), (budget("$1/day"),))
    grant, now = Grant("app", "app", rules=rules), time.time()
    first = Admission(home=tmp_path)
    first.admit(grant, "e", tokens=0, usd=0.1, now=now)
    if first._seat is not None:
        os.close(first._seat._held)  # as a crash does: nothing is given back
    monkeypatch.setattr("weighbridge.gateway.admission.board._boot", lambda: 7)
    second = Admission(home=tmp_path)
    with pytest.raises(Denied):
        second.admit(grant, "e", tokens=0, usd=0.51, now=now)
    second.admit(grant, "e", tokens=0, usd=0.5, now=now)
    second.close()
