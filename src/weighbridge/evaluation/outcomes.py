"""A run's results as arrays, one set for each candidate: what every figure is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from weighbridge.store.lake import columns
from weighbridge.store.run import Run

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
T = TypeVar("T")

_MEASURED = ("ttft", "total")
_TOKENS = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens")
_NAMES = (
    "candidate",
    "sample",
    "repeat",
    "cluster",
    "tags",
    "weight",
    "ok",
    "success",
    "error_class",
    "attempts",
    "retried",
    "cost",
    *_MEASURED,
    *_TOKENS,
)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One candidate's results, all arrays of one length and in order of (sample, repeat).

    `success` is 1, 0 or NaN (answered, but not scorable). `ttft` and `total` are seconds; +inf where the request
    failed, NaN where an answer had no such time (not streamed). `cost` is USD, NaN where unknown. `values` holds each
    scorer's value in [0, 1]: 0 where the request failed, NaN where an answer could not be scored.
    """

    candidate: str
    sample: tuple[str, ...]
    repeat: tuple[int, ...]
    cluster: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    weight: Floats
    ok: Booleans
    success: Floats
    cost: Floats
    ttft: Floats
    total: Floats
    tokens: dict[str, Floats]
    attempts: Floats
    error_class: tuple[str | None, ...]
    retried: tuple[tuple[str, ...], ...]
    clustered: bool
    values: dict[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sample)

    def only(self, keep: Booleans) -> Outcomes:
        """The results where `keep` is true."""
        places = np.flatnonzero(keep)
        return Outcomes(
            candidate=self.candidate,
            sample=_pick(self.sample, places),
            repeat=_pick(self.repeat, places),
            cluster=_pick(self.cluster, places),
            tags=_pick(self.tags, places),
            weight=self.weight[places],
            ok=self.ok[places],
            success=self.success[places],
            cost=self.cost[places],
            ttft=self.ttft[places],
            total=self.total[places],
            tokens={name: column[places] for name, column in self.tokens.items()},
            attempts=self.attempts[places],
            error_class=_pick(self.error_class, places),
            retried=_pick(self.retried, places),
            clustered=self.clustered,
            values={name: column[places] for name, column in self.values.items()},
        )


def load(run: Run) -> dict[str, Outcomes]:
    """Outcomes by candidate, in the order of the manifest; candidates without any result are left out.

    Raises UsageError where the run's tables or journal are damaged.
    """
    table = columns(run, _NAMES)
    named = np.asarray(table["candidate"], dtype=object)
    scores = _scores(run, table)
    found: dict[str, Outcomes] = {}
    order = [record.name for record in run.manifest.candidates]
    for name in sorted(
        set(table["candidate"]), key=lambda name: (order.index(name) if name in order else len(order), name)
    ):
        places = np.flatnonzero(named == name)
        found[name] = _candidate(name, table, places, {scorer: column[places] for scorer, column in scores.items()})
    return found


def _candidate(name: str, table: dict[str, list[Any]], places: NDArray[np.intp], values: dict[str, Floats]) -> Outcomes:
    def column(key: str) -> list[Any]:
        return [table[key][place] for place in places]

    samples, repeats, clusters = column("sample"), column("repeat"), column("cluster")
    ok = np.asarray(column("ok"), dtype=bool)
    return Outcomes(
        candidate=name,
        sample=tuple(samples),
        repeat=tuple(repeats),
        cluster=tuple(cluster or sample for cluster, sample in zip(clusters, samples, strict=True)),
        tags=tuple(map(tuple, column("tags"))),
        weight=_floats(column("weight")),
        ok=ok,
        success=_floats(column("success")),
        cost=_floats(column("cost")),
        ttft=np.where(ok, _floats(column("ttft")), np.inf),
        total=np.where(ok, _floats(column("total")), np.inf),
        tokens={key.removesuffix("_tokens"): _floats(column(key)) for key in _TOKENS},
        attempts=_floats(column("attempts")),
        error_class=tuple(column("error_class")),
        retried=tuple(map(tuple, column("retried"))),
        clustered=any(cluster is not None for cluster in clusters) or len(set(samples)) < len(samples),
        values=values,
    )


def _scores(run: Run, table: dict[str, list[Any]]) -> dict[str, Floats]:
    """Each scorer's values in the rows' order; NaN where it gave none."""
    place = {key: row for row, key in enumerate(zip(table["candidate"], table["sample"], table["repeat"], strict=True))}
    ok = np.asarray(table["ok"], dtype=bool)
    scores = columns(run, ("candidate", "sample", "repeat", "scorer", "value"), table="scores")
    found: dict[str, Floats] = {}
    for *key, scorer, value in zip(*scores.values(), strict=True):
        row = place.get((key[0], key[1], key[2]))
        if scorer not in found:
            found[scorer] = np.where(ok, np.nan, 0.0)
        if row is not None and value is not None:
            found[scorer][row] = value
    return found


def _floats(column: Sequence[Any]) -> Floats:
    return np.asarray([np.nan if value is None else float(value) for value in column], dtype=np.float64)


def _pick(values: tuple[T, ...], places: NDArray[np.intp]) -> tuple[T, ...]:
    return tuple(values[place] for place in places)
