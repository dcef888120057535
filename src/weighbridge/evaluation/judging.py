"""From figures to a verdict: the cheapest candidate that is shown to meet every constraint, and one sentence on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from weighbridge.evaluation import intervals, pairing, wording
from weighbridge.evaluation.figures import CandidateFigures
from weighbridge.evaluation.outcomes import Outcomes
from weighbridge.evaluation.verdict import Assessment, Check, Rival, Verdict
from weighbridge.evaluation.wording import MoneyScale

ByName = Mapping[str, CandidateFigures]


def judge(
    figures: Sequence[CandidateFigures],
    assessments: Sequence[Assessment],
    outcomes: Mapping[str, Outcomes],
    *,
    endpoint: str,
    confidence: float = 0.95,
) -> Verdict:
    """Picks, compares the pick with every other candidate on the same samples, and says so."""
    named = {found.candidate: found for found in figures}
    if not any(found.quality.known for found in figures):
        return Verdict(
            sentence="Nothing was judged, so no candidate can be recommended.", assessments=tuple(assessments)
        )
    constrained = any(found.checks for found in assessments)
    meeting = [found.candidate for found in assessments if found.outcome == "meets"] if constrained else []
    pick = min(meeting, key=lambda name: _price_order(named[name]), default="")
    best = min(named.values(), key=_quality_order).candidate
    nearest = "" if pick or not constrained else min(assessments, key=lambda found: _distance(found, named)).candidate
    chosen = pick or nearest or best
    rivals = compare_with(chosen, named, outcomes, confidence)
    money = MoneyScale.fitting(found.cost_per_success.value for found in figures)
    if not constrained:
        sentence = _unconstrained(named, best, money, endpoint)
    elif pick:
        sentence = _picked(
            pick,
            best=best,
            meeting=meeting,
            named=named,
            rivals=rivals,
            assessments=assessments,
            money=money,
            endpoint=endpoint,
            alpha=1 - confidence,
        )
    else:
        sentence = _nobody(nearest, assessments, named, endpoint)
    return Verdict(
        sentence=sentence,
        pick=chosen if pick or not constrained else "",
        nearest=nearest,
        assessments=tuple(assessments),
        rivals=rivals,
    )


def compare_with(chosen: str, named: ByName, outcomes: Mapping[str, Outcomes], confidence: float) -> tuple[Rival, ...]:
    """Every other candidate beside the chosen one, on the samples both answered; p-values corrected by Holm."""
    others = [name for name in named if name != chosen]
    pairs = {name: pairing.success(outcomes[chosen], outcomes[name], confidence) for name in others}
    known = {name: pair for name, pair in pairs.items() if pair is not None}
    adjusted = intervals.holm([pair.p for pair in known.values()])
    return tuple(
        Rival(
            candidate=name,
            difference=pair.difference,
            p=pair.p,
            p_adjusted=corrected,
            cost_ratio=_cost_ratio(named[name], named[chosen]),
        )
        for (name, pair), corrected in zip(known.items(), adjusted, strict=True)
    )


def _cost_ratio(one: CandidateFigures, other: CandidateFigures) -> float | None:
    above, below = one.cost_per_success.value, other.cost_per_success.value
    return above / below if above is not None and below else None


def _price_order(found: CandidateFigures) -> tuple[float, float]:
    cost = found.cost_per_success.value
    return (math.inf if cost is None else cost, -(found.quality.value or 0))


def _quality_order(found: CandidateFigures) -> tuple[float, float]:
    return (-(found.quality.value or 0), _price_order(found)[0])


def _distance(found: Assessment, named: ByName) -> tuple[float, ...]:
    """Fewest failed constraints, then fewest not shown, then the smallest relative miss."""
    outcomes = [check.outcome for check in found.checks]
    misses = [_miss(check) for check in found.checks if check.outcome != "meets"]
    return (outcomes.count("fails"), outcomes.count("not shown"), max(misses), _price_order(named[found.candidate])[0])


def _miss(check: Check) -> float:
    if check.estimate.value is None or not check.limit:
        return math.inf
    over = check.estimate.value / check.limit - 1
    return max(0.0, -over if check.figure == "quality" else over)


def _unconstrained(named: ByName, best: str, money: MoneyScale, endpoint: str) -> str:
    cheapest = min(named.values(), key=_price_order).candidate
    where = f" for {endpoint}" if endpoint else ""
    first = f"No constraints are set{where}: {best} has the best quality, {_worth(named[best], money)}"
    if cheapest == best or named[cheapest].cost_per_success.value is None:
        return f"{first}." if len(named) == 1 or cheapest != best else f"{first}, and is the cheapest per success."
    return f"{first}; {cheapest} is the cheapest per success, with quality {_worth(named[cheapest], money)}."


def _worth(found: CandidateFigures, money: MoneyScale) -> str:
    quality = wording.full(found.quality, wording.shares(found.quality))
    if found.cost_per_success.value is None:
        return f"{quality}, its cost not known"
    return f"{quality} at {wording.full(found.cost_per_success, money.text)} per {money.label}"


def _picked(
    pick: str,
    *,
    best: str,
    meeting: Sequence[str],
    named: ByName,
    rivals: Sequence[Rival],
    assessments: Sequence[Assessment],
    money: MoneyScale,
    endpoint: str,
    alpha: float,
) -> str:
    if len(meeting) == 1:
        why = "the only candidate shown to meet every constraint"
    elif named[pick].cost_per_success.value is None:
        why = f"it meets every constraint, as {len(meeting)} candidates do whose costs are not known"
    else:
        why = f"the cheapest per success of the {len(meeting)} candidates shown to meet every constraint"
    where = f" for {endpoint}" if endpoint else ""
    sentence = f"Use {pick}{where}: {why}, with quality {_worth(named[pick], money)}"
    rival = next((rival for rival in rivals if rival.candidate == best), None)
    if rival is None:
        return f"{sentence}."
    blocked = next((found for found in assessments if found.candidate == best and found.outcome != "meets"), None)
    return f"{sentence}; {_beside(rival, blocked, alpha)}."


def _beside(rival: Rival, blocked: Assessment | None, alpha: float) -> str:
    """The candidate of best quality, and what speaks against it."""
    difference = wording.full(rival.difference, wording.points)
    surely = rival.p_adjusted < alpha
    said = "is higher" if surely else "is not shown to be higher"
    text = f"the quality of {rival.candidate} {said} ({difference} points, {wording.p_value(rival.p_adjusted)})"
    if rival.cost_ratio is not None:
        text += f" at {rival.cost_ratio:.3g} times the cost"
    if blocked is not None:
        check = next(check for check in blocked.checks if check.outcome == blocked.outcome)
        said = "fails" if check.outcome == "fails" else "is not shown to meet"
        text += f", and it {said} {wording.limit_words(check.figure, check.limit)}"
    return text


def _nobody(nearest: str, assessments: Sequence[Assessment], named: ByName, endpoint: str) -> str:
    found = next(found for found in assessments if found.candidate == nearest)
    unmet = [check for check in found.checks if check.outcome != "meets"]
    where = f" of {endpoint}" if endpoint else ""
    only = "the only candidate" if len(named) == 1 else "the nearest"
    said = wording.listed([_unmet(check) for check in unmet[:2]])
    rest = f" and {len(unmet) - 2} more" if len(unmet) > 2 else ""
    more = [check.more for check in unmet if check.more]
    would = f" About {wording.counted(max(more), 'more result')} for each candidate would tell." if more else ""
    return f"No candidate is shown to meet every constraint{where}: {nearest}, {only}, {said}{rest}.{would}"


def _unmet(check: Check) -> str:
    said = "fails" if check.outcome == "fails" else "is not shown to meet"
    limit = wording.limit_words(check.figure, check.limit)
    return f"{said} {limit} ({check_value(check)})"


def check_value(check: Check) -> str:
    """`it is 78% [70, 85%]`, or why there is no number."""
    if not check.estimate.known and check.estimate.why:
        return check.estimate.why
    shared = check.figure in ("quality", "error_rate")
    show = wording.shares(check.estimate) if shared else wording.figure_show(check.figure)
    return f"it is {wording.full(check.estimate, show)}"
