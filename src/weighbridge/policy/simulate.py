"""What a way of routing would have done over recorded results or exchanges, without a network.

Everything is an array over n requests, so a month of traffic takes seconds. What was never recorded is not made up: a
way that needs it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weighbridge.errors import UsageError
from weighbridge.routing.document import Cascade, Look, Prerouted, Single, Split, Way, targets
from weighbridge.stats.clustered import mean, proportion
from weighbridge.stats.estimate import Estimate
from weighbridge.stats.quantiles import Quantile, quantile
from weighbridge.stats.ratio import fieller

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

QUANTILES = (0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One candidate on every request, arrays (n,); None: not known, and no figure is given that needs it.

    `cost` is USD, NaN where it has none, with whatever else a step asks of the candidate; `right` lies in [0, 1];
    `seconds` is to the end of the answer, or until the request had failed; `confidence` is P(right) of the answer, NaN
    where it has none: such an answer is never kept.
    """

    cost: Floats
    right: Floats | None = None
    seconds: Floats | None = None
    confidence: Floats | None = None


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a predictor expects of one candidate from each prompt: P(right), USD and seconds, (n,) each."""

    right: Floats
    usd: Floats
    seconds: Floats

    def worth(self, way: Cascade) -> Floats:
        worth: Floats = self.right - way.per_usd * self.usd - way.per_second * self.seconds
        return worth


@dataclass(frozen=True, slots=True)
class Walk:
    """What happened to each request: `answered` by which candidate, the place in `names`, (n,); `asked` which, (n,)
    each. An answer that was not kept was asked for, and is paid for and waited for."""

    names: tuple[str, ...]
    answered: NDArray[np.intp]
    asked: dict[str, Flags]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a way comes to over `n` requests, each figure with its interval at the level asked for.

    `escalated` is the share not answered by the cheapest target, of a cascade or a pre-router alone. `latency` is by
    quantile, seconds, the steps of a cascade one after the other. `asked`, `answered` and `spent` (USD) are totals by
    candidate. None: what it needs was not recorded.
    """

    n: int
    quality: Estimate | None
    cost_per_request: Estimate
    cost_per_success: Estimate | None
    escalated: Estimate | None
    latency: dict[float, Quantile]
    asked: dict[str, int]
    answered: dict[str, int]
    spent: dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """What else a way may need of the requests: what the predictor says of each candidate, what it expects to gain by
    the strong one (P(right) of it less that of the cheap one, (n,)), and the seed of what happens by chance."""

    predicted: Mapping[str, Predicted] = field(default_factory=dict)
    gains: Floats | None = None
    seed: int = 0


