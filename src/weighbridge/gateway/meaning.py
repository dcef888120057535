"""When two texts may have one answer: what an embedding does not tell apart is compared word by word.

Vectors of "cancel my order" and "do not cancel my order", of 5 and 7 days, of dollars to euros and back are nearly or
wholly the same. So all words that carry meaning must be the same, in the same order, but for a few pairs that are
near each other (buy, purchase). Where in doubt, texts differ: a miss costs a call, a false hit an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

Near = Callable[[str, str], bool]
"""Whether two words mean the same, as far as an embedding can say."""

MOST_CHARACTERS: Final = 1000
_MOST_WORDS: Final = 120

_TOKEN = re.compile(r"[^\W_]+(?:[.,:/@_-][^\W_]+)*|[^\w\s]")
_CONTRACTED: Final = (
    (re.compile(r"\bcan(?:'t|not)\b"), "can not"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\b(what|where|who|how|when|that|there|it|he|she)'s\b"), r"\1 is"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
)
_PHRASED: Final = (
    (re.compile(r"\bhow (?:can|could|would) i\b"), "how do i"),
    (re.compile(r"\b(?:can|could|would|will) you(?: please)?\b"), ""),
    (re.compile(r"\bi would like to\b"), "i want to"),
)
_IDLE: Final = frozenset(
    {*("a", "an", "the", "please", "kindly", "hi", "hello", "hey", "thanks", "thank"), *(".", ",", "!", "?", ";", "…")}
)
"""Says nothing about what is wanted."""
NEGATIONS: Final = frozenset(
    {
        *(
            "not",
            "no",
            "never",
            "none",
            "nobody",
            "nothing",
            "nowhere",
            "neither",
            "nor",
            "without",
            "except",
            "unless",
        ),
        *("hardly", "barely", "excluding", "minus", "lacking", "non"),
    }
)
_COUNTS: Final = frozenset(
    {
        *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        *("hundred", "thousand", "million", "billion", "half", "twice", "double", "once", "first", "second", "third"),
    }
)
_FIXED: Final = frozenset(
    {
        *("you", "your", "yours", "his", "her", "hers", "him", "she", "they", "them", "their", "our", "ours", "mine"),
        *("should", "must", "may", "might", "can", "could", "would", "will", "all", "some", "any", "every", "each"),
        *("more", "less", "most", "least", "before", "after", "above", "below", "over", "under", "with", "until"),
        *("now", "then", "today", "tomorrow", "yesterday", "always", "often", "sometimes", "husband", "wife", "mother"),
        *("father", "son", "daughter", "brother", "sister", "man", "woman", "boy", "girl", "monday", "tuesday"),
        *("wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march", "april", "june"),
        *("july", "august", "september", "october", "november", "december", "north", "south", "east", "west"),
        *("safe", "dangerous", "left", "right", "good", "bad", "best", "worst", "hours", "days", "weeks", "months"),
        *("years", "minutes", "seconds", "hour", "day", "week", "month", "year", "minute", "red", "blue", "green"),
    }
)
"""Words of small families, whose members stand near each other and mean different things."""
_SHARED: Final = 3
"""Words that begin or end with so many of the same letters are often opposites: import, export; legal, illegal."""
_WORD = re.compile(r"[a-z]{3,}")


class Meaning(msgspec.Struct, frozen=True):
    """A text's words in order, those left out that say nothing."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Meaning:
        """From what `text` gave."""
        return cls(tuple(text.split(" ")))

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def numbers(self) -> list[str]:
        return sorted(word for word in self.words if word in _COUNTS or any(map(str.isnumeric, word)))

    @property
    def negations(self) -> list[str]:
        return sorted(word for word in self.words if word in NEGATIONS)


def meaning(text: str) -> Meaning | None:
    """None for a text without words, and for one that is too long to be told from another by its sum."""
    if len(text) > MOST_CHARACTERS:
        return None
    said = _lower(text.replace("’", "'"))
    for pattern, plain in (*_CONTRACTED, *_PHRASED):
        said = pattern.sub(plain, said)
    words = tuple(token for token in _TOKEN.findall(said) if token not in _IDLE)
    if not words or len(words) > _MOST_WORDS:
        return None
    return Meaning(words)


def _lower(text: str) -> str:
    """Small letters, but for words all in capitals: IT is not it, and US not us."""
    return re.sub(r"\w+", lambda found: word if (word := found[0]).isupper() and len(word) > 1 else word.lower(), text)


def same(one: Meaning, other: Meaning, near: Near) -> bool:
    """Whether an answer to one may answer the other."""
    if one.numbers != other.numbers or one.negations != other.negations or len(one.words) != len(other.words):
        return False
    differing = [(a, b) for a, b in zip(one.words, other.words, strict=True) if a != b]
    if len(differing) > 1 + len(one.words) // 8:
        return False
    return all(_exchangeable(a, b) and near(a, b) for a, b in differing)


def _exchangeable(one: str, other: str) -> bool:
    """Whether it may be left to an embedding to say that two words mean the same."""
    if not (_WORD.fullmatch(one) and _WORD.fullmatch(other)):
        return False
    if {one, other} & (_FIXED | NEGATIONS | _COUNTS):
        return False
    return one[:_SHARED] != other[:_SHARED] and one[-_SHARED:] != other[-_SHARED:]
