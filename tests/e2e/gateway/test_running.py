"""A gateway's life: workers that are killed, drains, configurations that change under load, and disks that are full."""

import hashlib
import http.client
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import msgspec
import pytest
from tests.e2e.gateway.conftest import PATIENCE_S, Served, Simulate, ask, config
from tests.e2e.gateway.crowd import crowd
from tests.e2e.gateway.herd import herd, workers_of
from tests.records.killing import waited

BODY = json.dumps({"model": "it", "messages": [{"role": "user", "content": "Say something"}]})
PROMISED_S = 0.05
MOUNT_BYTES = 8 * 2**20


class Seen(NamedTuple):
    """A reply as a client saw it; status 0: the connection broke. `sent` is from before its request left, `at` from
    after it was complete (monotonic)."""

    status: int
    id: str
    sent: float
    at: float


class Kill(NamedTuple):
    """A kill took place from `before` to `after`. For `starved` seconds of the time just before, threads of the worker
    had waited for a processor."""

    before: float
    after: float
    starved: float

    def may_cost(self, one: Seen) -> bool:
        """Whether the record of a reply may be lost. Time in which the machine had no processor for the worker is no
        fault of the recorder's, and is taken off, for that thread and for those that waited for what it held. Nor is it
        how late a client noticed its reply: one that was asked for after the kill came from another worker."""
        return one.at >= self.before - PROMISED_S - 3 * self.starved and one.sent <= self.after


class Load:
    """Clients that ask again and again, each over a connection of its own that it keeps while it can."""

    def __init__(self, served: Served, clients: int) -> None:
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self._origin = served.origin.removeprefix("http://")
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _client(self) -> None:
        connection = http.client.HTTPConnection(self._origin, timeout=PATIENCE_S)
        while not self.stopping.is_set():
            sent = time.monotonic()
            try:
                connection.request("POST", "/v1/chat/completions", BODY)
                reply = connection.getresponse()
                reply.read()
                self.seen.append(Seen(reply.status, reply.headers["X-Request-Id"], sent, time.monotonic()))
            except (OSError, http.client.HTTPException):
                self.seen.append(Seen(0, "", sent, time.monotonic()))
                connection.close()
        connection.close()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def statuses(self) -> set[int]:
        return {one.status for one in self.seen}

    def answered(self) -> int:
        return sum(one.status > 0 for one in self.seen)

    def wait_for(self, more: int) -> None:
        """Until so many more were answered."""
        wanted, until = self.answered() + more, time.monotonic() + PATIENCE_S
        while self.answered() < wanted:
            assert time.monotonic() < until, "no replies any more"
            time.sleep(0.01)


@contextmanager
def load(served: Served, clients: int = 8) -> Iterator[Load]:
    running = Load(served, clients)
    try:
        yield running
    finally:
        running.stop()


def until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_a_worker_killed_under_load_loses_at_most_fifty_milliseconds_of_records(
    simulate: Simulate, tmp_path: Path
) -> None:
    """Its supervisor starts another one, and every reply that was complete by then is on record."""
    with herd(tmp_path, config([simulate()]), 2) as served:
        with load(served) as clients:
            kills = []
            for _ in range(3):
                clients.wait_for(300)
                before = workers_of(served)
                waited_s = waited(before[0])
                time.sleep(0.5)
                starved, began = waited(before[0]) - waited_s, time.monotonic()
                os.kill(before[0], signal.SIGKILL)
                kills.append(Kill(began, time.monotonic(), starved))
                until(lambda before=before: len(set(workers_of(served)) - set(before)) == 1, "no new worker")  # type: ignore[misc]
                assert served.process.stdout is not None
                assert served.process.stdout.readline(), "it does not listen"
            clients.wait_for(300)
        assert clients.statuses() <= {200, 0}
        answered = [one for one in clients.seen if one.status == 200]
        promised = {one.id for one in answered if not any(kill.may_cost(one) for kill in kills)}
        recorded: set[str] = set()

        def all_there() -> bool:
            recorded.update(one.id for one in served.records(0))
            return promised <= recorded

        until(all_there, f"{len(promised - recorded)} of {len(promised)} are not on record")
        assert len(promised) > 200, "too few replies to show anything"


