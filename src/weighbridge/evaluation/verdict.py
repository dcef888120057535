"""Which candidate to use under the endpoint's constraints, and why, in one sentence."""

from __future__ import annotations

from typing import Literal

import msgspec

from weighbridge.evaluation.estimate import Estimate

Outcome = Literal["meets", "fails", "not shown"]


class Check(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One constraint against one candidate. "not shown": the interval holds the limit, so the data cannot say; `more`
    is about how many more results would, None where no number helps (an unknown price)."""

    figure: str
    limit: float
    outcome: Outcome
    estimate: Estimate
    more: int | None = None


class Assessment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A candidate under all constraints: it fails if any fails, meets if all are met."""

    candidate: str
    outcome: Outcome
    checks: tuple[Check, ...] = ()


class Rival(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Another candidate beside the pick, paired by sample: `difference` is its quality less the pick's, `p_adjusted`
    corrects for the number of rivals (Holm), `cost_ratio` is its cost per success over the pick's."""

    candidate: str
    difference: Estimate
    p: float
    p_adjusted: float
    cost_ratio: float | None = None


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`pick` is empty where no candidate is shown to meet every constraint; `nearest` then comes closest."""

    sentence: str
    pick: str = ""
    nearest: str = ""
    assessments: tuple[Assessment, ...] = ()
    rivals: tuple[Rival, ...] = ()
