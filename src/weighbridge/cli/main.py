"""The `weighbridge` command: finds the subcommand, and turns every error into one line and an exit code.

Subcommands are named by import path and loaded when called, so `weighbridge --help` imports none of them.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError, Parameter
from cyclopts.exceptions import UnknownCommandError

from weighbridge.cli import console
from weighbridge.errors import MeasurementError, UsageError, WeighbridgeError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "quickstart": ("weighbridge.cli.quickstart:quickstart", "Evaluate two real local models on bundled samples."),
    "init": ("weighbridge.cli.init:init", "Write a starter weighbridge.yaml from the keys in the environment."),
    "doctor": ("weighbridge.cli.doctor:doctor", "Check configuration, keys, reachability, prices and samples."),
    "samples": ("weighbridge.cli.samples:app", "Import, check, redact and draw samples."),
    "eval": ("weighbridge.cli.eval:eval_", "Replay samples against candidates, score them, say which to use."),
    "compare": ("weighbridge.cli.compare:compare", "Compare two runs or candidates: what broke, what was fixed."),
    "leaderboard": ("weighbridge.cli.leaderboard:leaderboard", "Show a run's figures, and which candidate to use."),
    "serve": ("weighbridge.cli.serve:serve", "Serve the endpoints behind one OpenAI-compatible API."),
    "keys": ("weighbridge.cli.keys:app", "Make, list and revoke the gateway's virtual keys."),
    "simulate": ("weighbridge.cli.simulate:simulate", "Serve a provider with known latencies and faults."),
    "schema": ("weighbridge.cli.schema:schema", "Print the JSON Schema of weighbridge.yaml, for editors."),
}
"""Each subcommand's import path and its line in `--help`, in that order."""

INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
ERROR_SCHEMA: Final = "weighbridge.error/1"


def main() -> None:
    """Console entry point: exits with 0 all met, 1 a criterion failed, 2 bad usage, 3 could not measure."""
    sys.exit(run(sys.argv[1:]))


def run(tokens: Sequence[str]) -> int:
    """Runs one command line and gives its exit code. Nothing but SystemExit of a subcommand leaves here."""
    try:
        code = _dispatch(tokens)
        sys.stdout.flush()
    except BrokenPipeError:
        _hush()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        console.print_note("stopped")
        return INTERRUPTED
    return code


def _dispatch(tokens: Sequence[str]) -> int:
    try:
        result = make_app()(list(tokens))
    except BrokenPipeError:
        raise
    except WeighbridgeError as error:
        return _report(error, tokens)
    except UnknownCommandError as error:
        return _report(_unknown_command(error), tokens)
    except CycloptsError as error:
        return _report(UsageError(str(error), mend="See `weighbridge --help`."), tokens)
    except OSError as error:
        return _report(_from_system(error), tokens)
    except Exception as error:  # noqa: BLE001 -- the last stop: a person gets one line, never a bare traceback
        return _report(_internal(error), tokens)
    return result if isinstance(result, int) else 0


def make_app() -> App:
    """The command line as declared in COMMANDS. Errors are raised, results returned: `run` decides on both."""
    app = App(
        name="weighbridge",
        help="Weigh every model on your own traffic, and route on the evidence.",
        version=_version,
        help_format="plaintext",
        default_parameter=Parameter(negative=()),  # a flag is given or not: no `--no-json`
        print_error=False,
        exit_on_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for order, (name, (path, line)) in enumerate(COMMANDS.items()):
        app.command(path, name=name, help=line, sort_key=order)
    return app


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 -- only for `--version`

    return version("weighbridge")


def _report(error: WeighbridgeError, tokens: Sequence[str]) -> int:
    """The error for a person on stderr and, with `--json`, for a machine on stdout."""
    console.print_error(error.lines())
    if _wants_json(tokens):
        body = {"where": error.where, "what": error.what, "mend": error.mend}
        console.print_json(ERROR_SCHEMA, {"error": {**body, "exit_code": error.exit_code, "problems": error.lines()}})
    return error.exit_code


def _wants_json(tokens: Sequence[str]) -> bool:
    options = tokens[: tokens.index("--")] if "--" in tokens else tokens
    return "--json" in options


def _unknown_command(error: UnknownCommandError) -> UsageError:
    """Our own words: cyclopts would import every subcommand to find its suggestion."""
    import difflib  # noqa: PLC0415 -- only for a mistyped command

    word = (error.unused_tokens or ["?"])[0]
    close = difflib.get_close_matches(word, COMMANDS, n=1)
    mend = f"Did you mean `weighbridge {close[0]}`?" if close else f"There are: {', '.join(COMMANDS)}."
    return UsageError(f"no command {word!r}", mend=mend)


def _from_system(error: OSError) -> WeighbridgeError:
    """A full disk, a folder that may not be written: the system's words, and where."""
    where = str(error.filename) if error.filename is not None else ""
    if os.environ.get("WEIGHBRIDGE_DEBUG"):
        traceback.print_exception(error)
    return MeasurementError((error.strerror or str(error) or type(error).__name__).lower(), where=where)


def _internal(error: Exception) -> WeighbridgeError:
    """A fault of ours, as one line; its exit code is 3, for nothing was measured."""
    if os.environ.get("WEIGHBRIDGE_DEBUG"):
        traceback.print_exception(error)
    what = f"internal error ({type(error).__name__}: {error})"
    return MeasurementError(what, mend="Set WEIGHBRIDGE_DEBUG=1 for the traceback, and report it.")


def _hush() -> None:
    """Whoever read our output has gone: what is left in the buffers goes nowhere, and nothing is said."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
