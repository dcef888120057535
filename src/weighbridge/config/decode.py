"""Plain values into structs, with every problem found and not only the first.

`msgspec.convert` stops at its first error, so structs, mappings and lists are walked here and it converts the leaves.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union

import msgspec

from weighbridge.config.problem import Path, dotted, nearest
from weighbridge.config.sections import LATER
from weighbridge.config.units import READERS

S = TypeVar("S", bound=msgspec.Struct)
Found = tuple[Path, str, str]
"""A problem at a path: what is wrong, and the mend."""

_MISSING: Final = object()
_KINDS: Final[dict[type, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a mapping (`key: value`)",
    list: "a list",
    type(None): "nothing",
}


def decode(value: dict[str, Any], struct: type[S], found: list[Found]) -> S:
    """`value` as a `struct` whose fields all have defaults. What cannot be read is left out, entry by entry, and said
    in `found`: so the rest can still be checked."""
    return struct(**_fields(value, struct, (), found))


@cache
def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return typing.get_type_hints(struct, include_extras=True)


def _any(value: object, hint: Any, path: Path, found: list[Found]) -> Any:
    """`value` read as the type `hint` says, or _MISSING."""
    unit = _unit(hint)
    if unit is not None:
        return _measure(value, unit, path, found)
    bare, optional = _bare(hint)
    if value is None and bare is not Any:
        if typing.get_origin(bare) is dict:
            return {}  # a section whose lines are all comments
        found.append((path, f"{dotted(path)} has no value", "Give it one, or delete the line."))
        return _MISSING
    if typing.get_origin(bare) in {Union, types.UnionType} and not optional:
        hint = bare = _either(value, typing.get_args(bare))
    return _typed(value, hint, bare, path, found)


def _typed(value: object, hint: Any, bare: Any, path: Path, found: list[Found]) -> Any:
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return _struct(value, bare, path, found)
    if typing.get_origin(bare) is dict:
        return _mapping(value, typing.get_args(bare)[1], path, found)
    if typing.get_origin(bare) is tuple:
        return _list(value, typing.get_args(bare)[0], path, found)
    return _leaf(value, hint, bare, path, found)


def _unit(hint: Any) -> str | None:
    """The unit of a `Seconds`, `Dollars`, … however deep it stands in Annotated and `| None`."""
    if typing.get_origin(hint) is Annotated:
        inner, *metas = typing.get_args(hint)
        for meta in metas:
            if isinstance(meta, msgspec.Meta) and meta.extra and "unit" in meta.extra:
                return str(meta.extra["unit"])
        return _unit(inner)
    if typing.get_origin(hint) in {Union, types.UnionType}:
        return next((unit for part in typing.get_args(hint) if (unit := _unit(part)) is not None), None)
    return None


def _bare(hint: Any) -> tuple[Any, bool]:
    """The type inside `Annotated` and `| None`, and whether None was allowed beside one type."""
    while typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in {Union, types.UnionType}:
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(parts) == 1:
            return _bare(parts[0])[0], True
    return hint, False


def _measure(value: object, unit: str, path: Path, found: list[Found]) -> Any:
    try:
        return READERS[unit](value)
    except ValueError as error:
        found.append((path, f"{dotted(path)} must be {error}, not {_shown(value, path)}", ""))
        return _MISSING


def _either(value: object, parts: tuple[Any, ...]) -> Any:
    """Of a union of text and a list, the one that the value is meant to be."""
    wanted = str if isinstance(value, str) else tuple
    return next(part for part in parts if wanted in {part, typing.get_origin(part)})


def _struct(value: object, struct: type[msgspec.Struct], path: Path, found: list[Found]) -> Any:
    if not _is(value, dict, path, found):
        return _MISSING
    before = len(found)
    fields = _fields(typing.cast("dict[str, object]", value), struct, path, found)
    return _MISSING if len(found) > before else struct(**fields)


def _fields(value: dict[str, object], struct: type[msgspec.Struct], path: Path, found: list[Found]) -> dict[str, Any]:
    """The fields that could be read, by name."""
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    found.extend(_unknown((*path, key), fields) for key in value if key not in fields)
    result: dict[str, Any] = {}
    for name, hint in _hints(struct).items():
        if name in value:
            result[name] = _any(value[name], hint, (*path, name), found)
        elif fields[name].required:
            found.append((path, f"{dotted(path)} needs `{name}`", f"Add a line `{name}: …` to it."))
    return {name: item for name, item in result.items() if item is not _MISSING}


def _unknown(path: Path, fields: Mapping[str, object]) -> Found:
    key = str(path[-1])
    for place, names in LATER.items():
        if (
            key in names
            and len(path) == len(place) + 1
            and all(a in {"*", b} for a, b in zip(place, path, strict=False))
        ):
            return path, f"this version does not know {dotted(path)} yet", "Delete it (or comment it out)."
    return path, f"unknown key {dotted(path)}", nearest(key, fields)


def _mapping(value: object, hint: Any, path: Path, found: list[Found]) -> Any:
    if not _is(value, dict, path, found):
        return _MISSING
    read = {key: _any(item, hint, (*path, key), found) for key, item in typing.cast("dict[str, object]", value).items()}
    return {key: item for key, item in read.items() if item is not _MISSING}


def _list(value: object, hint: Any, path: Path, found: list[Found]) -> Any:
    if not _is(value, list, path, found):
        return _MISSING
    items = [_any(item, hint, (*path, n), found) for n, item in enumerate(typing.cast("list[object]", value))]
    return _MISSING if any(item is _MISSING for item in items) else tuple(items)


def _leaf(value: object, hint: Any, bare: Any, path: Path, found: list[Found]) -> Any:
    if bare is Any:
        return value
    if typing.get_origin(bare) is Literal:
        choices = [str(choice) for choice in typing.get_args(bare)]
        if value not in choices:
            found.append((path, f"{dotted(path)} must be {' or '.join(choices)}, not {_shown(value, path)}", ""))
            return _MISSING
        return value
    if not _is(value, bare, path, found):
        return _MISSING
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        wanted = str(error).removeprefix("Expected ")
        for kind, said in (("`int`", "a whole number"), ("`float`", "a number"), ("`str`", "text")):
            wanted = wanted.replace(kind, said)
        found.append((path, f"{dotted(path)} must be {wanted}, not {_shown(value, path)}", ""))
        return _MISSING


def _is(value: object, kind: type, path: Path, found: list[Found]) -> bool:
    """Whether `value` is exactly of this kind (a bool is no number); if not, the problem is noted."""
    if type(value) is kind or (kind is float and type(value) is int):
        return True
    place = dotted(path) or "the file"
    mend = "Put it in quotes." if kind is str and isinstance(value, int | float) else ""
    found.append((path, f"{place} must be {_KINDS[kind]}, not {_shown(value, path)}", mend))
    return False


def _shown(value: object, path: Path) -> str:
    """A value in an error: its kind, and itself where it is short and cannot be a secret."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list):
        return _KINDS[type(value)]
    if path[:1] == ("providers",) or path[:2] == ("gateway", "fleet"):
        return _KINDS[type(value)]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return repr(text if len(text) <= 40 else f"{text[:37]}…") if isinstance(value, str) else text
