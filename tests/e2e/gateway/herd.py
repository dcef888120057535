"""A gateway of several workers under their supervisor, or one that is set up in a way of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.e2e.gateway.conftest import Served


@contextmanager
def herd(
    folder: Path, said: dict[str, Any], workers: int = 1, *, before: Callable[[], None] | None = None
) -> Iterator[Served]:
    """Serves until the block ends. `before` runs in the gateway's process, before it is one. What it logs is in
    `folder`/log."""
    path, home = folder / "weighbridge.yaml", folder / ".weighbridge"
    path.write_bytes(msgspec.yaml.encode(said))
    with (
        _shared_port(wanted=workers > 1) as port,
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "weighbridge", "serve", "--config", str(path), "--workers", str(workers)),
                *("--listen", f"127.0.0.1:{port}"),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "WEIGHBRIDGE_HOME": str(home)},
            cwd=folder,
            preexec_fn=before,  # noqa: PLW1509 - one thread, before exec
        ) as process,
    ):
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(workers)]
            assert all(lines), (folder / "log").read_text()
            url = f"http://127.0.0.1:{port}" if port else msgspec.json.decode(lines[0])["url"]
            with closing(Served(process, url, home, path)) as served:
                yield served
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def _shared_port(*, wanted: bool) -> Iterator[int]:
    """A port for several workers; 0 where none is wanted. It stays bound, without a listener, so that no other process
    is given it before they listen or while one of them is replaced."""
    if not wanted:
        yield 0
        return
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def workers_of(served: Served) -> list[int]:
    """The processes that serve."""
    pid = served.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
