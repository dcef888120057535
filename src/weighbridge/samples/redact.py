"""Taking personal data and keys out of samples: what was the same stays the same, under a placeholder.

Every pattern runs in linear time: repetitions are bounded, and each step of one can match in one way only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from weighbridge.samples.sample import Sample

Kind = Literal["email", "phone", "card", "key"]
KINDS: Final[tuple[Kind, ...]] = ("key", "email", "card", "phone")
"""In the order applied: a key may hold what looks like a number."""

_ESCAPED = r"(?:(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4}))"
"""Right after an escape of JSON: the `n` of `\\n` is no letter of what follows (arguments of tools are such texts)."""

_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,20000}-----END [A-Z ]{0,30}PRIVATE KEY-----"
    rf"|(?:\b|{_ESCAPED})(?:"
    r"sk-(?=[A-Za-z_\-]{0,40}\d)(?:ant-|proj-|or-|svcacct-)?[A-Za-z0-9_\-]{16,300}"  # a digit: no sk-learn-…
    r"|(?:pk|rk|sk)_(?:live|test)_[A-Za-z0-9]{16,200}"
    r"|gsk_[A-Za-z0-9]{20,200}|xai-[A-Za-z0-9]{20,200}|hf_[A-Za-z0-9]{20,200}"
    r"|gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_\-]{20,100}"
    r"|xox[abeoprs]-[A-Za-z0-9\-]{10,255}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|AIza[A-Za-z0-9_\-]{35}"
    r"|eyJ[A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{8,2000}"
    r")"
    r"|(?<=[Bb]earer )(?=[A-Za-z._~+/\-]{0,40}\d)[A-Za-z0-9._~+/\-]{16,2000}"
)
_KEY_HINT = r"[spr]k[-_]|xai-|hf_|gh[pousr]_|github_pat_|glpat-|xox|A[KS]IA|AIza|eyJ|PRIVATE KEY|earer "
_DIGITS_HINT = r"[+(\d][\d ().+/\-]{6}"
_EMAIL = r"[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])"
_CARD = (
    r"(?:"
    r"[2-6]\d{12,18}"
    r"|[2-6]\d{3}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}(?:(?P=gap)\d{3})?"
    r"|3\d{3}(?P<space>[ -])\d{6}(?P=space)\d{4,5}"
    r")(?!\w)(?![.,-]\d)"
)
_PHONE = (
    r"(?:"
    r"\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d(?:[ .\-]?\d){4,13}"
    r"|00\d{1,3}[ .\-]\d(?:[ .\-]?\d){4,12}"
    r"|\(\d{2,5}\)[ .\-]?\d{3,4}[ .\-]?\d{3,4}"
    r"|\d{3}[ .\-]\d{3}[ .\-]\d{4}"
    r"|0\d{2,4}[ /\-]\d{3,4}(?:[ \-]?\d{2,4}){1,2}"
    r"|(?<!\d[ .])0[1-9](?P<dot>[ .])\d{2}(?:(?P=dot)\d{2}){3}(?!(?P=dot)\d)"
    r")(?![\w])(?![.,:/-]\d)"
)


class _Rule(NamedTuple):
    """`opens` finds one where it may begin; `next` one that begins where the last one ended. `hint` is quick to search
    for, and in every text that holds one."""

    opens: re.Pattern[str]
    next: re.Pattern[str]
    hint: re.Pattern[str]
    holds: Callable[[str], bool] = lambda _: True

    @classmethod
    def of(cls, pattern: str, before: str, hint: str, holds: Callable[[str], bool] = lambda _: True) -> _Rule:
        return cls(re.compile(f"(?:{_ESCAPED}|{before}){pattern}"), re.compile(pattern), re.compile(hint), holds)


def _is_card(text: str) -> bool:
    """Luhn's check, which one number in ten passes by chance, and a first digit that card issuers use."""
    digits = [int(char) for char in text if char.isdigit()]
    if len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        double = digit * 2 if place % 2 else digit
        total += double - 9 if double > 9 else double
    return total % 10 == 0


