"""From a table of results to a policy: which candidates, from which confidence on, and what that promises.

The rows are dealt into three parts that share no cluster. On the first, confidence is fitted and the pair is chosen; on
the second, the threshold is tested (Learn-then-Test); on the third, what is promised is measured. So nothing is judged
by rows it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from weighbridge.errors import CriterionFailed, UsageError
from weighbridge.policy import confiding
from weighbridge.policy.evidence import Floats, Table
from weighbridge.policy.promising import Served, alone, cascaded, promise, unmet
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
        return self.delta / (4 + len(self.quantiles))


@dataclass(frozen=True, slots=True)
class _Pair:
    cheap: str
    strong: str
    confidence: document.Confidence
    cost: float


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
    cascade = _tested(pair, choosing, wanted, notes) if pair is not None else None
    made = _promise(table, cascade, strong, testing, wanted)
    if cascade is not None and (missed := unmet(made, wanted.limits)):
        notes.append(f"no cascade is proposed: with it there is no promise of {'; '.join(missed)}")
        cascade = None
        made = _promise(table, cascade, strong, testing, wanted)
    if missed := unmet(made, wanted.limits):
        raise CriterionFailed(
            f"nothing keeps every limit: of {strong} alone, the best there is, there is no promise of "
            f"{'; '.join(missed)}",
            where=f"endpoint {endpoint}",
            mend="Loosen the constraint, add a candidate, or evaluate on more samples for narrower bounds",
        )
    return document.Document(
        endpoint=endpoint,
        way=cascade or document.Single(target=strong),
        safe=document.Single(target=strong),
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
            made, confidence=1 - wanted.delta, alpha=wanted.alpha if cascade is not None else None
        ),
        voids=_voids(cascade, strong),
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
    found: list[_Pair] = []
    for cheap in priced:
        if cheap == strong or table.candidates[cheap].cost.mean() >= alone_cost:
            continue
        confidence = confiding.fit(table.candidates[cheap], seed=wanted.seed)
        if confidence is None:
            notes.append(f"{cheap} is no first step: its answers show nothing that tells right from wrong")
            continue
        p = confiding.probabilities(confidence, table.candidates[cheap])
        cost = _cheapest(table, cheap, strong, p, wanted.alpha)
        if cost < alone_cost:
            found.append(_Pair(cheap, strong, confidence, cost))
        else:
            notes.append(f"{cheap} is no first step: {strong} is asked so often after it that it saves nothing")
    return min(found, key=lambda pair: pair.cost, default=None)


def _cheapest(table: Table, cheap: str, strong: str, p: Floats, alpha: float) -> float:
    """USD for a request at the lowest threshold whose risk on these rows is at most `alpha`."""
    best = np.inf
    for keep in np.unique(p[~np.isnan(p)])[::-1]:
        served = cascaded(table, cheap, strong, p, float(keep))
        if served.lost.mean() > alpha:
            break
        best = min(best, float(served.cost.mean()))
    return best


def _tested(pair: _Pair, table: Table, wanted: Wanted, notes: list[str]) -> document.Cascade | None:
    """The pair's cascade at the lowest threshold that is shown to keep the risk, on rows that fitted nothing."""
    alpha, delta = wanted.alpha, wanted.share
    needed = guarantees.least_samples(alpha, delta)
    if len(table) < needed:
        notes.append(
            f"no cascade is promised: to show a risk of at most {alpha:.3g} the threshold is tested on "
            f"{len(table)} samples, and needs {needed}: evaluate on {round(needed / SHARES[1])} in all"
        )
        return None
    cheap, strong = table.candidates[pair.cheap], table.candidates[pair.strong]
    p = confiding.probabilities(pair.confidence, cheap)
    loss = ((cheap.right == 0) & (strong.right == 1)).astype(np.float64)
    kept = guarantees.keep_threshold(p, loss, alpha, delta)
    if kept is None:
        notes.append(f"no cascade is promised: no confidence in {pair.cheap} is shown to keep the risk at {alpha:.3g}")
        return None
    look = document.Look(confidence=pair.confidence, keep=kept.threshold)
    return document.Cascade(steps=(document.Step(target=pair.cheap, looks=(look,)), document.Step(target=pair.strong)))


def _promise(
    table: Table, cascade: document.Cascade | None, strong: str, testing: Table, wanted: Wanted
) -> document.Promise:
    return promise(
        _served(cascade, strong, testing),
        delta=wanted.share,
        quantiles_at=wanted.quantiles,
        dearest=_dearest(table, cascade, strong),
    )


def _served(cascade: document.Cascade | None, strong: str, table: Table) -> Served:
    if cascade is None:
        return alone(table, strong)
    first = cascade.steps[0]
    look = first.looks[0]
    p = confiding.probabilities(look.confidence, table.candidates[first.target])
    return cascaded(table, first.target, strong, p, look.keep if look.keep is not None else np.inf)


def _dearest(table: Table, cascade: document.Cascade | None, strong: str) -> float:
    """The most that a request of the table cost, in USD, every step paid for."""
    names = [strong] if cascade is None else [step.target for step in cascade.steps]
    return float(sum(table.candidates[name].cost.max() for name in names))


def _voids(cascade: document.Cascade | None, strong: str) -> tuple[str, ...]:
    names = [strong] if cascade is None else [step.target for step in cascade.steps]
    return (
        f"another model, prompt or price behind {' or '.join(names)}",
        "requests unlike the samples it was found on",
    )
