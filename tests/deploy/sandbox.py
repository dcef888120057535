"""The unit's sandbox as far as a test can make it: system calls and memory, by the same library that systemd uses."""

import ctypes
import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Final, NoReturn

import pytest
from tests.deploy.files import unit

_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_NO_NEW_PRIVILEGES, _DENY_WRITE_EXECUTE = 38, 65  # of prctl; the second since Linux 6.3
_FAILED: Final = 111


def missing(what: str) -> NoReturn:
    """Skips a test outside CI, which installs what is missing, and fails it there."""
    reason = f"needs {what}, which comes with Debian's package systemd"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs systemd-analyze, which needs no systemd that runs."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        missing("systemd-analyze")
    return subprocess.run([tool, *words], capture_output=True, text=True, timeout=60, check=False)


def calls(groups: str) -> set[str]:
    """The system calls of a line of SystemCallFilter, as systemd here spells its groups out."""
    found: set[str] = set()
    for group in groups.split():
        if group.startswith("@"):
            done = analyze("syscall-filter", "--no-pager", group)
            assert done.returncode == 0, done.stderr
            lines = [line.strip() for line in done.stdout.splitlines()[1:]]
            found |= calls(" ".join(line for line in lines if not line.startswith("#")))
        else:
            found.add(group)
    return found


def filtered() -> set[str]:
    """What the unit's SystemCallFilter lets through."""
    allowed: set[str] = set()
    for line in unit()["SystemCallFilter"]:
        allowed = allowed - calls(line[1:]) if line.startswith("~") else allowed | calls(line)
    return allowed


def entering() -> Callable[[], None]:
    """What a process does to enter it, before it becomes a gateway."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        missing("libseccomp")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    prctl = ctypes.CDLL(None).prctl
    rules = library.seccomp_init(_REFUSE)
    for call in sorted(filtered()):
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # a call of this machine
            assert library.seccomp_rule_add(rules, _ALLOW, number, 0) == 0

    def enter() -> None:
        prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        prctl(_DENY_WRITE_EXECUTE, 1, 0, 0, 0)
        if library.seccomp_load(rules):
            os._exit(_FAILED)

    return enter
