"""A project folder with a configuration, and the command run in it as a person would."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

MOUNT_BYTES = 4 * 2**20

CONFIG = """
providers:
  sim: {{preset: simulator, base_url: "{url}"}}
models:
  one: {{provider: sim, model: simulated, price: {{input: 1, output: 2}}}}
endpoints:
  it: {{candidates: [one], success: answer}}
evaluations:
  trial:
    endpoint: it
    samples: {{file: samples.jsonl{skip}}}
    scorers:
      answer: {{contains: {{expected: [scale]}}}}
    arrivals: {{concurrency: 4}}
    retries: {retries}
    timeouts: {{connect: 2s, first_byte: 2s, idle: 1s, total: 3s}}
"""


class Project:
    """A folder with weighbridge.yaml and samples.jsonl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def configure(self, url: str, *, retries: int = 0, skip: bool = False) -> None:
        text = CONFIG.format(url=url, retries=retries, skip=", skip_bad: true" if skip else "")
        (self.folder / "weighbridge.yaml").write_text(text)

    def samples(self, lines: Sequence[dict[str, Any] | str]) -> None:
        text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (self.folder / "samples.jsonl").write_text("".join(f"{line}\n" for line in text))

    def ask(self, count: int) -> None:
        self.samples([{"request": {"messages": [{"role": "user", "content": f"Say {n}"}]}} for n in range(count)])

    def run(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "weighbridge", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env={**os.environ, **(env or {})},
        )

    def evaluated(self) -> dict[str, Any]:
        """The figures of the one candidate after `eval --json`, which must end well."""
        done = self.run("eval", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)["figures"]["candidates"][0]
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MOUNT_BYTES}", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a small file system; the other tests limit file sizes instead")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


One = Callable[[str], str]


def the_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one error line of a command that failed, without a traceback."""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]
