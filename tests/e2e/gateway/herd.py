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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "weighbridge", "serve", "--config", str(path), "--listen", listen]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--workers", str(workers)],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "WEIGHBRIDGE_HOME": str(home)},
            cwd=folder,
            preexec_fn=before,  # noqa: PLW1509 - one thread, before exec
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for _ in range(workers):
                assert process.stdout.readline(), (folder / "log").read_text()
            with closing(Served(process, f"http://{listen}", home, path)) as served:
                yield served
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def workers_of(served: Served) -> list[int]:
    """The processes that serve."""
    pid = served.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
