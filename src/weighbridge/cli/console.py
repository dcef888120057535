"""Where commands write: people read a rich console, machines read JSON on stdout.

Colour is used on a terminal, or anywhere with FORCE_COLOR; NO_COLOR turns it off (rich looks at both).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from rich.console import Console
from rich.text import Text

PIPE_WIDTH = 160
"""Columns of a table that goes to a file or a pipe, where no terminal says how wide it is."""


def out() -> Console:
    """The console on stdout, for results."""
    return Console(file=sys.stdout, highlight=False, width=_width(sys.stdout.isatty()))


def err() -> Console:
    """The console on stderr, for progress, notes and errors."""
    return Console(file=sys.stderr, highlight=False, width=_width(sys.stderr.isatty()))


def _width(terminal: bool) -> int | None:
    return None if terminal or "COLUMNS" in os.environ else PIPE_WIDTH


def print_json(schema: str, payload: Mapping[str, Any]) -> None:
    """One JSON object on stdout, under a versioned schema such as `weighbridge.doctor/1`.

    Structs, dataclasses, paths and array scalars are written as what they hold; NaN and infinities as null.
    """
    import msgspec  # noqa: PLC0415 -- `--help` answers without it

    data = msgspec.json.encode({"schema": schema, **payload}, enc_hook=_plain)
    sys.stdout.write(msgspec.json.format(data, indent=2).decode() + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item"):  # an array's scalar
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"no JSON form for {type(value).__name__}")


def print_note(text: str) -> None:
    """One plain line on stderr."""
    err().print(Text(text), soft_wrap=True)


def print_error(lines: list[str]) -> None:
    """Each problem as one line on stderr: `error: where: what. mend`."""
    console = err()
    for line in lines:
        console.print(Text.assemble(("error: ", "bold red"), _one_line(line)), soft_wrap=True)


def _one_line(text: str) -> str:
    """No line breaks, and no control characters that a hostile file could send to the terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
