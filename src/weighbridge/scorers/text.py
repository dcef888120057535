"""Bringing two texts into one form before they are compared; each step is a setting, none is hidden."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import msgspec

from weighbridge.samples.sample import Sample
from weighbridge.wire.answer import Answer

_SPACE = re.compile(r"\s+")


class Normal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How texts are brought into one form: letter case, white space (folded and trimmed), punctuation at the ends."""

    case: bool = False
    space: bool = False
    punctuation: bool = False

    def form(self, text: str) -> str:
        text = unicodedata.normalize("NFKC", text)
        if not self.space:
            text = _SPACE.sub(" ", text).strip()
        if not self.punctuation:
            text = _bare(text, _AROUND if self.space else _AROUND | {"Zs"})
        return text if self.case else text.casefold()


def _bare(text: str, around: set[str]) -> str:
    """Without punctuation, quotes and Markdown around it: "Paris.", '"Paris"' and "`Paris`" are Paris. What belongs to
    a word stays: currency and signs, the end of "5 %" and "C#", the point of ".5"; and what is nothing but
    punctuation stays whole."""
    start, end = 0, len(text)
    while start < end and _is_loose(text[start], around) and not _FRACTION.match(text, start):
        start += 1
    while end > start and _is_loose(text[end - 1], around) and text[end - 1] not in "%‰#":
        end -= 1
    return text[start:end] or text


def _is_loose(char: str, around: set[str]) -> bool:
    return char == "`" or unicodedata.category(char) in around


_AROUND = {"Po", "Ps", "Pe", "Pi", "Pf"}
_FRACTION = re.compile(r"\.\d")


def expected_texts(sample: Sample, override: Sequence[Any] | None) -> list[str]:
    """Acceptable answers as texts: the scorer's own, or the sample's."""
    values = sample.expected if override is None else override
    return [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values]


def answered(answer: Answer) -> str:
    """What the model said, a refusal included."""
    return answer.text or answer.refusal or ""
