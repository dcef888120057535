"""The success rule of an endpoint: `schema and field_f1 >= 0.9`, read into a tree and asked about scores.

    rule    = and-rule { "or" and-rule }
    and-rule = unary { "and" unary }
    unary   = "not" unary | "(" rule ")" | name [ comparison number ]
    comparison = ">=" | ">" | "<=" | "<" | "==" | "!="

A bare name holds where that score passed; a comparison looks at its value. A score that is missing or unscorable is
neither true nor false: Kleene's three-valued logic carries it, so `False and unknown` is False and `True and unknown`
is unknown.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

Scores = Mapping[str, tuple[float | None, bool | None]]
"""By scorer name: (value in [0, 1], passed), both None where the scorer could not score."""

MAX_DEPTH: Final = 50


class RuleError(ValueError):
    """A rule that cannot be read. `column` counts from 1."""

    def __init__(self, what: str, column: int) -> None:
        super().__init__(f"{what} (column {column})")
        self.column = column


class Rule(Protocol):
    """A success rule, or a part of one."""

    @property
    def names(self) -> frozenset[str]:
        """The scorers it asks about."""

    def holds(self, scores: Scores) -> bool | None:
        """Whether a response with these scores is a success; None: a score that decides it is missing."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Holds where this scorer passed the response."""

    name: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.name})

    def holds(self, scores: Scores) -> bool | None:
        return scores.get(self.name, _UNKNOWN)[1]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Compares:
    """Holds where this scorer's value stands so to a limit."""

    name: str
    sign: str
    limit: float

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.name})

    def holds(self, scores: Scores) -> bool | None:
        value = scores.get(self.name, _UNKNOWN)[0]
        return None if value is None else _SIGNS[self.sign](value, self.limit)

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Not:
    part: Rule

    @property
    def names(self) -> frozenset[str]:
        return self.part.names

    def holds(self, scores: Scores) -> bool | None:
        held = self.part.holds(scores)
        return None if held is None else not held

    def __str__(self) -> str:
        return f"not {self.part}"


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Rule, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset[str]().union(*(part.names for part in self.parts))

    def holds(self, scores: Scores) -> bool | None:
        held = [part.holds(scores) for part in self.parts]
        if False in held:
            return False
        return None if None in held else True

    def __str__(self) -> str:
        return "(" + " and ".join(map(str, self.parts)) + ")"


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple[Rule, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset[str]().union(*(part.names for part in self.parts))

    def holds(self, scores: Scores) -> bool | None:
        held = [part.holds(scores) for part in self.parts]
        if True in held:
            return True
        return None if None in held else False

    def __str__(self) -> str:
        return "(" + " or ".join(map(str, self.parts)) + ")"


def parse(text: str) -> Rule:
    """The rule in a text. Raises RuleError with the column."""
    return _Parser(text).rule()


_UNKNOWN: Final[tuple[float | None, bool | None]] = (None, None)
_SIGNS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<sign>>=|<=|==|!=|>|<)|(?P<paren>[()])|(?P<number>\d+(?:\.\d+)?%?|\.\d+%?)"
    r"|(?P<name>[A-Za-z_][\w.]*(?:-[\w.]+)*)|(?P<other>\S))"
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [
            _Token(match.lastgroup or "other", match[match.lastgroup or 0], match.start(match.lastgroup or 0) + 1)
            for match in _TOKEN.finditer(text)
        ]
        self._tokens.append(_Token("end", "", len(text.rstrip()) + 1))
        self._next = 0
        self._depth = 0

    def rule(self) -> Rule:
        if self._peek().kind == "end":
            self._fail("the rule is empty")
        rule = self._any()
        if self._peek().kind != "end":
            self._fail("expected `and`, `or` or the end")
        return rule

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> bool:
        if self._peek().text.lower() in texts and self._peek().kind in {"name", "paren"}:
            self._next += 1
            return True
        return False

    def _fail(self, what: str) -> NoReturn:
        token = self._peek()
        met = f"not {token.text!r}" if token.text else "but it ends"
        raise RuleError(what if what.endswith("empty") else f"{what}, {met}", token.column)

    def _any(self) -> Rule:
        parts = [self._every()]
        while self._take("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _every(self) -> Rule:
        parts = [self._unary()]
        while self._take("and"):
            parts.append(self._unary())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _unary(self) -> Rule:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RuleError(f"nested deeper than {MAX_DEPTH}", self._peek().column)
        try:
            if self._take("not"):
                return Not(self._unary())
            if self._take("("):
                inner = self._any()
                if not self._take(")"):
                    self._fail("expected `)`")
                return inner
            return self._ask()
        finally:
            self._depth -= 1

    def _ask(self) -> Rule:
        token = self._peek()
        if token.kind != "name" or token.text.lower() in {"and", "or", "not"}:
            self._fail("expected the name of a scorer")
        self._next += 1
        if self._peek().kind != "sign":
            return Passed(token.text)
        sign = self._peek().text
        self._next += 1
        return Compares(token.text, sign, self._number())

    def _number(self) -> float:
        token = self._peek()
        if token.kind != "number":
            self._fail("expected a number to compare with")
        percent = token.text.endswith("%")
        limit = float(token.text.removesuffix("%")) / (100 if percent else 1)
        if limit > 1:
            raise RuleError(f"a score is between 0 and 1, so it cannot be compared with {token.text}", token.column)
        self._next += 1
        return limit
