"""What a service manager hears of a gateway."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from weighbridge.gateway.manager import Listening, Manager


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    """A manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(10)
        yield ear


def heard(ear: socket.socket) -> list[str]:
    return ear.recv(4096).decode().split("\n")


def test_a_manager_hears_that_it_listens_and_that_it_drains_longer_than_it_would_wait(ear: socket.socket) -> None:
    manager = Manager({"NOTIFY_SOCKET": ear.getsockname()})
    manager.ready("http://127.0.0.1:8900")
    assert heard(ear) == ["READY=1", "STATUS=Serving at http://127.0.0.1:8900"]
    manager.stopping(600.0)
    assert heard(ear) == ["STOPPING=1", "STATUS=Draining", "EXTEND_TIMEOUT_USEC=630000000"]


def test_a_manager_at_an_abstract_address_is_found() -> None:
    name = f"weighbridge-{os.getpid()}-{os.urandom(4).hex()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0{name}")
        ear.settimeout(10)
        Manager({"NOTIFY_SOCKET": f"@{name}"}).ready("here")
        assert heard(ear)[0] == "READY=1"


def test_processes_that_a_gateway_starts_do_not_speak_for_it() -> None:
    environment = {"NOTIFY_SOCKET": "/nowhere", "WEIGHBRIDGE_READY_FD": "99", "PATH": "/bin"}
    Manager(environment)
    assert environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "/no/such/socket"},
        {"NOTIFY_SOCKET": "@nobody-is-there"},
        {"NOTIFY_SOCKET": "x" * 300},
        {"NOTIFY_SOCKET": "a\0b"},
        {"WEIGHBRIDGE_READY_FD": "none"},
        {"WEIGHBRIDGE_READY_FD": "987654"},
    ],
)
def test_whoever_asked_and_is_gone_or_never_asked_stops_no_gateway(environment: dict[str, str]) -> None:
    manager = Manager(dict(environment))
    manager.ready("here", worker=1)
    manager.stopping(1.0)


def test_a_server_that_begins_to_drain_is_seen_off(ear: socket.socket) -> None:
    server = SimpleNamespace(closing=False)

    async def main() -> None:
        Manager({"NOTIFY_SOCKET": ear.getsockname()}).see_off(server, 5.0)
        await asyncio.sleep(0.1)
        server.closing = True
        await asyncio.to_thread(lambda: ear.recv(1, socket.MSG_PEEK))

    asyncio.run(main())
    assert heard(ear)[0] == "STOPPING=1"


def test_where_nobody_asked_nothing_is_looked_at() -> None:
    async def main() -> int:
        Manager({}).see_off(SimpleNamespace(closing=False), 5.0)
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


def test_a_parent_knows_when_the_last_of_its_workers_listens() -> None:
    listening = Listening(3)
    for worker, so_far in ((0, False), (2, False), (0, False), (1, True), (1, True)):
        given = listening.environment()
        given["WEIGHBRIDGE_READY_FD"] = str(os.dup(listening.mouth))  # a worker has a descriptor of its own
        Manager(given).ready("here", worker=worker)
        assert listening.all() is so_far
