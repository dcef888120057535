"""Drawing some of many samples: by tag in proportion, the same ones every time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from weighbridge.samples.sample import Sample

Stratify = Literal["tag"]


def take(
    samples: Sequence[Sample], count: int, *, stratify: Stratify | None = None, equal: bool = False, seed: int = 0
) -> list[Sample]:
    """`count` samples, in the order given. The draw depends on the samples' ids and the seed alone, not on their order
    in the file. By tag: each stratum (a sample's whole set of tags) in proportion, largest remainders first, or the
    same number of each where `equal`. All, where there are no more than `count`."""
    if count >= len(samples):
        return list(samples)
    strata: dict[tuple[str, ...], list[tuple[bytes, int]]] = {}
    for place, sample in enumerate(samples):
        tags = tuple(sorted(sample.tags)) if stratify else ()
        strata.setdefault(tags, []).append((_draw(sample.id, seed), place))
    sizes = {tags: len(members) for tags, members in strata.items()}
    quota = _equal(sizes, count) if equal else _proportional(sizes, count)
    drawn = {place for tags, members in strata.items() for _, place in sorted(members)[: quota[tags]]}
    return [sample for place, sample in enumerate(samples) if place in drawn]


def _draw(identity: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{identity}".encode()).digest()


def _proportional(sizes: dict[tuple[str, ...], int], count: int) -> dict[tuple[str, ...], int]:
    whole = sum(sizes.values())
    quota = {tags: count * size // whole for tags, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda tags: (-(count * sizes[tags] % whole), tags))
    for tags in by_remainder[: count - sum(quota.values())]:
        quota[tags] += 1
    return quota


def _equal(sizes: dict[tuple[str, ...], int], count: int) -> dict[tuple[str, ...], int]:
    """As many of each as there are, up to the same number; what small strata leave goes to the others."""
    quota = dict.fromkeys(sizes, 0)
    left = count
    open_strata = sorted(sizes)
    while left and open_strata:
        share = max(1, left // len(open_strata))
        for tags in open_strata:
            given = min(share, sizes[tags] - quota[tags], left)
            quota[tags] += given
            left -= given
        open_strata = [tags for tags in open_strata if quota[tags] < sizes[tags]]
    return quota


def distinct(samples: Sequence[Sample], *, near: bool = False) -> tuple[list[Sample], int]:
    """Samples without doubles, first ones kept, and how many were left out. `near`: also those whose request reads the
    same but for case, white space, punctuation and digits."""
    seen: set[str] = set()
    kept = []
    for sample in samples:
        key = _folded(sample) if near else sample.id
        if key not in seen:
            seen.add(key)
            kept.append(sample)
    return kept, len(samples) - len(kept)


_NOISE = re.compile(r"[\W\d_]+")


def _folded(sample: Sample) -> str:
    text = " ".join(_texts(sample.request.get("messages", sample.request.get("prompt"))))
    return _NOISE.sub(" ", text).casefold().strip()


def _texts(value: Any) -> Iterator[str]:
    """Every text within a JSON value, in its order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
