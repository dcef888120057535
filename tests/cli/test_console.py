"""What commands write: colour on terminals only, one line per error, JSON for machines."""

import io
import json
import math
import sys
from pathlib import Path

import msgspec
import pytest

from weighbridge.cli import console


class Row(msgspec.Struct):
    name: str
    took: float


def test_json_has_its_schema_first_and_holds_structs_paths_and_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json("weighbridge.test/1", {"rows": [Row("a", math.nan)], "file": Path("x/y"), "ok": True})
    written = capsys.readouterr().out
    assert written.startswith('{\n  "schema": "weighbridge.test/1"')
    assert json.loads(written) == {
        "schema": "weighbridge.test/1", "rows": [{"name": "a", "took": None}], "file": "x/y", "ok": True,
    }  # fmt: skip


def test_json_refuses_what_it_has_no_form_for() -> None:
    with pytest.raises(NotImplementedError, match="no JSON form for object"):
        console.print_json("weighbridge.test/1", {"x": object()})


def test_an_error_is_one_line_however_long_and_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """No wrapping at the width of a terminal, no markup read from a message, no escape sent to the terminal."""
    console.print_error(["w.yaml:1: [bold]x[/bold]\n" + "word " * 100 + "\x1b[31mred"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: w.yaml:1: [bold]x[/bold] word")
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("env", "coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)]
)
def test_a_pipe_gets_colour_only_when_asked(
    env: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    console.print_error(["x"])
    assert isinstance(sys.stderr, io.StringIO)
    assert ("\x1b[1;31m" in sys.stderr.getvalue()) is coloured


def test_a_pipe_is_wide_enough_for_a_table_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console.out().width == console.PIPE_WIDTH
    monkeypatch.setenv("COLUMNS", "60")
    assert console.err().width == 60
