"""Two candidates, or one candidate in two runs: what broke, what was fixed, and whether it is noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from weighbridge.evaluation import intervals, measuring, pairing, wording
from weighbridge.evaluation.changes import MOST_SHOWN, Change, Side, changes, rates
from weighbridge.evaluation.estimate import Estimate
from weighbridge.evaluation.outcomes import Outcomes
from weighbridge.evaluation.pairing import Pair

Finding = Literal["worse", "better", "no difference shown"]


class Criterion(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Success or one scorer, paired by sample: `difference` is after less before, `test` names where `p` is from,
    `p_adjusted` is corrected for the number of criteria (Holm)."""

    name: str
    before: float
    after: float
    difference: Estimate
    p: float
    p_adjusted: float
    test: str


class Shift(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A figure on both sides and its difference, after less before; of a P50 that is the median of paired differences.
    `sure`: the interval leaves zero out."""

    name: str
    before: Estimate
    after: Estimate
    difference: Estimate

    @property
    def sure(self) -> bool:
        return self.difference.known and (self.difference.lower > 0 or self.difference.upper < 0)


class Comparison(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`before` and `after` are "run:candidate"; `samples` are those both judged. `broke` and `fixed` are cut to 200,
    their full numbers are in `broken` and `mended`. `needed` is about how many samples would show a quality difference
    of this size (80% power), where none is shown."""

    before: str
    after: str
    samples: int
    only_before: int = 0
    only_after: int = 0
    finding: Finding
    criteria: tuple[Criterion, ...]
    shifts: tuple[Shift, ...] = ()
    broken: int = 0
    mended: int = 0
    broke: tuple[Change, ...] = ()
    fixed: tuple[Change, ...] = ()
    needed: int | None = None
    sentence: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tested:
    """One criterion before its p-value is corrected."""

    name: str
    pair: Pair


def compare(pairs: Sequence[tuple[Side, Side]], *, confidence: float = 0.95) -> list[Comparison]:
    """Each (before, after) compared; pairs that share no judged sample are left out. p-values are corrected for all
    criteria of all pairs, so that looking at many candidates at once does not make one of them look changed.

    Raises UsageError where a run's journal is damaged.
    """
    tested = [(before, after, _criteria(before, after, confidence)) for before, after in pairs]
    known = [(before, after, criteria) for before, after, criteria in tested if criteria]
    adjusted = iter(intervals.holm([one.pair.p for _, _, criteria in known for one in criteria]))
    return [
        _compared(before, after, tuple(_criterion(one, next(adjusted)) for one in criteria), confidence)
        for before, after, criteria in known
    ]


def _compared(before: Side, after: Side, criteria: tuple[Criterion, ...], confidence: float) -> Comparison:
    old, new = rates(before.outcomes), rates(after.outcomes)
    shared = [sample for sample in old if sample in new]
    broke, fixed = changes(before, after, shared)
    finding = _finding(criteria[0], 1 - confidence)
    needed = None if finding != "no difference shown" else pairing.needed(before.outcomes, after.outcomes, confidence)
    only_before, only_after = len(old) - len(shared), len(new) - len(shared)
    made = Comparison(
        before=before.label,
        after=after.label,
        samples=len(shared),
        only_before=only_before,
        only_after=only_after,
        finding=finding,
        criteria=criteria,
        shifts=tuple(_shifts(before, after, confidence)),
        broken=len(broke),
        mended=len(fixed),
        broke=broke[:MOST_SHOWN],
        fixed=fixed[:MOST_SHOWN],
        needed=needed,
        notes=tuple(_notes(before, after, only_before, only_after)),
    )
    return msgspec.structs.replace(made, sentence=sentence(made, *names(before, after)))


def names(before: Side, after: Side) -> tuple[str, str]:
    """The shortest names that tell the two apart."""
    if before.run.id == after.run.id:
        return before.outcomes.candidate, after.outcomes.candidate
    if before.outcomes.candidate == after.outcomes.candidate:
        name = after.outcomes.candidate
        return f"{name} before", f"{name} after"
    return before.label, after.label


def _criteria(before: Side, after: Side, confidence: float) -> list[_Tested]:
    """Success first, then every scorer both sides have, unless it says the same as success everywhere."""
    left, right = before.outcomes, after.outcomes
    success = pairing.success(left, right, confidence)
    if success is None:
        return []
    found = [_Tested("success", success)]
    for name in left.values:
        if name in right.values and not all(_repeats_success(side.outcomes, name) for side in (before, after)):
            pair = pairing.values(left, right, name, confidence)
            found += [] if pair is None else [_Tested(name, pair)]
    return found


def _repeats_success(outcomes: Outcomes, name: str) -> bool:
    return bool(np.array_equal(outcomes.values[name], outcomes.success, equal_nan=True))


def _criterion(one: _Tested, corrected: float) -> Criterion:
    pair = one.pair
    return Criterion(
        name=one.name,
        before=pair.before,
        after=pair.after,
        difference=pair.difference,
        p=pair.p,
        p_adjusted=corrected,
        test=pair.test,
    )


def _finding(success: Criterion, alpha: float) -> Finding:
    if success.p_adjusted >= alpha:
        return "no difference shown"
    return "better" if success.after > success.before else "worse"


def _shifts(before: Side, after: Side, confidence: float) -> Iterable[Shift]:
    left, right = before.outcomes, after.outcomes
    old = measuring.measure(left, confidence=confidence, timeout=_timeout(before))
    new = measuring.measure(right, confidence=confidence, timeout=_timeout(after))
    yield Shift(
        name="cost_per_success",
        before=old.cost_per_success,
        after=new.cost_per_success,
        difference=pairing.cost_difference(left, right, confidence),
    )
    for kind in ("ttft", "total"):
        times: tuple[dict[str, Estimate], dict[str, Estimate]] = (getattr(old, kind), getattr(new, kind))
        if times[0] and times[1]:
            delay = pairing.typical_delay(left, right, kind, confidence)
            yield Shift(name=f"{kind}_p50", before=times[0]["p50"], after=times[1]["p50"], difference=delay)
            yield Shift(name=f"{kind}_p95", before=times[0]["p95"], after=times[1]["p95"], difference=Estimate())
    errors = pairing.errors(left, right, confidence)
    if errors is not None:
        yield Shift(name="error_rate", before=old.error_rate, after=new.error_rate, difference=errors.difference)


def _timeout(side: Side) -> float | None:
    return side.run.manifest.timeouts.get("total")


def _notes(before: Side, after: Side, only_before: int, only_after: int) -> Iterable[str]:
    if only_before or only_after:
        yield (
            f"Only samples judged on both sides are compared; {only_before:,} were judged only before and "
            f"{only_after:,} only after."
        )
    for side in (before, after):
        unscored = int(np.isnan(side.outcomes.success).sum())
        if unscored:
            yield f"{wording.counted(unscored, 'answer')} of {side.label} could not be judged and are left out."


def sentence(found: Comparison, before: str, after: str) -> str:
    """What broke, what was fixed, and whether that is noise."""
    success = found.criteria[0]
    moved = f"{found.broken:,} broke and {found.mended:,} were fixed of {wording.counted(found.samples, 'sample')}"
    by = f"{wording.full(success.difference, wording.points)} points, {wording.p_value(success.p_adjusted)}"
    if found.finding != "no difference shown":
        return f"{after} is {found.finding} than {before}: {moved} ({by})."
    text = f"No difference in quality is shown between {before} and {after}: {moved} ({by})."
    if found.needed:
        return f"{text} A difference of this size would take about {found.needed:,} samples to show."
    return text


def overall(found: Sequence[Comparison]) -> Finding:
    """The worst finding of several."""
    findings = {one.finding for one in found}
    order: tuple[Finding, ...] = ("worse", "better", "no difference shown")
    return next((one for one in order if one in findings), "no difference shown")
