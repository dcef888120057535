"""A disk that is full, at whatever step: one line, exit code 3, and the same command goes on where there is room."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import MOUNT_BYTES, Project, the_line

from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Settings
from weighbridge.store.run import Run

SAMPLES = 120


@pytest.fixture
def provider() -> Iterator[process.Running]:
    with process.start(Settings(tokens=Distribution(constant=6))) as running:
        yield running


def ask(project: Project) -> None:
    """Samples with a tag that is longer than they are, so that their file is bigger than the manifest."""
    request = {"messages": [{"role": "user", "content": "Say"}]}
    project.samples([{"request": request, "expected": [str(n)], "tags": ["x" * 100]} for n in range(SAMPLES)])


def assert_whole(run: Run) -> None:
    assert run.sealed()
    assert len(run.samples()) == len(run.results()) == SAMPLES
    assert {sample.tags for sample in run.samples().values()} == {("x" * 100,)}


def within(size: int) -> Callable[[], None]:
    """For a child process: no file may grow beyond this, as on a disk that has no more room."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limited


def evaluated(
    project: Project, *, size: int | None = None, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "weighbridge", "eval"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=within(size) if size is not None else None,
        env={**os.environ, **({"WEIGHBRIDGE_HOME": str(home)} if home else {})},
    )


@pytest.mark.parametrize("size", [0, 300, 9_000, 30_000, 60_000])
def test_a_disk_that_is_full_at_any_step_loses_and_pays_nothing(
    project: Project, provider: process.Running, size: int
) -> None:
    """With room for nothing, for half a manifest, half of the samples, and some of the journal."""
    project.configure(provider.url)
    ask(project)
    full = evaluated(project, size=size)
    assert full.returncode == 3, full.stderr
    assert "written" in the_line(full) or "write" in the_line(full)
    paid = provider.stats().paid
    folder = project.folder / ".weighbridge"
    assert not list(folder.rglob("*.tmp"))
    done = evaluated(project)
    assert done.returncode == 0, done.stderr
    assert provider.stats().paid == SAMPLES
    assert_whole(Run.open(home=folder))
    if paid:
        assert "resuming run" in done.stderr


@pytest.mark.parametrize("room", [40_000, 110_000, 170_000])
def test_a_real_disk_without_room_resumes_when_it_is_emptied(
    project: Project, provider: process.Running, small_disk: Path, room: int
) -> None:
    """With room for some of the journal, for the journal but not for scores or tables, or nearly for everything."""
    project.configure(provider.url)
    ask(project)
    filler = small_disk / "something else"
    filler.write_bytes(b"\0" * (MOUNT_BYTES - room))
    full = evaluated(project, home=small_disk / "home")
    assert full.returncode == 3, full.stderr
    assert "No space left" in the_line(full) or "write" in the_line(full)
    assert not list(small_disk.rglob("*.tmp"))
    filler.unlink()
    done = evaluated(project, home=small_disk / "home")
    assert done.returncode == 0, done.stderr
    assert provider.stats().paid == SAMPLES
    assert_whole(Run.open(home=small_disk / "home"))
