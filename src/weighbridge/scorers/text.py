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
            text = _bare(text)
        return text if self.case else text.casefold()


def _bare(text: str) -> str:
    """Without punctuation and quotes around it: "Paris." and '"Paris"' are Paris. Currency and signs stay."""
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or unicodedata.category(text[start]) in _AROUND):
        start += 1
    while end > start and (text[end - 1].isspace() or unicodedata.category(text[end - 1]) in _AROUND):
        end -= 1
    return text[start:end]


_AROUND = {"Po", "Ps", "Pe", "Pi", "Pf"}


def expected_texts(sample: Sample, override: Sequence[Any] | None) -> list[str]:
    """Acceptable answers as texts: the scorer's own, or the sample's."""
    values = sample.expected if override is None else override
    return [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values]


def answered(answer: Answer) -> str:
    """What the model said, a refusal included."""
    return answer.text or answer.refusal or ""