def test_a_drain_ends_what_is_under_way_and_takes_nothing_new(simulate: Simulate, tmp_path: Path) -> None:
    slow = simulate(tokens={"constant": 20}, gap={"constant": 0.1})
    with herd(tmp_path, config([slow])) as served:
        got = served.client().chat.completions.create(model="it", messages=[], stream=True)
        next(got)
        served.process.send_signal(signal.SIGTERM)
        until(lambda: not _listens(served), "it went on to listen")
        assert len("".join(chunk.choices[0].delta.content or "" for chunk in got).split()) >= 19
        assert served.process.wait(20) == 0
    assert [record.outcome for record in served.records()] == ["ok"]


def test_a_drain_ends_in_its_time_whatever_is_under_way(simulate: Simulate, tmp_path: Path) -> None:
    slow = simulate(tokens={"constant": 2000}, gap={"constant": 0.1})
    with herd(tmp_path, {**config([slow]), "gateway": {"drain": "1s"}}) as served:
        got = served.client().chat.completions.create(model="it", messages=[], stream=True)
        next(got)
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0
        assert time.monotonic() - began < 10
        got.close()
    (record,) = served.records()
    assert (record.outcome, record.cost is not None) == ("cancelled", True)


def test_workers_drain_under_load(simulate: Simulate, tmp_path: Path) -> None:
    """Every request that was answered is on record, and none was cut in its middle."""
    with herd(tmp_path, config([simulate(latency={"constant": 0.05})]), 2) as served:
        with load(served) as clients:
            clients.wait_for(100)
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(30) == 0
            clients.stopping.set()
        assert clients.statuses() <= {200, 0}
    recorded = {one.id for one in served.records()}
    assert {one.id for one in clients.seen if one.status} <= recorded


def test_the_configuration_changes_under_load_and_no_request_is_dropped(simulate: Simulate, tmp_path: Path) -> None:
    """A new target, a new endpoint, and in between files that are none: those keep what was there, and say why."""
    one, two = simulate(tokens={"constant": 1}), simulate(tokens={"constant": 2})
    with herd(tmp_path, config([one])) as served, load(served) as clients:
        clients.wait_for(100)
        served.config.write_text("endpoints: [what")
        until(lambda: "not taken over" in _log(tmp_path), "a bad file was not reported")
        clients.wait_for(100)
        assert two.stats().requests == 0
        served.config.write_bytes(msgspec.yaml.encode(config([two])))
        until(lambda: two.stats().requests > 0, "the new target was not taken")
        more = config([two])
        more["endpoints"]["other"] = more["endpoints"]["it"]
        served.config.write_bytes(msgspec.yaml.encode(more))
        os.kill(served.process.pid, signal.SIGHUP)
        until(lambda: {"it", "other"} == {model.id for model in served.client().models.list()}, "no new endpoint")
        served.config.unlink()
        clients.wait_for(100)
        served.config.write_text(": : :")
        clients.wait_for(100)
    assert clients.statuses() == {200}
    assert {record.outcome for record in served.records(len(clients.seen))} == {"ok"}
    assert all(line.count("\n") == 0 for line in _log(tmp_path).splitlines())
    assert "Traceback" not in _log(tmp_path)


def test_a_budget_outlives_a_change_of_the_configuration(simulate: Simulate, tmp_path: Path) -> None:
    """What was spent before is spent: a reload is no way to a new budget."""
    said = config([simulate(tokens={"constant": 100})], budget={"day": "$0.0005"})
    with herd(tmp_path, said) as served:
        spent = 0
        while spent < 50 and _status(served) == 200:
            spent += 1
        assert 0 < spent < 50
        said["endpoints"]["more"] = said["endpoints"]["it"]
        served.config.write_bytes(msgspec.yaml.encode(said))
        until(lambda: len(list(served.client().models.list())) == 2, "the change was not taken")
        assert _status(served) == 429


