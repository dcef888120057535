"""The frame of the command line: what is imported when, how errors end, and with which exit code."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge import __version__
from weighbridge.cli import main as frame
from weighbridge.config.problem import ConfigError, Problem
from weighbridge.errors import CriterionFailed, MeasurementError, UsageError

HEAVY = {"numpy", "duckdb", "genai_prices", "msgspec", "jinja2", "jsonschema", "yaml", "uvloop", "httptools", "asyncio"}


def run_python(code: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes `weighbridge schema` raise, in the place where a real command would."""

    def schema(*, json: bool = False) -> None:
        assert json in {True, False}
        raise error

    module = importlib.import_module("weighbridge.cli.schema")
    monkeypatch.setattr(module, "schema", schema)


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    """`weighbridge --help` answers in under 0.2 s because it loads no library that a subcommand needs."""
    code = (
        "import sys; from weighbridge.cli.main import run; code = run(['--help']);"
        "print(' '.join(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    done = run_python(code)
    assert done.returncode == 0
    assert all(name in done.stdout for name in frame.COMMANDS)
    loaded = {module.partition(".")[0] for module in done.stderr.split()}
    assert not HEAVY & loaded
    ours = {module.removeprefix("weighbridge.") for module in done.stderr.split() if module.startswith("weighbridge.")}
    assert ours == {"compiled", "cli", "cli.main", "cli.console", "errors"}


@pytest.mark.parametrize("name", frame.COMMANDS)
def test_every_command_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name in the table leads to a function or an app that says what it does: no stubs."""
    assert frame.run([name, "--help"]) == 0
    assert f"weighbridge {name}" in capsys.readouterr().out


def test_flags_have_no_opposite(capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` is given or not; `--no-json` would be noise in every command's help."""
    assert frame.run(["init", "--help"]) == 0
    assert "--no-" not in capsys.readouterr().out
    assert frame.run(["init", "--no-force"]) == 2


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run([]) == 0
    assert "Usage: weighbridge COMMAND" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_an_unknown_command_suggests_and_imports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["docter"]) == 2
    assert capsys.readouterr().err == "error: no command 'docter'. Did you mean `weighbridge doctor`?\n"
    assert frame.run(["zzz"]) == 2
    assert "error: no command 'zzz'. There are: " in capsys.readouterr().err


def test_an_unknown_option_is_bad_usage_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["schema", "--colour"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "--colour" in line


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("a"), 2), (CriterionFailed("a"), 1), (MeasurementError("a", where="h", mend="Do b."), 3)],
)
def test_an_error_of_ours_is_one_line_and_its_exit_code(
    error: UsageError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, error)
    assert frame.run(["schema"]) == code
    written = capsys.readouterr()
    assert written.err == f"error: {error}\n"
    assert written.out == ""


def test_each_problem_of_a_configuration_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, ConfigError("w.yaml", [Problem(3, "a"), Problem(5, "b", "Mend b.")]))
    assert frame.run(["schema"]) == 2
    assert capsys.readouterr().err == "error: w.yaml:3: a\nerror: w.yaml:5: b. Mend b.\n"


def test_with_json_an_error_is_an_object_on_stdout_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, UsageError("wrong", where="w.yaml:3", mend="Mend it."))
    assert frame.run(["schema", "--json"]) == 2
    written = capsys.readouterr()
    assert written.err == "error: w.yaml:3: wrong. Mend it.\n"
    assert json.loads(written.out) == {
        "schema": "weighbridge.error/1",
        "error": {
            "where": "w.yaml:3",
            "what": "wrong",
            "mend": "Mend it.",
            "exit_code": 2,
            "problems": ["w.yaml:3: wrong. Mend it."],
        },
    }


def test_a_fault_of_ours_is_one_line_and_the_traceback_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WEIGHBRIDGE_DEBUG", raising=False)
    failing(monkeypatch, KeyError("boom\nwith a break"))
    assert frame.run(["schema"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: internal error (KeyError: ")
    assert "WEIGHBRIDGE_DEBUG=1" in line
    monkeypatch.setenv("WEIGHBRIDGE_DEBUG", "1")
    assert frame.run(["schema"]) == 3
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_full_disk_is_one_line_that_names_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, OSError(28, "No space left on device", "/data/journal.jsonl"))
    assert frame.run(["schema"]) == 3
    assert capsys.readouterr().err == "error: /data/journal.jsonl: no space left on device\n"


def test_ctrl_c_ends_with_130_and_a_note(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert frame.run(["schema"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_reader_that_hangs_up_ends_it_quietly() -> None:
    """`weighbridge schema | head -1`: no traceback, and no exit code that means something else."""
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from weighbridge.cli.main import main; sys.argv[1:] = ['schema']; main()"
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert done.returncode == frame.PIPE_CLOSED
    assert done.stderr == b""


def test_the_installed_command_is_this_one() -> None:
    command = Path(sys.executable).with_name("weighbridge")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, __version__)
