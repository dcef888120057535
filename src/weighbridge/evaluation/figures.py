"""What a run came to: for each candidate every figure a person decides on, each with its interval."""

from __future__ import annotations

from datetime import datetime

import msgspec

from weighbridge.evaluation.estimate import Estimate


class ScorerFigure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One scorer's mean value; failed requests count 0, the `unscorable` answers are left out and counted here."""

    mean: Estimate
    scored: int
    unscorable: int = 0


class TagFigure(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Quality on the samples of one tag."""

    quality: Estimate
    results: int


class CandidateFigures(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One candidate. `quality` is the share of successes, failed requests included below the line; `unscored` answers
    could not be judged and are left out of it. `cost_per_success` is USD, `total_cost` None where unknown, `unpriced`
    results are counted at the dearest known one. `ttft` and `total` map p50, p95 and p99 to seconds. `tokens` are means
    for each answer. `retries` are attempts beyond the first, `retried` says why. `pass_all` (pass^k) is the share of
    samples expected to succeed in all k repeats."""

    candidate: str
    model: str = ""
    provider: str = ""
    results: int
    samples: int
    successes: int
    quality: Estimate
    unscored: int = 0
    pass_all: Estimate | None = None
    scorers: dict[str, ScorerFigure] = {}
    cost_per_success: Estimate
    total_cost: float | None = None
    unpriced: int = 0
    ttft: dict[str, Estimate] = {}
    total: dict[str, Estimate] = {}
    error_rate: Estimate
    errors: dict[str, int] = {}
    tokens: dict[str, float] = {}
    retries: int = 0
    retried: dict[str, int] = {}
    tags: dict[str, TagFigure] = {}


class Figures(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A run's figures, best quality first. `results` of `planned` were measured; `notes` are sentences a reader must
    know before trusting the rest."""

    run: str
    evaluation: str
    endpoint: str = ""
    created: datetime
    status: str
    reason: str = ""
    results: int
    planned: int = 0
    samples: int
    repeats: int = 1
    confidence: float = 0.95
    timeout: float | None = None
    candidates: tuple[CandidateFigures, ...] = ()
    notes: tuple[str, ...] = ()