def grow_no_more(pid: int) -> None:
    """No file of this process may grow from now on: a disk that is full."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))


def grow_again(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.parametrize("workers", [1, 2])
def test_where_no_file_may_grow_requests_go_on_and_the_loss_is_said(
    simulate: Simulate, tmp_path: Path, workers: int
) -> None:
    """In /ready and /metrics, and in the log; and when there is room again, records are kept again."""
    with herd(tmp_path, config([simulate()]), workers) as served:
        processes = workers_of(served) if workers > 1 else [served.process.pid]
        for pid in processes:
            grow_no_more(pid)
        for _ in range(60):
            assert ask(served).choices
        kept = len(served.records(0))
        assert kept < 60
        until(
            lambda: _metric(served, "weighbridge_records_lost_total") == 60 - len(served.records(0)),
            "some are neither kept nor counted",
        )
        until(lambda: _ready(served)["records_lost"] == 60 - len(served.records(0)), "/ready tells another loss")
        until(lambda: "records lost" in _log(tmp_path), "the loss is not in the log")
        for pid in processes:
            grow_again(pid)
        for _ in range(10):
            assert ask(served).choices
        until(lambda: len(served.records(0)) >= kept + 10, "nothing is kept though there is room")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MOUNT_BYTES}", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system; the other test limits file sizes instead")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_on_a_full_disk_requests_go_on_with_their_limits_and_budgets(simulate: Simulate, small_disk: Path) -> None:
    """Counts and money are in files that are mapped into memory: a page for which there is no room kills a process."""
    said = config([simulate(tokens={"constant": 100})], limits={"requests": "1000/min"}, budget={"day": "$5"})
    said["keys"] = {
        f"k{n}": {
            "hash": hashlib.sha256(b"k%d" % n).hexdigest(),
            "limits": {"requests": "1000/min", "tokens": "1M/min", "concurrent": 50},
            "budget": {"day": "$1", "month": "$2"},
        }
        for n in range(60)
    }
    with herd(small_disk, said) as served:
        filler = small_disk / "something else"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        for n in range(60):
            for _ in range(5):
                assert crowd(served, 1, key=f"k{n}")[0].status == 200
        until(lambda: _ready(served)["records_lost"] > 0, "no loss in /ready")
        filler.unlink()
        before = len(served.records(0))
        for _ in range(10):
            assert crowd(served, 1, key="k1")[0].status == 200
        until(lambda: len(served.records(0)) >= before + 10, "nothing is kept though there is room")


def test_a_home_that_cannot_be_written_stops_no_request(simulate: Simulate, tmp_path: Path) -> None:
    (tmp_path / ".weighbridge").mkdir()
    (tmp_path / ".weighbridge" / "exchanges").write_text("a file where a folder should be")
    with herd(tmp_path, config([simulate()])) as served:
        for _ in range(5):
            assert ask(served).choices
        until(lambda: _ready(served)["records_lost"] == 5, "no loss in /ready")


def _status(served: Served) -> int:
    with suppress(OSError):
        connection = http.client.HTTPConnection(served.origin.removeprefix("http://"), timeout=PATIENCE_S)
        connection.request("POST", "/v1/chat/completions", BODY[:-1] + ', "max_tokens": 100}')
        reply = connection.getresponse()
        reply.read()
        connection.close()
        return reply.status
    return 0


def _listens(served: Served) -> bool:
    connection = http.client.HTTPConnection(served.origin.removeprefix("http://"), timeout=PATIENCE_S)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _ready(served: Served) -> dict[str, int]:
    with urlopen(f"{served.origin}/ready", timeout=PATIENCE_S) as reply:
        found: dict[str, int] = json.load(reply)
    return found


def _metric(served: Served, name: str) -> float:
    with urlopen(f"{served.origin}/metrics", timeout=PATIENCE_S) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def _log(folder: Path) -> str:
    return (folder / "log").read_text()
