"""Files are there whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.errors import MeasurementError
from weighbridge.store import atomic


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_write_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(b"old")
    atomic.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["manifest.json"]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(b"old")
    with pytest.raises(MeasurementError):
        half_written(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["manifest.json"]


def half_written(path: Path) -> None:
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise FileNotFoundError(path)


def test_a_folder_that_is_gone_is_one_line_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError) as caught:
        atomic.write(tmp_path / "gone" / "manifest.json", b"{}")
    line = str(caught.value)
    assert "cannot write: No such file or directory" in line
    assert "WEIGHBRIDGE_HOME" in line
    assert "\n" not in line


FULL_DISK = """
import resource, sys
from pathlib import Path
from weighbridge.errors import WeighbridgeError
from weighbridge.store import tables
from weighbridge.store.rows import SCORE_COLUMNS
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
rows = ({"run": "r", "candidate": "c", "sample": str(n), "repeat": 0, "explanation": "x" * 50} for n in range(5000))
try:
    tables.write_parquet(Path(sys.argv[1]), SCORE_COLUMNS, rows)
except WeighbridgeError as error:
    print(error)
    raise SystemExit(error.exit_code)
"""


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Issue 2, "a disk that is full": the process may write 20 kB and no more."""
    path = tmp_path / "scores.parquet"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.count("\n") == 1
    assert "cannot write: File too large" in done.stdout
    assert done.stderr == ""
    assert names(tmp_path) == []
