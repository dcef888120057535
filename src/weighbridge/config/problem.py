"""What is wrong in a configuration file: every problem found, each as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weighbridge.errors import UsageError

Path = tuple[str | int, ...]
"""Where a value stands in the document: keys and list positions from the top, e.g. ("models", "mini", "price")."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` counts from 1; None where the whole file is meant."""

    line: int | None
    what: str
    mend: str = ""


class ConfigError(UsageError):
    """The configuration cannot be used. `problems` are in the order of the file; `str()` is the first of them, with
    the number of the others; `lines()` is one line each."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        first = self.problems[0]
        super().__init__(first.what, where=_place(file, first), mend=first.mend)

    def __str__(self) -> str:
        others = len(self.problems) - 1
        return f"{super().__str__()} (and {others} more)" if others else super().__str__()

    def lines(self) -> list[str]:
        return [str(UsageError(p.what, where=_place(self.file, p), mend=p.mend)) for p in self.problems]


def _place(file: str, problem: Problem) -> str:
    return f"{file}:{problem.line}" if problem.line is not None else file


def dotted(path: Iterable[str | int]) -> str:
    """A path as a person writes it: `models.mini.price`, `candidates.terse.shots[2]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """The mend for a word nobody knows: the likeliest one meant, or all there are."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    if not choices:
        return ""
    shown = ", ".join(choices[:12]) + (", …" if len(choices) > 12 else "")
    return f"Known here: {shown}."
