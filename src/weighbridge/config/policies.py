"""Policy files: their text into a `routing.document.Document` and back, and where the applied ones stand.

`<home>/policies/<endpoint>/current.yaml` is what an endpoint is served by; `weighbridge.policy.history` writes it.
"""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path as File
from typing import Any, Final
from urllib.parse import quote

import msgspec
import yaml

from weighbridge.config import document as text
from weighbridge.config.problem import ConfigError, Path, Problem, dotted
from weighbridge.errors import UsageError
from weighbridge.routing.document import Document

CURRENT: Final = "current.yaml"
DIGITS: Final = 12
"""Hex digits of a policy's digest."""

MAX_NAME: Final = 150
"""Bytes of a folder's name; file systems stop at 255."""

_FIELDS: Final = "Write one with the fields of a policy."
_FORM: Final = text.Form(holds="the fields of a policy, such as `endpoint:`", begin=_FIELDS, see=_FIELDS)

Stamp = tuple[tuple[str, int, int, int], ...]
"""Of every applied policy: its folder, inode, time of change (ns) and size (bytes)."""

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_AT = re.compile(r"^(?P<what>.*?) - at `(?P<key>key in )?\$(?P<path>.*)`$", re.DOTALL)
_KINDS: Final = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "text",
    "`object`": "a mapping (`key: value`)",
    "`array`": "a list",
    "`null`": "nothing",
    "`bool`": "true or false",
}


def load(path: File) -> Document:
    """The policy in a file. Raises ConfigError, with file, line and path, for anything but one sound policy."""
    if not path.is_file():
        raise ConfigError(str(path), [Problem(None, "no such file" if not path.exists() else "not a file")])
    return _converted(text.read(path, _FORM))


def parse(source: str, file: str) -> Document:
    """The policy in a text; `file` names it in errors. Raises ConfigError, also for a text of over a megabyte."""
    if len(source) > text.MAX_BYTES:
        raise ConfigError(file, [Problem(None, f"larger than {text.MAX_BYTES // 1_000_000} MB")])
    return _converted(text.parse(source, file, _FORM))


def encode(policy: Document) -> str:
    """The policy as YAML, which `parse` reads back as the same: fields in their order, one text for one policy.

    Raises UsageError where it holds a number that is not finite, or what its struct does not allow.
    """
    plain = msgspec.to_builtins(_as_read(policy))
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def digest(policy: Document) -> str:
    """The first twelve hex digits of the SHA-256 of the policy's deterministic JSON: layout, comments and the order of
    keys do not change it. Raises UsageError where it holds what its struct does not allow."""
    return hashlib.sha256(msgspec.json.encode(_as_read(policy), order="deterministic")).hexdigest()[:DIGITS]


def folder(home: File, endpoint: str) -> File:
    """Where an endpoint's policies stand. Whatever its name, the folder is one level below `<home>/policies`."""
    name = quote(endpoint, safe=" ", errors="surrogatepass")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > MAX_NAME:  # "%-" comes from no quoting, so it meets no other endpoint's name
        name = f"{name[: MAX_NAME - 40]}%-{hashlib.sha256(endpoint.encode(errors='surrogatepass')).hexdigest()[:32]}"
    return home / "policies" / name


def applied(home: File, endpoint: str) -> Document | None:
    """The policy applied to an endpoint; None where none is. Raises ConfigError where its file cannot be used."""
    path = folder(home, endpoint) / CURRENT
    if not path.exists():
        return None
    found = load(path)
    if found.endpoint != endpoint:
        raise ConfigError(str(path), [Problem(None, f"is the policy of {found.endpoint!r}, not of {endpoint!r}")])
    return found


def stamp(home: File) -> Stamp:
    """Changes whenever an applied policy does. A look at the folder and one at each policy; nothing is read."""
    found = []
    for path in sorted((home / "policies").glob(f"*/{CURRENT}")):
        try:
            at = path.stat()
        except OSError:
            continue  # gone since the folder was listed: not there
        found.append((path.parent.name, at.st_ino, at.st_mtime_ns, at.st_size))
    return tuple(found)


def _converted(read: text.Document) -> Document:
    try:
        return msgspec.convert(read.value, Document)
    except msgspec.ValidationError as error:
        path, what = _said(str(error))
        raise ConfigError(read.file, [Problem(read.line(path), what)]) from None


def _as_read(policy: Document) -> Document:
    """The policy as its file will say it: structs made in Python are not checked, and may hold 2 for 2.0."""
    try:
        plain = msgspec.to_builtins(policy, enc_hook=float)  # numpy's numbers, say
        _finite(plain, ())
        return msgspec.convert(plain, Document)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise UsageError(_said(str(error))[1], where="policy") from None


def _said(error: str) -> tuple[Path, str]:
    """Where msgspec found something wrong, and what, in our words."""
    match = _AT.match(error)
    what, place = (match["what"], match["path"]) if match else (error, "")
    path: list[str | int] = []
    for key, index in _STEP.findall(place):
        if key == "..." or index == "...":
            break  # a key of a mapping: msgspec does not say which
        path.append(int(index) if index else key)
    if unknown := re.search(r"unknown field `(.+)`$", what):
        path.append(unknown[1])
        return tuple(path), f"unknown key {dotted(path)}"
    name = dotted(path) or "the policy"
    if missing := re.search(r"missing required field `(.+)`$", what):
        return tuple(path), f"{name} needs `{missing[1]}`"
    for kind, said in _KINDS.items():
        what = what.replace(kind, said)
    what = re.sub(r"^Expected (.*), got (.*)$", r"must be \1, not \2", what).removeprefix("Invalid ")
    what = re.sub(r"^Expected (.*)$", r"must be \1", what)
    return tuple(path), f"{name}: {what}"


def _finite(value: object, path: Path) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _finite(item, (*path, key))
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            _finite(item, (*path, place))
    elif isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{dotted(path)} is {value}, and a policy holds finite numbers", where="policy")


class _Dumper(yaml.SafeDumper):
    """Quotes what the reader, which follows YAML 1.2, would not take for text; writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 -- PyYAML's own name
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    plain = text.scalar(value) == value and isinstance(text.scalar(value), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else "'")


_Dumper.add_representer(str, _text)
