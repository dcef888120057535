"""Taking personal data and keys out of samples: what was the same stays the same, under a placeholder.

Every pattern runs in linear time: repetitions are bounded, and each step of one can match in one way only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from weighbridge.samples.sample import Sample

Kind = Literal["email", "phone", "card", "key"]
KINDS: Final[tuple[Kind, ...]] = ("key", "email", "card", "phone")
"""In the order applied: a key may hold what looks like a number."""

_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,20000}-----END [A-Z ]{0,30}PRIVATE KEY-----"
    r"|\bsk-(?=[A-Za-z_\-]{0,40}\d)(?:ant-|proj-|or-|svcacct-)?[A-Za-z0-9_\-]{16,300}"  # a digit: no sk-learn-…
    r"|\b(?:pk|rk|sk)_(?:live|test)_[A-Za-z0-9]{16,200}"
    r"|\bgsk_[A-Za-z0-9]{20,200}|\bxai-[A-Za-z0-9]{20,200}|\bhf_[A-Za-z0-9]{20,200}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,255}|\bgithub_pat_[A-Za-z0-9_]{20,255}|\bglpat-[A-Za-z0-9_\-]{20,100}"
    r"|\bxox[abeoprs]-[A-Za-z0-9\-]{10,255}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bAIza[A-Za-z0-9_\-]{35}"
    r"|\beyJ[A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{8,2000}"
    r"|(?<=[Bb]earer )(?=[A-Za-z._~+/\-]{0,40}\d)[A-Za-z0-9._~+/\-]{16,2000}"
)
_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
_CARD = re.compile(
    r"(?<![\w.,+-])(?:"
    r"[2-6]\d{12,18}"
    r"|[2-6]\d{3}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}(?:(?P=gap)\d{3})?"
    r"|3\d{3}(?P<space>[ -])\d{6}(?P=space)\d{4,5}"
    r")(?!\w)(?![.,-]\d)"
)
_PHONE = re.compile(
    r"(?<![\w.,/+-])(?:"
    r"\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d(?:[ .\-]?\d){4,13}"
    r"|00\d{1,3}[ .\-]\d(?:[ .\-]?\d){4,12}"
    r"|\(\d{2,5}\)[ .\-]?\d{3,4}[ .\-]?\d{3,4}"
    r"|\d{3}[ .\-]\d{3}[ .\-]\d{4}"
    r"|0\d{2,4}[ /\-]\d{3,4}(?:[ \-]?\d{2,4}){1,2}"
    r")(?![\w])(?![.,:/-]\d)"
)


def _is_card(text: str) -> bool:
    """Luhn's check, which one number in ten passes by chance, and a first digit that card issuers use."""
    digits = [int(char) for char in text if char.isdigit()]
    if len(set(digits)) < 3:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        double = digit * 2 if place % 2 else digit
        total += double - 9 if double > 9 else double
    return total % 10 == 0


def _is_phone(text: str) -> bool:
    return 8 <= sum(char.isdigit() for char in text) <= 15


_RULES: Final[dict[Kind, tuple[re.Pattern[str], Callable[[str], bool]]]] = {
    "key": (_KEY, lambda _: True),
    "email": (_EMAIL, lambda _: True),
    "card": (_CARD, _is_card),
    "phone": (_PHONE, _is_phone),
}


class Redactor:
    """One sample's worth: the same value gets the same number, `<email:1>` wherever it stands."""

    def __init__(self, kinds: Sequence[Kind] = KINDS) -> None:
        self._kinds = [kind for kind in KINDS if kind in kinds]
        self._names: dict[tuple[Kind, str], str] = {}
        self._numbers = dict.fromkeys(KINDS, 0)
        self.count = 0

    def text(self, text: str) -> str:
        for kind in self._kinds:
            pattern, holds = _RULES[kind]
            if kind != "key" and not any(char in text for char in ("@" if kind == "email" else "0123456789")):
                continue
            text = pattern.sub(lambda match, kind=kind, holds=holds: self._name(kind, match.group(), holds), text)  # type: ignore[misc]  # bound now
        return text

    def _name(self, kind: Kind, found: str, holds: Callable[[str], bool]) -> str:
        if not holds(found):
            return found
        self.count += 1
        same = found.casefold() if kind == "email" else found if kind == "key" else re.sub(r"\D", "", found)
        if (kind, same) not in self._names:
            self._numbers[kind] += 1
            self._names[kind, same] = f"<{kind}:{self._numbers[kind]}>"
        return self._names[kind, same]

    def value(self, value: Any) -> Any:
        """Every string within a JSON value, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                self.text(name) if isinstance(name, str) else name: self.value(inner) for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return type(value)(self.value(inner) for inner in value)
        return value


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
                request=redactor.value(sample.request),
                expected=redactor.value(sample.expected),
                checks=redactor.value(sample.checks),
                tags=redactor.value(sample.tags),
                origin=redactor.value(sample.origin),
                cluster=clusters.text(sample.cluster) if sample.cluster else sample.cluster,
            )
        )
        count += redactor.count
    return clean, count + clusters.count