def _is_phone(text: str) -> bool:
    return 8 <= sum(char.isdigit() for char in text) <= 15


_RULES: Final[dict[Kind, _Rule]] = {
    "key": _Rule(_KEY, _KEY, re.compile(_KEY_HINT)),
    "email": _Rule.of(_EMAIL, r"(?<![\w.+%-])(?!(?<=\\)(?:[nrtbf]|u[0-9A-Fa-f]{4}))", "@"),
    "card": _Rule.of(_CARD, r"(?<![\w.,+-])", _DIGITS_HINT, _is_card),
    "phone": _Rule.of(_PHONE, r"(?<![\w.,/+-])", _DIGITS_HINT, _is_phone),
}
_CARD_DIGITS = range(10**12, 10**19)


class Redactor:
    """One sample's worth: the same value gets the same number, `<email:1>` wherever it stands."""

    def __init__(self, kinds: Sequence[Kind] = KINDS) -> None:
        self._kinds = [kind for kind in KINDS if kind in kinds]
        self._names: dict[tuple[Kind, str], str] = {}
        self._numbers = dict.fromkeys(KINDS, 0)
        self.count = 0

    def text(self, text: str) -> str:
        """Until nothing is found any more: what stood next to something may only then be seen for what it is."""
        while True:
            before = text
            for kind in self._kinds:
                if _RULES[kind].hint.search(text) is not None:
                    text = self._without(kind, text)
            if text == before:
                return text

    def _without(self, kind: Kind, text: str) -> str:
        rule = _RULES[kind]
        pieces = []
        kept = place = 0  # what is before `kept` is in the pieces
        match = rule.opens.search(text)
        while match is not None:
            place = match.end()
            if rule.holds(match.group()):
                pieces += [text[kept : match.start()], self._name(kind, match.group())]
                kept = place
                match = rule.next.match(text, place)
            else:
                match = None
            match = match or rule.opens.search(text, place)
        return "".join([*pieces, text[kept:]])

    def _name(self, kind: Kind, found: str) -> str:
        self.count += 1
        same = found.casefold() if kind == "email" else found if kind == "key" else re.sub(r"\D", "", found)
        if (kind, same) not in self._names:
            self._numbers[kind] += 1
            self._names[kind, same] = f"<{kind}:{self._numbers[kind]}>"
        return self._names[kind, same]

    def value(self, value: Any) -> Any:
        """Every string within a JSON value, names included, and numbers that are cards."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list | tuple):
            return type(value)(self.value(inner) for inner in value)
        if type(value) is int and value in _CARD_DIGITS:
            clean = self.text(str(value)) if "card" in self._kinds else ""
            return clean if clean.startswith("<") else value
        return value

    def _object(self, value: dict[Any, Any], *, numbers: bool = True) -> dict[Any, Any]:
        clean: dict[Any, Any] = {}
        for name, inner in value.items():
            place = self.text(name) if isinstance(name, str) else name
            while place in clean:  # two ways to write one address: neither's value is lost
                place += "'"
            clean[place] = self.value(inner) if numbers or not isinstance(inner, int) else inner
        return clean

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """A request: the numbers at its top are parameters, such as a seed."""
        return self._object(request, numbers=False)


def redacted(samples: Iterable[Sample], kinds: Sequence[Kind] = KINDS) -> tuple[list[Sample], int]:
    """The samples without personal data and keys, and how many places were changed.

    Placeholders count from 1 within each sample, so that a sample's id does not depend on its neighbours. Clusters are
    numbered over all of them: two customers' e-mail addresses must stay two clusters.
    """
    clusters = Redactor(kinds)
    clean = []
    count = 0
    for sample in samples:
        redactor = Redactor(kinds)
        clean.append(
            msgspec.structs.replace(
                sample,
                request=redactor.request(sample.request),
                expected=redactor.value(sample.expected),
                checks=redactor.value(sample.checks),
                tags=redactor.value(sample.tags),
                origin=redactor.value(sample.origin),
                cluster=clusters.text(sample.cluster) if sample.cluster else sample.cluster,
            )
        )
        count += redactor.count
    return clean, count + clusters.count
