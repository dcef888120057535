"""What takes something of a request before it is let in: a limit or a budget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

REQUEST: Final = 0
TOKENS: Final = 1
MONEY: Final = 2


class Taker(ABC):
    """`share` says what it takes of: the one request, its tokens, or its price in billionths of a dollar. (A class, no
    Protocol: it is asked for every request, and compiled code finds the methods of a class at once.)."""

    __slots__ = ("share",)

    def __init__(self, share: int) -> None:
        self.share = share

    @abstractmethod
    def take(self, amount: int, now: float) -> bool:
        """Whether there is room for it; where there is none, nothing was taken."""

    @abstractmethod
    def undo(self, amount: int) -> None:
        """Takes the last `take` back."""
