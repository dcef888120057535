"""A build that does not fit is never loaded: the package runs as plain Python, and says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.compiled.small import Small

from weighbridge import compiled


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


def plain(says: str, *, fault: bool = True) -> dict[str, Any]:
    return {"in_use": False, "says": f"plain Python: {says}", "fault": fault, "kind": "function"}


def test_without_a_build_python_runs(small: Small) -> None:
    """That is how most people have it: nothing to mend."""
    assert small.told() == plain("nothing is compiled", fault=False)


def test_a_build_that_fits_is_tried_and_a_library_that_cannot_be_loaded_is_left(small: Small) -> None:
    """Every digest is right, and the machine refuses the library, as one for another C library would be."""
    small.pretend()
    found = small.told()
    assert found["says"].startswith("plain Python: the library cannot be loaded: ")
    assert (found["kind"], found["in_use"], found["fault"]) == ("function", False, True)


@pytest.mark.parametrize("value", ["1", "yes"])
def test_the_environment_asks_for_plain_python(small: Small, value: str) -> None:
    small.pretend()
    assert small.told(WEIGHBRIDGE_PURE=value) == plain("WEIGHBRIDGE_PURE is set", fault=False)


@pytest.mark.parametrize("value", ["", "0"])
def test_an_empty_or_zero_variable_asks_for_nothing(small: Small, value: str) -> None:
    small.pretend()
    assert "the library cannot be loaded" in small.told(WEIGHBRIDGE_PURE=value)["says"]


def test_a_build_for_another_python_is_left(small: Small) -> None:
    small.pretend(tag="cpython-310-darwin darwin")
    assert small.told() == plain(f"compiled for cpython-310-darwin darwin, and this is {compiled.TAG}")


@pytest.mark.parametrize("name", ["scale.py", "units.py"])
def test_a_source_that_changed_makes_a_build_stale(small: Small, name: str) -> None:
    """A module of the build, or one it imports: mypyc takes types and constants from there."""
    small.pretend()
    with (small.package / name).open("a") as file:
        file.write("# new\n")
    assert small.told() == plain(f"{name} is no longer what was compiled")


def test_a_source_that_went_makes_a_build_stale(small: Small) -> None:
    small.pretend(sources={"gone.py": "0" * 64})
    assert small.told() == plain("gone.py is no longer what was compiled")


SPOILS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "changed": lambda file: file.write_bytes(b"no librarY"),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_a_library_that_is_not_what_was_built_is_never_loaded(small: Small, spoil: Callable[[Path], object]) -> None:
    """One is enough: modules of a build call each other, so all of them are used or none."""
    spoil(small.pretend().library(small.package, "weighbridge.scale"))
    assert small.told() == plain("the library of weighbridge.scale is missing or damaged")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"weighbridge compiled 2\n", b"weighbridge compiled 1\nend 1\n"])
def test_a_manifest_that_makes_no_sense_is_a_fault(small: Small, content: bytes) -> None:
    small.pretend()
    small.manifest.write_bytes(content)
    found = small.told()
    assert found["says"].startswith("plain Python: the manifest of the compiled modules ")
    assert (found["kind"], found["fault"]) == ("function", True)


def test_a_manifest_cut_off_anywhere_is_a_fault(small: Small) -> None:
    """Line by line, in this process: none of these is taken for a smaller build."""
    lines = small.pretend().text().splitlines(keepends=True)
    for count in range(len(lines)):
        small.manifest.write_text("".join(lines[:count]))
        with pytest.raises(compiled.Unfit, match="damaged"):
            compiled.Manifest.read(small.package)


def test_a_manifest_that_cannot_be_read_is_a_fault(small: Small) -> None:
    small.manifest.mkdir(parents=True)
    assert "cannot be read" in small.told()["says"]


def test_a_manifest_reads_as_it_was_written(small: Small) -> None:
    made = small.pretend(compiler="mypyc 2.4.1 from a path with spaces")
    assert compiled.Manifest.read(small.package) == made


def test_nothing_is_compared_before_one_of_the_modules_is_imported(small: Small) -> None:
    """So that `weighbridge --help` pays for the manifest alone."""
    small.pretend()
    done = small.python("-c", "import sys, weighbridge; import weighbridge.told; print('hashlib' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


def test_a_build_that_came_after_the_process_is_told_apart(small: Small) -> None:
    code = (
        "import pathlib, weighbridge; from weighbridge import compiled;"
        f"pathlib.Path({str(small.manifest)!r}).write_text({small.pretend().text()!r}); print(compiled.status().says)"
    )
    small.manifest.unlink()
    assert small.python("-c", code).stdout == "plain Python: begun before f was built\n"