def simulate(
    recorded: Mapping[str, Recorded],
    way: Way,
    asked: Asked | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> Figures:
    """What `way` would have come to. `clusters`, (n,), names what makes requests alike.

    Raises UsageError where the way needs a candidate, a price, a confidence or a prediction that was not recorded, and
    where arrays differ in length.
    """
    walk = walked(recorded, way, asked or Asked())
    spent = paid(recorded, walk)
    cost = total(spent)
    right = rightness(recorded, walk)
    taken = waited(recorded, walk)
    ladder = isinstance(way, Cascade | Prerouted)
    return Figures(
        n=len(cost),
        quality=proportion(right, clusters, level=level) if right is not None else None,
        cost_per_request=mean(cost, clusters, level=level),
        cost_per_success=fieller(cost, right, clusters, level) if right is not None else None,
        escalated=proportion(walk.answered != 0, clusters, level=level) if ladder else None,
        latency={q: quantile(taken, q, level) for q in QUANTILES} if taken is not None else {},
        asked={name: int(flags.sum()) for name, flags in walk.asked.items()},
        answered={name: int((walk.answered == place).sum()) for place, name in enumerate(walk.names)},
        spent={name: float(dollars.sum()) for name, dollars in spent.items()},
    )


def walked(recorded: Mapping[str, Recorded], way: Way, asked: Asked) -> Walk:
    """Who is asked and who answers. Raises UsageError as `simulate` does."""
    names = targets(way)
    if isinstance(way, Cascade) and (not names or len(set(names)) < len(names)):
        raise UsageError("a cascade needs steps, each of another candidate")
    n = _length(recorded, names, asked)
    chance = np.random.default_rng(asked.seed)
    if isinstance(way, Single):
        return _one_each(names, np.zeros(n, dtype=np.intp))
    if isinstance(way, Split):
        weights = np.array(list(way.weights.values()))
        return _one_each(names, chance.choice(len(names), size=n, p=weights / weights.sum()).astype(np.intp))
    mixed = chance.random(n) < way.mix
    if isinstance(way, Prerouted):
        if asked.gains is None:
            raise UsageError("a pre-router needs what its predictor expects to gain on each request")
        threshold = np.where(mixed, way.also if way.also is not None else way.threshold, way.threshold)
        return _one_each(names, (asked.gains > threshold).astype(np.intp))
    return _cascade(recorded, way, asked, mixed)


def paid(recorded: Mapping[str, Recorded], walk: Walk) -> dict[str, Floats]:
    """USD spent on each candidate for each request, (n,). Raises UsageError where one that is asked has no price."""
    spent = {}
    for name, flags in walk.asked.items():
        spent[name] = np.where(flags, recorded[name].cost, 0.0)
        if unpriced := int(np.isnan(spent[name]).sum()):
            what = f"candidate {name!r} has no price on {unpriced} of the {int(flags.sum())} requests it is asked"
            raise UsageError(what, mend="Give its model a `price`.")
    return spent


def total(by_candidate: Mapping[str, Floats]) -> Floats:
    """The sum over candidates of what each request took of them, (n,)."""
    found: Floats = np.sum(list(by_candidate.values()), axis=0)
    return found


def rightness(recorded: Mapping[str, Recorded], walk: Walk) -> Floats | None:
    """Whether each request's answer is right, (n,); None where that of one who may answer is not known."""
    result = np.zeros(len(walk.answered))
    for place, name in enumerate(walk.names):
        column = recorded[name].right
        if column is None:
            return None
        result = np.where(walk.answered == place, column, result)
    return result


def waited(recorded: Mapping[str, Recorded], walk: Walk) -> Floats | None:
    """Seconds of each request, (n,), one candidate after the other; None where those of one are not known."""
    seconds = {}
    for name, flags in walk.asked.items():
        taken = recorded[name].seconds
        if taken is None:
            return None
        seconds[name] = np.where(flags, taken, 0.0)
    return total(seconds)


def repriced(
    prices: Mapping[str, Mapping[str, float]],
    tokens_in: ArrayLike,
    tokens_out: ArrayLike,
    confidence: Mapping[str, Floats] | None = None,
) -> dict[str, Recorded]:
    """Exchanges as every candidate would have cost, were its answers as long as those recorded: `prices` are USD per
    million `input` and `output` tokens, the tokens (n,). Whether it is right, and how fast, such exchanges do not say.

    Raises UsageError for a candidate without price.
    """
    into, out = np.asarray(tokens_in, dtype=np.float64), np.asarray(tokens_out, dtype=np.float64)
    if into.shape != out.shape or into.ndim != 1:
        raise UsageError(f"tokens in and out are of different requests: {into.shape} and {out.shape}")
    found = {}
    for name, price in prices.items():
        if not {"input", "output"} <= price.keys():
            raise UsageError(f"candidate {name!r} has no price for input and output", mend="Give its model a `price`.")
        cost = (into * price["input"] + out * price["output"]) / 1e6
        found[name] = Recorded(cost, confidence=(confidence or {}).get(name))
    return found


def _length(recorded: Mapping[str, Recorded], names: tuple[str, ...], asked: Asked) -> int:
    lengths = {"gains": np.shape(asked.gains)} if asked.gains is not None else {}
    for name in names:
        if name not in recorded:
            there = ", ".join(sorted(recorded)) or "none"
            raise UsageError(f"nothing is recorded of candidate {name!r}", mend=f"Recorded are: {there}")
        for what in ("cost", "right", "seconds", "confidence"):
            if (column := getattr(recorded[name], what)) is not None:
                lengths[f"{what} of {name}"] = np.shape(column)
    first, shape = next(iter(lengths.items()))
    for what, other in lengths.items():
        if other != shape or len(other) != 1:
            raise UsageError(f"{first} and {what} are of different requests: {shape} and {other}")
    if shape[0] == 0:
        raise UsageError("no requests are recorded")
    return int(shape[0])


def _one_each(names: tuple[str, ...], answered: NDArray[np.intp]) -> Walk:
    return Walk(names, answered, {name: answered == place for place, name in enumerate(names)})


def _cascade(recorded: Mapping[str, Recorded], way: Cascade, asked: Asked, mixed: Flags) -> Walk:
    if way.ceiling is not None:
        raise UsageError(
            "a spending ceiling is not simulated", mend="Take `ceiling` out to see what there is to spend."
        )
    names, n = targets(way), len(mixed)
    answered = np.full(n, len(names) - 1, dtype=np.intp)
    left, elapsed = np.ones(n, dtype=bool), np.zeros(n)
    flags: dict[str, Flags] = {}
    for place, step in enumerate(way.steps[:-1]):
        worth = _worth(way, asked, names[place + 1])
        here = left & ~_late(way, place, elapsed)
        if step.skip is not None:
            here &= ~(_predicted(way, asked, step.target).right - worth < step.skip)
        flags[step.target] = here
        kept = here & _kept(recorded[step.target], step.target, step.looks, worth, mixed) if step.looks else here
        answered[kept] = place
        left = left & ~kept
        taken = recorded[step.target].seconds
        elapsed = elapsed + np.where(here, taken if taken is not None else way.latency.get(step.target, 0.0), 0.0)
    flags[names[-1]] = left
    return Walk(names, answered, flags)


def _late(way: Cascade, place: int, elapsed: Floats) -> Flags:
    """Where this step and the last would miss the deadline together, with what has been waited for already."""
    if way.deadline is None:
        return np.zeros(len(elapsed), dtype=bool)
    usual = sum(way.latency.get(way.steps[at].target, 0.0) for at in (place, -1))
    late: Flags = elapsed + usual > way.deadline
    return late


def _worth(way: Cascade, asked: Asked, following: str) -> Floats | float:
    return _predicted(way, asked, following).worth(way) if way.predictor is not None else 0.0


def _predicted(way: Cascade, asked: Asked, name: str) -> Predicted:
    if way.predictor is None or name not in asked.predicted:
        raise UsageError(f"the cascade needs what a predictor says of candidate {name!r} on each request")
    return asked.predicted[name]


def _kept(found: Recorded, name: str, looks: tuple[Look, ...], worth: Floats | float, mixed: Flags) -> Flags:
    """Where the answer is sure enough. NaN is sure of nothing."""
    if len(looks) > 1 or looks[0].tokens is not None:
        raise UsageError(
            f"the step of {name!r} looks before the answer's end, and how sure it was then is not recorded"
        )
    keep, also = looks[0].keep, looks[0].also
    if keep is None or found.confidence is None:
        missing = "a `keep` threshold" if keep is None else "a confidence in each answer"
        raise UsageError(f"the step of {name!r} needs {missing}")
    kept: Flags = found.confidence - worth >= np.where(mixed, also if also is not None else keep, keep)
    return kept
