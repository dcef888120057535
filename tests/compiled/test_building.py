"""The build script, the real mypyc and a C compiler on a small package: what they make is used, and nobody notices."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compiled.small import Small

from weighbridge import compiled


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Built once, and not changed."""
    if shutil.which("cc") is None and os.environ.get("CI") != "true":
        pytest.skip("needs a C compiler")
    small = Small(tmp_path_factory.mktemp("built"))
    done = small.build()
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"compiled: 2 modules by mypyc \S+ in \d+ s, \d\.\d MB\n", done.stdout)
    return small


@pytest.fixture
def small(built: Small, tmp_path: Path) -> Iterator[Small]:
    """A copy of it, to be changed."""
    shutil.copytree(built.root, tmp_path / "small")
    yield Small(tmp_path / "small")
    shutil.rmtree(tmp_path / "small")


def test_compiled_modules_are_used(built: Small) -> None:
    found = built.told()
    assert found.pop("says").startswith("2 modules in use, by mypyc ")
    assert found == {"in_use": True, "fault": False, "kind": "builtin_function_or_method"}


def test_the_same_build_runs_as_python_where_that_is_asked(built: Small) -> None:
    assert built.told(WEIGHBRIDGE_PURE="1")["kind"] == "function"


def test_a_second_build_does_nothing(built: Small) -> None:
    before = {file: file.stat().st_mtime_ns for file in built.manifest.parent.rglob("*")}
    done = built.build()
    assert (done.returncode, done.stdout) == (0, "compiled: 2 modules, as they were\n")
    assert before == {file: file.stat().st_mtime_ns for file in built.manifest.parent.rglob("*")}


def test_no_path_of_this_machine_is_in_a_library(built: Small) -> None:
    """Nor symbols that nobody needs: what is left is code, names of ours, and messages."""
    for file in built.manifest.parent.rglob(f"*{compiled.SUFFIX}"):
        found = re.findall(rb"[ -~]{4,}", file.read_bytes())
        homes = (b"/tmp", b"/root", b"/home", b"/usr", b"/opt", str(built.root).encode())
        assert not [text for text in found if any(home in text for home in homes)]
        assert b".debug_info" not in file.read_bytes()


FIRST = ["from weighbridge import scale", "from weighbridge.deep import beam; from weighbridge import scale"]


@pytest.mark.parametrize("first", FIRST, ids=["by Python", "by another of the build"])
def test_a_module_tells_where_its_source_is(built: Small, first: str) -> None:
    """For `inspect`, for files beside it, for tracebacks; whoever imported it."""
    code = (
        f"import inspect, importlib.resources as r; {first};"
        "print(scale.__file__); print(inspect.getsource(scale).splitlines()[0]);"
        "print(r.files('weighbridge.deep').joinpath('note.txt').read_text());"
        "print(type(scale.broken).__name__); scale.broken(1)"
    )
    done = built.python("-c", code)
    assert done.stdout.splitlines() == [
        str(built.package / "scale.py"),
        "from abc import ABC, abstractmethod",
        "beside the beam",
        "builtin_function_or_method",
    ]
    logged = built.python(
        "-c", f"import logging\ntry:\n {code}\nexcept ArithmeticError:\n logging.exception('it broke')"
    )
    assert 'scale.py", line 15, in broken\n    return kilos // 0  # the scale broke here' in logged.stderr


@pytest.mark.parametrize("first", FIRST, ids=["by Python", "by another of the build"])
def test_an_abstract_class_knows_its_own(built: Small, first: str) -> None:
    """Whatever was asked before, of it or of another: by mypyc alone, one memory of answers would serve them all."""
    code = (
        f"{first}; from weighbridge.scale import Crate, Load, Parcel; parcel, crate = Parcel(), Crate();"
        "print(*(isinstance(*ask) for ask in [(parcel, Crate), (parcel, Load), (parcel, Parcel), (crate, Parcel)]))"
    )
    assert built.python("-c", code).stdout == "False True True False\n"


def test_other_processes_run_the_build_too(built: Small) -> None:
    """A spawned one is sent names of functions and classes, and finds the build for itself."""
    (built.root / "spawning.py").write_text(
        "import multiprocessing\n\nfrom weighbridge.deep.beam import beam\nfrom weighbridge.scale import Scale\n\n\n"
        "def kinds(function, scale):\n    return function(3), scale(3).grams(), type(function).__name__\n\n\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.starmap(kinds, [(beam, Scale)]))\n"
    )
    done = built.python("spawning.py")
    assert done.stdout == "[(4000, 3000, 'builtin_function_or_method')]\n", done.stderr


def test_a_wheel_carries_the_build_where_it_is_asked_for(built: Small) -> None:
    """It says for which Python it is, and what is installed from it runs compiled."""
    done = built.python("-m", "hatchling", "build", "-t", "wheel", "-d", "asked", env={"WEIGHBRIDGE_COMPILE": "1"})
    assert done.returncode == 0, done.stderr
    (wheel,) = (built.root / "asked").iterdir()
    assert wheel.name.startswith("weighbridge-0.1.0-cp3")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(built.root / "installed")
    libraries = [file for file in (built.root / "installed").rglob("*") if file.name.endswith(compiled.SUFFIX)]
    assert len(libraries) == 3
    assert built.told(path=built.root / "installed")["in_use"]


def test_a_wheel_is_plain_python_where_nobody_asks(built: Small) -> None:
    """Even beside a build."""
    done = built.python("-m", "hatchling", "build", "-t", "wheel", "-d", "plain")
    assert done.returncode == 0, done.stderr
    (wheel,) = (built.root / "plain").iterdir()
    assert wheel.name == "weighbridge-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as packed:
        assert not [name for name in packed.namelist() if compiled.FOLDER in name]


def test_what_mypyc_cannot_compile_is_told_in_a_line(small: Small) -> None:
    """The build from before stays, and no longer fits; plain Python runs."""
    small.write("scale.py", "async def pans() -> None:\n    [pan async for pan in pans()]\n")
    before = small.manifest.read_bytes()
    done = small.build()
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"not compiled, plain Python runs: weighbridge/scale.py:2: error: .*\n\Z", done.stderr)
    assert small.manifest.read_bytes() == before
    assert small.build("--optional").returncode == 0


def test_a_class_that_could_never_be_made_is_found(small: Small) -> None:
    """Otherwise it would be told when the first object is made, in the middle of a request."""
    small.write("heavy.py", "from weighbridge.scale import Scale\n\n\nclass Heavy(Scale):\n    pass\n")
    small.write("deep/beam.py", (small.package / "deep/beam.py").read_text() + "# a change\n")
    done = small.build()
    assert done.returncode == 1
    assert "weighbridge.heavy.Heavy is plain Python, and its base Scale compiled" in done.stderr


def test_without_a_compiler_plain_python_runs(small: Small) -> None:
    small.write("units.py", "GRAMS = 1001\n")
    done = small.build("--optional", CC="no-such-compiler")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "not compiled, plain Python runs: no C compiler (no-such-compiler)\n"
    assert small.build(CC="no-such-compiler").returncode == 1


def test_a_module_that_is_listed_must_be_there(small: Small) -> None:
    (small.package / "deep/beam.py").unlink()
    assert "pyproject.toml lists weighbridge/deep/beam.py, and it is not there" in small.build().stderr
