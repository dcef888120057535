"""Answers found by what a text means: an index of vectors, bounded, and a second look at what it finds.

Loaded only where an endpoint's cache is semantic: numpy and the embedding are 40 MB of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from weighbridge.gateway.meaning import Meaning, same

Vectors = NDArray[np.float32]

_MOST: Final = 4096
"""Texts remembered for an endpoint."""
_LOOKED_AT: Final = 8
"""Of those near enough, the nearest are compared word by word."""
_NEAR: Final = 0.68
"""Cosine of two words that may stand for each other."""


class Embedder(Protocol):
    """Makes vectors of texts; each of length 1, or 0 where there is nothing to go by."""

    dimensions: int

    def embed(self, texts: Sequence[str]) -> Vectors: ...


class _Entry(msgspec.Struct, frozen=True):
    context: bytes
    text: str
    key: bytes


class Probe(msgspec.Struct, frozen=True):
    """One request as the index sees it: `context` stands for everything about it but its last text."""

    context: bytes
    meaning: Meaning
    vector: Vectors


class Index:
    """Texts by meaning; each leads to the key under which its answer is kept. The oldest make room for new ones."""

    def __init__(self, embedder: Embedder, threshold: float, *, most: int = _MOST) -> None:
        self.threshold = threshold
        self._embedder = embedder
        self._most = most
        self._vectors: Vectors = np.zeros((most, embedder.dimensions), np.float32)
        self._contexts: NDArray[np.uint64] = np.zeros(most, np.uint64)
        self._entries: dict[int, _Entry] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._entries)

    def probe(self, context: bytes, meaning: Meaning) -> Probe:
        return Probe(context, meaning, self._embedder.embed([meaning.text])[0])

    def find(self, probe: Probe) -> list[bytes]:
        """Keys of the answers that would do, the nearest first."""
        places = np.flatnonzero(self._contexts == _short(probe.context))
        if not len(places):
            return []
        nearness = self._vectors[places] @ probe.vector
        # A sum in 32 bits may leave two equal texts a little less than 1 apart.
        enough = nearness >= self.threshold - 1e-5
        order = np.argsort(-nearness[enough], kind="stable")[:_LOOKED_AT]
        found = [self._entries[int(place)] for place in places[enough][order]]
        return [
            entry.key
            for entry in found
            if entry.context == probe.context and same(probe.meaning, Meaning.of(entry.text), self._near)
        ]

    def add(self, probe: Probe, key: bytes) -> None:
        place = self._next
        self._next = (place + 1) % self._most
        self._vectors[place] = probe.vector
        self._contexts[place] = _short(probe.context)
        self._entries[place] = _Entry(probe.context, probe.meaning.text, key)

    def _near(self, one: str, other: str) -> bool:
        vectors = self._embedder.embed([one, other])
        return float(vectors[0] @ vectors[1]) >= _NEAR


def _short(context: bytes) -> np.uint64:
    """A number for a context that is never the 0 of an empty place."""
    return np.uint64(int.from_bytes(context[:8]) | 1)
