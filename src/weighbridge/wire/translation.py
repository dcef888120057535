"""What every translator between dialects needs: JSON whose shape nobody vouches for, read with a clear error.

A null counts as absent everywhere, as the vendors treat it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from weighbridge.errors import UsageError, WeighbridgeError
from weighbridge.wire.reading import Unreadable

DEEPEST = 128


class Untranslatable(UsageError):
    """A request that is malformed, or holds something that has no words in the other dialect."""


class Shape:
    """Reads values as the type they should have; raises `error`, naming the place, where they have another."""

    __slots__ = ("_error",)

    def __init__(self, error: type[WeighbridgeError]) -> None:
        self._error = error

    def fail(self, what: str) -> WeighbridgeError:
        """The error to raise."""
        return self._error(what)

    def object(self, value: Any, where: str) -> dict[str, Any]:
        """An object; empty where there is none."""
        if isinstance(value, dict):
            return value
        if value is None:
            return {}
        raise self._error(f"{where} is {kind_of(value)}, not an object")

    def array(self, value: Any, where: str) -> list[Any]:
        """An array; empty where there is none."""
        if isinstance(value, list):
            return value
        if value is None:
            return []
        raise self._error(f"{where} is {kind_of(value)}, not an array")

    def objects(self, value: Any, where: str) -> list[dict[str, Any]]:
        """An array of objects, each of which must be one."""
        found = self.array(value, where)
        for place, entry in enumerate(found):
            if not isinstance(entry, dict):
                raise self._error(f"{where}[{place}] is {kind_of(entry)}, not an object")
        return found

    def text(self, value: Any, where: str) -> str:
        """Text; empty where there is none."""
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        raise self._error(f"{where} is {kind_of(value)}, not text")

    def needed(self, value: Any, where: str) -> str:
        """Text that must be there."""
        if isinstance(value, str) and value:
            return value
        raise self._error(f"{where} is {kind_of(value)}, and must be text")

    def number(self, value: Any, where: str) -> float | int | None:
        """A number, not a truth value; None where there is none."""
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise self._error(f"{where} is {kind_of(value)}, not a number")

    def whole(self, value: Any, where: str) -> int | None:
        """A whole number (5.0 counts); None where there is none."""
        found = self.number(value, where)
        if isinstance(found, float):
            if not found.is_integer():
                raise self._error(f"{where} is not a whole number")
            return int(found)
        return found

    def count(self, value: Any, where: str) -> int:
        """A number of tokens: whole, not negative; 0 where there is none."""
        found = self.whole(value, where) or 0
        if found < 0:
            raise self._error(f"{where} is less than nothing")
        return found

    def bounded(self, value: Any, where: str) -> Any:
        """The value, if it is not nested so deep that writing it out would fail."""
        if deeper_than(value, DEEPEST):
            raise self._error(f"{where} is nested more than {DEEPEST} deep")
        return value


asked = Shape(Untranslatable)
"""For requests."""

sent = Shape(Unreadable)
"""For replies."""


def kind_of(value: Any) -> str:
    """What a JSON value is, in a word."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, str):
        return "text" if value else "empty"
    return "a number" if isinstance(value, int | float) else "an array" if isinstance(value, list) else "an object"


def deeper_than(value: Any, limit: int) -> bool:
    """True where arrays and objects stand within each other more than `limit` deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def decoded(text: str) -> Any:
    """JSON that somebody wrote into a text; None where it is none, or nested too deep to be written out again."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return None if deeper_than(found, DEEPEST) else found


def call_arguments(value: Any, where: str) -> dict[str, Any]:
    """A call's arguments as the object that other dialects want. Text that is none, as models make it now and then,
    stays under a name."""
    if isinstance(value, dict):
        return value
    text = asked.text(value, f"{where}.function.arguments")
    if not text.strip():
        return {}
    found = decoded(text)
    return found if isinstance(found, dict) else {"arguments": text}


def plain(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body whose values may be undecoded yet, decoded. Raises Untranslatable for what is no JSON."""
    try:
        return {
            name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
            for name, value in body.items()
        }
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Untranslatable(f"the request is not JSON: {error}") from None


def unnumbered(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the places that chunks of a stream give to entries of lists of ours."""
    return [{name: value for name, value in entry.items() if name != "index"} for entry in entries]
