"""From a table of results to a policy: which candidates, from which confidence on, and what that promises.

The rows are dealt into three parts that share no cluster. On the first, confidence is fitted and the pair is chosen; on
the second, the threshold is tested (Learn-then-Test); on the third, what is promised is measured. So nothing is judged
by rows it was made from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from weighbridge.errors import CriterionFailed, UsageError
from weighbridge.policy import confiding
from weighbridge.policy.evidence import Floats, Table
from weighbridge.policy.promising import Served, promise, served, unmet
from weighbridge.routing import document
from weighbridge.stats import guarantees

SHARES: Final = (0.5, 0.25, 0.25)
_LEAST_ROWS: Final = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """`alpha`: the share of requests that may keep a cheap answer which is wrong where the strong model's would have
    been right. `delta`: the chance that anything of what is promised does not hold. `limits` by figure, as the
    endpoint's constraints name them: quality is a minimum, the others (cost_per_success, total_pNN) are maxima. P95 of
    the time to an answer is promised, and what the limits ask for. `seed` deals the rows."""

    alpha: float = 0.02
    delta: float = 0.1
    limits: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    @property
    def quantiles(self) -> tuple[float, ...]:
        """Those of the time to an answer that are promised."""
        asked = {float(name.removeprefix("total_p")) / 100 for name in self.limits if name.startswith("total_p")}
        return tuple(sorted(asked | {0.95}))

    @property
    def share(self) -> float:
        """What each promise may fail with, so that together they fail with `delta` (Bonferroni): the threshold's test,
        quality, cost per request and per success, and each quantile."""
        return guarantees.shared(self.delta, 4 + len(self.quantiles))


@dataclass(frozen=True, slots=True)
class _Pair:
    cheap: str
    strong: str
    confidence: document.Confidence

    def keeping(self, keep: float) -> document.Cascade:
        """The cascade that keeps a cheap answer from this confidence on."""
        look = document.Look(confidence=self.confidence, keep=keep)
        return document.Cascade(
            steps=(document.Step(target=self.cheap, looks=(look,)), document.Step(target=self.strong))
        )


def propose(table: Table, endpoint: str, wanted: Wanted, *, created: str, by: str = "") -> document.Document:
    """The cheapest way to serve the endpoint that keeps the promise; the strongest candidate alone, which is the safe
    policy, where no cascade is shown to keep it, with a note that says why.

    Raises UsageError where the evidence allows no policy: no candidate with a known price, none that is ever right, or
    too few rows to measure even the safe one. Raises CriterionFailed where not even the safe one is shown to keep the
    limits.
    """
    if len(table) < _LEAST_ROWS:
        what = f"{len(table)} samples were judged, and a policy needs {_LEAST_ROWS} at least"
        raise UsageError(what, where=", ".join(table.runs), mend="Evaluate on more samples")
    priced, notes = _priced(table)
    fitting, choosing, testing = table.parts(SHARES, wanted.seed)
    choosing, testing = choosing.independent(), testing.independent()
    strong = _strongest(fitting, priced)
    pair = _best_pair(fitting, strong, priced, wanted, notes)
    safe = document.Single(target=strong)
    way = (_tested(pair, choosing, wanted, notes) if pair is not None else None) or safe
    made = _promise(table, way, testing, wanted)
    if way is not safe and (missed := unmet(made, wanted.limits)):
        notes.append(f"no cascade is proposed: with it there is no promise of {'; '.join(missed)}")
        way = safe
        made = _promise(table, way, testing, wanted)
    if missed := unmet(made, wanted.limits):
        raise CriterionFailed(
            f"nothing keeps every limit: of {strong} alone, the best there is, there is no promise of "
            f"{'; '.join(missed)}",
            where=f"endpoint {endpoint}",
            mend="Loosen the constraint, add a candidate, or evaluate on more samples for narrower bounds",
        )
    return document.Document(
        endpoint=endpoint,
        way=way,
        safe=safe,
        created=created,
        by=by,
        evidence=document.Evidence(
            runs=table.runs,
            samples=len(table),
            fitted=len(fitting),
            tested=len(choosing) + len(testing),
            date=max(table.dates).isoformat(),
        ),
        promise=msgspec.structs.replace(
            made, confidence=1 - wanted.delta, alpha=wanted.alpha if way is not safe else None
        ),
        voids=_voids(way),
        notes=tuple(notes),
    )


def _priced(table: Table) -> tuple[list[str], list[str]]:
    """Candidates whose every cost is known, and a note for each of the others. Raises UsageError where none is."""
    priced, notes = [], []
    for name, results in table.candidates.items():
        if np.isnan(results.cost).any():
            notes.append(f"{name} is left out: what it costs is not known (give its model a price)")
        else:
            priced.append(name)
    if not priced:
        raise UsageError(
            "no candidate has a known price, so no cost can be compared", mend="Give the models a price: models.….price"
        )
    return priced, notes


def _strongest(table: Table, names: Iterable[str]) -> str:
    """The one that is right most often; of equals, the cheapest. Raises UsageError where none ever is."""
    results = table.candidates
    best = max(names, key=lambda name: (results[name].right.mean(), -results[name].cost.mean()))
    if not results[best].right.any():
        raise UsageError(
            "no candidate was right once, so there is nothing to choose",
            where=", ".join(table.runs),
            mend="Look at the answers, and at the success rule: weighbridge leaderboard",
        )
    return best


def _best_pair(table: Table, strong: str, priced: Iterable[str], wanted: Wanted, notes: list[str]) -> _Pair | None:
    """The pair that would cost the least at the risk allowed, by the rows it is fitted on; None where none saves."""
    alone_cost = float(table.candidates[strong].cost.mean())
    found: list[tuple[float, _Pair]] = []
    for cheap in priced:
        if cheap == strong or table.candidates[cheap].cost.mean() >= alone_cost:
            continue
        confidence = confiding.fit(table.candidates[cheap], seed=wanted.seed)
        if confidence is None:
            notes.append(f"{cheap} is no first step: its answers show nothing that tells right from wrong")
            continue
        pair = _Pair(cheap, strong, confidence)
        cost = _cheapest(table, pair, wanted.alpha)
        if cost < alone_cost:
            found.append((cost, pair))
        else:
            notes.append(f"{cheap} is no first step: {strong} is asked so often after it that it saves nothing")
    return min(found, key=lambda each: each[0])[1] if found else None


def _cheapest(table: Table, pair: _Pair, alpha: float) -> float:
    """USD for a request at the lowest threshold whose risk on these rows is at most `alpha`."""
    p = _probabilities(pair.keeping(np.inf), table)
    thresholds = np.unique(p[pair.cheap])
    thresholds = thresholds[~np.isnan(thresholds)][::-1]

    def at(place: int) -> Served:
        return served(table, pair.keeping(float(thresholds[place])), p)

    # Risk never falls with the threshold, and cost never rises.
    within = bisect_right(range(len(thresholds)), alpha, key=lambda place: float(at(place).lost.mean()))
    return float(at(within - 1).cost.mean()) if within else np.inf


def _tested(pair: _Pair, table: Table, wanted: Wanted, notes: list[str]) -> document.Cascade | None:
    """The pair's cascade at the lowest threshold that is shown to keep the risk, on rows that fitted nothing."""
    alpha = wanted.alpha
    cheap, strong = table.candidates[pair.cheap], table.candidates[pair.strong]
    p = confiding.probabilities(pair.confidence, cheap)
    try:
        kept = guarantees.keep_threshold(p, (cheap.right == 0) & (strong.right == 1), alpha, wanted.share)
    except guarantees.TooFewError as error:
        notes.append(
            f"no cascade is promised: to show a risk of at most {alpha:.3g} the threshold is tested on "
            f"{error.n} samples, and needs {error.needed}: evaluate on {round(error.needed / SHARES[1])} in all"
        )
        return None
    if kept is None:
        notes.append(f"no cascade is promised: no confidence in {pair.cheap} is shown to keep the risk at {alpha:.3g}")
        return None
    return pair.keeping(kept.threshold)


def _promise(table: Table, way: document.Way, testing: Table, wanted: Wanted) -> document.Promise:
    # The most that a request can cost is taken to be the most that one of the table did, every step paid for.
    dearest = float(sum(table.candidates[name].cost.max() for name in document.targets(way)))
    rows = served(testing, way, _probabilities(way, testing))
    return promise(rows, delta=wanted.share, quantiles_at=wanted.quantiles, dearest=dearest)


def _probabilities(way: document.Way, table: Table) -> dict[str, Floats]:
    """P(right) of every answer of those whose answers are judged, by candidate."""
    steps = way.steps if isinstance(way, document.Cascade) else ()
    return {
        step.target: confiding.probabilities(step.looks[-1].confidence, table.candidates[step.target])
        for step in steps
        if step.looks
    }


def _voids(way: document.Way) -> tuple[str, ...]:
    return (
        f"another model, prompt or price behind {' or '.join(document.targets(way))}",
        "requests unlike the samples it was found on",
    )
